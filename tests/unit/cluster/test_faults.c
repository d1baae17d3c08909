/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The spool of which any call fails: what was flushed is read, in order, until it is confirmed. */
#include "tests/unit/rig.h"
#include "tests/unit/faults.h"

#include "cluster/spool.h"

#define ROOM        (1 << 20)
#define RECORDS_MAX 8192

static char folder[128];
static unsigned n_records, confirmed;
static bool wanted[RECORDS_MAX]; /* flushed, and not confirmed */

static int open_spool(struct ocs_spool **spool, uint64_t *damaged)
{
	rig_error.text[0] = '\0';
	return ocs_spool_open(folder, ROOM, spool, damaged, &rig_error);
}

static int append_one(struct ocs_spool *spool)
{
	uint8_t data[64] = {0};
	unsigned n = ++n_records;
	int ret;

	ocs_put32(data, n);
	ret = ocs_spool_append(spool, data, sizeof(data), &rig_error);
	if (ret == OCS_SPOOL_OK)
		ret = ocs_spool_flush(spool, &rig_error);
	wanted[n] = ret == OCS_SPOOL_OK;
	return ret;
}

/* The oldest is given on, as far as can be. */
static int give_one_on(struct ocs_spool *spool)
{
	uint8_t *data = NULL;
	uint64_t number;
	size_t len;
	int ret = ocs_spool_read(spool, NULL, &data, &len, &number, &rig_error);

	if (ret != 1)
		return ret < 0 ? ret : 0;
	wanted[ocs_get32(data)] = false;
	confirmed++;
	talloc_free(data);
	ocs_spool_confirm(spool, number);
	return 0;
}

static int use_spool(void)
{
	struct ocs_spool *spool;
	int ret = open_spool(&spool, NULL), second;

	if (ret != 0)
		return ret;
	ret = append_one(spool);
	second = append_one(spool);
	if (ret == 0)
		ret = second;
	if (ret == 0)
		ret = give_one_on(spool);
	ocs_spool_close(spool);
	return ret;
}

static void all_are_read(int result, bool failed)
{
	struct ocs_spool *spool;
	uint64_t damaged = 0, number;
	unsigned last = 0;
	uint8_t *data;
	size_t len;
	int ret;

	(void)failed;
	ck_assert_msg(result == 0 || rig_error.text[0] != '\0', "%d says nothing", result);
	ck_assert_ok(open_spool(&spool, &damaged));
	ck_assert_uint_eq(damaged, 0);
	while ((ret = ocs_spool_read(spool, NULL, &data, &len, &number, &rig_error)) == 1) {
		unsigned n = ocs_get32(data);

		ck_assert_uint_eq(len, 64);
		ck_assert_uint_gt(n, last);
		last = n;
		wanted[n] = false;
		talloc_free(data);
		ocs_spool_confirm(spool, number);
	}
	ck_assert_int_eq(ret, 0);
	for (unsigned n = 1; n <= n_records; n++)
		ck_assert_msg(!wanted[n], "record %u is lost", n);
	ck_assert(ocs_spool_empty(spool));
	ocs_spool_close(spool);
}

static void setup(void)
{
	rig_make_folder();
	snprintf(folder, sizeof(folder), "%s/spool", rig_folder);
}

TESTS_HAVE(.setup = setup, .teardown = rig_remove_folder);

TEST(what_was_flushed_is_read_whatever_fails)
{
	static const struct faults_operation operation = {
	        .name = "messages are spooled", .after = all_are_read, .run = use_spool};

	ck_assert_uint_gt(faults_each(&operation), UNIT_SOME_OF(50));
	ck_assert_uint_gt(confirmed, 0);
}
