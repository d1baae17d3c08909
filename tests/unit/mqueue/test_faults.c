/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* A spill list of which any call fails: each entry that was taken in is read, once, in order. */
#include "tests/unit/mqueue/list_rig.h"
#include "tests/unit/faults.h"

#include "mqueue/queue.h"

#define ENTRIES_MAX 8192

static uint32_t n_entries, last_read;
static bool wanted[ENTRIES_MAX];
static unsigned again;

static int take(const uint8_t *data, size_t len, void *arg)
{
	struct ocs_entry entry;

	(void)arg;
	if (ocs_entry_decode(data, len, &entry) != 0 || entry.message_flags >= ENTRIES_MAX)
		return -EBADMSG;
	again += entry.message_flags <= last_read;
	last_read = entry.message_flags;
	wanted[entry.message_flags] = false;
	return 0;
}

static int append(void)
{
	uint8_t entry[OCS_ENTRY_SIZE_MAX];
	uint32_t n = ++n_entries;
	size_t len = spill_entry(OCS_TABLE_OBJECT, n, entry);
	enum ocs_spill_outcome outcome;
	bool wake;
	int ret = ocs_spill_append(&list_spill, OCS_TABLE_OBJECT, entry, len, 100, false, &outcome,
	                           &wake);

	wanted[n] = ret == 0;
	return ret;
}

/* Both ends open it, three are written, two calls take them. */
static int pass_entries(void)
{
	int ret = ocs_spill_open(&list_spill, &list_name, true, (gid_t)-1);

	for (int i = 0; i < 3 && ret == 0; i++)
		ret = append();
	ocs_spill_close(&list_spill);
	if (ret == 0)
		ret = ocs_spill_take(&list_reader, &list_name, take, NULL);
	if (ret >= 0)
		ret = ocs_spill_take(&list_reader, &list_name, take, NULL);
	ocs_spill_reader_close(&list_reader);
	return ret;
}

static void all_are_taken(int result, bool failed)
{
	(void)result;
	(void)failed;
	if (result != 0) {
		ck_assert_int_eq(pass_entries(), 0);
		while (ocs_spill_take(&list_reader, &list_name, take, NULL) == 1)
			;
		ocs_spill_reader_close(&list_reader);
	}
	for (uint32_t n = 1; n <= n_entries; n++)
		ck_assert_msg(!wanted[n], "entry %u is lost", n);
	ck_assert_uint_eq(again, 0);
}

static void setup(void)
{
	rig_make_folder();
	ocs_spill_init(&list_spill);
	ocs_spill_reader_init(&list_reader);
}

TESTS_HAVE(.setup = setup, .teardown = rig_remove_folder);

TEST(each_entry_of_a_spill_list_is_read_once_whatever_fails)
{
	static const struct faults_operation operation = {
	        .name = "a spill list", .after = all_are_taken, .run = pass_entries};

	ck_assert_uint_gt(faults_each(&operation), UNIT_SOME_OF(20));
}

static void new_list(void)
{
	ocs_spill_remove(&list_name);
	ocs_spill_close(&list_spill);
	ocs_spill_reader_close(&list_reader);
	ocs_spill_init(&list_spill);
	ocs_spill_reader_init(&list_reader);
	rmdir(rig_path(OCS_SPILL_FOLDER));
}

TEST(a_spill_list_is_made_whatever_failed_before)
{
	static const struct faults_operation operation = {.name = "a spill list is made",
	                                                  .before = new_list,
	                                                  .after = all_are_taken,
	                                                  .run = pass_entries};

	ck_assert_uint_gt(faults_each(&operation), UNIT_SOME_OF(20));
}

/* ---- a queue ---- */

static char name[OCS_QUEUE_NAME_MAX];

static int pass_through_a_queue(void)
{
	uint8_t entry[OCS_ENTRY_SIZE_MAX], got[256];
	size_t len = spill_entry(OCS_TABLE_OBJECT, 1, entry), got_len;
	mqd_t reader, writer;
	int ret = ocs_queue_create(name, 10, 256, (gid_t)-1, &reader);

	if (ret != 0)
		return ret;
	ret = ocs_queue_open_write(name, &writer);
	if (ret == 0) {
		ret = ocs_queue_send(writer, entry, len);
		ocs_queue_close(writer);
	}
	if (ret == 0)
		ret = ocs_queue_receive(reader, got, sizeof(got), &got_len);
	ocs_queue_close(reader);
	(void)ocs_queue_unlink(name);
	return ret;
}

static void queue_is_gone(int result, bool failed)
{
	mqd_t left;

	(void)failed;
	ck_assert_int_le(result, 0);
	ck_assert_int_eq(ocs_queue_open_read(name, &left), -ENOENT);
}

TEST(a_queue_that_could_not_be_made_is_not_there)
{
	static const struct faults_operation operation = {
	        .name = "a queue", .after = queue_is_gone, .run = pass_through_a_queue};

	ck_assert_int_eq(
	        ocs_queue_name_format(name, "jdoe", 0, OCS_TABLE_OBJECT, (uint32_t)getpid()), 0);
	ck_assert_uint_gt(faults_each(&operation), UNIT_SOME_OF(5));
}
