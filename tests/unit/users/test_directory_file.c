/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The file of a directory's users: a thread that was told to end leaves it to its successor. */
#include "tests/unit/rig.h"

#include "users/directory_file.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool ending;
static char *file, *new_name;

static void setup(void)
{
	rig_make_folder();
	file = talloc_strdup(NULL, rig_path("users.ldap"));
	new_name = ocs_users_directory_new_name(file, file);
	ck_assert_ptr_nonnull(new_name);
	ending = false;
}

static void teardown(void)
{
	talloc_free(file);
	rig_remove_folder();
}

TESTS_HAVE(.setup = setup, .teardown = teardown);

static int put(const char *text)
{
	return ocs_users_directory_write(file, new_name, text, &lock, &ending, &rig_error);
}

static void file_is(const char *expected)
{
	size_t len;
	uint8_t *bytes = rig_read_file(file, &len);

	ck_assert_uint_eq(len, strlen(expected));
	ck_assert_mem_eq(bytes, expected, len);
	free(bytes);
	ck_assert_int_eq(access(new_name, F_OK), -1);
}

TEST(what_is_written_takes_the_place_of_what_was)
{
	struct stat st;

	ck_assert_ok(put("one\n"));
	file_is("one\n");
	ck_assert_ok(put("two\n"));
	file_is("two\n");
	ck_assert_int_eq(stat(file, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
}

TEST(who_ends_changes_nothing)
{
	ck_assert_ok(put("of the successor\n"));
	ending = true;
	ck_assert_int_eq(put("old\n"), -1);
	file_is("of the successor\n");
	/* nor does it bring a file back */
	ck_assert_int_eq(unlink(file), 0);
	ck_assert_int_eq(put("old\n"), -1);
	ck_assert_int_eq(access(file, F_OK), -1);
	ck_assert_int_eq(access(new_name, F_OK), -1);
}

TEST(each_writer_has_a_name_of_its_own)
{
	char *other = ocs_users_directory_new_name(file, file);

	ck_assert_str_ne(new_name, other);
}

TEST(what_cannot_be_written_is_told)
{
	ck_assert_int_eq(mkdir(file, 0700), 0);
	ck_assert_int_eq(put("one\n"), -1);
	ck_assert_ptr_nonnull(strstr(rig_error.text, "cannot rename"));
	ck_assert_int_eq(access(new_name, F_OK), -1);
	ck_assert_int_eq(rmdir(file), 0);
}
