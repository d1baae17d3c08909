/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What came of a reload, for whoever asked for it: `ocsctl reload` reads it in private/reload. Its
 * first line is the daemon's pid, the number of the reload since its start, and `reloaded` or
 * `refused`; what was reported follows, a line each. The main thread.
 */
#ifndef OCS_OCSMANAGER_RELOAD_H
#define OCS_OCSMANAGER_RELOAD_H

#include <stdbool.h>

struct ocs_reload;

/* On mem_ctx; NULL: out of memory. */
struct ocs_reload *ocs_reload_begin(const void *mem_ctx);
/* An ocs_report_fn: logs, and keeps up to a bound. arg is the reload, or NULL. */
void ocs_reload_report(int priority, const char *text, void *arg);
/* Writes the file, logs where it cannot, and frees. */
void ocs_reload_end(struct ocs_reload *reload, const char *private_folder, bool reloaded);

#endif
