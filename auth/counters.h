/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * A table of failure counters, fixed in size. A key has eight places, chosen by its hash; where
 * they are all taken, the counter that matters least gives way: one that has ended, else the one
 * with the fewest locks, then failures, then the oldest. One that locks now never does, so no
 * number of other keys pushes a lock out; a newcomer that finds eight locks is not counted.
 *
 * No lock of its own.
 */
#ifndef OCS_AUTH_COUNTERS_H
#define OCS_AUTH_COUNTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "auth/origin.h"

/* Each lock is twice as long as the one before, up to eight windows. */
#define OCS_COUNTER_GROWTH 3

/* Times in milliseconds of one steady clock. */
struct ocs_counter {
	uint64_t key;      /* 0: free */
	int64_t ends;      /* of the window in which failures are counted */
	int64_t until;     /* locked until then */
	int64_t last;      /* failure */
	uint32_t failures; /* in the window, since the last lock */
	uint32_t total;    /* in all windows since it was calm */
	uint8_t locks;     /* since it was calm, at most OCS_COUNTER_GROWTH */
	struct ocs_peer peer;
};

struct ocs_counters;

/* places: a multiple of 8 whose eighth is a power of two. named: with account names. NULL: out of
 * memory. */
struct ocs_counters *ocs_counters_new(size_t places, bool named);
void ocs_counters_free(struct ocs_counters *counters);
/* Bytes that it takes, which never change. */
size_t ocs_counters_size(const struct ocs_counters *counters);

/* NULL: there is none. Valid until the next ocs_counters_take(). */
struct ocs_counter *ocs_counters_find(struct ocs_counters *counters, uint64_t key);
/* The same, or a new one in a free place or that of another. NULL: eight others lock now. */
struct ocs_counter *ocs_counters_take(struct ocs_counters *counters,
                                      const struct ocs_origin *origin, enum ocs_origin_kind kind,
                                      int64_t window_ms, int64_t now);
/* Counts a failure; true: it is the one that locks. One that locks already is counted only if
 * always. A calm of eight windows after the last lock forgets the earlier ones. */
bool ocs_counter_fail(struct ocs_counter *counter, unsigned limit, bool always, int64_t window_ms,
                      int64_t now);
/* Nothing of it counts any more. */
bool ocs_counter_is_over(const struct ocs_counter *counter, int64_t window_ms, int64_t now);

/* Place number i, from 0 to the last; free ones too. */
struct ocs_counter *ocs_counters_at(struct ocs_counters *counters, size_t i);
size_t ocs_counters_places(const struct ocs_counters *counters);
/* Of place number i, "" in a table without names. */
const char *ocs_counters_name(const struct ocs_counters *counters, size_t i);

#endif
