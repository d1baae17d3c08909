/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The entry codec: bytes to struct and back, nothing else.
 *
 *   0 magic "OCSE"   4 version   5 category   6 flags   8 table event   10 reserved, zero
 *  12 fid  20 mid  28 old fid  36 old mid  44 parent fid
 *  52 total  56 unread  60 message flags  64 accepted at  72 sequence  80 id hash
 *  96 length of the message class, then the class
 *
 * Encoding and decoding apply the same rules, so what was written can always be read.
 */
#include "mqueue/entry.h"

#include <stdbool.h>
#include <string.h>

#include "base/bytes.h"
#include "ocsnotify.h"

#define VERSION 1

enum offset {
	AT_MAGIC = 0,
	AT_VERSION = 4,
	AT_CATEGORY = 5,
	AT_FLAGS = 6,
	AT_TABLE_EVENT = 8,
	AT_RESERVED = 10,
	AT_FID = 12,
	AT_MID = 20,
	AT_OLD_FID = 28,
	AT_OLD_MID = 36,
	AT_PARENT_FID = 44,
	AT_TOTAL = 52,
	AT_UNREAD = 56,
	AT_MESSAGE_FLAGS = 60,
	AT_ACCEPTED_AT = 64,
	AT_SEQUENCE = 72,
	AT_ID_HASH = 80,
	AT_CLASS_LEN = OCS_ENTRY_HEADER_SIZE,
	AT_CLASS = OCS_ENTRY_HEADER_SIZE + 1,
};

static const uint8_t magic[4] = {'O', 'C', 'S', 'E'};

static const char *const category_words[] = {
        [OCS_NEWMAIL] = "newmail",
        [OCS_CREATED] = "created",
        [OCS_DELETED] = "deleted",
        [OCS_MODIFIED] = "modified",
        [OCS_MOVED] = "moved",
        [OCS_COPIED] = "copied",
        [OCS_SEARCH_COMPLETED] = "search-completed",
};

static bool category_is_known(unsigned category)
{
	return category >= OCS_NEWMAIL && category <= OCS_SEARCH_COMPLETED;
}

const char *ocs_category_word(enum ocs_category category)
{
	return category_is_known(category) ? category_words[category] : "?";
}

int ocs_category_from_word(const char *word, enum ocs_category *category_r)
{
	for (unsigned i = OCS_NEWMAIL; i <= OCS_SEARCH_COMPLETED; i++)
		if (strcmp(word, category_words[i]) == 0) {
			*category_r = (enum ocs_category)i;
			return 0;
		}
	return -1;
}

/* The low 12 bits are an enumeration, and a table event goes with the table type alone. */
static bool flags_are_valid(uint16_t flags, uint16_t table_event)
{
	switch (flags & OCSNOTIFY_FLAG_TYPE) {
	case OCSNOTIFY_NEWMAIL:
	case OCSNOTIFY_OBJECT_CREATED:
	case OCSNOTIFY_OBJECT_DELETED:
	case OCSNOTIFY_OBJECT_MODIFIED:
	case OCSNOTIFY_OBJECT_MOVED:
	case OCSNOTIFY_OBJECT_COPIED:
	case OCSNOTIFY_SEARCH_COMPLETED:
		return table_event == 0;
	case OCSNOTIFY_TABLE_MODIFIED:
		return table_event == OCSNOTIFY_TABLE_CHANGED ||
		       table_event == OCSNOTIFY_TABLE_ROW_ADDED ||
		       table_event == OCSNOTIFY_TABLE_ROW_DELETED ||
		       table_event == OCSNOTIFY_TABLE_ROW_MODIFIED ||
		       table_event == OCSNOTIFY_TABLE_RESTRICTION_CHANGED;
	default:
		return false;
	}
}

static bool class_is_ascii(const uint8_t *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (text[i] < 0x20 || text[i] > 0x7e)
			return false;
	return true;
}

size_t ocs_entry_encode(const struct ocs_entry *entry, uint8_t out[OCS_ENTRY_SIZE_MAX])
{
	size_t class_len = strnlen(entry->message_class, sizeof(entry->message_class));

	if (!category_is_known(entry->category) ||
	    !flags_are_valid(entry->flags, entry->table_event) || class_len > OCS_CLASS_MAX ||
	    !class_is_ascii((const uint8_t *)entry->message_class, class_len))
		return 0;

	memcpy(out + AT_MAGIC, magic, sizeof(magic));
	out[AT_VERSION] = VERSION;
	out[AT_CATEGORY] = entry->category;
	ocs_put16(out + AT_FLAGS, entry->flags);
	ocs_put16(out + AT_TABLE_EVENT, entry->table_event);
	ocs_put16(out + AT_RESERVED, 0);
	ocs_put64(out + AT_FID, entry->fid);
	ocs_put64(out + AT_MID, entry->mid);
	ocs_put64(out + AT_OLD_FID, entry->old_fid);
	ocs_put64(out + AT_OLD_MID, entry->old_mid);
	ocs_put64(out + AT_PARENT_FID, entry->parent_fid);
	ocs_put32(out + AT_TOTAL, entry->total);
	ocs_put32(out + AT_UNREAD, entry->unread);
	ocs_put32(out + AT_MESSAGE_FLAGS, entry->message_flags);
	ocs_put64(out + AT_ACCEPTED_AT, entry->accepted_at);
	ocs_put64(out + AT_SEQUENCE, entry->sequence);
	memcpy(out + AT_ID_HASH, entry->id_hash, sizeof(entry->id_hash));
	out[AT_CLASS_LEN] = (uint8_t)class_len;
	memcpy(out + AT_CLASS, entry->message_class, class_len);
	return AT_CLASS + class_len;
}

int ocs_entry_decode(const uint8_t *data, size_t len, struct ocs_entry *out)
{
	size_t class_len;

	if (len < AT_CLASS || len > OCS_ENTRY_SIZE_MAX)
		return -1;
	class_len = data[AT_CLASS_LEN];
	if (len != AT_CLASS + class_len || memcmp(data + AT_MAGIC, magic, sizeof(magic)) != 0 ||
	    data[AT_VERSION] != VERSION || ocs_get16(data + AT_RESERVED) != 0 ||
	    !category_is_known(data[AT_CATEGORY]) ||
	    !flags_are_valid(ocs_get16(data + AT_FLAGS), ocs_get16(data + AT_TABLE_EVENT)) ||
	    !class_is_ascii(data + AT_CLASS, class_len))
		return -1;

	memset(out, 0, sizeof(*out));
	out->category = data[AT_CATEGORY];
	out->flags = ocs_get16(data + AT_FLAGS);
	out->table_event = ocs_get16(data + AT_TABLE_EVENT);
	out->fid = ocs_get64(data + AT_FID);
	out->mid = ocs_get64(data + AT_MID);
	out->old_fid = ocs_get64(data + AT_OLD_FID);
	out->old_mid = ocs_get64(data + AT_OLD_MID);
	out->parent_fid = ocs_get64(data + AT_PARENT_FID);
	out->total = ocs_get32(data + AT_TOTAL);
	out->unread = ocs_get32(data + AT_UNREAD);
	out->message_flags = ocs_get32(data + AT_MESSAGE_FLAGS);
	out->accepted_at = ocs_get64(data + AT_ACCEPTED_AT);
	out->sequence = ocs_get64(data + AT_SEQUENCE);
	memcpy(out->id_hash, data + AT_ID_HASH, sizeof(out->id_hash));
	memcpy(out->message_class, data + AT_CLASS, class_len);
	return 0;
}
