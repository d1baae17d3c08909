/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* See filled_rig.h. */
#include "tests/unit/store/filled_rig.h"

char filled_path[256];
struct ocs_store *filled_store;

void filled_put(const char *key, const char *data)
{
	ck_assert_ok(ocs_store_begin(filled_store, &rig_error));
	ck_assert_ok(ocs_store_put(filled_store, key, strlen(key), data, strlen(data), &rig_error));
	ck_assert_ok(ocs_store_commit(filled_store, true, &rig_error));
}

void filled_write(void)
{
	ck_assert_ok(ocs_store_begin(filled_store, &rig_error));
	for (int i = 0; i < FILLED_RECORDS; i++) {
		char key[16], data[512];

		snprintf(key, sizeof(key), "K%d", i);
		memset(data, 'a' + i % 26, sizeof(data));
		ck_assert_ok(
		        ocs_store_put(filled_store, key, strlen(key), data, sizeof(data), NULL));
	}
	ck_assert_ok(ocs_store_commit(filled_store, true, &rig_error));
}

void filled_setup(void)
{
	rig_make_folder();
	snprintf(filled_path, sizeof(filled_path), "%s", rig_path("test.tdb"));
	ck_assert_ok(ocs_store_open(filled_path, FILLED_CHAINS, OCS_STORE_CREATE, 0660, (gid_t)-1,
	                            &filled_store, NULL, &rig_error));
	filled_write();
}

void filled_teardown(void)
{
	ocs_store_close(filled_store);
	rig_remove_folder();
}

int filled_use(void)
{
	int good = 0;

	for (int i = 0; i < FILLED_RECORDS; i++) {
		char key[16];
		uint8_t *data;
		size_t len;

		snprintf(key, sizeof(key), "K%d", i);
		if (ocs_store_fetch(filled_store, NULL, key, strlen(key), &data, &len,
		                    &rig_error) == 0) {
			ck_assert_uint_eq(len, 512);
			ck_assert_int_eq(data[511], 'a' + i % 26);
			good++;
		}
		talloc_free(data);
	}
	(void)ocs_store_seqnum(filled_store);
	(void)ocs_store_size(filled_store);
	(void)ocs_store_lock_holder(filled_store);
	if (ocs_store_begin(filled_store, &rig_error) == 0) {
		(void)ocs_store_put(filled_store, "new", 3, "x", 1, &rig_error);
		(void)ocs_store_delete(filled_store, "K1", 2, &rig_error);
		(void)ocs_store_quarantine(filled_store, "K2", 2, &rig_error);
		(void)ocs_store_commit(filled_store, true, &rig_error);
	}
	(void)ocs_store_sync(filled_store, &rig_error);
	return good;
}

void filled_overwrite(off_t at, const void *data, size_t len)
{
	int fd = open(filled_path, O_WRONLY);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pwrite(fd, data, len, at), (ssize_t)len);
	close(fd);
}

static int filled_count(const void *key, size_t key_len, const uint8_t *data, size_t len, void *arg)
{
	(void)key;
	(void)key_len;
	(void)data;
	(void)len;
	(void)arg;
	return 0;
}

int filled_each(void)
{
	return ocs_store_each(filled_store, -1, filled_count, NULL, &rig_error);
}
