/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The store's records: kept, checked, transactional; and what an unusable file gets. */
#include <ftw.h>

#include "tests/unit/rig.h"

static struct ocs_store *store;
static const char *path;

static int open_store(int flags)
{
	return ocs_store_open(path, 1009, flags, 0660, (gid_t)-1, &store, NULL, &rig_error);
}

static void setup(void)
{
	rig_make_folder();
	path = rig_path("test.tdb");
	ck_assert_ok(open_store(OCS_STORE_CREATE));
}

static void teardown(void)
{
	ocs_store_close(store);
	rig_remove_folder();
}

static void put(const char *key, const char *data)
{
	ck_assert_ok(ocs_store_put(store, key, strlen(key), data, strlen(data), &rig_error));
}

static void put_committed(const char *key, const char *data)
{
	ck_assert_ok(ocs_store_begin(store, &rig_error));
	put(key, data);
	ck_assert_ok(ocs_store_commit(store, false, &rig_error));
}

static int get(const char *key, char out[64])
{
	uint8_t *data;
	size_t len;
	int ret = ocs_store_fetch(store, NULL, key, strlen(key), &data, &len, &rig_error);

	out[0] = '\0';
	if (ret == OCS_STORE_OK) {
		ck_assert_uint_lt(len, 64);
		memcpy(out, data, len);
		out[len] = '\0';
	} else {
		ck_assert_ptr_null(data);
	}
	talloc_free(data);
	return ret;
}

static int count_one(const void *key, size_t key_len, const uint8_t *data, size_t len, void *arg)
{
	int *counts = arg;

	(void)key;
	(void)key_len;
	(void)len;
	counts[data == NULL ? 1 : 0]++;
	return 0;
}

TESTS_HAVE(.setup = setup, .teardown = teardown);

TEST(records_survive_closing_and_opening)
{
	char text[64];

	put_committed("Ka", "first");
	put_committed("Kb", "");
	ocs_store_close(store);
	ck_assert_ok(open_store(OCS_STORE_CHECK));
	ck_assert_int_eq(get("Ka", text), OCS_STORE_OK);
	ck_assert_str_eq(text, "first");
	ck_assert_int_eq(get("Kb", text), OCS_STORE_OK);
	ck_assert_str_eq(text, "");
	ck_assert_int_eq(get("Kc", text), OCS_STORE_MISSING);
}

TEST(a_transaction_sees_its_own_changes_and_a_cancel_undoes_them)
{
	char text[64];

	put_committed("K", "old");
	ck_assert_ok(ocs_store_begin(store, &rig_error));
	ck_assert(ocs_store_in_transaction(store));
	put("K", "new");
	put("L", "more");
	ck_assert_int_eq(get("K", text), OCS_STORE_OK);
	ck_assert_str_eq(text, "new");
	ck_assert_ok(ocs_store_delete(store, "nothing", 7, &rig_error));
	ocs_store_cancel(store);
	ck_assert(!ocs_store_in_transaction(store));
	ocs_store_cancel(store); /* without a transaction: nothing */
	ck_assert_int_eq(get("K", text), OCS_STORE_OK);
	ck_assert_str_eq(text, "old");
	ck_assert_int_eq(get("L", text), OCS_STORE_MISSING);
}

TEST(an_uncommitted_transaction_is_gone_after_closing)
{
	char text[64];

	ck_assert_ok(ocs_store_begin(store, &rig_error));
	put("K", "never");
	ocs_store_close(store);
	ck_assert_ok(open_store(OCS_STORE_CHECK));
	ck_assert_int_eq(get("K", text), OCS_STORE_MISSING);
}

TEST(nothing_is_written_outside_a_transaction)
{
	char text[64];

	put_committed("K", "stays");
	ck_assert_int_eq(ocs_store_put(store, "K", 1, "x", 1, &rig_error), OCS_STORE_ERROR);
	ck_assert_ptr_nonnull(strstr(rig_error.text, "outside a transaction"));
	ck_assert_int_eq(ocs_store_delete(store, "K", 1, &rig_error), OCS_STORE_ERROR);
	ck_assert_int_eq(ocs_store_wipe(store, &rig_error), OCS_STORE_ERROR);
	ck_assert_int_eq(ocs_store_quarantine(store, "K", 1, &rig_error), OCS_STORE_ERROR);
	ck_assert_int_eq(get("K", text), OCS_STORE_OK);
	ck_assert_str_eq(text, "stays");
}

TEST(wipe_deletes_every_record)
{
	int counts[2] = {0, 0};

	put_committed("A", "1");
	put_committed("B", "2");
	ck_assert_ok(ocs_store_begin(store, &rig_error));
	ck_assert_ok(ocs_store_wipe(store, &rig_error));
	ck_assert_ok(ocs_store_commit(store, false, &rig_error));
	ck_assert_ok(ocs_store_each(store, -1, count_one, counts, &rig_error));
	ck_assert_int_eq(counts[0] + counts[1], 0);
}

static int stop_at_first(const void *key, size_t key_len, const uint8_t *data, size_t len,
                         void *arg)
{
	(void)key;
	(void)key_len;
	(void)data;
	(void)len;
	(*(int *)arg)++;
	return 7;
}

TEST(each_visits_the_prefix_asked_for_and_stops_when_told)
{
	int counts[2] = {0, 0}, visited = 0;

	put_committed("Aa", "1");
	put_committed("Ab", "2");
	put_committed("B", "3");
	ck_assert_ok(ocs_store_each(store, 'A', count_one, counts, &rig_error));
	ck_assert_int_eq(counts[0], 2);
	ck_assert_ok(ocs_store_each(store, -1, count_one, counts, &rig_error));
	ck_assert_int_eq(counts[0], 5);
	ck_assert_int_eq(ocs_store_each(store, -1, stop_at_first, &visited, &rig_error), 7);
	ck_assert_int_eq(visited, 1);
}

TEST(each_visits_what_the_open_transaction_has_written)
{
	int counts[2] = {0, 0};

	put_committed("Aa", "1");
	ck_assert_ok(ocs_store_begin(store, &rig_error));
	ck_assert_ok(ocs_store_put(store, "Ab", 2, "2", 1, &rig_error));
	ck_assert_ok(ocs_store_put(store, "Ac", 2, "3", 1, &rig_error));
	ck_assert_ok(ocs_store_delete(store, "Aa", 2, &rig_error));
	ck_assert_ok(ocs_store_each(store, 'A', count_one, counts, &rig_error));
	ck_assert_int_eq(counts[0], 2);
	ocs_store_cancel(store);
	ck_assert_ok(ocs_store_each(store, 'A', count_one, counts, &rig_error));
	ck_assert_int_eq(counts[0], 3);
}

TEST(a_flipped_byte_is_damaged_and_can_be_set_aside)
{
	int counts[2] = {0, 0};
	char text[64];

	put_committed("K1", "payload-to-be-hit");
	put_committed("K2", "untouched");
	ocs_store_close(store);
	rig_flip(path, "payload-to-be-hit", 17);
	ck_assert_ok(open_store(OCS_STORE_CHECK));
	ck_assert_int_eq(get("K1", text), OCS_STORE_DAMAGED);
	ck_assert_int_eq(get("K2", text), OCS_STORE_OK);
	ck_assert_ok(ocs_store_each(store, 'K', count_one, counts, &rig_error));
	ck_assert_int_eq(counts[0], 1);
	ck_assert_int_eq(counts[1], 1);
	ck_assert_ok(ocs_store_begin(store, &rig_error));
	ck_assert_ok(ocs_store_quarantine(store, "K1", 2, &rig_error));
	ck_assert_ok(ocs_store_quarantine(store, "none", 4, &rig_error));
	ck_assert_ok(ocs_store_commit(store, false, &rig_error));
	ck_assert_int_eq(get("K1", text), OCS_STORE_MISSING);
	ck_assert_int_eq(get("QK1", text), OCS_STORE_DAMAGED); /* kept for whoever looks into it */
	put_committed("K1", "again");
	ck_assert_int_eq(get("K1", text), OCS_STORE_OK);
	ck_assert_str_eq(text, "again");
}

TEST(a_record_of_another_key_does_not_verify)
{
	char text[64];

	put_committed("Key-of-the-one", "hello");
	ocs_store_close(store);
	rig_flip(path, "ey-of-the-one", 13);
	/* The hash chain no longer leads there, so look at it by walking through. */
	ck_assert_ok(open_store(0));
	int counts[2] = {0, 0};
	ck_assert_ok(ocs_store_each(store, 'K', count_one, counts, &rig_error));
	ck_assert_int_eq(counts[0], 0);
	ck_assert_int_eq(counts[1], 1);
	ck_assert_int_eq(get("Key-of-the-one", text), OCS_STORE_MISSING);
}

static void spoil(const void *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_TRUNC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, data, len), (ssize_t)len);
	close(fd);
}

TEST(garbage_is_corrupt_and_never_wiped)
{
	static char garbage[8192];
	uint8_t *now;
	size_t len;

	memset(garbage, 'x', sizeof(garbage));
	ocs_store_close(store);
	store = NULL;
	spoil(garbage, sizeof(garbage));
	ck_assert_int_eq(open_store(0), OCS_STORE_CORRUPT);
	ck_assert_ptr_null(store);
	ck_assert_int_eq(open_store(OCS_STORE_CREATE), OCS_STORE_CORRUPT);
	ck_assert_int_eq(open_store(OCS_STORE_CREATE | OCS_STORE_CHECK), OCS_STORE_CORRUPT);
	ck_assert_ptr_nonnull(strstr(rig_error.text, path));
	now = rig_read_file(path, &len);
	ck_assert_uint_eq(len, sizeof(garbage));
	ck_assert_mem_eq(now, garbage, len);
	free(now);
}

static char aside[512];

static int find_aside(const char *name, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	if (strstr(name, "test.tdb.corrupt-") != NULL)
		snprintf(aside, sizeof(aside), "%s", name);
	return 0;
}

TEST(garbage_is_moved_aside_where_that_is_asked_for)
{
	bool moved = false;
	uint8_t *kept;
	size_t len;

	ocs_store_close(store);
	spoil("no database at all", 18);
	ck_assert_ok(ocs_store_open(path, 1009, OCS_STORE_CREATE | OCS_STORE_MOVE_CORRUPT, 0660,
	                            (gid_t)-1, &store, &moved, &rig_error));
	ck_assert(moved);
	put_committed("K", "works");
	nftw(rig_folder, find_aside, 4, FTW_PHYS);
	kept = rig_read_file(aside, &len);
	ck_assert_uint_eq(len, 18);
	ck_assert_mem_eq(kept, "no database at all", 18);
	free(kept);
	ocs_store_close(store);
	ck_assert_ok(ocs_store_open(path, 1009, OCS_STORE_CREATE | OCS_STORE_MOVE_CORRUPT, 0660,
	                            (gid_t)-1, &store, &moved, &rig_error));
	ck_assert(!moved);
}

TEST(a_truncated_file_is_corrupt_wherever_it_was_cut)
{
	static const int cuts[] = {0, 20, 60, 100, 168, 1000, 4096};
	size_t whole;
	uint8_t *data;

	for (int i = 0; i < 50; i++) {
		char key[16];

		snprintf(key, sizeof(key), "K%d", i);
		put_committed(key, "some payload that takes some room");
	}
	ocs_store_close(store);
	store = NULL;
	data = rig_read_file(path, &whole);
	for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
		spoil(data, (size_t)cuts[i]);
		ck_assert_msg(open_store(OCS_STORE_CHECK) == OCS_STORE_CORRUPT, "cut to %d",
		              cuts[i]);
	}
	/* Where only free space is cut off, nothing is lost. */
	for (size_t cut = 5000; cut < whole; cut += cut < 30000 ? 500 : 20000) {
		char key[16], text[64];

		spoil(data, cut);
		if (open_store(OCS_STORE_CHECK) == OCS_STORE_CORRUPT)
			continue;
		ck_assert_ptr_nonnull(store);
		for (int i = 0; i < 50; i++) {
			snprintf(key, sizeof(key), "K%d", i);
			ck_assert_msg(get(key, text) == OCS_STORE_OK, "cut to %zu: %s", cut, key);
		}
		ocs_store_close(store);
		store = NULL;
	}
	spoil(data, whole);
	ck_assert_ok(open_store(OCS_STORE_CHECK));
	free(data);
}

TEST(a_missing_file_is_missing_unless_it_may_be_created)
{
	struct stat st;

	ocs_store_close(store);
	store = NULL;
	unlink(path);
	ck_assert_int_eq(open_store(0), OCS_STORE_MISSING);
	ck_assert_int_ne(stat(path, &st), 0);
	ck_assert_int_eq(open_store(OCS_STORE_READ_ONLY), OCS_STORE_MISSING);
	ck_assert_ok(open_store(OCS_STORE_CREATE));
}

TEST(create_never_replaces_an_existing_file)
{
	char text[64];

	put_committed("K", "here first");
	ocs_store_close(store);
	ck_assert_ok(open_store(OCS_STORE_CREATE));
	ck_assert_int_eq(get("K", text), OCS_STORE_OK);
	ck_assert_str_eq(text, "here first");
}

TEST(the_mode_is_the_one_asked_for_whatever_the_umask)
{
	static const mode_t masks[] = {0, 022, 077, 0777};
	struct stat st;

	for (size_t i = 0; i < 4; i++) {
		mode_t before;
		int ret;

		ocs_store_close(store);
		store = NULL;
		unlink(path);
		before = umask(masks[i]);
		ret = open_store(OCS_STORE_CREATE);
		umask(before);
		ck_assert_int_eq(ret, 0);
		ck_assert_int_eq(stat(path, &st), 0);
		ck_assert_uint_eq(st.st_mode & 07777, 0660);
	}
}

TEST(a_file_opens_once_in_a_process_and_says_so)
{
	struct ocs_store *second;

	ck_assert_int_eq(ocs_store_open(path, 0, 0, 0, (gid_t)-1, &second, NULL, &rig_error),
	                 OCS_STORE_ERROR);
	ck_assert_ptr_null(second);
	ck_assert_ptr_nonnull(strstr(rig_error.text, "open in this process already"));
}

TEST(a_leftover_of_a_killed_creation_is_in_nobodys_way)
{
	FILE *leftover;

	ocs_store_close(store);
	unlink(path);
	leftover = fopen(rig_path("test.tdb.new"), "w");
	fputs("half", leftover);
	fclose(leftover);
	path = rig_path("test.tdb");
	ck_assert_ok(open_store(OCS_STORE_CREATE));
	put_committed("K", "v");
}

TEST(the_sequence_number_changes_with_each_commit_that_changes_something)
{
	uint32_t before = ocs_store_seqnum(store);

	put_committed("K", "1");
	ck_assert_uint_ne(ocs_store_seqnum(store), before);
	before = ocs_store_seqnum(store);
	ck_assert_ok(ocs_store_begin(store, &rig_error));
	put("K", "2");
	ocs_store_cancel(store);
	ck_assert_uint_eq(ocs_store_seqnum(store), before);
}
