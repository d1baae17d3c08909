/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The store between processes: sequence numbers, locks, and sudden death. */
#include "tests/unit/rig.h"

#include <sys/syscall.h>

static char path[256];

static void make_store(void)
{
	struct ocs_store *store;

	ck_assert_ok(ocs_store_open(path, 1009, OCS_STORE_CREATE, 0660, (gid_t)-1, &store, NULL,
	                            &rig_error));
	ocs_store_close(store);
}

static void setup(void)
{
	rig_make_folder();
	snprintf(path, sizeof(path), "%s", rig_path("test.tdb"));
	make_store();
}

static struct ocs_store *open_it(int flags)
{
	struct ocs_store *store = NULL;

	return ocs_store_open(path, 0, flags, 0, (gid_t)-1, &store, NULL, &rig_error) == 0 ? store
	                                                                                   : NULL;
}

static int commit_once(int to_parent)
{
	struct ocs_store *store = open_it(0);

	(void)to_parent;
	if (store == NULL || ocs_store_begin(store, NULL) != 0 ||
	    ocs_store_put(store, "K", 1, "child", 5, NULL) != 0 ||
	    ocs_store_commit(store, true, NULL) != 0)
		return 1;
	ocs_store_close(store);
	return 0;
}

TESTS_HAVE(.setup = setup, .teardown = rig_remove_folder);

TEST(another_process_sees_a_commit_and_the_sequence_number_change)
{
	struct rig_child child;
	struct ocs_store *store;
	uint32_t before;
	uint8_t *data;
	size_t len;

	rig_child_fork(&child, commit_once);
	store = open_it(0);
	ck_assert_ptr_nonnull(store);
	before = ocs_store_seqnum(store);
	ck_assert_int_eq(ocs_store_fetch(store, NULL, "K", 1, &data, &len, &rig_error),
	                 OCS_STORE_MISSING);
	rig_child_go(&child);
	ck_assert_int_eq(rig_child_wait(&child), 0);
	ck_assert_uint_ne(ocs_store_seqnum(store), before);
	ck_assert_ok(ocs_store_fetch(store, NULL, "K", 1, &data, &len, &rig_error));
	ck_assert_mem_eq(data, "child", 5);
	talloc_free(data);
	ocs_store_close(store);
}

static int hold_the_lock(int to_parent)
{
	struct ocs_store *store = open_it(0);

	if (store == NULL || ocs_store_begin(store, NULL) != 0 ||
	    ocs_store_put(store, "K", 1, "half", 4, NULL) != 0 || write(to_parent, "h", 1) != 1)
		return 1;
	pause();
	return 1;
}

TEST(try_begin_is_busy_and_names_the_process_that_holds_the_lock)
{
	struct rig_child child;
	struct ocs_store *store;
	char byte, pid[16];
	uint8_t *data;
	size_t len;

	rig_child_fork(&child, hold_the_lock);
	store = open_it(0);
	ck_assert_int_eq(ocs_store_lock_holder(store), 0);
	rig_child_go(&child);
	ck_assert_int_eq(read(child.from, &byte, 1), 1);
	ck_assert_int_eq(ocs_store_try_begin(store, &rig_error), OCS_STORE_BUSY);
	ck_assert(!ocs_store_in_transaction(store));
	snprintf(pid, sizeof(pid), "%d", (int)child.pid);
	ck_assert_ptr_nonnull(strstr(rig_error.text, pid));
	ck_assert_int_eq(ocs_store_lock_holder(store), child.pid);
	/* Readers go on, and see nothing half-done. */
	ck_assert_int_eq(ocs_store_fetch(store, NULL, "K", 1, &data, &len, &rig_error),
	                 OCS_STORE_MISSING);
	kill(child.pid, SIGKILL);
	ck_assert_int_eq(rig_child_wait(&child), -SIGKILL);
	ck_assert_int_eq(ocs_store_lock_holder(store), 0);
	ck_assert_ok(ocs_store_try_begin(store, &rig_error));
	ck_assert_int_eq(ocs_store_fetch(store, NULL, "K", 1, &data, &len, &rig_error),
	                 OCS_STORE_MISSING);
	ocs_store_cancel(store);
	ocs_store_close(store);
}

/* ---- death amid a commit ---- */

#define RECORDS 40
#define PAGE    4096

static int writes_left; /* the child dies behind the last one; 0: it lives */

static bool is_last_write(void)
{
	return writes_left != 0 && --writes_left == 0;
}

/* In the place of libc's, for libtdb. Of more than a page a part may be written. */
__attribute__((visibility("default"))) ssize_t pwrite(int fd, const void *data, size_t n, off_t at)
{
	bool last = is_last_write();
	ssize_t done = syscall(SYS_pwrite64, fd, data, last && n > PAGE ? PAGE : n, at);

	if (last)
		raise(SIGKILL);
	return done;
}

__attribute__((visibility("default"))) int posix_fallocate(int fd, off_t at, off_t n)
{
	int ret = syscall(SYS_fallocate, fd, 0, at, n) == 0 ? 0 : errno;

	if (is_last_write())
		raise(SIGKILL);
	return ret;
}

/* The first one, one in place, one that makes the file grow, and one that takes more than the area
 * that a file has for its recovery: libtdb makes a larger one then, and a damaged file if it dies.
 */
static const struct amount {
	size_t before, after;
} amounts[] = {{0, 100}, {100, 100}, {100, 5000}, {30000, 30000}};
#define TOO_LARGE 3
static const struct amount *amount;

/* All the records of one commit hold its number. */
static int commit_all(struct ocs_store *store, uint8_t number, size_t len)
{
	uint8_t *data = talloc_array(store, uint8_t, len);
	int ret = data == NULL ? -1 : ocs_store_begin(store, NULL);

	for (uint8_t key = 0; ret == 0 && key < RECORDS; key++) {
		memset(data, number, len);
		ret = ocs_store_put(store, &key, 1, data, len, NULL);
	}
	talloc_free(data);
	return ret == 0 ? ocs_store_commit(store, false, NULL) : ret;
}

static int commit_twice(int to_parent)
{
	struct ocs_store *store;
	int left = writes_left;

	(void)to_parent;
	writes_left = 0;
	store = open_it(0);
	if (store == NULL || (amount->before > 0 && commit_all(store, 1, amount->before) != 0))
		return 1;
	writes_left = left;
	return commit_all(store, 2, amount->after) == 0 ? 0 : 1;
}

static uint8_t number_of(struct ocs_store *store, uint8_t key)
{
	uint8_t *data, number;
	size_t len;
	int ret = ocs_store_fetch(store, NULL, &key, 1, &data, &len, &rig_error);

	if (ret == OCS_STORE_MISSING && amount->before == 0)
		return 1;
	ck_assert_msg(ret == OCS_STORE_OK, "%d: %s", ret, rig_error.text);
	number = data[0];
	ck_assert_uint_eq(len, number == 1 ? amount->before : amount->after);
	ck_assert_mem_eq(data, data + 1, len - 1);
	talloc_free(data);
	return number;
}

/* At its writes one after the other; the later ones are all alike. */
LOOP_TEST(kill_9_amid_a_commit_leaves_all_of_it_or_all_that_was_before, 0, TOO_LARGE + 1)
{
	int flags = OCS_STORE_CHECK | (_i == TOO_LARGE ? OCS_STORE_SALVAGE : 0);
	int status = -SIGKILL, n = 1;
	bool salvaged = false;

	amount = &amounts[_i];
	for (; status == -SIGKILL; n += n < 50 ? 1 : 50) {
		struct ocs_store *store;
		struct rig_child child;
		uint8_t number;
		bool moved;

		ck_assert_int_eq(unlink(path), 0);
		make_store();
		writes_left = n;
		rig_child_fork(&child, commit_twice);
		writes_left = 0;
		rig_child_go(&child);
		status = rig_child_wait(&child);
		ck_assert_ok(ocs_store_open(path, 1009, flags, 0660, (gid_t)-1, &store, &moved,
		                            &rig_error));
		salvaged |= moved;
		number = number_of(store, 0);
		ck_assert(number == 2 || (number == 1 && status != 0));
		for (uint8_t key = 1; key < RECORDS; key++)
			ck_assert_msg(number_of(store, key) == number, "a part after write %d", n);
		ocs_store_close(store);
	}
	ck_assert_int_eq(status, 0);
	ck_assert_int_gt(n, 5);
	ck_assert(salvaged == (_i == TOO_LARGE));
}

static int count_up(int to_parent)
{
	struct ocs_store *store = open_it(0);

	(void)to_parent;
	for (int i = 0; i < 200; i++) {
		uint8_t *data, fresh[4];
		size_t len;

		if (ocs_store_begin(store, NULL) != 0)
			return 1;
		if (ocs_store_fetch(store, NULL, "N", 1, &data, &len, NULL) == OCS_STORE_OK)
			ocs_put32(fresh, ocs_get32(data) + 1);
		else
			ocs_put32(fresh, 1);
		talloc_free(data);
		if (ocs_store_put(store, "N", 1, fresh, 4, NULL) != 0 ||
		    ocs_store_commit(store, false, NULL) != 0)
			return 1;
	}
	ocs_store_close(store);
	return 0;
}

TEST(transactions_of_two_processes_come_one_after_the_other)
{
	struct rig_child children[2];
	struct ocs_store *store;
	uint8_t *data;
	size_t len;

	for (int i = 0; i < 2; i++)
		rig_child_fork(&children[i], count_up);
	for (int i = 0; i < 2; i++)
		rig_child_go(&children[i]);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(rig_child_wait(&children[i]), 0);
	store = open_it(OCS_STORE_CHECK);
	ck_assert_ok(ocs_store_fetch(store, NULL, "N", 1, &data, &len, &rig_error));
	ck_assert_uint_eq(ocs_get32(data), 400);
	talloc_free(data);
	ocs_store_close(store);
}
