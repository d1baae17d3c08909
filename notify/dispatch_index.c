/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * How large the identifier index is: what would make it grow is refused once it is as large as it
 * may be; from half of that on there is a warning. And that it can be searched. Store thread, but
 * for the first function.
 */
#include "notify/dispatch_internal.h"

#include <syslog.h>

#include "base/clock.h"
#include "mapistore/index_search.h"

#define MIB            (1024 * 1024)
#define BUILD_STEP     500 /* names: some tens of milliseconds */
#define BUILD_AGAIN_NS (600 * OCS_CLOCK_SECOND)

void ocs_dispatch_index_sizes(const struct ocs_dispatch *dispatch,
                              struct ocs_dispatch_counters *out)
{
	struct ocs_index_sizes sizes;

	ocs_index_sizes(dispatch->index, &sizes);
	out->index_bytes = sizes.bytes;
	out->index_limit = sizes.limit;
	out->index_files = sizes.files;
}

bool ocs_dispatch_index_may_grow(struct resolve *resolve)
{
	if (!ocs_index_full(resolve->dispatch->index))
		return true;
	resolve->index_full = true;
	ocs_error_set(&resolve->error,
	              "the identifier index has reached [main] index_limit: new messages and "
	              "folders are refused; known ones and deletions are accepted");
	ocs_dispatch_index_watch(resolve->dispatch);
	return false;
}

/* A new file is begun by the next transaction: here, where the libraries alone have filled the last
 * one. */
static void begin_file(struct ocs_dispatch *dispatch)
{
	struct ocs_error error;

	if (!ocs_index_wants_file(dispatch->index))
		return;
	if (ocs_index_begin(dispatch->index, &error) == OCS_STORE_OK)
		ocs_index_cancel(dispatch->index);
	else
		ocs_dispatch_log(dispatch, LOG_ERR, "%s", error.text);
}

/* The search layer of an index that has none, a step at a time, with a pause as long as the step
 * behind each: deliveries go on in between. */
void ocs_dispatch_index_build(struct ocs_dispatch *dispatch, uint64_t now)
{
	struct ocs_error error = {.text = ""};
	int ret = OCS_STORE_OK;

	if (now < dispatch->next_build)
		return;
	if (ocs_index_search_built(dispatch->index) == 1000) {
		if (dispatch->builds)
			ocs_dispatch_log(dispatch, LOG_NOTICE, "the index can be searched now");
		dispatch->builds = false;
		dispatch->next_build = now + OCS_CLOCK_SECOND;
		return;
	}
	if (ocs_index_full(dispatch->index))
		ret = ocs_error_set(&error, "it has reached [main] index_limit");
	else if (!dispatch->builds)
		ocs_dispatch_log(dispatch, LOG_NOTICE,
		                 "the index is prepared for searches from the names that it has");
	dispatch->builds = ret == OCS_STORE_OK;
	if (ret == OCS_STORE_OK)
		ret = ocs_index_search_build(dispatch->index, BUILD_STEP, &error);
	dispatch->next_build = ocs_clock_ns() + (ocs_clock_ns() - now);
	if (ret == OCS_STORE_OK || ret == 1)
		return;
	ocs_dispatch_log(dispatch, LOG_WARNING, "the index cannot be prepared for searches: %s",
	                 error.text);
	dispatch->builds = false;
	dispatch->next_build = now + BUILD_AGAIN_NS;
}

void ocs_dispatch_index_watch(struct ocs_dispatch *dispatch)
{
	struct ocs_index_sizes sizes;
	const char *path = ocs_store_path(ocs_index_store(dispatch->index));
	unsigned long long now, limit;

	if (!ocs_store_in_transaction(ocs_index_store(dispatch->index)))
		begin_file(dispatch);
	ocs_index_sizes(dispatch->index, &sizes);
	now = sizes.bytes / MIB;
	limit = sizes.limit / MIB;
	if (sizes.bytes >= sizes.limit)
		ocs_health_set(
		        dispatch->health, OCS_HEALTH_INDEX_SIZE, OCS_HEALTH_UNWELL,
		        "%s is full: all index files together have %llu MiB, [main] "
		        "index_limit is %llu; new messages and folders are refused: raise it",
		        path, now, limit);
	else if (sizes.no_new_file)
		ocs_health_set(dispatch->health, OCS_HEALTH_INDEX_SIZE, OCS_HEALTH_WARNING,
		               "%s is full, and the next index file cannot be created: check the "
		               "space and the permissions of its folder",
		               path);
	else if (sizes.behind)
		ocs_health_set(dispatch->health, OCS_HEALTH_INDEX_SIZE, OCS_HEALTH_WARNING,
		               "%s was replaced by an older copy while in use: identifiers given "
		               "since then are not given again, and their names are lost",
		               path);
	else if (sizes.bytes >= sizes.limit / 2)
		ocs_health_set(dispatch->health, OCS_HEALTH_INDEX_SIZE, OCS_HEALTH_WARNING,
		               "%s is growing: the index files total %llu MiB; at %llu ([main] "
		               "index_limit) new messages and folders are refused",
		               path, now, limit);
	else
		ocs_health_set(dispatch->health, OCS_HEALTH_INDEX_SIZE, OCS_HEALTH_WELL, NULL);
}
