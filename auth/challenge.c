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

#include "auth/clock.h"
#include "auth/codec.h"
#include "auth/scram.h"

/* How many challenges an address has. */
struct holder {
	struct ocs_peer peer;
	unsigned count;
	UT_hash_handle hh;
};

struct ocs_challenges {
	pthread_mutex_t mutex;
	struct ocs_challenge *table; /* by session cookie, oldest first */
	struct holder *holders;
};

struct ocs_challenges *ocs_challenges_new(void)
{
	struct ocs_challenges *challenges = calloc(1, sizeof(*challenges));

	if (challenges && pthread_mutex_init(&challenges->mutex, NULL) != 0) {
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

static struct holder *holder_of(struct ocs_challenges *challenges, const struct ocs_peer *peer)
{
	struct holder *holder;

	HASH_FIND(hh, challenges->holders, peer, sizeof(*peer), holder);
	return holder;
}

static void detach(struct ocs_challenges *challenges, struct ocs_challenge *challenge)
{
	struct holder *holder = holder_of(challenges, &challenge->peer);

	HASH_DEL(challenges->table, challenge);
	if (holder && --holder->count == 0) {
		HASH_DEL(challenges->holders, holder);
		free(holder);
	}
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

/* When the next place for this peer is due: the end of the oldest challenge that counts for it. */
static int64_t next_place(const struct ocs_challenges *challenges, const struct ocs_peer *peer,
                          bool own)
{
	const struct ocs_challenge *c = challenges->table;

	while (own && c && memcmp(&c->peer, peer, sizeof(*peer)) != 0)
		c = c->hh.next;
	return c ? c->ends : 0;
}

static enum ocs_auth_result insert(struct ocs_challenges *challenges,
                                   struct ocs_challenge *challenge, unsigned limit, int64_t now,
                                   struct ocs_auth_reply *reply)
{
	unsigned share = limit / OCS_CHALLENGE_SHARE ? limit / OCS_CHALLENGE_SHARE : 1;
	struct holder *holder = holder_of(challenges, &challenge->peer);
	bool own = !challenge->peer.loopback && holder && holder->count >= share;

	if (own || HASH_COUNT(challenges->table) >= limit) {
		reply->retry_after =
		        ocs_auth_seconds_until(next_place(challenges, &challenge->peer, own), now);
		return OCS_AUTH_OVERLOADED;
	}
	if (!holder) {
		holder = calloc(1, sizeof(*holder));
		if (!holder)
			return OCS_AUTH_INTERNAL;
		holder->peer = challenge->peer;
		HASH_ADD(hh, challenges->holders, peer, sizeof(holder->peer), holder);
		if (!holder->hh.tbl) {
			free(holder);
			return OCS_AUTH_INTERNAL;
		}
	}
	holder->count++;
	HASH_ADD_STR(challenges->table, session, challenge);
	if (!challenge->hh.tbl) {
		if (--holder->count == 0) {
			HASH_DEL(challenges->holders, holder);
			free(holder);
		}
		return OCS_AUTH_INTERNAL;
	}
	return OCS_AUTH_OK;
}

enum ocs_auth_result ocs_challenges_put(struct ocs_challenges *challenges,
                                        struct ocs_challenge *challenge,
                                        const struct ocs_peer *peer, unsigned limit, unsigned ttl,
                                        int64_t now, struct ocs_auth_reply *reply)
{
	enum ocs_auth_result result = OCS_AUTH_INTERNAL;

	challenge->peer = *peer;
	challenge->ends = now + (int64_t)ttl * 1000;
	if (draw_cookies(challenge) == 0) {
		memcpy(reply->cookie_session, challenge->session, sizeof(challenge->session));
		memcpy(reply->cookie_token, challenge->token, sizeof(challenge->token));
		pthread_mutex_lock(&challenges->mutex);
		expire(challenges, now);
		result = insert(challenges, challenge, limit, now, reply);
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

size_t ocs_challenges_count(struct ocs_challenges *challenges, int64_t now)
{
	pthread_mutex_lock(&challenges->mutex);
	expire(challenges, now);
	size_t count = HASH_COUNT(challenges->table);
	pthread_mutex_unlock(&challenges->mutex);
	return count;
}
