/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The entries that one notification makes, by table. Pure: writes into the caller's array only.
 */
#include "notify/fanout.h"
#include "ocsnotify.h"

#include <string.h>

struct fanout {
	const struct ocs_notification *notification;
	const struct ocs_fanout_ids *ids;
	struct ocs_fanout_item *items;
	size_t n;
};

static struct ocs_entry *add(struct fanout *fanout, enum ocs_table table, uint16_t flags,
                             uint16_t table_event, uint64_t fid)
{
	const struct ocs_notification *notification = fanout->notification;
	const char *message_class = notification->message_class;
	struct ocs_fanout_item *item = &fanout->items[fanout->n++];
	struct ocs_entry *entry = &item->entry;

	memset(item, 0, sizeof(*item));
	item->table = table;
	entry->category = (uint8_t)notification->category;
	entry->flags = flags;
	entry->table_event = table_event;
	entry->fid = fid;
	entry->message_flags = notification->message_flags;
	entry->accepted_at = fanout->ids->accepted_at;
	entry->sequence = fanout->ids->sequence;
	memcpy(entry->id_hash, fanout->ids->id_hash, sizeof(entry->id_hash));
	strncpy(entry->message_class, message_class != NULL ? message_class : "IPM.Note",
	        OCS_CLASS_MAX);
	return entry;
}

/* ObjectModified of a folder, with the counts where they are known to be its own. */
static void folder_modified(struct fanout *fanout, uint64_t fid, bool with_counts)
{
	const struct ocs_notification *notification = fanout->notification;
	struct ocs_entry *entry = add(fanout, OCS_TABLE_OBJECT, OCSNOTIFY_OBJECT_MODIFIED, 0, fid);

	if (with_counts && notification->has_total) {
		entry->flags |= OCSNOTIFY_FLAG_TOTAL;
		entry->total = notification->total;
	}
	if (with_counts && notification->has_unread) {
		entry->flags |= OCSNOTIFY_FLAG_UNREAD;
		entry->unread = notification->unread;
	}
}

static void contents(struct fanout *fanout, uint16_t table_event, uint64_t fid, uint64_t mid)
{
	struct ocs_entry *entry =
	        add(fanout, OCS_TABLE_CONTENTS, OCSNOTIFY_TABLE_MODIFIED | OCSNOTIFY_FLAG_MESSAGE,
	            table_event, fid);

	entry->mid = mid;
}

static void hierarchy(struct fanout *fanout, uint16_t table_event, uint64_t fid, uint64_t parent)
{
	struct ocs_entry *entry =
	        add(fanout, OCS_TABLE_HIERARCHY, OCSNOTIFY_TABLE_MODIFIED, table_event, fid);

	entry->parent_fid = parent;
}

/* The name is another mail's now: the one that had it is gone, and nobody said so. */
static void replaced(struct fanout *fanout)
{
	uint64_t fid = fanout->ids->fid, mid = fanout->ids->replaced_mid;
	size_t first = fanout->n;

	add(fanout, OCS_TABLE_OBJECT, OCSNOTIFY_OBJECT_DELETED | OCSNOTIFY_FLAG_MESSAGE, 0, fid)
	        ->mid = mid;
	contents(fanout, OCSNOTIFY_TABLE_ROW_DELETED, fid, mid);
	for (size_t i = first; i < fanout->n; i++) {
		fanout->items[i].entry.category = OCS_DELETED;
		fanout->items[i].entry.message_flags = 0;
	}
}

static void message_event(struct fanout *fanout)
{
	const struct ocs_fanout_ids *ids = fanout->ids;
	struct ocs_entry *entry;

	if (ids->replaced_mid != 0)
		replaced(fanout);
	switch (fanout->notification->category) {
	case OCS_NEWMAIL:
		add(fanout, OCS_TABLE_NEWMAIL, OCSNOTIFY_NEWMAIL | OCSNOTIFY_FLAG_MESSAGE, 0,
		    ids->fid)
		        ->mid = ids->mid;
		/* fallthrough: a new mail is a created message too */
		__attribute__((fallthrough));
	case OCS_CREATED:
		add(fanout, OCS_TABLE_OBJECT, OCSNOTIFY_OBJECT_CREATED | OCSNOTIFY_FLAG_MESSAGE, 0,
		    ids->fid)
		        ->mid = ids->mid;
		folder_modified(fanout, ids->fid, true);
		contents(fanout, OCSNOTIFY_TABLE_ROW_ADDED, ids->fid, ids->mid);
		hierarchy(fanout, OCSNOTIFY_TABLE_ROW_MODIFIED, ids->fid, ids->parent_fid);
		break;
	case OCS_DELETED:
		add(fanout, OCS_TABLE_OBJECT, OCSNOTIFY_OBJECT_DELETED | OCSNOTIFY_FLAG_MESSAGE, 0,
		    ids->fid)
		        ->mid = ids->mid;
		folder_modified(fanout, ids->fid, true);
		contents(fanout,
		         ids->mid_known ? OCSNOTIFY_TABLE_ROW_DELETED : OCSNOTIFY_TABLE_CHANGED,
		         ids->fid, ids->mid);
		hierarchy(fanout, OCSNOTIFY_TABLE_ROW_MODIFIED, ids->fid, ids->parent_fid);
		break;
	case OCS_MODIFIED:
		add(fanout, OCS_TABLE_OBJECT, OCSNOTIFY_OBJECT_MODIFIED | OCSNOTIFY_FLAG_MESSAGE, 0,
		    ids->fid)
		        ->mid = ids->mid;
		contents(fanout, OCSNOTIFY_TABLE_ROW_MODIFIED, ids->fid, ids->mid);
		if (fanout->notification->has_total || fanout->notification->has_unread)
			hierarchy(fanout, OCSNOTIFY_TABLE_ROW_MODIFIED, ids->fid, ids->parent_fid);
		break;
	case OCS_MOVED:
	case OCS_COPIED: {
		bool moved = fanout->notification->category == OCS_MOVED;
		bool leaves = moved && ids->old_fid != ids->fid;

		entry = add(fanout, OCS_TABLE_OBJECT,
		            (moved ? OCSNOTIFY_OBJECT_MOVED : OCSNOTIFY_OBJECT_COPIED) |
		                    OCSNOTIFY_FLAG_MESSAGE,
		            0, ids->fid);
		entry->mid = ids->mid;
		entry->old_fid = ids->old_fid;
		entry->old_mid = ids->old_mid;
		folder_modified(fanout, ids->fid, true);
		if (leaves)
			folder_modified(fanout, ids->old_fid, false);
		if (moved)
			contents(fanout,
			         ids->old_mid_known ? OCSNOTIFY_TABLE_ROW_DELETED
			                            : OCSNOTIFY_TABLE_CHANGED,
			         ids->old_fid, ids->old_mid);
		contents(fanout, OCSNOTIFY_TABLE_ROW_ADDED, ids->fid, ids->mid);
		hierarchy(fanout, OCSNOTIFY_TABLE_ROW_MODIFIED, ids->fid, ids->parent_fid);
		if (leaves)
			hierarchy(fanout, OCSNOTIFY_TABLE_ROW_MODIFIED, ids->old_fid,
			          ids->old_parent_fid);
		break;
	}
	case OCS_SEARCH_COMPLETED:
		break;
	}
}

static void folder_event(struct fanout *fanout)
{
	const struct ocs_fanout_ids *ids = fanout->ids;
	struct ocs_entry *entry;

	switch (fanout->notification->category) {
	case OCS_CREATED:
	case OCS_NEWMAIL:
		entry = add(fanout, OCS_TABLE_OBJECT, OCSNOTIFY_OBJECT_CREATED, 0, ids->fid);
		entry->parent_fid = ids->parent_fid;
		hierarchy(fanout, OCSNOTIFY_TABLE_ROW_ADDED, ids->fid, ids->parent_fid);
		break;
	case OCS_DELETED:
		entry = add(fanout, OCS_TABLE_OBJECT, OCSNOTIFY_OBJECT_DELETED, 0, ids->fid);
		entry->parent_fid = ids->parent_fid;
		hierarchy(fanout, OCSNOTIFY_TABLE_ROW_DELETED, ids->fid, ids->parent_fid);
		break;
	case OCS_MODIFIED:
		folder_modified(fanout, ids->fid, true);
		hierarchy(fanout, OCSNOTIFY_TABLE_ROW_MODIFIED, ids->fid, ids->parent_fid);
		break;
	case OCS_MOVED:
	case OCS_COPIED: {
		bool moved = fanout->notification->category == OCS_MOVED;

		entry = add(fanout, OCS_TABLE_OBJECT,
		            moved ? OCSNOTIFY_OBJECT_MOVED : OCSNOTIFY_OBJECT_COPIED, 0, ids->fid);
		entry->parent_fid = ids->parent_fid;
		entry->old_fid = ids->old_fid;
		entry->old_mid = ids->old_parent_fid;
		/* Renamed in place: its row changes; else it leaves one table and joins another. */
		if (moved && ids->old_parent_fid == ids->parent_fid && ids->old_fid == ids->fid) {
			hierarchy(fanout, OCSNOTIFY_TABLE_ROW_MODIFIED, ids->fid, ids->parent_fid);
			break;
		}
		if (moved) /* a folder that moved keeps its FID; INBOX stays and gives its messages
		              away */
			hierarchy(fanout,
			          ids->old_fid == ids->fid ? OCSNOTIFY_TABLE_ROW_DELETED
			                                   : OCSNOTIFY_TABLE_ROW_MODIFIED,
			          ids->old_fid, ids->old_parent_fid);
		hierarchy(fanout, OCSNOTIFY_TABLE_ROW_ADDED, ids->fid, ids->parent_fid);
		break;
	}
	case OCS_SEARCH_COMPLETED:
		add(fanout, OCS_TABLE_SEARCH, OCSNOTIFY_SEARCH_COMPLETED, 0, ids->fid);
		break;
	}
}

size_t ocs_fanout(const struct ocs_notification *notification, const struct ocs_fanout_ids *ids,
                  struct ocs_fanout_item items[OCS_FANOUT_MAX])
{
	struct fanout fanout = {notification, ids, items, 0};

	if (notification->message_id != NULL && notification->category != OCS_SEARCH_COMPLETED)
		message_event(&fanout);
	else
		folder_event(&fanout);
	return fanout.n;
}
