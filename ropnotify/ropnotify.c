/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * RopNotify and RopPending bytes. Pure functions over the caller's memory.
 *
 * fields_of() says which fields a kind of notification has; `fields` says in which order and width
 * they travel. Size, encode and decode all walk that one table, so they cannot disagree.
 */
#include "ropnotify/ropnotify.h"

#include <string.h>

#include "ocsnotify.h"
#include "base/bytes.h"

#define ROP_NOTIFY  0x2a
#define ROP_PENDING 0x6e
#define HEAD_SIZE   8 /* RopId, NotificationHandle, LogonId, NotificationFlags */

#define TAGS_NONE 0x0000
#define TAGS_ANY  0xffff /* no list follows either */

enum field {
	TABLE_EVENT = 1 << 0,
	ROW_FID = 1 << 1,
	ROW_MID = 1 << 2,
	ROW_INSTANCE = 1 << 3,
	AFTER_FID = 1 << 4,
	AFTER_MID = 1 << 5,
	AFTER_INSTANCE = 1 << 6,
	ROW_DATA = 1 << 7,
	FID = 1 << 8,
	MID = 1 << 9,
	PARENT_FID = 1 << 10,
	OLD_FID = 1 << 11,
	OLD_MID = 1 << 12,
	OLD_PARENT_FID = 1 << 13,
	TAGS = 1 << 14,
	TOTAL = 1 << 15,
	UNREAD = 1 << 16,
	MESSAGE_FLAGS = 1 << 17,
	MESSAGE_CLASS = 1 << 18,
};

/* In wire order, MS-OXCNOTIF 2.2.1.4.1.2. width 0: one of the three of variable length. */
static const struct {
	enum field field;
	uint8_t width;
	size_t offset;
} fields[] = {
        {TABLE_EVENT, 2, offsetof(struct ocs_ropnotify, table_event)},
        {ROW_FID, 8, offsetof(struct ocs_ropnotify, row_fid)},
        {ROW_MID, 8, offsetof(struct ocs_ropnotify, row_mid)},
        {ROW_INSTANCE, 4, offsetof(struct ocs_ropnotify, row_instance)},
        {AFTER_FID, 8, offsetof(struct ocs_ropnotify, after_fid)},
        {AFTER_MID, 8, offsetof(struct ocs_ropnotify, after_mid)},
        {AFTER_INSTANCE, 4, offsetof(struct ocs_ropnotify, after_instance)},
        {ROW_DATA, 0, 0},
        {FID, 8, offsetof(struct ocs_ropnotify, fid)},
        {MID, 8, offsetof(struct ocs_ropnotify, mid)},
        {PARENT_FID, 8, offsetof(struct ocs_ropnotify, parent_fid)},
        {OLD_FID, 8, offsetof(struct ocs_ropnotify, old_fid)},
        {OLD_MID, 8, offsetof(struct ocs_ropnotify, old_mid)},
        {OLD_PARENT_FID, 8, offsetof(struct ocs_ropnotify, old_parent_fid)},
        {TAGS, 0, 0},
        {TOTAL, 4, offsetof(struct ocs_ropnotify, total)},
        {UNREAD, 4, offsetof(struct ocs_ropnotify, unread)},
        {MESSAGE_FLAGS, 4, offsetof(struct ocs_ropnotify, message_flags)},
        {MESSAGE_CLASS, 0, 0},
};
#define FIELD_COUNT (sizeof(fields) / sizeof(fields[0]))

static unsigned table_fields(uint16_t event, bool message)
{
	switch (event) {
	case OCSNOTIFY_TABLE_CHANGED:
	case OCSNOTIFY_TABLE_RESTRICTION_CHANGED:
		return TABLE_EVENT;
	case OCSNOTIFY_TABLE_ROW_DELETED:
		return TABLE_EVENT | ROW_FID | (message ? ROW_MID | ROW_INSTANCE : 0);
	case OCSNOTIFY_TABLE_ROW_ADDED:
	case OCSNOTIFY_TABLE_ROW_MODIFIED:
		return TABLE_EVENT | ROW_FID | AFTER_FID | ROW_DATA |
		       (message ? ROW_MID | ROW_INSTANCE | AFTER_MID | AFTER_INSTANCE : 0);
	default:
		return 0;
	}
}

/* The fields of a kind, 0 for a combination the standard does not know. */
static unsigned fields_of(uint16_t flags, uint16_t table_event)
{
	bool message = (flags & OCSNOTIFY_FLAG_MESSAGE) != 0,
	     search = (flags & OCSNOTIFY_FLAG_SEARCH_FOLDER) != 0;
	unsigned type = flags & OCSNOTIFY_FLAG_TYPE, found = FID;

	if (search && !message)
		return 0;
	/* The counts are those of a folder that was modified, of nothing else. */
	if ((flags & (OCSNOTIFY_FLAG_TOTAL | OCSNOTIFY_FLAG_UNREAD)) != 0 &&
	    (type != OCSNOTIFY_OBJECT_MODIFIED || message))
		return 0;
	if (message)
		found |= MID;

	switch (type) {
	case OCSNOTIFY_NEWMAIL:
		return message && !search ? found | MESSAGE_FLAGS | MESSAGE_CLASS : 0;
	case OCSNOTIFY_OBJECT_CREATED:
		found |= TAGS;
		break;
	case OCSNOTIFY_OBJECT_DELETED:
		break;
	case OCSNOTIFY_OBJECT_MODIFIED:
		return found | TAGS | ((flags & OCSNOTIFY_FLAG_TOTAL) != 0 ? TOTAL : 0) |
		       ((flags & OCSNOTIFY_FLAG_UNREAD) != 0 ? UNREAD : 0);
	case OCSNOTIFY_OBJECT_MOVED:
	case OCSNOTIFY_OBJECT_COPIED:
		found |= OLD_FID | (message ? OLD_MID : OLD_PARENT_FID);
		break;
	case OCSNOTIFY_SEARCH_COMPLETED:
		return message ? 0 : found;
	case OCSNOTIFY_TABLE_MODIFIED:
		return table_fields(table_event, message);
	default:
		return 0;
	}
	/* A folder has its parent, a message in a search folder the search folder. */
	return search == message ? found | PARENT_FID : found;
}

static bool has_tag_list(uint16_t tag_count)
{
	return tag_count != TAGS_NONE && tag_count != TAGS_ANY;
}

static bool is_ascii(const uint8_t *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (text[i] == 0 || text[i] > 0x7f)
			return false;
	return true;
}

/* Bytes of a field of variable length; false if the caller's data for it are missing. */
static bool variable_size(const struct ocs_ropnotify *notify, enum field field, size_t *size_r)
{
	size_t len;

	switch (field) {
	case ROW_DATA:
		*size_r = 2 + (size_t)notify->row_data_len;
		return notify->row_data != NULL || notify->row_data_len == 0;
	case TAGS:
		*size_r = 2 + (has_tag_list(notify->tag_count) ? 4 * (size_t)notify->tag_count : 0);
		return notify->tags != NULL || !has_tag_list(notify->tag_count);
	case MESSAGE_CLASS:
		if (notify->message_class == NULL)
			return false;
		len = strlen(notify->message_class);
		*size_r = 1 + (len + 1) * (notify->unicode ? 2 : 1);
		return is_ascii((const uint8_t *)notify->message_class, len);
	default:
		return false;
	}
}

size_t ocs_ropnotify_size(const struct ocs_ropnotify *notify)
{
	unsigned present = fields_of(notify->flags, notify->table_event);
	size_t total = HEAD_SIZE, size;

	if (present == 0)
		return 0;
	for (size_t i = 0; i < FIELD_COUNT; i++) {
		if ((present & fields[i].field) == 0)
			continue;
		size = fields[i].width;
		if (size == 0 && !variable_size(notify, fields[i].field, &size))
			return 0;
		total += size;
	}
	return total;
}

static uint8_t *put_variable(const struct ocs_ropnotify *notify, enum field field, uint8_t *out)
{
	if (field == ROW_DATA) {
		ocs_put16(out, notify->row_data_len);
		out += 2;
		if (notify->row_data_len > 0)
			memcpy(out, notify->row_data, notify->row_data_len);
		return out + notify->row_data_len;
	}
	if (field == TAGS) {
		ocs_put16(out, notify->tag_count);
		out += 2;
		for (unsigned i = 0; has_tag_list(notify->tag_count) && i < notify->tag_count;
		     i++) {
			uint32_t tag;

			/* The list may be one that decode found at an odd address. */
			memcpy(&tag, (const uint8_t *)notify->tags + 4 * (size_t)i, 4);
			ocs_put32(out, tag);
			out += 4;
		}
		return out;
	}
	*out++ = notify->unicode;
	for (const char *c = notify->message_class;; c++) {
		*out++ = (uint8_t)*c;
		if (notify->unicode)
			*out++ = 0;
		if (*c == '\0')
			return out;
	}
}

size_t ocs_ropnotify_encode(const struct ocs_ropnotify *notify, uint8_t *out, size_t size)
{
	size_t needed = ocs_ropnotify_size(notify);
	unsigned present = fields_of(notify->flags, notify->table_event);

	if (needed == 0 || needed > size)
		return 0;
	out[0] = ROP_NOTIFY;
	ocs_put32(out + 1, notify->handle);
	out[5] = notify->logon_id;
	ocs_put16(out + 6, notify->flags);
	out += HEAD_SIZE;
	for (size_t i = 0; i < FIELD_COUNT; i++) {
		const void *value = (const uint8_t *)notify + fields[i].offset;

		if ((present & fields[i].field) == 0)
			continue;
		if (fields[i].width == 2)
			ocs_put16(out, *(const uint16_t *)value);
		else if (fields[i].width == 4)
			ocs_put32(out, *(const uint32_t *)value);
		else if (fields[i].width == 8)
			ocs_put64(out, *(const uint64_t *)value);
		else
			out = put_variable(notify, fields[i].field, out);
		out += fields[i].width;
	}
	return needed;
}

/* The length of a class and its terminator, 0 if the data end before it. */
static size_t class_size(const uint8_t *data, size_t len, size_t step)
{
	for (size_t at = 0; len - at >= step; at += step)
		if (data[at] == 0 && data[at + step - 1] == 0)
			return at + step;
	return 0;
}

/* Bytes used of data, 0 if it is cut or malformed. */
static size_t get_variable(struct ocs_ropnotify *out, enum field field, const uint8_t *data,
                           size_t len)
{
	size_t size, step;

	if (field == MESSAGE_CLASS) {
		if (len < 1 || data[0] > 1)
			return 0;
		out->unicode = data[0] == 1;
		step = out->unicode ? 2 : 1;
		size = class_size(data + 1, len - 1, step);
		if (size == 0 || (!out->unicode && !is_ascii(data + 1, size - 1)))
			return 0;
		out->class_bytes = data + 1;
		out->class_len = size - step;
		if (!out->unicode)
			out->message_class = (const char *)data + 1;
		return 1 + size;
	}

	if (len < 2)
		return 0;
	if (field == ROW_DATA) {
		out->row_data_len = ocs_get16(data);
		out->row_data = data + 2;
		size = out->row_data_len;
	} else {
		out->tag_count = ocs_get16(data);
		size = 0;
		if (has_tag_list(out->tag_count)) {
			out->tags = (const void *)(data + 2);
			size = 4 * (size_t)out->tag_count;
		}
	}
	return len - 2 < size ? 0 : 2 + size;
}

size_t ocs_ropnotify_decode(const uint8_t *data, size_t len, struct ocs_ropnotify *out)
{
	struct ocs_ropnotify notify = {0};
	size_t at = HEAD_SIZE, used;
	unsigned present;

	if (len < HEAD_SIZE || data[0] != ROP_NOTIFY)
		return 0;
	notify.handle = ocs_get32(data + 1);
	notify.logon_id = data[5];
	notify.flags = ocs_get16(data + 6);
	/* Of a table event the fields depend on a field that is not in the head. */
	if ((notify.flags & OCSNOTIFY_FLAG_TYPE) == OCSNOTIFY_TABLE_MODIFIED) {
		if (len < HEAD_SIZE + 2)
			return 0;
		notify.table_event = ocs_get16(data + HEAD_SIZE);
	}
	present = fields_of(notify.flags, notify.table_event);
	if (present == 0)
		return 0;

	for (size_t i = 0; i < FIELD_COUNT; i++) {
		void *value = (uint8_t *)&notify + fields[i].offset;

		if ((present & fields[i].field) == 0)
			continue;
		used = fields[i].width;
		if (used == 0) {
			used = get_variable(&notify, fields[i].field, data + at, len - at);
			if (used == 0)
				return 0;
		} else if (len - at < used) {
			return 0;
		} else if (used == 2) {
			*(uint16_t *)value = ocs_get16(data + at);
		} else if (used == 4) {
			*(uint32_t *)value = ocs_get32(data + at);
		} else {
			*(uint64_t *)value = ocs_get64(data + at);
		}
		at += used;
	}
	*out = notify;
	return at;
}

void ocs_ropnotify_clear_message_flags(uint8_t *data)
{
	uint16_t kind = ocs_get16(data + 6) & (OCSNOTIFY_FLAG_TYPE | OCSNOTIFY_FLAG_MESSAGE);

	if (kind == (OCSNOTIFY_NEWMAIL | OCSNOTIFY_FLAG_MESSAGE))
		ocs_put32(data + HEAD_SIZE + 16, 0); /* behind FolderId and MessageId */
}

size_t ocs_roppending_encode(uint16_t session_index, uint8_t *out, size_t size)
{
	if (size < OCS_ROPPENDING_SIZE)
		return 0;
	out[0] = ROP_PENDING;
	ocs_put16(out + 1, session_index);
	return OCS_ROPPENDING_SIZE;
}
