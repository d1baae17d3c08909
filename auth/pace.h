/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * How long a directory takes for names that it has, and for others, so that these can be made to
 * take as long: what it does for a password depends on how that is hashed. Not for more than one
 * thread; memory only.
 */
#ifndef OCS_AUTH_PACE_H
#define OCS_AUTH_PACE_H

#include <stdint.h>

#define OCS_PACE_KEPT 64

/* The newest times, in nanoseconds. */
struct ocs_pace_times {
	unsigned count, next;
	uint64_t took[OCS_PACE_KEPT];
};

struct ocs_pace {
	struct ocs_pace_times known, unknown;
};

/* A name took so long. */
void ocs_pace_add(struct ocs_pace_times *times, uint64_t ns);
/* How much longer, by their medians, known names take than others: what one that is not known is
 * to be held back. 0: not longer, or nothing is known yet. */
uint64_t ocs_pace_owed(const struct ocs_pace *pace);

#endif
