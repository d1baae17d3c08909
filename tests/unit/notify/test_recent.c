/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The sender ids done lately: within the window, and across a restart. */
#include "tests/unit/rig.h"

#include <sys/resource.h>

#include "notify/recent.h"

static struct ocs_recent *recent;
static const uint8_t id_a[16] = {1}, id_b[16] = {2};
static struct ocs_journal_damage damage;

static void open_it(void)
{
	damage = (struct ocs_journal_damage){0};
	ck_assert_ok(ocs_recent_open(rig_folder, &recent, &damage, &rig_error));
}

static void reopen(void)
{
	ocs_recent_close(recent);
	open_it();
}

static void setup(void)
{
	rig_make_folder();
	open_it();
}

static void teardown(void)
{
	ocs_recent_close(recent);
	rig_remove_folder();
}

static void flush(uint64_t now)
{
	ck_assert_ok(ocs_recent_flush(recent, now, 60, &rig_error));
}

static void add(uint8_t n, uint64_t at)
{
	uint8_t id[16] = {0, n};

	ck_assert_ok(ocs_recent_add(recent, id, at, &rig_error));
}

static bool done(uint8_t n, uint64_t now)
{
	uint8_t id[16] = {0, n};

	return ocs_recent_done(recent, id, now, 60);
}

TESTS_HAVE(.setup = setup, .teardown = teardown);

TEST(an_id_is_done_within_the_window_only)
{
	ck_assert(!ocs_recent_done(recent, id_a, 1000, 60));
	ck_assert_ok(ocs_recent_add(recent, id_a, 1000, &rig_error));
	flush(1000);
	ck_assert(ocs_recent_done(recent, id_a, 1000, 60));
	ck_assert(ocs_recent_done(recent, id_a, 1059, 60));
	ck_assert(!ocs_recent_done(recent, id_a, 1060, 60));
	ck_assert(!ocs_recent_done(recent, id_b, 1000, 60));
	/* A clock set back keeps an id longer, never shorter. */
	ck_assert(ocs_recent_done(recent, id_a, 900, 60));
}

TEST(what_was_flushed_survives_a_restart)
{
	add(1, 1000);
	flush(1000);
	add(2, 1001); /* not flushed */
	reopen();
	ck_assert_uint_eq(damage.cut, 0);
	ck_assert(done(1, 1010));
	ck_assert(!done(2, 1010));
}

TEST(the_files_stay_small_and_no_id_within_the_window_is_lost)
{
	struct stat st;

	for (unsigned t = 0; t < 1000; t++) {
		add((uint8_t)t, 1000 + t);
		flush(1000 + t);
		if (t % 37 == 0)
			reopen();
		for (unsigned back = 0; back < 60 && back <= t; back++)
			ck_assert_msg(done((uint8_t)(t - back), 1000 + t), "at %u, %u back", t,
			              back);
		if (t >= 60)
			ck_assert(!done((uint8_t)(t - 60), 1000 + t));
	}
	ck_assert_int_eq(stat(rig_path("recent.log"), &st), 0);
	ck_assert_int_lt(st.st_size, 100 * 64);
	ck_assert_int_eq(stat(rig_path("recent.old.log"), &st), 0);
	ck_assert_int_lt(st.st_size, 100 * 64);
}

TEST(a_torn_end_is_cut_and_the_rest_stands)
{
	struct stat st;

	add(1, 1000);
	flush(1000);
	add(2, 1000);
	flush(1000);
	ocs_recent_close(recent);
	ck_assert_int_eq(stat(rig_path("recent.log"), &st), 0);
	ck_assert_int_eq(truncate(rig_path("recent.log"), st.st_size - 3), 0);
	open_it();
	ck_assert_uint_gt(damage.cut, 0);
	ck_assert(done(1, 1000));
	ck_assert(!done(2, 1000));
	add(3, 1000);
	flush(1000);
	reopen();
	ck_assert_uint_eq(damage.cut, 0);
	ck_assert(done(1, 1000) && done(3, 1000));
}

TEST(garbage_does_not_stop_the_start)
{
	FILE *file;

	ocs_recent_close(recent);
	file = fopen(rig_path("recent.log"), "w");
	for (int i = 0; i < 3000; i++)
		fputc(i * 7 & 0xff, file);
	fclose(file);
	open_it();
	ck_assert_uint_eq(damage.cut, 3000);
	add(1, 1000);
	flush(1000);
	reopen();
	ck_assert(done(1, 1000));
}

static struct rlimit descriptors;

/* None can be opened, until all_can(). */
static void none_can_be_opened(void)
{
	struct rlimit none;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &descriptors), 0);
	none = descriptors;
	none.rlim_cur = 0;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
}

static void all_can(void)
{
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &descriptors), 0);
}

TEST(a_revert_forgets_what_was_not_flushed_alone_whatever_can_be_opened)
{
	add(1, 1000);
	flush(1000);
	add(2, 1001);
	none_can_be_opened();
	ocs_recent_revert(recent);
	all_can();
	ck_assert(done(1, 1010));
	ck_assert(!done(2, 1010));
	add(3, 1002);
	flush(1002);
	ck_assert(done(1, 1010) && !done(2, 1010) && done(3, 1010));
	reopen();
	ck_assert(done(1, 1010) && !done(2, 1010) && done(3, 1010));
	ocs_recent_revert(recent); /* what was read is written */
	ck_assert(done(1, 1010) && !done(2, 1010) && done(3, 1010));
}

/* By the first revert or by the next one. */
LOOP_TEST(a_change_over_that_fails_is_made_up_for_after_the_revert, 0, 2)
{
	int ret;

	add(1, 1000);
	flush(1000);
	add(2, 1059);
	none_can_be_opened(); /* the new file */
	ret = ocs_recent_flush(recent, 1070, 60, &rig_error);
	if (_i == 1)
		ocs_recent_revert(recent);
	all_can();
	ck_assert_int_eq(ret, -1);
	ocs_recent_revert(recent);
	add(3, 1070);
	flush(1070);
	ck_assert_int_eq(access(rig_path("recent.log"), F_OK), 0);
	ocs_recent_revert(recent);
	ck_assert(done(2, 1080) && done(3, 1080));
	reopen();
	ck_assert(done(2, 1080));
	ck_assert(done(3, 1080));
}
