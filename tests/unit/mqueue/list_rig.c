/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* One spill list in tests: see list_rig.h. */
#include "tests/unit/mqueue/list_rig.h"

#include "ocsnotify.h"

const struct ocs_spill_name list_name = {rig_folder, LIST_CONTEXT, LIST_QUEUE};
struct ocs_spill list_spill;
struct ocs_spill_reader list_reader;
char list_got[4096];
bool list_woken;

void list_open(void)
{
	ck_assert_int_eq(ocs_spill_open(&list_spill, &list_name, true, (gid_t)-1), 0);
}

void list_setup(void)
{
	rig_make_folder();
	ocs_spill_init(&list_spill);
	ocs_spill_reader_init(&list_reader);
	list_open();
}

void list_teardown(void)
{
	ocs_spill_close(&list_spill);
	ocs_spill_reader_close(&list_reader);
	rig_remove_folder();
}

enum ocs_spill_outcome list_append_full(enum ocs_table table, uint32_t n, uint32_t max, bool full)
{
	uint8_t entry[OCS_ENTRY_SIZE_MAX];
	size_t len = spill_entry(table, n, entry);
	enum ocs_spill_outcome outcome;

	ck_assert_int_eq(
	        ocs_spill_append(&list_spill, table, entry, len, max, full, &outcome, &list_woken),
	        0);
	return outcome;
}

enum ocs_spill_outcome list_append(uint32_t n, uint32_t max)
{
	return list_append_full(OCS_TABLE_OBJECT, n, max, false);
}

int list_note(const uint8_t *data, size_t len, void *arg)
{
	struct ocs_entry entry;
	size_t at = strlen(list_got);

	(void)arg;
	ck_assert_int_eq(ocs_entry_decode(data, len, &entry), 0);
	snprintf(list_got + at, sizeof(list_got) - at, "%u%s ", entry.message_flags,
	         entry.table_event == OCSNOTIFY_TABLE_CHANGED ? "!" : "");
	return 0;
}

const char *list_waiting(void)
{
	list_got[0] = '\0';
	ck_assert_int_eq(ocs_spill_each(&list_name, list_note, NULL), 0);
	return list_got;
}

const char *list_take(void)
{
	int ret;

	list_got[0] = '\0';
	while ((ret = ocs_spill_take(&list_reader, &list_name, list_note, NULL)) == 1)
		;
	ck_assert_int_eq(ret, 0);
	return list_got;
}

struct ocs_spill_state list_state(void)
{
	struct ocs_spill_state out;

	ck_assert_int_eq(ocs_spill_state(&list_name, &out), 0);
	return out;
}

/* As another daemon. */
void list_start_again(void)
{
	ocs_spill_close(&list_spill);
	ocs_spill_init(&list_spill);
	list_open();
}

const char *list_path(void)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/" OCS_SPILL_FOLDER "/%016x.%016x", rig_folder,
	         LIST_CONTEXT, LIST_QUEUE);
	return path;
}
