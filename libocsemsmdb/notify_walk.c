/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Walking over RopNotify responses (MS-OXCNOTIF 2.2.1.4). Pure functions over the caller's memory.
 */
#include "libocsemsmdb/notify_walk.h"

#include <stdbool.h>

#include "ocsnotify.h"
#include "libocsemsmdb/request.h"
#include "base/bytes.h"

#define HEAD_SIZE     8
#define FLAGS_AT      6
#define MESSAGE_FLAGS 24 /* where they stand in a NewMail */

/* One past len says that the data are cut. */
static size_t cut(size_t len)
{
	return len + 1;
}

static size_t table_end(const uint8_t *data, size_t len, bool message)
{
	size_t at = HEAD_SIZE + 2;

	if (len < at)
		return cut(len);
	switch (ocs_get16(data + HEAD_SIZE)) {
	case OCSNOTIFY_TABLE_ROW_DELETED:
		return at + (message ? 20 : 8);
	case OCSNOTIFY_TABLE_ROW_ADDED:
	case OCSNOTIFY_TABLE_ROW_MODIFIED:
		at += message ? 40 : 16;
		if (len < at + 2)
			return cut(len);
		return at + 2 + ocs_get16(data + at);
	default:
		return at;
	}
}

static size_t tags_end(const uint8_t *data, size_t len, size_t at)
{
	size_t count;

	if (len < at + 2)
		return cut(len);
	count = ocs_get16(data + at);
	return at + 2 + (count == 0xffff ? 0 : 4 * count);
}

static size_t class_end(const uint8_t *data, size_t len, size_t at)
{
	size_t width;

	at += 4;
	if (len < at + 1)
		return cut(len);
	width = data[at] == 0 ? 1 : 2;
	for (at++; len >= at + width; at += width)
		if (data[at] == 0 && data[at + width - 1] == 0)
			return at + width;
	return cut(len);
}

size_t ocs_notify_length(const uint8_t *data, size_t len)
{
	bool message, parent;
	size_t at = HEAD_SIZE + 8;
	uint16_t flags;

	if (len < HEAD_SIZE || data[0] != OCS_ROP_NOTIFY)
		return 0;
	flags = ocs_get16(data + FLAGS_AT);
	message = (flags & OCSNOTIFY_FLAG_MESSAGE) != 0;
	parent = message == ((flags & OCSNOTIFY_FLAG_SEARCH_FOLDER) != 0);
	if (message)
		at += 8;

	switch (flags & OCSNOTIFY_FLAG_TYPE) {
	case OCSNOTIFY_NEWMAIL:
		at = class_end(data, len, at);
		break;
	case OCSNOTIFY_OBJECT_CREATED:
		at = tags_end(data, len, at + (parent ? 8 : 0));
		break;
	case OCSNOTIFY_OBJECT_DELETED:
		at += parent ? 8 : 0;
		break;
	case OCSNOTIFY_OBJECT_MODIFIED:
		at = tags_end(data, len, at);
		at += ((flags & OCSNOTIFY_FLAG_TOTAL) != 0 ? 4 : 0) +
		      ((flags & OCSNOTIFY_FLAG_UNREAD) != 0 ? 4 : 0);
		break;
	case OCSNOTIFY_OBJECT_MOVED:
	case OCSNOTIFY_OBJECT_COPIED:
		at += (parent ? 8 : 0) + 16;
		break;
	case OCSNOTIFY_SEARCH_COMPLETED:
		break;
	case OCSNOTIFY_TABLE_MODIFIED:
		at = table_end(data, len, message);
		break;
	default:
		return 0;
	}
	return at > len ? 0 : at;
}

void ocs_notify_clear_message_flags(uint8_t *data)
{
	if ((ocs_get16(data + FLAGS_AT) & (OCSNOTIFY_FLAG_TYPE | OCSNOTIFY_FLAG_MESSAGE)) ==
	    (OCSNOTIFY_NEWMAIL | OCSNOTIFY_FLAG_MESSAGE))
		ocs_put32(data + MESSAGE_FLAGS, 0);
}
