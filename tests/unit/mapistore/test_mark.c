/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* No identifier is given twice: not after any file of the registry was set back or lost, not by a
 * copy of the registry elsewhere, not by processes that are killed. */
#include "tests/unit/mapistore/mark_rig.h"

#include <sys/resource.h>
#include <syslog.h>

TESTS_HAVE(.setup = mark_setup, .teardown = mark_teardown);

TEST(an_older_copy_of_the_index_gives_no_identifier_again_and_says_so)
{
	char text[32];

	mark_give(MARK_COUNT);
	mark_stop();
	mark_copy_file(mark_in(mark_here, "index.tdb"), mark_saved);
	ck_assert_ok(mark_open(mark_here, 1));
	mark_give(MARK_COUNT);
	mark_stop();
	snprintf(text, sizeof(text), "%llu", (unsigned long long)mark_read().next - 1);
	mark_copy_file(mark_saved, mark_in(mark_here, "index.tdb"));
	ck_assert_int_eq(ocs_index_look(mark_here, 1, true, &rig_error), 1);
	ck_assert_ptr_nonnull(strstr(rig_error.text, "older copy"));
	ck_assert_ok(mark_open(mark_here, 1));
	ck_assert_int_eq(mark_said()->priority, LOG_WARNING);
	ck_assert_ptr_nonnull(strstr(mark_said()->text, "older copy"));
	ck_assert_ptr_nonnull(strstr(mark_said()->text, text));
	mark_give(MARK_COUNT);
	ck_mark_distinct();
	/* Once. */
	ck_assert_ok(mark_open(mark_here, 1));
	ck_assert_str_eq(mark_said()->text, "");
}

TEST(a_start_after_a_stop_or_a_kill_says_nothing_of_it)
{
	uint64_t id;

	mark_give(10);
	ck_assert_ok(mark_open(mark_here, 1));
	ck_assert_str_eq(mark_said()->text, "");
	/* Killed between the mark and the commit. */
	ck_assert_ok(ocs_index_begin(mark_index, &rig_error));
	ck_assert_ok(ocs_index_reserve(mark_index, 100, &id, &rig_error));
	mark_note(id, 100);
	ck_assert_ok(mark_open(mark_here, 1));
	ck_assert_str_eq(mark_said()->text, "");
	mark_stop();
	ck_assert_int_eq(ocs_index_look(mark_here, 1, true, &rig_error), 0);
	ck_assert_ok(mark_open(mark_here, 1));
	mark_give(10);
	ck_mark_distinct();
}

TEST(a_copy_from_before_the_last_transaction_is_known_for_one)
{
	mark_give_ranges(16384);
	mark_stop();
	mark_copy_file(mark_in(mark_here, "index.tdb"), mark_saved);
	ck_assert_ok(mark_open(mark_here, 1));
	mark_give_ranges(16384);
	mark_stop();
	ck_assert_int_eq(ocs_index_look(mark_here, 1, true, &rig_error), 0);
	mark_copy_file(mark_saved, mark_in(mark_here, "index.tdb"));
	ck_assert_int_eq(ocs_index_look(mark_here, 1, true, &rig_error), 1);
	ck_assert_ok(mark_open(mark_here, 1));
	ck_assert_ptr_nonnull(strstr(mark_said()->text, "older copy"));
}

/* Set back, each alone and both; the clock stands still. */
LOOP_TEST(no_file_that_is_set_back_makes_identifiers_come_again, 0, 4)
{
	static const char *const names[][3] = {
	        {"index.tdb"}, {"id_mark.1"}, {"replica_ids"}, {"index.tdb", "replica_ids"}};

	mark_give(100);
	mark_stop();
	mark_copy_folder(mark_here, mark_saved);
	for (int round = 0; round < 3; round++) {
		ck_assert_ok(mark_open(mark_here, 1));
		mark_give_ranges(100000);
		mark_give(100);
		mark_stop();
		for (int i = 0; names[_i][i] != NULL; i++)
			mark_copy_file(mark_in(mark_saved, names[_i][i]),
			               mark_in(mark_here, names[_i][i]));
	}
	ck_assert_ok(mark_open(mark_here, 1));
	mark_give_ranges(100000);
	ck_mark_distinct();
}

/* 0: all of the folder set back; 1: deleted and made anew; 2: another folder in its place */
LOOP_TEST(the_clock_covers_for_a_registry_that_remembers_nothing, 0, 3)
{
	mark_give(100);
	mark_stop();
	mark_copy_folder(mark_here, mark_saved);
	for (int round = 0; round < 4; round++) {
		ck_assert_ok(mark_open(mark_here, 1));
		ck_assert_uint_ge(mark_read().next,
		                  (uint64_t)(mark_now - 1577836800000) * 64); /* since 2020 */
		mark_give_ranges(200000);
		mark_give(100);
		mark_stop();
		if (_i > 0)
			mark_each_file(mark_here, NULL);
		if (_i == 0)
			mark_copy_folder(mark_saved, mark_here);
		if (_i == 2)
			ck_assert_int_eq(rmdir(mark_here), 0);
		if (_i == 2)
			ck_assert_int_eq(mkdir(mark_here, 0700), 0);
		mark_now += 200200 / 64 + 1;
	}
	ck_assert_ok(mark_open(mark_here, 1));
	mark_give(100);
	ck_mark_distinct();
}

TEST(a_clock_that_is_set_back_takes_nothing_away)
{
	mark_give(100);
	for (int round = 0; round < 3; round++) {
		mark_now -= 100LL * 86400 * 1000;
		ck_assert_ok(mark_open(mark_here, 1));
		ck_assert_str_eq(mark_said()->text, "");
		mark_give_ranges(100000);
	}
	ck_mark_distinct();
}

LOOP_TEST(a_clock_that_cannot_be_right_is_not_believed_and_said, 0, 2)
{
	uint64_t before = mark_read().ceiling;

	mark_now = _i == 0 ? 0 : 5680281600000;
	ck_assert_ok(mark_open(mark_here, 1));
	ck_assert_int_eq(mark_said()->priority, LOG_WARNING);
	ck_assert_ptr_nonnull(strstr(mark_said()->text, "clock"));
	ck_assert_uint_le(mark_read().next, before);
}

TEST(the_last_believed_clock_leaves_numbers)
{
	mark_now = 5680281600000 - 1;
	ck_assert_ok(mark_open(mark_here, 1));
	ck_assert_str_eq(mark_said()->text, "");
	mark_give(10);
	ck_assert_uint_lt(mark_read().ceiling, OCS_COUNTER_MAX - OCS_COUNTER_MAX / 20);
}

/* What the kernel had not yet written is lost; the ceiling never is. */
TEST(after_a_power_failure_the_ceiling_counts)
{
	struct ocs_index_mark mark = mark_read();
	uint64_t written;

	mark_stop();
	mark_copy_file(mark_in(mark_here, "index.tdb"), mark_saved);
	ck_assert_ok(mark_open(mark_here, 1));
	mark_give_ranges(OCS_MARK_BLOCK - 1000);
	mark_give(900);
	mark_stop();
	ck_assert_uint_eq(mark_read().ceiling, mark.ceiling);
	ck_assert_uint_gt(mark_read().next, mark.next);
	written = mark_read().written;
	mark_copy_file(mark_saved, mark_in(mark_here, "index.tdb"));
	/* Nothing was lost while it was up. */
	ck_assert_ok(mark_open(mark_here, 1));
	ck_assert_uint_lt(mark_read().next, mark.ceiling);
	mark_give_ranges(1);
	mark_stop();
	mark.written = written + 10;
	mark_write(&mark);
	mark_copy_file(mark_saved, mark_in(mark_here, "index.tdb"));
	mark_set_boot("11111111");
	ck_assert_ok(mark_open(mark_here, 1));
	ck_assert_uint_ge(mark_read().next, mark.ceiling);
	mark_give_ranges(1000);
	ck_mark_distinct();
}

TEST(the_ceiling_is_always_above_what_is_given)
{
	for (int i = 0; i < 200; i++) {
		struct ocs_index_mark mark;

		mark_give_ranges(i % 7 == 0 ? 10000 : 777);
		mark = mark_read();
		ck_assert_uint_eq(mark.next, mark_given[mark_n_given - 1].counter +
		                                     mark_given[mark_n_given - 1].n);
		ck_assert_uint_ge(mark.ceiling, mark.next);
	}
}

/* 0: gone, 1: empty, 2: garbage, 3: cut short, 4: of another replica id */
LOOP_TEST(a_lost_or_damaged_mark_is_made_again_and_said, 0, 5)
{
	struct ocs_index_mark mark;

	mark_give_ranges(100000);
	for (int running = 1; running >= 0; running--) {
		char path[400];

		snprintf(path, sizeof(path), "%s", mark_in(mark_here, "id_mark.1"));
		mark = mark_read();
		if (!running)
			mark_stop();
		if (_i == 0)
			ck_assert_int_eq(unlink(path), 0);
		else if (_i < 3)
			ck_assert_int_eq(truncate(path, 0), 0);
		if (_i == 2)
			ck_assert_int_eq(truncate(path, 10000), 0);
		if (_i == 3)
			ck_assert_int_eq(truncate(path, 8200), 0);
		mark.replica_id = 7;
		if (_i == 4)
			ck_assert_ok(ocs_index_mark_replace(mark_here, path, &mark, &rig_error));
		if (running) {
			mark_give_ranges(10); /* not held up by it */
			ck_assert_int_eq(ocs_index_look_mark(mark_index, &rig_error), 1);
			ck_assert_ptr_nonnull(strstr(rig_error.text, _i == 0 ? "gone" : "damaged"));
			ck_assert_int_eq(ocs_index_look_mark(mark_index, &rig_error), 0);
		} else {
			ck_assert_int_eq(ocs_index_look(mark_here, 1, true, &rig_error), _i != 0);
			ck_assert_ok(mark_open(mark_here, 1));
			ck_assert_int_eq(mark_said()->priority, _i == 0 ? LOG_NOTICE : LOG_WARNING);
			ck_assert_ptr_nonnull(strstr(mark_said()->text, "id_mark.1"));
		}
		mark = mark_read();
		ck_assert(mark.counted && mark.placed);
		mark_give_ranges(1000);
	}
	ck_mark_distinct();
}

TEST(a_torn_writing_leaves_the_one_before)
{
	struct ocs_index_mark before, after, torn;
	size_t len;
	uint8_t *data;

	mark_give(1);
	before = mark_read();
	mark_give(1);
	after = mark_read();
	ck_assert_uint_eq(after.written, before.written + 2);
	data = rig_read_file(mark_in(mark_here, "id_mark.1"), &len);
	for (size_t at = 0; at < 56; at++) {
		uint8_t *slot = data + after.written % 2 * 4096;

		slot[at] ^= 0x10;
		ocs_index_mark_parse(data, len, 1, &torn);
		ck_assert(torn.counted && torn.placed);
		ck_assert_uint_eq(torn.next, after.next);
		ck_assert_uint_eq(torn.written, after.written - 1);
		slot[at] ^= 0x10;
	}
	ocs_index_mark_parse(data, len, 1, &torn);
	ck_assert_uint_eq(torn.next, after.next);
	/* Cut short anywhere, it is never read past its end or believed. */
	for (size_t cut = 0; cut < len; cut++) {
		uint8_t *part = malloc(cut + 1);

		memcpy(part, data, cut);
		ocs_index_mark_parse(part, cut, 1, &torn);
		ck_assert(!torn.placed);
		ck_assert(torn.counted == (cut >= 56));
		free(part);
	}
	free(data);
}

/* 0: written over in place, 1: renamed over it, in which nobody else looks */
static int library(int to_parent)
{
	struct ocs_index *index;
	uint64_t some[100];

	if (ocs_index_open(mark_here, 1, false, &index, NULL) != 0)
		return 1;
	for (int i = 0; i < MARK_COUNT / 100; i++)
		if (mark_take_singly(index, 100, some) != 0 ||
		    write(to_parent, some, sizeof(some)) != sizeof(some))
			return 1;
	ocs_index_close(index);
	return 0;
}

LOOP_TEST(a_library_that_meets_an_older_copy_gives_none_again, 0, 2)
{
	struct rig_child child;
	uint64_t id;

	mark_give(10);
	mark_stop();
	rig_child_fork(&child, library);
	mark_copy_file(mark_in(mark_here, "index.tdb"), mark_saved);
	ck_assert_ok(mark_open(mark_here, 1));
	mark_give(MARK_COUNT);
	if (_i == 0)
		mark_copy_file(mark_saved, mark_in(mark_here, "index.tdb"));
	else
		ck_assert_int_eq(rename(mark_saved, mark_in(mark_here, "index.tdb")), 0);
	rig_child_go(&child);
	mark_give(MARK_COUNT / 10);
	while (read(child.from, &id, sizeof(id)) == sizeof(id))
		mark_note(id, 1);
	ck_assert_int_eq(rig_child_wait(&child), 0);
	ck_assert_uint_eq(mark_n_given, 10 + 2 * MARK_COUNT + MARK_COUNT / 10);
	ck_mark_distinct();
}

/* Neither the mark is there, nor was anything given since the start above an older copy. */
TEST(the_start_raises_the_index_too)
{
	struct rig_child child;
	uint64_t id;

	mark_give(10);
	mark_stop();
	mark_copy_file(mark_in(mark_here, "index.tdb"), mark_saved);
	ck_assert_ok(mark_open(mark_here, 1));
	mark_give(MARK_COUNT);
	mark_stop();
	mark_copy_file(mark_saved, mark_in(mark_here, "index.tdb"));
	rig_child_fork(&child, library);
	ck_assert_ok(mark_open(mark_here, 1));
	ck_assert_int_eq(unlink(mark_in(mark_here, "id_mark.1")), 0);
	rig_child_go(&child);
	while (read(child.from, &id, sizeof(id)) == sizeof(id))
		mark_note(id, 1);
	ck_assert_int_eq(rig_child_wait(&child), 0);
	ck_mark_distinct();
}

static int waits_for_the_lock(int to_parent)
{
	struct ocs_index_mark mark;
	int fd;

	if (write(to_parent, "w", 1) != 1 ||
	    ocs_index_mark_lock(mark_in(mark_here, "id_mark.1"), 1, &fd, &mark, NULL) != 0)
		return 1;
	return write(to_parent, &mark.next, 8) != 8;
}

TEST(who_waited_for_a_mark_that_was_replaced_takes_the_new_one)
{
	struct ocs_index_mark mark;
	struct rig_child child;
	uint64_t next;
	char byte;
	int fd;

	mark_stop();
	rig_child_fork(&child, waits_for_the_lock);
	ck_assert_ok(
	        ocs_index_mark_lock(mark_in(mark_here, "id_mark.1"), 1, &fd, &mark, &rig_error));
	rig_child_go(&child);
	ck_assert_int_eq(read(child.from, &byte, 1), 1);
	ocs_index_mark_raise(&mark, mark.next + 12345, 1);
	ck_assert_ok(ocs_index_mark_replace(mark_here, mark_in(mark_here, "id_mark.1"), &mark,
	                                    &rig_error));
	close(fd);
	ck_assert_int_eq(read(child.from, &next, 8), 8);
	ck_assert_uint_eq(next, mark.next);
	ck_assert_int_eq(rig_child_wait(&child), 0);
}

/* 0: it is no file; 1: no byte can be written. As on a full disk. */
LOOP_TEST(where_the_mark_cannot_be_written_none_is_given_and_nothing_lost, 0, 2)
{
	struct rlimit none = {0, RLIM_INFINITY}, all = {RLIM_INFINITY, RLIM_INFINITY};
	struct ocs_index_mark before;
	uint64_t id;
	int ret;

	mark_give(10);
	before = mark_read();
	if (_i == 0) {
		ck_assert_int_eq(rename(mark_in(mark_here, "id_mark.1"), mark_saved), 0);
		ck_assert_int_eq(mkdir(mark_in(mark_here, "id_mark.1"), 0700), 0);
	}
	ck_assert_ok(ocs_index_begin(mark_index, &rig_error));
	/* libcheck writes too. */
	ret = _i == 1 ? setrlimit(RLIMIT_FSIZE, &none) : 0;
	if (ret == 0)
		ret = ocs_index_reserve(mark_index, 1, &id, &rig_error);
	(void)setrlimit(RLIMIT_FSIZE, &all);
	ck_assert_int_eq(ret, OCS_STORE_ERROR);
	ck_assert_ptr_nonnull(strstr(rig_error.text, "id_mark.1"));
	ocs_index_cancel(mark_index);
	if (_i == 0) {
		ck_assert_int_eq(rmdir(mark_in(mark_here, "id_mark.1")), 0);
		ck_assert_int_eq(rename(mark_saved, mark_in(mark_here, "id_mark.1")), 0);
	}
	ck_assert_uint_eq(mark_read().next, before.next);
	mark_give(10);
	ck_mark_distinct();
}

/* ---- who uses it ---- */

TEST(a_copy_in_another_place_is_refused_and_changes_nothing)
{
	uint64_t id;

	mark_give(10);
	mark_stop();
	mark_copy_folder(mark_here, mark_there);
	ck_assert_int_eq(ocs_index_look(mark_there, 1, true, &rig_error), -1);
	ck_assert_ptr_nonnull(strstr(rig_error.text, mark_here));
	ck_assert_int_eq(mark_open(mark_there, 1), OCS_STORE_CORRUPT);
	ck_assert_ptr_nonnull(strstr(rig_error.text, mark_here));
	ck_assert_ptr_nonnull(strstr(rig_error.text, "replica_id"));
	ck_assert_ptr_nonnull(strstr(rig_error.text, "ocsctl index adopt"));
	ck_assert_int_eq(ocs_index_look(mark_here, 1, true, &rig_error), 0);
	ck_assert_ok(mark_open(mark_here, 1));
	ck_assert_str_eq(mark_said()->text, "");
	mark_give(10);
	/* With an id of its own it is another registry, and goes on as that, but not back. */
	ck_assert_ok(mark_open(mark_there, 2));
	ck_assert_ok(mark_take(mark_index, 10, &id));
	ck_assert_uint_eq(id & 0xffff, 2);
	ck_assert_int_eq(access(mark_in(mark_there, "id_mark.2"), F_OK), 0);
	ck_assert_int_eq(mark_open(mark_there, 1), OCS_STORE_CORRUPT);
}

TEST(a_registry_that_was_moved_goes_on_and_says_so)
{
	mark_give(10);
	mark_stop();
	ck_assert_int_eq(rename(mark_here, mark_there), 0);
	ck_assert_int_eq(ocs_index_look(mark_there, 1, true, &rig_error), 1);
	ck_assert_ok(mark_open(mark_there, 1));
	ck_assert_int_eq(mark_said()->priority, LOG_NOTICE);
	ck_assert_ptr_nonnull(strstr(mark_said()->text, mark_here));
	mark_give(10);
	ck_mark_distinct();
	ck_assert_ok(mark_open(mark_there, 1));
	ck_assert_str_eq(mark_said()->text, "");
	/* What is then copied to where it was is a copy. */
	mark_stop();
	mark_copy_folder(mark_there, mark_here);
	ck_assert_int_eq(mark_open(mark_here, 1), OCS_STORE_CORRUPT);
	ck_assert_ok(mark_open(mark_there, 1));
}

/* A restore to a new disk: same path, another folder. */
TEST(a_folder_restored_to_its_place_goes_on_and_the_old_one_does_not)
{
	mark_give(10);
	mark_stop();
	ck_assert_int_eq(rename(mark_here, mark_there), 0);
	mark_copy_folder(mark_there, mark_here);
	ck_assert_ok(mark_open(mark_here, 1));
	ck_assert_str_eq(mark_said()->text, "");
	mark_give(10);
	ck_mark_distinct();
	ck_assert_int_eq(mark_open(mark_there, 1), OCS_STORE_CORRUPT);
}

TEST(another_path_to_the_same_folder_is_no_move)
{
	char other[400];

	mark_stop();
	ck_assert_int_eq(symlink(mark_here, mark_there), 0);
	ck_assert_ok(mark_open(mark_there, 1));
	ck_assert_str_eq(mark_said()->text, "");
	snprintf(other, sizeof(other), "%s/./", mark_here);
	ck_assert_ok(mark_open(other, 1));
	ck_assert_str_eq(mark_said()->text, "");
	ck_assert_str_eq(mark_read().place, mark_here);
}

TEST(on_another_machine_it_is_refused)
{
	mark_give(10);
	mark_stop();
	mark_set_machine("ffffffffffffffffffffffffffffffff\n");
	ck_assert_int_eq(ocs_index_look(mark_here, 1, true, &rig_error), -1);
	ck_assert_int_eq(mark_open(mark_here, 1), OCS_STORE_CORRUPT);
	ck_assert_ptr_nonnull(strstr(rig_error.text, "another machine"));
	ck_assert_ptr_nonnull(strstr(rig_error.text, "ocsctl index adopt"));
	ck_assert_ok(mark_open(mark_here, 2));
	ck_assert_int_eq(mark_open(mark_here, 1), OCS_STORE_CORRUPT);
	mark_set_machine("0123456789abcdef0123456789abcdef\n");
	ck_assert_int_eq(mark_open(mark_here, 2), OCS_STORE_CORRUPT);
	ck_assert_ok(mark_open(mark_here, 1));
}

/* Of a machine without one nothing is concluded, nor is what is known forgotten. */
LOOP_TEST(a_machine_without_an_id_is_no_other_one, 0, 3)
{
	static const char *const texts[] = {"", "uninitialized\n"};

	mark_stop();
	if (_i < 2)
		mark_set_machine(texts[_i]);
	else
		ocs_index_machine_id = "/nonexistent/machine-id";
	ck_assert_ok(mark_open(mark_here, 1));
	ck_assert_str_eq(mark_said()->text, "");
	mark_set_machine("ffffffffffffffffffffffffffffffff\n");
	ck_assert_int_eq(mark_open(mark_here, 1), OCS_STORE_CORRUPT);
	/* One that gets its id later. */
	mark_each_file(mark_here, NULL);
	mark_set_machine("");
	ck_assert_ok(mark_open(mark_here, 1));
	mark_set_machine("ffffffffffffffffffffffffffffffff\n");
	ck_assert_ok(mark_open(mark_here, 1));
	mark_set_machine("0123456789abcdef0123456789abcdef\n");
	ck_assert_int_eq(mark_open(mark_here, 1), OCS_STORE_CORRUPT);
}

/* As it was before there were marks. */
TEST(a_registry_without_a_mark_is_accepted_and_gets_one)
{
	mark_give(10);
	mark_stop();
	ck_assert_int_eq(unlink(mark_in(mark_here, "id_mark.1")), 0);
	ck_assert_int_eq(ocs_index_look(mark_here, 1, true, &rig_error), 0);
	ck_assert_ok(mark_open(mark_here, 1));
	ck_assert_int_eq(mark_said()->priority, LOG_NOTICE);
	mark_give(10);
	ck_mark_distinct();
	ck_assert_str_eq(mark_read().place, mark_here);
}

/* ---- sudden death ---- */

static bool owner;

static int give_for_ever(int to_parent)
{
	struct ocs_index *index;
	uint64_t id;

	if (ocs_index_open(mark_here, 1, owner, &index, &rig_error) != 0) {
		fprintf(stderr, "%s\n", rig_error.text);
		return 1;
	}
	for (unsigned i = 0; mark_take(index, i % 3 == 0 ? 16384 : 3, &id) == 0; i++) {
		uint64_t got[2] = {id, i % 3 == 0 ? 16384 : 3};

		if (write(to_parent, got, sizeof(got)) != sizeof(got))
			return 1;
	}
	return 1;
}

static void read_ranges(int from, unsigned n)
{
	uint64_t got[2];

	for (unsigned i = 0; (n == 0 || i < n) && read(from, got, sizeof(got)) == sizeof(got); i++)
		mark_note(got[0], got[1]);
}

/* A daemon and a library at work at once, both killed; now and then an older index is put back. */
TEST(no_kill_gives_an_identifier_twice)
{
	mark_stop();
	mark_copy_file(mark_in(mark_here, "index.tdb"), mark_saved);
	for (int round = 0; round < UNIT_SOME_OF(100); round++) {
		struct rig_child children[2];

		for (int i = 0; i < 2; i++) {
			owner = i == 0;
			rig_child_fork(&children[i], give_for_ever);
		}
		for (int i = 0; i < 2; i++)
			rig_child_go(&children[i]);
		for (int i = 0; i < 2; i++)
			read_ranges(children[i].from, 3 + (unsigned)rand() % 6);
		for (int i = 0; i < 2; i++)
			kill(children[i].pid, SIGKILL);
		for (int i = 0; i < 2; i++)
			read_ranges(children[i].from, 0);
		for (int i = 0; i < 2; i++)
			ck_assert_int_eq(rig_child_wait(&children[i]), -SIGKILL);
		mark_now += 7;
		if (round % 10 == 9)
			mark_copy_file(mark_saved, mark_in(mark_here, "index.tdb"));
	}
	ck_mark_distinct();
}
