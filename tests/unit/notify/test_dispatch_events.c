/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Dispatch end to end: who hears what of messages that come, move, change and go. */
#include "tests/unit/notify/dispatch_rig.h"

static void stop_and_find(const char *folder, const char *message, struct ocs_index_folder *f,
                          uint64_t *mid)
{
	struct ocs_index_message m = {0};

	dispatch_stop();
	dispatch_open();
	ck_assert_ok(ocs_index_folder(dispatch_index,
	                              &(struct ocs_folder_name){"jdoe", "sogo", "jdoe", folder},
	                              false, f, &rig_error));
	if (message != NULL)
		ck_assert_ok(ocs_index_message(dispatch_index, f->series, message, &m, &rig_error));
	if (mid != NULL)
		*mid = m.mid;
	dispatch_close();
}

static enum ocs_status report(enum ocs_category category, const char *folder, const char *id)
{
	struct ocs_notification item = dispatch_event(category, folder, id);

	return dispatch_report(&item).status;
}

TESTS_HAVE(.setup = dispatch_setup, .teardown = dispatch_teardown);

TEST(each_session_hears_of_everything_on_its_own_queue)
{
	struct ocs_registry_queue queues[2];
	struct ocs_notification mail = dispatch_event(OCS_NEWMAIL, "INBOX", "1");
	struct ocs_entry a, b;
	mqd_t mq[2];

	for (int i = 0; i < 2; i++)
		queues[i] = dispatch_queue((uint64_t)i + 1, OCS_TABLE_NEWMAIL, OCS_FOLDER_STORE,
		                           0x02, 0, &mq[i]);
	dispatch_subscribe(queues, 2);
	dispatch_start();
	ck_assert_uint_eq(dispatch_report(&mail).queues, 2);
	ck_assert_int_eq(dispatch_receive(mq[0], &a), 1);
	ck_assert_int_eq(dispatch_receive(mq[1], &b), 1);
	ck_assert_mem_eq(&a, &b, sizeof(a));
	for (int i = 0; i < 2; i++)
		dispatch_drop(&queues[i], mq[i]);
}

TEST(a_message_subscription_hears_of_that_message_only)
{
	struct ocs_registry_queue queue;
	struct ocs_index_folder inbox;
	struct ocs_entry entry;
	uint64_t mid;
	mqd_t mq;

	dispatch_start();
	report(OCS_NEWMAIL, "INBOX", "1");
	report(OCS_NEWMAIL, "INBOX", "2");
	stop_and_find("INBOX", "1", &inbox, &mid);
	queue = dispatch_queue(1, OCS_TABLE_OBJECT, inbox.fid, 0x7c, mid, &mq);
	dispatch_subscribe(&queue, 1);
	dispatch_start();
	ck_assert_int_eq(report(OCS_MODIFIED, "INBOX", "2"), OCS_STATUS_NOSUBSCRIBER);
	ck_assert_int_eq(report(OCS_MODIFIED, "INBOX", "1"), OCS_STATUS_QUEUED);
	ck_assert_int_eq(report(OCS_MODIFIED, "INBOX", "1"), OCS_STATUS_QUEUED);
	ck_assert_int_eq(report(OCS_MODIFIED, "Other", "1"), OCS_STATUS_NOSUBSCRIBER);
	ck_assert_int_eq(report(OCS_DELETED, "INBOX", "1"), OCS_STATUS_QUEUED);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(dispatch_receive(mq, &entry), 1);
		ck_assert_uint_eq(entry.mid, mid);
		ck_assert_uint_eq(entry.flags, i < 2 ? 0x8010 : 0x8008);
	}
	ck_assert_int_eq(dispatch_receive(mq, &entry), 0);
	/* Gone: the next one of that name is another message. */
	ck_assert_int_eq(report(OCS_NEWMAIL, "INBOX", "1"), OCS_STATUS_NOSUBSCRIBER);
	dispatch_drop(&queue, mq);
}

TEST(a_move_takes_the_message_out_of_one_folder_and_a_copy_leaves_it)
{
	struct ocs_notification move = dispatch_event(OCS_MOVED, "Trash", "9"),
	                        copy = dispatch_event(OCS_COPIED, "Trash", "10");
	struct ocs_registry_queue queue;
	struct ocs_index_folder inbox;
	struct ocs_entry entry;
	uint64_t one, two;
	mqd_t mq;

	dispatch_start();
	report(OCS_NEWMAIL, "INBOX", "1");
	report(OCS_NEWMAIL, "INBOX", "2");
	stop_and_find("INBOX", "1", &inbox, &one);
	dispatch_start();
	stop_and_find("INBOX", "2", &inbox, &two);
	queue = dispatch_queue(1, OCS_TABLE_OBJECT, OCS_FOLDER_STORE, 0x60, 0, &mq);
	dispatch_subscribe(&queue, 1);
	dispatch_start();
	move.old_folder = copy.old_folder = "INBOX";
	move.old_message_id = "1";
	copy.old_message_id = "2";
	ck_assert_int_eq(dispatch_report(&move).status, OCS_STATUS_QUEUED);
	ck_assert_int_eq(dispatch_receive(mq, &entry), 1);
	ck_assert_uint_eq(entry.flags, 0x8020);
	ck_assert_uint_eq(entry.old_fid, inbox.fid);
	ck_assert_uint_eq(entry.old_mid, one);
	ck_assert_uint_ne(entry.mid, one);
	ck_assert_int_eq(dispatch_report(&copy).status, OCS_STATUS_QUEUED);
	ck_assert_int_eq(dispatch_receive(mq, &entry), 1);
	ck_assert_uint_eq(entry.flags, 0x8040);
	ck_assert_uint_eq(entry.old_mid, two);
	/* What moved away is new mail again if it is reported; what was copied is still known. */
	ck_assert_int_eq(report(OCS_NEWMAIL, "INBOX", "2"), OCS_STATUS_DUPLICATE);
	ck_assert_int_eq(report(OCS_NEWMAIL, "INBOX", "1"), OCS_STATUS_NOSUBSCRIBER);
	ck_assert_int_eq(report(OCS_NEWMAIL, "Trash", "9"), OCS_STATUS_DUPLICATE);
	dispatch_drop(&queue, mq);
}

TEST(a_new_uid_validity_makes_the_same_message_id_another_message)
{
	struct ocs_notification mail = dispatch_event(OCS_NEWMAIL, "INBOX", "1");
	struct ocs_registry_queue queue;
	struct ocs_entry first, second;
	mqd_t mq;

	queue = dispatch_queue(1, OCS_TABLE_NEWMAIL, OCS_FOLDER_STORE, 0x02, 0, &mq);
	dispatch_subscribe(&queue, 1);
	dispatch_start();
	mail.has_uid_validity = true;
	mail.uid_validity = 5;
	ck_assert_int_eq(dispatch_report(&mail).status, OCS_STATUS_QUEUED);
	ck_assert_int_eq(dispatch_report(&mail).status, OCS_STATUS_DUPLICATE);
	mail.uid_validity = 6;
	ck_assert_int_eq(dispatch_report(&mail).status, OCS_STATUS_QUEUED);
	ck_assert_int_eq(dispatch_receive(mq, &first), 1);
	ck_assert_int_eq(dispatch_receive(mq, &second), 1);
	ck_assert_uint_eq(first.fid, second.fid);
	ck_assert_uint_ne(first.mid, second.mid);
	dispatch_drop(&queue, mq);
}

TEST(a_deleted_folder_starts_afresh)
{
	struct ocs_registry_queue queue;
	struct ocs_entry made, gone, again;
	mqd_t mq;

	queue = dispatch_queue(1, OCS_TABLE_OBJECT, OCS_FOLDER_STORE, 0x0c, 0, &mq);
	dispatch_subscribe(&queue, 1);
	dispatch_start();
	report(OCS_CREATED, "a/b", NULL);
	report(OCS_DELETED, "a/b", NULL);
	report(OCS_CREATED, "a/b", NULL);
	ck_assert_int_eq(dispatch_receive(mq, &made), 1);
	ck_assert_int_eq(dispatch_receive(mq, &gone), 1);
	ck_assert_int_eq(dispatch_receive(mq, &again), 1);
	ck_assert_uint_eq(made.flags, 0x0004);
	ck_assert_uint_eq(gone.flags, 0x0008);
	ck_assert_uint_eq(made.fid, gone.fid);
	ck_assert_uint_ne(made.fid, again.fid);
	ck_assert_uint_eq(made.parent_fid, again.parent_fid);
	dispatch_drop(&queue, mq);
}

TEST(sequence_and_identifiers_go_on_after_a_restart)
{
	struct ocs_registry_queue queue;
	struct ocs_entry entry;
	uint64_t last = 0, mids[6];
	char id[16];
	mqd_t mq;

	queue = dispatch_queue(1, OCS_TABLE_NEWMAIL, OCS_FOLDER_STORE, 0x02, 0, &mq);
	dispatch_subscribe(&queue, 1);
	for (int i = 0; i < 6; i++) {
		dispatch_start();
		snprintf(id, sizeof(id), "%d", i);
		ck_assert_int_eq(report(OCS_NEWMAIL, "INBOX", id), OCS_STATUS_QUEUED);
		if (i > 0)
			ck_assert_int_eq(report(OCS_NEWMAIL, "INBOX", "0"), OCS_STATUS_DUPLICATE);
		ck_assert_int_eq(dispatch_receive(mq, &entry), 1);
		ck_assert_uint_gt(entry.sequence, last);
		last = entry.sequence;
		mids[i] = entry.mid;
		for (int j = 0; j < i; j++)
			ck_assert_uint_ne(mids[i], mids[j]);
		dispatch_stop();
	}
	dispatch_drop(&queue, mq);
}
