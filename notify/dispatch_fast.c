/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The fast path: a notification that changes nothing on disk, about a folder and message whose
 * identifiers are in memory, for users whose queues are in memory, is done in the caller's thread.
 * Anything else is left to the store thread, and so is all that follows it in the same request,
 * so that order holds.
 */
#include "notify/dispatch_internal.h"

#include <string.h>

#include <talloc.h>

#define FAST_TARGETS_MAX 16

/* Identifiers of one user's view from memory alone. */
static bool resolve_from_memory(struct ocs_dispatch *dispatch, const struct job *job,
                                const struct item *item, const char *user, struct target *target)
{
	const struct ocs_notification *notification = item->notification;
	struct ocs_folder_name name =
	        ocs_notification_folder(notification, user, notification->folder);

	memset(target, 0, sizeof(*target));
	target->user = user;
	target->notification = notification;
	if (!ocs_dispatch_cache_folder(dispatch, &name, &target->folder))
		return false;
	if (notification->has_uid_validity &&
	    (!target->folder.has_uid_validity ||
	     target->folder.uid_validity != notification->uid_validity))
		return false;
	if (notification->message_id != NULL && notification->category == OCS_MODIFIED &&
	    !ocs_dispatch_cache_message(dispatch, target->folder.series, notification->message_id,
	                                &target->ids.mid))
		return false;
	target->ids.fid = target->folder.fid;
	target->ids.parent_fid = target->folder.parent_fid;
	target->ids.mid_known = true;
	target->ids.accepted_at = job->accepted_at;
	target->ids.sequence = item->sequence;
	return ocs_dispatch_agree_same(job, target);
}

/* true: the item has ended. false: the store thread goes on with it. */
static bool fast_item(struct ocs_dispatch *dispatch, struct dispatch_config *config,
                      struct job *job, struct item *item, uint32_t seqnum,
                      struct dispatch_wakes *wakes)
{
	const struct ocs_notification *notification = item->notification;
	struct dispatch_snapshot *snapshots[FAST_TARGETS_MAX];
	struct target targets[FAST_TARGETS_MAX];
	const char **users = NULL, **mapped, *own = notification->backend_user;
	const char *unknown = ocs_dispatch_unknown_backend(config, notification);
	size_t n_users = 1, n_mapped, ready = 0;
	struct ocs_error error = {.text = ""};
	bool ended = false;

	if (unknown != NULL) {
		ocs_result_refuse(item->result, 422, "UNKNOWN_BACKEND",
		                  "no backend '%.100s' is configured", unknown);
		item->state = ITEM_ENDED;
		return true;
	}
	if ((notification->category != OCS_MODIFIED &&
	     notification->category != OCS_SEARCH_COMPLETED) ||
	    notification->id != NULL || job->request->ids_only)
		return false;
	/* Where a session sees the store the store thread does it all. */
	if (ocs_dispatch_store_known(dispatch, job->request, notification->backend,
	                             notification->backend_user, seqnum, &mapped, &n_mapped) != 1 ||
	    n_mapped > 0)
		return false;
	if (config->map != NULL) {
		users = ocs_dispatch_users(config, job->request, notification, &n_users);
		if (users == NULL || n_users == 0 || n_users > FAST_TARGETS_MAX)
			return false;
	}
	for (; ready < n_users; ready++) {
		const char *user = users != NULL ? users[ready] : own;

		if (!resolve_from_memory(dispatch, job, item, user, &targets[ready]))
			break;
		snapshots[ready] = ocs_dispatch_snapshot_get(dispatch, user, seqnum);
		if (snapshots[ready] == NULL)
			break;
	}
	if (ready == n_users) {
		ended = true;
		/* Without them it goes to other nodes as well. */
		for (size_t i = 0; i < n_users; i++)
			(void)ocs_dispatch_agree_known(dispatch, NULL, job, item, &targets[i]);
		for (size_t i = 0; i < n_users && ended; i++)
			ended = ocs_dispatch_deliver(dispatch, &config->settings, job, item,
			                             &targets[i], snapshots[i], wakes, &error) == 0;
		if (ended) {
			ocs_dispatch_item_end(item);
		} else {
			ocs_dispatch_store_failed(dispatch, &error);
			ocs_result_refuse(item->result, 503, "REGISTRY_UNAVAILABLE",
			                  "a spill list cannot be written; try again");
			item->state = ITEM_ENDED;
		}
	}
	for (size_t i = 0; i < ready; i++)
		ocs_dispatch_snapshot_put(dispatch, snapshots[i]);
	return item->state == ITEM_ENDED;
}

bool ocs_dispatch_fast(struct ocs_dispatch *dispatch, struct job *job)
{
	struct dispatch_config *config = ocs_dispatch_config_get(dispatch);
	uint32_t seqnum = ocs_dispatch_seqnum(dispatch);
	struct dispatch_wakes wakes;
	size_t i;

	wakes.n = 0;
	for (i = 0; i < job->request->count; i++)
		if (job->items[i].state != ITEM_ENDED &&
		    !fast_item(dispatch, config, job, &job->items[i], seqnum, &wakes))
			break;
	ocs_dispatch_wakes_send(dispatch, &wakes);
	ocs_dispatch_config_put(dispatch, config);
	return i == job->request->count;
}
