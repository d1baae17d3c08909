/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The queues of a session: one for each folder and table, shared by the handles that want it.
 * Touches the kernel's queues, the context's epoll set and its queue list.
 */
#include "libocsnotify/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <utlist.h>

#include "mqueue/queue.h"

/* Names are drawn at random; meeting this many that are taken means something else is wrong. */
#define NAME_TRIES 16

/* Which NotificationTypes go through a table's queue. */
static const uint16_t table_types[OCS_TABLE_COUNT] = {
        [OCS_TABLE_NEWMAIL] = OCSNOTIFY_NEWMAIL,
        [OCS_TABLE_OBJECT] = OCSNOTIFY_OBJECT_CREATED | OCSNOTIFY_OBJECT_DELETED |
                             OCSNOTIFY_OBJECT_MODIFIED | OCSNOTIFY_OBJECT_MOVED |
                             OCSNOTIFY_OBJECT_COPIED,
        [OCS_TABLE_CONTENTS] = OCSNOTIFY_TABLE_MODIFIED,
        [OCS_TABLE_HIERARCHY] = OCSNOTIFY_TABLE_MODIFIED,
        [OCS_TABLE_SEARCH] = OCSNOTIFY_SEARCH_COMPLETED,
};

struct libocsnotify_queue *libocsnotify_queue_find(struct ocsnotify_session *session,
                                                   uint64_t folder, enum ocs_table table)
{
	struct libocsnotify_queue *queue;

	for (queue = session->queues; queue != NULL; queue = queue->next)
		if (queue->r.folder == folder && queue->r.table == table)
			return queue;
	return NULL;
}

/* A limit that was met would fill the log if each queue said so: once for each kind. */
static void advise_of_limit(struct ocsnotify *context, int error)
{
	uint32_t bit = 1u << (-error % 32);

	if ((context->advised & bit) != 0)
		return;
	context->advised |= bit;
	libocsnotify_warn(
	        context,
	        "no message queue is available; subscriptions use files in the registry folder "
	        "instead: %s",
	        ocs_queue_limit_advice(error));
}

static int watch_queue(struct libocsnotify_queue *queue)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.ptr = queue};

	return epoll_ctl(queue->session->context->epoll, EPOLL_CTL_ADD, queue->mq, &event) != 0
	               ? -errno
	               : 0;
}

/* A kernel queue under a name never used before, watched. 0 or a negative errno. */
static int open_kernel_queue(struct libocsnotify_queue *queue,
                             const struct ocs_registry_settings *settings)
{
	struct ocsnotify *context = queue->session->context;
	int ret = -EEXIST;

	for (int i = 0; i < NAME_TRIES && ret == -EEXIST; i++) {
		if (ocs_queue_name_format(queue->r.name, queue->session->r.user, queue->r.folder,
		                          queue->r.table, (uint32_t)ocs_random_id()) != 0)
			return -EINVAL;
		if (libocsnotify_queue_list_add(context, queue->r.name) != 0)
			return -EIO;
		ret = ocs_queue_create(queue->r.name, (long)settings->max_messages,
		                       (long)settings->message_size, context->shared->gid,
		                       &queue->mq);
	}
	if (ret != 0) {
		queue->mq = LIBOCSNOTIFY_NO_QUEUE;
		return ret;
	}
	/* Before it is registered, so that no entry can come unseen. */
	ret = watch_queue(queue);
	if (ret != 0) {
		ocs_queue_close(queue->mq);
		(void)ocs_queue_unlink(queue->r.name); /* just made: it is ours */
		queue->mq = LIBOCSNOTIFY_NO_QUEUE;
		return ret;
	}
	/* The one it replaces may have longer ones. */
	if (queue->message_size < settings->message_size)
		queue->message_size = settings->message_size;
	context->live_queues++;
	return 0;
}

struct libocsnotify_queue *libocsnotify_queue_new(struct ocsnotify_session *session,
                                                  const struct ocs_registry_settings *settings,
                                                  uint64_t folder, enum ocs_table table)
{
	struct ocsnotify *context = session->context;
	struct libocsnotify_queue *queue = calloc(1, sizeof(*queue));
	int ret;

	if (queue == NULL)
		return NULL;
	queue->session = session;
	queue->mq = queue->old_mq = LIBOCSNOTIFY_NO_QUEUE;
	ocs_spill_reader_init(&queue->list);
	queue->r.id = ocs_random_id();
	queue->r.session = session->r.id;
	queue->r.context = context->r.id;
	queue->r.folder = folder;
	queue->r.table = table;
	ret = open_kernel_queue(queue, settings);
	if (ret != 0) {
		queue->r.spill_only = true;
		advise_of_limit(context, ret);
	}
	DL_APPEND(session->queues, queue);
	LL_PREPEND2(context->by_id[queue->r.id % LIBOCSNOTIFY_BUCKETS], queue, id_next);
	return queue;
}

void libocsnotify_queue_renew(struct libocsnotify_queue *queue,
                              const struct ocs_registry_settings *settings)
{
	struct ocsnotify *context = queue->session->context;
	int ret;

	if (queue->old_mq != LIBOCSNOTIFY_NO_QUEUE)
		ocs_queue_close(queue->old_mq);
	queue->old_mq = queue->mq;
	queue->mq = LIBOCSNOTIFY_NO_QUEUE;
	context->live_queues--;
	ret = open_kernel_queue(queue, settings);
	queue->r.spill_only = ret != 0;
	if (ret != 0)
		advise_of_limit(context, ret);
}

void libocsnotify_queue_free(struct libocsnotify_queue *queue, bool unlink)
{
	struct ocsnotify_session *session = queue->session;
	struct ocsnotify *context = session->context;

	libocsnotify_backlog_drop(session, queue);
	DL_DELETE(session->queues, queue);
	LL_DELETE2(context->by_id[queue->r.id % LIBOCSNOTIFY_BUCKETS], queue, id_next);
	if (queue->mq != LIBOCSNOTIFY_NO_QUEUE) {
		int ret = unlink ? ocs_queue_unlink(queue->r.name) : 0;

		if (ret != 0)
			libocsnotify_warn(context, "cannot remove the queue %s: %s", queue->r.name,
			                  strerror(-ret));
		ocs_queue_close(queue->mq); /* leaves the epoll set with it */
		context->live_queues--;
	}
	if (queue->old_mq != LIBOCSNOTIFY_NO_QUEUE)
		ocs_queue_close(queue->old_mq);
	libocsnotify_list_close(queue);
	free(queue->users);
	free(queue);
}

int libocsnotify_queue_add_user(struct libocsnotify_queue *queue,
                                struct libocsnotify_handle *handle)
{
	size_t at = queue->n_users;

	if (queue->n_users == queue->max_users) {
		size_t max = queue->max_users == 0 ? 4 : queue->max_users * 2;
		struct libocsnotify_handle **users = realloc(queue->users, max * sizeof(*users));

		if (users == NULL)
			return -1;
		queue->users = users;
		queue->max_users = max;
	}
	while (at > 0 && queue->users[at - 1]->order > handle->order) {
		queue->users[at] = queue->users[at - 1];
		at--;
	}
	queue->users[at] = handle;
	queue->n_users++;
	return 0;
}

void libocsnotify_queue_remove_user(struct libocsnotify_queue *queue,
                                    const struct libocsnotify_handle *handle)
{
	size_t at = 0;

	while (at < queue->n_users && queue->users[at] != handle)
		at++;
	if (at == queue->n_users)
		return;
	queue->n_users--;
	memmove(&queue->users[at], &queue->users[at + 1],
	        (queue->n_users - at) * sizeof(queue->users[0]));
}

bool libocsnotify_queue_has_user(const struct libocsnotify_queue *queue,
                                 const struct libocsnotify_handle *handle)
{
	for (size_t i = 0; i < queue->n_users; i++)
		if (queue->users[i] == handle)
			return true;
	return false;
}

/* A handle of a table, or one that asked for TableModified, looks at the rows, not at a message. */
static uint64_t wanted_mid(const struct libocsnotify_queue *queue,
                           const struct libocsnotify_handle *handle)
{
	return table_types[queue->r.table] == OCSNOTIFY_TABLE_MODIFIED ? 0 : handle->mid;
}

bool libocsnotify_queue_match(struct libocsnotify_queue *queue)
{
	struct ocs_matcher matchers[OCS_MATCHERS_MAX];
	uint16_t n = 0, m, all_types = 0;
	bool wide = false, changed;

	for (size_t i = 0; i < queue->n_users; i++) {
		const struct libocsnotify_handle *handle = queue->users[i];
		uint16_t types = handle->types & table_types[queue->r.table];
		uint64_t mid = wanted_mid(queue, handle);

		all_types |= types;
		for (m = 0; m < n && matchers[m].mid != mid; m++)
			;
		if (m < n)
			matchers[m].types |= types;
		else if (n < OCS_MATCHERS_MAX)
			matchers[n++] = (struct ocs_matcher){.types = types, .mid = mid};
		else
			wide = true;
	}
	if (wide) {
		/* Too many messages to name: everything comes, the library picks. */
		matchers[0] = (struct ocs_matcher){.types = all_types, .mid = 0};
		n = 1;
	}
	changed = n != queue->r.n_matchers;
	for (m = 0; m < n && !changed; m++)
		changed = matchers[m].types != queue->r.matchers[m].types ||
		          matchers[m].mid != queue->r.matchers[m].mid;
	memcpy(queue->r.matchers, matchers, n * sizeof(matchers[0]));
	queue->r.n_matchers = n;
	return changed;
}
