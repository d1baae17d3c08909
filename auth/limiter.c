/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The failed-login limiter. Memory only.
 */
#include "auth/limiter.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "auth/auth.h"
#include "auth/clock.h"

/* account is empty in the table of addresses; unused bytes are zero, for the hash */
struct window_key {
	struct ocs_peer peer;
	char account[OCS_AUTH_NAME_SIZE];
};

struct window {
	struct window_key key;
	int64_t ends;
	unsigned failures;
	UT_hash_handle hh;
};

struct ocs_limiter {
	pthread_mutex_t mutex;
	size_t entries;
	/* in the order in which the windows opened, which is uthash's order of insertion */
	struct window *pairs;
	struct window *addresses;
};

struct ocs_limiter *ocs_limiter_new(size_t entries)
{
	struct ocs_limiter *limiter = calloc(1, sizeof(*limiter));

	if (!limiter)
		return NULL;
	limiter->entries = entries;
	if (pthread_mutex_init(&limiter->mutex, NULL) != 0) {
		free(limiter);
		return NULL;
	}
	return limiter;
}

static void drop(struct window **table, struct window *window)
{
	HASH_DEL(*table, window);
	free(window);
}

void ocs_limiter_free(struct ocs_limiter *limiter)
{
	if (!limiter)
		return;
	while (limiter->pairs)
		drop(&limiter->pairs, limiter->pairs);
	while (limiter->addresses)
		drop(&limiter->addresses, limiter->addresses);
	pthread_mutex_destroy(&limiter->mutex);
	free(limiter);
}

static void make_key(const struct ocs_peer *peer, const char *account, struct window_key *key)
{
	memset(key, 0, sizeof(*key));
	key->peer = *peer;
	strncpy(key->account, account, sizeof(key->account) - 1);
}

static struct window *find(struct window **table, const struct window_key *key, int64_t now)
{
	struct window *window;

	HASH_FIND(hh, *table, key, sizeof(*key), window);
	if (window && window->ends <= now) {
		drop(table, window);
		return NULL;
	}
	return window;
}

static unsigned wait_for(struct window **table, const struct window_key *key, unsigned failures,
                         int64_t now)
{
	const struct window *window = find(table, key, now);

	return window && window->failures >= failures ? ocs_auth_seconds_until(window->ends, now)
	                                              : 0;
}

/* Returns how many failures the window has now. */
static unsigned count(struct window **table, size_t entries, const struct window_key *key,
                      int64_t window_ms, int64_t now)
{
	struct window *window = find(table, key, now);

	if (window)
		return ++window->failures;
	/* ended ones first; if none has ended, the oldest */
	while (*table && ((*table)->ends <= now || HASH_COUNT(*table) >= entries))
		drop(table, *table);
	window = calloc(1, sizeof(*window));
	if (!window)
		return 0; /* the attempt failed anyway; not counting it is the lesser harm */
	window->key = *key;
	window->ends = now + window_ms;
	window->failures = 1;
	HASH_ADD(hh, *table, key, sizeof(window->key), window);
	if (!window->hh.tbl)
		free(window);
	return 1;
}

unsigned ocs_limiter_wait(struct ocs_limiter *limiter, const struct ocs_limiter_rule *rule,
                          const struct ocs_peer *peer, const char *account, int64_t now)
{
	struct window_key key;
	unsigned wait = 0;

	make_key(peer, account, &key);
	pthread_mutex_lock(&limiter->mutex);
	unsigned pair = wait_for(&limiter->pairs, &key, rule->failures, now);
	if (!peer->loopback) {
		make_key(peer, "", &key);
		wait = wait_for(&limiter->addresses, &key,
		                rule->failures * OCS_LIMITER_ADDRESS_FACTOR, now);
	}
	pthread_mutex_unlock(&limiter->mutex);
	return pair > wait ? pair : wait;
}

unsigned ocs_limiter_failed(struct ocs_limiter *limiter, const struct ocs_limiter_rule *rule,
                            const struct ocs_peer *peer, const char *account, int64_t now)
{
	int64_t window_ms = (int64_t)rule->window * 1000;
	struct window_key key;
	unsigned locked = OCS_LIMITER_OPEN;

	make_key(peer, account, &key);
	pthread_mutex_lock(&limiter->mutex);
	if (count(&limiter->pairs, limiter->entries, &key, window_ms, now) == rule->failures)
		locked |= OCS_LIMITER_ACCOUNT;
	if (!peer->loopback) {
		make_key(peer, "", &key);
		if (count(&limiter->addresses, limiter->entries, &key, window_ms, now) ==
		    rule->failures * OCS_LIMITER_ADDRESS_FACTOR)
			locked |= OCS_LIMITER_ADDRESS;
	}
	pthread_mutex_unlock(&limiter->mutex);
	return locked;
}
