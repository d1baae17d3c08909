/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The owners of spill lists are woken. Any thread. Touches their sockets.
 *
 * An owner is woken where it may have seen its list empty, so a wake-up that does not reach it must
 * be tried again: it is owed. Whose queue is forgotten meanwhile is owed a look at all its lists.
 */
#include "notify/dispatch_internal.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "base/bytes.h"

/* Owners that do not read, told apart in one round: they are not tried again for each list. */
#define FULL_MAX 64

static bool send_wake(int fd, const struct sockaddr_un *address, const uint8_t *data, size_t len)
{
	return sendto(fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL, (const struct sockaddr *)address,
	              sizeof(*address)) == (ssize_t)len;
}

/* false: it has to be tried again. Whose socket is gone is dead, or looks at all its lists once it
 * has another. */
static bool wake(struct ocs_dispatch *dispatch, uint64_t context, const uint8_t *data, size_t len)
{
	struct sockaddr_un address;
	bool sent;
	int fd;

	if (ocs_registry_wake_address(dispatch->registry, context, &address) != 0)
		return true;
	sent = send_wake(dispatch->wake_socket, &address, data, len);
	if (!sent && errno == EAGAIN) {
		/* Either its queue is full; or ours is, by datagrams that a stopped process has not
		 * read: those are charged to the socket that sent them. */
		fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (fd >= 0) {
			int error;

			sent = send_wake(fd, &address, data, len);
			error = errno;
			close(fd);
			errno = error;
		} else {
			errno = EAGAIN;
		}
	}
	if (!sent)
		return errno != EAGAIN && errno != ENOBUFS && errno != ENOMEM;
	OCS_COUNT(dispatch, wakeups, 1);
	return true;
}

static bool wake_one(struct ocs_dispatch *dispatch, uint64_t context, uint64_t queue)
{
	uint8_t data[8];

	ocs_put64(data, queue);
	return wake(dispatch, context, data, sizeof(data));
}

/* ---- owed; owed_lock is held ---- */

static void owe_queue(struct ocs_dispatch *dispatch, struct dispatch_queue *queue)
{
	if (!queue->owed)
		DL_APPEND2(dispatch->owed, queue, owed_prev, owed_next);
	queue->owed = true;
}

static void settle_queue(struct ocs_dispatch *dispatch, struct dispatch_queue *queue)
{
	if (queue->owed)
		DL_DELETE2(dispatch->owed, queue, owed_prev, owed_next);
	queue->owed = false;
}

/* Without memory it is woken by what comes next. */
static void owe_all(struct ocs_dispatch *dispatch, uint64_t context)
{
	uint64_t *grown;

	for (size_t i = 0; i < dispatch->n_owed_all; i++)
		if (dispatch->owed_all[i] == context)
			return;
	grown = realloc(dispatch->owed_all, (dispatch->n_owed_all + 1) * sizeof(*grown));
	if (grown == NULL)
		return;
	dispatch->owed_all = grown;
	grown[dispatch->n_owed_all++] = context;
	atomic_store(&dispatch->owes, true);
}

static size_t wake_owed_all(struct ocs_dispatch *dispatch)
{
	size_t kept = 0, woken;

	for (size_t i = 0; i < dispatch->n_owed_all; i++)
		if (!wake_one(dispatch, dispatch->owed_all[i], OCS_REGISTRY_WAKE_ALL))
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
static size_t wake_owed_queues(struct ocs_dispatch *dispatch)
{
	struct dispatch_queue *queue = dispatch->owed, *next;
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
		if (!wake(dispatch, context, data, 8 * n)) {
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

/* ---- the rest ---- */

void ocs_dispatch_owe(struct ocs_dispatch *dispatch, struct dispatch_queue *queue)
{
	pthread_mutex_lock(&dispatch->owed_lock);
	owe_queue(dispatch, queue);
	atomic_store(&dispatch->owes, true);
	pthread_mutex_unlock(&dispatch->owed_lock);
}

void ocs_dispatch_owe_end(struct ocs_dispatch *dispatch, struct dispatch_queue *queue)
{
	pthread_mutex_lock(&dispatch->owed_lock);
	if (queue->owed && !queue->gone)
		owe_all(dispatch, queue->context);
	settle_queue(dispatch, queue);
	pthread_mutex_unlock(&dispatch->owed_lock);
}

/* Whom no wake-up reached. */
static void owe_wakes(struct ocs_dispatch *dispatch, const struct dispatch_wake *list, size_t n)
{
	struct dispatch_queue *queue;
	bool first;

	pthread_mutex_lock(&dispatch->queues_lock);
	pthread_mutex_lock(&dispatch->owed_lock);
	first = !atomic_exchange(&dispatch->owes, true);
	for (size_t i = 0; i < n; i++) {
		HASH_FIND(hh, dispatch->queues, &list[i].queue, sizeof(list[i].queue), queue);
		if (queue != NULL)
			owe_queue(dispatch, queue);
		else
			owe_all(dispatch, list[i].context);
	}
	pthread_mutex_unlock(&dispatch->owed_lock);
	pthread_mutex_unlock(&dispatch->queues_lock);
	if (!first)
		return;
	/* The store thread may be asleep for longer. */
	pthread_mutex_lock(&dispatch->lock);
	pthread_cond_signal(&dispatch->work);
	pthread_mutex_unlock(&dispatch->lock);
}

void ocs_dispatch_wakes_send(struct ocs_dispatch *dispatch, struct dispatch_wakes *wakes)
{
	struct dispatch_wake part[OCS_REGISTRY_WAKE_MAX];
	uint8_t data[8 * OCS_REGISTRY_WAKE_MAX];

	while (wakes->n > 0) {
		uint64_t context = wakes->list[0].context;
		size_t n = 0, kept = 0;

		/* All of one owner, wherever they are. */
		for (size_t i = 0; i < wakes->n; i++) {
			if (wakes->list[i].context != context || n == OCS_REGISTRY_WAKE_MAX) {
				wakes->list[kept++] = wakes->list[i];
				continue;
			}
			part[n] = wakes->list[i];
			ocs_put64(data + 8 * n++, wakes->list[i].queue);
		}
		wakes->n = kept;
		if (!wake(dispatch, context, data, 8 * n))
			owe_wakes(dispatch, part, n);
	}
}

void ocs_dispatch_wakes_add(struct ocs_dispatch *dispatch, struct dispatch_wakes *wakes,
                            const struct dispatch_queue *queue)
{
	if (wakes->n == OCS_DISPATCH_WAKES_MAX)
		ocs_dispatch_wakes_send(dispatch, wakes);
	wakes->list[wakes->n++] = (struct dispatch_wake){queue->context, queue->id};
}

size_t ocs_dispatch_wake_owed(struct ocs_dispatch *dispatch)
{
	size_t woken;

	pthread_mutex_lock(&dispatch->owed_lock);
	woken = wake_owed_all(dispatch);
	woken += wake_owed_queues(dispatch);
	atomic_store(&dispatch->owes, dispatch->owed != NULL || dispatch->n_owed_all > 0);
	pthread_mutex_unlock(&dispatch->owed_lock);
	return woken;
}

struct contexts {
	uint64_t *list; /* malloc */
	size_t n;
};

static bool is_noted(const struct contexts *contexts, uint64_t context)
{
	for (size_t i = contexts->n; i-- > 0;)
		if (contexts->list[i] == context)
			return true;
	return false;
}

/* Without memory it is woken again. */
static void note(struct contexts *contexts, uint64_t context)
{
	uint64_t *grown = realloc(contexts->list, (contexts->n + 1) * sizeof(*grown));

	if (grown == NULL)
		return;
	contexts->list = grown;
	grown[contexts->n++] = context;
}

void ocs_dispatch_spill_start(struct ocs_dispatch *dispatch)
{
	struct ocs_spill_name name = {.folder = dispatch->folder};
	struct contexts woken = {.list = NULL};
	struct ocs_spill_state state;
	char path[PATH_MAX];
	struct dirent *entry;
	DIR *folder;

	if (snprintf(path, sizeof(path), "%s/" OCS_SPILL_FOLDER, dispatch->folder) >=
	            (int)sizeof(path) ||
	    (folder = opendir(path)) == NULL)
		return;
	while ((entry = readdir(folder)) != NULL) {
		if (ocs_spill_parse(entry->d_name, &name.context, &name.queue) != 0 ||
		    is_noted(&woken, name.context) ||
		    (ocs_spill_state(&name, &state) == 0 && state.count == 0))
			continue;
		note(&woken, name.context);
		if (wake_one(dispatch, name.context, OCS_REGISTRY_WAKE_ALL))
			continue;
		pthread_mutex_lock(&dispatch->owed_lock);
		owe_all(dispatch, name.context);
		pthread_mutex_unlock(&dispatch->owed_lock);
	}
	closedir(folder);
	free(woken.list);
}
