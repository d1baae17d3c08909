/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* A backup of the index put in place, and a registry taken over: what was given stays given, what
 * was there stays somewhere, and what is refused changes nothing. */
#include "tests/unit/mapistore/mark_rig.h"

#include <dirent.h>
#include <limits.h>
#include <sys/resource.h>

#include "mapistore/index_restore.h"

#define SMALL (8 << 20)

static struct ocs_index_restored restored;
static struct ocs_index_user user;

static int restore(const char *from)
{
	mark_stop();
	return ocs_index_restore(mark_here, 1, from, &restored, &rig_error);
}

/* What the index says by itself. */
static uint64_t high_water(void)
{
	uint64_t counter = 0;
	struct ocs_store *store;
	uint8_t *data;
	size_t len;

	ck_assert_ok(ocs_store_open(mark_in(mark_here, "index.tdb"), 0, 0, 0, (gid_t)-1, &store,
	                            NULL, &rig_error));
	ck_assert_ok(ocs_store_fetch(store, NULL, "H", 1, &data, &len, &rig_error));
	ck_assert_uint_eq(len, 8);
	counter = ocs_get64(data);
	talloc_free(data);
	ocs_store_close(store);
	return counter;
}

static uint64_t make_folder(const char *name, bool create)
{
	struct ocs_folder_name folder = {"jdoe", "sogo", "jdoe", name};
	struct ocs_index_folder found = {.fid = 0};

	if (create)
		ck_assert_ok(ocs_index_begin(mark_index, &rig_error));
	if (ocs_index_folder(mark_index, &folder, create, &found, &rig_error) != OCS_STORE_OK)
		ck_assert(!create);
	if (create)
		ck_assert_ok(ocs_index_commit(mark_index, &rig_error));
	return found.fid;
}

/* The last of the bytes, where they stand in the file. */
static void flip_last(const char *path, const uint8_t *bytes, size_t n)
{
	size_t len;
	uint8_t *data = rig_read_file(path, &len), *p = memmem(data, len, bytes, n);
	int fd = open(path, O_WRONLY);
	uint8_t other = bytes[n - 1] ^ 0x40;

	ck_assert_ptr_nonnull(p);
	ck_assert_int_eq(pwrite(fd, &other, 1, p - data + (off_t)n - 1), 1);
	close(fd);
	free(data);
}

/* How many files of the folder have that in their name. */
static unsigned count(const char *words)
{
	DIR *folder = opendir(mark_here);
	struct dirent *entry;
	unsigned n = 0;

	ck_assert_ptr_nonnull(folder);
	while ((entry = readdir(folder)) != NULL)
		n += strstr(entry->d_name, words) != NULL;
	closedir(folder);
	return n;
}

/* Until the index has that many files. */
static void fill(unsigned files)
{
	struct ocs_index_sizes sizes;
	char name[1000];
	unsigned n = 0;

	ocs_index_set_limits(mark_index, SMALL, 0);
	do {
		ck_assert_ok(ocs_index_begin(mark_index, &rig_error));
		for (int i = 0; i < 300; i++, n++) {
			struct ocs_index_folder folder = {.fid = 1, .series = 1};
			struct ocs_index_message message = {.announced = true};

			ck_assert_ok(ocs_index_reserve(mark_index, 1, &message.mid, &rig_error));
			mark_note(message.mid, 1);
			snprintf(name, sizeof(name), "%0900u", n);
			ck_assert_ok(ocs_index_message_put(mark_index, &folder, name, &message,
			                                   &rig_error));
		}
		ck_assert_ok(ocs_index_commit(mark_index, &rig_error));
		ocs_index_sizes(mark_index, &sizes);
	} while (sizes.files < files);
}

TESTS_HAVE(.setup = mark_setup, .teardown = mark_teardown);

/* Whatever else was lost: 0 nothing, 1 the index, 2 the mark, 3 both and the list of ids */
LOOP_TEST(a_backup_knows_its_names_and_gives_no_identifier_again, 0, 4)
{
	uint64_t inbox = make_folder("INBOX", true), sent;

	mark_give(100);
	mark_stop();
	mark_copy_file(mark_in(mark_here, "index.tdb"), mark_saved);
	ck_assert_ok(mark_open(mark_here, 1));
	sent = make_folder("Sent", true);
	mark_give_ranges(100000);
	mark_give(MARK_COUNT);
	mark_stop();
	mark_now += 10000; /* it takes a while */
	if (_i == 1 || _i == 3)
		ck_assert_int_eq(unlink(mark_in(mark_here, "index.tdb")), 0);
	if (_i == 2 || _i == 3)
		ck_assert_int_eq(unlink(mark_in(mark_here, "id_mark.1")), 0);
	if (_i == 3)
		ck_assert_int_eq(unlink(mark_in(mark_here, "replica_ids")), 0);
	if (_i == 1)
		ck_assert_int_eq(mark_open(mark_here, 1), OCS_STORE_CORRUPT);
	ck_assert_ok(restore(mark_saved));
	ck_assert_uint_eq(restored.files, 1);
	ck_assert((_i == 1 || _i == 3) == (restored.kept[0] == '\0'));
	ck_assert_uint_eq(count(".restore"), 0);
	ck_assert_uint_eq(high_water(), restored.counter);
	ck_assert_int_eq(ocs_index_look(mark_here, 1, true, &rig_error), 0);
	ck_assert_ok(mark_open(mark_here, 1));
	ck_assert_str_eq(mark_said()->text, "");
	ck_assert_uint_eq(make_folder("INBOX", false), inbox);
	ck_assert_uint_eq(make_folder("Sent", false), 0);
	ck_assert_uint_ne(make_folder("Sent", true), sent);
	mark_give_ranges(100000);
	mark_give(MARK_COUNT);
	ck_mark_distinct();
	mark_stop();
	/* What was there can be put back in the same way. */
	if (restored.kept[0] != '\0') {
		char kept[PATH_MAX];

		strcpy(kept, restored.kept);
		ck_assert_ok(restore(kept));
		ck_assert_ok(mark_open(mark_here, 1));
		ck_assert_uint_eq(make_folder("Sent", false), sent);
		mark_give(100);
		ck_mark_distinct();
	}
}

TEST(the_files_of_a_restored_index_are_the_daemons)
{
	struct stat st, folder;

	mark_stop();
	if (geteuid() == 0)
		ck_assert_int_eq(chown(mark_here, 12345, 12346), 0);
	mark_copy_file(mark_in(mark_here, "index.tdb"), mark_saved);
	ck_assert_ok(restore(mark_saved));
	ck_assert_int_eq(stat(mark_here, &folder), 0);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(stat(mark_in(mark_here, i == 0 ? "index.tdb" : "id_mark.1"), &st),
		                 0);
		ck_assert_uint_eq(st.st_mode & 07777, 0660);
		ck_assert_uint_eq(st.st_uid, folder.st_uid);
		ck_assert_uint_eq(st.st_gid, folder.st_gid);
	}
}

/* 0: with mark and clock; 1: by the clock alone; 2: by the mark alone */
LOOP_TEST(an_empty_index_goes_on_above_what_was_given, 0, 3)
{
	struct ocs_index_mark mark;

	uint64_t inbox = make_folder("INBOX", true);

	mark_give_ranges(100000);
	mark_give(MARK_COUNT);
	mark_stop();
	mark = mark_read();
	mark_now = _i == 2 ? 0 : mark_now + 10000;
	ck_assert_int_eq(unlink(mark_in(mark_here, "index.tdb")), 0);
	if (_i == 1)
		ck_assert_int_eq(unlink(mark_in(mark_here, "id_mark.1")), 0);
	ck_assert_ok(restore(NULL));
	ck_assert_uint_ge(restored.counter, mark.ceiling + OCS_MARK_BLOCK);
	ck_assert_uint_eq(high_water(), restored.counter);
	ck_assert_ok(mark_open(mark_here, 1));
	ck_assert_uint_eq(make_folder("INBOX", false), 0);
	ck_assert_uint_ne(make_folder("INBOX", true), inbox);
	mark_give(MARK_COUNT);
	ck_mark_distinct();
}

TEST(without_any_mark_and_with_a_wrong_clock_no_empty_index_is_made)
{
	mark_stop();
	ck_assert_int_eq(unlink(mark_in(mark_here, "index.tdb")), 0);
	ck_assert_int_eq(unlink(mark_in(mark_here, "id_mark.1")), 0);
	mark_now = 0;
	ck_assert_int_eq(restore(NULL), -1);
	ck_assert_ptr_nonnull(strstr(rig_error.text, "clock"));
	ck_assert_uint_eq(count("index"), 0);
}

TEST(an_index_of_several_files_is_restored_whole)
{
	fill(3);
	mark_stop();
	mark_copy_folder(mark_here, mark_saved);
	ck_assert_ok(mark_open(mark_here, 1));
	mark_give(MARK_COUNT);
	fill(4);
	/* One of them alone is not the index. */
	ck_assert_int_eq(restore(mark_in(mark_saved, "index.tdb")), -1);
	ck_assert_ptr_nonnull(strstr(rig_error.text, "folder"));
	ck_assert_uint_eq(count(".restore"), 0);
	ck_assert_uint_eq(count(".before"), 0);
	ck_assert_ok(restore(mark_saved));
	ck_assert_uint_eq(restored.files, 3);
	ck_assert_uint_eq(count(".before"), 4);
	ck_assert_int_ne(access(mark_in(mark_here, "index.3.tdb"), F_OK), 0);
	ck_assert_ok(mark_open(mark_here, 1));
	mark_give(MARK_COUNT);
	ck_mark_distinct();
	/* One of the backup is missing. */
	ck_assert_int_eq(unlink(mark_in(mark_saved, "index.1.tdb")), 0);
	ck_assert_int_eq(restore(mark_saved), -1);
	ck_assert_ptr_nonnull(strstr(rig_error.text, "index.1.tdb"));
	ck_assert_ok(mark_open(mark_here, 1));
}

/* 0: not there, 1: garbage, 2: cut short, 3: no index, 4: a FIFO, 5: an empty folder, 6: no room,
 * 7: another version */
LOOP_TEST(what_cannot_be_used_changes_nothing, 0, 8)
{
	struct rlimit little = {100000, RLIM_INFINITY}, all = {RLIM_INFINITY, RLIM_INFINITY};
	struct ocs_index_mark before;
	struct ocs_store *store;
	int ret;

	mark_give(10);
	mark_stop();
	before = mark_read();
	if (_i > 0 && _i < 4)
		mark_copy_file(mark_in(mark_here, "replica_ids"), mark_saved);
	if (_i == 2 || _i == 6)
		mark_copy_file(mark_in(mark_here, "index.tdb"), mark_saved);
	if (_i == 2)
		ck_assert_int_eq(truncate(mark_saved, 100000), 0);
	if (_i == 3) {
		ck_assert_int_eq(unlink(mark_saved), 0);
		ck_assert_ok(ocs_store_open(mark_saved, 1009, OCS_STORE_CREATE, 0600, (gid_t)-1,
		                            &store, NULL, &rig_error));
		ocs_store_close(store);
	}
	if (_i == 4)
		ck_assert_int_eq(mkfifo(mark_saved, 0600), 0);
	if (_i == 5)
		ck_assert_int_eq(mkdir(mark_saved, 0700), 0);
	if (_i == 7) {
		static const uint8_t record[] = {0x99, 0x19, 0x01, 0x26, 'H', 1},
		                     layer[] = {0x99, 0x19, 0x01, 0x26, 'L', 'H', 1};

		mark_each_file(mark_here, NULL);
		mark_now += 1000;
		ck_assert_ok(mark_open(mark_here, 1));
		mark_stop();
		before = mark_read();
		mark_copy_file(mark_in(mark_here, "index.tdb"), mark_saved);
		flip_last(mark_saved, record, sizeof(record));
		flip_last(mark_saved, layer, sizeof(layer));
	}
	ret = _i == 6 ? setrlimit(RLIMIT_FSIZE, &little) : 0; /* libcheck writes too */
	if (ret == 0)
		ret = restore(mark_saved);
	(void)setrlimit(RLIMIT_FSIZE, &all);
	ck_assert_int_eq(ret, -1);
	ck_assert_ptr_nonnull(strstr(rig_error.text, mark_saved));
	ck_assert_uint_eq(count(".restore"), 0);
	ck_assert_uint_eq(count(".before"), 0);
	ck_assert_uint_eq(mark_read().next, before.next);
	ck_assert_ok(mark_open(mark_here, 1));
	mark_give(10);
	ck_mark_distinct();
}

/* A backup taken in the midst of a transaction whose writer died is recovered first. */
static int die_in_commit(int to_parent)
{
	uint64_t id;

	(void)to_parent;
	if (mark_open(mark_here, 1) != OCS_STORE_OK)
		return 1;
	for (;;)
		if (mark_take(mark_index, 1, &id) != 0 || write(to_parent, &id, 8) != 8)
			return 1;
}

TEST(a_backup_of_an_index_at_work_is_taken_or_refused_and_never_half)
{
	struct rig_child child;
	unsigned taken = 0;
	uint64_t id;

	mark_stop();
	rig_child_fork(&child, die_in_commit);
	rig_child_go(&child);
	ck_assert_int_eq(read(child.from, &id, 8), 8);
	ck_assert_int_eq(mkdir(mark_there, 0700), 0);
	for (int i = 0; i < 20; i++) {
		mark_copy_file(mark_in(mark_here, "index.tdb"), mark_saved);
		if (ocs_index_restore(mark_there, 1, mark_saved, &restored, &rig_error) == 0)
			taken++;
		else
			ck_assert_ptr_nonnull(strstr(rig_error.text, "cannot be used"));
		ck_assert_int_eq(read(child.from, &id, 8), 8);
	}
	kill(child.pid, SIGKILL);
	while (read(child.from, &id, 8) == 8)
		;
	ck_assert_int_eq(rig_child_wait(&child), -SIGKILL);
	ck_assert_uint_gt(taken, 0);
}

/* ---- adopt ---- */

/* 0: of another machine, 1: a copy */
LOOP_TEST(what_another_one_used_is_adopted_and_goes_on_past_a_block, 0, 2)
{
	const char *folder = _i == 0 ? mark_here : mark_there;
	uint64_t before;

	mark_give(MARK_COUNT);
	mark_stop();
	before = mark_read().next;
	if (_i == 0)
		mark_set_machine("ffffffffffffffffffffffffffffffff\n");
	else
		mark_copy_folder(mark_here, mark_there);
	ck_assert_int_eq(ocs_index_user_look(folder, 1, &user, &rig_error), 1);
	ck_assert_str_eq(user.place, mark_here);
	ck_assert_str_eq(user.machine, "0123456789abcdef0123456789abcdef");
	ck_assert_int_eq(mark_open(folder, 1), OCS_STORE_CORRUPT);
	ck_assert_int_eq(ocs_index_restore(folder, 1, NULL, &restored, &rig_error), -1);
	ck_assert_ok(ocs_index_adopt(folder, 1, &user, &rig_error));
	ck_assert_uint_ge(user.counter, before + OCS_MARK_BLOCK);
	ck_assert_int_eq(ocs_index_user_look(folder, 1, &user, &rig_error), 0);
	ck_assert_ok(mark_open(folder, 1));
	ck_assert_str_eq(mark_said()->text, "");
	mark_give(MARK_COUNT);
	ck_mark_distinct();
	if (_i == 0) {
		mark_set_machine("0123456789abcdef0123456789abcdef\n");
		ck_assert_int_eq(mark_open(mark_here, 1), OCS_STORE_CORRUPT);
	}
}

TEST(where_there_is_no_machine_id_the_old_one_is_forgotten_when_adopted)
{
	mark_stop();
	mark_copy_folder(mark_here, mark_there);
	mark_set_machine("");
	ck_assert_int_eq(ocs_index_user_look(mark_there, 1, &user, &rig_error), 1);
	ck_assert_ok(ocs_index_adopt(mark_there, 1, &user, &rig_error));
	mark_set_machine("ffffffffffffffffffffffffffffffff\n");
	ck_assert_ok(mark_open(mark_there, 1));
}
