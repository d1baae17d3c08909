/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * For the tests of dispatch: a registry in a temporary folder, subscriptions put there before the
 * dispatch starts, requests that are waited for.
 */
#ifndef OCS_UNIT_TEST_NOTIFY_DISPATCH_RIG_H
#define OCS_UNIT_TEST_NOTIFY_DISPATCH_RIG_H

#include "tests/unit/rig.h"

#include <pthread.h>

#include "mapistore/index.h"
#include "mqueue/queue.h"
#include "notify/dispatch.h"
#include "registry/registry.h"

static struct ocs_registry *registry;
static struct ocs_index *idx;
static struct ocs_dispatch *dispatch;
RIG_UNUSED static unsigned rig_deadline = 10;

RIG_UNUSED static void rig_open(void)
{
	ck_assert_ok(ocs_registry_open(rig_folder, true, &registry, NULL, &rig_error));
	ck_assert_ok(ocs_index_open(rig_folder, 1, true, &idx, &rig_error));
}

RIG_UNUSED static void rig_close(void)
{
	ocs_index_close(idx);
	ocs_registry_close(registry);
	idx = NULL;
	registry = NULL;
}

RIG_UNUSED static void rig_start(void)
{
	static char *backends[] = {(char *)"sogo", NULL};
	struct ocs_dispatch_settings settings = {
	        .sync = OCS_SYNC_NEVER,
	        .dedupe_window = 600,
	        .request_deadline = rig_deadline,
	        .spill_max = 100000,
	        .spill_total = 1000000,
	        .descriptors = 64,
	        .backends = backends,
	        .published = {.max_messages = 10, .message_size = 256, .replica_id = 1},
	};

	rig_open();
	ck_assert_ok(ocs_dispatch_start(rig_folder, registry, idx, NULL, &settings, NULL, &dispatch,
	                                &rig_error));
}

RIG_UNUSED static void rig_stop(void)
{
	if (dispatch != NULL)
		ck_assert_int_eq(ocs_dispatch_stop(dispatch), 0);
	dispatch = NULL;
	rig_close();
}

/* Folders and files, all closed. */
RIG_UNUSED static void rig_setup(void)
{
	rig_make_folder();
	ck_assert_int_eq(mkdir(rig_path("private"), 0700), 0);
	rig_open();
	rig_close();
}

RIG_UNUSED static void rig_teardown(void)
{
	if (registry != NULL)
		rig_stop();
	rig_remove_folder();
}

/* A queue of jdoe's; mq NULL: it lives on its spill list. */
RIG_UNUSED static struct ocs_registry_queue rig_queue(uint64_t session, enum ocs_table table,
                                                      uint64_t folder, uint16_t types, uint64_t mid,
                                                      mqd_t *mq)
{
	struct ocs_registry_queue queue = {.id = ocs_random_id(),
	                                   .session = session,
	                                   .context = 1,
	                                   .folder = folder,
	                                   .table = table,
	                                   .spill_only = mq == NULL,
	                                   .n_matchers = 1,
	                                   .matchers = {{types, mid}}};

	ck_assert_int_eq(
	        ocs_queue_name_format(queue.name, "jdoe", folder, table, (uint32_t)ocs_random_id()),
	        0);
	if (mq != NULL)
		ck_assert_int_eq(ocs_queue_create(queue.name, 10, 256, (gid_t)-1, mq), 0);
	return queue;
}

RIG_UNUSED static void rig_drop(const struct ocs_registry_queue *queue, mqd_t mq)
{
	ocs_queue_close(mq);
	ocs_queue_unlink(queue->name);
}

/* The context is this user's: it has a journal. */
RIG_UNUSED static void rig_own(uint64_t context)
{
	char path[300];
	int fd;

	ck_assert_int_eq(ocs_registry_journal_path(registry, context, path, sizeof(path)), 0);
	fd = open(path, O_WRONLY | O_CREAT, 0660);
	ck_assert_int_ge(fd, 0);
	close(fd);
}

/* While all is closed. */
RIG_UNUSED static void rig_subscribe(struct ocs_registry_queue *queues, size_t n)
{
	struct ocs_registry_user user = {.user = (char *)"jdoe", .n_queues = n, .queues = queues};

	rig_open();
	rig_own(1);
	ck_assert_ok(ocs_registry_begin(registry, &rig_error));
	ck_assert_ok(ocs_registry_user_put(registry, &user, &rig_error));
	ck_assert_ok(ocs_registry_commit(registry, false, &rig_error));
	rig_close();
}

RIG_UNUSED static int rig_receive(mqd_t mq, struct ocs_entry *entry)
{
	uint8_t buffer[256];
	size_t len;

	memset(entry, 0, sizeof(*entry));
	if (ocs_queue_receive(mq, buffer, sizeof(buffer), &len) != 0)
		return 0;
	ck_assert_int_eq(ocs_entry_decode(buffer, len, entry), 0);
	return 1;
}

/* ---- requests ---- */

struct rig_waiter {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool done;
	struct ocs_result result; /* of the last item */
};

#define RIG_WAITER                                                                                 \
	{                                                                                          \
		.lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER                \
	}

static void rig_done(void *owner, const struct ocs_result *results, size_t n)
{
	struct rig_waiter *waiter = owner;

	pthread_mutex_lock(&waiter->lock);
	waiter->result = results[n - 1];
	waiter->done = true;
	pthread_cond_signal(&waiter->cond);
	pthread_mutex_unlock(&waiter->lock);
}

RIG_UNUSED static void rig_submit(struct rig_waiter *waiter, const struct ocs_notification *item)
{
	struct ocs_request *request = talloc_zero(NULL, struct ocs_request);
	struct ocs_notification *copy = talloc_memdup(request, item, sizeof(*item));

	if (copy->message_id != NULL)
		copy->message_id = talloc_strdup(request, copy->message_id);
	request->account = "tester";
	request->count = 1;
	request->items = copy;
	request->results = talloc_zero_array(request, struct ocs_result, 1);
	request->done = rig_done;
	request->owner = waiter;
	waiter->done = false;
	ocs_dispatch_submit(dispatch, request);
}

RIG_UNUSED static struct ocs_result rig_wait(struct rig_waiter *waiter)
{
	struct ocs_result result;

	pthread_mutex_lock(&waiter->lock);
	while (!waiter->done)
		pthread_cond_wait(&waiter->cond, &waiter->lock);
	result = waiter->result;
	pthread_mutex_unlock(&waiter->lock);
	return result;
}

RIG_UNUSED static struct ocs_result rig_report(const struct ocs_notification *item)
{
	struct rig_waiter waiter = RIG_WAITER;

	rig_submit(&waiter, item);
	return rig_wait(&waiter);
}

RIG_UNUSED static struct ocs_notification rig_event(enum ocs_category category, const char *folder,
                                                    const char *message_id)
{
	return (struct ocs_notification){.category = category,
	                                 .backend = "sogo",
	                                 .backend_user = "jdoe",
	                                 .folder = folder,
	                                 .message_id = message_id};
}

#endif
