/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The steady clock (CLOCK_MONOTONIC), which nobody sets back, and conditions that wait by it. Any
 * thread.
 */
#ifndef OCS_BASE_CLOCK_H
#define OCS_BASE_CLOCK_H

#include <pthread.h>
#include <stdint.h>
#include <time.h>

#define OCS_CLOCK_SECOND 1000000000ULL /* ns */

static inline uint64_t ocs_clock_ns(void)
{
	struct timespec now = {0, 0};

	(void)clock_gettime(CLOCK_MONOTONIC, &now); /* it cannot fail for this clock */
	return (uint64_t)now.tv_sec * OCS_CLOCK_SECOND + (uint64_t)now.tv_nsec;
}

static inline uint64_t ocs_clock_ms(void)
{
	return ocs_clock_ns() / 1000000;
}

/* A moment of that clock, as calls that wait want it. */
static inline struct timespec ocs_clock_at(uint64_t ns)
{
	return (struct timespec){.tv_sec = (time_t)(ns / OCS_CLOCK_SECOND),
	                         .tv_nsec = (long)(ns % OCS_CLOCK_SECOND)};
}

static inline struct timespec ocs_clock_at_ms(uint64_t ms)
{
	return ocs_clock_at(ms * 1000000);
}

/* A condition whose timed waits are until a moment of that clock. 0, or an error number. */
static inline int ocs_clock_condition(pthread_cond_t *condition)
{
	pthread_condattr_t attributes;
	int ret = pthread_condattr_init(&attributes);

	if (ret != 0)
		return ret;
	ret = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	if (ret == 0)
		ret = pthread_cond_init(condition, &attributes);
	(void)pthread_condattr_destroy(&attributes);
	return ret;
}

#endif
