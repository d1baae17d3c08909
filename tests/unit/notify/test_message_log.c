/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The message log: what is known of a message is one truth, in the journal first and in the index
 * later, whoever is killed in between. */
#include "tests/unit/rig.h"

#include <sys/resource.h>

#include "notify/message_log.h"

static struct ocs_index *idx;
static struct ocs_message_log *message_log;
static struct ocs_journal_damage damage;
static uint64_t series, mids; /* of INBOX; the first of a hundred */

static void open_all(void)
{
	memset(&damage, 0, sizeof(damage));
	ck_assert_ok(ocs_index_open(rig_folder, 1, true, &idx, &rig_error));
	ck_assert_ok(ocs_message_log_open(rig_folder, idx, &message_log, &damage, &rig_error));
}

static void close_all(void)
{
	ocs_message_log_close(message_log);
	ocs_index_close(idx);
}

static void setup(void)
{
	struct ocs_index_folder inbox;

	rig_make_folder();
	open_all();
	ck_assert_ok(ocs_index_begin(idx, &rig_error));
	ck_assert_ok(ocs_index_folder(idx,
	                              &(struct ocs_folder_name){"jdoe", "sogo", "jdoe", "INBOX"},
	                              true, &inbox, &rig_error));
	ck_assert_ok(ocs_index_reserve(idx, 100, &mids, &rig_error));
	ck_assert_ok(ocs_index_commit(idx, &rig_error));
	series = inbox.series;
}

static void teardown(void)
{
	close_all();
	rig_remove_folder();
}

/* As a killed process leaves it: nothing more is written. */
static void kill_after(void (*fn)(void))
{
	int status;
	pid_t pid;

	close_all();
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		open_all();
		fn();
		kill(getpid(), SIGKILL);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(WIFSIGNALED(status) ? WTERMSIG(status) : -1, SIGKILL);
	open_all();
}

static uint64_t mid_at(unsigned n)
{
	uint64_t mid = mids;

	while (n-- > 0)
		mid = ocs_index_id_next(mid);
	return mid;
}

static void put(const char *id, unsigned n, bool announced)
{
	struct ocs_index_message message = {.mid = mid_at(n), .announced = announced};

	ck_assert_ok(ocs_message_log_put(message_log, series, id, &message, &rig_error));
}

static void assign(const char *id, unsigned n)
{
	struct ocs_index_message message = {.mid = mid_at(n)};

	ck_assert_ok(ocs_message_log_assign(message_log, series, id, &message, false, &rig_error));
}

static void forget(const char *id)
{
	ck_assert_ok(ocs_message_log_delete(message_log, series, id, &rig_error));
}

static void flush(void)
{
	ck_assert_ok(ocs_message_log_flush(message_log, true, &rig_error));
}

static void apply(void)
{
	ck_assert_ok(ocs_message_log_apply(message_log, &rig_error));
}

static const char *text_of(int ret, const struct ocs_index_message *message)
{
	static char text[32];

	if (ret == OCS_STORE_MISSING)
		return "-";
	ck_assert_int_eq(ret, OCS_STORE_OK);
	for (unsigned n = 0; n < 100; n++)
		if (mid_at(n) == message->mid)
			snprintf(text, sizeof(text), "%u%s", n, message->announced ? "!" : "");
	return text;
}

/* "7!": the identifier number 7, announced; "7": not announced; "-": not recorded. */
static const char *known(const char *id)
{
	struct ocs_index_message message = {0};

	return text_of(ocs_message_log_get(message_log, series, id, &message, &rig_error),
	               &message);
}

static const char *indexed(const char *id)
{
	struct ocs_index_message message = {0};

	return text_of(ocs_index_message(idx, series, id, &message, &rig_error), &message);
}

static uint64_t assigned(const char *id)
{
	return ocs_message_log_assigned(message_log, series, id, 0);
}

TESTS_HAVE(.setup = setup, .teardown = teardown, .timeout = 60);

TEST(what_is_put_is_known_at_once_and_in_the_index_after_apply)
{
	put("1", 1, true);
	put("2", 2, false);
	ck_assert_str_eq(known("1"), "1!");
	ck_assert_str_eq(known("2"), "2");
	ck_assert_str_eq(known("3"), "-");
	ck_assert_str_eq(indexed("1"), "-");
	ck_assert_uint_eq(ocs_message_log_waiting(message_log), 2);
	put("2", 2, true);
	ck_assert_uint_eq(ocs_message_log_waiting(message_log), 2);
	flush();
	apply();
	ck_assert_uint_eq(ocs_message_log_waiting(message_log), 0);
	ck_assert_str_eq(indexed("1"), "1!");
	ck_assert_str_eq(indexed("2"), "2!");
	ck_assert_str_eq(known("1"), "1!");
	ck_assert_str_eq(known("2"), "2!");
}

TEST(the_journal_wins_over_the_index_and_then_they_agree)
{
	put("gone", 1, true);
	put("changed", 2, false);
	put("stays", 3, true);
	flush();
	apply();
	forget("gone");
	put("changed", 2, true);
	ck_assert_str_eq(known("gone"), "-");
	ck_assert_str_eq(known("changed"), "2!");
	ck_assert_str_eq(known("stays"), "3!");
	ck_assert_str_eq(indexed("gone"), "1!");
	flush();
	apply();
	for (int i = 0; i < 2; i++) {
		ck_assert_str_eq(indexed("gone"), "-");
		ck_assert_str_eq(indexed("changed"), "2!");
		ck_assert_str_eq(indexed("stays"), "3!");
		ck_assert_str_eq(known("gone"), "-");
		close_all();
		open_all();
	}
}

TEST(a_message_of_another_series_is_another_message)
{
	struct ocs_index_message message;

	put("1", 1, true);
	ck_assert_int_eq(ocs_message_log_get(message_log, series + 1, "1", &message, &rig_error),
	                 OCS_STORE_MISSING);
	ck_assert_uint_eq(ocs_message_log_assigned(message_log, series + 1, "1", 0), 0);
}

TEST(what_is_only_assigned_is_not_recorded_and_keeps_its_identifier)
{
	assign("1", 5);
	ck_assert_str_eq(known("1"), "-");
	ck_assert_uint_eq(assigned("1"), mid_at(5));
	ck_assert_uint_eq(assigned("2"), 0);
	ck_assert_uint_eq(ocs_message_log_waiting(message_log), 0);
	put("2", 6, true);
	flush();
	/* Through an apply and two restarts, which leave it alone in the journal. */
	for (int i = 0; i < 2; i++) {
		apply();
		ck_assert_uint_eq(assigned("1"), mid_at(5));
		ck_assert_str_eq(known("1"), "-");
		ck_assert_str_eq(indexed("1"), "-");
		close_all();
		open_all();
	}
	put("1", 5, true);
	ck_assert_uint_eq(assigned("1"), 0);
	ck_assert_str_eq(known("1"), "5!");
	flush();
	apply();
	ck_assert_str_eq(indexed("1"), "5!");
}

LOOP_TEST(a_deleted_message_that_is_assigned_anew_loses_its_old_registration, 0, 2)
{
	put("1", 1, true);
	flush();
	apply();
	forget("1");
	assign("1", 2);
	flush();
	ck_assert_str_eq(known("1"), "-");
	ck_assert_uint_eq(assigned("1"), mid_at(2));
	ck_assert_uint_eq(ocs_message_log_waiting(message_log), 1);
	if (_i == 1) {
		close_all();
		open_all();
	} else {
		apply();
	}
	ck_assert_str_eq(indexed("1"), "-");
	ck_assert_str_eq(known("1"), "-");
	ck_assert_uint_eq(assigned("1"), mid_at(2));
	ck_assert_uint_eq(ocs_message_log_waiting(message_log), 0);
}

/* ---- sudden death ---- */

static void some_of_all(void)
{
	put("put", 1, true);
	assign("assigned", 2);
	flush();
	put("never written", 3, true);
}

TEST(killed_before_apply_the_next_start_applies_what_was_written)
{
	kill_after(some_of_all);
	ck_assert_uint_eq(damage.cut + damage.skipped, 0);
	ck_assert_str_eq(indexed("put"), "1!");
	ck_assert_str_eq(known("put"), "1!");
	ck_assert_uint_eq(assigned("assigned"), mid_at(2));
	ck_assert_str_eq(known("never written"), "-");
	ck_assert_uint_eq(ocs_message_log_waiting(message_log), 0);
}

static void apply_and_keep_the_journal(void)
{
	put("put", 1, true);
	put("changed", 2, true);
	forget("gone");
	flush();
	/* The new journal cannot be made: as if killed after the index's commit. */
	if (mkdir(rig_path("messages.log.new"), 0700) != 0 ||
	    ocs_message_log_apply(message_log, NULL) == 0)
		_exit(1);
	if (ocs_message_log_waiting(message_log) != 3 || rmdir(rig_path("messages.log.new")) != 0)
		_exit(2);
}

TEST(killed_between_index_and_journal_the_same_is_applied_once_more)
{
	put("gone", 9, true);
	put("changed", 2, false);
	flush();
	apply();
	kill_after(apply_and_keep_the_journal);
	for (int i = 0; i < 2; i++) {
		ck_assert_str_eq(indexed("put"), "1!");
		ck_assert_str_eq(indexed("changed"), "2!");
		ck_assert_str_eq(indexed("gone"), "-");
		ck_assert_str_eq(known("gone"), "-");
		close_all();
		open_all();
	}
}

/* ---- failures ---- */

TEST(revert_goes_back_to_what_is_in_the_file)
{
	put("written", 1, true);
	assign("assigned", 2);
	flush();
	put("written", 1, false);
	put("not written", 3, true);
	forget("assigned");
	ocs_message_log_revert(message_log);
	ck_assert_str_eq(known("written"), "1!");
	ck_assert_str_eq(known("not written"), "-");
	ck_assert_uint_eq(assigned("assigned"), mid_at(2));
	ck_assert_uint_eq(ocs_message_log_waiting(message_log), 1);
	flush();
	put("after", 4, true);
	flush();
	close_all();
	open_all();
	ck_assert_str_eq(indexed("written"), "1!");
	ck_assert_str_eq(indexed("not written"), "-");
	ck_assert_str_eq(indexed("after"), "4!");
}

TEST(a_failed_flush_and_revert_leave_what_was_there_and_go_on)
{
	struct rlimit limit;
	int ret;

	put("1", 1, true);
	flush();
	put("2", 2, true);
	put("3", 3, true);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &limit);
	limit.rlim_cur = 60;
	/* Nothing is asserted in the meantime: check writes to a file too. */
	if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
		abort();
	ret = ocs_message_log_flush(message_log, true, &rig_error);
	ocs_message_log_revert(message_log);
	limit.rlim_cur = RLIM_INFINITY;
	if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
		abort();
	ck_assert_int_eq(ret, -1);
	ck_assert_str_eq(known("1"), "1!");
	ck_assert_str_eq(known("2"), "-");
	put("4", 4, true);
	flush();
	close_all();
	open_all();
	ck_assert_str_eq(indexed("1"), "1!");
	ck_assert_str_eq(indexed("2"), "-");
	ck_assert_str_eq(indexed("4"), "4!");
}

TEST(a_revert_that_cannot_read_loses_nothing)
{
	char log[256], away[256];
	struct ocs_index_message message;

	snprintf(log, sizeof(log), "%s", rig_path("messages.log"));
	snprintf(away, sizeof(away), "%s", rig_path("away"));
	put("1", 1, true);
	flush();
	ck_assert_int_eq(rename(log, away), 0);
	ck_assert_int_eq(mkdir(log, 0700), 0); /* cannot be opened */
	ocs_message_log_revert(message_log);
	/* Neither known nor unknown, and nothing is thrown away. */
	ck_assert_int_eq(ocs_message_log_get(message_log, series, "1", &message, &rig_error),
	                 OCS_STORE_ERROR);
	apply();
	ck_assert_int_eq(rmdir(log), 0);
	ck_assert_int_eq(rename(away, log), 0);
	ck_assert_str_eq(known("1"), "1!");
	apply();
	ck_assert_str_eq(indexed("1"), "1!");
}

/* Which mail it is goes the same ways as its identifier. */
static uint64_t content_of(const char *id, bool in_index)
{
	struct ocs_index_message message = {.content = 99};
	int ret = in_index ? ocs_index_message(idx, series, id, &message, &rig_error)
	                   : ocs_message_log_get(message_log, series, id, &message, &rig_error);

	ck_assert_int_eq(ret, OCS_STORE_OK);
	return message.content;
}

static void put_mail(const char *id, unsigned n, uint64_t content)
{
	struct ocs_index_message message = {
	        .mid = mid_at(n), .announced = true, .content = content};

	ck_assert_ok(ocs_message_log_put(message_log, series, id, &message, &rig_error));
}

TEST(which_mail_it_is_reaches_the_index_and_survives)
{
	put("old", 1, true);
	put_mail("new", 2, 0x1122334455667788);
	flush();
	ocs_message_log_revert(message_log); /* read back from the journal */
	for (int i = 0; i < 2; i++) {
		ck_assert_str_eq(known("old"), "1!");
		ck_assert_str_eq(known("new"), "2!");
		ck_assert(content_of("old", false) == 0);
		ck_assert(content_of("new", false) == 0x1122334455667788);
		apply();
	}
	ck_assert(content_of("old", true) == 0);
	ck_assert(content_of("new", true) == 0x1122334455667788);
	put("new", 3, true); /* a shorter record over a longer one */
	flush();
	apply();
	ck_assert(content_of("new", true) == 0);
}

TEST(an_assigned_mail_is_not_another_one_and_ends_what_was_recorded)
{
	struct ocs_index_message message = {.mid = mid_at(2), .content = 7};

	put_mail("1", 1, 6);
	flush();
	apply();
	ck_assert_ok(ocs_message_log_assign(message_log, series, "1", &message, true, &rig_error));
	flush();
	for (int i = 0; i < 2; i++) {
		ck_assert_str_eq(known("1"), "-");
		ck_assert_uint_eq(ocs_message_log_assigned(message_log, series, "1", 0), mid_at(2));
		ck_assert_uint_eq(ocs_message_log_assigned(message_log, series, "1", 7), mid_at(2));
		ck_assert_uint_eq(ocs_message_log_assigned(message_log, series, "1", 8), 0);
		if (i == 0)
			ocs_message_log_revert(message_log);
	}
	apply();
	ck_assert_str_eq(indexed("1"), "-");
	ck_assert_uint_eq(ocs_message_log_assigned(message_log, series, "1", 7), mid_at(2));
	close_all();
	open_all();
	ck_assert_uint_eq(ocs_message_log_assigned(message_log, series, "1", 8), 0);
	ck_assert_uint_eq(ocs_message_log_assigned(message_log, series, "1", 7), mid_at(2));
}

TEST(a_damaged_record_costs_that_message_alone)
{
	put("first message", 1, true);
	put("second message", 2, true);
	put("third message", 3, true);
	flush();
	rig_flip(rig_path("messages.log"), "second message", 14);
	ocs_message_log_revert(message_log);
	ck_assert_str_eq(known("first message"), "1!");
	ck_assert_str_eq(known("second message"), "-");
	ck_assert_str_eq(known("third message"), "3!");
}
