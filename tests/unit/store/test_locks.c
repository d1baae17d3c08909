/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Locks that another process keeps for ever: every call ends, and says who has it. */
#include "store/store_internal.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <talloc.h>

#include "base/file.h"
#include "tests/unit/lock_rig.h"
#include "tests/unit/rig.h"

#define WAIT_MS 20

/* What libtdb locks: to open the file, for a transaction, a chain, all. */
struct range {
	short type;
	off_t start, len;
};

static const struct range opening = {F_WRLCK, 0, 1}, transaction = {F_WRLCK, 8, 1},
                          written = {F_WRLCK, 168, 0}, read_by = {F_RDLCK, 168, 0},
                          whole = {F_WRLCK, 0, 0};

static struct ocs_store *store;
static char *path;
static pid_t holder;

static void locks_setup(void)
{
	rig_make_folder();
	path = strdup(rig_path("test.tdb"));
	ocs_store_wait_ms = WAIT_MS;
	ck_assert_ok(ocs_store_open(path, 131, OCS_STORE_CREATE, 0600, (gid_t)-1, &store, NULL,
	                            &rig_error));
	ck_assert_ok(ocs_store_begin(store, &rig_error));
	ck_assert_ok(ocs_store_put(store, "key", 3, "data", 4, &rig_error));
	ck_assert_ok(ocs_store_commit(store, false, &rig_error));
}

static void let_go(void)
{
	if (holder == 0)
		return;
	lock_let_go(holder);
	holder = 0;
}

static void locks_teardown(void)
{
	let_go();
	ocs_store_close(store);
	free(path);
	rig_remove_folder();
}

TESTS_HAVE(.setup = locks_setup, .teardown = locks_teardown);

static void hold(const struct range *range)
{
	holder = lock_held(path, range->type, range->start, range->len);
}

static void is_busy(int ret)
{
	char name[40];

	snprintf(name, sizeof(name), "locked by process %d", (int)holder);
	ck_assert_int_eq(ret, OCS_STORE_BUSY);
	ck_assert_msg(strstr(rig_error.text, name) != NULL, "%s", rig_error.text);
}

static int fetch(void)
{
	uint8_t *data;
	size_t len;
	int ret = ocs_store_fetch(store, NULL, "key", 3, &data, &len, &rig_error);

	talloc_free(data);
	return ret;
}

static int each_none(const void *key, size_t key_len, const uint8_t *data, size_t len, void *arg)
{
	(void)key;
	(void)key_len;
	(void)data;
	(void)len;
	++*(int *)arg;
	return 0;
}

static int each(void)
{
	int n = 0;

	return ocs_store_each(store, -1, each_none, &n, &rig_error);
}

static int each_in_chain(void)
{
	int n = 0, ret = 0;

	for (unsigned i = 0; i < ocs_store_chains(store) && ret == 0; i++)
		ret = ocs_store_each_in_chain(store, i, each_none, &n, &rig_error);
	return ret;
}

static int begin(void)
{
	return ocs_store_begin(store, &rig_error);
}

static int copy(void)
{
	int fd = open(rig_path("copy"), O_RDWR | O_CREAT, 0600), ret;

	ret = ocs_store_copy(store, fd, &rig_error);
	close(fd);
	return ret;
}

static int check(void)
{
	return ocs_store_whole(store, &rig_error);
}

static int open_again(void)
{
	int ret;

	ocs_store_close(store);
	ret = ocs_store_open(path, 131, OCS_STORE_CHECK, 0600, (gid_t)-1, &store, NULL, &rig_error);
	return ret;
}

static int open_read_only(void)
{
	ocs_store_close(store);
	return ocs_store_open(path, 131, OCS_STORE_READ_ONLY, 0600, (gid_t)-1, &store, NULL,
	                      &rig_error);
}

static int (*const readers[])(void) = {fetch, each, each_in_chain, copy, check, begin};

LOOP_TEST(no_reader_waits_for_ever_for_who_writes, 0, 6)
{
	hold(&written);
	is_busy(readers[_i]());
	let_go();
	ck_assert_ok(readers[_i]());
	ocs_store_cancel(store);
}

TEST(an_opening_does_not_wait_for_ever)
{
	hold(&opening);
	is_busy(open_again());
	ck_assert_ptr_null(store);
	let_go();
	ck_assert_ok(open_again());
	ck_assert_ok(fetch());
}

TEST(what_is_only_read_waits_for_nobody)
{
	hold(&whole);
	ck_assert_ok(open_read_only());
	ck_assert_ok(fetch());
}

TEST(a_beginning_waits_only_so_long_for_another_transaction)
{
	hold(&transaction);
	is_busy(begin());
	is_busy(ocs_store_try_begin(store, &rig_error));
	ck_assert_ok(fetch());
	let_go();
	ck_assert_ok(begin());
	ocs_store_cancel(store);
}

/* And is cancelled then, and all its locks are free. */
LOOP_TEST(a_commit_waits_only_so_long_for_readers, 0, 2)
{
	ck_assert_ok(begin());
	ck_assert_ok(ocs_store_put(store, "key", 3, "other", 5, &rig_error));
	hold(_i == 0 ? &read_by : &opening);
	is_busy(ocs_store_commit(store, true, &rig_error));
	ck_assert(!ocs_store_in_transaction(store));
	let_go();
	hold(&whole);
	let_go();
	ck_assert_ok(begin());
	ck_assert_ok(ocs_store_put(store, "key", 3, "third", 5, &rig_error));
	ck_assert_ok(ocs_store_commit(store, true, &rig_error));
	hold(&whole);
}

TEST(a_commit_of_nothing_keeps_no_lock)
{
	ck_assert_ok(begin());
	ck_assert_ok(ocs_store_commit(store, true, &rig_error));
	hold(&whole);
	let_go();
	ck_assert_ok(begin());
	ocs_store_cancel(store);
	hold(&whole);
}

/* As a process that was killed in a commit leaves it, or whoever can write the file writes it:
 * libtdb then wants all of the file with the first lock it takes. */
TEST(a_recovery_does_not_wait_for_ever)
{
	static const struct range chain = {F_RDLCK, 168 + 4 * 7, 1};
	uint32_t at, magic = 0xf53bc0e7;
	int fd = open(path, O_RDWR);

	hold(&chain);
	ck_assert_int_eq(pread(fd, &at, sizeof(at), 44), sizeof(at));
	ck_assert_int_eq(pwrite(fd, &magic, sizeof(magic), at + 20), sizeof(magic));
	is_busy(fetch());
	is_busy(begin());
	let_go();
	/* Not close(fd): it would give up the store's locks; it holds none. */
	close(fd);
}

static bool told_to_end(void)
{
	return true;
}

TEST(who_is_told_to_end_waits_no_longer)
{
	ocs_store_wait_ms = 1000000000;
	ocs_file_interrupted = told_to_end;
	hold(&whole);
	is_busy(begin());
	is_busy(fetch());
}

/* libtdb reads a hole byte by byte, to its end: hours for each gigabyte. */
TEST(a_file_made_longer_is_found_damaged_at_once)
{
	ocs_store_close(store);
	ck_assert_int_eq(truncate(path, 3LL << 30), 0);
	ck_assert_int_eq(ocs_store_open(path, 131, OCS_STORE_CHECK, 0600, (gid_t)-1, &store, NULL,
	                                &rig_error),
	                 OCS_STORE_CORRUPT);
	ck_assert_int_eq(truncate(path, 1LL << 40), 0);
	ck_assert_int_eq(ocs_store_open(path, 131, 0, 0600, (gid_t)-1, &store, NULL, &rig_error),
	                 OCS_STORE_CORRUPT);
}

/* Cut short between the look at its size and the lock: libtdb cannot read the area of recoveries
 * then, and says nothing in errno. Nobody has a lock that could be waited for. */
TEST(a_file_cut_short_is_no_file_that_somebody_has_locked)
{
	TDB_DATA key = {.dptr = (unsigned char *)"key", .dsize = 3};

	ocs_store_wait_ms = 3600000;
	ck_assert_int_eq(truncate(path, 4096), 0);
	errno = EAGAIN; /* of an earlier call */
	ck_assert_int_eq(ocs_store_lock_key(store, key, &rig_error), OCS_STORE_ERROR);
}
