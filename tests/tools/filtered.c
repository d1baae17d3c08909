/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Runs a program under the filter of system calls that the unit of systemd gives the daemon, so
 * that the tests find out what the filter must allow. A call that it does not allow ends the
 * process by SIGSYS, where under systemd it would only fail: a test cannot overlook it. But a
 * socket of netlink, which the C library can do without where it looks up names, fails as it does
 * there.
 *
 *     filtered FILE PROGRAM [ARGUMENT...]
 *
 * FILE has a line each: the name of a system call; `family NUMBER` for one of socket(2); `mode
 * NUMBER NAME` for a call whose argument of that number is a mode without S_ISUID and S_ISGID.
 */
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static void refused(const char *what)
{
	fprintf(stderr, "filtered: %s\n", what);
	exit(126);
}

static void no_netlink(scmp_filter_ctx filter)
{
	const struct scmp_arg_cmp when = {.op = SCMP_CMP_EQ, .datum_a = AF_NETLINK};

	if (seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1,
	                           &when) != 0)
		refused("netlink");
}

/* One that this kernel or library does not know cannot be called either. */
static void allow(scmp_filter_ctx filter, const char *line)
{
	unsigned family, argument;
	struct scmp_arg_cmp when = {.op = SCMP_CMP_EQ};
	const char *name = line;
	int call;

	if (sscanf(line, "family %u", &family) == 1) {
		name = "socket";
		when.datum_a = family;
	} else if (sscanf(line, "mode %u", &argument) == 1) {
		name = strrchr(line, ' ') + 1;
		when = (struct scmp_arg_cmp){argument, SCMP_CMP_MASKED_EQ, S_ISUID | S_ISGID, 0};
	}
	call = seccomp_syscall_resolve_name(name);
	if (call != __NR_SCMP_ERROR &&
	    seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, name != line, &when) != 0)
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
	no_netlink(filter);
	if (seccomp_load(filter) != 0)
		refused("the filter cannot be loaded");
	seccomp_release(filter);
	execv(argv[2], argv + 2);
	refused(argv[2]);
}
