/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The entries that the kernel queues do not take: into the files of the spill lists. Any thread; a
 * list belongs to whoever holds its queue's lock.
 */
#include "notify/dispatch_internal.h"

#include <errno.h>

#include "base/fault_point.h"

/* How long a sum of all lists that reached its bound is believed. */
#define RECOUNT_NS OCS_CLOCK_SECOND

/* Lists that are opened for it at once, and how long what was seen of one is believed. */
#define RECOUNT_CLOSED    1000
#define RECOUNT_CLOSED_NS (10 * OCS_CLOCK_SECOND)

static struct ocs_spill_name spill_name(const struct ocs_dispatch *dispatch,
                                        const struct dispatch_queue *queue)
{
	return (struct ocs_spill_name){dispatch->folder, queue->context, queue->id};
}

/* ---- the sum of all lists ---- */

/* The queue's lock is held. */
static void count_list(struct ocs_dispatch *dispatch, struct dispatch_queue *queue)
{
	uint64_t now = queue->spill.known ? ocs_spill_count(&queue->spill) : 0;

	atomic_fetch_add(&dispatch->spilled, (int64_t)(now - queue->counted));
	queue->counted = now;
}

/* What is gone waits no longer. */
static void forget_list(struct ocs_dispatch *dispatch, struct dispatch_queue *queue)
{
	ocs_spill_init(&queue->spill);
	count_list(dispatch, queue);
}

/* How far the consumer of a list is that is closed here: it may have read all since. */
static void recount_closed(struct ocs_dispatch *dispatch, struct dispatch_queue *queue)
{
	struct ocs_spill_name name = spill_name(dispatch, queue);
	int ret = ocs_spill_open(&queue->spill, &name, false, dispatch->gid);

	if (ret == 0)
		ret = ocs_spill_look(&queue->spill);
	ocs_spill_close(&queue->spill);
	if (ret == -ENOENT)
		forget_list(dispatch, queue);
	else if (ret == 0)
		count_list(dispatch, queue);
}

/* Looks how far all consumers are: a list that nothing is written to is not looked at otherwise.
 * Of those that are closed some, each once in a while: others wait for the lock. A queue's lock is
 * held. */
static void recount(struct ocs_dispatch *dispatch, uint64_t now)
{
	struct dispatch_queue *queue, *next;
	unsigned closed = 0;

	pthread_mutex_lock(&dispatch->queues_lock);
	HASH_ITER(hh, dispatch->queues, queue, next)
	{
		/* One that is in use is counted by whoever uses it. */
		if (pthread_mutex_trylock(&queue->lock) != 0)
			continue;
		if (queue->counted > 0 && queue->spill.fd >= 0) {
			if (ocs_spill_look(&queue->spill) == 0)
				count_list(dispatch, queue);
		} else if (queue->counted > 0 && closed < RECOUNT_CLOSED &&
		           now - queue->recounted >= RECOUNT_CLOSED_NS) {
			recount_closed(dispatch, queue);
			queue->recounted = now;
			closed++;
		}
		pthread_mutex_unlock(&queue->lock);
	}
	pthread_mutex_unlock(&dispatch->queues_lock);
}

static bool is_full(struct ocs_dispatch *dispatch, const struct ocs_dispatch_settings *settings)
{
	uint64_t now;

	if (atomic_load(&dispatch->spilled) < (int64_t)settings->spill_total)
		return false;
	now = ocs_clock_ns();
	if (now - atomic_load(&dispatch->recounted) >= RECOUNT_NS) {
		recount(dispatch, now);
		if (atomic_load(&dispatch->spilled) < (int64_t)settings->spill_total)
			return false;
		atomic_store(&dispatch->recounted, now);
	}
	return true;
}

/* ---- a list; the queue's lock is held ---- */

static int open_list(struct ocs_dispatch *dispatch, struct dispatch_queue *queue, bool create)
{
	struct ocs_spill_name name = spill_name(dispatch, queue);
	bool was_open = queue->spill.fd >= 0;
	int ret;

	if (!was_open)
		ocs_dispatch_descriptors_room(dispatch, false);
	ret = ocs_spill_open(&queue->spill, &name, create, dispatch->gid);
	if (ret == -EMFILE || ret == -ENFILE) {
		ocs_dispatch_descriptors_room(dispatch, true);
		ret = ocs_spill_open(&queue->spill, &name, create, dispatch->gid);
	}
	if (ret == 0 && !was_open)
		ocs_dispatch_descriptors_count(dispatch, 1);
	return ret;
}

bool ocs_dispatch_spill_ended(struct ocs_dispatch *dispatch, struct dispatch_queue *queue)
{
	int ret = queue->spill.fd >= 0 ? 0 : open_list(dispatch, queue, false);

	if (ret == 0)
		ret = ocs_spill_look(&queue->spill);
	if (ret == 0)
		count_list(dispatch, queue);
	/* What is gone keeps nobody from going on. */
	if (ret == -ENOENT)
		forget_list(dispatch, queue);
	else if (ret != 0 || ocs_spill_count(&queue->spill) > 0)
		return false;
	queue->spilling = false;
	return true;
}

int ocs_dispatch_spill(struct ocs_dispatch *dispatch, const struct ocs_dispatch_settings *settings,
                       struct dispatch_queue *queue, const uint8_t *entry, size_t len,
                       enum ocs_spill_outcome *outcome_r, bool *wake_r)
{
	int ret = 0;

	*wake_r = false;
	queue->spilling = true;
	if (queue->spill.fd < 0)
		ret = open_list(dispatch, queue, true);
	if (ret == 0)
		ret = ocs_spill_append(&queue->spill, queue->table, entry, len, settings->spill_max,
		                       is_full(dispatch, settings), outcome_r, wake_r);
	if (ret != 0)
		return ret;
	count_list(dispatch, queue);
	ocs_fault_point("spill-written");
	return 0;
}

void ocs_dispatch_spill_end(struct ocs_dispatch *dispatch, struct dispatch_queue *queue)
{
	struct ocs_spill_name name = spill_name(dispatch, queue);

	atomic_fetch_sub(&dispatch->spilled, (int64_t)queue->counted);
	if (queue->spill.fd >= 0)
		atomic_fetch_sub(&dispatch->open_descriptors, 1);
	ocs_spill_close(&queue->spill);
	ocs_dispatch_owe_end(dispatch, queue);
	/* Its owner may have removed it, and this daemon made it again since. */
	if (queue->gone && queue->spill.known)
		ocs_spill_remove(&name);
}
