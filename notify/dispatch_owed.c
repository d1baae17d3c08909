/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Wake-ups that did not reach: an owner is woken where it may have seen its list empty, so they
 * must be tried again. Until one gets through, what else its owner is to be told of is collected,
 * and sent together: by whoever adds to it, and by the store thread, soon at first. Whose queue is
 * forgotten meanwhile is owed a look at all its lists. Any thread.
 *
 * Owners are kept apart by their ids in a table of fixed size, so that one that is stopped delays
 * few others, and those for no longer than OWED_NS.
 */
#include "notify/dispatch_internal.h"

#include <stdlib.h>
#include <utlist.h>

#include "base/bytes.h"

/* Between tries of whoever adds to it, and of the store thread: the first, and twice the last up to
 * the last. */
#define OWED_NS     (500 * 1000ULL)
#define OWED_MAX_NS (128 * 1000000ULL)

/* Owners that do not read, told apart in one round: they are not tried again for each list. */
#define FULL_MAX 16

#define NEVER UINT64_MAX

static struct dispatch_owed *owed_of(struct ocs_dispatch *dispatch, uint64_t context)
{
	return &dispatch->owed[context % OCS_DISPATCH_OWED];
}

/* ---- owed_lock is held ---- */

/* Tried at that time, or before. Whether the store thread may be asleep for longer. */
static bool due(struct ocs_dispatch *dispatch, struct dispatch_owed *owed, uint64_t at)
{
	if (!atomic_load(&owed->any) || at < owed->next)
		owed->next = at;
	atomic_store(&owed->any, true);
	if (at >= atomic_load(&dispatch->next_owed))
		return false;
	atomic_store(&dispatch->next_owed, at);
	return true;
}

static bool owe_queue(struct ocs_dispatch *dispatch, struct dispatch_queue *queue, uint64_t now)
{
	struct dispatch_owed *owed = owed_of(dispatch, queue->context);

	if (queue->owed)
		return false;
	DL_APPEND2(owed->queues, queue, owed_prev, owed_next);
	queue->owed = true;
	return due(dispatch, owed, now + OWED_NS);
}

static void settle_queue(struct ocs_dispatch *dispatch, struct dispatch_queue *queue)
{
	if (queue->owed)
		DL_DELETE2(owed_of(dispatch, queue->context)->queues, queue, owed_prev, owed_next);
	queue->owed = false;
}

/* Without memory it is woken by what comes next. */
static bool owe_all(struct ocs_dispatch *dispatch, uint64_t context, uint64_t now)
{
	uint64_t *grown;

	for (size_t i = 0; i < dispatch->n_owed_all; i++)
		if (dispatch->owed_all[i] == context)
			return false;
	grown = realloc(dispatch->owed_all, (dispatch->n_owed_all + 1) * sizeof(*grown));
	if (grown == NULL)
		return false;
	dispatch->owed_all = grown;
	grown[dispatch->n_owed_all++] = context;
	return due(dispatch, &dispatch->owed[OCS_DISPATCH_OWED], now + OWED_NS);
}

static size_t wake_owed_all(struct ocs_dispatch *dispatch)
{
	size_t kept = 0, woken;
	uint8_t data[8];

	ocs_put64(data, OCS_REGISTRY_WAKE_ALL);
	for (size_t i = 0; i < dispatch->n_owed_all; i++)
		if (!ocs_dispatch_datagram(dispatch, dispatch->owed_all[i], data, sizeof(data)))
			dispatch->owed_all[kept++] = dispatch->owed_all[i];
	woken = dispatch->n_owed_all - kept;
	dispatch->n_owed_all = kept;
	return woken;
}

struct full {
	uint64_t contexts[FULL_MAX];
	size_t n;
};

static bool is_in(const struct full *full, uint64_t context)
{
	for (size_t i = 0; i < full->n; i++)
		if (full->contexts[i] == context)
			return true;
	return false;
}

/* Neighbours of one owner in one datagram. */
static size_t wake_owed_queues(struct ocs_dispatch *dispatch, struct dispatch_owed *owed)
{
	struct dispatch_queue *queue = owed->queues, *next;
	uint8_t data[8 * OCS_REGISTRY_WAKE_MAX];
	struct full full = {.n = 0};
	size_t woken = 0;

	for (; queue != NULL; queue = next) {
		uint64_t context = queue->context;
		size_t n = 0;

		for (next = queue;
		     next != NULL && next->context == context && n < OCS_REGISTRY_WAKE_MAX;
		     next = next->owed_next)
			ocs_put64(data + 8 * n++, next->id);
		if (is_in(&full, context))
			continue;
		if (!ocs_dispatch_datagram(dispatch, context, data, 8 * n)) {
			if (full.n < FULL_MAX)
				full.contexts[full.n++] = context;
			continue;
		}
		woken += n;
		while (queue != next) {
			struct dispatch_queue *after = queue->owed_next;

			settle_queue(dispatch, queue);
			queue = after;
		}
	}
	return woken;
}

/* How many were woken. */
static size_t try_again(struct ocs_dispatch *dispatch, struct dispatch_owed *owed, uint64_t now)
{
	bool all = owed == &dispatch->owed[OCS_DISPATCH_OWED];
	size_t woken = all ? wake_owed_all(dispatch) : wake_owed_queues(dispatch, owed);

	owed->tried = now;
	atomic_store(&owed->any, all ? dispatch->n_owed_all > 0 : owed->queues != NULL);
	if (woken > 0 || !atomic_load(&owed->any))
		owed->wait = 0;
	return woken;
}

/* ---- the rest ---- */

/* owed_lock is not held, queues_lock may be. */
static void tell_store_thread(struct ocs_dispatch *dispatch)
{
	pthread_mutex_lock(&dispatch->lock);
	pthread_cond_signal(&dispatch->work);
	pthread_mutex_unlock(&dispatch->lock);
}

bool ocs_dispatch_owes(struct ocs_dispatch *dispatch, uint64_t context)
{
	return atomic_load(&owed_of(dispatch, context)->any);
}

void ocs_dispatch_owe(struct ocs_dispatch *dispatch, struct dispatch_queue *queue)
{
	pthread_mutex_lock(&dispatch->owed_lock);
	(void)owe_queue(dispatch, queue, ocs_clock_ns());
	pthread_mutex_unlock(&dispatch->owed_lock);
}

void ocs_dispatch_owe_all(struct ocs_dispatch *dispatch, uint64_t context)
{
	pthread_mutex_lock(&dispatch->owed_lock);
	(void)owe_all(dispatch, context, ocs_clock_ns());
	pthread_mutex_unlock(&dispatch->owed_lock);
}

void ocs_dispatch_owe_end(struct ocs_dispatch *dispatch, struct dispatch_queue *queue)
{
	bool sooner = false;

	pthread_mutex_lock(&dispatch->owed_lock);
	if (queue->owed && !queue->gone)
		sooner = owe_all(dispatch, queue->context, ocs_clock_ns());
	settle_queue(dispatch, queue);
	pthread_mutex_unlock(&dispatch->owed_lock);
	/* Whoever owes later on is not sooner than this, and does not tell it. */
	if (sooner)
		tell_store_thread(dispatch);
}

void ocs_dispatch_owe_wakes(struct ocs_dispatch *dispatch, const struct dispatch_wake *list,
                            size_t n)
{
	struct dispatch_owed *owed = owed_of(dispatch, list[0].context);
	uint64_t now = ocs_clock_ns();
	struct dispatch_queue *queue;
	bool sooner = false;

	pthread_mutex_lock(&dispatch->queues_lock);
	pthread_mutex_lock(&dispatch->owed_lock);
	if (!atomic_load(&owed->any))
		owed->tried = now; /* by the caller */
	for (size_t i = 0; i < n; i++) {
		HASH_FIND(hh, dispatch->queues, &list[i].queue, sizeof(list[i].queue), queue);
		sooner |= queue != NULL ? owe_queue(dispatch, queue, now)
		                        : owe_all(dispatch, list[i].context, now);
	}
	pthread_mutex_unlock(&dispatch->queues_lock);
	if (owed->tried + OWED_NS <= now)
		(void)try_again(dispatch, owed, now);
	pthread_mutex_unlock(&dispatch->owed_lock);
	if (sooner)
		tell_store_thread(dispatch);
}

void ocs_dispatch_wake_owed(struct ocs_dispatch *dispatch, uint64_t now)
{
	uint64_t next = NEVER;

	if (now < atomic_load(&dispatch->next_owed))
		return;
	pthread_mutex_lock(&dispatch->owed_lock);
	for (size_t i = 0; i <= OCS_DISPATCH_OWED; i++) {
		struct dispatch_owed *owed = &dispatch->owed[i];

		if (atomic_load(&owed->any) && now >= owed->next) {
			(void)try_again(dispatch, owed, now);
			owed->wait = owed->wait == 0            ? OWED_NS
			             : owed->wait < OWED_MAX_NS ? owed->wait * 2
			                                        : owed->wait;
			owed->next = now + owed->wait;
		}
		if (atomic_load(&owed->any) && owed->next < next)
			next = owed->next;
	}
	atomic_store(&dispatch->next_owed, next);
	pthread_mutex_unlock(&dispatch->owed_lock);
}
