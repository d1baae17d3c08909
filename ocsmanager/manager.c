/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* What the service manager (systemd) is told. Touches the socket of NOTIFY_SOCKET. */
#include "ocsmanager/manager.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#ifdef HAVE_SYSTEMD
#include <systemd/sd-daemon.h>
#endif

#include "base/clock.h"
#include "ocsmanager/daemon.h"

#define LOOK_NS 500000000L

static char last_status[OCS_ERROR_MAX + 64];

static void tell(const char *state)
{
#ifdef HAVE_SYSTEMD
	sd_notify(0, state);
#else
	(void)state;
#endif
}

struct timespec ocs_manager_interval(void)
{
	struct timespec interval = {.tv_nsec = LOOK_NS};

#ifdef HAVE_SYSTEMD
	uint64_t us = 0;

	/* At least twice as often as the service manager wants to hear. */
	if (sd_watchdog_enabled(0, &us) > 0 && us > 0 && us / 2 < LOOK_NS / 1000)
		interval.tv_nsec = (long)(us / 2) * 1000;
#endif
	return interval;
}

static void tell_status(struct ocs_daemon *daemon, const char *with)
{
	char status[sizeof(last_status)], text[sizeof(last_status) + 32];

	ocs_daemon_status(daemon, status, sizeof(status));
	if (with[0] == '\0' && strcmp(status, last_status) == 0)
		return;
	memcpy(last_status, status, sizeof(last_status));
	snprintf(text, sizeof(text), "%sSTATUS=%s", with, status);
	tell(text);
}

void ocs_manager_ready(struct ocs_daemon *daemon)
{
	tell_status(daemon, "READY=1\n");
}

void ocs_manager_reloading(void)
{
	char state[80];

	snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%llu",
	         (unsigned long long)(ocs_clock_ns() / 1000));
	tell(state);
}

void ocs_manager_stopping(void)
{
	tell("STOPPING=1\nSTATUS=stopping");
}

/* Asking takes the locks of the working threads: where they hang, it hangs, and the service manager
 * restarts the daemon. Not healthy for a reason outside it is no reason to. */
void ocs_manager_look(struct ocs_daemon *daemon)
{
	tell_status(daemon, "");
	tell("WATCHDOG=1");
}
