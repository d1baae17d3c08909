/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Logins between their two steps: what the server asked, found again by the two cookies.
 *
 * A challenge can be taken once, by whoever brings both cookies, before it ends. The table is
 * bounded; a newcomer is not refused, but displaces one of whoever has most (auth/shares.h), so
 * that nobody can keep all others from logging in.
 *
 * Any thread; one short lock.
 */
#ifndef OCS_AUTH_CHALLENGE_H
#define OCS_AUTH_CHALLENGE_H

#include <stddef.h>
#include <stdint.h>

#include "auth/accounts.h"
#include "auth/auth.h"
#include "auth/origin.h"

#define OCS_CHALLENGE_SALT    20
#define OCS_CHALLENGE_SESSION 32 /* characters of the cookies; their bytes need no padding */
#define OCS_CHALLENGE_TOKEN   28 /* as long as the old server's */

struct ocs_scram;
struct ocs_share;

enum ocs_challenge_kind {
	OCS_CHALLENGE_SSHA = 1,
	OCS_CHALLENGE_SCRAM = 2,
};

/* What has shares of the table. */
enum ocs_challenge_share {
	OCS_CHALLENGE_OF_ADDRESS,
	OCS_CHALLENGE_OF_PREFIX,
	OCS_CHALLENGE_OF_ACCOUNT,
	OCS_CHALLENGE_SHARES
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
	struct ocs_origin origin;
	uint64_t number; /* counts them */
	int64_t ends;
	char session[OCS_CHALLENGE_SESSION + 1];
	char token[OCS_CHALLENGE_TOKEN + 1];
	UT_hash_handle hh;
	struct ocs_share *share[OCS_CHALLENGE_SHARES];
	struct {
		struct ocs_challenge *prev, *next;
	} link[OCS_CHALLENGE_SHARES]; /* in the list of the share, the oldest first */
};

struct ocs_challenges;

struct ocs_challenges *ocs_challenges_new(void);
void ocs_challenges_free(struct ocs_challenges *challenges);

/* An empty one, in no table yet. */
struct ocs_challenge *ocs_challenge_new(void);
void ocs_challenge_free(struct ocs_challenge *challenge);

/* How many challenges there may be. */
struct ocs_challenge_rule {
	unsigned limit; /* at least 1 */
	unsigned ttl;   /* seconds */
	bool spared;    /* the shares of this address and prefix do not count */
};

/* Takes the challenge over and draws its cookies, which are copied to the reply; on anything but
 * OK, which is INTERNAL, it is freed. now in milliseconds of a steady clock. */
enum ocs_auth_result ocs_challenges_put(struct ocs_challenges *challenges,
                                        struct ocs_challenge *challenge,
                                        const struct ocs_origin *origin,
                                        const struct ocs_challenge_rule *rule, int64_t now,
                                        struct ocs_auth_reply *reply);
/* Removes and returns the caller's own challenge, or NULL: unknown, ended, taken, foreign. */
struct ocs_challenge *ocs_challenges_take(struct ocs_challenges *challenges,
                                          const struct ocs_auth_cookies *cookies, int64_t now);
/* Sets pending_challenges and displaced_challenges. */
void ocs_challenges_count(struct ocs_challenges *challenges, int64_t now,
                          struct ocs_auth_counts *counts);

#endif
