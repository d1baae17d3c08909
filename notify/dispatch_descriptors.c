/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * How many files the queues of users have open, kernel queues and spill lists, and which are closed
 * where there are too many: the less recently used. Any thread.
 */
#include "notify/dispatch_internal.h"

#include "mqueue/queue.h"

#define IDLE_NS (60 * 1000000000ULL) /* a descriptor unused for so long is closed */

/* Closes what was not used since `before` or, with `gone`, what its owner removed. A
 * queue in use at this moment is left for the next time. */
static void close_some(struct ocs_dispatch *dispatch, uint64_t before, bool gone)
{
	struct dispatch_queue *queue, *next;

	pthread_mutex_lock(&dispatch->queues_lock);
	HASH_ITER(hh, dispatch->queues, queue, next)
	{
		if ((!gone && atomic_load(&queue->last_used) > before) ||
		    pthread_mutex_trylock(&queue->lock) != 0)
			continue;
		if (queue->descriptor != (mqd_t)-1 &&
		    (!gone || ocs_queue_unlinked(queue->descriptor))) {
			ocs_queue_close(queue->descriptor);
			queue->descriptor = (mqd_t)-1;
			atomic_fetch_sub(&dispatch->open_descriptors, 1);
		}
		if (!gone && queue->spill.fd >= 0) {
			ocs_spill_close(&queue->spill);
			atomic_fetch_sub(&dispatch->open_descriptors, 1);
		}
		/* What is closed is not the oldest that is open. */
		if (queue->descriptor == (mqd_t)-1 && queue->spill.fd < 0)
			atomic_store(&queue->last_used, 0);
		pthread_mutex_unlock(&queue->lock);
	}
	pthread_mutex_unlock(&dispatch->queues_lock);
}

void ocs_dispatch_queues_close_gone(struct ocs_dispatch *dispatch)
{
	close_some(dispatch, 0, true);
}

void ocs_dispatch_queues_close_idle(struct ocs_dispatch *dispatch)
{
	uint64_t now = ocs_clock_ns();

	if (now > IDLE_NS)
		close_some(dispatch, now - IDLE_NS, false);
	ocs_dispatch_wake_sockets_close(dispatch, true);
}

/* Makes room: closes the less recently used half of what is open. */
static void close_older_half(struct ocs_dispatch *dispatch)
{
	struct dispatch_queue *queue, *next;
	uint64_t oldest = UINT64_MAX, now = ocs_clock_ns();
	unsigned open = atomic_load(&dispatch->open_descriptors);

	pthread_mutex_lock(&dispatch->queues_lock);
	HASH_ITER(hh, dispatch->queues, queue, next)
	{
		uint64_t used = atomic_load(&queue->last_used);

		if (used != 0 && used < oldest)
			oldest = used;
	}
	pthread_mutex_unlock(&dispatch->queues_lock);
	if (oldest < now)
		close_some(dispatch, oldest + (now - oldest) / 2, false);
	/* The oldest may be in use at this moment, or have no descriptor. */
	if (atomic_load(&dispatch->open_descriptors) >= open)
		close_some(dispatch, now, false);
}

void ocs_dispatch_descriptors_room(struct ocs_dispatch *dispatch, bool failed)
{
	struct dispatch_config *config = ocs_dispatch_config_get(dispatch);
	unsigned limit = config->settings.descriptors;

	ocs_dispatch_config_put(dispatch, config);
	if (failed)
		ocs_dispatch_wake_sockets_close(dispatch, false);
	if (failed ||
	    atomic_load(&dispatch->open_descriptors) + atomic_load(&dispatch->open_wake_sockets) >=
	            limit)
		close_older_half(dispatch);
}

void ocs_dispatch_descriptors_count(struct ocs_dispatch *dispatch, int n)
{
	atomic_fetch_add(&dispatch->open_descriptors, (unsigned)n);
}
