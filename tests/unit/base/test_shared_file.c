/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Names of ours in a folder that others can write to (base/shared_file). What belongs to somebody
 * else needs root. */
#include "base/shared_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "tests/unit/rig.h"

#define STRANGER 65534

static char place[256];

static void shared_setup(void)
{
	rig_make_folder();
	ck_assert_int_eq(chmod(rig_folder, 03770), 0);
	snprintf(place, sizeof(place), "%s/place", rig_folder);
}

static void make_socket(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	ck_assert_uint_lt(strlen(place), sizeof(address.sun_path));
	strcpy(address.sun_path, place);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
}

TESTS_HAVE(.setup = shared_setup, .teardown = rig_remove_folder);

/* What can be in the place of a file. */
static void make_other(int kind)
{
	switch (kind) {
	case 0:
		ck_assert_int_eq(mkfifo(place, 0666), 0);
		break;
	case 1:
		ck_assert_int_eq(symlink("/etc/passwd", place), 0);
		break;
	case 2:
		make_socket();
		break;
	default:
		ck_assert_int_eq(mkdir(place, 0777), 0);
		ck_assert_int_eq(mkdir(rig_path("place/full"), 0777), 0);
	}
}

static void make_file(void)
{
	close(open(place, O_CREAT | O_WRONLY, 0666));
}

static void give_away(void)
{
	ck_assert_int_eq(lchown(place, STRANGER, (gid_t)-1), 0);
}

TEST(a_file_of_ours_is_opened)
{
	int fd;

	ck_assert_int_eq(ocs_shared_open(place, O_RDONLY, &fd), -ENOENT);
	ck_assert_int_eq(ocs_shared_look(place, NULL), OCS_SHARED_MISSING);
	make_file();
	ck_assert_int_eq(ocs_shared_look(place, NULL), OCS_SHARED_FILE);
	ck_assert_int_eq(ocs_shared_open(place, O_RDWR, &fd), 0);
	close(fd);
	ck_assert_int_eq(ocs_shared_clear(place), 0);
	ck_assert_int_eq(access(place, F_OK), 0);
}

LOOP_TEST(nothing_else_is_opened_and_nobody_waits, 0, 4)
{
	int fd;

	make_other(_i);
	ck_assert_int_eq(ocs_shared_open(place, O_RDONLY, &fd), -ELOOP);
	ck_assert_int_eq(ocs_shared_open(place, O_RDWR, &fd), -ELOOP);
	ck_assert_int_eq(ocs_shared_refuse(place, -ELOOP, &rig_error), -1);
	ck_assert_ptr_nonnull(strstr(rig_error.text, "remove it"));
	/* Ours: somebody has made it on purpose. */
	ck_assert_int_eq(ocs_shared_clear(place), 0);
	ck_assert(!ocs_shared_is_junk(place));
}

LOOP_TEST(what_is_not_ours_gives_way, 0, 5)
{
	struct stat st;

	if (geteuid() != 0)
		return;
	if (_i < 4)
		make_other(_i);
	else
		make_file();
	give_away();
	ck_assert_int_eq(ocs_shared_look(place, &st), OCS_SHARED_FOREIGN);
	ck_assert_uint_eq(st.st_uid, STRANGER);
	ck_assert_int_eq(ocs_shared_is_junk(place), _i < 4);
	ck_assert_int_eq(ocs_shared_clear(place), 1);
	ck_assert_int_eq(ocs_shared_look(place, NULL), OCS_SHARED_MISSING);
}

TEST(a_file_that_is_not_ours_is_not_opened)
{
	int fd;

	if (geteuid() != 0)
		return;
	make_file();
	give_away();
	ck_assert_int_eq(ocs_shared_open(place, O_RDWR, &fd), -EPERM);
	ck_assert_int_eq(ocs_shared_refuse(place, -EPERM, &rig_error), -1);
	ck_assert_ptr_nonnull(strstr(rig_error.text, "belongs to uid 65534"));
}

/* Its owner is whom a library believes. */
TEST(what_belongs_to_the_owner_of_the_folder_is_ours)
{
	int fd;

	if (geteuid() != 0)
		return;
	make_file();
	give_away();
	ck_assert_int_eq(chown(rig_folder, STRANGER, (gid_t)-1), 0);
	ck_assert_int_eq(ocs_shared_open(place, O_RDONLY, &fd), 0);
	close(fd);
}

LOOP_TEST(a_folder_of_ours_is_made_in_the_place_of_others, 0, 5)
{
	struct stat st;
	int fd = -1;

	if (geteuid() != 0 && _i > 0)
		return;
	if (_i > 0) {
		make_other(_i - 1);
		give_away();
	}
	ck_assert_int_eq(ocs_shared_folder(place, getegid(), 0750, &fd), 0);
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert(S_ISDIR(st.st_mode) && st.st_uid == geteuid());
	ck_assert_uint_eq(st.st_mode & 07777, 0750);
	close(fd);
	/* Opened too far since. */
	ck_assert_int_eq(chmod(place, 0777), 0);
	ck_assert_int_eq(ocs_shared_folder(place, getegid(), 0750, NULL), 0);
	ck_assert_int_eq(stat(place, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0750);
}

TEST(a_file_of_ours_in_the_place_of_a_folder_stays)
{
	make_file();
	ck_assert_int_eq(ocs_shared_folder(place, getegid(), 0750, NULL), -ENOTDIR);
	ck_assert_int_eq(access(place, F_OK), 0);
}

TEST(what_is_to_be_renamed_is_made_where_nobody_else_can_take_its_name)
{
	char path[PATH_MAX];

	ck_assert_int_eq(ocs_shared_temporary(place, ".new", path), 0);
	ck_assert_str_eq(path, rig_path("place.new"));
	ck_assert_int_eq(mkdir(rig_path("private"), 0700), 0);
	ck_assert_int_eq(ocs_shared_temporary(place, ".new", path), 0);
	ck_assert_str_eq(path, rig_path("private/place.new"));
	if (geteuid() != 0)
		return;
	ck_assert_int_eq(chown(rig_path("private"), STRANGER, (gid_t)-1), 0);
	ck_assert_int_eq(ocs_shared_temporary(place, ".new", path), 0);
	ck_assert_str_eq(path, rig_path("place.new"));
}
