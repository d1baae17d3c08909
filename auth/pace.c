/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Times taken and owed: see pace.h. */
#include "auth/pace.h"

#include <stdlib.h>
#include <string.h>

void ocs_pace_add(struct ocs_pace_times *times, uint64_t ns)
{
	times->took[times->next] = ns;
	times->next = (times->next + 1) % OCS_PACE_KEPT;
	if (times->count < OCS_PACE_KEPT)
		times->count++;
}

static int by_length(const void *a, const void *b)
{
	const uint64_t *one = a, *other = b;

	return (*one > *other) - (*one < *other);
}

static uint64_t median(const struct ocs_pace_times *times)
{
	uint64_t sorted[OCS_PACE_KEPT];

	memcpy(sorted, times->took, times->count * sizeof(sorted[0]));
	qsort(sorted, times->count, sizeof(sorted[0]), by_length);
	return sorted[times->count / 2];
}

uint64_t ocs_pace_owed(const struct ocs_pace *pace)
{
	if (pace->known.count == 0 || pace->unknown.count == 0)
		return 0;
	uint64_t known = median(&pace->known), unknown = median(&pace->unknown);
	return known > unknown ? known - unknown : 0;
}
