/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Spill lists in tests: see spill_rig.h. */
#include "tests/unit/spill_rig.h"

#include <dirent.h>

#include "ocsnotify.h"

size_t spill_entry(enum ocs_table table, uint32_t n, uint8_t out[OCS_ENTRY_SIZE_MAX])
{
	struct ocs_entry entry = {.category = OCS_MODIFIED,
	                          .flags = OCSNOTIFY_OBJECT_MODIFIED,
	                          .fid = 1,
	                          .message_flags = n,
	                          .sequence = n,
	                          .message_class = "IPM.Note"};

	if (table == OCS_TABLE_CONTENTS || table == OCS_TABLE_HIERARCHY) {
		entry.flags = OCSNOTIFY_TABLE_MODIFIED;
		entry.table_event = OCSNOTIFY_TABLE_ROW_MODIFIED;
	}
	return ocs_entry_encode(&entry, out);
}

enum ocs_spill_outcome spill_append(uint64_t context, uint64_t queue, enum ocs_table table,
                                    const uint8_t *entry, size_t len, uint32_t max)
{
	const struct ocs_spill_name name = {rig_folder, context, queue};
	enum ocs_spill_outcome outcome;
	struct ocs_spill spill;
	bool wake;

	ocs_spill_init(&spill);
	ck_assert_int_eq(ocs_spill_open(&spill, &name, true, (gid_t)-1), 0);
	ck_assert_int_eq(ocs_spill_append(&spill, table, entry, len, max, false, &outcome, &wake),
	                 0);
	ocs_spill_close(&spill);
	return outcome;
}

uint64_t spill_total(void)
{
	struct ocs_spill_name name = {.folder = rig_folder};
	DIR *folder = opendir(rig_path(OCS_SPILL_FOLDER));
	struct ocs_spill_state state;
	struct dirent *entry;
	uint64_t total = 0;

	while (folder != NULL && (entry = readdir(folder)) != NULL) {
		if (ocs_spill_parse(entry->d_name, &name.context, &name.queue) != 0)
			continue;
		ck_assert_int_eq(ocs_spill_state(&name, &state), 0);
		total += state.count;
	}
	if (folder != NULL)
		closedir(folder);
	return total;
}
