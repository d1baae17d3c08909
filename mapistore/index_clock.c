/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * A floor under the counter of the identifiers, by the clock: where all that the registry remembers
 * is of an earlier time, or gone, what was given since is still below it. No state.
 *
 * 48 bits of 64 a millisecond last until 2159; 64,000 identifiers a second, as a mean since the
 * daemon was started, are more than it gives or throws away (RANGE_FIRST in
 * notify/dispatch_message.c). A clock that is behind takes nothing away: the marks
 * count too. One that is ahead costs the numbers of that time, and the floor as long as it is
 * ahead; one beyond 2150 would use them up, and is not believed.
 */
#include "mapistore/index_mark.h"

#include <time.h>

#define YEAR_2020     1577836800000LL /* milliseconds since 1970, UTC */
#define YEAR_2150     5680281600000LL
#define A_MILLISECOND 64

static int64_t clock_of_system(void)
{
	struct timespec now = {0, 0};

	(void)clock_gettime(CLOCK_REALTIME, &now); /* it cannot fail for this clock */
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t (*ocs_index_clock)(void) = clock_of_system;

uint64_t ocs_index_clock_floor(struct ocs_error *error)
{
	int64_t now = ocs_index_clock();

	if (now >= YEAR_2020 && now < YEAR_2150)
		return (uint64_t)(now - YEAR_2020) * A_MILLISECOND;
	ocs_error_set(error,
	              "the clock is wrong (%s), so that identifiers are not kept apart by it from "
	              "those of an earlier registry: set it, and start again",
	              now < YEAR_2020 ? "before 2020" : "past 2150");
	return 0;
}
