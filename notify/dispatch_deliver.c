/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * From a resolved notification to the entries of a user's queues: what the kernel takes is sent,
 * what it does not is kept with the item for the spill list. Any thread. Touches the queues, no
 * file.
 */
#include "notify/dispatch_internal.h"

#include <string.h>

#include <talloc.h>

#include "registry/match.h"

void ocs_dispatch_item_end(struct item *item)
{
	item->result->status = item->queues > 0 ? OCS_STATUS_QUEUED : OCS_STATUS_NOSUBSCRIBER;
	item->result->queues = item->queues;
	item->state = ITEM_ENDED;
}

void ocs_dispatch_pending_end(struct item *item)
{
	if (item->pending_done)
		return;
	for (size_t i = 0; i < item->n_pending; i++)
		atomic_fetch_sub(&item->pending[i].queue->waiting, 1);
	item->pending_done = true;
}

static bool add_pending(struct job *job, struct item *item, struct dispatch_queue *queue,
                        struct dispatch_snapshot *snapshot, const uint8_t *entry, size_t len)
{
	struct pending_entry *grown = talloc_realloc(job->request, item->pending,
	                                             struct pending_entry, item->n_pending + 1);

	if (grown == NULL)
		return false;
	item->pending = grown;
	grown = &grown[item->n_pending++];
	grown->queue = queue;
	grown->snapshot = snapshot;
	grown->len = len;
	memcpy(grown->entry, entry, len);
	return true;
}

static bool queue_wants(const struct snapshot_queue *queue, const struct ocs_entry *entry)
{
	for (size_t i = 0; i < queue->n_matchers; i++)
		if (ocs_match_entry(entry, queue->queue->table, queue->matchers[i].types,
		                    queue->folder, queue->matchers[i].mid))
			return true;
	return false;
}

bool ocs_dispatch_deliver(struct ocs_dispatch *dispatch, struct job *job, struct item *item,
                          const struct target *target, struct dispatch_snapshot *snapshot)
{
	struct ocs_fanout_item items[OCS_FANOUT_MAX];
	uint8_t encoded[OCS_FANOUT_MAX][OCS_ENTRY_SIZE_MAX];
	size_t lengths[OCS_FANOUT_MAX] = {0};
	size_t n, kept = 0;
	bool ok = true;

	if (snapshot->n_queues == 0)
		return true;
	n = ocs_fanout(target->notification, &target->ids, items);
	for (size_t q = 0; q < snapshot->n_queues && ok; q++) {
		struct snapshot_queue *to = &snapshot->queues[q];
		bool wrote = false;

		for (size_t i = 0; i < n; i++) {
			if (items[i].table != to->queue->table || !queue_wants(to, &items[i].entry))
				continue;
			if (lengths[i] == 0)
				lengths[i] = ocs_entry_encode(&items[i].entry, encoded[i]);
			if (lengths[i] == 0)
				continue; /* cannot be: every field was checked */
			wrote = true;
			if (ocs_dispatch_send(dispatch, to->queue, encoded[i], lengths[i]) ==
			    SEND_DONE)
				continue;
			ok = add_pending(job, item, to->queue, snapshot, encoded[i], lengths[i]);
			if (!ok) {
				atomic_fetch_sub(&to->queue->waiting, 1);
				break;
			}
			kept++;
		}
		if (wrote)
			item->queues++;
	}
	if (kept > 0) {
		pthread_mutex_lock(&dispatch->queues_lock);
		snapshot->refs += (unsigned)kept;
		pthread_mutex_unlock(&dispatch->queues_lock);
	}
	return ok;
}
