/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Whose logins wait for a thread, and which of them goes when there are too many: the youngest from
 * the address that has most of the prefix that has most (/24, IPv6: /48; auth/limiter.h has who is
 * spared). So whoever begins many keeps nobody else out. Memory only, no lock of its own.
 */
#ifndef OCS_AUTH_TURNS_H
#define OCS_AUTH_TURNS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/peer.h"

struct ocs_turn {
	struct ocs_peer peer;
	bool spared;  /* its address speaks for many: it goes only where all do */
	size_t place; /* among those that wait, the oldest first: filled in by ocs_turns_heaviest()
	               */
};

/* The place of the one that has to go. Changes the order. n is not 0. */
size_t ocs_turns_heaviest(struct ocs_turn *turns, size_t n);

#endif
