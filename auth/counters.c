/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The table of failure counters: see counters.h. Memory only. */
#include "auth/counters.h"

#include <stdlib.h>
#include <string.h>

#define WAYS 8

typedef char account_name[OCS_AUTH_NAME_SIZE];

struct ocs_counters {
	size_t places;
	struct ocs_counter *table;
	account_name *names; /* NULL: none */
};

struct ocs_counters *ocs_counters_new(size_t places, bool named)
{
	struct ocs_counters *counters = calloc(1, sizeof(*counters));

	if (!counters)
		return NULL;
	counters->places = places;
	counters->table = calloc(places, sizeof(*counters->table));
	if (named)
		counters->names = calloc(places, sizeof(*counters->names));
	if (!counters->table || (named && !counters->names)) {
		ocs_counters_free(counters);
		return NULL;
	}
	return counters;
}

void ocs_counters_free(struct ocs_counters *counters)
{
	if (!counters)
		return;
	free(counters->names);
	free(counters->table);
	free(counters);
}

size_t ocs_counters_size(const struct ocs_counters *counters)
{
	return counters->places *
	       (sizeof(*counters->table) + (counters->names ? sizeof(*counters->names) : 0));
}

/* The first of the key's places. */
static struct ocs_counter *set_of(struct ocs_counters *counters, uint64_t key)
{
	return &counters->table[(key & (counters->places / WAYS - 1)) * WAYS];
}

struct ocs_counter *ocs_counters_find(struct ocs_counters *counters, uint64_t key)
{
	struct ocs_counter *set = set_of(counters, key);

	for (int i = 0; i < WAYS; i++)
		if (set[i].key == key)
			return &set[i];
	return NULL;
}

static bool locks_count(const struct ocs_counter *counter, int64_t window_ms, int64_t now)
{
	return counter->locks > 0 && now < counter->until + (window_ms << OCS_COUNTER_GROWTH);
}

bool ocs_counter_is_over(const struct ocs_counter *counter, int64_t window_ms, int64_t now)
{
	return counter->ends <= now && counter->until <= now &&
	       !locks_count(counter, window_ms, now);
}

/* Whether a matters less than b. */
static bool matters_less(const struct ocs_counter *a, const struct ocs_counter *b,
                         int64_t window_ms, int64_t now)
{
	bool a_over = !a->key || ocs_counter_is_over(a, window_ms, now);
	bool b_over = !b->key || ocs_counter_is_over(b, window_ms, now);

	if (a_over != b_over)
		return a_over;
	if ((a->until > now) != (b->until > now))
		return b->until > now;
	if (a->locks != b->locks)
		return a->locks < b->locks;
	if (a->failures != b->failures)
		return a->failures < b->failures;
	return a->last < b->last;
}

struct ocs_counter *ocs_counters_take(struct ocs_counters *counters,
                                      const struct ocs_origin *origin, enum ocs_origin_kind kind,
                                      int64_t window_ms, int64_t now)
{
	uint64_t key = origin->key[kind];
	struct ocs_counter *least = set_of(counters, key),
	                   *found = ocs_counters_find(counters, key);

	if (found)
		return found;
	for (int i = 1; i < WAYS; i++) {
		struct ocs_counter *other = set_of(counters, key) + i;

		if (matters_less(other, least, window_ms, now))
			least = other;
	}
	if (least->key && least->until > now)
		return NULL;
	memset(least, 0, sizeof(*least));
	least->key = key;
	least->peer = origin->peer;
	if (counters->names)
		strcpy(counters->names[least - counters->table], origin->account);
	return least;
}

bool ocs_counter_fail(struct ocs_counter *counter, unsigned limit, bool always, int64_t window_ms,
                      int64_t now)
{
	if (counter->until > now && !always)
		return false;
	if (counter->locks > 0 && !locks_count(counter, window_ms, now))
		counter->locks = 0;
	if (counter->ends <= now) {
		counter->failures = 0;
		counter->ends = now + window_ms;
		if (counter->locks == 0)
			counter->total = 0;
	}
	counter->last = now;
	counter->failures++;
	if (counter->total < UINT32_MAX)
		counter->total++;
	if (counter->failures < limit)
		return false;
	counter->until = now + (window_ms << counter->locks);
	counter->ends = counter->until;
	counter->failures = 0;
	if (counter->locks < OCS_COUNTER_GROWTH)
		counter->locks++;
	return true;
}

struct ocs_counter *ocs_counters_at(struct ocs_counters *counters, size_t i)
{
	return &counters->table[i];
}

size_t ocs_counters_places(const struct ocs_counters *counters)
{
	return counters->places;
}

const char *ocs_counters_name(const struct ocs_counters *counters, size_t i)
{
	return counters->names ? counters->names[i] : "";
}
