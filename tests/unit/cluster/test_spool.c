/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The spool: what was flushed comes out again, in order; what was confirmed takes no room. */
#include "tests/unit/cluster/spool_rig.h"

/* ---- reading and writing ---- */

TESTS_HAVE(.setup = spool_setup, .teardown = spool_teardown);

TEST(a_new_spool_is_empty_and_for_its_owner_alone)
{
	struct stat st;

	ck_assert(ocs_spool_empty(spool));
	spool_expect_nothing();
	ck_assert_uint_eq(spool_state().messages + spool_state().bytes + spool_state().oldest, 0);
	spool_put("one");
	ck_assert_int_eq(stat(spool_folder, &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0700);
	ck_assert_uint_eq(spool_list_segments(), 1);
	ck_assert_int_eq(stat(spool_segments[0], &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0600);
	ck_assert_int_eq(stat(rig_path("spool/head"), &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0600);
}

TEST(only_what_was_flushed_is_there_and_one_sync_serves_many)
{
	int before;

	spool_append("one");
	spool_append("two");
	ck_assert(ocs_spool_empty(spool));
	spool_expect_nothing();
	before = atomic_load(&spool_syncs);
	spool_flush();
	ck_assert_int_eq(atomic_load(&spool_syncs), before + 1);
	ck_assert(!ocs_spool_empty(spool));
	spool_expect("one");
	ck_assert_uint_eq(spool_number, 1);
	spool_expect("two");
	ck_assert_uint_eq(spool_number, 2);
	spool_expect_nothing();
	spool_put("three");
	spool_expect("three");
	spool_append("never flushed");
	spool_reopen();
	spool_expect("one");
	spool_expect("two");
	spool_expect("three");
	spool_expect_nothing();
	before = atomic_load(&spool_syncs);
	spool_flush();
	ck_assert_int_eq(atomic_load(&spool_syncs), before);
}

TEST(what_is_confirmed_is_forgotten_also_after_a_restart)
{
	spool_fill(1, 10, 100, 3);
	for (unsigned n = 1; n <= 7; n++)
		ck_assert_uint_eq(spool_get_numbered(100), n);
	ocs_spool_confirm(spool, 4);
	ck_assert_uint_eq(spool_state().messages, 6);
	spool_reopen();
	ck_assert_uint_eq(spool_state().messages, 6);
	for (unsigned n = 5; n <= 10; n++) {
		ck_assert_uint_eq(spool_get_numbered(100), n);
		ck_assert_uint_eq(spool_number, n);
	}
	ocs_spool_confirm(spool, 10);
	ck_assert(ocs_spool_empty(spool));
	ck_assert_uint_eq(spool_state().bytes, 0);
	ck_assert_uint_eq(spool_list_segments(), 0);
	/* Numbers are not used again. */
	spool_reopen();
	ck_assert(ocs_spool_empty(spool));
	spool_put("after");
	spool_expect("after");
	ck_assert_uint_eq(spool_number, 11);
}

TEST(what_could_not_be_used_is_read_again)
{
	char text[100];

	spool_fill(1, 3, sizeof(text), 3);
	ck_assert_uint_eq(spool_get_numbered(sizeof(text)), 1);
	ck_assert_uint_eq(spool_get_numbered(sizeof(text)), 2);
	ocs_spool_unread(spool);
	ocs_spool_confirm(spool, 1);
	ck_assert_uint_eq(spool_get_numbered(sizeof(text)), 2);
	ocs_spool_unread(spool);
	ck_assert_uint_eq(spool_get_numbered(sizeof(text)), 2);
	ck_assert_uint_eq(spool_get_numbered(sizeof(text)), 3);
	spool_expect_nothing();
	ocs_spool_confirm(spool, 3);
	ck_assert(ocs_spool_empty(spool));
}

TEST(after_a_rewind_comes_what_is_not_confirmed_and_only_that)
{
	spool_fill(1, 10, 100, 3);
	for (unsigned n = 1; n <= 8; n++)
		spool_get_numbered(100);
	ocs_spool_confirm(spool, 3);
	ocs_spool_confirm(spool, 2); /* late, and of no account */
	ocs_spool_rewind(spool);
	for (unsigned n = 4; n <= 10; n++)
		ck_assert_uint_eq(spool_get_numbered(100), n);
	spool_expect_nothing();
	ocs_spool_rewind(spool);
	ck_assert_uint_eq(spool_get_numbered(100), 4);
	/* Confirmed before it was read again: not read again. */
	ocs_spool_confirm(spool, 9);
	ck_assert_uint_eq(spool_get_numbered(100), 10);
	spool_expect_nothing();
	ocs_spool_confirm(spool, 1000);
	ck_assert(ocs_spool_empty(spool));
	spool_put("eleven");
	spool_expect("eleven");
	ck_assert_uint_eq(spool_number, 11);
}

TEST(the_order_holds_over_many_segments_and_confirmed_ones_are_removed)
{
	unsigned next = 1;
	size_t n;

	spool_reopen_with(8 * 65536); /* segments of 64 KiB */
	spool_fill(1, 400, 1000, 20);
	n = spool_list_segments();
	ck_assert_uint_ge(n, 5);
	ck_assert_uint_eq(spool_state().bytes, (uint64_t)spool_segment_bytes);
	for (; next <= 200; next++)
		ck_assert_uint_eq(spool_get_numbered(1000), next);
	ocs_spool_confirm(spool, 150);
	ck_assert_uint_lt(spool_list_segments(), n);
	ck_assert_uint_eq(spool_state().bytes, (uint64_t)spool_segment_bytes);
	spool_reopen_with(8 * 65536);
	ck_assert_uint_eq(spool_damaged, 0);
	ck_assert_uint_eq(spool_state().bytes, (uint64_t)spool_segment_bytes);
	spool_fill(401, 430, 1000, 10);
	for (next = 151; next <= 430; next++) {
		ck_assert_uint_eq(spool_get_numbered(1000), next);
		if (next % 50 == 0)
			ocs_spool_confirm(spool, next);
	}
	ck_assert_uint_le(spool_list_segments(), 2);
	ocs_spool_confirm(spool, 430);
	ck_assert_uint_eq(spool_list_segments(), 0);
	ck_assert_uint_eq(spool_state().bytes, 0);
	ck_assert_uint_eq(spool_state().damaged, 0);
}

TEST(large_records_come_back_whole)
{
	static const size_t sizes[] = {
	        1, 65535, 65536, 65537, 3 << 20, 700000, 65536 - SPOOL_HEADER, 5, 9 << 20};
	uint8_t *data, *got;
	size_t len;

	data = malloc(OCS_SPOOL_RECORD_MAX + 1);
	for (size_t i = 0; i < OCS_SPOOL_RECORD_MAX; i++)
		data[i] = (uint8_t)(i * 7 >> 3);
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; round == 0 && i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			ck_assert_ok(ocs_spool_append(spool, data + i, sizes[i], &rig_error));
			if (i % 3 == 2)
				spool_flush();
		}
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			ck_assert_int_eq(
			        ocs_spool_read(spool, NULL, &got, &len, &spool_number, &rig_error),
			        1);
			ck_assert_uint_eq(len, sizes[i]);
			ck_assert_int_eq(memcmp(got, data + i, len), 0);
			talloc_free(got);
		}
		spool_expect_nothing();
		spool_reopen();
	}
	ck_assert_int_eq(ocs_spool_append(spool, data, 0, &rig_error), OCS_SPOOL_ERROR);
	ck_assert_int_eq(ocs_spool_append(spool, data, OCS_SPOOL_RECORD_MAX + 1, &rig_error),
	                 OCS_SPOOL_ERROR);
	free(data);
}

TEST(it_knows_the_age_of_the_oldest_that_is_not_confirmed)
{
	struct timespec now;
	uint64_t before, first;

	clock_gettime(CLOCK_REALTIME, &now);
	before = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
	spool_put("one");
	first = spool_state().oldest;
	ck_assert_uint_ge(first, before);
	ck_assert_uint_lt(first, before + 60000);
	/* The second one is younger as soon as the clock says so. */
	do
		clock_gettime(CLOCK_REALTIME, &now);
	while ((uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000 <= first);
	spool_put("two");
	ck_assert_uint_eq(spool_state().oldest, first);
	spool_reopen();
	ck_assert_uint_eq(spool_state().oldest, first);
	spool_expect("one");
	ocs_spool_confirm(spool, 1);
	ck_assert_uint_gt(spool_state().oldest, first);
	ocs_spool_confirm(spool, 2);
	ck_assert_uint_eq(spool_state().oldest, 0);
}

static void remove_spool(const char *name)
{
	char command[512];

	snprintf(command, sizeof(command), "rm -rf %s/%s", spool_folder, name);
	ck_assert_int_eq(system(command), 0);
}

TEST(what_is_removed_is_made_again_where_nothing_waits_in_it)
{
	static const char *const names[] = {"", "head"};

	for (size_t i = 0; i < 2; i++) {
		spool_put("one");
		spool_expect("one");
		ocs_spool_confirm(spool, spool_number);
		ck_assert_int_eq(ocs_spool_look(spool, &rig_error), 0);
		remove_spool(names[i]);
		ck_assert_int_eq(ocs_spool_look(spool, &rig_error), 1);
		ck_assert_ptr_nonnull(strstr(rig_error.text, "is gone"));
		ck_assert_int_eq(ocs_spool_look(spool, &rig_error), 0);
		spool_put("two");
		spool_reopen();
		spool_expect("two");
		ocs_spool_confirm(spool, spool_number);
	}
}

TEST(nothing_is_taken_in_where_a_restart_would_not_find_it)
{
	char aside[256];

	spool_put("one");
	snprintf(aside, sizeof(aside), "%s.aside", spool_folder);
	ck_assert_int_eq(rename(spool_folder, aside), 0);
	ck_assert_int_eq(ocs_spool_look(spool, &rig_error), -1);
	ck_assert_ptr_nonnull(strstr(rig_error.text, "is gone"));
	spool_append("lost");
	ck_assert_int_eq(ocs_spool_flush(spool, &rig_error), OCS_SPOOL_ERROR);
	ck_assert_int_eq(rename(aside, spool_folder), 0);
	ck_assert_int_eq(ocs_spool_look(spool, &rig_error), 0);
	spool_put("two");
	spool_reopen();
	spool_expect("one");
	spool_expect("two");
	spool_expect_nothing();
}

TEST(a_flush_makes_an_empty_spool_again_and_the_look_says_so)
{
	remove_spool("");
	spool_put("one");
	ck_assert_int_eq(ocs_spool_look(spool, &rig_error), 1);
	spool_reopen();
	spool_expect("one");
}

TEST(one_process_alone_has_it_open)
{
	struct ocs_spool *other;

	ck_assert_int_eq(ocs_spool_open(spool_folder, SPOOL_ROOM, &other, NULL, &rig_error), -1);
	ck_assert_ptr_null(other);
	ck_assert_ptr_nonnull(strstr(rig_error.text, "another process"));
	spool_put("still mine");
	spool_expect("still mine");
}

TEST(a_folder_that_cannot_be_had_is_an_error_with_its_name)
{
	struct ocs_spool *other;

	ck_assert_int_eq(ocs_spool_open(rig_path("no/such"), SPOOL_ROOM, &other, NULL, &rig_error),
	                 -1);
	ck_assert_ptr_nonnull(strstr(rig_error.text, "no/such"));
	ck_assert_int_eq(symlink(spool_folder, rig_path("link")), 0);
	ck_assert_int_eq(ocs_spool_open(rig_path("link"), SPOOL_ROOM, &other, NULL, &rig_error),
	                 -1);
	ck_assert_ptr_null(other);
}

/* ---- the bound, and a disk that takes no more ---- */

TEST(past_the_bound_it_is_full_and_takes_more_when_a_segment_is_confirmed)
{
	char text[1000];
	unsigned n = 0;
	enum ocs_spool_result ret;

	spool_reopen_with(8 * 65536);
	do {
		spool_numbered_text(text, sizeof(text), ++n);
		ret = ocs_spool_append(spool, text, sizeof(text), &rig_error);
		if (n % 10 == 0)
			spool_flush();
	} while (ret == OCS_SPOOL_OK);
	ck_assert_int_eq(ret, OCS_SPOOL_FULL);
	spool_flush();
	spool_list_segments();
	ck_assert_int_le(spool_segment_bytes, 8 * 65536);
	ck_assert_int_gt(spool_segment_bytes, 8 * 65536 - 2000);
	ck_assert_uint_eq(spool_state().messages, n - 1);
	for (unsigned i = 1; i <= 100; i++)
		ck_assert_uint_eq(spool_get_numbered(sizeof(text)), i);
	ck_assert_int_eq(ocs_spool_append(spool, text, sizeof(text), &rig_error), OCS_SPOOL_FULL);
	ocs_spool_confirm(spool, 100);
	spool_fill(n, n + 50, sizeof(text), 10);
	for (unsigned i = 101; i <= n + 50; i++)
		ck_assert_uint_eq(spool_get_numbered(sizeof(text)), i);
	/* What waits for a flush counts. */
	spool_reopen_with(8 * 65536);
	while ((ret = ocs_spool_append(spool, text, sizeof(text), &rig_error)) == OCS_SPOOL_OK)
		continue;
	ck_assert_int_eq(ret, OCS_SPOOL_FULL);
	/* A smaller bound refuses more and keeps what is there. */
	spool_reopen_with(1000);
	ck_assert_int_eq(ocs_spool_append(spool, "x", 1, &rig_error), OCS_SPOOL_FULL);
	ck_assert_uint_eq(spool_get_numbered(sizeof(text)), 101);
}
