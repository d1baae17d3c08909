/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Many lookups under one lock of all files of the index: what they may not say, and that no lock is
 * left. */
#include "tests/unit/lock_rig.h"
#include "tests/unit/mapistore/files_rig.h"

#include <sys/stat.h>
#include <unistd.h>

/* Whether another process could lock all of every file now. */
static bool others_may_write(void)
{
	char name[32] = "index.tdb";
	int n = 0;

	for (; access(rig_path(name), F_OK) == 0; snprintf(name, sizeof(name), "index.%d.tdb", n)) {
		if (!lock_is_free(rig_path(name), F_WRLCK, 0, 0))
			return false;
		n++;
	}
	ck_assert_int_gt(n, 0);
	return true;
}

TESTS_HAVE(.setup = files_setup, .teardown = files_teardown);

TEST(a_file_that_is_begun_while_all_are_held_leaves_no_lock)
{
	struct ocs_index_folder folder = files_folder(files_idx, "jdoe", "INBOX", true);
	unsigned n = files_fill_until(&folder, 0, 2);
	struct ocs_index_sizes sizes;
	uint64_t first;

	ck_assert_uint_ne(files_message(files_idx, &folder, 1), 0);
	do {
		struct ocs_index_message one = {.announced = true};
		char name[900];

		ocs_index_hold(files_idx);
		ck_assert_uint_ne(files_message(files_idx, &folder, 1), 0);
		ck_assert_uint_eq(files_message(files_idx, &folder, n), 0);
		ck_assert(!others_may_write());
		ck_assert_ok(ocs_index_begin(files_idx, &rig_error));
		ck_assert_uint_eq(files_message(files_idx, &folder, n), 0);
		ck_assert_ok(ocs_index_reserve(files_idx, 200, &first, &rig_error));
		for (unsigned i = 0; i < 200; i++, first = ocs_index_id_next(first)) {
			one.mid = first;
			snprintf(name, sizeof(name), "%0800u", n++);
			ck_assert_ok(
			        ocs_index_message_put(files_idx, &folder, name, &one, &rig_error));
		}
		ck_assert_ok(ocs_index_release(files_idx, &rig_error));
		ck_assert_ok(ocs_index_commit(files_idx, &rig_error));
		ck_assert(others_may_write());
		ocs_index_sizes(files_idx, &sizes);
	} while (sizes.files < 4);
	ocs_index_hold(files_idx);
	ck_assert_uint_ne(files_message(files_idx, &folder, n - 1), 0);
	ck_assert_ok(ocs_index_begin(files_idx, &rig_error));
	ocs_index_cancel(files_idx);
	ck_assert_ok(ocs_index_release(files_idx, &rig_error));
	ck_assert(others_may_write());
	ocs_index_hold(files_idx);
	ck_assert_uint_ne(files_message(files_idx, &folder, 1), 0);
	files_reopen();
	ck_assert(others_may_write());
	ck_assert_uint_ne(files_message(files_idx, &folder, n - 1), 0);
}

/* What an older file says counts no more than what a newer one lacks. */
TEST(what_a_newer_file_hides_is_not_taken_from_an_older_one)
{
	struct ocs_index_folder folder = files_folder(files_idx, "jdoe", "INBOX", true);
	struct stat st;

	(void)files_fill_until(&folder, 0, 2);
	ck_assert_ok(ocs_index_begin(files_idx, &rig_error));
	ck_assert_ok(ocs_index_message_delete(files_idx, folder.series, "none", 0, &rig_error));
	ck_assert_ok(ocs_index_folder_delete(
	        files_idx, &(struct ocs_folder_name){"jdoe", "sogo", "jdoe", "INBOX"}, &rig_error));
	ck_assert_ok(ocs_index_commit(files_idx, &rig_error));
	ck_assert(!files_is_known(files_idx, "jdoe", "INBOX"));
	ck_assert_int_eq(stat(rig_path("index.1.tdb"), &st), 0);
	ck_assert_int_eq(truncate(rig_path("index.1.tdb"), 168), 0);
	ck_assert_int_eq(truncate(rig_path("index.1.tdb"), st.st_size), 0);
	ocs_index_hold(files_idx);
	(void)files_is_known(files_idx, "jdoe", "INBOX");
	ck_assert_int_ne(ocs_index_release(files_idx, &rig_error), OCS_STORE_OK);
	ck_assert(others_may_write());
}
