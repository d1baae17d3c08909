/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The message log: what is known of a message is one truth, in the journal first and in the index
 * later, whoever is killed in between. */
#include "tests/unit/notify/message_log_rig.h"

#include "mapistore/index_layer.h"

#include <sys/resource.h>

TESTS_HAVE(.setup = log_setup, .teardown = log_teardown);

TEST(what_is_put_is_known_at_once_and_in_the_index_after_apply)
{
	log_put("1", 1, true);
	log_put("2", 2, false);
	ck_assert_str_eq(log_known("1"), "1!");
	ck_assert_str_eq(log_known("2"), "2");
	ck_assert_str_eq(log_known("3"), "-");
	ck_assert_str_eq(log_indexed("1"), "-");
	ck_assert_uint_eq(ocs_message_log_waiting(message_log), 2);
	log_put("2", 2, true);
	ck_assert_uint_eq(ocs_message_log_waiting(message_log), 2);
	log_flush();
	log_apply();
	ck_assert_uint_eq(ocs_message_log_waiting(message_log), 0);
	ck_assert_str_eq(log_indexed("1"), "1!");
	ck_assert_str_eq(log_indexed("2"), "2!");
	ck_assert_str_eq(log_known("1"), "1!");
	ck_assert_str_eq(log_known("2"), "2!");
}

TEST(the_journal_wins_over_the_index_and_then_they_agree)
{
	log_put("gone", 1, true);
	log_put("changed", 2, false);
	log_put("stays", 3, true);
	log_flush();
	log_apply();
	log_forget("gone");
	log_put("changed", 2, true);
	ck_assert_str_eq(log_known("gone"), "-");
	ck_assert_str_eq(log_known("changed"), "2!");
	ck_assert_str_eq(log_known("stays"), "3!");
	ck_assert_str_eq(log_indexed("gone"), "1!");
	log_flush();
	log_apply();
	for (int i = 0; i < 2; i++) {
		ck_assert_str_eq(log_indexed("gone"), "-");
		ck_assert_str_eq(log_indexed("changed"), "2!");
		ck_assert_str_eq(log_indexed("stays"), "3!");
		ck_assert_str_eq(log_known("gone"), "-");
		log_close_all();
		log_open_all();
	}
}

TEST(a_message_of_another_series_is_another_message)
{
	struct ocs_index_message message;

	log_put("1", 1, true);
	ck_assert_int_eq(
	        ocs_message_log_get(message_log, log_series + 1, "1", &message, &rig_error),
	        OCS_STORE_MISSING);
	ck_assert_uint_eq(ocs_message_log_assigned(message_log, log_series + 1, "1", 0), 0);
}

TEST(what_is_only_assigned_is_not_recorded_and_keeps_its_identifier)
{
	log_assign("1", 5);
	ck_assert_str_eq(log_known("1"), "-");
	ck_assert_uint_eq(log_assigned("1"), log_mid_at(5));
	ck_assert_uint_eq(log_assigned("2"), 0);
	ck_assert_uint_eq(ocs_message_log_waiting(message_log), 0);
	log_put("2", 6, true);
	log_flush();
	/* Through an apply and two restarts, which leave it alone in the journal. */
	for (int i = 0; i < 2; i++) {
		log_apply();
		ck_assert_uint_eq(log_assigned("1"), log_mid_at(5));
		ck_assert_str_eq(log_known("1"), "-");
		ck_assert_str_eq(log_indexed("1"), "-");
		log_close_all();
		log_open_all();
	}
	log_put("1", 5, true);
	ck_assert_uint_eq(log_assigned("1"), 0);
	ck_assert_str_eq(log_known("1"), "5!");
	log_flush();
	log_apply();
	ck_assert_str_eq(log_indexed("1"), "5!");
}

LOOP_TEST(a_deleted_message_that_is_assigned_anew_loses_its_old_registration, 0, 2)
{
	log_put("1", 1, true);
	log_flush();
	log_apply();
	log_forget("1");
	log_assign("1", 2);
	log_flush();
	ck_assert_str_eq(log_known("1"), "-");
	ck_assert_uint_eq(log_assigned("1"), log_mid_at(2));
	ck_assert_uint_eq(ocs_message_log_waiting(message_log), 1);
	if (_i == 1) {
		log_close_all();
		log_open_all();
	} else {
		log_apply();
	}
	ck_assert_str_eq(log_indexed("1"), "-");
	ck_assert_str_eq(log_known("1"), "-");
	ck_assert_uint_eq(log_assigned("1"), log_mid_at(2));
	ck_assert_uint_eq(ocs_message_log_waiting(message_log), 0);
}

LOOP_TEST(a_message_that_comes_and_goes_before_the_index_hears_leaves_none_there, 0, 4)
{
	log_put("1", 1, true);
	log_flush();
	log_apply();
	if ((_i & 1) == 0)
		log_forget("1");
	log_put("1", 2, true);
	log_flush();
	ck_assert_ok(
	        ocs_message_log_delete(message_log, log_series, "1", log_mid_at(2), &rig_error));
	log_flush();
	ck_assert_str_eq(log_known("1"), "-");
	if ((_i & 2) != 0) {
		log_close_all();
		log_open_all();
	} else {
		log_apply();
	}
	ck_assert_str_eq(log_indexed("1"), "-");
	ck_assert_str_eq(log_known("1"), "-");
}

/* ---- sudden death ---- */

static void some_of_all(void)
{
	log_put("put", 1, true);
	log_assign("assigned", 2);
	log_flush();
	log_put("never written", 3, true);
}

TEST(killed_before_apply_the_next_start_applies_what_was_written)
{
	log_kill_after(some_of_all);
	ck_assert_uint_eq(log_damage.cut + log_damage.skipped, 0);
	ck_assert_str_eq(log_indexed("put"), "1!");
	ck_assert_str_eq(log_known("put"), "1!");
	ck_assert_uint_eq(log_assigned("assigned"), log_mid_at(2));
	ck_assert_str_eq(log_known("never written"), "-");
	ck_assert_uint_eq(ocs_message_log_waiting(message_log), 0);
}

static void apply_and_keep_the_journal(void)
{
	log_put("put", 1, true);
	log_put("changed", 2, true);
	log_forget("gone");
	log_flush();
	/* The new journal cannot be made: as if killed after the index's commit. */
	if (mkdir(rig_path("messages.log.new"), 0700) != 0 ||
	    ocs_message_log_apply(message_log, NULL) == 0)
		_exit(1);
	if (ocs_message_log_waiting(message_log) != 3 || rmdir(rig_path("messages.log.new")) != 0)
		_exit(2);
}

TEST(killed_between_index_and_journal_the_same_is_applied_once_more)
{
	log_put("gone", 9, true);
	log_put("changed", 2, false);
	log_flush();
	log_apply();
	log_kill_after(apply_and_keep_the_journal);
	for (int i = 0; i < 2; i++) {
		ck_assert_str_eq(log_indexed("put"), "1!");
		ck_assert_str_eq(log_indexed("changed"), "2!");
		ck_assert_str_eq(log_indexed("gone"), "-");
		ck_assert_str_eq(log_known("gone"), "-");
		log_close_all();
		log_open_all();
	}
}

/* ---- failures ---- */

TEST(revert_goes_back_to_what_is_in_the_file)
{
	log_put("written", 1, true);
	log_assign("assigned", 2);
	log_flush();
	log_put("written", 1, false);
	log_put("not written", 3, true);
	log_forget("assigned");
	ocs_message_log_revert(message_log);
	ck_assert_str_eq(log_known("written"), "1!");
	ck_assert_str_eq(log_known("not written"), "-");
	ck_assert_uint_eq(log_assigned("assigned"), log_mid_at(2));
	ck_assert_uint_eq(ocs_message_log_waiting(message_log), 1);
	log_flush();
	log_put("after", 4, true);
	log_flush();
	log_close_all();
	log_open_all();
	ck_assert_str_eq(log_indexed("written"), "1!");
	ck_assert_str_eq(log_indexed("not written"), "-");
	ck_assert_str_eq(log_indexed("after"), "4!");
}

TEST(a_failed_flush_and_revert_leave_what_was_there_and_go_on)
{
	struct rlimit limit;
	int ret;

	log_put("1", 1, true);
	log_flush();
	log_put("2", 2, true);
	log_put("3", 3, true);
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
	ck_assert_str_eq(log_known("1"), "1!");
	ck_assert_str_eq(log_known("2"), "-");
	log_put("4", 4, true);
	log_flush();
	log_close_all();
	log_open_all();
	ck_assert_str_eq(log_indexed("1"), "1!");
	ck_assert_str_eq(log_indexed("2"), "-");
	ck_assert_str_eq(log_indexed("4"), "4!");
}

TEST(a_revert_that_cannot_read_loses_nothing)
{
	char log[256], away[256];
	struct ocs_index_message message;

	snprintf(log, sizeof(log), "%s", rig_path("messages.log"));
	snprintf(away, sizeof(away), "%s", rig_path("away"));
	log_put("1", 1, true);
	log_flush();
	ck_assert_int_eq(rename(log, away), 0);
	ck_assert_int_eq(mkdir(log, 0700), 0); /* cannot be opened */
	ocs_message_log_revert(message_log);
	/* Neither known nor unknown, and nothing is thrown away. */
	ck_assert_int_eq(ocs_message_log_get(message_log, log_series, "1", &message, &rig_error),
	                 OCS_STORE_ERROR);
	log_apply();
	ck_assert_int_eq(rmdir(log), 0);
	ck_assert_int_eq(rename(away, log), 0);
	ck_assert_str_eq(log_known("1"), "1!");
	log_apply();
	ck_assert_str_eq(log_indexed("1"), "1!");
}

/* Which mail it is goes the same ways as its identifier. */
static uint64_t content_of(const char *id, bool in_index)
{
	struct ocs_index_message message = {.content = 99};
	int ret = in_index ? ocs_index_message(log_index, log_series, id, &message, &rig_error)
	                   : ocs_message_log_get(message_log, log_series, id, &message, &rig_error);

	ck_assert_int_eq(ret, OCS_STORE_OK);
	return message.content;
}

static void put_mail(const char *id, unsigned n, uint64_t content)
{
	struct ocs_index_message message = {
	        .mid = log_mid_at(n), .announced = true, .content = content};

	ck_assert_ok(ocs_message_log_put(message_log, log_series, id, &message, &rig_error));
}

TEST(which_mail_it_is_reaches_the_index_and_survives)
{
	log_put("old", 1, true);
	put_mail("new", 2, 0x1122334455667788);
	log_flush();
	ocs_message_log_revert(message_log); /* read back from the journal */
	for (int i = 0; i < 2; i++) {
		ck_assert_str_eq(log_known("old"), "1!");
		ck_assert_str_eq(log_known("new"), "2!");
		ck_assert(content_of("old", false) == 0);
		ck_assert(content_of("new", false) == 0x1122334455667788);
		log_apply();
	}
	ck_assert(content_of("old", true) == 0);
	ck_assert(content_of("new", true) == 0x1122334455667788);
	log_put("new", 3, true); /* a shorter record over a longer one */
	log_flush();
	log_apply();
	ck_assert(content_of("new", true) == 0);
}

TEST(an_assigned_mail_is_not_another_one_and_ends_what_was_recorded)
{
	struct ocs_index_message message = {.mid = log_mid_at(2), .content = 7};

	put_mail("1", 1, 6);
	log_flush();
	log_apply();
	ck_assert_ok(
	        ocs_message_log_assign(message_log, log_series, "1", &message, true, &rig_error));
	log_flush();
	for (int i = 0; i < 2; i++) {
		ck_assert_str_eq(log_known("1"), "-");
		ck_assert_uint_eq(ocs_message_log_assigned(message_log, log_series, "1", 0),
		                  log_mid_at(2));
		ck_assert_uint_eq(ocs_message_log_assigned(message_log, log_series, "1", 7),
		                  log_mid_at(2));
		ck_assert_uint_eq(ocs_message_log_assigned(message_log, log_series, "1", 8), 0);
		if (i == 0)
			ocs_message_log_revert(message_log);
	}
	log_apply();
	ck_assert_str_eq(log_indexed("1"), "-");
	ck_assert_uint_eq(ocs_message_log_assigned(message_log, log_series, "1", 7), log_mid_at(2));
	log_close_all();
	log_open_all();
	ck_assert_uint_eq(ocs_message_log_assigned(message_log, log_series, "1", 8), 0);
	ck_assert_uint_eq(ocs_message_log_assigned(message_log, log_series, "1", 7), log_mid_at(2));
}

static void in_a_folder_of_nobody(void)
{
	log_put("1", 1, true);
	log_series++;
	log_put("2", 2, true);
	log_put("2", 3, true);
	log_assign("3", 4);
	log_series--;
	log_flush();
	ck_assert_ok(ocs_message_log_delete(message_log, log_series + 1, "4", log_mid_at(7),
	                                    &rig_error));
	log_flush();
}

static bool known_as(unsigned n)
{
	struct ocs_index_name name;
	int ret = ocs_index_lookup(log_index, log_index, log_mid_at(n), &name, &rig_error);

	return ret == OCS_STORE_OK && name.message_id != NULL;
}

/* The index is an older copy: of before the folder was made. */
TEST(what_an_older_index_has_no_folder_for_is_left_out)
{
	log_kill_after(in_a_folder_of_nobody);
	ck_assert_uint_eq(ocs_message_log_homeless(message_log), 4);
	ck_assert_uint_eq(ocs_message_log_waiting(message_log), 0);
	ck_assert_str_eq(log_indexed("1"), "1!");
	ck_assert(known_as(1));
	for (unsigned n = 2; n <= 7; n++)
		ck_assert(!known_as(n));
	/* It is out of the file too. */
	ocs_message_log_revert(message_log);
	ck_assert_uint_eq(ocs_message_log_assigned(message_log, log_series + 1, "3", 0), 0);
	log_close_all();
	log_open_all();
	ck_assert_uint_eq(ocs_message_log_homeless(message_log), 0);
}

TEST(a_damaged_record_costs_that_message_alone)
{
	log_put("first message", 1, true);
	log_put("second message", 2, true);
	log_put("third message", 3, true);
	log_flush();
	rig_flip(rig_path("messages.log"), "second message", 14);
	ocs_message_log_revert(message_log);
	ck_assert_str_eq(log_known("first message"), "1!");
	ck_assert_str_eq(log_known("second message"), "-");
	ck_assert_str_eq(log_known("third message"), "3!");
}

/* ---- what libraries see of it ---- */

/* Its records are applied once more each time, to the same end. */
TEST(a_journal_that_cannot_be_written_anew_does_not_let_the_index_grow)
{
	struct ocs_layer_head head;
	uint64_t size = 0;
	char id[16];

	ocs_layer_tail_max = 100;
	for (unsigned i = 0; i < 90; i++) {
		snprintf(id, sizeof(id), "mail-%u", i);
		log_put(id, i, true);
	}
	log_flush();
	ck_assert_int_eq(mkdir(rig_path("messages.log.new"), 0700), 0);
	for (int i = 0; i < 40; i++) {
		ck_assert_int_ne(ocs_message_log_apply(message_log, &rig_error), 0);
		ck_assert_ok(ocs_layer_head_get(log_index, &head, &rig_error));
		ck_assert_uint_lt(head.tail_count, ocs_layer_tail_max);
		if (i == 20)
			size = ocs_store_size(ocs_index_store(log_index));
	}
	ck_assert_uint_eq(ocs_store_size(ocs_index_store(log_index)), size);
	ck_assert_int_eq(rmdir(rig_path("messages.log.new")), 0);
	log_apply();
	ck_assert_str_eq(log_indexed("mail-7"), "7!");
}
