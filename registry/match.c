/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Which subscription wants which entry (MS-OXCNOTIF 2.2.1.2.1.1). Pure; any thread.
 */
#include "registry/match.h"
#include "ocsnotify.h"

#define OBJECT_TYPES                                                                               \
	(OCSNOTIFY_OBJECT_CREATED | OCSNOTIFY_OBJECT_DELETED | OCSNOTIFY_OBJECT_MODIFIED |         \
	 OCSNOTIFY_OBJECT_MOVED | OCSNOTIFY_OBJECT_COPIED)

unsigned ocs_match_tables(uint16_t types)
{
	unsigned tables = 0;

	if ((types & OCSNOTIFY_NEWMAIL) != 0)
		tables |= 1u << OCS_TABLE_NEWMAIL;
	if ((types & OBJECT_TYPES) != 0)
		tables |= 1u << OCS_TABLE_OBJECT;
	if ((types & OCSNOTIFY_SEARCH_COMPLETED) != 0)
		tables |= 1u << OCS_TABLE_SEARCH;
	if ((types & OCSNOTIFY_TABLE_MODIFIED) != 0)
		tables |= 1u << OCS_TABLE_CONTENTS | 1u << OCS_TABLE_HIERARCHY;
	return tables;
}

bool ocs_match_entry(const struct ocs_entry *entry, enum ocs_table table, uint16_t types,
                     uint64_t folder, uint64_t mid)
{
	uint16_t type = entry->flags & OCSNOTIFY_FLAG_TYPE;
	bool about_message = (entry->flags & OCSNOTIFY_FLAG_MESSAGE) != 0;

	if ((types & type) == 0 || (ocs_match_tables(type) & 1u << table) == 0)
		return false;
	if (folder == OCS_FOLDER_STORE)
		return true;
	if (table == OCS_TABLE_HIERARCHY)
		return folder == entry->parent_fid;
	if (table == OCS_TABLE_CONTENTS || !about_message)
		return folder == entry->fid && (mid == 0 || table == OCS_TABLE_CONTENTS);
	if (folder == entry->fid && (mid == 0 || mid == entry->mid))
		return true;
	/* The source of a move loses the message; of a copy only the message itself is concerned.
	 */
	return folder == entry->old_fid &&
	       ((type == OCSNOTIFY_OBJECT_MOVED && mid == 0) ||
	        (mid != 0 && mid == entry->old_mid &&
	         (type & (OCSNOTIFY_OBJECT_MOVED | OCSNOTIFY_OBJECT_COPIED)) != 0));
}
