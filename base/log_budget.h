/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Lines that traffic can cause, each kind with a budget of its own, so that no flood of one hides
 * another: ten lines in ten seconds of one kind and sender, a hundred of one kind. What is past
 * them is counted, and the count is logged when the ten seconds are over, whether anything more
 * comes or not. Touches the log, and a bounded table under a lock of its own; any thread.
 */
#ifndef OCS_BASE_LOG_BUDGET_H
#define OCS_BASE_LOG_BUDGET_H

#include <stdint.h>

#define OCS_LOG_BUDGET_WINDOW_MS 10000
#define OCS_LOG_BUDGET_SENDER    10
#define OCS_LOG_BUDGET_KIND      100

/* kind: a constant name, such as that of an error; sender: who caused the line (an address without
 * its port), "" where nobody did. Both are cut at 40 and 180 bytes. */
void ocs_log_budgeted(int priority, const char *kind, const char *sender, const char *format, ...)
        __attribute__((format(printf, 4, 5)));

/* Logs what was left out in windows that have ended; from the main thread, every second or so. */
void ocs_log_budget_tick(void);
/* The same for all windows: before the log is closed. */
void ocs_log_budget_flush(void);

/* For tests: milliseconds of a steady clock; NULL: the system's. */
void ocs_log_budget_set_clock(int64_t (*now_ms)(void));

#endif
