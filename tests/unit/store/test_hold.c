/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Many fetches under one lock: what they find is so, what they miss is so once it is released, and
 * the lock is no longer held than it must be. */
#include "store/store_internal.h"

#include <sys/stat.h>
#include <talloc.h>

#include "tests/unit/lock_rig.h"
#include "tests/unit/rig.h"

#define CHAINS  131
#define RECORDS 200

static struct ocs_store *store;
static char *path;

static void put(const char *key)
{
	ck_assert_ok(ocs_store_put(store, key, strlen(key), key, strlen(key), &rig_error));
}

static void hold_setup(void)
{
	char key[16];

	rig_make_folder();
	path = strdup(rig_path("test.tdb"));
	ocs_store_wait_ms = 20;
	ck_assert_ok(ocs_store_open(path, CHAINS, OCS_STORE_CREATE, 0600, (gid_t)-1, &store, NULL,
	                            &rig_error));
	ck_assert_ok(ocs_store_begin(store, &rig_error));
	for (int i = 0; i < RECORDS; i++) {
		snprintf(key, sizeof(key), "K%d", i);
		put(key);
	}
	put("always");
	ck_assert_ok(ocs_store_commit(store, false, &rig_error));
	ck_assert(ocs_store_set_anchor(store, "always", 6));
}

static void hold_teardown(void)
{
	ocs_store_close(store);
	free(path);
	rig_remove_folder();
}

TESTS_HAVE(.setup = hold_setup, .teardown = hold_teardown);

static int fetch(const char *key)
{
	uint8_t *data;
	size_t len;
	int ret = ocs_store_fetch(store, NULL, key, strlen(key), &data, &len, &rig_error);

	if (ret == OCS_STORE_OK)
		ck_assert_mem_eq(data, key, len);
	talloc_free(data);
	return ret;
}

/* Whether another process could lock all records so now. */
static bool others_may(short type)
{
	return lock_is_free(path, type, OCS_STORE_HEADER_ALL, 0);
}

/* Cut off among the heads of its chains, and as long as before. */
static void punch(int part, int of)
{
	struct stat st;

	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(truncate(path, OCS_STORE_HEADER_ALL + 4 * CHAINS * part / of), 0);
	ck_assert_int_eq(truncate(path, st.st_size), 0);
}

TEST(one_lock_is_taken_by_the_first_fetch_and_let_go_by_release)
{
	ocs_store_hold(store);
	ck_assert(others_may(F_WRLCK));
	ck_assert_ok(fetch("K7"));
	ck_assert_int_eq(fetch("none"), OCS_STORE_MISSING);
	ck_assert_ok(fetch("K8"));
	ck_assert(others_may(F_RDLCK));
	ck_assert(!others_may(F_WRLCK));
	ck_assert_ok(ocs_store_release(store, &rig_error));
	ck_assert(others_may(F_WRLCK));
	ck_assert_ok(fetch("K9"));
	ck_assert(others_may(F_WRLCK));
}

TEST(release_without_hold_or_fetch_does_nothing)
{
	ck_assert_ok(ocs_store_release(store, &rig_error));
	ocs_store_hold(store);
	ck_assert_ok(ocs_store_release(store, &rig_error));
	ck_assert_ok(fetch("K7"));
	ck_assert(others_may(F_WRLCK));
}

LOOP_TEST(what_a_hole_hides_is_not_missing, 0, 40)
{
	int missed = 0;

	ocs_store_hold(store);
	ck_assert_ok(fetch("K0"));
	punch(_i, 40);
	for (int i = 0; i < RECORDS; i++) {
		char key[16];

		snprintf(key, sizeof(key), "K%d", i);
		missed += fetch(key) == OCS_STORE_MISSING;
	}
	ck_assert_int_gt(missed, 0);
	ck_assert_int_ne(ocs_store_release(store, &rig_error), OCS_STORE_OK);
	ck_assert(others_may(F_WRLCK));
}

LOOP_TEST(a_transaction_ends_the_hold_and_is_not_begun_on_what_was_only_hidden, 0, 2)
{
	ocs_store_hold(store);
	if (_i == 1)
		punch(0, 1);
	ck_assert_int_eq(fetch("none"), OCS_STORE_MISSING);
	if (_i == 0) {
		ck_assert_ok(ocs_store_begin(store, &rig_error));
		put("none");
		ck_assert_ok(fetch("none"));
		ck_assert_ok(ocs_store_commit(store, false, &rig_error));
	} else {
		ck_assert_int_ne(ocs_store_begin(store, &rig_error), OCS_STORE_OK);
		ck_assert(!ocs_store_in_transaction(store));
	}
	ck_assert(others_may(F_WRLCK));
	ck_assert_ok(ocs_store_release(store, &rig_error));
}

TEST(who_finds_it_locked_is_told_and_may_try_again)
{
	pid_t holder = lock_held(path, F_WRLCK, OCS_STORE_HEADER_ALL, 0);

	ocs_store_hold(store);
	ck_assert_int_eq(fetch("K7"), OCS_STORE_BUSY);
	lock_let_go(holder);
	ck_assert_ok(fetch("K7"));
	ck_assert_ok(ocs_store_release(store, &rig_error));
	ck_assert(others_may(F_WRLCK));
}

/* libtdb locks the chains part by part where one of them is locked. */
LOOP_TEST(what_could_not_be_locked_as_a_whole_is_not_locked_in_part, 0, 6)
{
	static const off_t at[] = {168,   172, 168 + 4 * 60, 168 + 4 * CHAINS - 4, 168 + 4 * CHAINS,
	                           100000};
	pid_t holder = lock_held(path, F_WRLCK, at[_i], 1);

	ocs_store_hold(store);
	ck_assert_int_eq(fetch("K7"), OCS_STORE_BUSY);
	ck_assert_int_eq(fetch("none"), OCS_STORE_BUSY);
	lock_let_go(holder);
	ck_assert(others_may(F_WRLCK));
	ck_assert_ok(ocs_store_release(store, &rig_error));
	ck_assert(others_may(F_WRLCK));
	ck_assert_ok(ocs_store_begin(store, &rig_error));
	ocs_store_cancel(store);
	ck_assert(others_may(F_WRLCK));
}

/* What reads all of the file takes the same lock once more. */
TEST(a_copy_and_a_check_meanwhile_leave_it_held)
{
	int to = open(rig_path("copy"), O_RDWR | O_CREAT, 0600);

	ck_assert_int_ge(to, 0);
	ocs_store_hold(store);
	ck_assert_ok(fetch("K7"));
	ck_assert_ok(ocs_store_copy(store, to, &rig_error));
	ck_assert(!others_may(F_WRLCK));
	ck_assert_ok(ocs_store_whole(store, &rig_error));
	ck_assert(!others_may(F_WRLCK));
	ck_assert_ok(ocs_store_release(store, &rig_error));
	ck_assert(others_may(F_WRLCK));
	close(to);
}

static int nothing(const void *key, size_t key_len, const uint8_t *data, size_t len, void *arg)
{
	(void)key;
	(void)key_len;
	(void)data;
	(void)len;
	(void)arg;
	return 0;
}

TEST(a_chain_that_is_read_meanwhile_leaves_it_held)
{
	ocs_store_hold(store);
	ck_assert_ok(fetch("K7"));
	for (unsigned n = 0; n < ocs_store_chains(store); n++)
		ck_assert_ok(ocs_store_each_in_chain(store, n, nothing, NULL, &rig_error));
	ck_assert(!others_may(F_WRLCK));
	ck_assert_ok(ocs_store_release(store, &rig_error));
}
