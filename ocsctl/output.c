/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What the commands say and print: errors, JSON, times; and the ini, whose errors they say. Touches
 * standard output and error, reads the ini.
 */
#include "ocsctl/ocsctl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include <talloc.h>

#include "base/utf8.h"

__attribute__((format(printf, 1, 0))) static void vsay(const char *format, va_list arguments)
{
	char text[4096], shown[sizeof(text)];

	/* It may say what a server said. */
	if (vsnprintf(text, sizeof(text), format, arguments) < 0)
		text[0] = '\0';
	ocs_utf8_show(text, shown, sizeof(shown));
	fprintf(stderr, "ocsctl: %s\n", shown);
}

void ocsctl_error(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsay(format, arguments);
	va_end(arguments);
}

int ocsctl_usage(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsay(format, arguments);
	va_end(arguments);
	fputs("ocsctl: `ocsctl --help` lists commands and options\n", stderr);
	return OCSCTL_USAGE;
}

static void report_config(int priority, const char *text, void *arg)
{
	(void)arg;
	/* Warnings are the daemon's affair: `ocsmanager -t` shows them. */
	if (priority <= LOG_ERR)
		ocsctl_error("%s", text);
}

int ocsctl_config(struct ocsctl *ctl)
{
	struct ocs_config *config;

	if (ctl->config != NULL)
		return 0;
	if (ocs_config_load_part(ctl->ini, ctl, ctl->needs, report_config, NULL, &config) < 0)
		return -1;
	ctl->config = config;
	return 0;
}

int ocsctl_print_json(json_t *json)
{
	int ret;

	if (json == NULL) {
		ocsctl_error("out of memory");
		return OCSCTL_FAILED;
	}
	ret = json_dumpf(json, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
	json_decref(json);
	putchar('\n');
	if (ret < 0) {
		ocsctl_error("cannot write the result: %s", strerror(errno));
		return OCSCTL_FAILED;
	}
	return OCSCTL_OK;
}

json_t *ocsctl_json_id(uint64_t id)
{
	return json_sprintf("%016" PRIx64, id);
}

json_t *ocsctl_json_text(const char *text)
{
	json_t *json = json_string(text);
	char *copy;

	if (json != NULL)
		return json;
	copy = strdup(text);
	if (copy == NULL)
		return NULL;
	for (char *c = copy; *c != '\0'; c++)
		if ((unsigned char)*c >= 0x80)
			*c = '?';
	json = json_string(copy);
	free(copy);
	return json;
}

char *ocsctl_time(const void *mem_ctx, uint64_t microseconds)
{
	time_t seconds = (time_t)(microseconds / 1000000);
	struct tm tm;
	char text[32];

	if (gmtime_r(&seconds, &tm) == NULL ||
	    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm) == 0)
		return talloc_asprintf(mem_ctx, "%" PRIu64, microseconds);
	return talloc_asprintf(mem_ctx, "%s.%06uZ", text, (unsigned)(microseconds % 1000000));
}

/* Ten times a second is enough for people. */
void ocsctl_progress(const char *what, uint64_t n)
{
	static struct timespec last;
	struct timespec now;

	if (!isatty(STDERR_FILENO) || clock_gettime(CLOCK_MONOTONIC, &now) != 0 ||
	    (now.tv_sec - last.tv_sec) * 10 + (now.tv_nsec - last.tv_nsec) / 100000000 < 1)
		return;
	last = now;
	fprintf(stderr, "\r%s: %" PRIu64, what, n);
}

void ocsctl_progress_done(void)
{
	if (isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
}
