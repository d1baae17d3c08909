/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What the dead have left: contexts whose wake-up socket refuses or is gone lose their sessions,
 * queues and spill lists; files in the wake folder that belong to no context are removed with the
 * queues they name. Store thread.
 */
#include "notify/dispatch_internal.h"
#include "registry/reap.h"
#include "base/plural.h"

#include <syslog.h>

#include <talloc.h>

static void janitor_reaped(void *arg, const struct ocs_reap_report *report)
{
	struct ocs_dispatch *dispatch = arg;

	OCS_COUNT(dispatch, sessions_reaped, report->sessions);
	OCS_COUNT(dispatch, queues_reaped, report->queues);
	ocs_dispatch_log(dispatch, LOG_NOTICE, "process %d is gone: removed its %u %s and %u %s",
	                 (int)report->pid, report->sessions,
	                 ocs_plural(report->sessions, "session", "sessions"), report->queues,
	                 ocs_plural(report->queues, "queue", "queues"));
	if (report->left > 0)
		ocs_dispatch_log(dispatch, LOG_WARNING,
		                 "%u of them could only be emptied: removing a queue of another "
		                 "user needs CAP_FOWNER; its owner removes it at the next start",
		                 report->left);
}

void ocs_dispatch_janitor(struct ocs_dispatch *dispatch)
{
	struct ocs_error error;

	if (ocs_registry_wake_folder(dispatch->registry, &error) != OCS_STORE_OK)
		ocs_dispatch_log(dispatch, LOG_WARNING, "%s", error.text);
	/* Without the table nobody is taken for dead too early. */
	if (dispatch->missing == NULL)
		dispatch->missing = ocs_reap_missing_new();
	if (ocs_reap(dispatch->registry, OCS_REAP_ALL, dispatch->missing, janitor_reaped, dispatch,
	             &error) != 0)
		ocs_dispatch_store_failed(dispatch, &error);
	dispatch->unsynced = true;
	if (!ocs_dispatch_queues_foreign(dispatch))
		ocs_health_set(dispatch->health, OCS_HEALTH_QUEUES, OCS_HEALTH_WELL, NULL);
}
