/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Dispatch when the disk fails: the sender is told to repeat, nothing counts as done, no identifier
 * is seen that was not given, and all goes on once the disk does. */
#include "tests/unit/notify/dispatch_rig.h"

#include <sys/resource.h>
#include <tdb.h>

#include "store/fault.h"
#include "store/record.h"

static struct ocs_registry_queue queue;
static mqd_t mq;

static void setup(void)
{
	struct ocs_notification change = dispatch_event(OCS_MODIFIED, "INBOX", NULL);

	dispatch_setup();
	queue = dispatch_queue(1, OCS_TABLE_OBJECT, OCS_FOLDER_STORE, 0x14, 0, &mq);
	dispatch_subscribe(&queue, 1);
	dispatch_start();
	/* The folder and the user's queues are known from now on. */
	ck_assert_int_eq(dispatch_report(&change).status, OCS_STATUS_QUEUED);
}

static void teardown(void)
{
	dispatch_drop(&queue, mq);
	dispatch_teardown();
}

/* Takes all entries out; returns how many are of that kind, the last one's in *entry. */
static int take(uint16_t flags, struct ocs_entry *last)
{
	struct ocs_entry entry;
	int n = 0;

	while (dispatch_receive(mq, &entry) == 1) {
		if (entry.flags != flags)
			continue;
		*last = entry;
		n++;
	}
	return n;
}

static void limit_files(rlim_t size)
{
	struct rlimit limit;

	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &limit);
	limit.rlim_cur = size;
	if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
		abort();
}

/* While no file can be longer than that. check writes to a file too, so nothing is asserted in the
 * meantime. */
static struct ocs_result report_limited(const struct ocs_notification *item, rlim_t size)
{
	struct ocs_result result;

	limit_files(size);
	result = dispatch_report(item);
	limit_files(RLIM_INFINITY);
	return result;
}

static void refused(const struct ocs_result *result)
{
	ck_assert_int_eq(result->status, OCS_STATUS_REFUSED);
	ck_assert_int_eq(result->refusal.code, 503);
	ck_assert_str_eq(result->refusal.name, "REGISTRY_UNAVAILABLE");
}

static void counters_add_up(uint64_t refusals)
{
	struct ocs_dispatch_counters counters;

	ocs_dispatch_counters(dispatch, &counters);
	ck_assert_uint_eq(counters.refused, refusals);
	ck_assert_uint_ge(counters.commit_failures, refusals);
	ck_assert_uint_eq(counters.received, counters.queued + counters.nosubscriber +
	                                             counters.duplicate + counters.refused);
}

/* A record in the message log: its header, state and MID 10, series 8. */
#define RECORD(id) (sizeof(id) - 1 + OCS_RECORD_HEADER + 18)

/* The message log is in the index, and empty. */
static bool is_in_the_index(void *unused)
{
	struct stat st;

	(void)unused;
	return stat(rig_path("private/messages.log"), &st) == 0 && st.st_size == 0;
}

static void wait_for_the_index(void)
{
	ck_assert(rig_wait_for(is_in_the_index, NULL));
}

TESTS_HAVE(.setup = setup, .teardown = teardown);

LOOP_TEST(a_full_disk_refuses_and_the_repetition_comes_through_with_the_same_identifier, 0, 4)
{
	struct ocs_notification mail = dispatch_event(OCS_CREATED, "INBOX", "a message");
	const struct ocs_notification gone = dispatch_event(OCS_DELETED, "INBOX", "never seen");
	struct ocs_entry first = {0}, again = {0};
	rlim_t size = _i % 2 == 0 ? 1 : RECORD("a message") + 3;
	struct ocs_result result;

	/* Its identifier has a whole range reserved: the index is not written from here on. */
	ck_assert_int_eq(dispatch_report(&gone).status, OCS_STATUS_QUEUED);
	take(0x8004, &first);
	wait_for_the_index();
	if (_i >= 2)
		mail.id = "an id";
	/* No room to note the identifier, or room for that and not for what is done. */
	result = report_limited(&mail, size);
	refused(&result);
	ck_assert_int_eq(take(0x8004, &first), _i % 2);
	result = report_limited(&mail, size);
	refused(&result);
	take(0x8004, &again);
	counters_add_up(2);
	ck_assert_int_eq(dispatch_report(&mail).status, OCS_STATUS_QUEUED);
	ck_assert_int_eq(take(0x8004, &again), 1);
	if (_i % 2 == 1)
		ck_assert_uint_eq(again.mid, first.mid);
	mail.category = OCS_NEWMAIL;
	ck_assert_int_eq(dispatch_report(&mail).status, OCS_STATUS_DUPLICATE);
	counters_add_up(2);
	dispatch_stop();
	dispatch_start();
	ck_assert_int_eq(dispatch_report(&mail).status, OCS_STATUS_DUPLICATE);
}

/* ---- a commit of the index that fails ---- */

static struct dispatch_waiter meanwhile = DISPATCH_WAITER;
static struct ocs_notification report_meanwhile;
static bool answered_at_once;

/* Somebody else reports of the same folder in this moment. */
static int fail_once(struct tdb_context *tdb)
{
	ocs_store_tdb_commit = tdb_transaction_commit;
	dispatch_submit(&meanwhile, &report_meanwhile);
	pthread_mutex_lock(&meanwhile.lock);
	answered_at_once = meanwhile.done;
	pthread_mutex_unlock(&meanwhile.lock);
	tdb_transaction_cancel(tdb);
	return -1;
}

static uint64_t fid_of(const char *name)
{
	struct ocs_index_folder folder;

	ck_assert_ok(ocs_index_folder(dispatch_index,
	                              &(struct ocs_folder_name){"jdoe", "sogo", "jdoe", name},
	                              false, &folder, &rig_error));
	return folder.fid;
}

LOOP_TEST(no_identifier_is_seen_before_its_commit, 0, 2)
{
	struct ocs_notification change = dispatch_event(OCS_MODIFIED, "Fresh", NULL),
	                        other = dispatch_event(OCS_MODIFIED, "Other", NULL);
	struct ocs_entry fresh = {0}, entry = {0};
	struct ocs_result result;

	report_meanwhile = change;
	if (_i == 1) {
		change.has_uid_validity = true;
		change.uid_validity = 7;
	}
	take(0, &entry);
	ocs_store_tdb_commit = fail_once;
	result = dispatch_report(&change);
	refused(&result);
	ck_assert(!answered_at_once);
	ck_assert_int_eq(dispatch_wait(&meanwhile).status, OCS_STATUS_QUEUED);
	ck_assert_int_eq(take(0x0010, &fresh), 1);
	ck_assert_int_eq(dispatch_report(&other).status, OCS_STATUS_QUEUED);
	ck_assert_int_eq(take(0x0010, &entry), 1);
	ck_assert_uint_ne(entry.fid, fresh.fid);
	dispatch_stop();
	dispatch_open();
	ck_assert_uint_eq(fid_of("Fresh"), fresh.fid);
	ck_assert_uint_eq(fid_of("Other"), entry.fid);
}

TEST(a_rename_of_inbox_that_was_refused_and_comes_again_moves_once)
{
	struct ocs_notification mail = dispatch_event(OCS_NEWMAIL, "INBOX", "1"),
	                        moved = dispatch_event(OCS_MOVED, "old mail", NULL);
	struct ocs_result r;
	dispatch_report(&mail);
	moved.old_folder = "INBOX";
	moved.id = "x";
	r = report_limited(&moved, 1);
	refused(&r);
	ck_assert_int_ne(dispatch_report(&moved).status, OCS_STATUS_REFUSED);
	mail.folder = "old mail";
	ck_assert_int_eq(dispatch_report(&mail).status, OCS_STATUS_DUPLICATE);
}
