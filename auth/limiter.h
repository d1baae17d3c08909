/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Failed logins, counted per address and account together, and per address.
 *
 * A window opens with the first failure and lasts failure_window; once `failed_logins` failures
 * fell into it, every further attempt is refused until it ends. An address has ten times that,
 * except loopback, where one host speaks for many users. Known and unknown accounts count alike.
 * Both tables are bounded; when one is full, its oldest window is forgotten.
 *
 * Any thread; one short lock.
 */
#ifndef OCS_AUTH_LIMITER_H
#define OCS_AUTH_LIMITER_H

#include <stddef.h>
#include <stdint.h>

#include "base/peer.h"

#define OCS_LIMITER_ADDRESS_FACTOR 10

struct ocs_limiter;

struct ocs_limiter_rule {
	unsigned failures;
	unsigned window; /* seconds */
};

/* entries: most windows kept of each kind. NULL when out of memory. */
struct ocs_limiter *ocs_limiter_new(size_t entries);
void ocs_limiter_free(struct ocs_limiter *limiter);

/* Seconds to wait before an attempt, 0: go ahead. now in milliseconds of one steady clock. */
unsigned ocs_limiter_wait(struct ocs_limiter *limiter, const struct ocs_limiter_rule *rule,
                          const struct ocs_peer *peer, const char *account, int64_t now);
/* The failure that was one too many: for the log, once in a window. */
enum ocs_limiter_lock {
	OCS_LIMITER_OPEN = 0,
	OCS_LIMITER_ACCOUNT = 1, /* of this account from this address */
	OCS_LIMITER_ADDRESS = 2, /* of every account from this address */
};

/* Counts a failure; says what it locks (bits). */
unsigned ocs_limiter_failed(struct ocs_limiter *limiter, const struct ocs_limiter_rule *rule,
                            const struct ocs_peer *peer, const char *account, int64_t now);

#endif
