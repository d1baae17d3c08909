/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Kill points for the tests of sudden death: the process kills itself at the point that the
 * environment variable OCS_FAULT_KILL names; and a clock that is off. Nothing of it is in an
 * ordinary build.
 */
#ifndef OCS_BASE_FAULT_POINT_H
#define OCS_BASE_FAULT_POINT_H

#ifdef OCS_TEST_FAULTS
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static inline void ocs_fault_point(const char *name)
{
	const char *wanted = getenv("OCS_FAULT_KILL");

	if (wanted != NULL && strcmp(wanted, name) == 0)
		raise(SIGKILL);
}
/* The clock of a test: so many seconds off, by the environment variable OCS_FAULT_CLOCK. */
static inline long long ocs_fault_clock(void)
{
	const char *offset = getenv("OCS_FAULT_CLOCK");

	return offset != NULL ? atoll(offset) : 0;
}
#else
static inline long long ocs_fault_clock(void)
{
	return 0;
}

static inline void ocs_fault_point(const char *name)
{
	(void)name;
}
#endif

#endif
