/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Whatever is done to the file of an open store: the process lives, the fault is said, and what is
 * read is right or an error. */
#include "tests/unit/store/filled_rig.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <tdb.h>

#include "store/fault.h"

static void ck_refused(const char *why)
{
	uint8_t *data;
	size_t len;

	ck_assert_int_eq(ocs_store_usable(filled_store, &rig_error), OCS_STORE_CORRUPT);
	ck_assert_msg(strstr(rig_error.text, why) != NULL, "%s", rig_error.text);
	ck_assert_ptr_nonnull(strstr(rig_error.text, filled_path));
	ck_assert_int_eq(ocs_store_begin(filled_store, &rig_error), OCS_STORE_CORRUPT);
	ck_assert_msg(strstr(rig_error.text, why) != NULL, "%s", rig_error.text);
	ck_assert_int_eq(ocs_store_fetch(filled_store, NULL, "none", 4, &data, &len, &rig_error),
	                 OCS_STORE_CORRUPT);
}

TESTS_HAVE(.setup = filled_setup, .teardown = filled_teardown);

LOOP_TEST(a_file_that_is_cut_short_refuses_and_is_not_written_to, 0, 5)
{
	static const off_t cuts[] = {0, 30, 100, 4096, 40000};
	struct stat st;

	ck_assert_int_eq(truncate(filled_path, cuts[_i]), 0);
	ck_assert_int_eq(ocs_store_usable(filled_store, &rig_error), OCS_STORE_CORRUPT);
	ck_assert_ptr_nonnull(strstr(rig_error.text, "cut short while in use"));
	ck_assert_int_eq(ocs_store_begin(filled_store, &rig_error), OCS_STORE_CORRUPT);
	ck_assert_int_lt(filled_use(), FILLED_RECORDS);
	ck_assert_int_eq(stat(filled_path, &st), 0);
	ck_assert_int_eq(st.st_size, cuts[_i]);
}

TEST(a_hole_where_the_file_was_is_not_taken_for_an_empty_one)
{
	struct stat st;
	uint32_t seqnum = ocs_store_seqnum(filled_store);

	ck_assert_int_eq(stat(filled_path, &st), 0);
	ck_assert_int_eq(truncate(filled_path, 0), 0);
	ck_assert_int_eq(truncate(filled_path, st.st_size), 0);
	ck_refused("overwritten while in use");
	ck_assert_uint_ne(ocs_store_seqnum(filled_store), seqnum);
	ck_assert_uint_ne(ocs_store_seqnum(filled_store), ocs_store_seqnum(filled_store));
	ck_assert_int_eq(filled_use(), 0);
}

/* What another process was committing makes the file as long as it was; the header is there. */
LOOP_TEST(what_was_cut_off_and_grew_again_is_damaged_and_not_missing, 1, 60)
{
	struct stat st;
	uint8_t *data;
	size_t len;
	int good = 0;

	filled_put("always", "there");
	ck_assert(ocs_store_set_anchor(filled_store, "always", 6));
	ck_assert_int_eq(stat(filled_path, &st), 0);
	ck_assert_int_eq(truncate(filled_path, st.st_size * _i / 60), 0);
	ck_assert_int_eq(truncate(filled_path, st.st_size), 0);
	for (int i = 0; i < FILLED_RECORDS; i++) {
		char key[16];
		int ret;

		snprintf(key, sizeof(key), "K%d", i);
		ret = ocs_store_fetch(filled_store, NULL, key, strlen(key), &data, &len,
		                      &rig_error);
		ck_assert_msg(ret != OCS_STORE_MISSING, "%s", key);
		good += ret == OCS_STORE_OK;
		talloc_free(data);
	}
	ck_assert_int_lt(good, FILLED_RECORDS);
	ck_assert_int_ne(filled_each(), 0);
}

TEST(what_is_missing_from_a_whole_file_is_missing)
{
	uint8_t *data;
	size_t len;

	ck_assert(!ocs_store_set_anchor(filled_store, "always", 6));
	ck_assert_int_eq(ocs_store_fetch(filled_store, NULL, "none", 4, &data, &len, &rig_error),
	                 OCS_STORE_MISSING);
	filled_put("always", "there");
	ck_assert(ocs_store_set_anchor(filled_store, "always", 6));
	ck_assert_int_eq(ocs_store_fetch(filled_store, NULL, "none", 4, &data, &len, &rig_error),
	                 OCS_STORE_MISSING);
	ck_assert_ok(filled_each());
	ck_assert(!ocs_store_damaged(filled_store));
}

TEST(garbage_in_place_refuses)
{
	uint8_t garbage[8192];

	for (size_t i = 0; i < sizeof(garbage); i++)
		garbage[i] = (uint8_t)rand();
	filled_overwrite(0, garbage, sizeof(garbage));
	ck_refused("overwritten while in use");
	ck_assert_int_eq(filled_use(), 0);
}

TEST(a_file_that_is_larger_than_any_store_refuses)
{
	ck_assert_int_eq(truncate(filled_path, OCS_STORE_SIZE_MAX), 0);
	ck_assert_ok(ocs_store_usable(filled_store, &rig_error));
	ck_assert_int_eq(truncate(filled_path, OCS_STORE_SIZE_MAX + 1), 0);
	ck_assert_int_eq(ocs_store_usable(filled_store, &rig_error), OCS_STORE_CORRUPT);
	ck_assert_int_eq(ocs_store_begin(filled_store, &rig_error), OCS_STORE_CORRUPT);
	ck_assert_ptr_nonnull(strstr(rig_error.text, "overwritten while in use"));
}

TEST(another_database_copied_over_it_refuses)
{
	struct ocs_store *other;
	uint8_t *data;
	size_t len;

	ck_assert_ok(ocs_store_open(rig_path("other.tdb"), 4099, OCS_STORE_CREATE, 0660, (gid_t)-1,
	                            &other, NULL, &rig_error));
	ocs_store_close(other);
	data = rig_read_file(rig_path("other.tdb"), &len);
	filled_overwrite(0, data, len);
	ck_refused("overwritten while in use");
	free(data);
}

/* cp backup test.tdb: right again once it is complete; in between it is an error. */
TEST(an_older_copy_in_place_is_read_as_what_it_is)
{
	uint32_t seqnum;
	size_t len;
	uint8_t *backup = rig_read_file(filled_path, &len), *data;

	filled_put("later", "x");
	seqnum = ocs_store_seqnum(filled_store);
	ck_assert_int_eq(truncate(filled_path, 0), 0);
	ck_assert_int_eq(ocs_store_usable(filled_store, &rig_error), OCS_STORE_CORRUPT);
	filled_overwrite(0, backup, len / 2);
	ck_assert_int_eq(ocs_store_usable(filled_store, &rig_error), OCS_STORE_CORRUPT);
	filled_overwrite(0, backup, len);
	ck_assert_ok(ocs_store_usable(filled_store, &rig_error));
	ck_assert_uint_ne(ocs_store_seqnum(filled_store), seqnum);
	ck_assert_int_eq(ocs_store_fetch(filled_store, NULL, "later", 5, &data, &len, &rig_error),
	                 OCS_STORE_MISSING);
	ck_assert_int_eq(filled_use(), FILLED_RECORDS);
	free(backup);
}

TEST(a_deleted_file_goes_on_for_who_has_it_open)
{
	ck_assert_int_eq(unlink(filled_path), 0);
	ck_assert_int_eq(filled_use(), FILLED_RECORDS);
}

/* The header stays, so only libtdb and the checksums stand against it. */
TEST(scattered_garbage_never_ends_the_process_and_is_never_returned)
{
	size_t len;
	uint8_t *whole = rig_read_file(filled_path, &len);

	srand(4711);
	for (int round = 0; round < 60; round++) {
		for (int i = 0; i < 1 << round % 9; i++) {
			uint8_t garbage[64];
			size_t n = 1 + (size_t)rand() % sizeof(garbage);

			for (size_t b = 0; b < n; b++)
				garbage[b] = (uint8_t)rand();
			filled_overwrite(168 + rand() % (off_t)(len - 168 - sizeof(garbage)),
			                 garbage, n);
		}
		(void)filled_use();
		filled_overwrite(0, whole, len);
		ocs_store_cancel(filled_store);
	}
	ck_assert_int_gt(filled_use(), FILLED_RECORDS - 3);
	free(whole);
}

/* Where the header of that record is: the heads of the chains come behind that of the free list,
 * and a record is the next one, four numbers, its magic number, and the key. */
static uint32_t record_at(const uint8_t *file, size_t len, const char *key)
{
	TDB_DATA k = {.dptr = (unsigned char *)(uintptr_t)key, .dsize = strlen(key)};
	size_t head = 168 + 4 * (1 + tdb_jenkins_hash(&k) % FILLED_CHAINS);
	uint32_t at;

	for (memcpy(&at, file + head, 4); at != 0; memcpy(&at, file + at, 4)) {
		ck_assert_uint_le(at + 24 + k.dsize, len);
		if (memcmp(file + at + 24, key, k.dsize) == 0 && file[at + 24 + k.dsize] == 1)
			return at;
	}
	ck_abort_msg("%s", key);
}

/* A new record in the chain of another one. */
static int put_beside(const char *key)
{
	TDB_DATA k = {.dptr = (unsigned char *)(uintptr_t)key, .dsize = strlen(key)};
	unsigned chain = tdb_jenkins_hash(&k) % FILLED_CHAINS;
	char other[16];

	for (int i = 0;; i++) {
		TDB_DATA o = {.dptr = (unsigned char *)other};

		o.dsize = (size_t)snprintf(other, sizeof(other), "new%d", i);
		if (tdb_jenkins_hash(&o) % FILLED_CHAINS == chain)
			return ocs_store_put(filled_store, other, o.dsize, "x", 1, &rig_error);
	}
}

/* libtdb frees the same dead record again and again, and the free one beside it grows each time. */
LOOP_TEST(a_chain_that_leads_back_to_itself_is_refused, 0, 4)
{
	char key[16], larger[2000];
	uint32_t at;
	uint8_t *file;
	size_t len;

	memset(larger, 'x', sizeof(larger));
	for (int i = 10; i < 60; i += 5) {
		ck_assert_ok(ocs_store_begin(filled_store, &rig_error));
		for (int k = i - 1; k <= i + 1; k += 2) { /* free ones on both sides */
			snprintf(key, sizeof(key), "K%d", k);
			ck_assert_ok(ocs_store_delete(filled_store, key, strlen(key), &rig_error));
		}
		ck_assert_ok(ocs_store_commit(filled_store, true, &rig_error));
		snprintf(key, sizeof(key), "K%d", i);
		file = rig_read_file(filled_path, &len);
		at = record_at(file, len, key);
		filled_overwrite((off_t)at, &at, sizeof(at));
		ck_assert_ok(ocs_store_begin(filled_store, &rig_error));
		if (_i == 0)
			ck_assert_int_ne(
			        ocs_store_delete(filled_store, key, strlen(key), &rig_error), 0);
		else if (_i == 1)
			ck_assert_int_ne(ocs_store_put(filled_store, key, strlen(key), larger, 2000,
			                               &rig_error),
			                 0);
		else if (_i == 2)
			ck_assert_int_ne(put_beside(key), 0);
		else
			ck_assert_int_ne(
			        ocs_store_quarantine(filled_store, key, strlen(key), &rig_error),
			        0);
		ck_assert_ptr_nonnull(strstr(rig_error.text, filled_path));
		ocs_store_cancel(filled_store);
		ck_assert(ocs_store_damaged(filled_store));
		filled_overwrite((off_t)at, file + at, sizeof(at));
		free(file);
	}
}

/* Before anything is put into the chain: libtdb purges what is dead in it first. */
LOOP_TEST(a_dead_record_that_leads_back_is_not_purged_without_an_end, 0, 6)
{
	static const uint32_t dead = 0xfee1dead;
	char key[16];
	uint8_t *file;
	uint32_t at, first;
	size_t len;

	for (int i = 10; i < 60; i += 5) {
		ck_assert_ok(ocs_store_begin(filled_store, &rig_error));
		for (int k = i - 1; k <= i + 1; k += 2) { /* free ones on both sides */
			snprintf(key, sizeof(key), "K%d", k);
			ck_assert_ok(ocs_store_delete(filled_store, key, strlen(key), &rig_error));
		}
		snprintf(key, sizeof(key), "K%d", i);
		if (_i >= 2)
			for (int k = 0; k < _i - 1; k++)
				ck_assert_ok(put_beside(key));
		ck_assert_ok(ocs_store_commit(filled_store, true, &rig_error));
		file = rig_read_file(filled_path, &len);
		at = record_at(file, len, key);
		first = at;
		if (_i % 2 == 1) {
			TDB_DATA k = {.dptr = (unsigned char *)key, .dsize = strlen(key)};

			memcpy(&first, file + 168 + 4 * (1 + tdb_jenkins_hash(&k) % FILLED_CHAINS),
			       4);
		}
		filled_overwrite((off_t)at, &first, sizeof(first));
		filled_overwrite((off_t)at + 20, &dead, sizeof(dead));
		ck_assert_ok(ocs_store_begin(filled_store, &rig_error));
		ck_assert_int_ne(put_beside(key), 0);
		ck_assert_ptr_nonnull(strstr(rig_error.text, filled_path));
		ocs_store_cancel(filled_store);
		ck_assert(ocs_store_damaged(filled_store));
		filled_overwrite(0, file, len);
		free(file);
	}
}

/* A process that uses the file while another one does everything above to it. */
static int use_on_and_on(int to_parent)
{
	if (ocs_store_open(filled_path, 0, 0, 0, (gid_t)-1, &filled_store, NULL, &rig_error) != 0 ||
	    write(to_parent, "r", 1) != 1)
		return 1;
	while (access(rig_path("stop"), F_OK) != 0)
		(void)filled_use();
	return 0;
}

TEST(a_process_in_the_middle_of_its_work_lives_through_all_of_it)
{
	struct rig_child child;
	size_t len;
	uint8_t *whole, byte, garbage[4096];
	int fd;

	ocs_store_close(filled_store);
	filled_store = NULL;
	rig_child_fork(&child, use_on_and_on);
	rig_child_go(&child);
	ck_assert_int_eq(read(child.from, &byte, 1), 1);
	whole = rig_read_file(filled_path, &len);
	memset(garbage, 0x5a, sizeof(garbage));
	for (int round = 0; round < 300; round++) {
		switch (round % 4) {
		case 0:
			ck_assert_int_eq(truncate(filled_path, rand() % (off_t)len), 0);
			break;
		case 1:
			filled_overwrite(rand() % (off_t)len, garbage, sizeof(garbage));
			break;
		case 2:
			ck_assert_int_eq(truncate(filled_path, 0), 0);
			break;
		default:
			filled_overwrite(0, whole, len);
		}
		ck_assert_int_eq(waitpid(child.pid, NULL, WNOHANG), 0);
	}
	fd = open(rig_path("stop"), O_WRONLY | O_CREAT, 0600);
	ck_assert_int_ge(fd, 0);
	close(fd);
	ck_assert_int_eq(rig_child_wait(&child), 0);
	free(whole);
}

/* ---- reasons ---- */

static void grow_until_it_fails(int *ret)
{
	char data[2000];

	memset(data, 'x', sizeof(data));
	for (int i = 0; i < 10000; i++) {
		char key[16];

		snprintf(key, sizeof(key), "N%d", i);
		ck_assert_ok(ocs_store_begin(filled_store, &rig_error));
		*ret = ocs_store_put(filled_store, key, strlen(key), data, sizeof(data),
		                     &rig_error);
		if (*ret == 0)
			*ret = ocs_store_commit(filled_store, false, &rig_error);
		ocs_store_cancel(filled_store);
		if (*ret != 0)
			return;
	}
}

static void small_disk(void)
{
	ck_assert_msg(unshare(CLONE_NEWNS) == 0 &&
	                      mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0,
	              "needs a mount namespace: %s", strerror(errno));
	ck_assert_int_eq(mkdir(rig_path("disk"), 0700), 0);
	ck_assert_int_eq(mount("none", rig_path("disk"), "tmpfs", 0, "size=2m"), 0);
}

TEST(a_full_disk_is_called_so)
{
	struct ocs_store *other;
	int ret;

	small_disk();
	ck_assert_int_eq(ocs_store_open(rig_path("disk/large.tdb"), 131071, OCS_STORE_CREATE, 0660,
	                                (gid_t)-1, &other, NULL, &rig_error),
	                 OCS_STORE_ERROR);
	ck_assert_msg(strstr(rig_error.text, strerror(ENOSPC)) != NULL, "%s", rig_error.text);
	ck_assert_int_ne(access(rig_path("disk/large.tdb.new"), F_OK), 0);
	ocs_store_close(filled_store);
	ck_assert_ok(ocs_store_open(rig_path("disk/small.tdb"), 1009, OCS_STORE_CREATE, 0660,
	                            (gid_t)-1, &filled_store, NULL, &rig_error));
	filled_write();
	grow_until_it_fails(&ret);
	ck_assert_int_eq(ret, OCS_STORE_ERROR);
	ck_assert_msg(strstr(rig_error.text, strerror(ENOSPC)) != NULL, "%s", rig_error.text);
	ck_assert_ok(ocs_store_usable(filled_store, &rig_error));
	ck_assert_int_eq(filled_use(), FILLED_RECORDS);
	ck_assert_int_eq(umount2(rig_path("disk"), MNT_DETACH), 0);
}

/* Whichever step of making a file has no room any more. */
TEST(a_full_disk_is_called_so_at_every_step)
{
	struct ocs_store *other;
	int ret = OCS_STORE_ERROR, failed = 0;

	small_disk();
	for (int kib = 500; ret != OCS_STORE_OK && kib < 20000; kib += 250) {
		char size[32];

		snprintf(size, sizeof(size), "size=%dk", kib);
		ck_assert_int_eq(mount("none", rig_path("disk"), "tmpfs", MS_REMOUNT, size), 0);
		ret = ocs_store_open(rig_path("disk/large.tdb"), 131071, OCS_STORE_CREATE, 0660,
		                     (gid_t)-1, &other, NULL, &rig_error);
		if (ret == OCS_STORE_OK)
			continue;
		failed++;
		ck_assert_int_eq(ret, OCS_STORE_ERROR);
		ck_assert_msg(strstr(rig_error.text, strerror(ENOSPC)) != NULL, "%d KiB: %s", kib,
		              rig_error.text);
	}
	ck_assert_int_eq(ret, OCS_STORE_OK);
	ck_assert_int_gt(failed, 10);
	ocs_store_close(other);
	ck_assert_int_eq(umount2(rig_path("disk"), MNT_DETACH), 0);
}

TEST(a_limit_on_the_size_of_files_is_an_error_and_no_signal)
{
	struct rlimit limit = {.rlim_cur = ocs_store_size(filled_store) + 4096,
	                       .rlim_max = RLIM_INFINITY};
	struct sigaction action;
	sigset_t pending;
	int ret;

	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = ocs_store_size(filled_store) + 4096;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	grow_until_it_fails(&ret);
	ck_assert_int_eq(ret, OCS_STORE_ERROR);
	ck_assert_msg(strstr(rig_error.text, strerror(EFBIG)) != NULL, "%s", rig_error.text);
	ck_assert_int_eq(filled_use(), FILLED_RECORDS);
	/* Nothing of it is left in the host. */
	ck_assert_int_eq(sigaction(SIGXFSZ, NULL, &action), 0);
	ck_assert(action.sa_handler == SIG_DFL);
	ck_assert_int_eq(sigpending(&pending), 0);
	ck_assert_int_eq(sigismember(&pending, SIGXFSZ), 0);
	ck_assert_int_eq(pthread_sigmask(SIG_BLOCK, NULL, &pending), 0);
	ck_assert_int_eq(sigismember(&pending, SIGXFSZ), 0);
}

TEST(past_its_limit_a_store_is_full_and_deletions_go_on)
{
	int ret;

	ocs_store_set_limit(filled_store, ocs_store_size(filled_store) + 100000);
	grow_until_it_fails(&ret);
	ck_assert_int_eq(ret, OCS_STORE_FULL);
	ck_assert_ptr_nonnull(strstr(rig_error.text, "full"));
	ck_assert_int_eq(filled_use(), FILLED_RECORDS);
	ocs_store_set_limit(filled_store, OCS_STORE_SIZE_MAX);
	filled_put("more", "x");
}

/* The area stays where it was made: transactions as large as the daemon's find it large enough. */
LOOP_TEST(a_fresh_file_takes_little_and_has_room_to_recover_from_a_large_transaction, 0, 3)
{
	static const struct {
		unsigned chains;
		uint64_t bytes;
	} files[] = {{131071, 5300000}, {1048573, 13000000}, {2097143, 22000000}};
	struct ocs_store *fresh;
	uint64_t size;
	char data[30];

	ck_assert_ok(ocs_store_open(rig_path("fresh.tdb"), files[_i].chains, OCS_STORE_CREATE, 0660,
	                            (gid_t)-1, &fresh, NULL, &rig_error));
	ck_assert_uint_lt(ocs_store_size(fresh), files[_i].bytes);
	memset(data, 'x', sizeof(data));
	for (int round = 0; round < 2; round++) {
		/* Made, and then all changed at once: from here on there is something to lose. */
		ck_assert_ok(ocs_store_begin(fresh, &rig_error));
		for (int i = 0; i < 16384; i++) {
			char key[16];

			snprintf(key, sizeof(key), "N%d", i);
			data[0] = (char)round;
			ck_assert_ok(ocs_store_put(fresh, key, strlen(key), data, sizeof(data),
			                           &rig_error));
		}
		ck_assert_ok(ocs_store_commit(fresh, false, &rig_error));
		if (round == 0)
			size = ocs_store_size(fresh);
		else
			ck_assert_uint_eq(ocs_store_size(fresh), size);
	}
	ocs_store_close(fresh);
}
