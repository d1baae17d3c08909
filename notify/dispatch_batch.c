/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What the store thread does with the notifications that the fast path left: in groups, so that
 * many share a commit. A group goes through the same steps as a single one:
 *
 *   resolve     names to identifiers; what is new is committed as assigned
 *   send        entries into the kernel queues and the spill lists
 *   record      what is done now is committed: from here on a repetition is a duplicate
 *
 * Killed between any two steps, a notification that is reported again is dispatched again with the
 * same identifiers. A group ends before a notification that depends on what the group has not yet
 * recorded: the same id, the same message, or a folder that goes.
 */
#include "notify/dispatch_internal.h"

#include <string.h>
#include <time.h>

#include <nettle/sha2.h>
#include <talloc.h>

#include "base/fault_point.h"

#define GROUP_MAX 512

struct touched {
	UT_hash_handle hh;
	char key[];
};

struct group {
	struct ocs_dispatch *dispatch;
	struct dispatch_config *config;
	struct job *jobs[GROUP_MAX];
	struct item *items[GROUP_MAX];
	size_t n;
	struct touched *touched;
	struct dispatch_wakes wakes;
	void *mem_ctx;
	uint64_t now; /* seconds since 1970 */
};

/* ---- what a group has touched ---- */

/* Adds a key; true if it was there. Out of memory counts as there: the group ends early. */
static bool touch(struct group *group, const char *a, const char *b, const char *c)
{
	struct touched *touched;
	char *key = talloc_asprintf(group->mem_ctx, "%s/%zu/%s/%s", a, strlen(b), b, c);
	size_t len;

	if (key == NULL)
		return true;
	HASH_FIND_STR(group->touched, key, touched);
	if (touched != NULL)
		return true;
	len = strlen(key) + 1;
	touched = talloc_zero_size(group->mem_ctx, sizeof(*touched) + len);
	if (touched == NULL)
		return true;
	memcpy(touched->key, key, len);
	HASH_ADD_STR(group->touched, key, touched);
	return touched->hh.tbl == NULL;
}

static bool changes_folder(const struct ocs_notification *notification)
{
	return notification->message_id == NULL && notification->category != OCS_MODIFIED &&
	       notification->category != OCS_SEARCH_COMPLETED;
}

/* Whether an item must wait until the group is recorded. Notes what it touches itself. */
static bool conflicts(struct group *group, const struct job *job, const struct item *item)
{
	const struct ocs_notification *notification = item->notification;
	bool conflict = group->n == GROUP_MAX;

	if (changes_folder(notification))
		return true;
	if (notification->id != NULL)
		conflict |= touch(group, "id", job->request->account, notification->id);
	if (notification->message_id != NULL)
		conflict |= touch(group, "message", notification->backend_user,
		                  notification->message_id);
	if (notification->old_message_id != NULL)
		conflict |= touch(group, "message", notification->backend_user,
		                  notification->old_message_id);
	return conflict;
}

static void forget_touched(struct group *group)
{
	HASH_CLEAR(hh, group->touched);
	talloc_free_children(group->mem_ctx);
}

/* ---- steps ---- */

/* Identifiers of what is cancelled are given to something else, or to nothing. */
static void forget_known(const struct job *job, const struct item *item)
{
	if (job->request->known != NULL)
		job->request->known[item - job->items].n = 0;
}

/* Why is in the health already. */
static void refuse_all(struct group *group)
{
	OCS_COUNT(group->dispatch, commit_failures, 1);
	for (size_t i = 0; i < group->n; i++) {
		if (group->items[i]->state == ITEM_ENDED)
			continue;
		ocs_result_refuse(group->items[i]->result, 503, "REGISTRY_UNAVAILABLE",
		                  "the registry cannot be written; try again");
		group->items[i]->state = ITEM_ENDED;
		forget_known(group->jobs[i], group->items[i]);
	}
	/* The caches may know what was not committed. */
	ocs_dispatch_cache_free(group->dispatch);
	group->dispatch->range_left = 0;
}

static void cancel_all(struct group *group)
{
	ocs_index_cancel(group->dispatch->index);
	ocs_message_log_revert(group->dispatch->message_log);
	ocs_recent_revert(group->dispatch->recent);
	ocs_registry_cancel(group->dispatch->registry);
}

static int commit_index(struct group *group, struct ocs_error *error)
{
	struct ocs_index *index = group->dispatch->index;

	if (!ocs_store_in_transaction(ocs_index_store(index)))
		return 0;
	OCS_COUNT(group->dispatch, commits, 1);
	return ocs_index_commit(index, error);
}

static void hash_id(const struct job *job, struct item *item)
{
	struct sha256_ctx sha;
	const char *account = job->request->account;

	sha256_init(&sha);
	sha256_update(&sha, strlen(account) + 1, (const uint8_t *)account);
	sha256_update(&sha, strlen(item->notification->id),
	              (const uint8_t *)item->notification->id);
	sha256_digest(&sha, sizeof(item->id_hash), item->id_hash);
}

/* Now that they are committed, the fast path may know them. */
static void remember_folders(struct ocs_dispatch *dispatch, const struct item *item)
{
	for (size_t i = 0; i < item->n_targets; i++) {
		const struct target *target = &item->targets[i];
		const struct ocs_notification *what = target->notification;
		struct ocs_folder_name name =
		        ocs_notification_folder(what, target->user, what->folder);

		if (target->folder.fid != 0)
			ocs_dispatch_cache_folder_add(dispatch, &name, &target->folder);
		if (what->message_id == NULL || what->old_folder == NULL ||
		    target->old_folder.fid == 0)
			continue;
		name = ocs_notification_old_folder(what, target->user);
		ocs_dispatch_cache_folder_add(dispatch, &name, &target->old_folder);
	}
}

/* The folder is made again where somebody removed it. */
static int lock_names(struct group *group, struct ocs_error *error)
{
	struct ocs_dispatch *dispatch = group->dispatch;
	int ret = ocs_index_lock_names(dispatch->index, error);

	if (ret == OCS_STORE_OK && ocs_message_log_unshared(dispatch->message_log))
		return ocs_message_log_share(dispatch->message_log, dispatch->folder, dispatch->gid,
		                             error);
	if (ret == OCS_STORE_MISSING &&
	    ocs_message_log_share(dispatch->message_log, dispatch->folder, dispatch->gid, error) ==
	            0)
		ret = ocs_index_lock_names(dispatch->index, error);
	return ret == OCS_STORE_OK ? 0 : -1;
}

static int find_identifiers(struct group *group, struct resolve *resolve)
{
	for (size_t i = 0; i < group->n; i++) {
		struct item *item = group->items[i];
		const char *unknown;
		int ret;

		if (item->state != ITEM_NEW)
			continue;
		unknown = ocs_dispatch_unknown_backend(group->config, item->notification);
		if (unknown != NULL) {
			ocs_result_refuse(item->result, 422, "UNKNOWN_BACKEND",
			                  "no backend '%.100s' is configured", unknown);
			item->state = ITEM_ENDED;
			continue;
		}
		if (item->notification->id != NULL) {
			hash_id(group->jobs[i], item);
			if (ocs_recent_done(group->dispatch->recent, item->id_hash, group->now,
			                    group->config->settings.dedupe_window)) {
				item->result->status = OCS_STATUS_DUPLICATE;
				item->state = ITEM_ENDED;
				continue;
			}
		}
		ret = ocs_dispatch_resolve(resolve, group->jobs[i], item);
		ocs_index_set_told(group->dispatch->index, NULL, NULL);
		if (ret < 0)
			return -1;
		if (ret > 0)
			item->state = ITEM_ENDED;
		if (item->result->status == OCS_STATUS_REFUSED)
			forget_known(group->jobs[i], item);
	}
	return 0;
}

/* Of a file that was cut short meanwhile nothing is known to be missing: what ended because
 * something was has not, and with it all of the group. */
static int find_together(struct group *group, struct resolve *resolve)
{
	struct ocs_index *index = group->dispatch->index;
	bool looked_at[GROUP_MAX];
	int ret;

	for (size_t i = 0; i < group->n; i++)
		looked_at[i] = group->items[i]->state == ITEM_NEW;
	ocs_index_hold(index);
	ret = find_identifiers(group, resolve);
	if (ocs_index_release(index, ret == 0 ? &resolve->error : NULL) != OCS_STORE_OK)
		ret = -1;
	for (size_t i = 0; i < group->n && ret != 0; i++)
		if (looked_at[i])
			group->items[i]->state = ITEM_NEW;
	return ret;
}

static int resolve_items(struct group *group, struct resolve *resolve)
{
	if (find_together(group, resolve) != 0 || commit_index(group, &resolve->error) != 0)
		return -1;
	for (size_t i = 0; i < group->n; i++)
		remember_folders(group->dispatch, group->items[i]);
	/* Not synced: a power cut also takes the queues, and a killed process leaves what it wrote.
	 */
	return ocs_message_log_flush(group->dispatch->message_log, false, &resolve->error);
}

/* From the look at what is known to the write of what was assigned no library names a message. */
static int resolve_group(struct group *group, struct resolve *resolve)
{
	int ret = lock_names(group, &resolve->error);

	if (ret == 0)
		ret = resolve_items(group, resolve);
	ocs_index_unlock_names(group->dispatch->index);
	return ret;
}

/* A list that cannot be written is a trouble of those whom it is for, not of the others. */
static void refuse_item(struct group *group, size_t i, const struct ocs_error *why)
{
	struct item *item = group->items[i];

	OCS_COUNT(group->dispatch, commit_failures, 1);
	ocs_dispatch_store_failed(group->dispatch, why);
	ocs_result_refuse(item->result, 503, "REGISTRY_UNAVAILABLE",
	                  "a spill list cannot be written; try again");
	item->state = ITEM_ENDED;
	forget_known(group->jobs[i], item);
}

static int send_group(struct group *group, struct ocs_error *error)
{
	for (size_t i = 0; i < group->n; i++) {
		struct item *item = group->items[i];

		if (item->state != ITEM_NEW)
			continue;
		for (size_t t = 0; t < item->n_targets; t++) {
			const struct target *target = &item->targets[t];
			struct dispatch_snapshot *snapshot;
			int ret;

			if (target->duplicate)
				continue;
			snapshot = ocs_dispatch_snapshot_read(group->dispatch, target->user, error);
			if (snapshot == NULL)
				return -1;
			ret = ocs_dispatch_deliver(group->dispatch, &group->config->settings,
			                           group->jobs[i], item, target, snapshot,
			                           &group->wakes, error);
			ocs_dispatch_snapshot_put(group->dispatch, snapshot);
			if (ret != 0) {
				refuse_item(group, i, error);
				break;
			}
		}
		if (item->state == ITEM_NEW)
			item->state = ITEM_SENT;
	}
	return 0;
}

static int record_group(struct group *group, struct resolve *resolve)
{
	for (size_t i = 0; i < group->n; i++) {
		struct item *item = group->items[i];

		if (item->state != ITEM_SENT)
			continue;
		if (ocs_dispatch_record(resolve, item) != 0)
			return -1;
		if (item->notification->id != NULL &&
		    ocs_recent_add(group->dispatch->recent, item->id_hash, group->now,
		                   &resolve->error) != 0)
			return -1;
	}
	if (commit_index(group, &resolve->error) != 0 ||
	    ocs_message_log_flush(group->dispatch->message_log, true, &resolve->error) != 0)
		return -1;
	return ocs_recent_flush(group->dispatch->recent, group->now,
	                        group->config->settings.dedupe_window, &resolve->error);
}

static void run_group(struct group *group)
{
	struct resolve resolve = {.dispatch = group->dispatch, .config = group->config};
	int ret;

	if (group->n == 0)
		return;
	group->now = (uint64_t)time(NULL);
	ocs_fault_point("newmail-accepted");
	ret = ocs_dispatch_watch_before(group->dispatch, &resolve.error);
	if (ret != 0) {
		refuse_all(group);
		group->n = 0;
		forget_touched(group);
		return;
	}
	ret = resolve_group(group, &resolve);
	if (ret == 0) {
		ocs_fault_point("newmail-assigned");
		ret = send_group(group, &resolve.error);
		ocs_dispatch_wakes_send(group->dispatch, &group->wakes);
	}
	if (ret == 0) {
		ocs_fault_point("newmail-sent");
		ret = record_group(group, &resolve);
	}
	if (ret == 0) {
		ocs_fault_point("newmail-done");
		for (size_t i = 0; i < group->n; i++)
			if (group->items[i]->state == ITEM_SENT)
				ocs_dispatch_item_end(group->items[i]);
	} else {
		cancel_all(group);
		ocs_dispatch_store_failed(group->dispatch, &resolve.error);
		refuse_all(group);
	}
	group->n = 0;
	forget_touched(group);
}

static uint64_t batch_fixed_fid(void *arg, const struct ocs_folder_name *name)
{
	return ocs_usermap_fid(arg, name);
}

/* Where the settings are others by now than when it came in. */
static void rename_job(const struct group *group, struct job *job)
{
	if (job->generation == group->config->generation || ocs_dispatch_rename(group->config, job))
		return;
	ocs_health_no_memory(group->dispatch->health);
	for (size_t i = 0; i < job->request->count; i++)
		if (job->items[i].state == ITEM_NEW) {
			ocs_result_refuse_memory(job->items[i].result);
			job->items[i].state = ITEM_ENDED;
		}
}

void ocs_dispatch_batch(struct ocs_dispatch *dispatch, struct job **jobs, size_t n)
{
	struct group *group = talloc_zero(NULL, struct group);

	if (group == NULL) {
		ocs_health_no_memory(dispatch->health);
		for (size_t j = 0; j < n; j++)
			for (size_t i = 0; i < jobs[j]->request->count; i++)
				if (jobs[j]->items[i].state != ITEM_ENDED)
					ocs_result_refuse_memory(jobs[j]->items[i].result);
		return;
	}
	group->dispatch = dispatch;
	group->config = ocs_dispatch_config_get(dispatch);
	group->mem_ctx = talloc_new(group);
	ocs_index_set_fixed(dispatch->index, group->config->map != NULL ? batch_fixed_fid : NULL,
	                    group->config->map);
	ocs_index_set_fold(dispatch->index, group->config->settings.published.names.fold);
	for (size_t j = 0; j < n; j++) {
		rename_job(group, jobs[j]);
		for (size_t i = 0; i < jobs[j]->request->count; i++) {
			struct item *item = &jobs[j]->items[i];

			if (item->state == ITEM_ENDED)
				continue;
			if (conflicts(group, jobs[j], item)) {
				run_group(group);
				/* What it touches belongs to the new group. */
				(void)conflicts(group, jobs[j], item);
			}
			group->jobs[group->n] = jobs[j];
			group->items[group->n++] = item;
			if (item->state == ITEM_NEW && changes_folder(item->notification))
				run_group(group);
		}
	}
	run_group(group);
	ocs_index_set_fixed(dispatch->index, NULL, NULL);
	ocs_dispatch_config_put(dispatch, group->config);
	talloc_free(group);
}
