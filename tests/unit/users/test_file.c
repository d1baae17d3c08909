/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The file from which libraries have the user map: whole or not at all, and there again. */
#include "tests/unit/rig.h"

#include "users/users.h"

static const struct ocs_name_rule exact;
static struct ocs_users_file *file;

static void setup(void)
{
	rig_make_folder();
	file = ocs_users_file_new(NULL, rig_folder);
	ck_assert_ptr_nonnull(file);
}

static void teardown(void)
{
	talloc_free(file);
	rig_remove_folder();
}

static void prepare(uint64_t fid)
{
	const struct ocs_usermap_line line = {"sogo", "jdoe", "INBOX", "john", fid, "map", 1};
	struct ocs_usermap *map = ocs_usermap_new(NULL, &exact);

	ck_assert_int_eq(ocs_usermap_add(map, &line), 0);
	ck_assert_ok(ocs_usermap_finish(map, NULL, NULL, &rig_error));
	ck_assert_ok(ocs_users_file_prepare(file, map, &rig_error));
	talloc_free(map);
}

/* The FID that a library finds; 0: there is no file. */
static uint64_t found(void)
{
	const struct ocs_folder_name name = {"john", "sogo", "jdoe", "INBOX"};
	struct ocs_usermap *map;
	uint64_t fid;

	if (access(ocs_users_file_path(file), F_OK) != 0)
		return 0;
	ck_assert_ok(ocs_usermap_load(ocs_users_file_path(file), NULL, NULL, NULL, NULL, &map,
	                              &rig_error));
	fid = ocs_usermap_fid(map, &name);
	talloc_free(map);
	return fid;
}

TESTS_HAVE(.setup = setup, .teardown = teardown);

TEST(what_is_prepared_counts_once_it_is_committed)
{
	struct stat st;

	prepare(0xa1);
	ck_assert_uint_eq(found(), 0);
	ck_assert_ok(ocs_users_file_commit(file, &rig_error));
	ck_assert_uint_eq(found(), 0xa1);
	ck_assert_int_eq(stat(ocs_users_file_path(file), &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0640);
	prepare(0xa2);
	ocs_users_file_cancel(file);
	ck_assert_uint_eq(found(), 0xa1);
	ck_assert_int_ne(access(rig_path("users.map.new"), F_OK), 0);
	/* No source any more: no file. */
	ck_assert_ok(ocs_users_file_prepare(file, NULL, &rig_error));
	ck_assert_uint_eq(found(), 0xa1);
	ck_assert_ok(ocs_users_file_commit(file, &rig_error));
	ck_assert_uint_eq(found(), 0);
	ck_assert_int_eq(ocs_users_file_look(file, &rig_error), 0);
}

TEST(a_file_that_is_gone_is_written_again)
{
	ck_assert_int_eq(ocs_users_file_look(file, &rig_error), 0);
	prepare(0xa1);
	ck_assert_ok(ocs_users_file_commit(file, &rig_error));
	ck_assert_int_eq(ocs_users_file_look(file, &rig_error), 0);
	ck_assert_int_eq(unlink(ocs_users_file_path(file)), 0);
	ck_assert_int_eq(ocs_users_file_look(file, &rig_error), 1);
	ck_assert_uint_eq(found(), 0xa1);
}

TEST(what_cannot_be_written_changes_nothing)
{
	const struct ocs_usermap_line line = {"sogo", "jdoe", "INBOX", "john", 1, "map", 1};
	struct ocs_usermap *map = ocs_usermap_new(NULL, &exact);

	prepare(0xa1);
	ck_assert_ok(ocs_users_file_commit(file, &rig_error));
	ck_assert_int_eq(ocs_usermap_add(map, &line), 0);
	ck_assert_ok(ocs_usermap_finish(map, NULL, NULL, &rig_error));
	ck_assert_int_eq(mkdir(rig_path("users.map.new"), 0700), 0);
	ck_assert_int_eq(ocs_users_file_prepare(file, map, &rig_error), -1);
	ck_assert_ptr_nonnull(strstr(rig_error.text, "users.map.new"));
	talloc_free(map);
	ck_assert_uint_eq(found(), 0xa1);
	ck_assert_int_eq(rmdir(rig_path("users.map.new")), 0);
}

TEST(what_could_not_be_put_in_place_is_later)
{
	/* Something that rename() does not replace. */
	ck_assert_int_eq(mkdir(ocs_users_file_path(file), 0700), 0);
	prepare(0xa1);
	ck_assert_int_eq(ocs_users_file_commit(file, &rig_error), -1);
	ck_assert_int_eq(ocs_users_file_look(file, &rig_error), -1);
	ck_assert_int_eq(rmdir(ocs_users_file_path(file)), 0);
	ck_assert_int_eq(ocs_users_file_look(file, &rig_error), 1);
	ck_assert_uint_eq(found(), 0xa1);
	ck_assert_int_eq(ocs_users_file_look(file, &rig_error), 0);
}
