/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The files of the index: names stand once, a full file is followed by a new one, and nothing that
 * was given is lost or given again on the way. */
#include "tests/unit/rig.h"

#include <tdb.h>

#include "mapistore/index.h"

#define SMALL (13 << 19) /* 6.5 MiB; a fresh file has five */

static struct ocs_index *idx;
static uint64_t highest; /* counter given so far */

static uint64_t counter(uint64_t id)
{
	return __builtin_bswap64(id & ~0xffffULL);
}

static struct ocs_index *open_as(bool owner)
{
	struct ocs_index *index = NULL;

	ck_assert_ok(ocs_index_open(rig_folder, 1, owner, &index, &rig_error));
	ocs_index_set_limits(index, SMALL, 0);
	return index;
}

static void setup(void)
{
	rig_make_folder();
	highest = 0;
	idx = open_as(true);
}

static void teardown(void)
{
	ocs_index_close(idx);
	rig_remove_folder();
}

static void reopen(void)
{
	ocs_index_close(idx);
	idx = open_as(true);
}

static struct ocs_index_folder folder_of(struct ocs_index *index, const char *user,
                                         const char *name, bool create)
{
	struct ocs_index_folder folder;
	int ret;

	if (create)
		ck_assert_ok(ocs_index_begin(index, &rig_error));
	ret = ocs_index_folder(index, &(struct ocs_folder_name){user, "sogo", user, name}, create,
	                       &folder, &rig_error);
	ck_assert_msg(ret == 0, "%s: %d %s", name, ret, rig_error.text);
	if (create)
		ck_assert_ok(ocs_index_commit(index, &rig_error));
	return folder;
}

static bool is_known(struct ocs_index *index, const char *user, const char *name)
{
	struct ocs_index_folder folder;

	return ocs_index_folder(index, &(struct ocs_folder_name){user, "sogo", user, name}, false,
	                        &folder, &rig_error) == 0;
}

/* Messages a to b - 1 of a folder, in one transaction. */
static void add_messages(const struct ocs_index_folder *folder, unsigned a, unsigned b)
{
	uint64_t id;

	ck_assert_ok(ocs_index_begin(idx, &rig_error));
	ck_assert_ok(ocs_index_reserve(idx, b - a, &id, &rig_error));
	ck_assert_uint_gt(counter(id), highest);
	for (unsigned i = a; i < b; i++, id = ocs_index_id_next(id)) {
		struct ocs_index_message message = {.mid = id, .announced = true};
		char name[900];

		snprintf(name, sizeof(name), "%0800u", i);
		highest = counter(id);
		ck_assert_ok(ocs_index_message_put(idx, folder, name, &message, &rig_error));
	}
	ck_assert_ok(ocs_index_commit(idx, &rig_error));
}

static uint64_t message(struct ocs_index *index, const struct ocs_index_folder *folder, unsigned i)
{
	struct ocs_index_message message = {0};
	char name[900];
	int ret;

	snprintf(name, sizeof(name), "%0800u", i);
	ret = ocs_index_message(index, folder->series, name, &message, &rig_error);
	ck_assert_msg(ret == 0 || ret == OCS_STORE_MISSING, "%u: %s", i, rig_error.text);
	return ret == 0 ? message.mid : 0;
}

static unsigned fill_until(const struct ocs_index_folder *folder, unsigned from, unsigned files)
{
	struct ocs_index_sizes sizes;

	do {
		add_messages(folder, from, from + 500);
		from += 500;
		ocs_index_sizes(idx, &sizes);
	} while (sizes.files < files);
	return from;
}

static void ck_names(struct ocs_index *index, uint64_t id, const char *user, const char *folder)
{
	struct ocs_index_name name;
	void *ctx = talloc_new(NULL);

	ck_assert_ok(ocs_index_lookup(index, ctx, id, &name, &rig_error));
	ck_assert_str_eq(name.user, user);
	ck_assert_str_eq(name.backend, "sogo");
	ck_assert_str_eq(name.backend_user, user);
	ck_assert_str_eq(name.folder, folder);
	talloc_free(ctx);
}

TESTS_HAVE(.setup = setup, .teardown = teardown);

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
	deep = folder_of(idx, user, path, true);
	ck_names(idx, deep.fid, user, path);
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
	struct ocs_index_folder top = folder_of(idx, "jdoe", "Work", true);
	struct ocs_index_folder sub = folder_of(idx, "jdoe", "Work/Sub", true);
	uint8_t key[9] = {'I'}, data[64] = {'F'};

	ck_assert_ok(ocs_index_begin(idx, &rig_error));
	ocs_put64(key + 1, top.fid);
	memcpy(data + 9, "jdoe\0sogo\0jdoe\0Work", 19);
	ck_assert_ok(ocs_store_put(ocs_index_store(idx), key, 9, data, 28, &rig_error));
	ck_assert_ok(ocs_index_commit(idx, &rig_error));
	ck_names(idx, top.fid, "jdoe", "Work");
	ck_names(idx, sub.fid, "jdoe", "Work/Sub");
	ck_assert_ok(ocs_index_begin(idx, &rig_error));
	ocs_put64(key + 1, sub.fid);
	ocs_put64(data + 1, top.fid);
	memcpy(data + 9, "jdoe\0sogo\0jdoe\0Sub", 18);
	ck_assert_ok(ocs_store_put(ocs_index_store(idx), key, 9, data, 27, &rig_error));
	ck_assert_ok(ocs_index_commit(idx, &rig_error));
	ck_names(idx, sub.fid, "jdoe", "Work/Sub");
	ck_names(idx, folder_of(idx, "jdoe", "Work/New", true).fid, "jdoe", "Work/New");
}

TEST(a_full_file_is_followed_by_another_and_everything_is_found_in_either)
{
	struct ocs_index_folder inbox = folder_of(idx, "jdoe", "INBOX", true), later;
	uint64_t first, last;
	struct ocs_index_sizes sizes;
	unsigned n;

	add_messages(&inbox, 0, 1);
	first = message(idx, &inbox, 0);
	n = fill_until(&inbox, 1, 3);
	last = message(idx, &inbox, n - 1);
	later = folder_of(idx, "mary", "INBOX", true);
	for (int round = 0; round < 2; round++) {
		ck_assert_int_eq(access(rig_path("index.2.tdb"), F_OK), 0);
		ocs_index_sizes(idx, &sizes);
		ck_assert_uint_eq(sizes.files, 3);
		ck_assert_uint_gt(sizes.bytes, 2 * SMALL);
		ck_assert_uint_eq(folder_of(idx, "jdoe", "INBOX", false).fid, inbox.fid);
		ck_assert_uint_eq(folder_of(idx, "mary", "INBOX", false).fid, later.fid);
		ck_assert_uint_eq(message(idx, &inbox, 0), first);
		ck_assert_uint_eq(message(idx, &inbox, n - 1), last);
		ck_names(idx, first, "jdoe", "INBOX");
		ck_names(idx, last, "jdoe", "INBOX");
		ck_names(idx, later.fid, "mary", "INBOX");
		for (unsigned i = 0; i < n; i++)
			ck_assert_uint_ne(message(idx, &inbox, i), 0);
		reopen();
	}
	ck_assert(!ocs_index_salvaged(idx));
	add_messages(&inbox, n, n + 10); /* above all that were given */
}

TEST(what_an_older_file_has_is_deleted_renamed_and_changed_in_the_newest)
{
	struct ocs_index_folder inbox = folder_of(idx, "jdoe", "INBOX", true);
	struct ocs_index_folder work = folder_of(idx, "jdoe", "Work", true);
	struct ocs_index_folder sub = folder_of(idx, "jdoe", "Work/Sub", true), now;
	struct ocs_index_name name;
	uint64_t mid;

	add_messages(&inbox, 0, 2);
	mid = message(idx, &inbox, 0);
	fill_until(&inbox, 2, 2);
	for (int round = 0; round < 2; round++) {
		void *ctx = talloc_new(NULL);
		char text[900];

		if (round == 0) {
			snprintf(text, sizeof(text), "%0800u", 0);
			ck_assert_ok(ocs_index_begin(idx, &rig_error));
			ck_assert_ok(
			        ocs_index_message_delete(idx, inbox.series, text, 0, &rig_error));
			ck_assert_ok(ocs_index_folder_rename(
			        idx, &(struct ocs_folder_name){"jdoe", "sogo", "jdoe", "Work"},
			        "Play", &now, &rig_error));
			ck_assert_uint_eq(now.fid, work.fid);
			ck_assert_ok(ocs_index_folder_set_uid_validity(
			        idx, &(struct ocs_folder_name){"jdoe", "sogo", "jdoe", "INBOX"}, 7,
			        &now, &rig_error));
			ck_assert_ok(ocs_index_commit(idx, &rig_error));
		}
		ck_assert_uint_eq(message(idx, &inbox, 0), 0);
		ck_assert_ok(ocs_index_lookup(idx, ctx, mid, &name, &rig_error));
		ck_assert(name.deleted);
		ck_assert_uint_ne(message(idx, &inbox, 1), 0);
		ck_assert(!is_known(idx, "jdoe", "Work"));
		ck_assert_uint_eq(folder_of(idx, "jdoe", "Play", false).fid, work.fid);
		ck_assert_uint_eq(folder_of(idx, "jdoe", "Play/Sub", false).fid, sub.fid);
		ck_names(idx, sub.fid, "jdoe", "Play/Sub");
		ck_assert_uint_eq(folder_of(idx, "jdoe", "INBOX", false).uid_validity, 7);
		talloc_free(ctx);
		reopen();
	}
	/* The name is free for another folder, which is another one. */
	ck_assert_uint_gt(counter(folder_of(idx, "jdoe", "Work", true).fid), highest);
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
	if (!is_known(index, "mary", "New"))
		return 2;
	for (int i = 0; i < 20; i++) {
		struct ocs_index_folder folder;

		snprintf(name, sizeof(name), "L%d", i);
		if (ocs_index_begin(index, NULL) != 0 ||
		    ocs_index_folder(index, &(struct ocs_folder_name){"lib", "sogo", "lib", name},
		                     true, &folder, NULL) != 0 ||
		    ocs_index_commit(index, NULL) != 0 || counter(folder.fid) <= highest)
			return 3;
	}
	ocs_index_close(index);
	return 0;
}

TEST(a_library_follows_the_daemon_into_the_next_file)
{
	struct ocs_index_folder inbox = folder_of(idx, "jdoe", "INBOX", true);
	struct rig_child child;
	char byte;
	int fd;

	ocs_index_close(idx);
	rig_child_fork(&child, library);
	idx = open_as(true);
	rig_child_go(&child);
	ck_assert_int_eq(read(child.from, &byte, 1), 1);
	fill_until(&inbox, 0, 3);
	folder_of(idx, "mary", "New", true);
	fd = open(rig_path("go"), O_WRONLY | O_CREAT, 0600);
	ck_assert_int_ge(fd, 0);
	close(fd);
	ck_assert_int_eq(rig_child_wait(&child), 0);
	ck_assert(is_known(idx, "lib", "L19"));
	reopen();
	ck_assert(is_known(idx, "lib", "L0"));
}

TEST(a_file_begun_by_a_process_that_was_killed_is_taken_up)
{
	struct ocs_index_folder inbox = folder_of(idx, "jdoe", "INBOX", true);
	struct ocs_store *begun;
	struct ocs_index_sizes sizes;
	uint8_t mark[8];

	add_messages(&inbox, 0, 500);
	/* Its mark is older than what was given since. */
	ck_assert_ok(ocs_store_open(rig_path("index.1.tdb"), 1009, OCS_STORE_CREATE, 0660,
	                            (gid_t)-1, &begun, NULL, &rig_error));
	ck_assert_ok(ocs_store_begin(begun, &rig_error));
	ocs_put64(mark, 17);
	ck_assert_ok(ocs_store_put(begun, "H", 1, mark, 8, &rig_error));
	ck_assert_ok(ocs_store_commit(begun, true, &rig_error));
	ocs_store_close(begun);
	reopen();
	ocs_index_sizes(idx, &sizes);
	ck_assert_uint_eq(sizes.files, 2);
	ck_assert_uint_ne(message(idx, &inbox, 499), 0);
	add_messages(&inbox, 500, 510);
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
	struct ocs_index_folder inbox = folder_of(idx, "jdoe", "INBOX", true);
	struct ocs_index_sizes sizes;
	uint64_t third;

	add_messages(&inbox, 0, 5);
	third = message(idx, &inbox, 3);
	ocs_index_close(idx);
	make_few_chains();
	idx = open_as(true);
	ocs_index_set_limits(idx, OCS_INDEX_FILE_MAX, 0);
	ck_assert_uint_eq(ocs_store_chains(ocs_index_store(idx)), 1009);
	add_messages(&inbox, 5, 10);
	ocs_index_sizes(idx, &sizes);
	ck_assert_uint_eq(sizes.files, 2);
	ck_assert_uint_gt(ocs_store_chains(ocs_index_store(idx)), 1000000);
	ck_assert(!ocs_index_wants_file(idx));
	ck_assert_uint_eq(message(idx, &inbox, 3), third);
	ck_assert_uint_ne(message(idx, &inbox, 9), 0);
	reopen();
	ck_assert_uint_eq(message(idx, &inbox, 3), third);
	ck_assert_uint_ne(message(idx, &inbox, 9), 0);
}

TEST(an_older_copy_of_the_first_file_gives_no_identifier_again)
{
	struct ocs_index_folder inbox = folder_of(idx, "jdoe", "INBOX", true);
	size_t len;
	uint8_t *copy = rig_read_file(rig_path("index.tdb"), &len);
	int fd;

	fill_until(&inbox, 0, 2);
	ocs_index_close(idx);
	fd = open(rig_path("index.tdb"), O_WRONLY | O_TRUNC);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, copy, len), (ssize_t)len);
	close(fd);
	free(copy);
	idx = open_as(true);
	add_messages(&inbox, 0, 10);
}

TEST(an_older_copy_in_place_of_the_open_file_gives_no_identifier_again)
{
	struct ocs_index_folder inbox = folder_of(idx, "jdoe", "INBOX", true);
	struct ocs_index_sizes sizes;
	size_t len;
	uint8_t *copy = rig_read_file(rig_path("index.tdb"), &len);
	int fd;

	add_messages(&inbox, 0, 100);
	fd = open(rig_path("index.tdb"), O_WRONLY);
	ck_assert_int_eq(pwrite(fd, copy, len, 0), (ssize_t)len);
	close(fd);
	free(copy);
	add_messages(&inbox, 0, 100);
	ocs_index_sizes(idx, &sizes);
	ck_assert(sizes.behind);
}

LOOP_TEST(a_missing_or_damaged_file_of_several_is_refused_with_advice, 0, 2)
{
	struct ocs_index_folder inbox = folder_of(idx, "jdoe", "INBOX", true);

	fill_until(&inbox, 0, 3);
	ocs_index_close(idx);
	ck_assert_int_eq(ocs_index_look(rig_folder, 1, true, &rig_error), 0);
	if (_i == 0)
		ck_assert_int_eq(unlink(rig_path("index.1.tdb")), 0);
	else
		ck_assert_int_eq(truncate(rig_path("index.2.tdb"), 100), 0);
	ck_assert_int_eq(ocs_index_open(rig_folder, 1, true, &idx, &rig_error), OCS_STORE_CORRUPT);
	ck_assert_ptr_nonnull(strstr(rig_error.text, _i == 0 ? "index.1.tdb" : "index.2.tdb"));
	ck_assert_ptr_nonnull(strstr(rig_error.text, "backup"));
	ck_assert_int_eq(ocs_index_open(rig_folder, 1, false, &idx, &rig_error), OCS_STORE_CORRUPT);
	ck_assert_int_eq(ocs_index_look(rig_folder, 1, false, &rig_error), 0);
	rig_error.text[0] = '\0';
	ck_assert_int_eq(ocs_index_look(rig_folder, 1, true, &rig_error), -1);
	ck_assert_ptr_nonnull(strstr(rig_error.text, _i == 0 ? "index.1.tdb" : "index.2.tdb"));
	ck_assert_ptr_nonnull(strstr(rig_error.text, "backup"));
}

TEST(a_damaged_seal_is_one)
{
	struct ocs_index_folder inbox = folder_of(idx, "jdoe", "INBOX", true);
	TDB_DATA seal, key = {.dptr = (unsigned char *)"Z", .dsize = 1};
	struct ocs_index_sizes sizes;
	struct tdb_context *tdb;

	fill_until(&inbox, 0, 2);
	ocs_index_close(idx);
	tdb = tdb_open(rig_path("index.tdb"), 0, 0, O_RDWR, 0);
	ck_assert_ptr_nonnull(tdb);
	seal = tdb_fetch(tdb, key);
	ck_assert_ptr_nonnull(seal.dptr);
	seal.dptr[seal.dsize - 1] ^= 1;
	ck_assert_int_eq(tdb_store(tdb, key, seal, TDB_MODIFY), 0);
	free(seal.dptr);
	ck_assert_int_eq(tdb_close(tdb), 0);
	for (int owner = 0; owner < 2; owner++) {
		ck_assert_int_eq(ocs_index_open(rig_folder, 1, owner, &idx, &rig_error), 0);
		ocs_index_sizes(idx, &sizes);
		ck_assert_uint_eq(sizes.files, 2);
		if (owner == 0)
			ocs_index_close(idx);
	}
}

TEST(where_no_file_can_be_begun_the_last_one_goes_on)
{
	struct ocs_index_folder inbox = folder_of(idx, "jdoe", "INBOX", true);
	struct ocs_index_sizes sizes;
	unsigned n = 0;

	ck_assert_int_eq(mkdir(rig_path("index.1.tdb"), 0700), 0);
	do {
		add_messages(&inbox, n, n + 500);
		n += 500;
		ocs_index_sizes(idx, &sizes);
	} while (sizes.bytes < 2 * SMALL);
	ck_assert_uint_eq(sizes.files, 1);
	ck_assert(sizes.no_new_file);
	ck_assert_int_eq(rmdir(rig_path("index.1.tdb")), 0);
	do { /* tried again within a second */
		add_messages(&inbox, n, n + 1);
		n++;
		ocs_index_sizes(idx, &sizes);
	} while (sizes.files == 1);
	ck_assert(!sizes.no_new_file);
	ck_assert_uint_ne(message(idx, &inbox, 0), 0);
	ck_assert_uint_ne(message(idx, &inbox, n - 1), 0);
}

static uint32_t known; /* messages that an earlier round has seen */

static int grow_and_die(int to_parent)
{
	uint32_t n = known;
	struct ocs_index_folder inbox;

	idx = open_as(true);
	inbox = folder_of(idx, "jdoe", "INBOX", true);
	while (message(idx, &inbox, n) != 0)
		n++;
	for (;; n += 50) {
		add_messages(&inbox, n, n + 50);
		if (write(to_parent, &n, sizeof(n)) != sizeof(n))
			return 1;
	}
}

/* Some of the deaths are in the moment between two files. */
TEST(kill_9_on_the_way_through_many_files_loses_and_repeats_nothing)
{
	struct ocs_index_sizes sizes;
	uint64_t series = 0;

	ocs_index_close(idx);
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
		idx = open_as(true);
		inbox = folder_of(idx, "jdoe", "INBOX", true);
		ck_assert(series == 0 || inbox.series == series);
		series = inbox.series;
		for (n = known; n < last + 50; n++) {
			uint64_t mid = message(idx, &inbox, n);

			ck_assert_uint_gt(counter(mid), highest);
			highest = counter(mid);
		}
		known = last + 50;
		ocs_index_close(idx);
	}
	idx = open_as(true);
	ocs_index_sizes(idx, &sizes);
	ck_assert_uint_gt(sizes.files, 2);
	for (uint32_t n = 0; n < known; n++)
		ck_assert_uint_ne(message(idx, &(struct ocs_index_folder){.series = series}, n), 0);
}

TEST(the_limit_of_all_files_is_told_to_who_asks)
{
	struct ocs_index_folder inbox = folder_of(idx, "jdoe", "INBOX", true);
	unsigned n = fill_until(&inbox, 0, 2);

	ck_assert(!ocs_index_full(idx));
	ocs_index_set_limits(idx, 0, 3 * SMALL);
	ck_assert(!ocs_index_full(idx));
	for (; !ocs_index_full(idx); n += 500)
		add_messages(&inbox, n, n + 500);
	reopen();
	ocs_index_set_limits(idx, 0, 3 * SMALL);
	ck_assert(ocs_index_full(idx));
	ocs_index_set_limits(idx, 0, 100ULL * SMALL);
	ck_assert(!ocs_index_full(idx));
}

/* ---- one lock for many lookups ---- */

/* Whether another process could lock all records of every file now. */
static bool others_may_write(void)
{
	int status;
	pid_t child = fork();

	ck_assert_int_ge(child, 0);
	if (child == 0) {
		const struct flock lock = {
		        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 0};
		char name[32] = "index.tdb";
		int fd, n = 0;

		while ((fd = open(rig_path(name), O_RDWR)) >= 0) {
			if (fcntl(fd, F_SETLK, &lock) != 0)
				_exit(1);
			snprintf(name, sizeof(name), "index.%d.tdb", ++n);
		}
		_exit(n > 0 ? 0 : 2);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFEXITED(status));
	ck_assert_int_ne(WEXITSTATUS(status), 2);
	return WEXITSTATUS(status) == 0;
}

TEST(a_file_that_is_begun_while_all_are_held_leaves_no_lock)
{
	struct ocs_index_folder folder = folder_of(idx, "jdoe", "INBOX", true);
	unsigned n = fill_until(&folder, 0, 2);
	struct ocs_index_sizes sizes;
	uint64_t first;

	ck_assert_uint_ne(message(idx, &folder, 1), 0);
	do {
		struct ocs_index_message one = {.announced = true};
		char name[900];

		ocs_index_hold(idx);
		ck_assert_uint_ne(message(idx, &folder, 1), 0);
		ck_assert_uint_eq(message(idx, &folder, n), 0);
		ck_assert(!others_may_write());
		ck_assert_ok(ocs_index_begin(idx, &rig_error));
		ck_assert_uint_eq(message(idx, &folder, n), 0);
		ck_assert_ok(ocs_index_reserve(idx, 200, &first, &rig_error));
		for (unsigned i = 0; i < 200; i++, first = ocs_index_id_next(first)) {
			one.mid = first;
			snprintf(name, sizeof(name), "%0800u", n++);
			ck_assert_ok(ocs_index_message_put(idx, &folder, name, &one, &rig_error));
		}
		ck_assert_ok(ocs_index_release(idx, &rig_error));
		ck_assert_ok(ocs_index_commit(idx, &rig_error));
		ck_assert(others_may_write());
		ocs_index_sizes(idx, &sizes);
	} while (sizes.files < 4);
	ocs_index_hold(idx);
	ck_assert_uint_ne(message(idx, &folder, n - 1), 0);
	ck_assert_ok(ocs_index_begin(idx, &rig_error));
	ocs_index_cancel(idx);
	ck_assert_ok(ocs_index_release(idx, &rig_error));
	ck_assert(others_may_write());
	ocs_index_hold(idx);
	ck_assert_uint_ne(message(idx, &folder, 1), 0);
	reopen();
	ck_assert(others_may_write());
	ck_assert_uint_ne(message(idx, &folder, n - 1), 0);
}

/* What an older file says counts no more than what a newer one lacks. */
TEST(what_a_newer_file_hides_is_not_taken_from_an_older_one)
{
	struct ocs_index_folder folder = folder_of(idx, "jdoe", "INBOX", true);
	struct stat st;

	(void)fill_until(&folder, 0, 2);
	ck_assert_ok(ocs_index_begin(idx, &rig_error));
	ck_assert_ok(ocs_index_message_delete(idx, folder.series, "none", 0, &rig_error));
	ck_assert_ok(ocs_index_folder_delete(
	        idx, &(struct ocs_folder_name){"jdoe", "sogo", "jdoe", "INBOX"}, &rig_error));
	ck_assert_ok(ocs_index_commit(idx, &rig_error));
	ck_assert(!is_known(idx, "jdoe", "INBOX"));
	ck_assert_int_eq(stat(rig_path("index.1.tdb"), &st), 0);
	ck_assert_int_eq(truncate(rig_path("index.1.tdb"), 168), 0);
	ck_assert_int_eq(truncate(rig_path("index.1.tdb"), st.st_size), 0);
	ocs_index_hold(idx);
	(void)is_known(idx, "jdoe", "INBOX");
	ck_assert_int_ne(ocs_index_release(idx, &rig_error), OCS_STORE_OK);
	ck_assert(others_may_write());
}
