/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Logins between their two steps: what the server asked, found again by the two cookies.
 *
 * A challenge can be taken once, by whoever brings both cookies, before it ends. The table is
 * bounded, and one remote address gets at most an eighth of it (at least one; loopback, where one
 * host speaks for many, may fill it), so that nobody can keep all others from logging in.
 *
 * Any thread; one short lock.
 */
#ifndef OCS_AUTH_CHALLENGE_H
#define OCS_AUTH_CHALLENGE_H

#include <stddef.h>
#include <stdint.h>

#include "auth/accounts.h"
#include "auth/auth.h"
#include "base/peer.h"

#define OCS_CHALLENGE_SALT    20
#define OCS_CHALLENGE_SESSION 32 /* characters of the cookies; their bytes need no padding */
#define OCS_CHALLENGE_TOKEN   28 /* as long as the old server's */
#define OCS_CHALLENGE_SHARE   8  /* an address may hold 1/8 of the table */

struct ocs_scram;

enum ocs_challenge_kind {
	OCS_CHALLENGE_SSHA = 1,
	OCS_CHALLENGE_SCRAM = 2,
};

/* A talloc object. */
struct ocs_challenge {
	enum ocs_challenge_kind kind;
	char account[OCS_AUTH_NAME_SIZE];
	uint8_t token_salt[OCS_CHALLENGE_SALT]; /* OCS_CHALLENGE_SSHA */
	struct ocs_scram *scram;                /* OCS_CHALLENGE_SCRAM; freed with it */
	struct ocs_account
	        *known; /* what a directory said of it; NULL: nothing, or there is none */
	uint8_t account_mac[OCS_ACCOUNT_MAC]; /* of the account asked; zero: made up */

	/* the table's own */
	struct ocs_peer peer;
	int64_t ends;
	char session[OCS_CHALLENGE_SESSION + 1];
	char token[OCS_CHALLENGE_TOKEN + 1];
	UT_hash_handle hh;
};

struct ocs_challenges;

struct ocs_challenges *ocs_challenges_new(void);
void ocs_challenges_free(struct ocs_challenges *challenges);

/* An empty one, in no table yet. */
struct ocs_challenge *ocs_challenge_new(void);
void ocs_challenge_free(struct ocs_challenge *challenge);

/* Takes the challenge over and draws its cookies, which are copied to the reply; on anything but
 * OK it is freed. OVERLOADED: the table or the address' share is full; retry_after says when the
 * next place is due. limit counts challenges, ttl seconds, now milliseconds of a steady clock. */
enum ocs_auth_result ocs_challenges_put(struct ocs_challenges *challenges,
                                        struct ocs_challenge *challenge,
                                        const struct ocs_peer *peer, unsigned limit, unsigned ttl,
                                        int64_t now, struct ocs_auth_reply *reply);
/* Removes and returns the caller's own challenge, or NULL: unknown, ended, taken, foreign. */
struct ocs_challenge *ocs_challenges_take(struct ocs_challenges *challenges,
                                          const struct ocs_auth_cookies *cookies, int64_t now);
size_t ocs_challenges_count(struct ocs_challenges *challenges, int64_t now);

#endif
