/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The files of the index: names stand once, a full file is followed by a new one, and nothing that
 * was given is lost or given again on the way. */
#include "tests/unit/mapistore/files_rig.h"

#include <tdb.h>

TESTS_HAVE(.setup = files_setup, .teardown = files_teardown);

TEST(the_names_of_a_mail_store_stand_once_however_deep_its_folders)
{
	char user[1001], path[200] = "d";
	struct ocs_index_folder deep;
	size_t len;
	uint8_t *data;
	unsigned copies = 0;

	memset(user, 'u', 1000);
	user[1000] = '\0';
	for (int level = 1; level < 64; level++)
		strcat(path, "/d");
	deep = files_folder(files_idx, user, path, true);
	files_ck_names(files_idx, deep.fid, user, path);
	data = rig_read_file(rig_path("index.tdb"), &len);
	for (uint8_t *p = data; (p = memmem(p, len - (size_t)(p - data), user, 1000)) != NULL;
	     p += 1000)
		copies++;
	/* In the keys of user and mail store and on the way back from either, b.user twice there.
	 */
	ck_assert_uint_le(copies, 6);
	free(data);
}

/* As every folder was written before the names stood once. */
TEST(an_old_record_with_all_names_leads_back_still)
{
	struct ocs_index_folder top = files_folder(files_idx, "jdoe", "Work", true);
	struct ocs_index_folder sub = files_folder(files_idx, "jdoe", "Work/Sub", true);
	uint8_t key[9] = {'I'}, data[64] = {'F'};

	ck_assert_ok(ocs_index_begin(files_idx, &rig_error));
	ocs_put64(key + 1, top.fid);
	memcpy(data + 9, "jdoe\0sogo\0jdoe\0Work", 19);
	ck_assert_ok(ocs_store_put(ocs_index_store(files_idx), key, 9, data, 28, &rig_error));
	ck_assert_ok(ocs_index_commit(files_idx, &rig_error));
	files_ck_names(files_idx, top.fid, "jdoe", "Work");
	files_ck_names(files_idx, sub.fid, "jdoe", "Work/Sub");
	ck_assert_ok(ocs_index_begin(files_idx, &rig_error));
	ocs_put64(key + 1, sub.fid);
	ocs_put64(data + 1, top.fid);
	memcpy(data + 9, "jdoe\0sogo\0jdoe\0Sub", 18);
	ck_assert_ok(ocs_store_put(ocs_index_store(files_idx), key, 9, data, 27, &rig_error));
	ck_assert_ok(ocs_index_commit(files_idx, &rig_error));
	files_ck_names(files_idx, sub.fid, "jdoe", "Work/Sub");
	files_ck_names(files_idx, files_folder(files_idx, "jdoe", "Work/New", true).fid, "jdoe",
	               "Work/New");
}

TEST(a_full_file_is_followed_by_another_and_everything_is_found_in_either)
{
	struct ocs_index_folder inbox = files_folder(files_idx, "jdoe", "INBOX", true), later;
	uint64_t first, last;
	struct ocs_index_sizes sizes;
	unsigned n;

	files_add_messages(&inbox, 0, 1);
	first = files_message(files_idx, &inbox, 0);
	n = files_fill_until(&inbox, 1, 3);
	last = files_message(files_idx, &inbox, n - 1);
	later = files_folder(files_idx, "mary", "INBOX", true);
	for (int round = 0; round < 2; round++) {
		ck_assert_int_eq(access(rig_path("index.2.tdb"), F_OK), 0);
		ocs_index_sizes(files_idx, &sizes);
		ck_assert_uint_eq(sizes.files, 3);
		ck_assert_uint_gt(sizes.bytes, 2 * FILES_SMALL);
		ck_assert_uint_eq(files_folder(files_idx, "jdoe", "INBOX", false).fid, inbox.fid);
		ck_assert_uint_eq(files_folder(files_idx, "mary", "INBOX", false).fid, later.fid);
		ck_assert_uint_eq(files_message(files_idx, &inbox, 0), first);
		ck_assert_uint_eq(files_message(files_idx, &inbox, n - 1), last);
		files_ck_names(files_idx, first, "jdoe", "INBOX");
		files_ck_names(files_idx, last, "jdoe", "INBOX");
		files_ck_names(files_idx, later.fid, "mary", "INBOX");
		for (unsigned i = 0; i < n; i++)
			ck_assert_uint_ne(files_message(files_idx, &inbox, i), 0);
		files_reopen();
	}
	ck_assert(!ocs_index_salvaged(files_idx));
	files_add_messages(&inbox, n, n + 10); /* above all that were given */
}

TEST(what_an_older_file_has_is_deleted_renamed_and_changed_in_the_newest)
{
	struct ocs_index_folder inbox = files_folder(files_idx, "jdoe", "INBOX", true);
	struct ocs_index_folder work = files_folder(files_idx, "jdoe", "Work", true);
	struct ocs_index_folder sub = files_folder(files_idx, "jdoe", "Work/Sub", true), now;
	struct ocs_index_name name;
	uint64_t mid;

	files_add_messages(&inbox, 0, 2);
	mid = files_message(files_idx, &inbox, 0);
	files_fill_until(&inbox, 2, 2);
	for (int round = 0; round < 2; round++) {
		void *ctx = talloc_new(NULL);
		char text[900];

		if (round == 0) {
			snprintf(text, sizeof(text), "%0800u", 0);
			ck_assert_ok(ocs_index_begin(files_idx, &rig_error));
			ck_assert_ok(ocs_index_message_delete(files_idx, inbox.series, text, 0,
			                                      &rig_error));
			ck_assert_ok(ocs_index_folder_rename(
			        files_idx,
			        &(struct ocs_folder_name){"jdoe", "sogo", "jdoe", "Work"}, "Play",
			        &now, &rig_error));
			ck_assert_uint_eq(now.fid, work.fid);
			ck_assert_ok(ocs_index_folder_set_uid_validity(
			        files_idx,
			        &(struct ocs_folder_name){"jdoe", "sogo", "jdoe", "INBOX"}, 7, &now,
			        &rig_error));
			ck_assert_ok(ocs_index_commit(files_idx, &rig_error));
		}
		ck_assert_uint_eq(files_message(files_idx, &inbox, 0), 0);
		ck_assert_ok(ocs_index_lookup(files_idx, ctx, mid, &name, &rig_error));
		ck_assert(name.deleted);
		ck_assert_uint_ne(files_message(files_idx, &inbox, 1), 0);
		ck_assert(!files_is_known(files_idx, "jdoe", "Work"));
		ck_assert_uint_eq(files_folder(files_idx, "jdoe", "Play", false).fid, work.fid);
		ck_assert_uint_eq(files_folder(files_idx, "jdoe", "Play/Sub", false).fid, sub.fid);
		files_ck_names(files_idx, sub.fid, "jdoe", "Play/Sub");
		ck_assert_uint_eq(files_folder(files_idx, "jdoe", "INBOX", false).uid_validity, 7);
		talloc_free(ctx);
		files_reopen();
	}
	/* The name is free for another folder, which is another one. */
	ck_assert_uint_gt(files_counter(files_folder(files_idx, "jdoe", "Work", true).fid),
	                  files_highest);
}

static int library(int to_parent)
{
	struct ocs_index *index;
	char name[16];

	(void)to_parent;
	if (ocs_index_open(rig_folder, 1, false, &index, NULL) != 0 ||
	    write(to_parent, "r", 1) != 1)
		return 1;
	while (access(rig_path("go"), F_OK) != 0)
		;
	/* Found in a file that did not exist when it opened the index. */
	if (!files_is_known(index, "mary", "New"))
		return 2;
	for (int i = 0; i < 20; i++) {
		struct ocs_index_folder folder;

		snprintf(name, sizeof(name), "L%d", i);
		if (ocs_index_begin(index, NULL) != 0 ||
		    ocs_index_folder(index, &(struct ocs_folder_name){"lib", "sogo", "lib", name},
		                     true, &folder, NULL) != 0 ||
		    ocs_index_commit(index, NULL) != 0 ||
		    files_counter(folder.fid) <= files_highest)
			return 3;
	}
	ocs_index_close(index);
	return 0;
}

TEST(a_library_follows_the_daemon_into_the_next_file)
{
	struct ocs_index_folder inbox = files_folder(files_idx, "jdoe", "INBOX", true);
	struct rig_child child;
	char byte;
	int fd;

	ocs_index_close(files_idx);
	rig_child_fork(&child, library);
	files_idx = files_open(true);
	rig_child_go(&child);
	ck_assert_int_eq(read(child.from, &byte, 1), 1);
	files_fill_until(&inbox, 0, 3);
	files_folder(files_idx, "mary", "New", true);
	fd = open(rig_path("go"), O_WRONLY | O_CREAT, 0600);
	ck_assert_int_ge(fd, 0);
	close(fd);
	ck_assert_int_eq(rig_child_wait(&child), 0);
	ck_assert(files_is_known(files_idx, "lib", "L19"));
	files_reopen();
	ck_assert(files_is_known(files_idx, "lib", "L0"));
}

TEST(a_file_begun_by_a_process_that_was_killed_is_taken_up)
{
	struct ocs_index_folder inbox = files_folder(files_idx, "jdoe", "INBOX", true);
	struct ocs_store *begun;
	struct ocs_index_sizes sizes;
	uint8_t mark[8];

	files_add_messages(&inbox, 0, 500);
	/* Its mark is older than what was given since. */
	ck_assert_ok(ocs_store_open(rig_path("index.1.tdb"), 1009, OCS_STORE_CREATE, 0660,
	                            (gid_t)-1, &begun, NULL, &rig_error));
	ck_assert_ok(ocs_store_begin(begun, &rig_error));
	ocs_put64(mark, 17);
	ck_assert_ok(ocs_store_put(begun, "H", 1, mark, 8, &rig_error));
	ck_assert_ok(ocs_store_commit(begun, true, &rig_error));
	ocs_store_close(begun);
	files_reopen();
	ocs_index_sizes(files_idx, &sizes);
	ck_assert_uint_eq(sizes.files, 2);
	ck_assert_uint_ne(files_message(files_idx, &inbox, 499), 0);
	files_add_messages(&inbox, 500, 510);
}

static int store_put_record(const void *key, size_t key_len, const uint8_t *data, size_t len,
                            void *arg)
{
	return ocs_store_put(arg, key, key_len, data, len, &rig_error);
}

/* index.tdb, as one that has outgrown its chains. */
static void make_few_chains(void)
{
	struct ocs_store *from, *to;

	ck_assert_ok(ocs_store_open(rig_path("index.tdb"), 0, OCS_STORE_READ_ONLY, 0, (gid_t)-1,
	                            &from, NULL, &rig_error));
	ck_assert_ok(ocs_store_open(rig_path("few.tdb"), 1009, OCS_STORE_CREATE, 0660, (gid_t)-1,
	                            &to, NULL, &rig_error));
	ck_assert_ok(ocs_store_begin(to, &rig_error));
	ck_assert_ok(ocs_store_each(from, -1, store_put_record, to, &rig_error));
	ck_assert_ok(ocs_store_commit(to, true, &rig_error));
	ocs_store_close(from);
	ocs_store_close(to);
	ck_assert_int_eq(rename(rig_path("few.tdb"), strdupa(rig_path("index.tdb"))), 0);
}

TEST(a_file_with_few_chains_is_followed_by_one_with_more)
{
	struct ocs_index_folder inbox = files_folder(files_idx, "jdoe", "INBOX", true);
	struct ocs_index_sizes sizes;
	uint64_t third;

	files_add_messages(&inbox, 0, 5);
	third = files_message(files_idx, &inbox, 3);
	ocs_index_close(files_idx);
	make_few_chains();
	files_idx = files_open(true);
	ocs_index_set_limits(files_idx, OCS_INDEX_FILE_MAX, 0);
	ck_assert_uint_eq(ocs_store_chains(ocs_index_store(files_idx)), 1009);
	files_add_messages(&inbox, 5, 10);
	ocs_index_sizes(files_idx, &sizes);
	ck_assert_uint_eq(sizes.files, 2);
	ck_assert_uint_gt(ocs_store_chains(ocs_index_store(files_idx)), 1000000);
	ck_assert(!ocs_index_wants_file(files_idx));
	ck_assert_uint_eq(files_message(files_idx, &inbox, 3), third);
	ck_assert_uint_ne(files_message(files_idx, &inbox, 9), 0);
	files_reopen();
	ck_assert_uint_eq(files_message(files_idx, &inbox, 3), third);
	ck_assert_uint_ne(files_message(files_idx, &inbox, 9), 0);
}

TEST(an_older_copy_of_the_first_file_gives_no_identifier_again)
{
	struct ocs_index_folder inbox = files_folder(files_idx, "jdoe", "INBOX", true);
	size_t len;
	uint8_t *copy = rig_read_file(rig_path("index.tdb"), &len);
	int fd;

	files_fill_until(&inbox, 0, 2);
	ocs_index_close(files_idx);
	fd = open(rig_path("index.tdb"), O_WRONLY | O_TRUNC);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, copy, len), (ssize_t)len);
	close(fd);
	free(copy);
	files_idx = files_open(true);
	files_add_messages(&inbox, 0, 10);
}

TEST(an_older_copy_in_place_of_the_open_file_gives_no_identifier_again)
{
	struct ocs_index_folder inbox = files_folder(files_idx, "jdoe", "INBOX", true);
	struct ocs_index_sizes sizes;
	size_t len;
	uint8_t *copy = rig_read_file(rig_path("index.tdb"), &len);
	int fd;

	files_add_messages(&inbox, 0, 100);
	fd = open(rig_path("index.tdb"), O_WRONLY);
	ck_assert_int_eq(pwrite(fd, copy, len, 0), (ssize_t)len);
	close(fd);
	free(copy);
	files_add_messages(&inbox, 0, 100);
	ocs_index_sizes(files_idx, &sizes);
	ck_assert(sizes.behind);
}

LOOP_TEST(a_missing_or_damaged_file_of_several_is_refused_with_advice, 0, 2)
{
	struct ocs_index_folder inbox = files_folder(files_idx, "jdoe", "INBOX", true);

	files_fill_until(&inbox, 0, 3);
	ocs_index_close(files_idx);
	ck_assert_int_eq(ocs_index_look(rig_folder, 1, true, &rig_error), 0);
	if (_i == 0)
		ck_assert_int_eq(unlink(rig_path("index.1.tdb")), 0);
	else
		ck_assert_int_eq(truncate(rig_path("index.2.tdb"), 100), 0);
	ck_assert_int_eq(ocs_index_open(rig_folder, 1, true, &files_idx, &rig_error),
	                 OCS_STORE_CORRUPT);
	ck_assert_ptr_nonnull(strstr(rig_error.text, _i == 0 ? "index.1.tdb" : "index.2.tdb"));
	ck_assert_ptr_nonnull(strstr(rig_error.text, "backup"));
	ck_assert_int_eq(ocs_index_open(rig_folder, 1, false, &files_idx, &rig_error),
	                 OCS_STORE_CORRUPT);
	ck_assert_int_eq(ocs_index_look(rig_folder, 1, false, &rig_error), 0);
	rig_error.text[0] = '\0';
	ck_assert_int_eq(ocs_index_look(rig_folder, 1, true, &rig_error), -1);
	ck_assert_ptr_nonnull(strstr(rig_error.text, _i == 0 ? "index.1.tdb" : "index.2.tdb"));
	ck_assert_ptr_nonnull(strstr(rig_error.text, "backup"));
}

TEST(a_damaged_seal_is_one)
{
	struct ocs_index_folder inbox = files_folder(files_idx, "jdoe", "INBOX", true);
	TDB_DATA seal, key = {.dptr = (unsigned char *)"Z", .dsize = 1};
	struct ocs_index_sizes sizes;
	struct tdb_context *tdb;

	files_fill_until(&inbox, 0, 2);
	ocs_index_close(files_idx);
	tdb = tdb_open(rig_path("index.tdb"), 0, 0, O_RDWR, 0);
	ck_assert_ptr_nonnull(tdb);
	seal = tdb_fetch(tdb, key);
	ck_assert_ptr_nonnull(seal.dptr);
	seal.dptr[seal.dsize - 1] ^= 1;
	ck_assert_int_eq(tdb_store(tdb, key, seal, TDB_MODIFY), 0);
	free(seal.dptr);
	ck_assert_int_eq(tdb_close(tdb), 0);
	for (int owner = 0; owner < 2; owner++) {
		ck_assert_int_eq(ocs_index_open(rig_folder, 1, owner, &files_idx, &rig_error), 0);
		ocs_index_sizes(files_idx, &sizes);
		ck_assert_uint_eq(sizes.files, 2);
		if (owner == 0)
			ocs_index_close(files_idx);
	}
}

TEST(where_no_file_can_be_begun_the_last_one_goes_on)
{
	struct ocs_index_folder inbox = files_folder(files_idx, "jdoe", "INBOX", true);
	struct ocs_index_sizes sizes;
	unsigned n = 0;

	ck_assert_int_eq(mkdir(rig_path("index.1.tdb"), 0700), 0);
	do {
		files_add_messages(&inbox, n, n + 500);
		n += 500;
		ocs_index_sizes(files_idx, &sizes);
	} while (sizes.bytes < 2 * FILES_SMALL);
	ck_assert_uint_eq(sizes.files, 1);
	ck_assert(sizes.no_new_file);
	ck_assert_int_eq(rmdir(rig_path("index.1.tdb")), 0);
	do { /* tried again within a second */
		files_add_messages(&inbox, n, n + 1);
		n++;
		ocs_index_sizes(files_idx, &sizes);
	} while (sizes.files == 1);
	ck_assert(!sizes.no_new_file);
	ck_assert_uint_ne(files_message(files_idx, &inbox, 0), 0);
	ck_assert_uint_ne(files_message(files_idx, &inbox, n - 1), 0);
}

static uint32_t known; /* messages that an earlier round has seen */

static int grow_and_die(int to_parent)
{
	uint32_t n = known;
	struct ocs_index_folder inbox;

	files_idx = files_open(true);
	inbox = files_folder(files_idx, "jdoe", "INBOX", true);
	while (files_message(files_idx, &inbox, n) != 0)
		n++;
	for (;; n += 50) {
		files_add_messages(&inbox, n, n + 50);
		if (write(to_parent, &n, sizeof(n)) != sizeof(n))
			return 1;
	}
}

/* Some of the deaths are in the moment between two files. */
TEST(kill_9_on_the_way_through_many_files_loses_and_repeats_nothing)
{
	struct ocs_index_sizes sizes;
	uint64_t series = 0;

	ocs_index_close(files_idx);
	for (int round = 0; round < UNIT_SOME_OF(12); round++) {
		int wanted = 20 + 2 * round + rand() % 16;
		struct ocs_index_folder inbox;
		struct rig_child child;
		uint32_t last = 0, n;

		rig_child_fork(&child, grow_and_die);
		rig_child_go(&child);
		for (int i = 0; i < wanted; i++)
			ck_assert_int_eq(read(child.from, &last, sizeof(last)), sizeof(last));
		kill(child.pid, SIGKILL);
		while (read(child.from, &n, sizeof(n)) == sizeof(n))
			last = n;
		ck_assert_int_eq(rig_child_wait(&child), -SIGKILL);
		files_idx = files_open(true);
		inbox = files_folder(files_idx, "jdoe", "INBOX", true);
		ck_assert(series == 0 || inbox.series == series);
		series = inbox.series;
		for (n = known; n < last + 50; n++) {
			uint64_t mid = files_message(files_idx, &inbox, n);

			ck_assert_uint_gt(files_counter(mid), files_highest);
			files_highest = files_counter(mid);
		}
		known = last + 50;
		ocs_index_close(files_idx);
	}
	files_idx = files_open(true);
	ocs_index_sizes(files_idx, &sizes);
	ck_assert_uint_gt(sizes.files, 2);
	for (uint32_t n = 0; n < known; n++)
		ck_assert_uint_ne(
		        files_message(files_idx, &(struct ocs_index_folder){.series = series}, n),
		        0);
}

TEST(the_limit_of_all_files_is_told_to_who_asks)
{
	struct ocs_index_folder inbox = files_folder(files_idx, "jdoe", "INBOX", true);
	unsigned n = files_fill_until(&inbox, 0, 2);

	ck_assert(!ocs_index_full(files_idx));
	ocs_index_set_limits(files_idx, 0, 3 * FILES_SMALL);
	ck_assert(!ocs_index_full(files_idx));
	for (; !ocs_index_full(files_idx); n += 500)
		files_add_messages(&inbox, n, n + 500);
	files_reopen();
	ocs_index_set_limits(files_idx, 0, 3 * FILES_SMALL);
	ck_assert(ocs_index_full(files_idx));
	ocs_index_set_limits(files_idx, 0, 100ULL * FILES_SMALL);
	ck_assert(!ocs_index_full(files_idx));
}
