/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The two clocks of auth, in milliseconds, replaceable by tests. Any thread.
 */
#ifndef OCS_AUTH_CLOCK_H
#define OCS_AUTH_CLOCK_H

#include <stdint.h>
#include <time.h>

#include "auth/auth.h"
#include "base/clock.h"

struct ocs_auth_clock {
	ocs_auth_now_fn *now; /* NULL: the clocks of the system */
	void *arg;
};

static inline int64_t ocs_auth_clock_read(const struct ocs_auth_clock *clock, bool wall)
{
	struct timespec t;

	if (clock->now)
		return clock->now(clock->arg, wall);
	if (!wall)
		return (int64_t)ocs_clock_ms();
	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Since 1970: dates tokens, since those outlive the process. */
static inline int64_t ocs_auth_wall_ms(const struct ocs_auth_clock *clock)
{
	return ocs_auth_clock_read(clock, true);
}

/* Never set back: measures challenges and failures. */
static inline int64_t ocs_auth_steady_ms(const struct ocs_auth_clock *clock)
{
	return ocs_auth_clock_read(clock, false);
}

/* Whole seconds from now until then, rounded up, at least 1. */
static inline unsigned ocs_auth_seconds_until(int64_t then_ms, int64_t now_ms)
{
	return then_ms <= now_ms ? 1 : (unsigned)((then_ms - now_ms + 999) / 1000);
}

#endif
