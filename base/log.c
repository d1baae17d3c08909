/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Logging to stderr or syslog. It may touch those two and the clock.
 */
#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/utf8.h"

#define LINE_MAX_TEXT 2048

static bool to_stderr = true;
static const char *name = "ocsmanager";
static atomic_int least = LOG_WARNING;

static const char *priority_word(int priority)
{
	static const char *const words[] = {"emerg",   "alert",  "crit", "error",
	                                    "warning", "notice", "info", "debug"};

	return words[priority & 7];
}

void ocs_log_open(const char *program, bool foreground, int level)
{
	to_stderr = foreground;
	name = program;
	atomic_store(&least, level);
	if (!foreground)
		openlog(name, LOG_PID | LOG_NDELAY | LOG_PERROR, LOG_DAEMON);
}

void ocs_log_detach(void)
{
	if (!to_stderr)
		openlog(name, LOG_PID | LOG_NDELAY, LOG_DAEMON);
}

bool ocs_log_wanted(int priority)
{
	return priority <= atomic_load(&least);
}

void ocs_log_set_level(int level)
{
	atomic_store(&least, level);
}

void ocs_log_close(void)
{
	if (!to_stderr)
		closelog();
	to_stderr = true;
}

static void write_stderr(int priority, const char *line, size_t len)
{
	struct timespec now;
	struct tm tm;
	char head[64], time_text[32] = "";

	clock_gettime(CLOCK_REALTIME, &now);
	if (gmtime_r(&now.tv_sec, &tm) != NULL)
		strftime(time_text, sizeof(time_text), "%Y-%m-%dT%H:%M:%S", &tm);
	int n = snprintf(head, sizeof(head), "%s.%03ldZ %s: ", time_text, now.tv_nsec / 1000000,
	                 priority_word(priority));
	struct iovec parts[] = {
	        {head, (size_t)n},
	        {(void *)(uintptr_t)line, len},
	        {(void *)(uintptr_t) "\n", 1},
	};
	/* One call a line, so that lines of several threads do not mix. There is nobody to tell if
	 * it fails. */
	if (writev(STDERR_FILENO, parts, 3) < 0)
		return;
}

void ocs_log_to(ocs_log_fn *log, int priority, const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	if (vsnprintf(text, sizeof(text), format, args) >= 0)
		log(priority, text);
	va_end(args);
}

void ocs_log_text(int priority, const char *text)
{
	char line[LINE_MAX_TEXT + 8];

	if (priority > atomic_load_explicit(&least, memory_order_relaxed))
		return;
	size_t len = ocs_utf8_show(text, line, sizeof(line));
	if (to_stderr)
		write_stderr(priority, line, len);
	else
		syslog(priority, "%s", line);
}

void ocs_log_report(int priority, const char *text, void *arg)
{
	(void)arg;
	ocs_log(priority, "%s", text);
}

__attribute__((format(printf, 2, 0))) static void log_args(int priority, const char *format,
                                                           va_list args)
{
	char text[LINE_MAX_TEXT];

	vsnprintf(text, sizeof(text), format, args);
	ocs_log_text(priority, text);
}

void ocs_log(int priority, const char *format, ...)
{
	va_list args;

	if (priority > atomic_load_explicit(&least, memory_order_relaxed))
		return;
	va_start(args, format);
	log_args(priority, format, args);
	va_end(args);
}
