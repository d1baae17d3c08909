/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The check of a configuration: the order, and the child that looks with the daemon's rights. It
 * may fork; what it looks at is check_machine.c's.
 */
#include "ocsmanager/check_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include "auth/auth.h"
#include "config/auth.h"
#include "config/check.h"
#include "config/cluster.h"
#include "ocsmanager/daemon.h"
#include "ocsmanager/folder.h"
#include "ocsmanager/users_thread.h"

/* What the parts of the daemon find in their files. A start's parts warn again, later. */
struct filter {
	struct ocs_check *check;
	bool errors_only;
};

static void from_part(int priority, const char *text, void *arg)
{
	struct filter *filter = arg;

	if (priority > LOG_ERR && filter->errors_only)
		return;
	filter->check->errors += priority <= LOG_ERR;
	filter->check->report(priority, text, filter->check->arg);
}

/* A link that cannot come up keeps no start from serving this host. */
static void from_link(int priority, const char *text, void *arg)
{
	struct filter *filter = arg;

	if (filter->errors_only && priority <= LOG_ERR)
		priority = LOG_WARNING;
	filter->check->errors += priority <= LOG_ERR;
	filter->check->report(priority, text, filter->check->arg);
}

/* It may come back: nothing that keeps the daemon from starting. */
static void look_at_directory(struct ocs_check *check)
{
	const struct ocs_auth_settings settings = ocs_config_auth(check->config, NULL, NULL, NULL);
	struct ocs_error error;

	struct ocs_error warning;

	if (ocs_auth_try(&settings, &error) < 0)
		ocs_check_report(check, LOG_WARNING, "auth:ldap", "host",
		                 "%s: until the directory can be asked, logins are refused",
		                 error.text);
	if (ocs_users_thread_try(check->config, &warning, &error) < 0)
		ocs_check_report(check, LOG_WARNING, "users", "ldap_user",
		                 "%s: until users can be read, those that were read last stand",
		                 error.text);
	else if (warning.text[0] != '\0')
		ocs_check_report(check, LOG_WARNING, "users", "ldap_user", "%s", warning.text);
}

static void look_as_user(struct ocs_check *check)
{
	struct filter filter = {check, check->starts};

	ocs_check_as_user(check);
	(void)ocs_config_link_files(check->config, from_link, &filter); /* counted */
	/* A start does not wait for name servers: the link says it when it connects. */
	if (!check->starts)
		ocs_config_link_resolve(check->config, from_link, &filter);
	if (ocs_daemon_check(check->config, from_part, &filter) < 0 && check->errors == 0)
		check->errors = 1;
	/* Nor for a directory. */
	if (!check->starts && check->errors == 0)
		look_at_directory(check);
}

/* From child to parent: a byte for the priority, the text, a newline. */
static void to_parent(int priority, const char *text, void *arg)
{
	FILE *out = arg;

	fputc('0' + (priority & 7), out);
	for (; *text != '\0'; text++)
		fputc(*text == '\n' ? ' ' : *text, out);
	fputc('\n', out);
}

static int child(struct ocs_check *check, int fd)
{
	FILE *out = fdopen(fd, "w");
	struct ocs_error error;
	bool fowner;

	if (out == NULL)
		return 1;
	check->report = to_parent;
	check->arg = out;
	check->errors = 0;
	if (ocs_privilege_drop(&check->identity, &fowner, &error) < 0)
		ocs_check_report(check, LOG_ERR, "main", "user", "%s", error.text);
	else
		look_as_user(check);
	return fclose(out) == 0 && check->errors == 0 ? 0 : 1;
}

static void take_reports(struct ocs_check *check, int fd)
{
	FILE *in = fdopen(fd, "r");
	char *line = NULL;
	size_t size = 0;
	ssize_t len;

	if (in == NULL) {
		close(fd);
		return;
	}
	while ((len = getline(&line, &size, in)) > 1) {
		int priority = line[0] - '0';

		line[len - 1] = '\0';
		check->errors += priority <= LOG_ERR;
		check->report(priority, line + 1, check->arg);
	}
	free(line);
	fclose(in);
}

static void look_from_child(struct ocs_check *check)
{
	int ends[2], status = 0;
	unsigned before = check->errors;
	pid_t pid;

	fflush(NULL);
	if (pipe(ends) < 0) {
		ocs_check_report(check, LOG_ERR, "main", "user", "cannot check as that user: %s",
		                 strerror(errno));
		return;
	}
	pid = fork();
	if (pid < 0) {
		ocs_check_report(check, LOG_ERR, "main", "user", "cannot check as that user: %s",
		                 strerror(errno));
		close(ends[0]);
		close(ends[1]);
		return;
	}
	if (pid == 0) {
		close(ends[0]);
		_exit(child(check, ends[1]));
	}
	close(ends[1]);
	take_reports(check, ends[0]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (status != 0 && check->errors == before)
		ocs_check_report(check, LOG_ERR, "main", "user", "the check as that user failed");
}

int ocs_check(const struct ocs_config *config, bool starts, ocs_report_fn *report, void *arg)
{
	struct ocs_check check = {.config = config, .starts = starts, .report = report, .arg = arg};
	struct ocs_error error;

	/* Who waits for -t is told soon that a name server does not answer. */
	if (!starts)
		(void)setenv("RES_OPTIONS", "timeout:2 attempts:1", 0);
	if (ocs_privilege_lookup(config->main.user, config->main.group, &check.identity, &error) <
	    0) {
		/* the key stands in the text, which begins "[main] KEY: " */
		bool group = strncmp(error.text, "[main] group: ", 14) == 0;
		const char *what = strchr(error.text, ':');

		ocs_check_report(&check, LOG_ERR, "main", group ? "group" : "user", "%s",
		                 what != NULL ? what + 2 : error.text);
		return -1;
	}
	check.running = ocs_folder_locked(config->main.registry);
	ocs_check_as_starter(&check);
	if (check.identity.drop)
		look_from_child(&check);
	else
		look_as_user(&check);
	return check.errors == 0 ? 0 : -1;
}
