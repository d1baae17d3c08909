/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What the check found, with the line of the ini it is about. Touches nothing; calls who asked for
 * the check.
 */
#include "ocsmanager/check_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <syslog.h>

#include "config/check.h"

void ocs_check_report(struct ocs_check *check, int priority, const char *section, const char *key,
                      const char *format, ...)
{
	const struct ocs_config *config = check->config;
	unsigned line = ocs_problem_line(config->ini, section, key);
	char text[OCS_ERROR_MAX + 400], what[OCS_ERROR_MAX], where[16] = "";
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	if (line != 0)
		snprintf(where, sizeof(where), ":%u", line);
	snprintf(text, sizeof(text), "%.300s%s: [%s] %s: %s", config->path, where, section, key,
	         what);
	check->errors += priority <= LOG_ERR;
	check->report(priority, text, check->arg);
}
