/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Who has most of those that wait: see turns.h. Sorted, those of a prefix are next to each other,
 * and in them those of an address. */
#include "auth/turns.h"

#include <stdlib.h>
#include <string.h>

#include "auth/origin.h"

static int compare(const struct ocs_turn *a, const struct ocs_turn *b, enum ocs_origin_kind kind)
{
	if (a->spared != b->spared)
		return a->spared - b->spared;
	if (a->peer.family != b->peer.family)
		return a->peer.family - b->peer.family;
	return memcmp(a->peer.address, b->peer.address, ocs_origin_bits(&a->peer, kind) / 8);
}

static int turns_compare(const void *a, const void *b)
{
	const struct ocs_turn *one = a, *other = b;
	int order = compare(one, other, OCS_ORIGIN_ADDRESS);

	if (order != 0)
		return order;
	return one->place < other->place ? -1 : one->place > other->place;
}

/* How many from at on belong together. */
static size_t run(const struct ocs_turn *turns, size_t at, size_t n, enum ocs_origin_kind kind)
{
	size_t end = at + 1;

	while (!turns[at].spared && end < n && compare(&turns[at], &turns[end], kind) == 0)
		end++;
	return end - at;
}

size_t ocs_turns_heaviest(struct ocs_turn *turns, size_t n)
{
	size_t most_of_prefix = 0, most = 0, found = 0;

	for (size_t i = 0; i < n; i++)
		turns[i].place = i;
	qsort(turns, n, sizeof(*turns), turns_compare);
	for (size_t i = 0, end; i < n; i = end) {
		size_t of_prefix = run(turns, i, n, OCS_ORIGIN_PREFIX);

		end = i + of_prefix;
		if (turns[i].spared)
			of_prefix = 0;
		for (size_t at = i, len; at < end; at += len) {
			const struct ocs_turn *youngest;

			len = run(turns, at, end, OCS_ORIGIN_ADDRESS);
			youngest = &turns[at + len - 1];
			if (of_prefix < most_of_prefix ||
			    (of_prefix == most_of_prefix &&
			     (len < most || (len == most && youngest->place < found))))
				continue;
			most_of_prefix = of_prefix;
			most = len;
			found = youngest->place;
		}
	}
	return found;
}
