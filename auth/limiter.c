/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The failed-login limiter: which counter a failure goes to, and what a lock refuses. Memory only.
 */
#include "auth/limiter_internal.h"

#include <stdlib.h>
#include <string.h>

#include "auth/clock.h"

/* Powers of two times eight. Half of the addresses of the attack that is spoken of would do. */
static const size_t places[OCS_ORIGIN_KINDS] = {
        [OCS_ORIGIN_PAIR] = 65536,
        [OCS_ORIGIN_ADDRESS] = 32768,
        [OCS_ORIGIN_PREFIX] = 16384,
        [OCS_ORIGIN_ACCOUNT] = 8192,
};

static bool is_named(enum ocs_origin_kind kind)
{
	return kind == OCS_ORIGIN_PAIR || kind == OCS_ORIGIN_ACCOUNT;
}

struct ocs_limiter *ocs_limiter_new(void)
{
	struct ocs_limiter *limiter = calloc(1, sizeof(*limiter));
	bool all = true;

	if (!limiter)
		return NULL;
	if (pthread_mutex_init(&limiter->mutex, NULL) != 0) {
		free(limiter);
		return NULL;
	}
	limiter->known = ocs_known_new();
	for (int kind = 0; kind < OCS_ORIGIN_KINDS; kind++) {
		limiter->counters[kind] =
		        ocs_counters_new(places[kind], is_named((enum ocs_origin_kind)kind));
		all = all && limiter->counters[kind];
	}
	if (!all || !limiter->known) {
		ocs_limiter_free(limiter);
		return NULL;
	}
	return limiter;
}

void ocs_limiter_free(struct ocs_limiter *limiter)
{
	if (!limiter)
		return;
	for (int kind = 0; kind < OCS_ORIGIN_KINDS; kind++)
		ocs_counters_free(limiter->counters[kind]);
	ocs_known_free(limiter->known);
	pthread_mutex_destroy(&limiter->mutex);
	free(limiter);
}

size_t ocs_limiter_size(const struct ocs_limiter *limiter)
{
	size_t size = sizeof(*limiter) + ocs_known_size(limiter->known);

	for (int kind = 0; kind < OCS_ORIGIN_KINDS; kind++)
		size += ocs_counters_size(limiter->counters[kind]);
	return size;
}

bool ocs_limiter_spares(const struct ocs_limiter_rule *rule, const struct ocs_peer *peer)
{
	return peer->loopback && !rule->count_loopback;
}

/* When the lock ends; at most now: there is none. */
static int64_t locked_until(struct ocs_limiter *limiter, const struct ocs_origin *origin,
                            enum ocs_origin_kind kind)
{
	const struct ocs_counter *counter =
	        ocs_counters_find(limiter->counters[kind], origin->key[kind]);

	return counter ? counter->until : INT64_MIN;
}

unsigned ocs_limiter_wait(struct ocs_limiter *limiter, const struct ocs_limiter_rule *rule,
                          const struct ocs_origin *origin, int64_t now, bool *spared_r)
{
	int64_t pair, others = INT64_MIN, until;
	bool known;

	pthread_mutex_lock(&limiter->mutex);
	pair = locked_until(limiter, origin, OCS_ORIGIN_PAIR);
	if (!ocs_limiter_spares(rule, &origin->peer)) {
		int64_t prefix = locked_until(limiter, origin, OCS_ORIGIN_PREFIX);

		others = locked_until(limiter, origin, OCS_ORIGIN_ADDRESS);
		others = prefix > others ? prefix : others;
	}
	known = ocs_known_has(limiter->known, origin, now);
	pthread_mutex_unlock(&limiter->mutex);
	if (spared_r)
		*spared_r = known && pair <= now;
	/* what all others are told */
	until = pair > others && !(known && others > now) ? pair : others;
	return until > now ? ocs_auth_seconds_until(until, now) : 0;
}

/* Under the lock. Returns the kind's bit if this failure locks. */
static unsigned count(struct ocs_limiter *limiter, const struct ocs_limiter_rule *rule,
                      const struct ocs_origin *origin, enum ocs_origin_kind kind, unsigned limit,
                      int64_t now)
{
	int64_t window_ms = (int64_t)rule->window * 1000;
	struct ocs_counter *counter =
	        ocs_counters_take(limiter->counters[kind], origin, kind, window_ms, now);

	if (!counter) {
		limiter->uncounted++;
		return 0;
	}
	if (!ocs_counter_fail(counter, limit, kind == OCS_ORIGIN_ACCOUNT, window_ms, now))
		return 0;
	limiter->locks[kind]++;
	return 1u << kind;
}

unsigned ocs_limiter_failed(struct ocs_limiter *limiter, const struct ocs_limiter_rule *rule,
                            const struct ocs_origin *origin, int64_t now)
{
	unsigned locked = 0, limit = rule->failures;

	pthread_mutex_lock(&limiter->mutex);
	if (!ocs_known_has(limiter->known, origin, now)) {
		locked |= count(limiter, rule, origin, OCS_ORIGIN_ACCOUNT,
		                rule->failures * OCS_LIMITER_ACCOUNT_FACTOR, now);
		if (locked_until(limiter, origin, OCS_ORIGIN_ACCOUNT) > now)
			limit = rule->failures / OCS_LIMITER_ATTACKED_SHARE;
	}
	locked |= count(limiter, rule, origin, OCS_ORIGIN_PAIR, limit, now);
	if (!ocs_limiter_spares(rule, &origin->peer)) {
		locked |= count(limiter, rule, origin, OCS_ORIGIN_ADDRESS,
		                rule->failures * OCS_LIMITER_ADDRESS_FACTOR, now);
		locked |= count(limiter, rule, origin, OCS_ORIGIN_PREFIX,
		                rule->failures * OCS_LIMITER_PREFIX_FACTOR, now);
	}
	pthread_mutex_unlock(&limiter->mutex);
	return locked;
}

void ocs_limiter_succeeded(struct ocs_limiter *limiter, const struct ocs_origin *origin,
                           int64_t now)
{
	pthread_mutex_lock(&limiter->mutex);
	ocs_known_add(limiter->known, origin, now);
	pthread_mutex_unlock(&limiter->mutex);
}
