/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * From a resolved notification to the entries of a user's queues, each sent as it is made. Any
 * thread. Touches the queues and their spill lists.
 */
#include "notify/dispatch_internal.h"

#include <string.h>

#include "registry/match.h"

void ocs_dispatch_item_end(struct item *item)
{
	item->result->status = item->queues > 0 ? OCS_STATUS_QUEUED : OCS_STATUS_NOSUBSCRIBER;
	item->result->queues = item->queues;
	item->state = ITEM_ENDED;
}

static bool queue_wants(const struct snapshot_queue *queue, const struct ocs_entry *entry)
{
	for (size_t i = 0; i < queue->n_matchers; i++)
		if (ocs_match_entry(entry, queue->queue->table, queue->matchers[i].types,
		                    queue->folder, queue->matchers[i].mid))
			return true;
	return false;
}

int ocs_dispatch_deliver(struct ocs_dispatch *dispatch,
                         const struct ocs_dispatch_settings *settings, const struct job *job,
                         struct item *item, const struct target *target,
                         const struct dispatch_snapshot *snapshot, struct dispatch_wakes *wakes,
                         struct ocs_error *error)
{
	struct ocs_fanout_item items[OCS_FANOUT_MAX];
	uint8_t encoded[OCS_FANOUT_MAX][OCS_ENTRY_SIZE_MAX];
	size_t lengths[OCS_FANOUT_MAX] = {0};
	size_t n;
	int ret = 0;

	if (snapshot->n_queues == 0)
		return 0;
	n = ocs_fanout(target->notification, &target->ids, items);
	for (size_t q = 0; q < snapshot->n_queues && ret == 0; q++) {
		const struct snapshot_queue *to = &snapshot->queues[q];
		bool wrote = false, wake = false;

		/* Its client knows: it is what it has done itself. */
		if (job->request->except_session != 0 &&
		    job->request->except_session == to->session)
			continue;
		for (size_t i = 0; i < n && ret == 0; i++) {
			if (items[i].table != to->queue->table || !queue_wants(to, &items[i].entry))
				continue;
			if (lengths[i] == 0)
				lengths[i] = ocs_entry_encode(&items[i].entry, encoded[i]);
			if (lengths[i] == 0)
				continue; /* cannot be: every field was checked */
			wrote = true;
			ret = ocs_dispatch_send(dispatch, settings, to->queue, snapshot->user,
			                        encoded[i], lengths[i], &wake);
		}
		if (wake)
			ocs_dispatch_wakes_add(dispatch, wakes, to->queue);
		if (wrote)
			item->queues++;
	}
	return ret == 0 ? 0
	                : ocs_error_set(error, "%s/" OCS_SPILL_FOLDER ": %s", dispatch->folder,
	                                strerror(-ret));
}
