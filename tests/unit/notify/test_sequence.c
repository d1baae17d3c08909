/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The numbers of acceptance grow across restarts, whatever the clock says. */
#include "tests/unit/rig.h"

#include "notify/sequence.h"
#include "store/journal.h"

#define HOUR_US 3600000000ULL

static struct ocs_sequence *sequence;

static void setup(void)
{
	rig_make_folder();
}

static void teardown(void)
{
	ocs_sequence_close(sequence);
	sequence = NULL;
	rig_remove_folder();
}

static void start_at(uint64_t clock)
{
	ocs_sequence_close(sequence);
	ck_assert_ok(ocs_sequence_open(rig_folder, clock, &sequence, &rig_error));
}

TESTS_HAVE(.setup = setup, .teardown = teardown);

TEST(a_clock_set_back_changes_nothing)
{
	uint64_t now = 1700000000ULL * 1000000 * 1000, last;

	start_at(now);
	ck_assert_uint_eq(ocs_sequence_take(sequence, 5), now);
	last = ocs_sequence_take(sequence, 1);
	ck_assert_uint_eq(last, now + 5);
	for (int i = 0; i < 5; i++) {
		uint64_t next;

		start_at(now - 2 * HOUR_US * 1000);
		next = ocs_sequence_take(sequence, 1);
		ck_assert_uint_gt(next, last);
		last = next;
	}
	/* And where the clock is ahead again, it is followed. */
	start_at(now + HOUR_US * 1000);
	ck_assert_uint_eq(ocs_sequence_take(sequence, 1), now + HOUR_US * 1000);
}

TEST(the_mark_is_raised_before_it_is_reached)
{
	uint64_t taken;

	start_at(1000);
	for (int i = 0; i < 5; i++) {
		ck_assert_ok(ocs_sequence_reserve(sequence, &rig_error));
		(void)ocs_sequence_take(sequence, (uint64_t)1 << 31);
	}
	taken = ocs_sequence_take(sequence, 1);
	ck_assert_ok(ocs_sequence_reserve(sequence, &rig_error));
	start_at(0);
	ck_assert_uint_gt(ocs_sequence_take(sequence, 1), taken);
}

TEST(a_damaged_mark_leaves_the_clock)
{
	uint64_t mark = 1000 + ((uint64_t)1 << 32);

	start_at(1000);
	ocs_sequence_close(sequence);
	sequence = NULL;
	rig_flip(rig_path("sequence.log"), &mark, sizeof(mark));
	start_at(5000);
	ck_assert_uint_eq(ocs_sequence_take(sequence, 1), 5000);
}

static int ignore(void *arg, const uint8_t *data, size_t len)
{
	(void)arg;
	(void)data;
	(void)len;
	return 0;
}

TEST(a_mark_that_numbers_could_not_go_on_from_is_none)
{
	struct ocs_journal *journal;
	uint8_t mark[8];
	uint64_t first;

	ocs_put64(mark, UINT64_MAX - 5);
	ck_assert_ok(ocs_journal_open(rig_path("sequence.log"), ignore, NULL, &journal, NULL,
	                              &rig_error));
	ck_assert_ok(ocs_journal_add(journal, mark, sizeof(mark), &rig_error));
	ck_assert_ok(ocs_journal_write(journal, true, &rig_error));
	ocs_journal_close(journal);
	start_at(1000);
	first = ocs_sequence_take(sequence, 1);
	start_at(1000);
	ck_assert_uint_gt(ocs_sequence_take(sequence, 1), first);
}
