/*
 * Kill points for the tests of sudden death: the process kills itself at the point that the
 * environment variable OCS_FAULT_KILL names. Nothing of it is in an ordinary build.
 */
#ifndef OCS_NOTIFY_FAULT_H
#define OCS_NOTIFY_FAULT_H

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
#else
static inline void ocs_fault_point(const char *name)
{
	(void)name;
}
#endif

#endif
