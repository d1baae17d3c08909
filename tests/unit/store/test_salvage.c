/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* OCS_STORE_SALVAGE: of a file that fails its check, every record that verifies is kept. */
#include "tests/unit/rig.h"

#include <dirent.h>

#include "mapistore/index.h"

#define RECORDS 300
#define BUCKETS 1009
/* In a TDB file: the header, then the head of the free list, then one 32-bit offset a chain. */
#define CHAINS 172

static char path[256];

static void fill(void)
{
	struct ocs_store *store;

	ck_assert_ok(ocs_store_open(path, BUCKETS, OCS_STORE_CREATE, 0660, (gid_t)-1, &store, NULL,
	                            &rig_error));
	ck_assert_ok(ocs_store_begin(store, &rig_error));
	for (int i = 0; i < RECORDS; i++) {
		char key[16], data[64];

		snprintf(key, sizeof(key), "K%d", i);
		snprintf(data, sizeof(data), "the data of record %d.", i);
		ck_assert_ok(
		        ocs_store_put(store, key, strlen(key), data, strlen(data), &rig_error));
	}
	ck_assert_ok(ocs_store_commit(store, true, &rig_error));
	ocs_store_close(store);
}

static void setup(void)
{
	rig_make_folder();
	snprintf(path, sizeof(path), "%s", rig_path("test.tdb"));
	fill();
}

static int open_it(int flags, struct ocs_store **store, bool *moved)
{
	return ocs_store_open(path, BUCKETS, OCS_STORE_CHECK | flags, 0640, (gid_t)-1, store, moved,
	                      &rig_error);
}

/* How many records are there with the right data; the others are not there at all. */
static int count_good(struct ocs_store *store)
{
	int good = 0;

	for (int i = 0; i < RECORDS; i++) {
		char key[16], data[64];
		uint8_t *got;
		size_t len;
		int ret;

		snprintf(key, sizeof(key), "K%d", i);
		snprintf(data, sizeof(data), "the data of record %d.", i);
		ret = ocs_store_fetch(store, NULL, key, strlen(key), &got, &len, &rig_error);
		if (ret == OCS_STORE_OK) {
			ck_assert_uint_eq(len, strlen(data));
			ck_assert_mem_eq(got, data, len);
			good++;
		} else {
			ck_assert_int_eq(ret, OCS_STORE_MISSING);
		}
		talloc_free(got);
	}
	return good;
}

/* The name of the file that was moved aside, "" if there is none. */
static const char *aside(void)
{
	static char name[512];
	DIR *folder = opendir(rig_folder);
	struct dirent *entry;

	name[0] = '\0';
	while ((entry = readdir(folder)) != NULL)
		if (strstr(entry->d_name, ".corrupt-") != NULL)
			snprintf(name, sizeof(name), "%s/%s", rig_folder, entry->d_name);
	closedir(folder);
	return name;
}

static void overwrite(off_t at, const void *data, size_t len)
{
	int fd = open(path, O_WRONLY);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pwrite(fd, data, len, at), (ssize_t)len);
	close(fd);
}

/* Makes the file fail its check without harm to any record: an empty chain leads into another. */
static void grow_together(void)
{
	size_t len;
	uint8_t *data = rig_read_file(path, &len);
	off_t empty = 0, used = 0;

	for (off_t at = CHAINS; at < CHAINS + 4 * BUCKETS; at += 4) {
		uint32_t head;

		memcpy(&head, data + at, 4);
		if (head == 0 && empty == 0)
			empty = at;
		/* after it, so that the traversal meets the stranger first */
		else if (head != 0 && empty != 0 && used == 0)
			used = at;
	}
	ck_assert_int_ne(used, 0);
	overwrite(empty, data + used, 4);
	free(data);
}

TESTS_HAVE(.setup = setup, .teardown = rig_remove_folder);

TEST(every_record_is_kept_where_only_the_structure_is_damaged)
{
	struct ocs_store *store;
	struct stat st;
	size_t len, aside_len;
	uint8_t *before, *after;
	bool moved = false;

	grow_together();
	before = rig_read_file(path, &len);
	ck_assert_int_eq(open_it(0, &store, &moved), OCS_STORE_CORRUPT);
	ck_assert_ok(open_it(OCS_STORE_SALVAGE, &store, &moved));
	ck_assert(moved);
	ck_assert_int_eq(count_good(store), RECORDS);
	ck_assert_ok(ocs_store_begin(store, &rig_error));
	ck_assert_ok(ocs_store_put(store, "new", 3, "x", 1, &rig_error));
	ck_assert_ok(ocs_store_commit(store, true, &rig_error));
	ocs_store_close(store);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0640);
	/* What was there is kept for whoever wants to look at it. */
	after = rig_read_file(aside(), &aside_len);
	ck_assert_uint_eq(aside_len, len);
	ck_assert_mem_eq(before, after, len);
	free(before);
	free(after);
	moved = true;
	ck_assert_ok(open_it(OCS_STORE_SALVAGE, &store, &moved));
	ck_assert(!moved);
	ck_assert_int_eq(count_good(store), RECORDS);
	ocs_store_close(store);
}

TEST(a_record_that_does_not_verify_is_left_behind)
{
	struct ocs_store *store;
	bool moved;

	grow_together();
	rig_flip(path, "the data of record 77.", 22);
	rig_flip(path, "the data of record 99.", 22);
	ck_assert_ok(open_it(OCS_STORE_SALVAGE, &store, &moved));
	ck_assert(moved);
	ck_assert_int_eq(count_good(store), RECORDS - 2);
	ocs_store_close(store);
}

/* 0: garbage, 1: cut short, 2: an empty file, 3: its chains lead nowhere, 4: locks of a kind that
 * libtdb does not know, 5: more chains than there is memory for */
static void spoil(int how)
{
	uint8_t garbage[4096];

	memset(garbage, 0xa5, sizeof(garbage));
	if (how == 0)
		overwrite(0, garbage, sizeof(garbage));
	else if (how == 1)
		ck_assert_int_eq(truncate(path, 8192), 0);
	else if (how == 2)
		ck_assert_int_eq(truncate(path, 0), 0);
	else if (how == 3)
		overwrite(CHAINS, garbage, sizeof(garbage) - CHAINS);
	else if (how == 4)
		overwrite(40, garbage, 4);
	else
		overwrite(36, (const uint32_t[]){700000000}, 4);
}

LOOP_TEST(what_cannot_be_read_through_stays_where_it_is, 0, 6)
{
	struct ocs_store *store;
	size_t len, len_after;
	uint8_t *before, *after;
	bool moved = true;

	spoil(_i);
	before = rig_read_file(path, &len);
	ck_assert_int_eq(open_it(OCS_STORE_SALVAGE | OCS_STORE_CREATE, &store, &moved),
	                 OCS_STORE_CORRUPT);
	ck_assert_ptr_null(store);
	ck_assert(!moved);
	ck_assert_ptr_nonnull(strstr(rig_error.text, path));
	ck_assert_str_eq(aside(), "");
	ck_assert_int_ne(access(rig_path("test.tdb.new"), F_OK), 0);
	after = rig_read_file(path, &len_after);
	ck_assert_uint_eq(len_after, len);
	ck_assert_mem_eq(before, after, len);
	free(before);
	free(after);
}

LOOP_TEST(soft_state_that_cannot_be_read_through_starts_empty, 0, 6)
{
	struct ocs_store *store;
	bool moved = false;

	spoil(_i);
	ck_assert_ok(open_it(OCS_STORE_SALVAGE | OCS_STORE_MOVE_CORRUPT, &store, &moved));
	ck_assert(moved);
	ck_assert_int_eq(count_good(store), 0);
	ck_assert_str_ne(aside(), "");
	ocs_store_close(store);
}

TEST(where_no_new_file_can_be_made_the_old_one_stays)
{
	struct ocs_store *store;
	bool moved = true;

	grow_together();
	ck_assert_int_eq(mkdir(rig_path("test.tdb.new"), 0700), 0);
	ck_assert_int_eq(open_it(OCS_STORE_SALVAGE | OCS_STORE_MOVE_CORRUPT, &store, &moved),
	                 OCS_STORE_ERROR);
	ck_assert(!moved);
	ck_assert_str_eq(aside(), "");
	ck_assert_int_eq(rmdir(rig_path("test.tdb.new")), 0);
	ck_assert_ok(open_it(OCS_STORE_SALVAGE, &store, &moved));
	ck_assert_int_eq(count_good(store), RECORDS);
	ocs_store_close(store);
}

/* ---- the index ---- */

static struct ocs_index *idx;

static int open_index(void)
{
	return ocs_index_open(rig_folder, 1, true, &idx, &rig_error);
}

static uint64_t make_folder(const char *name)
{
	struct ocs_index_folder folder;

	ck_assert_ok(ocs_index_begin(idx, &rig_error));
	ck_assert_ok(ocs_index_folder(idx, &(struct ocs_folder_name){"jdoe", "sogo", "jdoe", name},
	                              true, &folder, &rig_error));
	ck_assert_ok(ocs_index_commit(idx, &rig_error));
	return folder.fid;
}

static uint64_t counter(uint64_t id)
{
	return __builtin_bswap64(id & ~0xffffULL);
}

/* Makes the file fail its check without harm to any record: free space is no longer marked so. */
static void damage_free_space(void)
{
	uint32_t magic = ~0x26011999U; /* TDB_FREE_MAGIC */
	size_t len;
	uint8_t *data = rig_read_file(path, &len), *p;

	p = memmem(data, len, &magic, 4);
	ck_assert_ptr_nonnull(p);
	magic ^= 0x10000000;
	overwrite(p - data, &magic, 4);
	free(data);
}

TEST(a_salvaged_index_goes_on_counting_where_it_was)
{
	uint64_t inbox, highest;

	snprintf(path, sizeof(path), "%s", rig_path("index.tdb"));
	ck_assert_ok(open_index());
	ck_assert(!ocs_index_salvaged(idx));
	inbox = make_folder("INBOX");
	highest = make_folder("Last");
	ocs_index_close(idx);
	damage_free_space();
	ck_assert_ok(open_index());
	ck_assert(ocs_index_salvaged(idx));
	ck_assert_uint_eq(make_folder("INBOX"), inbox);
	ck_assert_uint_eq(make_folder("Last"), highest);
	ck_assert_uint_gt(counter(make_folder("New")), counter(highest));
	ocs_index_close(idx);
	ck_assert_ok(open_index());
	ck_assert(!ocs_index_salvaged(idx));
	ocs_index_close(idx);
}

/* With the mark beside it, it goes on above it. */
LOOP_TEST(an_index_salvaged_without_any_mark_is_refused, 0, 2)
{
	struct ocs_store *store;
	uint64_t inbox;

	snprintf(path, sizeof(path), "%s", rig_path("index.tdb"));
	ck_assert_ok(open_index());
	inbox = make_folder("INBOX");
	ocs_index_close(idx);
	ck_assert_ok(ocs_store_open(path, 0, 0, 0, (gid_t)-1, &store, NULL, &rig_error));
	ck_assert_ok(ocs_store_begin(store, &rig_error));
	ck_assert_ok(ocs_store_delete(store, "H", 1, &rig_error));
	ck_assert_ok(ocs_store_commit(store, true, &rig_error));
	ocs_store_close(store);
	damage_free_space();
	if (_i == 1) {
		ck_assert_ok(open_index());
		ck_assert_uint_eq(make_folder("INBOX"), inbox);
		ck_assert_uint_gt(counter(make_folder("New")), counter(inbox));
		ocs_index_close(idx);
		return;
	}
	ck_assert_int_eq(unlink(rig_path("id_mark.1")), 0);
	ck_assert_int_eq(open_index(), OCS_STORE_CORRUPT);
	ck_assert_ptr_null(idx);
	ck_assert_ptr_nonnull(strstr(rig_error.text, "replica_id"));
	/* Nor is it taken for a new or a good one at the next start. */
	ck_assert_int_eq(open_index(), OCS_STORE_CORRUPT);
}
