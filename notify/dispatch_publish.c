/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Tells the libraries what they need of the ini, by the registry. Store thread, and the start.
 * Touches the registry.
 */
#include "notify/dispatch_internal.h"

#include <syslog.h>
#include <time.h>

#include "base/file.h"

#define START_PATIENCE 10 /* seconds that the start waits for the registry's lock */

/* At start: says whom it waits for, and gives up in the end. */
static int begin_patiently(struct ocs_dispatch *dispatch, struct ocs_error *error)
{
	const struct timespec step = {.tv_nsec = 100000000};
	struct ocs_store *store = ocs_registry_store(dispatch->registry);
	int ret = ocs_store_try_begin(store, error);

	for (int i = 0; i < START_PATIENCE * 10 && ret == OCS_STORE_BUSY &&
	                (ocs_file_interrupted == NULL || !ocs_file_interrupted());
	     i++) {
		if (i == 10)
			ocs_dispatch_log(dispatch, LOG_WARNING, "%s: waiting", error->text);
		nanosleep(&step, NULL);
		ret = ocs_store_try_begin(store, error);
	}
	return ret;
}

/* Tells the library what it needs of the ini. */
int ocs_dispatch_publish(struct ocs_dispatch *dispatch, struct ocs_error *error)
{
	struct dispatch_config *config = ocs_dispatch_config_get(dispatch);
	int ret = dispatch->store_thread_runs ? ocs_registry_begin(dispatch->registry, error)
	                                      : begin_patiently(dispatch, error);

	ocs_index_set_limits(dispatch->index, 0, config->settings.published.index_limit);
	if (ret == OCS_STORE_OK) {
		ret = ocs_registry_settings_put(dispatch->registry, &config->settings.published,
		                                error);
		if (ret == OCS_STORE_OK)
			ret = ocs_registry_templates_put(dispatch->registry, config->backends,
			                                 config->uris, error);
		if (ret == OCS_STORE_OK)
			ret = ocs_registry_commit(dispatch->registry, false, error);
		else
			ocs_registry_cancel(dispatch->registry);
	}
	ocs_dispatch_config_put(dispatch, config);
	return ret == OCS_STORE_OK ? 0 : -1;
}
