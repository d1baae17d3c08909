/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * One wake-up: a datagram to the socket of a context. Any thread.
 *
 * It goes over a socket of ours that is connected to that one and stays open: a name is looked up
 * once, and what a stopped context has not read is charged to no other's. They are in a table of
 * fixed size by the ids of the contexts; two contexts of one place take turns.
 */
#include "notify/dispatch_internal.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

/* Of the descriptors that queues and lists may have, one in so many is for these sockets. */
#define PART 4

/* May pass, without anything being opened anew. */
static bool is_passing(int error)
{
	return error == EAGAIN || error == ENOBUFS || error == ENOMEM || error == EMFILE ||
	       error == ENFILE;
}

/* 0 or an errno. The lock is held. */
static int wake_send(const struct dispatch_wake_socket *to, uint64_t context, const uint8_t *data,
                     size_t len)
{
	if (to->fd < 0 || to->context != context)
		return ENOTCONN;
	return send(to->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)len ? 0 : errno;
}

/* The lock is held for writing, by these two. */
static void wake_close(struct ocs_dispatch *dispatch, struct dispatch_wake_socket *to)
{
	if (to->fd < 0)
		return;
	close(to->fd);
	to->fd = -1;
	atomic_fetch_sub(&dispatch->open_wake_sockets, 1);
}

/* To what has the name now: 0 or an errno. */
static int wake_open(struct ocs_dispatch *dispatch, struct dispatch_wake_socket *to,
                     uint64_t context)
{
	int fd = ocs_registry_wake_connect(dispatch->registry, context);

	wake_close(dispatch, to);
	if (fd < 0)
		return -fd;
	to->fd = fd;
	to->context = context;
	atomic_fetch_add(&dispatch->open_wake_sockets, 1);
	return 0;
}

static bool may_stay_open(struct ocs_dispatch *dispatch)
{
	struct dispatch_config *config = ocs_dispatch_config_get(dispatch);
	unsigned limit = config->settings.descriptors / PART;

	ocs_dispatch_config_put(dispatch, config);
	return atomic_load(&dispatch->open_wake_sockets) <= limit;
}

/* Its owner may have made another one since, or another context had the place. */
static int send_anew(struct ocs_dispatch *dispatch, struct dispatch_wake_socket *to,
                     uint64_t context, const uint8_t *data, size_t len)
{
	int error;

	pthread_rwlock_wrlock(&to->lock);
	/* By now some other thread may have opened it. */
	error = wake_send(to, context, data, len);
	if (error != 0 && !is_passing(error)) {
		error = wake_open(dispatch, to, context);
		if (error == 0)
			error = wake_send(to, context, data, len);
		if (!may_stay_open(dispatch))
			wake_close(dispatch, to);
	}
	pthread_rwlock_unlock(&to->lock);
	return error;
}

bool ocs_dispatch_datagram(struct ocs_dispatch *dispatch, uint64_t context, const uint8_t *data,
                           size_t len)
{
	struct dispatch_wake_socket *to =
	        &dispatch->wake_sockets[context % OCS_DISPATCH_WAKE_SOCKETS];
	int error;

	/* Others send meanwhile: whoever it wakes may take the processor from this thread. */
	pthread_rwlock_rdlock(&to->lock);
	error = wake_send(to, context, data, len);
	pthread_rwlock_unlock(&to->lock);
	if (error != 0 && !is_passing(error))
		error = send_anew(dispatch, to, context, data, len);
	atomic_store_explicit(&to->used, true, memory_order_relaxed);
	if (error != 0)
		return !is_passing(error);
	OCS_COUNT(dispatch, wakeups, 1);
	return true;
}

void ocs_dispatch_wake_sockets_close(struct ocs_dispatch *dispatch, bool idle)
{
	for (size_t i = 0; i < OCS_DISPATCH_WAKE_SOCKETS; i++) {
		struct dispatch_wake_socket *to = &dispatch->wake_sockets[i];

		if (atomic_exchange(&to->used, false) && idle)
			continue;
		pthread_rwlock_wrlock(&to->lock);
		wake_close(dispatch, to);
		pthread_rwlock_unlock(&to->lock);
	}
}

void ocs_dispatch_wake_sockets_init(struct ocs_dispatch *dispatch)
{
	for (size_t i = 0; i < OCS_DISPATCH_WAKE_SOCKETS; i++) {
		pthread_rwlock_init(&dispatch->wake_sockets[i].lock, NULL);
		dispatch->wake_sockets[i].fd = -1;
	}
}

void ocs_dispatch_wake_sockets_free(struct ocs_dispatch *dispatch)
{
	ocs_dispatch_wake_sockets_close(dispatch, false);
	for (size_t i = 0; i < OCS_DISPATCH_WAKE_SOCKETS; i++)
		pthread_rwlock_destroy(&dispatch->wake_sockets[i].lock);
}
