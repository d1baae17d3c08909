/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The time of a server in milliseconds: the host's clock, or CLOCK_MONOTONIC.
 */
#include "libocsemsmdb/internal.h"

#include <time.h>

static uint64_t monotonic(void)
{
	struct timespec now = {0};

	(void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail for this clock */
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t emsmdb_now(const struct ocsemsmdb *server)
{
	if (server->settings.clock == NULL)
		return monotonic();
	return server->settings.clock(server->settings.arg);
}
