/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Two processes on one index: they agree on names, and never give an identifier twice. */
#include "tests/unit/rig.h"

#include "mapistore/index.h"

#define PER_CHILD 150
#define RANGE     7

static void setup(void)
{
	struct ocs_index *index;

	rig_make_folder();
	ck_assert_ok(ocs_index_open(rig_folder, 1, true, &index, &rig_error));
	ocs_index_close(index);
}

static int reserve_ranges(int to_parent)
{
	struct ocs_index *index;

	if (ocs_index_open(rig_folder, 1, false, &index, NULL) != 0)
		return 1;
	for (int i = 0; i < PER_CHILD; i++) {
		uint64_t id;

		if (ocs_index_begin(index, NULL) != 0 ||
		    ocs_index_reserve(index, RANGE, &id, NULL) != 0 ||
		    ocs_index_commit(index, NULL) != 0)
			return 1;
		for (int n = 0; n < RANGE; n++, id = ocs_index_id_next(id))
			if (write(to_parent, &id, sizeof(id)) != sizeof(id))
				return 1;
	}
	ocs_index_close(index);
	return 0;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

TESTS_HAVE(.setup = setup, .teardown = rig_remove_folder);

TEST(two_processes_allocating_at_once_get_different_identifiers)
{
	static uint64_t ids[2 * PER_CHILD * RANGE];
	struct rig_child children[2];
	size_t n = 0;

	for (int i = 0; i < 2; i++)
		rig_child_fork(&children[i], reserve_ranges);
	for (int i = 0; i < 2; i++)
		rig_child_go(&children[i]);
	for (int i = 0; i < 2; i++)
		while (n < sizeof(ids) / sizeof(ids[0]) &&
		       read(children[i].from, &ids[n], sizeof(ids[n])) == sizeof(ids[n]))
			n++;
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(rig_child_wait(&children[i]), 0);
	ck_assert_uint_eq(n, sizeof(ids) / sizeof(ids[0]));
	qsort(ids, n, sizeof(ids[0]), by_value);
	for (size_t i = 1; i < n; i++)
		ck_assert_uint_ne(ids[i - 1], ids[i]);
}

static int make_folders(int to_parent)
{
	struct ocs_index *index;

	if (ocs_index_open(rig_folder, 1, false, &index, NULL) != 0)
		return 1;
	for (int i = 0; i < PER_CHILD; i++) {
		struct ocs_index_folder folder;
		char name[32];

		snprintf(name, sizeof(name), "top/%d", i);
		if (ocs_index_begin(index, NULL) != 0 ||
		    ocs_index_folder(index, &(struct ocs_folder_name){"jdoe", "sogo", "jdoe", name},
		                     true, &folder, NULL) != 0 ||
		    ocs_index_commit(index, NULL) != 0 ||
		    write(to_parent, &folder.fid, sizeof(folder.fid)) != sizeof(folder.fid))
			return 1;
	}
	ocs_index_close(index);
	return 0;
}

TEST(two_processes_agree_on_a_folder_at_first_sight)
{
	struct rig_child children[2];

	for (int i = 0; i < 2; i++)
		rig_child_fork(&children[i], make_folders);
	for (int i = 0; i < 2; i++)
		rig_child_go(&children[i]);
	for (int i = 0; i < PER_CHILD; i++) {
		uint64_t a = 0, b = 0;

		ck_assert_int_eq(read(children[0].from, &a, sizeof(a)), sizeof(a));
		ck_assert_int_eq(read(children[1].from, &b, sizeof(b)), sizeof(b));
		ck_assert_uint_eq(a, b);
	}
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(rig_child_wait(&children[i]), 0);
}

static int reserve_for_ever(int to_parent)
{
	struct ocs_index *index;
	uint64_t id;

	if (ocs_index_open(rig_folder, 1, false, &index, NULL) != 0)
		return 1;
	while (ocs_index_begin(index, NULL) == 0 && ocs_index_reserve(index, 1, &id, NULL) == 0 &&
	       ocs_index_commit(index, NULL) == 0 &&
	       write(to_parent, &id, sizeof(id)) == sizeof(id))
		;
	return 1;
}

TEST(what_a_killed_process_had_taken_is_never_given_again)
{
	uint64_t highest = 0;

	for (int round = 0; round < 4; round++) {
		struct rig_child child;
		uint64_t id;

		rig_child_fork(&child, reserve_for_ever);
		rig_child_go(&child);
		for (int i = 0; i < 10; i++) {
			ck_assert_int_eq(read(child.from, &id, sizeof(id)), sizeof(id));
			ck_assert_uint_gt(__builtin_bswap64(id & ~0xffffULL), highest);
			highest = __builtin_bswap64(id & ~0xffffULL);
		}
		kill(child.pid, SIGKILL);
		while (read(child.from, &id, sizeof(id)) == sizeof(id))
			highest = __builtin_bswap64(id & ~0xffffULL);
		ck_assert_int_eq(rig_child_wait(&child), -SIGKILL);
	}
}
