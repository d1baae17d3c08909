/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * `ocsctl lockouts`: what failed logins have locked in ocsmanager and ocsmapihttp, and forgetting
 * it. Asks both over the sockets in their private folders (auth/control.h).
 */
#include "ocsctl/ocsctl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <talloc.h>

#include "auth/control.h"
#include "base/control_socket.h"
#include "base/plural.h"

static const struct {
	const char *program, *folder;
} servers[] = {{"ocsmanager", "private"}, {"ocsmapihttp", "private-mapihttp"}};
#define SERVERS (sizeof(servers) / sizeof(servers[0]))

/* What they have said, together. */
struct lockouts {
	struct ocsctl *ctl;
	json_t *list; /* with --json, else NULL */
	struct ocsctl_table *table;
	unsigned answered, failed;
	bool no_daemon;       /* ocsmanager does not run, and so locks nobody */
	size_t count, listed; /* locked; of those, told */
};

static void add_one(struct lockouts *all, const char *program, const struct ocs_auth_lockout *one)
{
	uint64_t end = (uint64_t)time(NULL) + one->seconds;
	const char *kind = ocs_auth_kind_word(one->kind);
	char failures[16], left[16];
	char *until = ocsctl_time(all->ctl, end * 1000000);

	all->listed++;
	if (all->list != NULL) {
		(void)json_array_append_new(
		        all->list,
		        json_pack("{s:s, s:s, s:s*, s:s*, s:I, s:I, s:s*}", "program", program,
		                  "counted", kind, "account",
		                  one->account[0] != '\0' ? one->account : NULL, "address",
		                  one->address[0] != '\0' ? one->address : NULL, "failures",
		                  (json_int_t)one->failures, "seconds", (json_int_t)one->seconds,
		                  "until", until));
		return;
	}
	snprintf(failures, sizeof(failures), "%u", one->failures);
	snprintf(left, sizeof(left), "%u", one->seconds);
	if (until != NULL && strlen(until) > 19)
		strcpy(until + 19, "Z"); /* whole seconds */
	ocsctl_table_row(all->table, kind, one->account[0] != '\0' ? one->account : "*",
	                 one->address[0] != '\0'           ? one->address
	                 : one->kind == OCS_ORIGIN_ACCOUNT ? "*"
	                                                   : "local",
	                 failures, until, left, program);
}

/* Nobody answers at its socket: it does not run, or runs without, which is a failure. That
 * ocsmapihttp runs nothing else tells. */
static void miss_one(struct lockouts *all, size_t n, const char *folder)
{
	struct ocsctl_daemon daemon;

	if (n != 0)
		return;
	ocsctl_daemon_find(all->ctl->config, &daemon);
	all->no_daemon = daemon.pid == 0 && daemon.why[0] == '\0';
	if (all->no_daemon)
		return;
	if (daemon.pid != 0)
		ocsctl_error("%s: cannot ask %s, which runs (process %d): nobody answers at "
		             "its " OCS_CONTROL_FILE,
		             folder, servers[n].program, daemon.pid);
	else
		ocsctl_error("%s: cannot see whether %s runs: %s", folder, servers[n].program,
		             daemon.why);
	all->failed++;
}

/* The question, put to one of them. Only who is there and does not answer has failed. */
static void ask_one(struct lockouts *all, size_t n, const char *question)
{
	const char *program = servers[n].program, *rest;
	char *folder = talloc_asprintf(all->ctl, "%s/%s", all->ctl->config->main.registry,
	                               servers[n].folder);
	struct ocs_auth_lockout one;
	char *answer = NULL;
	size_t len, count;
	int result;

	if (folder == NULL || ocs_control_ask(folder, question, &answer, &len) != 0) {
		if (folder != NULL && (errno == ENOENT || errno == ECONNREFUSED)) {
			miss_one(all, n, folder);
			return;
		}
		ocsctl_error("%s: cannot ask %s: %s%s", folder != NULL ? folder : "?", program,
		             folder != NULL ? strerror(errno) : "out of memory",
		             errno == EACCES ? " (root and its user may)" : "");
		all->failed++;
		return;
	}
	if (ocs_auth_control_read_head(answer, &count, &rest) != 0) {
		ocsctl_error("%s: %s", program, rest);
		all->failed++;
		free(answer);
		return;
	}
	all->answered++;
	all->count += count;
	while ((result = ocs_auth_control_read_one(&rest, &one)) > 0)
		add_one(all, program, &one);
	if (result < 0) {
		ocsctl_error("%s: a line of its answer cannot be read", program);
		all->failed++;
	}
	free(answer);
}

static int print_list(struct lockouts *all)
{
	if (all->list != NULL)
		return ocsctl_print_json(json_pack(
		        "{s:O, s:I}", "lockouts", all->list, "left_out",
		        (json_int_t)(all->count > all->listed ? all->count - all->listed : 0)));
	if (all->count == 0) {
		/* Of who did not answer nothing is known. */
		if (all->failed == 0)
			puts(all->no_daemon ? "nobody is locked out; ocsmanager does not run"
			                    : "nobody is locked out");
		return OCSCTL_OK;
	}
	ocsctl_table_print(all->table);
	if (all->count > all->listed)
		printf("and %zu more\n", all->count - all->listed);
	return OCSCTL_OK;
}

static int print_cleared(const struct lockouts *all)
{
	if (all->list != NULL)
		return ocsctl_print_json(json_pack("{s:I}", "cleared", (json_int_t)all->count));
	printf("%zu %s cleared\n", all->count, ocs_plural(all->count, "lock", "locks"));
	return OCSCTL_OK;
}

int ocsctl_lockouts(struct ocsctl *ctl)
{
	static const char *const heads[] = {"COUNTED", "ACCOUNT",  "ADDRESS", ">FAILURES",
	                                    "UNTIL",   ">SECONDS", "PROGRAM", NULL};
	struct lockouts all = {.ctl = ctl};
	const char *what = ctl->n_operands > 0 ? ctl->operands[0] : NULL;
	const char *question = OCS_AUTH_CONTROL_LOCKOUTS;
	int status;

	if (what != NULL && (!ctl->clear || what[0] == '\0'))
		return ocsctl_usage("%s", ctl->clear
		                                  ? "--clear takes an account or an address"
		                                  : "an account or an address goes with --clear");
	if (ocsctl_config(ctl) < 0)
		return OCSCTL_FAILED;
	if (ctl->clear)
		question = what == NULL ? OCS_AUTH_CONTROL_CLEAR
		                        : talloc_asprintf(ctl, OCS_AUTH_CONTROL_CLEAR " %s", what);
	if (question == NULL)
		return OCSCTL_FAILED;
	all.list = ctl->json ? json_array() : NULL;
	all.table = ocsctl_table_new(ctl, heads);
	for (size_t n = 0; n < SERVERS; n++)
		ask_one(&all, n, question);
	if (all.answered == 0 && all.failed == 0) {
		ocsctl_error("no daemon serves %s", ctl->config->main.registry);
		all.failed++;
	}
	status = OCSCTL_FAILED;
	if (all.answered > 0)
		status = ctl->clear ? print_cleared(&all) : print_list(&all);
	json_decref(all.list);
	return all.failed > 0 ? OCSCTL_FAILED : status;
}
