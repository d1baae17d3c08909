/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The store between processes: sequence numbers, locks, and sudden death. */
#include "tests/unit/rig.h"

static char path[256];

static void setup(void)
{
	struct ocs_store *store;

	rig_make_folder();
	snprintf(path, sizeof(path), "%s", rig_path("test.tdb"));
	ck_assert_ok(ocs_store_open(path, 1009, OCS_STORE_CREATE, 0660, (gid_t)-1, &store, NULL,
	                            &rig_error));
	ocs_store_close(store);
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

TESTS_HAVE(.setup = setup, .teardown = rig_remove_folder, .timeout = 120);

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

/* Commits pairs of records with the numbers 0, 1, 2... and tells each that is committed. */
static int commit_on_and_on(int to_parent)
{
	struct ocs_store *store = open_it(0);
	uint32_t n;

	for (n = 0; store != NULL; n++) {
		uint8_t key[5] = {'A'}, data[300];

		ocs_put32(key + 1, n);
		memset(data, (int)n, sizeof(data));
		if (ocs_store_begin(store, NULL) != 0 ||
		    ocs_store_put(store, key, 5, data, 1 + n % sizeof(data), NULL) != 0)
			return 1;
		key[0] = 'B';
		if (ocs_store_put(store, key, 5, data, 1 + n % sizeof(data), NULL) != 0 ||
		    ocs_store_commit(store, false, NULL) != 0 ||
		    write(to_parent, &n, sizeof(n)) != sizeof(n))
			return 1;
	}
	return 1;
}

static bool is_there(struct ocs_store *store, char prefix, uint32_t n)
{
	uint8_t key[5] = {(uint8_t)prefix}, *data;
	size_t len;
	int ret;

	ocs_put32(key + 1, n);
	ret = ocs_store_fetch(store, NULL, key, 5, &data, &len, &rig_error);
	ck_assert_msg(ret == OCS_STORE_OK || ret == OCS_STORE_MISSING, "%c%u: %d", prefix, n, ret);
	if (ret == OCS_STORE_OK)
		ck_assert_uint_eq(len, 1 + n % 300);
	talloc_free(data);
	return ret == OCS_STORE_OK;
}

TEST(kill_9_amid_commits_loses_nothing_acknowledged_and_breaks_nothing)
{
	for (int round = 0; round < 12; round++) {
		struct timespec moment = {.tv_nsec = 1000L * (rand() % 3000)};
		struct ocs_store *store;
		struct rig_child child;
		uint32_t last = 0, n;

		rig_child_fork(&child, commit_on_and_on);
		rig_child_go(&child);
		for (int i = 0; i < 20 + round; i++)
			ck_assert_int_eq(read(child.from, &last, sizeof(last)), sizeof(last));
		nanosleep(&moment, NULL); /* so that it dies at any point of a commit */
		kill(child.pid, SIGKILL);
		while (read(child.from, &n, sizeof(n)) == sizeof(n))
			last = n;
		ck_assert_int_eq(rig_child_wait(&child), -SIGKILL);
		store = open_it(OCS_STORE_CHECK);
		ck_assert_msg(store != NULL, "round %d: %s", round, rig_error.text);
		for (n = 0; n <= last; n++)
			ck_assert(is_there(store, 'A', n) && is_there(store, 'B', n));
		/* The one that was not acknowledged is there as a whole or not at all. */
		ck_assert(is_there(store, 'A', n) == is_there(store, 'B', n));
		ck_assert_ok(ocs_store_begin(store, &rig_error));
		ck_assert_ok(ocs_store_wipe(store, &rig_error));
		ck_assert_ok(ocs_store_commit(store, false, &rig_error));
		ocs_store_close(store);
	}
}

/* Grows with every commit, and so most of the time at the moment of its death. */
static int grow_on_and_on(int to_parent)
{
	struct ocs_store *store = open_it(0);
	uint32_t n;

	for (n = 0; store != NULL; n++) {
		uint8_t key[5] = {'A'};
		size_t size = 40000 + 20000 * (n % 7);
		uint8_t *data = calloc(1, size);

		ocs_put32(key + 1, n);
		if (data == NULL || ocs_store_begin(store, NULL) != 0 ||
		    ocs_store_put(store, key, 5, data, size, NULL) != 0 ||
		    ocs_store_commit(store, false, NULL) != 0 ||
		    write(to_parent, &n, sizeof(n)) != sizeof(n))
			return 1;
		free(data);
	}
	return 1;
}

/* libtdb leaves a file that fails its check then; what its owner opens has everything all the same.
 */
TEST(kill_9_while_the_file_grows_loses_nothing_acknowledged)
{
	for (int round = 0; round < 12; round++) {
		struct timespec moment = {.tv_nsec = 1000L * (rand() % 3000)};
		struct ocs_store *store;
		struct rig_child child;
		uint32_t last = 0, n;
		uint8_t *data;
		size_t len;

		rig_child_fork(&child, grow_on_and_on);
		rig_child_go(&child);
		for (int i = 0; i < 10 + round; i++)
			ck_assert_int_eq(read(child.from, &last, sizeof(last)), sizeof(last));
		nanosleep(&moment, NULL); /* so that it dies at any point of a commit */
		kill(child.pid, SIGKILL);
		while (read(child.from, &n, sizeof(n)) == sizeof(n))
			last = n;
		ck_assert_int_eq(rig_child_wait(&child), -SIGKILL);
		ck_assert_ok(ocs_store_open(path, 1009, OCS_STORE_CHECK | OCS_STORE_SALVAGE, 0660,
		                            (gid_t)-1, &store, NULL, &rig_error));
		for (n = 0; n <= last; n++) {
			uint8_t key[5] = {'A'};

			ocs_put32(key + 1, n);
			ck_assert_ok(ocs_store_fetch(store, NULL, key, 5, &data, &len, &rig_error));
			ck_assert_uint_eq(len, 40000 + 20000 * (n % 7));
			talloc_free(data);
		}
		ocs_store_close(store);
		ck_assert_int_eq(unlink(path), 0);
		ck_assert_ok(ocs_store_open(path, 1009, OCS_STORE_CREATE, 0660, (gid_t)-1, &store,
		                            NULL, &rig_error));
		ocs_store_close(store);
	}
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
