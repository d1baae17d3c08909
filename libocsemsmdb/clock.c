/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The time of a server in milliseconds: the host's clock, or CLOCK_MONOTONIC.
 */
#include "libocsemsmdb/internal.h"

#include "base/clock.h"

uint64_t emsmdb_now(const struct ocsemsmdb *server)
{
	if (server->settings.clock == NULL)
		return ocs_clock_ms();
	return server->settings.clock(server->settings.arg);
}
