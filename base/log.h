/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The daemon's log: the one place that logs. To stderr with a time (foreground), else to syslog(3).
 *
 * Any thread. One call is one line: what is not to be shown as it is (base/utf8.h) comes out as
 * \xHH, so that a name from outside can neither forge a line nor change how one reads. Callers
 * never pass a password or token.
 */
#ifndef OCS_BASE_LOG_H
#define OCS_BASE_LOG_H

#include <stdbool.h>
#include <syslog.h>

/* foreground: stderr, else syslog, and until ocs_log_detach() stderr as well. level: the least
 * important priority that is still logged. Before this is called, warnings and errors go to stderr.
 * Once, while there is one thread. */
void ocs_log_open(const char *program, bool foreground, int level);
void ocs_log_detach(void);
void ocs_log_set_level(int level); /* any time, any thread */
void ocs_log_close(void);

/* Whether a line of that priority would be logged: for lines that cost something to make. */
bool ocs_log_wanted(int priority);

/* priority: LOG_ERR to LOG_DEBUG. */
void ocs_log(int priority, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* How the parts below are told where their lines go. priority as above; the text is theirs, one
 * line, without a secret. */
typedef void ocs_log_fn(int priority, const char *text);               /* any thread */
typedef void ocs_report_fn(int priority, const char *text, void *arg); /* the caller's thread */
/* A line for such a function, cut at 1 KiB. */
void ocs_log_to(ocs_log_fn *log, int priority, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
/* Both into the log. */
void ocs_log_text(int priority, const char *text);
void ocs_log_report(int priority, const char *text, void *arg);

/* Lines that traffic can cause have budgets: log_budget.h. */

#endif
