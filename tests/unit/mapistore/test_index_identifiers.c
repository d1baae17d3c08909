/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The index gives each identifier once, whatever happens to its file. */
#include "tests/unit/mapistore/index_rig.h"

#include "mapistore/index_mark.h"

static uint64_t reserve(unsigned n)
{
	uint64_t id;

	ck_assert_ok(ocs_index_begin(index_db, &rig_error));
	ck_assert_ok(ocs_index_reserve(index_db, n, &id, &rig_error));
	ck_assert_ok(ocs_index_commit(index_db, &rig_error));
	return id;
}

static void set_counter(uint64_t counter)
{
	uint8_t data[8];

	ocs_put64(data, counter);
	ck_assert_ok(ocs_index_begin(index_db, &rig_error));
	ck_assert_ok(ocs_store_put(ocs_index_store(index_db), "H", 1, data, 8, &rig_error));
	ck_assert_ok(ocs_index_commit(index_db, &rig_error));
}

static int64_t no_clock(void)
{
	return 0;
}

static void setup(void)
{
	ocs_index_clock = no_clock;
	index_setup();
}

TESTS_HAVE(.setup = setup, .teardown = index_teardown);

TEST(the_first_identifier_is_counter_one_of_the_replica)
{
	static const uint8_t wire[] = {0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01};
	uint8_t bytes[8];
	uint64_t id = reserve(1);

	ck_assert_uint_eq(id, 0x0100000000000001);
	ocs_put64(bytes, id);
	ck_assert_mem_eq(bytes, wire, 8);
}

TEST(replica_and_counter_have_their_two_byte_orders)
{
	static const uint8_t wire[] = {0x03, 0x02, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06};
	uint8_t bytes[8];
	uint64_t id;

	ocs_index_close(index_db);
	ck_assert_ok(index_open(0x0203));
	set_counter(0x010203040506);
	id = reserve(1);
	ck_assert_uint_eq(id, 0x0605040302010203);
	ocs_put64(bytes, id);
	ck_assert_mem_eq(bytes, wire, 8);
}

TEST(a_reserved_range_follows_id_next_and_carries)
{
	set_counter(0xfe);
	ck_assert_uint_eq(reserve(4), 0xfe00000000000001);
	ck_assert_uint_eq(ocs_index_id_next(0xfe00000000000001), 0xff00000000000001);
	ck_assert_uint_eq(ocs_index_id_next(0xff00000000000001), 0x0001000000000001);
	ck_assert_uint_eq(reserve(1), 0x0201000000000001);
}

TEST(identifiers_never_repeat_across_reopening)
{
	uint64_t first = reserve(100), next;

	index_reopen();
	next = reserve(1);
	for (int i = 0; i < 100; i++, first = ocs_index_id_next(first))
		ck_assert_uint_ne(first, next);
	/* Not many are skipped. */
	for (unsigned i = 0; first != next; i++, first = ocs_index_id_next(first))
		ck_assert_uint_lt(i, OCS_MARK_BLOCK + 1);
}

TEST(what_was_not_committed_is_not_given_again_either)
{
	uint64_t a, b;

	ck_assert_ok(ocs_index_begin(index_db, &rig_error));
	ck_assert_ok(ocs_index_reserve(index_db, 5, &a, &rig_error));
	ocs_index_cancel(index_db);
	b = reserve(1);
	for (int i = 0; i < 5; i++)
		a = ocs_index_id_next(a);
	ck_assert_uint_eq(a, b);
}

TEST(at_the_end_of_the_counter_nothing_more_is_given)
{
	uint64_t id;

	set_counter(0xfffffffffffe);
	ck_assert_ok(ocs_index_begin(index_db, &rig_error));
	ck_assert_int_ne(ocs_index_reserve(index_db, 2, &id, &rig_error), OCS_STORE_OK);
	ck_assert_ok(ocs_index_reserve(index_db, 1, &id, &rig_error));
	ck_assert_int_ne(ocs_index_reserve(index_db, 1, &id, &rig_error), OCS_STORE_OK);
	ck_assert_ptr_nonnull(strstr(rig_error.text, "all identifiers"));
	ocs_index_cancel(index_db);
}

TEST(with_neither_high_water_mark_nothing_is_given)
{
	static const uint8_t mark[] = {0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0, 0};
	uint64_t inbox = index_make("INBOX"), id;

	set_counter(0x223344556677);
	ocs_index_close(index_db);
	index_db = NULL;
	rig_flip(rig_path("index.tdb"), mark, 8);
	ck_assert_int_eq(unlink(rig_path("id_mark.1")), 0);
	ck_assert_int_eq(ocs_index_look(rig_folder, 1, true, &rig_error), -1);
	ck_assert_ok(index_open(1));
	ck_assert_int_ne(access(rig_path("id_mark.1"), F_OK), 0);
	ck_assert_ok(ocs_index_begin(index_db, &rig_error));
	ck_assert_int_eq(ocs_index_reserve(index_db, 1, &id, &rig_error), OCS_STORE_CORRUPT);
	ck_assert_ptr_nonnull(strstr(rig_error.text, "replica_id"));
	ck_assert_int_eq(ocs_index_folder(index_db,
	                                  &(struct ocs_folder_name){"jdoe", "sogo", "john", "new"},
	                                  true, &index_found, &rig_error),
	                 OCS_STORE_CORRUPT);
	ocs_index_cancel(index_db);
	/* What was given before is still found. */
	ck_assert_ok(index_find("INBOX"));
	ck_assert_uint_eq(index_found.fid, inbox);
}

TEST(a_damaged_high_water_mark_is_made_good_by_the_one_beside_it)
{
	static const uint8_t mark[] = {0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0, 0};
	uint64_t inbox = index_make("INBOX"), last;

	set_counter(0x223344556670);
	last = reserve(7);
	ocs_index_close(index_db);
	index_db = NULL;
	rig_flip(rig_path("index.tdb"), mark, 8);
	ck_assert_int_eq(ocs_index_look(rig_folder, 1, true, &rig_error), 1);
	ck_assert_ptr_nonnull(strstr(rig_error.text, "high-water mark"));
	ck_assert_ok(index_open(1));
	ck_assert_uint_gt(__builtin_bswap64(reserve(1)), __builtin_bswap64(last) + 6);
	ck_assert_ok(index_find("INBOX"));
	ck_assert_uint_eq(index_found.fid, inbox);
	ocs_index_close(index_db);
	index_db = NULL;
	ck_assert_int_eq(ocs_index_look(rig_folder, 1, true, &rig_error), 0);
}

/* All its records are of a version that is not ours. */
TEST(an_index_of_another_version_gives_nothing_and_is_not_touched)
{
	static const char magic[] = {'\x99', '\x19', '\x01', '\x26'};
	size_t len, after, found = 0;
	uint8_t *data, *p, *same;
	uint64_t id;
	int fd;

	index_make("INBOX");
	ocs_index_close(index_db);
	index_db = NULL;
	data = rig_read_file(rig_path("index.tdb"), &len);
	/* libtdb's header of a record is 24 bytes: its length of the key is in the third word. */
	for (p = data; (p = memmem(p, len - (size_t)(p - data), magic, 4)) != NULL; p += 4) {
		uint32_t key_len = ocs_get32(p - 12);

		if (key_len < 200 && p + 4 + key_len < data + len && p[4 + key_len] == 1) {
			p[4 + key_len] = 99;
			found++;
		}
	}
	ck_assert_uint_gt(found, 5);
	fd = open(rig_path("index.tdb"), O_WRONLY);
	ck_assert_int_eq(pwrite(fd, data, len, 0), (ssize_t)len);
	close(fd);
	ck_assert_int_eq(ocs_index_look(rig_folder, 1, true, &rig_error), -1);
	ck_assert_ok(index_open(1));
	ck_assert_ok(ocs_index_begin(index_db, &rig_error));
	ck_assert_int_eq(ocs_index_reserve(index_db, 1, &id, &rig_error), OCS_STORE_CORRUPT);
	ocs_index_cancel(index_db);
	ocs_index_close(index_db);
	index_db = NULL;
	same = rig_read_file(rig_path("index.tdb"), &after);
	ck_assert_uint_eq(after, len);
	ck_assert_mem_eq(same, data, len);
	free(data);
	free(same);
}

TEST(a_lost_index_is_refused_with_advice)
{
	reserve(1);
	ocs_index_close(index_db);
	index_db = NULL;
	unlink(rig_path("index.tdb"));
	ck_assert_int_eq(index_open(1), OCS_STORE_CORRUPT);
	ck_assert_ptr_null(index_db);
	ck_assert_ptr_nonnull(strstr(rig_error.text, "replica_id"));
	ck_assert_ptr_nonnull(strstr(rig_error.text, "ocsctl index restore"));
	ck_assert_int_ne(access(rig_path("index.tdb"), F_OK), 0);
	ck_assert_ok(index_open(2));
	ck_assert_uint_eq(reserve(1), 0x0100000000000002);
}

TEST(a_damaged_index_is_refused_and_left_as_it_is)
{
	FILE *file;
	uint8_t *data;
	size_t len;

	ocs_index_close(index_db);
	index_db = NULL;
	file = fopen(rig_path("index.tdb"), "w");
	fputs("gone", file);
	fclose(file);
	ck_assert_int_eq(index_open(1), OCS_STORE_CORRUPT);
	ck_assert_ptr_nonnull(strstr(rig_error.text, "replica_id"));
	data = rig_read_file(rig_path("index.tdb"), &len);
	ck_assert_uint_eq(len, 4);
	free(data);
	unlink(rig_path("index.tdb"));
	ck_assert_ok(index_open(2));
}

TEST(a_second_replica_id_goes_on_in_the_same_index)
{
	uint64_t inbox = index_make("INBOX"), id;

	ocs_index_close(index_db);
	ck_assert_ok(index_open(9));
	ck_assert_ok(index_find("INBOX"));
	ck_assert_uint_eq(index_found.fid, inbox);
	id = reserve(1);
	ck_assert_uint_eq(id & 0xffff, 9);
	ocs_index_close(index_db);
	ck_assert_ok(index_open(1));
	ck_assert_uint_ne(reserve(1), id);
	ocs_index_close(index_db);
	index_db = NULL;
	unlink(rig_path("index.tdb"));
	/* Both are known to have given identifiers. */
	ck_assert_int_eq(index_open(9), OCS_STORE_CORRUPT);
	ck_assert_int_eq(index_open(1), OCS_STORE_CORRUPT);
	ck_assert_ok(index_open(3));
}

TEST(a_start_killed_before_the_first_mark_can_be_repeated)
{
	struct ocs_store *store;

	ocs_index_close(index_db);
	index_db = NULL;
	unlink(rig_path("index.tdb"));
	unlink(rig_path("replica_ids"));
	unlink(rig_path("id_mark.1"));
	ck_assert_ok(ocs_store_open(rig_path("index.tdb"), 131071, OCS_STORE_CREATE, 0660,
	                            (gid_t)-1, &store, NULL, &rig_error));
	ocs_store_close(store);
	ck_assert_ok(index_open(1));
	ck_assert_uint_eq(reserve(1), 0x0100000000000001);
}

TEST(without_create_a_missing_index_is_missing)
{
	struct ocs_index *other;

	ocs_index_close(index_db);
	index_db = NULL;
	unlink(rig_path("index.tdb"));
	ck_assert_int_eq(ocs_index_open(rig_folder, 1, false, &other, &rig_error),
	                 OCS_STORE_MISSING);
	ck_assert_ptr_null(other);
}
