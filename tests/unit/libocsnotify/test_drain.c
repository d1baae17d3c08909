/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* What a session hears, and in which order: subscriptions, queues, spill lists, RopNotify. */
#include "tests/unit/libocsnotify/host_rig.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include <tdb.h>

#include "ropnotify/ropnotify.h"
#include "store/fault.h"

#define INBOX  0x0000000000010001ULL
#define DRAFTS 0x0000000000020001ULL
#define MAIL_1 0x0000000001010001ULL
#define MAIL_2 0x0000000001020001ULL

/* Enough that emptying the list needs a larger recovery area than the file has. */
#define MANY 3000

static struct ocsnotify *context;
static struct ocsnotify_session *session;

/* Once, when a queue is found empty. */
static void (*when_empty)(void);

/* In the place of libc's. */
ssize_t mq_receive(mqd_t mq, char *buffer, size_t size, unsigned *priority)
{
	ssize_t len = syscall(SYS_mq_timedreceive, mq, buffer, size, priority, NULL);
	void (*call)(void) = when_empty;

	if (len < 0 && errno == EAGAIN && call != NULL) {
		when_empty = NULL;
		call();
		errno = EAGAIN;
	}
	return len;
}

static void setup(void)
{
	when_empty = NULL;
	host_setup();
	context = host_open();
	session = host_session(context, host_user);
}

static void teardown(void)
{
	ocsnotify_close(context);
	ck_assert_int_eq(host_count_queues(host_user), 0);
	ck_assert_int_eq(host_count_wake_files(), 0);
	rig_remove_folder();
}

static void subscribe(uint32_t handle, uint16_t types, uint64_t fid, uint64_t mid)
{
	ck_assert_int_eq(ocsnotify_subscribe(session, handle, 0, types, fid == 0, fid, mid),
	                 OCSNOTIFY_OK);
}

static void send_newmail(uint64_t fid, uint64_t mid, int queues)
{
	struct ocs_entry entry = entry_newmail(fid, mid);

	ck_assert_int_eq(daemon_send(context, host_user, OCS_TABLE_NEWMAIL, &entry), queues);
}

static void send_object(uint16_t type, uint64_t fid, uint64_t mid, int queues)
{
	struct ocs_entry entry = entry_object(type, fid, mid);

	ck_assert_int_eq(daemon_send(context, host_user, OCS_TABLE_OBJECT, &entry), queues);
}

static void expect_event(struct ocsnotify_session *from, uint32_t handle, const char *event,
                         uint64_t mid)
{
	struct ocsnotify_event got;

	ck_assert_int_eq(ocsnotify_next_event(from, &got), 1);
	ck_assert_str_eq(got.event, event);
	ck_assert_uint_eq(got.handle, handle);
	ck_assert_uint_eq(got.message_id, mid);
}

static void expect_nothing(struct ocsnotify_session *from)
{
	struct ocsnotify_event got;

	ck_assert_int_eq(ocsnotify_next_event(from, &got), 0);
	ck_assert_int_eq(ocsnotify_pending(from), 0);
}

TESTS_HAVE(.setup = setup, .teardown = teardown);

TEST(a_subscription_hears_of_what_it_asked_for_and_nothing_else)
{
	subscribe(1, OCSNOTIFY_NEWMAIL, INBOX, 0);
	send_newmail(INBOX, MAIL_1, 1);
	send_newmail(DRAFTS, MAIL_2, 0);
	send_object(OCSNOTIFY_OBJECT_CREATED, INBOX, MAIL_1, 0);
	ck_assert_int_eq(ocsnotify_pending(session), 1);
	expect_event(session, 1, "newmail", MAIL_1);
	expect_nothing(session);
}

TEST(a_whole_store_subscription_hears_of_every_folder)
{
	subscribe(1, OCSNOTIFY_NEWMAIL, 0, 0);
	send_newmail(INBOX, MAIL_1, 1);
	send_newmail(DRAFTS, MAIL_2, 1);
	expect_event(session, 1, "newmail", MAIL_1);
	expect_event(session, 1, "newmail", MAIL_2);
	expect_nothing(session);
}

TEST(a_message_subscription_hears_of_that_message_only)
{
	subscribe(1, OCSNOTIFY_OBJECT_MODIFIED, INBOX, MAIL_1);
	subscribe(2, OCSNOTIFY_OBJECT_MODIFIED, INBOX, MAIL_2);
	send_object(OCSNOTIFY_OBJECT_MODIFIED, INBOX, MAIL_2, 1);
	send_object(OCSNOTIFY_OBJECT_MODIFIED, INBOX, MAIL_1, 1);
	send_object(OCSNOTIFY_OBJECT_MODIFIED, INBOX, 0, 0);
	expect_event(session, 2, "modified", MAIL_2);
	expect_event(session, 1, "modified", MAIL_1);
	expect_nothing(session);
}

TEST(more_messages_than_matchers_are_still_told_apart)
{
	for (uint32_t i = 0; i < 40; i++)
		subscribe(i, OCSNOTIFY_OBJECT_DELETED, INBOX, MAIL_1 + i * 0x10000);
	ck_assert_int_eq(host_count_queues(host_user), 1);
	send_object(OCSNOTIFY_OBJECT_DELETED, INBOX, MAIL_1 + 39 * 0x10000, 1);
	send_object(OCSNOTIFY_OBJECT_DELETED, INBOX, MAIL_1 + 40 * 0x10000, 1);
	expect_event(session, 39, "deleted", MAIL_1 + 39 * 0x10000);
	expect_nothing(session);
}

TEST(handles_of_one_folder_share_a_queue_and_each_gets_the_event)
{
	subscribe(7, OCSNOTIFY_OBJECT_CREATED | OCSNOTIFY_OBJECT_DELETED, INBOX, 0);
	subscribe(3, OCSNOTIFY_OBJECT_DELETED, INBOX, 0);
	ck_assert_int_eq(host_count_queues(host_user), 1);
	send_object(OCSNOTIFY_OBJECT_CREATED, INBOX, MAIL_1, 1);
	send_object(OCSNOTIFY_OBJECT_DELETED, INBOX, MAIL_2, 1);
	expect_event(session, 7, "created", MAIL_1);
	expect_event(session, 7, "deleted", MAIL_2);
	expect_event(session, 3, "deleted", MAIL_2);
	expect_nothing(session);
}

TEST(a_handle_does_not_hear_of_what_came_before_it)
{
	subscribe(1, OCSNOTIFY_NEWMAIL, INBOX, 0);
	send_newmail(INBOX, MAIL_1, 1);
	subscribe(2, OCSNOTIFY_NEWMAIL, INBOX, 0);
	send_newmail(INBOX, MAIL_2, 1);
	expect_event(session, 1, "newmail", MAIL_1);
	expect_event(session, 1, "newmail", MAIL_2);
	expect_event(session, 2, "newmail", MAIL_2);
	expect_nothing(session);
}

TEST(two_sessions_of_one_user_each_hear_of_everything)
{
	struct ocsnotify_session *other = host_session(context, host_user);

	subscribe(1, OCSNOTIFY_NEWMAIL, INBOX, 0);
	ck_assert_int_eq(ocsnotify_subscribe(other, 1, 0, OCSNOTIFY_NEWMAIL, false, INBOX, 0), 0);
	send_newmail(INBOX, MAIL_1, 2);
	expect_event(session, 1, "newmail", MAIL_1);
	expect_nothing(session);
	expect_event(other, 1, "newmail", MAIL_1);
	expect_nothing(other);
	ocsnotify_session_close(other);
	send_newmail(INBOX, MAIL_2, 1);
	expect_event(session, 1, "newmail", MAIL_2);
}

TEST(events_of_different_queues_come_in_the_order_of_acceptance)
{
	struct ocs_entry newmail = entry_newmail(INBOX, MAIL_1);
	struct ocs_entry created = entry_object(OCSNOTIFY_OBJECT_CREATED, INBOX, MAIL_1);
	struct ocs_entry row = entry_row(OCSNOTIFY_TABLE_ROW_DELETED, INBOX, MAIL_1);
	struct ocs_entry later = entry_newmail(INBOX, MAIL_2);

	created.sequence = row.sequence = newmail.sequence;
	subscribe(1, OCSNOTIFY_OBJECT_CREATED | OCSNOTIFY_NEWMAIL, 0, 0);
	ck_assert_int_eq(ocsnotify_subscribe_table(session, 2, 0, OCSNOTIFY_CONTENTS_TABLE, INBOX),
	                 0);
	ck_assert_int_eq(daemon_send(context, host_user, OCS_TABLE_CONTENTS, &row), 1);
	ck_assert_int_eq(daemon_send(context, host_user, OCS_TABLE_OBJECT, &created), 1);
	ck_assert_int_eq(daemon_send(context, host_user, OCS_TABLE_NEWMAIL, &newmail), 1);
	ck_assert_int_eq(daemon_send(context, host_user, OCS_TABLE_NEWMAIL, &later), 1);
	expect_event(session, 1, "newmail", MAIL_1);
	expect_event(session, 1, "created", MAIL_1);
	expect_event(session, 2, "table", MAIL_1);
	expect_event(session, 1, "newmail", MAIL_2);
	expect_nothing(session);
}

static struct ocs_entry entry_of(enum ocs_table table, uint64_t mid)
{
	return table == OCS_TABLE_NEWMAIL ? entry_newmail(INBOX, mid)
	                                  : entry_object(OCSNOTIFY_OBJECT_CREATED, INBOX, mid);
}

/* One into the queue that was just read to its end, a later one where is read next. */
static void send_behind_and_before(void)
{
	enum ocs_table first = session->queues->r.table, second = session->queues->next->r.table;
	struct ocs_entry entry = entry_of(first, MAIL_1);

	ck_assert_int_eq(daemon_send(context, host_user, first, &entry), 1);
	entry = entry_of(second, MAIL_2);
	ck_assert_int_eq(daemon_send(context, host_user, second, &entry), 1);
}

/* 1: the second queue is full, so that the later one goes on its spill list. */
LOOP_TEST(what_comes_while_queues_are_read_keeps_the_order_of_acceptance, 0, 2)
{
	enum ocs_table second;
	struct ocsnotify_event event;

	subscribe(1, OCSNOTIFY_OBJECT_CREATED | OCSNOTIFY_NEWMAIL, 0, 0);
	second = session->queues->next->r.table;
	for (uint64_t i = 0; i < 10 && _i == 1; i++) {
		struct ocs_entry entry = entry_of(second, MAIL_1 + (i + 16) * 0x10000);

		ck_assert_int_eq(daemon_send(context, host_user, second, &entry), 1);
	}
	when_empty = send_behind_and_before;
	for (uint64_t i = 0; i < 10 && _i == 1; i++) {
		ck_assert_int_eq(ocsnotify_next_event(session, &event), 1);
		ck_assert_uint_eq(event.message_id, MAIL_1 + (i + 16) * 0x10000);
	}
	ck_assert_int_eq(ocsnotify_next_event(session, &event), 1);
	ck_assert_uint_eq(event.message_id, MAIL_1);
	ck_assert_int_eq(ocsnotify_next_event(session, &event), 1);
	ck_assert_uint_eq(event.message_id, MAIL_2);
	expect_nothing(session);
}

TEST(a_full_queue_goes_on_in_the_registry_and_nothing_is_lost_or_reordered)
{
	struct ocsnotify_event event;

	subscribe(1, OCSNOTIFY_NEWMAIL, 0, 0);
	for (uint64_t i = 1; i <= 100; i++)
		send_newmail(INBOX, i << 16 | 1, 1);
	for (uint64_t i = 1; i <= 100; i++) {
		ck_assert_int_eq(ocsnotify_next_event(session, &event), 1);
		ck_assert_uint_eq(event.message_id, i << 16 | 1);
		if (i % 10 == 0)
			send_newmail(INBOX, (100 + i / 10) << 16 | 1, 1);
	}
	for (uint64_t i = 101; i <= 110; i++)
		expect_event(session, 1, "newmail", i << 16 | 1);
	expect_nothing(session);
	ck_assert_str_eq(host_warnings, "");
}

TEST(an_unsubscribed_handle_is_silent_at_once)
{
	subscribe(1, OCSNOTIFY_NEWMAIL, INBOX, 0);
	subscribe(2, OCSNOTIFY_NEWMAIL, INBOX, 0);
	send_newmail(INBOX, MAIL_1, 1);
	expect_event(session, 1, "newmail", MAIL_1);
	ck_assert_int_eq(ocsnotify_unsubscribe(session, 2), OCSNOTIFY_OK);
	expect_nothing(session);
	ck_assert_int_eq(ocsnotify_unsubscribe(session, 1), OCSNOTIFY_OK);
	ck_assert_int_eq(host_count_queues(host_user), 0);
	send_newmail(INBOX, MAIL_2, 0);
	expect_nothing(session);
	ck_assert_int_eq(ocsnotify_unsubscribe(session, 1), OCSNOTIFY_E_NOT_FOUND);
}

TEST(the_spill_list_of_an_ended_queue_is_forgotten)
{
	subscribe(1, OCSNOTIFY_NEWMAIL, INBOX, 0);
	for (uint64_t i = 1; i <= 15; i++)
		send_newmail(INBOX, i << 16 | 1, 1);
	ck_assert_uint_eq(spill_total(), 5);
	ck_assert_int_eq(ocsnotify_unsubscribe(session, 1), OCSNOTIFY_OK);
	ck_assert_uint_eq(spill_total(), 0);
}

TEST(parameters_out_of_range_are_refused)
{
	ck_assert_int_eq(ocsnotify_subscribe(session, 0xffffffff, 0, 2, true, 0, 0),
	                 OCSNOTIFY_E_INVALID);
	ck_assert_int_eq(ocsnotify_subscribe(session, 1, 0, 2, false, 0, 0), OCSNOTIFY_E_INVALID);
	ck_assert_int_eq(ocsnotify_subscribe(session, 1, 0, 0x0200, true, 0, 0),
	                 OCSNOTIFY_E_INVALID);
	ck_assert_str_ne(ocsnotify_last_error(context), "");
	ck_assert_int_eq(ocsnotify_subscribe_table(session, 1, 0, (enum ocsnotify_table)9, INBOX),
	                 OCSNOTIFY_E_INVALID);
	ck_assert_int_eq(ocsnotify_subscribe(session, 1, 0, 0x0402, true, 0, 0), OCSNOTIFY_OK);
	ck_assert_int_eq(ocsnotify_subscribe(session, 1, 0, 2, true, 0, 0), OCSNOTIFY_E_EXISTS);
}

TEST(responses_that_do_not_fit_stay_in_order_for_the_next_call)
{
	/* A NewMail response of class IPM.Note is 38 bytes: 2 fit into 100. */
	uint8_t buffer[100];
	struct ocs_ropnotify notify;
	size_t used;
	bool more = true;

	subscribe(9, OCSNOTIFY_NEWMAIL, INBOX, 0);
	for (uint64_t i = 1; i <= 15; i++)
		send_newmail(INBOX, i << 16 | 1, 1);
	ck_assert_int_eq(ocsnotify_drain(session, buffer, 10, &used, &more), OCSNOTIFY_OK);
	ck_assert_uint_eq(used, 0);
	ck_assert(more);
	for (uint64_t i = 1; i <= 15;) {
		ck_assert_int_eq(ocsnotify_drain(session, buffer, sizeof(buffer), &used, &more),
		                 OCSNOTIFY_OK);
		ck_assert_uint_eq(used, i < 15 ? 76 : 38);
		ck_assert_int_eq(more, i + used / 38 <= 15);
		for (size_t at = 0; at < used; at += 38, i++) {
			ck_assert_uint_eq(ocs_ropnotify_decode(buffer + at, used - at, &notify),
			                  38);
			ck_assert_uint_eq(notify.handle, 9);
			ck_assert_uint_eq(notify.mid, i << 16 | 1);
		}
	}
	ck_assert_int_eq(ocsnotify_drain(session, buffer, sizeof(buffer), &used, &more), 0);
	ck_assert_uint_eq(used, 0);
	ck_assert(!more);
}

TEST(a_newmail_becomes_the_published_bytes)
{
	static const uint8_t expected[] = {
	        0x2a, 0x0a, 0x00, 0x00, 0x00, 0x00, 0x02, 0x80, 0x01, 0x00, 0x00, 0x03, 0xb4,
	        0x79, 0xca, 0x47, 0x01, 0x00, 0x00, 0x03, 0xb7, 0xe6, 0x5f, 0xa7, 0x00, 0x00,
	        0x00, 0x00, 0x00, 0x49, 0x50, 0x4d, 0x2e, 0x4e, 0x6f, 0x74, 0x65, 0x00,
	};
	uint8_t buffer[64];
	size_t used;
	bool more;

	subscribe(0x0a, OCSNOTIFY_NEWMAIL, 0, 0);
	send_newmail(0x47ca79b403000001ULL, 0xa75fe6b703000001ULL, 1);
	ck_assert_int_eq(ocsnotify_drain(session, buffer, sizeof(buffer), &used, &more), 0);
	ck_assert_uint_eq(used, sizeof(expected));
	ck_assert_mem_eq(buffer, expected, sizeof(expected));
}

static uint8_t row_bytes[40000];
static uint16_t row_len;

static bool give_row(struct ocsnotify_session *of, const struct ocsnotify_event *event,
                     struct ocsnotify_row *row, void *arg)
{
	(void)of;
	(void)event;
	(void)arg;
	row->instance = 5;
	row->after_folder_id = INBOX;
	row->after_message_id = MAIL_2;
	row->after_instance = 6;
	row->data = row_bytes;
	row->data_len = row_len;
	return row_len != 0;
}

static struct ocs_ropnotify drain_row(void)
{
	static uint8_t buffer[sizeof(row_bytes) + 100];
	struct ocs_ropnotify notify;
	struct ocs_entry row = entry_row(OCSNOTIFY_TABLE_ROW_ADDED, INBOX, MAIL_1);
	size_t used;
	bool more;

	ck_assert_int_eq(daemon_send(context, host_user, OCS_TABLE_CONTENTS, &row), 1);
	ck_assert_int_eq(ocsnotify_drain(session, buffer, sizeof(buffer), &used, &more), 0);
	ck_assert(!more);
	ck_assert_uint_eq(ocs_ropnotify_decode(buffer, used, &notify), used);
	return notify;
}

TEST(an_added_row_is_the_hosts_row_or_a_changed_table)
{
	struct ocs_ropnotify notify;

	ck_assert_int_eq(ocsnotify_subscribe_table(session, 2, 0, OCSNOTIFY_CONTENTS_TABLE, INBOX),
	                 0);
	ck_assert_uint_eq(drain_row().table_event, OCSNOTIFY_TABLE_CHANGED);
	ocsnotify_set_row_provider(session, give_row, NULL);
	row_len = 0;
	ck_assert_uint_eq(drain_row().table_event, OCSNOTIFY_TABLE_CHANGED);
	row_len = 3;
	memcpy(row_bytes, "\0ab", 3);
	notify = drain_row();
	ck_assert_uint_eq(notify.table_event, OCSNOTIFY_TABLE_ROW_ADDED);
	ck_assert_uint_eq(notify.row_mid, MAIL_1);
	ck_assert_uint_eq(notify.row_instance, 5);
	ck_assert_uint_eq(notify.after_mid, MAIL_2);
	ck_assert_uint_eq(notify.row_data_len, 3);
	/* 54 bytes and the row: the largest that fits, and one byte more. */
	row_len = 32 * 1024 - 2 - 54 + 2;
	ck_assert_uint_eq(drain_row().table_event, OCSNOTIFY_TABLE_ROW_ADDED);
	row_len++;
	ck_assert_uint_eq(drain_row().table_event, OCSNOTIFY_TABLE_CHANGED);
}

TEST(a_table_subscription_by_type_hears_of_both_tables)
{
	struct ocs_entry contents = entry_row(OCSNOTIFY_TABLE_ROW_DELETED, INBOX, MAIL_1);
	struct ocs_entry hierarchy = entry_row(OCSNOTIFY_TABLE_ROW_MODIFIED, INBOX, 0);

	subscribe(1, OCSNOTIFY_TABLE_MODIFIED, 0, 0);
	ck_assert_int_eq(host_count_queues(host_user), 2);
	ck_assert_int_eq(daemon_send(context, host_user, OCS_TABLE_CONTENTS, &contents), 1);
	ck_assert_int_eq(daemon_send(context, host_user, OCS_TABLE_HIERARCHY, &hierarchy), 1);
	expect_event(session, 1, "table", MAIL_1);
	expect_event(session, 1, "table", 0);
	expect_nothing(session);
}

TEST(an_entry_that_is_not_valid_is_skipped_with_a_warning)
{
	mqd_t mq;

	subscribe(1, OCSNOTIFY_NEWMAIL, INBOX, 0);
	ck_assert_int_eq(ocs_queue_open_write(session->queues->r.name, &mq), 0);
	ck_assert_int_eq(ocs_queue_send(mq, "garbage", 7), 0);
	ocs_queue_close(mq);
	send_newmail(INBOX, MAIL_1, 1);
	expect_event(session, 1, "newmail", MAIL_1);
	expect_nothing(session);
	ck_assert_ptr_nonnull(strstr(host_warnings, "not valid"));
}

TEST(a_list_that_cannot_be_read_loses_and_doubles_nothing)
{
	struct ocsnotify_event event;
	char away[128];
	int fd;

	subscribe(1, OCSNOTIFY_NEWMAIL, INBOX, 0);
	for (uint64_t i = 1; i <= MANY; i++)
		send_newmail(INBOX, i << 16 | 1, 1);
	snprintf(away, sizeof(away), "%s/away", rig_folder);
	ck_assert_int_eq(rename(rig_path(OCS_SPILL_FOLDER), away), 0);
	fd = open(rig_path(OCS_SPILL_FOLDER), O_WRONLY | O_CREAT, 0600);
	ck_assert_int_ge(fd, 0);
	close(fd);
	for (uint64_t i = 1; i <= 10; i++)
		expect_event(session, 1, "newmail", i << 16 | 1);
	ck_assert_int_eq(ocsnotify_next_event(session, &event), OCSNOTIFY_E_REGISTRY);
	ck_assert_ptr_nonnull(strstr(ocsnotify_last_error(context), "spill list"));
	ck_assert_int_eq(unlink(rig_path(OCS_SPILL_FOLDER)), 0);
	ck_assert_int_eq(rename(away, rig_path(OCS_SPILL_FOLDER)), 0);
	for (uint64_t i = 11; i <= MANY; i++)
		expect_event(session, 1, "newmail", i << 16 | 1);
	expect_nothing(session);
}

static void send_newmails(uint64_t first, uint64_t last)
{
	for (uint64_t i = first; i <= last; i++)
		send_newmail(INBOX, i << 16 | 1, 1);
}

static void expect_newmails(uint64_t first, uint64_t last)
{
	for (uint64_t i = first; i <= last; i++)
		expect_event(session, 1, "newmail", i << 16 | 1);
}

/* While the old one still has something nobody looks whether there is another one. */
TEST(a_list_that_was_removed_and_made_again_is_found_by_the_next_look)
{
	struct ocs_spill_name name = {.folder = rig_folder};

	subscribe(1, OCSNOTIFY_NEWMAIL, INBOX, 0);
	send_newmails(1, 12); /* two more than the kernel's queue takes */
	expect_newmails(1, 12);
	expect_nothing(session);
	ck_assert_int_ge(session->queues->list.fd, 0);
	send_newmails(13, 23);
	name.context = session->queues->r.context;
	name.queue = session->queues->r.id;
	ocs_spill_remove(&name);
	send_newmails(24, 24);
	expect_newmails(13, 23);
	expect_nothing(session);
	context->look_due = 0;
	expect_newmails(24, 24);
	expect_nothing(session);
}

/* Other clients of the user, up to one queue short of the limit. */
static void fill_up_the_user(void)
{
	struct ocs_registry_user *user;

	libocsnotify_lock();
	ck_assert_int_eq(ocs_registry_begin(context->shared->registry, NULL), 0);
	ck_assert_int_eq(
	        ocs_registry_user_get(context->shared->registry, NULL, host_user, &user, NULL), 0);
	user->n_queues = OCS_USER_QUEUES_MAX - 1;
	user->queues = talloc_zero_array(user, struct ocs_registry_queue, user->n_queues);
	for (size_t i = 0; i < user->n_queues; i++)
		user->queues[i] = (struct ocs_registry_queue){
		        .id = i + 1,
		        .session = 1,
		        .context = 1,
		        .spill_only = true,
		        .name = "/ocs.other",
		        .n_matchers = 1,
		        .matchers = {{.types = OCSNOTIFY_OBJECT_COPIED}},
		};
	ck_assert_int_eq(ocs_registry_user_put(context->shared->registry, user, NULL), 0);
	ck_assert_int_eq(ocs_registry_commit(context->shared->registry, false, NULL), 0);
	libocsnotify_unlock();
	talloc_free(user);
}

TEST(a_subscription_that_cannot_be_had_whole_leaves_nothing)
{
	fill_up_the_user();
	ck_assert_int_eq(ocsnotify_subscribe(session, 1, 0,
	                                     OCSNOTIFY_NEWMAIL | OCSNOTIFY_OBJECT_CREATED, true, 0,
	                                     0),
	                 OCSNOTIFY_E_LIMIT);
	ck_assert_int_eq(host_count_queues(host_user), 0);
	ck_assert_int_eq(ocsnotify_unsubscribe(session, 1), OCSNOTIFY_E_NOT_FOUND);
	subscribe(1, OCSNOTIFY_NEWMAIL, 0, 0);
	send_newmail(INBOX, MAIL_1, 1);
	expect_event(session, 1, "newmail", MAIL_1);
}

TEST(an_unsubscription_that_fails_changes_nothing)
{
	subscribe(1, OCSNOTIFY_NEWMAIL | OCSNOTIFY_OBJECT_CREATED, INBOX, 0);
	subscribe(2, OCSNOTIFY_NEWMAIL, INBOX, 0);
	libocsnotify_lock();
	ck_assert_int_eq(ocs_registry_begin(context->shared->registry, NULL), 0);
	libocsnotify_unlock();
	ck_assert_int_eq(ocsnotify_unsubscribe(session, 1), OCSNOTIFY_E_REGISTRY);
	libocsnotify_lock();
	ocs_registry_cancel(context->shared->registry);
	libocsnotify_unlock();
	send_newmail(INBOX, MAIL_1, 1);
	send_object(OCSNOTIFY_OBJECT_CREATED, INBOX, MAIL_1, 1);
	expect_event(session, 1, "newmail", MAIL_1);
	expect_event(session, 2, "newmail", MAIL_1);
	expect_event(session, 1, "created", MAIL_1);
	ck_assert_int_eq(ocsnotify_unsubscribe(session, 1), OCSNOTIFY_OK);
	ck_assert_int_eq(host_count_queues(host_user), 1);
}
