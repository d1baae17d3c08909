/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Failed logins, and who has to wait before the next attempt.
 *
 * The attacker is a stranger who knows names of accounts, and may have many addresses: 10,000 of
 * IPv4, or all of an IPv6 /48. They want to guess a password, to keep its owner out, to make the
 * counters forget them, to fill memory, or to learn which accounts there are.
 *
 * Failures are counted in a window of `window` seconds, which opens with the first. The one that
 * reaches the limit locks: attempts are refused unseen for one window, after the next lock for two,
 * then four, then eight; eight windows of calm after a lock forget the earlier ones. Refused
 * attempts count for nothing. A login that is right takes nothing back: else whoever shares an
 * address with a busy client could go on guessing for ever.
 *
 *   counted together           limit           refuses
 *   account from an address    failures        this account from this address
 *   address (IPv6: /64)        10 x failures   all accounts from it, but for known pairs
 *   prefix (/24; IPv6: /48)    40 x failures   the same from all its addresses
 *   account from anywhere,     10 x failures   nobody; but as long as it would, a pair that is
 *     known pairs excepted                     not known has a fifth of its failures
 *
 * A pair of account and address is known for 30 days after a login that was right (auth/known.h).
 *
 * Promised:
 *   - Whoever has the right password gets in at the first attempt from anywhere but the prefixes
 *     that the attack comes from, known or not, however many addresses attack the account.
 *   - From an address or prefix that others have locked, known pairs still get in. So nobody locks
 *     an account for its owner elsewhere.
 *   - n addresses have at most n x failures guesses in the first window, a fifth of that as soon as
 *     the attack is seen, and in the end that many in eight windows.
 *   - No number of other names or addresses makes a lock be forgotten, and memory is fixed
 *     (ocs_limiter_size()). Known and unknown accounts are counted and answered alike; a wrong
 *     password for a known pair where all others are refused is answered as if it were refused.
 * Not promised:
 *   - Who shares an address (a NAT, a proxy that is not named in the ini) with the attacker is
 *     locked out of the account that is attacked from there, and, where they never logged in from
 *     there, of all of them. An attacker who shares it can find out whether an account logs in from
 *     there: by the time that PLAIN takes, by which first steps are refused (auth = ldap), or
 *     with dozens of guesses for each name.
 *   - An attacker who fills all places of a key with locks, which takes half a million failures
 *     from thousands of addresses, is counted by address and prefix alone for what comes on top.
 *   - Counters and known pairs end with the process. Attempts that are checked at the same moment
 *     may exceed a limit by as many as there are threads that check.
 *
 * Loopback is one host that speaks for many, so its addresses and prefix are not counted, only its
 * pairs and accounts; with count_loopback that exception is gone.
 *
 * Any thread; one short lock.
 */
#ifndef OCS_AUTH_LIMITER_H
#define OCS_AUTH_LIMITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "auth/auth.h"
#include "auth/origin.h"

#define OCS_LIMITER_ADDRESS_FACTOR 10
#define OCS_LIMITER_PREFIX_FACTOR  40
#define OCS_LIMITER_ACCOUNT_FACTOR 10
#define OCS_LIMITER_ATTACKED_SHARE 5

struct ocs_limiter;

struct ocs_limiter_rule {
	unsigned failures;
	unsigned window; /* seconds */
	bool count_loopback;
};

/* NULL when out of memory. */
struct ocs_limiter *ocs_limiter_new(void);
void ocs_limiter_free(struct ocs_limiter *limiter);
/* Bytes of its tables, which never change. */
size_t ocs_limiter_size(const struct ocs_limiter *limiter);

/* now in all of these: milliseconds of one steady clock. */

/* Whether the rule leaves out what this peer's address and prefix do. */
bool ocs_limiter_spares(const struct ocs_limiter_rule *rule, const struct ocs_peer *peer);
/* Seconds to wait before an attempt, 0: go ahead. *spared_r: go ahead in any case, for the pair is
 * known and only others have to wait; but say so if the password is wrong. NULL is allowed. */
unsigned ocs_limiter_wait(struct ocs_limiter *limiter, const struct ocs_limiter_rule *rule,
                          const struct ocs_origin *origin, int64_t now, bool *spared_r);
/* Counts a failure. Returns the kinds that it locks, as bits (1 << OCS_ORIGIN_...). */
unsigned ocs_limiter_failed(struct ocs_limiter *limiter, const struct ocs_limiter_rule *rule,
                            const struct ocs_origin *origin, int64_t now);
/* The pair is known from now on. */
void ocs_limiter_succeeded(struct ocs_limiter *limiter, const struct ocs_origin *origin,
                           int64_t now);

/* What is locked now, addresses and prefixes before accounts and pairs: at most `most` of them.
 * Returns how many there are in all. */
size_t ocs_limiter_list(struct ocs_limiter *limiter, int64_t now, struct ocs_auth_lockout *out,
                        size_t most);

/* Addresses that begin with the same bits. */
struct ocs_limiter_net {
	struct ocs_peer peer;
	unsigned bits; /* at most 32; IPv6: 64 */
};

/* Reads ADDRESS or ADDRESS/BITS; of IPv6 no more than 64 bits count, and ::ffff:1.2.3.4/120 is
 * 1.2.3.4/24. -1: it is neither, or the address has fewer bits. */
int ocs_limiter_net_parse(const char *text, struct ocs_limiter_net *net);
/* Forgets failures: with both NULL all; else those of the account, and those that refuse logins
 * from any address of the net. Returns how many locks that ended. */
size_t ocs_limiter_clear(struct ocs_limiter *limiter, const char *account,
                         const struct ocs_limiter_net *net, int64_t now);

/* Adds to locked and locks, for each kind, and uncounted; leaves the rest. */
void ocs_limiter_count(struct ocs_limiter *limiter, int64_t now, struct ocs_auth_counts *counts);

#endif
