/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Runs a program under the filter of system calls that the unit of systemd gives the daemon, so
 * that the tests find out what the filter must allow. A call that it does not allow ends the
 * process by SIGSYS, where under systemd it would only fail: a test cannot overlook it.
 *
 *     filtered FILE PROGRAM [ARGUMENT...]
 *
 * FILE has a line each: the name of a system call, or `family NUMBER` for one of socket(2).
 */
#include <seccomp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static void refused(const char *what)
{
	fprintf(stderr, "filtered: %s\n", what);
	exit(126);
}

/* One that this kernel or library does not know cannot be called either. */
static void allow(scmp_filter_ctx filter, const char *line)
{
	int family, call = seccomp_syscall_resolve_name(line);
	bool added = true;

	if (sscanf(line, "family %d", &family) == 1)
		added = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
		                         SCMP_A0_32(SCMP_CMP_EQ, (uint32_t)family)) == 0;
	else if (call != __NR_SCMP_ERROR && call != SCMP_SYS(socket))
		added = seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 0) == 0;
	if (!added)
		refused(line);
}

int main(int argc, char **argv)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	FILE *names = argc > 2 ? fopen(argv[1], "re") : NULL;
	char line[64];

	if (names == NULL || filter == NULL)
		refused(argc > 2 ? argv[1] : "filtered FILE PROGRAM [ARGUMENT...]");
	while (fgets(line, sizeof(line), names) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		allow(filter, line);
	}
	fclose(names);
	if (seccomp_load(filter) != 0)
		refused("the filter cannot be loaded");
	seccomp_release(filter);
	execv(argv[2], argv + 2);
	refused(argv[2]);
}
