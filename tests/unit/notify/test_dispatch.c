/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Dispatch on a registry in a temporary folder: what a notification becomes in the queues of those
 * who subscribed, without HTTP. The test plays the library's side with the registry's functions.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <talloc.h>

#include "mapistore/index.h"
#include "mapistore/index_internal.h"
#include "mapistore/index_mark.h"
#include "mqueue/queue.h"
#include "notify/dispatch.h"
#include "registry/registry.h"
#include "tests/unit/rig.h"
#include "ocsnotify.h"

static struct ocs_registry *registry;
static struct ocs_index *idx;
static struct ocs_dispatch *dispatch;
static struct ocs_error error;
static char *backends[] = {(char *)"sogo", NULL};

static void start(void)
{
	struct ocs_dispatch_settings settings = {
	        .sync = OCS_SYNC_NEVER,
	        .dedupe_window = 600,
	        .request_deadline = 10,
	        .spill_max = 100,
	        .spill_total = 1000,
	        .descriptors = 64,
	        .unknown_users = 1000,
	        .backends = backends,
	        .published = {.max_messages = 10, .message_size = 256, .replica_id = 1},
	};

	ck_assert_msg(ocs_registry_open(rig_folder, true, &registry, NULL, &error) == OCS_STORE_OK,
	              "%s", error.text);
	ck_assert_msg(ocs_index_open(rig_folder, 1, true, &idx, &error) == OCS_STORE_OK, "%s",
	              error.text);
	ck_assert_msg(ocs_dispatch_start(rig_folder, registry, idx, NULL, &settings, NULL,
	                                 &dispatch, &error) == 0,
	              "%s", error.text);
}

static void stop(void)
{
	ocs_dispatch_stop(dispatch);
	ocs_index_close(idx);
	ocs_registry_close(registry);
}

static void setup(void)
{
	char private_folder[80];

	rig_make_folder();
	snprintf(private_folder, sizeof(private_folder), "%s/private", rig_folder);
	ck_assert_int_eq(mkdir(private_folder, 0700), 0);
	start();
}

static void teardown(void)
{
	stop();
	rig_remove_folder();
}

/* ---- submitting ---- */

struct waiter {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool done;
	struct ocs_result results[16];
	size_t n;
};

static void done(void *owner, const struct ocs_result *results, size_t n)
{
	struct waiter *waiter = owner;

	pthread_mutex_lock(&waiter->lock);
	memcpy(waiter->results, results, n * sizeof(results[0]));
	waiter->n = n;
	waiter->done = true;
	pthread_cond_signal(&waiter->cond);
	pthread_mutex_unlock(&waiter->lock);
}

static struct waiter waiter = {.lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};

static void submit(const struct ocs_notification *items, size_t n)
{
	struct ocs_request *request = talloc_zero(NULL, struct ocs_request);

	request->account = "tester";
	request->count = n;
	request->items = talloc_memdup(request, items, n * sizeof(items[0]));
	request->results = talloc_zero_array(request, struct ocs_result, n);
	request->done = done;
	request->owner = &waiter;
	waiter.done = false;
	ocs_dispatch_submit(dispatch, request);
	pthread_mutex_lock(&waiter.lock);
	while (!waiter.done)
		pthread_cond_wait(&waiter.cond, &waiter.lock);
	pthread_mutex_unlock(&waiter.lock);
}

static struct ocs_notification event(enum ocs_category category, const char *where,
                                     const char *message_id)
{
	return (struct ocs_notification){.category = category,
	                                 .backend = "sogo",
	                                 .backend_user = "jdoe",
	                                 .folder = where,
	                                 .message_id = message_id};
}

/* ---- the library's side ---- */

static struct ocs_registry_queue queue_of(enum ocs_table table, uint64_t fid, uint16_t types,
                                          uint64_t mid, mqd_t *mq)
{
	struct ocs_registry_queue queue = {.id = ocs_random_id(),
	                                   .session = 1,
	                                   .context = 1,
	                                   .folder = fid,
	                                   .table = table,
	                                   .n_matchers = 1,
	                                   .matchers = {{types, mid}}};

	ck_assert_int_eq(
	        ocs_queue_name_format(queue.name, "jdoe", fid, table, (uint32_t)ocs_random_id()),
	        0);
	if (mq != NULL)
		ck_assert_int_eq(ocs_queue_create(queue.name, 10, 256, (gid_t)-1, mq), 0);
	else
		queue.spill_only = true;
	return queue;
}

/* The daemon's store thread uses the same handle, so that this must run while it is stopped. */
static void subscribe(const struct ocs_registry_queue *queues, size_t n)
{
	struct ocs_registry_user user = {.user = (char *)"jdoe",
	                                 .n_queues = n,
	                                 .queues = (struct ocs_registry_queue *)(uintptr_t)queues};

	char path[300];
	int fd;

	ocs_dispatch_stop(dispatch);
	/* The queues are this user's. */
	ck_assert_int_eq(ocs_registry_queue_list_path(registry, 1, path, sizeof(path)), 0);
	fd = open(path, O_WRONLY | O_CREAT, 0660);
	ck_assert_int_ge(fd, 0);
	close(fd);
	ck_assert_int_eq(ocs_registry_begin(registry, &error), 0);
	ck_assert_int_eq(ocs_registry_user_put(registry, &user, &error), 0);
	ck_assert_int_eq(ocs_registry_commit(registry, false, &error), 0);
	ocs_index_close(idx);
	ocs_registry_close(registry);
	start();
}

static int receive(mqd_t mq, struct ocs_entry *entry)
{
	uint8_t buffer[256];
	size_t len;

	if (ocs_queue_receive(mq, buffer, sizeof(buffer), &len) != 0)
		return 0;
	ck_assert_int_eq(ocs_entry_decode(buffer, len, entry), 0);
	return 1;
}

static void drop(const struct ocs_registry_queue *queue, mqd_t mq)
{
	ocs_queue_close(mq);
	ocs_queue_unlink(queue->name);
}

TESTS_HAVE(.setup = setup, .teardown = teardown);

TEST(a_newmail_nobody_waits_for_is_accepted_and_indexed)
{
	struct ocs_notification mail = event(OCS_NEWMAIL, "INBOX", "1.eml");
	struct ocs_index_folder inbox;
	struct ocs_index_message message;

	submit(&mail, 1);
	ck_assert_int_eq(waiter.results[0].status, OCS_STATUS_NOSUBSCRIBER);
	submit(&mail, 1);
	ck_assert_int_eq(waiter.results[0].status, OCS_STATUS_DUPLICATE);
	ocs_dispatch_stop(dispatch);
	ck_assert_int_eq(
	        ocs_index_folder(idx, &(struct ocs_folder_name){"jdoe", "sogo", "jdoe", "INBOX"},
	                         false, &inbox, &error),
	        0);
	ck_assert_int_eq(ocs_index_message(idx, inbox.series, "1.eml", &message, &error), 0);
	ck_assert(message.announced);
	ocs_index_close(idx);
	ocs_registry_close(registry);
	start();
	submit(&mail, 1);
	ck_assert_int_eq(waiter.results[0].status, OCS_STATUS_DUPLICATE);
}

static int64_t no_clock(void)
{
	return 0;
}

/* The clock alone keeps a registry that was lost from giving identifiers again, and it counts 64 a
 * millisecond: what a start throws away must be fewer than pass while it starts. */
TEST(a_start_throws_few_identifiers_away)
{
	uint64_t first = 0, last = 0, one, many;
	int64_t (*clock)(void) = ocs_index_clock;

	ocs_index_clock = no_clock;
	for (int i = 0; i < 20; i++) {
		struct ocs_notification mail = event(OCS_NEWMAIL, "INBOX", "");
		char name[16];

		stop();
		start();
		snprintf(name, sizeof(name), "%d.eml", i);
		mail.message_id = name;
		submit(&mail, 1);
		ck_assert_int_eq(waiter.results[0].status, OCS_STATUS_NOSUBSCRIBER);
		ocs_dispatch_stop(dispatch);
		ck_assert_int_eq(ocs_index_begin(idx, &error), OCS_STORE_OK);
		ck_assert_int_eq(ocs_index_reserve(idx, 1, &last, &error), OCS_STORE_OK);
		ck_assert_int_eq(ocs_index_commit(idx, &error), OCS_STORE_OK);
		first = i == 0 ? last : first;
		ocs_index_close(idx);
		ocs_registry_close(registry);
		start();
	}
	ocs_index_clock = clock;
	one = ocs_index_counter_of(first);
	many = ocs_index_counter_of(last);
	ck_assert_uint_gt(many, one);
	ck_assert_uint_lt(many - one, 19 * 512);
}

TEST(a_newmail_fans_out_to_each_table)
{
	static const enum ocs_table tables[] = {OCS_TABLE_NEWMAIL, OCS_TABLE_OBJECT,
	                                        OCS_TABLE_CONTENTS, OCS_TABLE_HIERARCHY};
	struct ocs_notification mail = event(OCS_NEWMAIL, "INBOX", "1.eml");
	struct ocs_registry_queue queues[4];
	struct ocs_entry entry;
	uint64_t fid, mid;
	mqd_t mq[4];

	mail.has_total = true;
	mail.total = 17;
	for (int i = 0; i < 4; i++)
		queues[i] = queue_of(tables[i], OCS_FOLDER_STORE, 0x1fe, 0, &mq[i]);
	subscribe(queues, 4);
	submit(&mail, 1);
	ck_assert_int_eq(waiter.results[0].status, OCS_STATUS_QUEUED);
	ck_assert_uint_eq(waiter.results[0].queues, 4);
	ck_assert_int_eq(receive(mq[0], &entry), 1);
	ck_assert_uint_eq(entry.flags, 0x8002);
	ck_assert_str_eq(entry.message_class, "IPM.Note");
	fid = entry.fid;
	mid = entry.mid;
	ck_assert(fid != 0 && mid != 0 && fid != mid);
	ck_assert_int_eq(receive(mq[1], &entry), 1);
	ck_assert_uint_eq(entry.flags, 0x8004);
	ck_assert_uint_eq(entry.mid, mid);
	ck_assert_int_eq(receive(mq[1], &entry), 1);
	ck_assert_uint_eq(entry.flags, 0x1010);
	ck_assert_uint_eq(entry.total, 17);
	ck_assert_int_eq(receive(mq[2], &entry), 1);
	ck_assert_uint_eq(entry.flags, 0x8100);
	ck_assert_uint_eq(entry.table_event, OCSNOTIFY_TABLE_ROW_ADDED);
	ck_assert_int_eq(receive(mq[3], &entry), 1);
	ck_assert_uint_eq(entry.flags, 0x0100);
	ck_assert_uint_eq(entry.table_event, OCSNOTIFY_TABLE_ROW_MODIFIED);
	ck_assert_uint_eq(entry.fid, fid);
	for (int i = 0; i < 4; i++) {
		ck_assert_int_eq(receive(mq[i], &entry), 0);
		drop(&queues[i], mq[i]);
	}
}

TEST(a_full_queue_spills_in_order_and_never_refuses)
{
	struct ocs_notification change = event(OCS_MODIFIED, "INBOX", NULL);
	struct ocs_registry_queue queue;
	struct ocs_spill_state spill;
	struct ocs_entry entry;
	uint64_t last = 0;
	mqd_t mq;

	queue = queue_of(OCS_TABLE_OBJECT, OCS_FOLDER_STORE, 0x7c, 0, &mq);
	subscribe(&queue, 1);
	for (int i = 0; i < 60; i++) {
		submit(&change, 1);
		ck_assert_int_eq(waiter.results[0].status, OCS_STATUS_QUEUED);
	}
	ocs_dispatch_stop(dispatch);
	ck_assert_int_eq(
	        ocs_registry_spill_state(registry, queue.context, queue.id, &spill, &error), 0);
	ck_assert_uint_eq(spill.count, 50);
	for (int i = 0; i < 10; i++) {
		ck_assert_int_eq(receive(mq, &entry), 1);
		ck_assert_uint_gt(entry.sequence, last);
		last = entry.sequence;
	}
	ck_assert_int_eq(receive(mq, &entry), 0);
	ck_assert_int_eq(ocs_registry_spill_clear(registry, queue.context, queue.id, &error), 0);
	ocs_index_close(idx);
	ocs_registry_close(registry);
	start();
	/* Emptied: entries go into the kernel again. */
	submit(&change, 1);
	ck_assert_int_eq(receive(mq, &entry), 1);
	ck_assert_uint_gt(entry.sequence, last);
	drop(&queue, mq);
}

TEST(an_overflowing_spill_list_drops_the_oldest_and_a_table_collapses)
{
	struct ocs_notification change = event(OCS_MODIFIED, "INBOX", NULL);
	struct ocs_registry_queue queues[2];
	struct ocs_spill_state spill;

	change.has_unread = true;
	queues[0] = queue_of(OCS_TABLE_OBJECT, OCS_FOLDER_STORE, 0x7c, 0, NULL);
	queues[1] = queue_of(OCS_TABLE_HIERARCHY, OCS_FOLDER_STORE, 0x100, 0, NULL);
	subscribe(queues, 2);
	for (int i = 0; i < 105; i++)
		submit(&change, 1);
	ocs_dispatch_stop(dispatch);
	ck_assert_int_eq(
	        ocs_registry_spill_state(registry, queues[0].context, queues[0].id, &spill, &error),
	        0);
	ck_assert_uint_eq(spill.count, 100);
	ck_assert_uint_eq(spill.dropped, 5);
	ck_assert_int_eq(
	        ocs_registry_spill_state(registry, queues[1].context, queues[1].id, &spill, &error),
	        0);
	ck_assert_uint_eq(spill.count, 1);
	ck_assert(spill.collapsed);
	ocs_index_close(idx);
	ocs_registry_close(registry);
	start();
}

TEST(a_repeated_id_is_a_duplicate_also_inside_a_batch)
{
	struct ocs_notification batch[3];

	for (int i = 0; i < 3; i++) {
		batch[i] = event(OCS_MODIFIED, "INBOX", "5");
		batch[i].id = i == 1 ? "b" : "a";
	}
	submit(batch, 3);
	ck_assert_int_eq(waiter.results[0].status, OCS_STATUS_NOSUBSCRIBER);
	ck_assert_int_eq(waiter.results[1].status, OCS_STATUS_NOSUBSCRIBER);
	ck_assert_int_eq(waiter.results[2].status, OCS_STATUS_DUPLICATE);
}

TEST(a_refused_one_leaves_its_id_unused_and_the_others_standing)
{
	struct ocs_notification batch[2] = {event(OCS_NEWMAIL, "INBOX", "1"),
	                                    event(OCS_NEWMAIL, "INBOX", "1")};

	batch[0].backend = "nowhere";
	batch[0].id = batch[1].id = "x";
	submit(batch, 2);
	ck_assert_int_eq(waiter.results[0].status, OCS_STATUS_REFUSED);
	ck_assert_str_eq(waiter.results[0].refusal.name, "UNKNOWN_BACKEND");
	ck_assert_int_eq(waiter.results[1].status, OCS_STATUS_NOSUBSCRIBER);
}

TEST(a_rename_keeps_the_fid_of_the_folder_and_what_is_below)
{
	struct ocs_notification create = event(OCS_CREATED, "a/b/c", NULL);
	struct ocs_notification move = event(OCS_MOVED, "x", NULL);
	struct ocs_notification into_itself = event(OCS_MOVED, "x/y", NULL);
	struct ocs_notification mail = event(OCS_NEWMAIL, "INBOX", "1");
	struct ocs_index_folder before[2], after[2];

	submit(&mail, 1); /* nothing is kept of a user whom nobody knows */
	submit(&create, 1);
	ocs_dispatch_stop(dispatch);
	ocs_index_folder(idx, &(struct ocs_folder_name){"jdoe", "sogo", "jdoe", "a/b"}, false,
	                 &before[0], &error);
	ocs_index_folder(idx, &(struct ocs_folder_name){"jdoe", "sogo", "jdoe", "a/b/c"}, false,
	                 &before[1], &error);
	ocs_index_close(idx);
	ocs_registry_close(registry);
	start();
	move.old_folder = "a/b";
	submit(&move, 1);
	ck_assert_int_eq(waiter.results[0].status, OCS_STATUS_NOSUBSCRIBER);
	into_itself.old_folder = "x";
	submit(&into_itself, 1);
	ck_assert_int_eq(waiter.results[0].status, OCS_STATUS_REFUSED);
	ocs_dispatch_stop(dispatch);
	ck_assert_int_eq(ocs_index_folder(idx,
	                                  &(struct ocs_folder_name){"jdoe", "sogo", "jdoe", "x"},
	                                  false, &after[0], &error),
	                 0);
	ck_assert_int_eq(ocs_index_folder(idx,
	                                  &(struct ocs_folder_name){"jdoe", "sogo", "jdoe", "x/c"},
	                                  false, &after[1], &error),
	                 0);
	ck_assert_int_eq(ocs_index_folder(idx,
	                                  &(struct ocs_folder_name){"jdoe", "sogo", "jdoe", "a/b"},
	                                  false, &after[1], &error),
	                 OCS_STORE_MISSING);
	ck_assert_uint_eq(before[0].fid, after[0].fid);
	ocs_index_folder(idx, &(struct ocs_folder_name){"jdoe", "sogo", "jdoe", "x/c"}, false,
	                 &after[1], &error);
	ck_assert_uint_eq(before[1].fid, after[1].fid);
	ocs_index_close(idx);
	ocs_registry_close(registry);
	start();
}

TEST(counters_add_up)
{
	struct ocs_notification batch[3] = {event(OCS_NEWMAIL, "INBOX", "1"),
	                                    event(OCS_NEWMAIL, "INBOX", "1"),
	                                    event(OCS_NEWMAIL, "INBOX", "2")};
	struct ocs_dispatch_counters counters;

	batch[2].backend = "nowhere";
	submit(batch, 3);
	ocs_dispatch_counters(dispatch, &counters);
	ck_assert_uint_eq(counters.received, 3);
	ck_assert_uint_eq(counters.nosubscriber, 1);
	ck_assert_uint_eq(counters.duplicate, 1);
	ck_assert_uint_eq(counters.refused, 1);
}
