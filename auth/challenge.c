/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The table of pending logins. Memory only.
 */
#include "auth/challenge.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <nettle/memops.h>
#include <talloc.h>

#include "auth/codec.h"
#include "auth/scram.h"
#include "auth/shares.h"

struct ocs_challenges {
	pthread_mutex_t mutex;
	struct ocs_challenge *table; /* by session cookie, oldest first */
	struct ocs_shares *shares;
	uint64_t number;    /* of the last one */
	uint64_t displaced; /* ended to make room */
};

struct ocs_challenges *ocs_challenges_new(void)
{
	struct ocs_challenges *challenges = calloc(1, sizeof(*challenges));

	if (!challenges)
		return NULL;
	challenges->shares = ocs_shares_new();
	if (!challenges->shares || pthread_mutex_init(&challenges->mutex, NULL) != 0) {
		ocs_shares_free(challenges->shares);
		free(challenges);
		return NULL;
	}
	return challenges;
}

struct ocs_challenge *ocs_challenge_new(void)
{
	return talloc_zero(NULL, struct ocs_challenge);
}

void ocs_challenge_free(struct ocs_challenge *challenge)
{
	if (!challenge)
		return;
	ocs_scram_free(challenge->scram);
	if (challenge->known)
		explicit_bzero(challenge->known, sizeof(*challenge->known));
	talloc_free(challenge);
}

static void detach(struct ocs_challenges *challenges, struct ocs_challenge *challenge)
{
	ocs_shares_leave(challenges->shares, challenge);
	HASH_DEL(challenges->table, challenge);
}

/* A reload may shorten the ttl, so that later ones end first: those go when their turn comes. */
static void expire(struct ocs_challenges *challenges, int64_t now)
{
	while (challenges->table && challenges->table->ends <= now) {
		struct ocs_challenge *oldest = challenges->table;

		detach(challenges, oldest);
		ocs_challenge_free(oldest);
	}
}

void ocs_challenges_free(struct ocs_challenges *challenges)
{
	if (!challenges)
		return;
	expire(challenges, INT64_MAX);
	ocs_shares_free(challenges->shares);
	pthread_mutex_destroy(&challenges->mutex);
	free(challenges);
}

static int draw_cookies(struct ocs_challenge *challenge)
{
	uint8_t session[OCS_CHALLENGE_SESSION / 4 * 3], token[OCS_CHALLENGE_TOKEN / 4 * 3];

	if (ocs_auth_random(session, sizeof(session)) < 0 ||
	    ocs_auth_random(token, sizeof(token)) < 0)
		return -1;
	ocs_auth_b64_encode(challenge->session, session, sizeof(session));
	ocs_auth_b64_encode(challenge->token, token, sizeof(token));
	return 0;
}

/* Until the newcomer's origin may join; a reload may have made the table smaller. */
static void make_room(struct ocs_challenges *challenges, const struct ocs_origin *origin,
                      const struct ocs_challenge_rule *rule)
{
	struct ocs_challenge *victim;

	while ((victim =
	                ocs_shares_victim(challenges->shares, origin, rule->limit, rule->spared))) {
		detach(challenges, victim);
		ocs_challenge_free(victim);
		challenges->displaced++;
	}
}

static enum ocs_auth_result insert(struct ocs_challenges *challenges,
                                   struct ocs_challenge *challenge)
{
	challenge->number = ++challenges->number;
	if (ocs_shares_join(challenges->shares, challenge) < 0)
		return OCS_AUTH_INTERNAL;
	HASH_ADD_STR(challenges->table, session, challenge);
	if (challenge->hh.tbl)
		return OCS_AUTH_OK;
	ocs_shares_leave(challenges->shares, challenge);
	return OCS_AUTH_INTERNAL;
}

enum ocs_auth_result ocs_challenges_put(struct ocs_challenges *challenges,
                                        struct ocs_challenge *challenge,
                                        const struct ocs_origin *origin,
                                        const struct ocs_challenge_rule *rule, int64_t now,
                                        struct ocs_auth_reply *reply)
{
	enum ocs_auth_result result = OCS_AUTH_INTERNAL;

	challenge->origin = *origin;
	challenge->ends = now + (int64_t)rule->ttl * 1000;
	if (draw_cookies(challenge) == 0) {
		memcpy(reply->cookie_session, challenge->session, sizeof(challenge->session));
		memcpy(reply->cookie_token, challenge->token, sizeof(challenge->token));
		pthread_mutex_lock(&challenges->mutex);
		expire(challenges, now);
		make_room(challenges, origin, rule);
		result = insert(challenges, challenge);
		pthread_mutex_unlock(&challenges->mutex);
		reply->no_memory = result == OCS_AUTH_INTERNAL;
	}
	/* once it is in, it is not ours any more */
	if (result != OCS_AUTH_OK) {
		reply->cookie_session[0] = reply->cookie_token[0] = '\0';
		ocs_challenge_free(challenge);
	}
	return result;
}

struct ocs_challenge *ocs_challenges_take(struct ocs_challenges *challenges,
                                          const struct ocs_auth_cookies *cookies, int64_t now)
{
	struct ocs_challenge *challenge = NULL;

	if (!cookies || !cookies->session || !cookies->token ||
	    strlen(cookies->session) != OCS_CHALLENGE_SESSION ||
	    strlen(cookies->token) != OCS_CHALLENGE_TOKEN)
		return NULL;
	pthread_mutex_lock(&challenges->mutex);
	HASH_FIND_STR(challenges->table, cookies->session, challenge);
	if (challenge && memeql_sec(challenge->token, cookies->token, OCS_CHALLENGE_TOKEN))
		detach(challenges, challenge);
	else
		challenge = NULL;
	pthread_mutex_unlock(&challenges->mutex);

	if (challenge && challenge->ends <= now) {
		ocs_challenge_free(challenge);
		return NULL;
	}
	return challenge;
}

void ocs_challenges_count(struct ocs_challenges *challenges, int64_t now,
                          struct ocs_auth_counts *counts)
{
	pthread_mutex_lock(&challenges->mutex);
	expire(challenges, now);
	counts->pending_challenges = HASH_COUNT(challenges->table);
	counts->displaced_challenges = challenges->displaced;
	pthread_mutex_unlock(&challenges->mutex);
}
