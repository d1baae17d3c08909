/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* What libtdb recovers a file from after a killed process: what it left is, what somebody forged is
 * not. */
#include "tests/unit/store/filled_rig.h"

#include <dirent.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <tdb.h>

#include "store/fault.h"

TESTS_HAVE(.setup = filled_setup, .teardown = filled_teardown);

struct recovery {
	uint32_t next, len, size_before, data_len, hash, magic;
	uint32_t place, part_len; /* the first part */
	uint8_t more[8];
};

/* 0: a part that is longer than the record; 1: one that leads behind the end of the file; 2: a
 * record that does; 3: a part of nothing; 4: parts of one byte. */
static struct recovery forged(int i)
{
	struct recovery forged = {.len = 4096, .magic = 0xf53bc0e7, .data_len = 16};

	forged.place = 4096;
	forged.part_len = i == 0 ? 0x10000 : i == 1 ? 8 : i == 3 ? 0 : 1;
	if (i == 1)
		forged.place = 0x40000000;
	if (i == 2)
		forged.data_len = 0x40000000;
	if (i == 4)
		forged.data_len = 28;
	return forged;
}

static uint8_t *forge_recovery(int i, size_t *len_r)
{
	const struct recovery record = forged(i);
	struct stat st;
	uint32_t at;

	ck_assert_int_eq(stat(filled_path, &st), 0);
	at = (uint32_t)st.st_size;
	ck_assert_int_eq(truncate(filled_path, st.st_size + 8192), 0);
	filled_overwrite((off_t)at, &record, sizeof(record));
	filled_overwrite(44, &at, sizeof(at));
	return rig_read_file(filled_path, len_r);
}

static void ck_unchanged(const char *file, const uint8_t *before, size_t len_before)
{
	size_t len;
	uint8_t *now = rig_read_file(file, &len);

	ck_assert_uint_eq(len, len_before);
	ck_assert_int_eq(memcmp(now, before, len), 0);
	free(now);
}

/* libtdb would write what is in the memory of this process into a file that others read. */
LOOP_TEST(a_forged_recovery_is_not_done_by_who_has_the_file_open, 0, 5)
{
	size_t len;
	uint8_t *before = forge_recovery(_i, &len);

	ck_assert_int_eq(ocs_store_begin(filled_store, &rig_error), OCS_STORE_CORRUPT);
	ck_assert_ptr_nonnull(strstr(rig_error.text, "recovered"));
	ck_assert(ocs_store_damaged(filled_store));
	ck_assert_int_eq(filled_use(), 0);
	ck_assert_int_ne(filled_each(), 0);
	ck_unchanged(filled_path, before, len);
	free(before);
}

LOOP_TEST(a_forged_recovery_is_not_done_by_who_opens_the_file, 0, 5)
{
	char aside[300] = "";
	size_t len;
	uint8_t *before = forge_recovery(_i, &len);
	struct dirent *entry;
	struct stat st;
	bool moved;
	DIR *dir;

	ocs_store_close(filled_store);
	ck_assert_int_eq(ocs_store_open(filled_path, FILLED_CHAINS, 0, 0660, (gid_t)-1,
	                                &filled_store, NULL, &rig_error),
	                 OCS_STORE_CORRUPT);
	ck_unchanged(filled_path, before, len);
	ck_assert_ok(ocs_store_open(filled_path, FILLED_CHAINS,
	                            OCS_STORE_CREATE | OCS_STORE_MOVE_CORRUPT, 0660, (gid_t)-1,
	                            &filled_store, &moved, &rig_error));
	ck_assert(moved);
	dir = opendir(rig_folder);
	while ((entry = readdir(dir)) != NULL)
		if (strstr(entry->d_name, ".corrupt-") != NULL)
			snprintf(aside, sizeof(aside), "%s", rig_path(entry->d_name));
	closedir(dir);
	ck_unchanged(aside, before, len);
	ck_assert_int_eq(stat(aside, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	free(before);
}

static int end_in_the_middle(struct tdb_context *tdb)
{
	_exit(tdb_transaction_prepare_commit(tdb) == 0 ? 0 : 1);
}

TEST(what_a_killed_process_left_is_recovered_by_who_opens_the_file)
{
	uint32_t at, magic;
	size_t len;
	uint8_t *file;
	pid_t child;
	int status;

	ocs_store_close(filled_store);
	child = fork();
	if (child == 0) {
		if (ocs_store_open(filled_path, FILLED_CHAINS, 0, 0660, (gid_t)-1, &filled_store,
		                   NULL, NULL) != 0)
			_exit(2);
		ocs_store_tdb_commit = end_in_the_middle;
		filled_write();
		_exit(3);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	file = rig_read_file(filled_path, &len);
	memcpy(&at, file + 44, sizeof(at));
	memcpy(&magic, file + at + 20, sizeof(magic));
	free(file);
	ck_assert_uint_eq(magic, 0xf53bc0e7);
	ck_assert_ok(ocs_store_open(filled_path, FILLED_CHAINS, OCS_STORE_CHECK, 0660, (gid_t)-1,
	                            &filled_store, NULL, &rig_error));
	ck_assert_int_eq(filled_use(), FILLED_RECORDS);
}

TEST(a_file_of_the_other_byte_order_is_none)
{
	uint32_t version = __builtin_bswap32(0x26011967U + 6);

	ocs_store_close(filled_store);
	filled_overwrite(32, &version, sizeof(version));
	ck_assert_int_eq(ocs_store_open(filled_path, FILLED_CHAINS, 0, 0660, (gid_t)-1,
	                                &filled_store, NULL, &rig_error),
	                 OCS_STORE_CORRUPT);
	ck_assert_ptr_nonnull(strstr(rig_error.text, "of this machine"));
}
