/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * `ocsctl reload`: the daemon reads its ini, accounts and users again, and what it says of them is
 * shown here. Signals the daemon, reads what it writes to private/reload (ocsmanager/reload.h).
 */
#include "ocsctl/ocsctl.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <talloc.h>

#include "base/clock.h"

#define WAIT_SECONDS 60
#define TEXT_MAX     32768

/* The whole file, "" where there is none. -1: errno. */
static int read_outcome(const char *path, char out[TEXT_MAX])
{
	FILE *file = fopen(path, "re");
	size_t len;

	out[0] = '\0';
	if (file == NULL)
		return errno == ENOENT ? 0 : -1;
	len = fread(out, 1, TEXT_MAX - 1, file);
	out[len] = '\0';
	(void)fclose(file);
	return 0;
}

/* The first line is another one at each reload. */
static bool is_another(const char *before, const char *after)
{
	size_t len = strcspn(after, "\n");

	return len > 0 && after[len] == '\n' &&
	       (strncmp(before, after, len) != 0 || before[len] != '\n');
}

static int show_outcome(const struct ocsctl *ctl, char *text)
{
	char *rest = NULL, *first = strtok_r(text, "\n", &rest), *line;
	bool reloaded = first != NULL && strstr(first, " reloaded") != NULL;
	json_t *messages = ctl->json ? json_array() : NULL;
	int status = OCSCTL_OK;

	while ((line = strtok_r(NULL, "\n", &rest)) != NULL) {
		if (messages != NULL)
			(void)json_array_append_new(messages, ocsctl_json_text(line));
		else
			fprintf(stderr, "%s\n", line);
	}
	if (ctl->json)
		status = ocsctl_print_json(
		        json_pack("{s:b, s:o}", "reloaded", reloaded, "messages", messages));
	else
		puts(reloaded ? "reloaded" : "refused: everything stays as it was");
	return reloaded ? status : OCSCTL_FAILED;
}

static int wait_outcome(const struct ocsctl *ctl, const char *path, int pid, const char *before,
                        char text[TEXT_MAX])
{
	const struct timespec step = {.tv_nsec = 20000000};
	uint64_t until = ocs_clock_ns() + WAIT_SECONDS * OCS_CLOCK_SECOND;

	for (;;) {
		if (read_outcome(path, text) == 0 && is_another(before, text))
			return show_outcome(ctl, text);
		if (kill(pid, 0) != 0 && errno == ESRCH) {
			ocsctl_error("the daemon (process %d) has ended meanwhile", pid);
			return OCSCTL_FAILED;
		}
		if (ocs_clock_ns() > until) {
			ocsctl_error("the daemon was told, and has not done it in %d seconds: see "
			             "its log",
			             WAIT_SECONDS);
			return OCSCTL_FAILED;
		}
		nanosleep(&step, NULL);
	}
}

int ocsctl_reload(struct ocsctl *ctl)
{
	struct ocsctl_daemon daemon;
	static char before[TEXT_MAX], after[TEXT_MAX];
	char *path;

	if (ocsctl_config(ctl) < 0)
		return OCSCTL_FAILED;
	ocsctl_daemon_find(ctl->config, &daemon);
	if (daemon.pid == 0) {
		ocsctl_error("no daemon serves %s%s%s", ctl->config->main.registry,
		             daemon.why[0] != '\0' ? ": " : "", daemon.why);
		return OCSCTL_FAILED;
	}
	path = talloc_asprintf(ctl, "%s/private/reload", ctl->config->main.registry);
	if (path == NULL) {
		ocsctl_error("out of memory");
		return OCSCTL_FAILED;
	}
	if (read_outcome(path, before) != 0) {
		ocsctl_error("%s: %s%s", path, strerror(errno),
		             errno == EACCES ? " (root and the daemon's user may)" : "");
		return OCSCTL_FAILED;
	}
	if (kill(daemon.pid, SIGHUP) != 0) {
		ocsctl_error("cannot signal process %d: %s", daemon.pid, strerror(errno));
		return OCSCTL_FAILED;
	}
	return wait_outcome(ctl, path, daemon.pid, before, after);
}
