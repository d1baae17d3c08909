/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Spill lists where something is wrong: no room, damage, what others in the group have put there.
 */
#include "mqueue/spill_file.h"
#include "tests/unit/mqueue/list_rig.h"

#include <errno.h>
#include <sys/syscall.h>

/* Writes at that place of a file fail. */
static off_t no_room_at = -1;

/* In the place of libc's. */
ssize_t pwrite(int fd, const void *data, size_t size, off_t at)
{
	if (at == no_room_at) {
		errno = ENOSPC;
		return -1;
	}
	return syscall(SYS_pwrite64, fd, data, size, at);
}

static void setup(void)
{
	no_room_at = -1;
	list_setup();
}

TESTS_HAVE(.setup = setup, .teardown = list_teardown);

static int append_fails(enum ocs_table table, uint32_t n, uint32_t max)
{
	uint8_t entry[OCS_ENTRY_SIZE_MAX];
	size_t len = spill_entry(table, n, entry);
	enum ocs_spill_outcome outcome;

	return ocs_spill_append(&list_spill, table, entry, len, max, false, &outcome, &list_woken);
}

/* Whether or not the reader has met the one that stands for all. */
LOOP_TEST(an_overflow_that_cannot_be_said_loses_nothing_later, 0, 4)
{
	enum ocs_table table = _i < 2 ? OCS_TABLE_CONTENTS : OCS_TABLE_OBJECT;

	for (uint32_t n = 1; n <= 3; n++)
		list_append_full(table, n, 3, false);
	no_room_at = 256;
	(void)append_fails(table, 4, 3);
	no_room_at = -1;
	if (_i % 2 == 0)
		list_take();
	list_append_full(table, 5, 3, false);
	list_append_full(table, 6, 3, false);
	list_start_again();
	list_take();
	if (_i == 0)
		ck_assert_str_eq(list_got, "5 6 ");
	else if (_i == 1)
		ck_assert_str_eq(list_got, "5! ");
	else
		ck_assert_str_eq(list_got, _i == 2 ? "5 6 " : "4 5 6 ");
	list_append_full(table, 7, 3, false);
	ck_assert_str_eq(list_take(), "7 ");
}

/* What waits is dropped for one that is there, not for one that is not. */
TEST(an_overflow_without_room_for_the_entry_drops_nothing)
{
	for (uint32_t n = 1; n <= 3; n++)
		list_append(n, 3);
	no_room_at = 512 + 3 * 256;
	ck_assert_int_eq(append_fails(OCS_TABLE_OBJECT, 4, 3), -ENOSPC);
	no_room_at = -1;
	ck_assert_uint_eq(list_state().dropped, 0);
	ck_assert_str_eq(list_take(), "1 2 3 ");
	list_append(4, 3);
	ck_assert(list_woken);
	ck_assert_str_eq(list_take(), "4 ");
}

/* It has been had, but the daemon thinks it waits. */
TEST(how_far_it_was_read_is_written_again_where_that_failed)
{
	list_append(1, 100);
	no_room_at = 0;
	list_got[0] = '\0';
	ck_assert_int_eq(ocs_spill_take(&list_reader, &list_name, list_note, NULL), -ENOSPC);
	ck_assert_str_eq(list_got, "1 ");
	no_room_at = -1;
	ck_assert_str_eq(list_take(), "");
	list_append(2, 100);
	ck_assert(list_woken);
	ck_assert_str_eq(list_take(), "2 ");
}

/* Whoever throws away what waits may be slower than the reader, and write less than it has read. */
TEST(a_reader_that_looks_puts_right_how_far_it_was)
{
	uint8_t before[16];
	int fd;

	list_append(1, 100);
	list_append(2, 100);
	list_take();
	fd = open(list_path(), O_RDWR);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pread(fd, before, sizeof(before), 0), sizeof(before));
	list_append(3, 100);
	ck_assert_str_eq(list_take(), "3 ");
	ck_assert_int_eq(pwrite(fd, before, sizeof(before), 0), sizeof(before));
	close(fd);
	ck_assert_str_eq(list_take(), "");
	list_append(4, 100);
	ck_assert(list_woken);
	ck_assert_str_eq(list_take(), "4 ");
}

static void write_at(off_t at, uint8_t byte)
{
	int fd = open(list_path(), O_WRONLY);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pwrite(fd, &byte, 1, at), 1);
	close(fd);
}

TEST(a_damaged_entry_is_passed_over_and_counted)
{
	for (uint32_t n = 1; n <= 3; n++)
		list_append(n, 100);
	write_at(512 + 256 + 30, 0xff);
	ck_assert_str_eq(list_take(), "1 3 ");
	ck_assert_uint_eq(list_reader.damaged, 1);
	list_append(4, 100);
	ck_assert(list_woken);
	ck_assert_str_eq(list_take(), "4 ");
}

/* 1 to 40 entries in the middle of 100, where the search for the last one comes by, and the daemon
 * started again before they are read. The others are had, and what comes later, before or after. */
LOOP_TEST(damaged_entries_cost_no_other_one_whenever_the_daemon_is_started_again, 0, 80)
{
	const uint32_t first = 51, n_damaged = 1 + (uint32_t)_i / 2;
	char expected[400] = "", got[sizeof(list_got)];

	for (uint32_t n = 1; n <= 100; n++)
		list_append(n, 200);
	for (uint32_t n = first; n < first + n_damaged; n++)
		write_at(512 + (off_t)(n - 1) * 256 + 30, 0xff);
	for (uint32_t n = 1; n <= 102; n++)
		if (n < first || n >= first + n_damaged)
			snprintf(expected + strlen(expected), sizeof(expected) - strlen(expected),
			         "%u ", n);
	list_start_again();
	ck_assert_uint_eq(list_state().count, 100);
	if (_i % 2 == 0)
		list_append(101, 200);
	snprintf(got, sizeof(got), "%s", list_take());
	snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s", list_take());
	if (_i % 2 == 1)
		list_append(101, 200);
	list_append(102, 200);
	snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s", list_take());
	ck_assert_str_eq(got, expected);
	ck_assert_uint_eq(list_reader.damaged, n_damaged);
}

/* One wake-up, and one that reads until there is no more, as the library does. */
LOOP_TEST(a_gap_amid_entries_keeps_none_back, 1, 41)
{
	char expected[400] = "";

	for (uint32_t n = 1; n <= 60; n++)
		list_append(n, 200);
	for (int n = 15; n < 15 + _i; n++)
		write_at(512 + (off_t)(n - 1) * 256 + 30, 0xff);
	for (int n = 1; n <= 60; n++)
		if (n < 15 || n >= 15 + _i)
			snprintf(expected + strlen(expected), sizeof(expected) - strlen(expected),
			         "%d ", n);
	ck_assert_str_eq(list_take(), expected);
}

/* Who has a queue as well looks first whether there is something. */
LOOP_TEST(a_gap_hides_nothing_from_who_only_looks, 1, 40)
{
	for (uint32_t n = 1; n <= 41; n++)
		list_append(n, 200);
	for (int n = 1; n <= _i; n++)
		write_at(512 + (off_t)(n - 1) * 256 + 30, 0xff);
	ck_assert_int_eq(ocs_spill_waiting(&list_reader, &list_name), 1);
}

TEST(a_last_entry_that_is_damaged_keeps_no_later_one_back)
{
	list_append(1, 100);
	list_append(2, 100);
	write_at(512 + 256 + 30, 0xff);
	ck_assert_str_eq(list_take(), "1 ");
	list_append(3, 100);
	ck_assert_str_eq(list_take(), "3 ");
}

TEST(a_list_without_a_header_is_begun_again)
{
	list_append(1, 100);
	ck_assert_str_eq(list_take(), "1 ");
	list_append(2, 100);
	write_at(256 + 9, 0xff);
	ck_assert_str_eq(list_take(), "");
	ck_assert_uint_eq(list_state().count, 0);
	list_start_again();
	list_append(3, 100);
	ck_assert(list_woken);
	ck_assert_str_eq(list_take(), "3 ");
}

TEST(how_far_it_was_read_is_believed_of_no_stranger)
{
	static const uint8_t far[] = {0xff, 0xff, 0xff, 0xff, 0,    0,    0,    0,
	                              0,    0,    0,    0,    0xff, 0xff, 0xff, 0xff};

	list_append(1, 100);
	for (size_t i = 0; i < sizeof(far); i++)
		write_at((off_t)i, far[i]);
	list_append(2, 100);
	ck_assert_uint_eq(list_state().count, 2);
	list_start_again();
	list_append(3, 100);
	ck_assert_str_eq(list_take(), "1 2 3 ");
}

/* What is no list stops nobody, and goes. */
LOOP_TEST(what_is_no_file_in_its_place_is_replaced, 0, 4)
{
	ocs_spill_close(&list_spill);
	ocs_spill_init(&list_spill);
	ck_assert_int_eq(unlink(list_path()), 0);
	if (_i == 0)
		ck_assert_int_eq(mkfifo(list_path(), 0666), 0);
	else if (_i == 1)
		ck_assert_int_eq(symlink("/etc/passwd", list_path()), 0);
	else if (_i == 2)
		ck_assert_int_eq(symlink("nowhere", list_path()), 0);
	else
		ck_assert_int_eq(mknod(list_path(), S_IFSOCK | 0666, 0), 0);
	ck_assert_str_eq(list_take(), "");
	ck_assert_int_eq(ocs_spill_open(&list_spill, &list_name, false, (gid_t)-1), -ENOENT);
	list_open();
	list_append(1, 100);
	ck_assert_str_eq(list_take(), "1 ");
}

/* A member of the group has given the old file another name: it is the old one all the same. */
TEST(a_list_that_is_replaced_is_read_whatever_becomes_of_the_old_one)
{
	list_append(1, 100);
	ck_assert_str_eq(list_take(), "1 ");
	ck_assert_int_eq(rename(list_path(), rig_path("kept")), 0);
	ck_assert(ocs_spill_unlinked(&list_spill, &list_name));
	list_start_again();
	list_append(2, 100);
	ck_assert_str_eq(list_take(), "2 ");
	ck_assert_int_eq(unlink(rig_path("kept")), 0);
}

TEST(a_folder_in_the_place_of_a_list_goes_aside)
{
	char inside[300];

	ocs_spill_close(&list_spill);
	ocs_spill_init(&list_spill);
	ck_assert_int_eq(unlink(list_path()), 0);
	ck_assert_int_eq(mkdir(list_path(), 0700), 0);
	snprintf(inside, sizeof(inside), "%s/something", list_path());
	ck_assert_int_eq(mkdir(inside, 0700), 0);
	ck_assert_int_eq(ocs_spill_open(&list_spill, &list_name, false, (gid_t)-1), -ENOENT);
	list_open();
	list_append(1, 100);
	ck_assert_str_eq(list_take(), "1 ");
}

/* Another member of the group was there first: a file, a link to elsewhere, a folder of its own;
 * 3: a link, put there later. */
LOOP_TEST(what_is_not_our_folder_of_lists_is_replaced, 0, 4)
{
	char folder[256], elsewhere[256];
	struct stat st;

	snprintf(folder, sizeof(folder), "%s", rig_path(OCS_SPILL_FOLDER));
	snprintf(elsewhere, sizeof(elsewhere), "%s", rig_path("elsewhere"));
	ocs_spill_close(&list_spill);
	ocs_spill_init(&list_spill);
	ck_assert_int_eq(unlink(list_path()), 0);
	ck_assert_int_eq(rmdir(folder), 0);
	if (_i == 0) {
		close(open(folder, O_CREAT | O_WRONLY, 0666));
	} else if (_i % 2 == 1) {
		ck_assert_int_eq(mkdir(elsewhere, 0700), 0);
		ck_assert_int_eq(symlink("elsewhere", folder), 0);
	} else {
		if (geteuid() != 0)
			return;
		ck_assert_int_eq(mkdir(folder, 0777), 0);
		ck_assert_int_eq(chown(folder, 65534, (gid_t)-1), 0);
		close(open(list_path(), O_CREAT | O_WRONLY, 0666));
	}
	if (_i == 0)
		ck_assert_int_eq(ocs_spill_open(&list_spill, &list_name, false, (gid_t)-1),
		                 -ENOENT);
	if (_i != 3)
		ck_assert_int_eq(ocs_spill_folder(rig_folder, getegid()), 0);
	else
		list_open();
	ck_assert_int_eq(lstat(folder, &st), 0);
	ck_assert(S_ISDIR(st.st_mode) && st.st_uid == geteuid());
	ck_assert_uint_eq(st.st_mode & 07777, 0750);
	if (_i != 3)
		list_open();
	list_append(1, 100);
	ck_assert_str_eq(list_take(), "1 ");
	if (_i % 2 == 1)
		ck_assert_int_eq(rmdir(elsewhere), 0);
}

TEST(a_list_of_another_user_is_not_written_to)
{
	if (geteuid() != 0)
		return;
	list_append(1, 100);
	ck_assert_int_eq(chown(list_path(), 65534, (gid_t)-1), 0);
	list_start_again();
	ck_assert_uint_eq(ocs_spill_count(&list_spill), 0);
	list_append(2, 100);
	ck_assert_str_eq(list_take(), "2 ");
}

TEST(a_list_that_is_removed_is_made_again_with_what_waits)
{
	for (uint32_t n = 1; n <= 20; n++)
		list_append(n, 100);
	ck_assert(!ocs_spill_unlinked(&list_spill, &list_name));
	list_take();
	for (uint32_t n = 21; n <= 23; n++)
		list_append(n, 100);
	ck_assert_int_eq(unlink(list_path()), 0);
	ck_assert_int_eq(rmdir(rig_path(OCS_SPILL_FOLDER)), 0);
	ck_assert(ocs_spill_unlinked(&list_spill, &list_name));
	list_open();
	list_append(24, 100);
	/* The old one to its end; that there is another one is found where nothing is, or when it
	 * is looked for. */
	ck_assert_str_eq(list_take(), "21 22 23 ");
	ck_assert(ocs_spill_reader_is_old(&list_reader, &list_name));
	ck_assert_str_eq(list_take(), "24 ");
	ck_assert(!ocs_spill_reader_is_old(&list_reader, &list_name));
	list_append(25, 100);
	ck_assert_str_eq(list_take(), "25 ");
}

/* Every member of the group can write a list: a slot in each place that is looked at to find the
 * last one, and nothing in between. */
TEST(a_few_slots_of_a_large_ring_are_no_long_list)
{
	const struct ocs_spill_header header = {
	        .id = 5, .base = 1, .first = 1, .slots = OCS_SPILL_SLOTS_MAX};
	uint8_t data[OCS_SPILL_HEADER_SIZE], slot[OCS_SPILL_SLOT_SIZE], entry[100] = {0};
	uint64_t low = header.first, high = header.first + header.slots;
	struct ocs_spill_state state;
	int fd = open(list_path(), O_RDWR | O_CREAT | O_TRUNC, 0600);

	ck_assert_int_ge(fd, 0);
	ocs_spill_header_put(data, &header);
	ck_assert_int_eq(pwrite(fd, data, sizeof(data), OCS_SPILL_HEADER_AT), sizeof(data));
	for (; low < high; low = low + (high - low) / 2 + 1) {
		uint64_t middle = low + (high - low) / 2;

		ocs_spill_slot_put(slot, middle, entry, sizeof(entry));
		ck_assert_int_eq(
		        pwrite(fd, slot, sizeof(slot), (off_t)ocs_spill_slot_at(&header, middle)),
		        sizeof(slot));
	}
	ocs_spill_slot_put(slot, 1, entry, sizeof(entry));
	ck_assert_int_eq(
	        pwrite(fd, slot, sizeof(slot), (off_t)ocs_spill_slot_at(&header, header.first)),
	        sizeof(slot));
	close(fd);
	ck_assert_int_eq(ocs_spill_state(&list_name, &state), 0);
	ck_assert_uint_le(state.count, 65536 / OCS_SPILL_SLOT_SIZE);
}
