/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Walking over RopNotify responses. See notify_walk.h. Pure functions over the caller's memory. */
#include "libocsemsmdb/notify_walk.h"

#include <stdbool.h>

#include "libocsemsmdb/request.h"
#include "base/bytes.h"

#define HEAD_SIZE     8
#define FLAGS_AT      6
#define MESSAGE_FLAGS 24 /* where they stand in a NewMail */

#define TYPE_MASK 0x0fff
#define TOTAL     0x1000
#define UNREAD    0x2000
#define SEARCH    0x4000
#define MESSAGE   0x8000

enum type {
	NEWMAIL = 0x0002,
	CREATED = 0x0004,
	DELETED = 0x0008,
	MODIFIED = 0x0010,
	MOVED = 0x0020,
	COPIED = 0x0040,
	SEARCH_COMPLETED = 0x0080,
	TABLE = 0x0100,
};

enum table_event {
	ROW_ADDED = 3,
	ROW_DELETED = 4,
	ROW_MODIFIED = 5,
};

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
	case ROW_DELETED:
		return at + (message ? 20 : 8);
	case ROW_ADDED:
	case ROW_MODIFIED:
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
	message = (flags & MESSAGE) != 0;
	parent = message == ((flags & SEARCH) != 0);
	if (message)
		at += 8;

	switch (flags & TYPE_MASK) {
	case NEWMAIL:
		at = class_end(data, len, at);
		break;
	case CREATED:
		at = tags_end(data, len, at + (parent ? 8 : 0));
		break;
	case DELETED:
		at += parent ? 8 : 0;
		break;
	case MODIFIED:
		at = tags_end(data, len, at);
		at += ((flags & TOTAL) != 0 ? 4 : 0) + ((flags & UNREAD) != 0 ? 4 : 0);
		break;
	case MOVED:
	case COPIED:
		at += (parent ? 8 : 0) + 16;
		break;
	case SEARCH_COMPLETED:
		break;
	case TABLE:
		at = table_end(data, len, message);
		break;
	default:
		return 0;
	}
	return at > len ? 0 : at;
}

void ocs_notify_clear_message_flags(uint8_t *data)
{
	if ((ocs_get16(data + FLAGS_AT) & (TYPE_MASK | MESSAGE)) == (NEWMAIL | MESSAGE))
		ocs_put32(data + MESSAGE_FLAGS, 0);
}
