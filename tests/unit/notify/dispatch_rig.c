/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* What the tests of dispatch share: see dispatch_rig.h. */
#include "tests/unit/notify/dispatch_rig.h"

struct ocs_registry *dispatch_registry;
struct ocs_index *dispatch_index;
struct ocs_dispatch *dispatch;
unsigned dispatch_deadline = 10, dispatch_spill_total = 1000000, dispatch_descriptors = 64;

void dispatch_open(void)
{
	ck_assert_ok(ocs_registry_open(rig_folder, true, &dispatch_registry, NULL, &rig_error));
	ck_assert_ok(ocs_index_open(rig_folder, 1, true, &dispatch_index, &rig_error));
}

void dispatch_close(void)
{
	ocs_index_close(dispatch_index);
	ocs_registry_close(dispatch_registry);
	dispatch_index = NULL;
	dispatch_registry = NULL;
}

void dispatch_start(void)
{
	static char *backends[] = {(char *)"sogo", NULL};
	struct ocs_dispatch_settings settings = {
	        .sync = OCS_SYNC_NEVER,
	        .dedupe_window = 600,
	        .request_deadline = dispatch_deadline,
	        .spill_max = 100000,
	        .spill_total = dispatch_spill_total,
	        .descriptors = dispatch_descriptors,
	        .unknown_users = 1000,
	        .backends = backends,
	        .published = {.max_messages = 10, .message_size = 256, .replica_id = 1},
	};

	dispatch_open();
	ck_assert_ok(ocs_dispatch_start(rig_folder, dispatch_registry, dispatch_index, NULL,
	                                &settings, NULL, &dispatch, &rig_error));
}

void dispatch_stop(void)
{
	if (dispatch != NULL)
		ck_assert_int_eq(ocs_dispatch_stop(dispatch), 0);
	dispatch = NULL;
	dispatch_close();
}

void dispatch_setup(void)
{
	rig_make_folder();
	ck_assert_int_eq(mkdir(rig_path("private"), 0700), 0);
	dispatch_open();
	dispatch_close();
}

void dispatch_teardown(void)
{
	if (dispatch_registry != NULL)
		dispatch_stop();
	rig_remove_folder();
}

struct ocs_registry_queue dispatch_queue(uint64_t session, enum ocs_table table, uint64_t folder,
                                         uint16_t types, uint64_t mid, mqd_t *mq)
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

void dispatch_drop(const struct ocs_registry_queue *queue, mqd_t mq)
{
	ocs_queue_close(mq);
	ocs_queue_unlink(queue->name);
}

void dispatch_own(uint64_t context)
{
	char path[300];
	int fd;

	ck_assert_int_eq(
	        ocs_registry_queue_list_path(dispatch_registry, context, path, sizeof(path)), 0);
	fd = open(path, O_WRONLY | O_CREAT, 0660);
	ck_assert_int_ge(fd, 0);
	close(fd);
}

void dispatch_subscribe(struct ocs_registry_queue *queues, size_t n)
{
	struct ocs_registry_user user = {.user = (char *)"jdoe", .n_queues = n, .queues = queues};

	dispatch_open();
	dispatch_own(1);
	ck_assert_ok(ocs_registry_begin(dispatch_registry, &rig_error));
	ck_assert_ok(ocs_registry_user_put(dispatch_registry, &user, &rig_error));
	ck_assert_ok(ocs_registry_commit(dispatch_registry, false, &rig_error));
	dispatch_close();
}

int dispatch_receive(mqd_t mq, struct ocs_entry *entry)
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

void dispatch_done(void *owner, const struct ocs_result *results, size_t n)
{
	struct dispatch_waiter *waiter = owner;

	pthread_mutex_lock(&waiter->lock);
	if (n > 0)
		waiter->result = results[n - 1];
	else
		ocs_result_refuse(&waiter->result, 500, "INTERNAL", "out of memory");
	waiter->done = true;
	pthread_cond_signal(&waiter->cond);
	pthread_mutex_unlock(&waiter->lock);
}

struct ocs_request *dispatch_request(struct dispatch_waiter *waiter,
                                     const struct ocs_notification *item)
{
	struct ocs_request *request = talloc_zero(NULL, struct ocs_request);
	struct ocs_notification *copy = talloc_memdup(request, item, sizeof(*item));

	if (copy->message_id != NULL)
		copy->message_id = talloc_strdup(request, copy->message_id);
	request->account = "tester";
	request->count = 1;
	request->items = copy;
	request->results = talloc_zero_array(request, struct ocs_result, 1);
	request->done = dispatch_done;
	request->owner = waiter;
	waiter->done = false;
	return request;
}

void dispatch_submit(struct dispatch_waiter *waiter, const struct ocs_notification *item)
{
	ocs_dispatch_submit(dispatch, dispatch_request(waiter, item));
}

struct ocs_result dispatch_wait(struct dispatch_waiter *waiter)
{
	struct ocs_result result;

	pthread_mutex_lock(&waiter->lock);
	while (!waiter->done)
		pthread_cond_wait(&waiter->cond, &waiter->lock);
	result = waiter->result;
	pthread_mutex_unlock(&waiter->lock);
	return result;
}

struct ocs_result dispatch_report(const struct ocs_notification *item)
{
	struct dispatch_waiter waiter = DISPATCH_WAITER;

	dispatch_submit(&waiter, item);
	return dispatch_wait(&waiter);
}

struct ocs_notification dispatch_event(enum ocs_category category, const char *folder,
                                       const char *message_id)
{
	return (struct ocs_notification){.category = category,
	                                 .backend = "sogo",
	                                 .backend_user = "jdoe",
	                                 .folder = folder,
	                                 .message_id = message_id};
}
