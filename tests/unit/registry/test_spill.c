/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Spill lists: in order, bounded, counted. */
#include "tests/unit/rig.h"

#include "registry/registry.h"
#include "ocsnotify.h"

static struct ocs_registry *registry;
static char got[2048];

static void setup(void)
{
	rig_make_folder();
	ck_assert_ok(ocs_registry_open(rig_folder, true, &registry, NULL, &rig_error));
	ck_assert_ok(ocs_registry_begin(registry, &rig_error));
}

static void teardown(void)
{
	ocs_registry_close(registry);
	rig_remove_folder();
}

static enum ocs_spill_outcome append(uint64_t queue, enum ocs_table table, uint32_t n, uint32_t max,
                                     uint32_t total)
{
	struct ocs_entry entry = {.category = OCS_MODIFIED,
	                          .flags = OCSNOTIFY_OBJECT_MODIFIED,
	                          .fid = 1,
	                          .message_flags = n,
	                          .sequence = n,
	                          .message_class = "IPM.Note"};
	uint8_t encoded[OCS_ENTRY_SIZE_MAX];
	enum ocs_spill_outcome outcome;
	size_t len;

	if (table == OCS_TABLE_CONTENTS || table == OCS_TABLE_HIERARCHY) {
		entry.flags = OCSNOTIFY_TABLE_MODIFIED;
		entry.table_event = OCSNOTIFY_TABLE_ROW_MODIFIED;
	}
	len = ocs_entry_encode(&entry, encoded);
	ck_assert_uint_gt(len, 0);
	ck_assert_ok(ocs_registry_spill_append(registry, queue, table, encoded, len, max, total,
	                                       &outcome, &rig_error));
	return outcome;
}

static int note(const uint8_t *data, size_t len, void *arg)
{
	struct ocs_entry entry;
	size_t at = strlen(got);

	(void)arg;
	ck_assert_int_eq(ocs_entry_decode(data, len, &entry), 0);
	snprintf(got + at, sizeof(got) - at, "%u%s ", entry.message_flags,
	         entry.table_event == OCSNOTIFY_TABLE_CHANGED ? "!" : "");
	return 0;
}

static const char *list(uint64_t queue)
{
	got[0] = '\0';
	ck_assert_ok(ocs_registry_spill_each(registry, queue, note, NULL, &rig_error));
	return got;
}

static struct ocs_spill_state state_of(uint64_t queue)
{
	struct ocs_spill_state state;

	ck_assert_ok(ocs_registry_spill_state(registry, queue, &state, &rig_error));
	return state;
}

static uint64_t total(void)
{
	uint64_t n;

	ck_assert_ok(ocs_registry_spill_total(registry, &n, &rig_error));
	return n;
}

TESTS_HAVE(.setup = setup, .teardown = teardown);

TEST(entries_come_out_in_the_order_they_went_in)
{
	for (uint32_t n = 1; n <= 5; n++)
		ck_assert_int_eq(append(7, OCS_TABLE_OBJECT, n, 100, 100), OCS_SPILL_APPENDED);
	append(8, OCS_TABLE_OBJECT, 50, 100, 100);
	ck_assert_str_eq(list(7), "1 2 3 4 5 ");
	ck_assert_str_eq(list(8), "50 ");
	ck_assert_str_eq(list(9), "");
	ck_assert_uint_eq(state_of(7).count, 5);
	ck_assert_uint_eq(state_of(9).count, 0);
	ck_assert_uint_eq(total(), 6);
	ck_assert_ok(ocs_registry_commit(registry, false, &rig_error));
	ocs_registry_close(registry);
	ck_assert_ok(ocs_registry_open(rig_folder, false, &registry, NULL, &rig_error));
	ck_assert_str_eq(list(7), "1 2 3 4 5 ");
}

static int stop_at_once(const uint8_t *data, size_t len, void *arg)
{
	(void)data;
	(void)len;
	(*(int *)arg)++;
	return 9;
}

TEST(each_stops_when_told)
{
	int calls = 0;

	append(7, OCS_TABLE_OBJECT, 1, 100, 100);
	append(7, OCS_TABLE_OBJECT, 2, 100, 100);
	ck_assert_int_eq(ocs_registry_spill_each(registry, 7, stop_at_once, &calls, &rig_error), 9);
	ck_assert_int_eq(calls, 1);
}

TEST(past_max_the_oldest_is_dropped_and_counted)
{
	static const enum ocs_table tables[] = {OCS_TABLE_NEWMAIL, OCS_TABLE_OBJECT,
	                                        OCS_TABLE_SEARCH};

	for (uint64_t q = 0; q < 3; q++) {
		for (uint32_t n = 1; n <= 3; n++)
			append(q + 1, tables[q], n, 3, 100);
		ck_assert_int_eq(append(q + 1, tables[q], 4, 3, 100), OCS_SPILL_DROPPED_OLDEST);
		ck_assert_int_eq(append(q + 1, tables[q], 5, 3, 100), OCS_SPILL_DROPPED_OLDEST);
		ck_assert_str_eq(list(q + 1), "3 4 5 ");
		ck_assert_uint_eq(state_of(q + 1).count, 3);
		ck_assert_uint_eq(state_of(q + 1).dropped, 2);
		ck_assert(!state_of(q + 1).collapsed);
		ck_assert_uint_eq(total(), 3 * (q + 1));
	}
}

TEST(past_max_a_table_collapses_to_one_table_changed)
{
	static const enum ocs_table tables[] = {OCS_TABLE_CONTENTS, OCS_TABLE_HIERARCHY};

	for (uint64_t q = 0; q < 2; q++) {
		for (uint32_t n = 1; n <= 3; n++)
			append(q + 1, tables[q], n, 3, 100);
		ck_assert_int_eq(append(q + 1, tables[q], 4, 3, 100), OCS_SPILL_COLLAPSED);
		ck_assert_int_eq(append(q + 1, tables[q], 5, 3, 100), OCS_SPILL_COLLAPSED);
		ck_assert_str_eq(list(q + 1), "4! ");
		ck_assert_uint_eq(state_of(q + 1).count, 1);
		ck_assert(state_of(q + 1).collapsed);
		ck_assert_uint_eq(total(), q + 1);
		/* Once its owner has emptied it, it takes rows again. */
		ck_assert_ok(ocs_registry_spill_clear(registry, q + 1, &rig_error));
		ck_assert(!state_of(q + 1).collapsed);
		ck_assert_int_eq(append(q + 1, tables[q], 6, 3, 100), OCS_SPILL_APPENDED);
		ck_assert_str_eq(list(q + 1), "6 ");
	}
}

TEST(the_total_over_all_queues_bounds_too)
{
	for (uint32_t n = 1; n <= 4; n++)
		append(1, OCS_TABLE_OBJECT, n, 100, 5);
	/* The first of a list is always taken. */
	ck_assert_int_eq(append(2, OCS_TABLE_OBJECT, 1, 100, 5), OCS_SPILL_APPENDED);
	ck_assert_uint_eq(total(), 5);
	ck_assert_int_eq(append(3, OCS_TABLE_OBJECT, 1, 100, 5), OCS_SPILL_APPENDED);
	ck_assert_uint_eq(total(), 6);
	ck_assert_int_eq(append(2, OCS_TABLE_OBJECT, 2, 100, 5), OCS_SPILL_DROPPED_OLDEST);
	ck_assert_str_eq(list(2), "2 ");
	ck_assert_str_eq(list(1), "1 2 3 4 "); /* another queue's are not this one's to drop */
	ck_assert_uint_eq(total(), 6);
	ck_assert_ok(ocs_registry_spill_clear(registry, 1, &rig_error));
	ck_assert_uint_eq(total(), 2);
	ck_assert_int_eq(append(2, OCS_TABLE_OBJECT, 3, 100, 5), OCS_SPILL_APPENDED);
}

TEST(clear_keeps_the_count_of_the_dropped_and_forget_does_not)
{
	for (uint32_t n = 1; n <= 5; n++)
		append(1, OCS_TABLE_OBJECT, n, 3, 100);
	ck_assert_ok(ocs_registry_spill_clear(registry, 1, &rig_error));
	ck_assert_uint_eq(state_of(1).count, 0);
	ck_assert_uint_eq(state_of(1).dropped, 2);
	ck_assert_uint_eq(total(), 0);
	ck_assert_str_eq(list(1), "");
	append(1, OCS_TABLE_OBJECT, 6, 3, 100);
	ck_assert_str_eq(list(1), "6 ");
	ck_assert_uint_eq(state_of(1).dropped, 2);
	ck_assert_ok(ocs_registry_spill_forget(registry, 1, &rig_error));
	ck_assert_uint_eq(state_of(1).count, 0);
	ck_assert_uint_eq(state_of(1).dropped, 0);
	ck_assert_uint_eq(total(), 0);
	ck_assert_ok(ocs_registry_spill_forget(registry, 1, &rig_error));
	ck_assert_ok(ocs_registry_spill_clear(registry, 99, &rig_error));
}

TEST(a_damaged_entry_is_skipped_counted_and_the_others_come)
{
	static const uint8_t hit[] = {0x21, 0x43, 0x65, 0x07};

	append(1, OCS_TABLE_OBJECT, 1, 100, 100);
	append(1, OCS_TABLE_OBJECT, 0x07654321, 100, 100);
	append(1, OCS_TABLE_OBJECT, 3, 100, 100);
	ck_assert_ok(ocs_registry_commit(registry, false, &rig_error));
	ocs_registry_close(registry);
	rig_flip(rig_path("registry.tdb"), hit, 4);
	ck_assert_ok(ocs_registry_open(rig_folder, false, &registry, NULL, &rig_error));
	ck_assert_str_eq(list(1), "1 3 ");
	ck_assert_uint_eq(ocs_registry_damaged(registry), 1);
	ck_assert_ok(ocs_registry_begin(registry, &rig_error));
	ck_assert_str_eq(list(1), "1 3 ");
	ck_assert_ok(ocs_registry_spill_clear(registry, 1, &rig_error));
	ck_assert_uint_eq(total(), 0);
}

TEST(a_count_that_cannot_be_reads_as_none)
{
	uint8_t head[25] = {0}, key[9] = "P\7";
	uint64_t before;

	ck_assert_int_eq(append(7, OCS_TABLE_NEWMAIL, 1, 10, 100), OCS_SPILL_APPENDED);
	before = ocs_registry_damaged(registry);
	ocs_put64(head + 8, UINT64_MAX); /* the tail */
	ck_assert_ok(ocs_store_put(ocs_registry_store(registry), key, sizeof(key), head,
	                           sizeof(head), &rig_error));
	/* Were it believed, the test would time out here. */
	ck_assert_str_eq(list(7), "");
	ck_assert_uint_eq(ocs_registry_damaged(registry), before + 1);
	ck_assert_ok(ocs_registry_spill_forget(registry, 7, &rig_error));
	ck_assert_int_eq(append(7, OCS_TABLE_NEWMAIL, 2, 10, 100), OCS_SPILL_APPENDED);
	ck_assert_str_eq(list(7), "2 ");
}
