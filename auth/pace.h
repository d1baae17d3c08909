/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * How long a directory takes for names that it has, so that one that it has not takes as long: what
 * it does for a password depends on how that is hashed. Not for more than one thread; memory only.
 */
#ifndef OCS_AUTH_PACE_H
#define OCS_AUTH_PACE_H

#include <stdint.h>

#define OCS_PACE_KEPT 64

struct ocs_pace {
	unsigned count, next;
	uint64_t took[OCS_PACE_KEPT]; /* ns, the newest ones */
};

/* A name that is there took so long. */
void ocs_pace_add(struct ocs_pace *pace, uint64_t ns);
/* How long one that is not there is to take: as one of the others did, by chance. 0: none did. */
uint64_t ocs_pace_draw(const struct ocs_pace *pace);

#endif
