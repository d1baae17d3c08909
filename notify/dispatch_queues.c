/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The queues of users as the daemon keeps them in memory: snapshots of the registry, valid for one
 * state of it, and under them the queues with their descriptors and spill flags.
 *
 * Locks: a queue's own lock is taken first, queues_lock inside it; another queue's lock inside that
 * only by trying.
 */
#include "notify/dispatch_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include <talloc.h>

#include "mqueue/queue.h"

#define SNAPSHOTS_MAX 131072
/* That are kept in memory; a record of a user can name thousands, which only says so. */
#define QUEUES_MAX 500000

/* ---- references; queues_lock is held ---- */

static void queue_unref(struct ocs_dispatch *dispatch, struct dispatch_queue *queue)
{
	if (--queue->refs > 0)
		return;
	HASH_DEL(dispatch->queues, queue);
	if (queue->descriptor != (mqd_t)-1) {
		ocs_queue_close(queue->descriptor);
		atomic_fetch_sub(&dispatch->open_descriptors, 1);
	}
	ocs_dispatch_spill_end(dispatch, queue);
	pthread_mutex_destroy(&queue->lock);
	free(queue);
}

static void snapshot_unref(struct ocs_dispatch *dispatch, struct dispatch_snapshot *snapshot)
{
	if (--snapshot->refs > 0)
		return;
	for (size_t i = 0; i < snapshot->n_queues; i++)
		queue_unref(dispatch, snapshot->queues[i].queue);
	talloc_free(snapshot);
}

static struct dispatch_queue *queue_ref(struct ocs_dispatch *dispatch,
                                        const struct ocs_registry_queue *from)
{
	struct dispatch_queue *queue;

	HASH_FIND(hh, dispatch->queues, &from->id, sizeof(from->id), queue);
	if (queue == NULL) {
		queue = calloc(1, sizeof(*queue));
		if (queue == NULL)
			return NULL;
		queue->id = from->id;
		queue->context = from->context;
		queue->table = from->table;
		queue->spill_only = from->spill_only;
		memcpy(queue->name, from->name, sizeof(queue->name));
		queue->descriptor = (mqd_t)-1;
		queue->spilling = true;
		ocs_spill_init(&queue->spill);
		pthread_mutex_init(&queue->lock, NULL);
		HASH_ADD(hh, dispatch->queues, id, sizeof(queue->id), queue);
		if (queue->hh.tbl == NULL) {
			pthread_mutex_destroy(&queue->lock);
			free(queue);
			return NULL;
		}
	}
	queue->refs++;
	return queue;
}

/* ---- snapshots ---- */

struct dispatch_snapshot *ocs_dispatch_snapshot_get(struct ocs_dispatch *dispatch, const char *user,
                                                    uint32_t seqnum)
{
	struct dispatch_snapshot *snapshot;

	pthread_mutex_lock(&dispatch->queues_lock);
	HASH_FIND_STR(dispatch->snapshots, user, snapshot);
	if (snapshot != NULL && snapshot->seqnum == seqnum)
		snapshot->refs++;
	else
		snapshot = NULL;
	pthread_mutex_unlock(&dispatch->queues_lock);
	return snapshot;
}

void ocs_dispatch_snapshot_put(struct ocs_dispatch *dispatch, struct dispatch_snapshot *snapshot)
{
	pthread_mutex_lock(&dispatch->queues_lock);
	snapshot_unref(dispatch, snapshot);
	pthread_mutex_unlock(&dispatch->queues_lock);
}

static struct dispatch_snapshot *
snapshot_make(struct ocs_dispatch *dispatch, const struct ocs_registry_user *user, uint32_t seqnum)
{
	size_t name_size = strlen(user->user) + 1;
	struct dispatch_snapshot *snapshot =
	        talloc_zero_size(NULL, sizeof(struct dispatch_snapshot) + name_size);

	if (snapshot == NULL)
		return NULL;
	snapshot->refs = 1;
	snapshot->seqnum = seqnum;
	memcpy(snapshot->user, user->user, name_size);
	snapshot->queues = talloc_zero_array(snapshot, struct snapshot_queue, user->n_queues + 1);
	for (size_t i = 0; snapshot->queues != NULL && i < user->n_queues; i++) {
		const struct ocs_registry_queue *from = &user->queues[i];
		struct snapshot_queue *to = &snapshot->queues[i];

		to->queue = queue_ref(dispatch, from);
		if (to->queue == NULL)
			break;
		snapshot->n_queues++;
		to->session = from->session;
		to->folder = from->folder;
		to->n_matchers = from->n_matchers;
		to->matchers = talloc_memdup(snapshot->queues, from->matchers,
		                             from->n_matchers * sizeof(from->matchers[0]));
		if (to->matchers == NULL)
			break;
	}
	if (snapshot->queues == NULL || snapshot->n_queues != user->n_queues ||
	    (user->n_queues > 0 && snapshot->queues[user->n_queues - 1].matchers == NULL)) {
		snapshot_unref(dispatch, snapshot);
		return NULL;
	}
	return snapshot;
}

static void take_name(struct ocs_dispatch *dispatch, struct dispatch_queue *queue,
                      const struct ocs_registry_queue *from)
{
	if (strcmp(queue->name, from->name) == 0 && queue->spill_only == from->spill_only)
		return;
	/* Its owner had lost it and made another one. */
	pthread_mutex_lock(&queue->lock);
	if (queue->descriptor != (mqd_t)-1) {
		ocs_queue_close(queue->descriptor);
		queue->descriptor = (mqd_t)-1;
		ocs_dispatch_descriptors_count(dispatch, -1);
	}
	memcpy(queue->name, from->name, sizeof(queue->name));
	queue->spill_only = from->spill_only;
	queue->inode = 0;
	queue->open_failed = false;
	atomic_store(&queue->foreign, false);
	queue->spilling = true;
	pthread_mutex_unlock(&queue->lock);
}

/* Whose the queues are that were not known before; nothing is sent to the kernel's before. */
static void look_up_owners(struct ocs_dispatch *dispatch, const struct dispatch_snapshot *snapshot)
{
	for (size_t i = 0; i < snapshot->n_queues; i++) {
		struct dispatch_queue *queue = snapshot->queues[i].queue;

		bool known;
		uid_t owner;

		pthread_mutex_lock(&queue->lock);
		known = queue->owner_known || queue->spill_only;
		pthread_mutex_unlock(&queue->lock);
		if (known || ocs_registry_context_uid(dispatch->registry, queue->context, &owner,
		                                      NULL) != OCS_STORE_OK)
			continue;
		pthread_mutex_lock(&queue->lock);
		queue->owner = owner;
		queue->owner_known = true;
		pthread_mutex_unlock(&queue->lock);
	}
}

/* Those that the new snapshot lacks are registered no more. queues_lock is held. */
static void mark_gone(const struct dispatch_snapshot *old, const struct dispatch_snapshot *fresh)
{
	for (size_t i = 0; i < old->n_queues; i++) {
		size_t j = 0;

		while (j < fresh->n_queues && fresh->queues[j].queue != old->queues[i].queue)
			j++;
		old->queues[i].queue->gone = j == fresh->n_queues;
	}
}

/* queues_lock is held. */
static void snapshot_add(struct ocs_dispatch *dispatch, struct dispatch_snapshot *snapshot)
{
	struct dispatch_snapshot *old;

	HASH_FIND_STR(dispatch->snapshots, snapshot->user, old);
	if (old != NULL)
		mark_gone(old, snapshot);
	else if (HASH_COUNT(dispatch->snapshots) >= SNAPSHOTS_MAX ||
	         HASH_COUNT(dispatch->queues) > QUEUES_MAX)
		old = dispatch->snapshots; /* the first that came */
	while (old != NULL) {
		HASH_DEL(dispatch->snapshots, old);
		snapshot_unref(dispatch, old);
		old = HASH_COUNT(dispatch->queues) > QUEUES_MAX ? dispatch->snapshots : NULL;
	}
	HASH_ADD_STR(dispatch->snapshots, user, snapshot);
	if (snapshot->hh.tbl != NULL) /* else it is the caller's alone */
		snapshot->refs++;
}

struct dispatch_snapshot *ocs_dispatch_snapshot_read(struct ocs_dispatch *dispatch,
                                                     const char *name, struct ocs_error *error)
{
	/* Read before the record: a commit in between makes the snapshot stale, not wrong. */
	uint32_t seqnum = ocs_dispatch_seqnum(dispatch);
	struct dispatch_snapshot *snapshot = ocs_dispatch_snapshot_get(dispatch, name, seqnum);
	struct ocs_registry_user *user;

	if (snapshot != NULL)
		return snapshot;
	if (ocs_registry_user_get(dispatch->registry, NULL, name, &user, error) != OCS_STORE_OK)
		return NULL;
	pthread_mutex_lock(&dispatch->queues_lock);
	snapshot = snapshot_make(dispatch, user, seqnum);
	pthread_mutex_unlock(&dispatch->queues_lock);
	if (snapshot == NULL) {
		talloc_free(user);
		ocs_error_memory(error);
		return NULL;
	}
	for (size_t i = 0; i < snapshot->n_queues; i++)
		take_name(dispatch, snapshot->queues[i].queue, &user->queues[i]);
	talloc_free(user);
	look_up_owners(dispatch, snapshot);
	/* Known to others once its queues are. */
	pthread_mutex_lock(&dispatch->queues_lock);
	snapshot_add(dispatch, snapshot);
	pthread_mutex_unlock(&dispatch->queues_lock);
	return snapshot;
}

/* ---- sending ---- */

/* Whether it may be used: not one that somebody else has made under the name meanwhile. */
static int verify(struct ocs_dispatch *dispatch, struct dispatch_queue *queue, char *why,
                  size_t size)
{
	int ret;

	if (!queue->owner_known) {
		snprintf(why, size, "its owner is not registered, so it cannot be verified");
		ret = -EPERM;
	} else {
		ret = ocs_queue_verify(queue->descriptor, queue->owner, dispatch->gid,
		                       &queue->inode, why, size);
	}
	if (ret != 0) {
		ocs_queue_close(queue->descriptor);
		queue->descriptor = (mqd_t)-1;
	}
	return ret;
}

static void open_failed(struct ocs_dispatch *dispatch, struct dispatch_queue *queue,
                        const char *why)
{
	OCS_COUNT(dispatch, queue_open_failures, 1);
	if (!queue->open_failed)
		ocs_dispatch_log(dispatch, LOG_WARNING,
		                 "cannot use queue %s: %s; its entries go to its spill list",
		                 queue->name, why);
	queue->open_failed = true;
}

bool ocs_dispatch_queues_foreign(struct ocs_dispatch *dispatch)
{
	struct dispatch_queue *queue, *next;
	bool found = false;

	pthread_mutex_lock(&dispatch->queues_lock);
	HASH_ITER(hh, dispatch->queues, queue, next)
	found = found || atomic_load(&queue->foreign);
	pthread_mutex_unlock(&dispatch->queues_lock);
	return found;
}

static bool open_descriptor(struct ocs_dispatch *dispatch, struct dispatch_queue *queue)
{
	char why[160];
	int ret;

	ocs_dispatch_descriptors_room(dispatch, false);
	ret = ocs_queue_open_write(queue->name, &queue->descriptor);
	if (ret == -EMFILE || ret == -ENFILE) {
		ocs_dispatch_descriptors_room(dispatch, true);
		ret = ocs_queue_open_write(queue->name, &queue->descriptor);
	}
	if (ret != 0) {
		queue->descriptor = (mqd_t)-1;
		snprintf(why, sizeof(why), "cannot open it: %s", strerror(-ret));
	} else {
		ret = verify(dispatch, queue, why, sizeof(why));
		atomic_store(&queue->foreign, ret != 0);
		if (ret != 0)
			ocs_health_set(dispatch->health, OCS_HEALTH_QUEUES, OCS_HEALTH_WARNING,
			               "queue %s is not used: %s", queue->name, why);
	}
	if (ret != 0) {
		open_failed(dispatch, queue, why);
		return false;
	}
	queue->open_failed = false;
	ocs_dispatch_descriptors_count(dispatch, 1);
	return true;
}

/* true: it has it. The queue's lock is held. */
static bool send_to_kernel(struct ocs_dispatch *dispatch, struct dispatch_queue *queue,
                           const uint8_t *entry, size_t len)
{
	int ret = -EAGAIN;

	if (queue->descriptor != (mqd_t)-1 || open_descriptor(dispatch, queue))
		ret = ocs_queue_send(queue->descriptor, entry, len);
	if (ret == 0)
		return true;
	/* Full, gone, or not to be opened. From here on everything goes to the spill list, so that
	 * order holds. */
	queue->spilling = true;
	if (ret != -EAGAIN && queue->descriptor != (mqd_t)-1) {
		ocs_queue_close(queue->descriptor);
		queue->descriptor = (mqd_t)-1;
		ocs_dispatch_descriptors_count(dispatch, -1);
	}
	return false;
}

int ocs_dispatch_send(struct ocs_dispatch *dispatch, const struct ocs_dispatch_settings *settings,
                      struct dispatch_queue *queue, const char *user, const uint8_t *entry,
                      size_t len, bool *wake_r)
{
	enum ocs_spill_outcome outcome;
	bool wake = false, sent = false;
	int ret = 0;

	pthread_mutex_lock(&queue->lock);
	if (!queue->spill_only && (queue->owner_known || !queue->spilling) &&
	    (!queue->spilling || ocs_dispatch_spill_ended(dispatch, queue)))
		sent = send_to_kernel(dispatch, queue, entry, len);
	if (!sent)
		ret = ocs_dispatch_spill(dispatch, settings, queue, entry, len, &outcome, &wake);
	atomic_store(&queue->last_used, ocs_clock_ns());
	pthread_mutex_unlock(&queue->lock);
	*wake_r = *wake_r || wake;
	if (ret != 0)
		return ret;
	if (sent) {
		OCS_COUNT(dispatch, entries_kernel, 1);
		return 0;
	}
	OCS_COUNT(dispatch, entries_spilled, 1);
	if (outcome == OCS_SPILL_COLLAPSED) {
		OCS_COUNT(dispatch, entries_collapsed, 1);
	} else if (outcome == OCS_SPILL_DROPPED_OLDEST) {
		OCS_COUNT(dispatch, entries_dropped, 1);
		ocs_dispatch_dropped(dispatch, user);
	}
	return 0;
}

struct ocs_store *ocs_dispatch_exchange(struct ocs_dispatch *dispatch, struct ocs_store *fresh)
{
	struct dispatch_snapshot *snapshot, *next;
	struct ocs_store *old;

	pthread_mutex_lock(&dispatch->queues_lock);
	old = ocs_registry_exchange(dispatch->registry, fresh);
	/* Its sequence numbers are others. */
	ocs_dispatch_stores_clear(dispatch);
	HASH_ITER(hh, dispatch->snapshots, snapshot, next)
	{
		HASH_DEL(dispatch->snapshots, snapshot);
		snapshot_unref(dispatch, snapshot);
	}
	pthread_mutex_unlock(&dispatch->queues_lock);
	return old;
}

void ocs_dispatch_queues_free(struct ocs_dispatch *dispatch)
{
	struct dispatch_snapshot *snapshot, *next;

	pthread_mutex_lock(&dispatch->queues_lock);
	HASH_ITER(hh, dispatch->snapshots, snapshot, next)
	{
		HASH_DEL(dispatch->snapshots, snapshot);
		snapshot_unref(dispatch, snapshot);
	}
	pthread_mutex_unlock(&dispatch->queues_lock);
}
