/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The entry codec: one fixed layout, every field both ways, and nothing inexact accepted. */
#include <stdlib.h>
#include <string.h>

#include "mqueue/entry.h"
#include "ocsnotify.h"
#include "tests/unit/unit.h"

static struct ocs_entry sample(void)
{
	struct ocs_entry entry = {
	        .category = OCS_MOVED,
	        .flags = OCSNOTIFY_OBJECT_MOVED | OCSNOTIFY_FLAG_MESSAGE,
	        .fid = 0x0102030405060708,
	        .mid = 0x1112131415161718,
	        .old_fid = 0x2122232425262728,
	        .old_mid = 0x3132333435363738,
	        .parent_fid = 0x4142434445464748,
	        .total = 0x51525354,
	        .unread = 0x61626364,
	        .message_flags = 0x71727374,
	        .accepted_at = 0x8182838485868788,
	        .sequence = 0x9192939495969798,
	        .id_hash = {0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xab,
	                    0xac, 0xad, 0xae, 0xaf},
	        .message_class = "IPM.Note",
	};

	return entry;
}

TEST(layout_is_the_documented_one)
{
	static const uint8_t expected[] = {
	        'O',  'C',  'S',  'E',  1,    OCS_MOVED, 0x20, 0x80, 0,    0,    0,    0,
	        0x08, 0x07, 0x06, 0x05, 0x04, 0x03,      0x02, 0x01, 0x18, 0x17, 0x16, 0x15,
	        0x14, 0x13, 0x12, 0x11, 0x28, 0x27,      0x26, 0x25, 0x24, 0x23, 0x22, 0x21,
	        0x38, 0x37, 0x36, 0x35, 0x34, 0x33,      0x32, 0x31, 0x48, 0x47, 0x46, 0x45,
	        0x44, 0x43, 0x42, 0x41, 0x54, 0x53,      0x52, 0x51, 0x64, 0x63, 0x62, 0x61,
	        0x74, 0x73, 0x72, 0x71, 0x88, 0x87,      0x86, 0x85, 0x84, 0x83, 0x82, 0x81,
	        0x98, 0x97, 0x96, 0x95, 0x94, 0x93,      0x92, 0x91, 0xa0, 0xa1, 0xa2, 0xa3,
	        0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9,      0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf,
	        8,    'I',  'P',  'M',  '.',  'N',       'o',  't',  'e',
	};
	struct ocs_entry entry = sample();
	uint8_t bytes[OCS_ENTRY_SIZE_MAX];

	ck_assert_uint_eq(ocs_entry_encode(&entry, bytes), sizeof(expected));
	ck_assert_mem_eq(bytes, expected, sizeof(expected));
}

TEST(every_field_round_trips)
{
	struct ocs_entry entry = sample(), decoded;
	uint8_t bytes[OCS_ENTRY_SIZE_MAX];
	size_t len = ocs_entry_encode(&entry, bytes);

	memset(&decoded, 0xee, sizeof(decoded));
	ck_assert_int_eq(ocs_entry_decode(bytes, len, &decoded), 0);
	ck_assert_uint_eq(decoded.category, entry.category);
	ck_assert_uint_eq(decoded.flags, entry.flags);
	ck_assert_uint_eq(decoded.table_event, entry.table_event);
	ck_assert_uint_eq(decoded.fid, entry.fid);
	ck_assert_uint_eq(decoded.mid, entry.mid);
	ck_assert_uint_eq(decoded.old_fid, entry.old_fid);
	ck_assert_uint_eq(decoded.old_mid, entry.old_mid);
	ck_assert_uint_eq(decoded.parent_fid, entry.parent_fid);
	ck_assert_uint_eq(decoded.total, entry.total);
	ck_assert_uint_eq(decoded.unread, entry.unread);
	ck_assert_uint_eq(decoded.message_flags, entry.message_flags);
	ck_assert_uint_eq(decoded.accepted_at, entry.accepted_at);
	ck_assert_uint_eq(decoded.sequence, entry.sequence);
	ck_assert_mem_eq(decoded.id_hash, entry.id_hash, 16);
	ck_assert_str_eq(decoded.message_class, "IPM.Note");
}

TEST(longest_class_makes_the_largest_entry_which_a_queue_takes)
{
	struct ocs_entry entry = sample(), decoded;
	uint8_t bytes[OCS_ENTRY_SIZE_MAX];

	memset(entry.message_class, 'x', OCS_CLASS_MAX);
	entry.message_class[OCS_CLASS_MAX] = '\0';
	ck_assert_uint_eq(ocs_entry_encode(&entry, bytes), OCS_ENTRY_SIZE_MAX);
	ck_assert_uint_le(OCS_ENTRY_SIZE_MAX, 256);
	ck_assert_int_eq(ocs_entry_decode(bytes, OCS_ENTRY_SIZE_MAX, &decoded), 0);
	ck_assert_str_eq(decoded.message_class, entry.message_class);

	entry.message_class[OCS_CLASS_MAX] = 'x'; /* not terminated */
	ck_assert_uint_eq(ocs_entry_encode(&entry, bytes), 0);
}

TEST(empty_class_is_allowed)
{
	struct ocs_entry entry = sample(), decoded;
	uint8_t bytes[OCS_ENTRY_SIZE_MAX];

	entry.message_class[0] = '\0';
	ck_assert_uint_eq(ocs_entry_encode(&entry, bytes), OCS_ENTRY_HEADER_SIZE + 1);
	ck_assert_int_eq(ocs_entry_decode(bytes, OCS_ENTRY_HEADER_SIZE + 1, &decoded), 0);
	ck_assert_str_eq(decoded.message_class, "");
}

TEST(every_kind_of_event_round_trips)
{
	static const uint16_t kinds[] = {0x8002, 0x0004, 0x8004, 0x0008, 0x8008, 0x0010, 0x3010,
	                                 0x8010, 0x0020, 0x8020, 0x0040, 0x8040, 0x0080};
	static const uint16_t events[] = {1, 3, 4, 5, 7};
	struct ocs_entry entry = sample(), decoded;
	uint8_t bytes[OCS_ENTRY_SIZE_MAX];

	for (unsigned i = 0; i < 13; i++) {
		entry.flags = kinds[i];
		ck_assert_uint_ne(ocs_entry_encode(&entry, bytes), 0);
		ck_assert_int_eq(ocs_entry_decode(bytes, 105, &decoded), 0);
		ck_assert_uint_eq(decoded.flags, kinds[i]);
	}
	for (unsigned i = 0; i < 5; i++) {
		entry.flags = OCSNOTIFY_TABLE_MODIFIED | OCSNOTIFY_FLAG_MESSAGE;
		entry.table_event = events[i];
		ck_assert_uint_ne(ocs_entry_encode(&entry, bytes), 0);
		ck_assert_int_eq(ocs_entry_decode(bytes, 105, &decoded), 0);
		ck_assert_uint_eq(decoded.table_event, events[i]);
	}
}

TEST(any_other_length_is_rejected)
{
	struct ocs_entry entry = sample(), decoded;
	uint8_t bytes[OCS_ENTRY_SIZE_MAX + 1] = {0};
	size_t len = ocs_entry_encode(&entry, bytes);

	for (size_t cut = 0; cut < sizeof(bytes); cut++)
		ck_assert_int_eq(ocs_entry_decode(bytes, cut, &decoded), cut == len ? 0 : -1);
}

/* Changes one byte of a good entry and expects the decoder to notice. */
static void reject_byte(size_t at, uint8_t value)
{
	struct ocs_entry entry = sample(), decoded;
	uint8_t bytes[OCS_ENTRY_SIZE_MAX];
	size_t len = ocs_entry_encode(&entry, bytes);

	bytes[at] = value;
	ck_assert_msg(ocs_entry_decode(bytes, len, &decoded) == -1, "accepted %u at %zu", value,
	              at);
}

TEST(wrong_header_is_rejected)
{
	for (unsigned i = 0; i < 4; i++)
		reject_byte(i, 'x');
	reject_byte(4, 0);
	reject_byte(4, 2);
	reject_byte(5, 0);
	reject_byte(5, OCS_SEARCH_COMPLETED + 1);
	reject_byte(5, 255);
	reject_byte(6, 0x00); /* no type */
	reject_byte(6, 0x30); /* two types */
	reject_byte(7, 0x84); /* Extended besides */
	reject_byte(8, 1);    /* table event of an entry that is none */
	reject_byte(10, 1);
	reject_byte(11, 1);
}

TEST(table_event_must_be_a_known_one)
{
	struct ocs_entry entry = sample(), decoded;
	uint8_t bytes[OCS_ENTRY_SIZE_MAX];

	entry.flags = OCSNOTIFY_TABLE_MODIFIED;
	entry.table_event = OCSNOTIFY_TABLE_CHANGED;
	for (unsigned event = 0; event < 10; event++) {
		size_t len = ocs_entry_encode(&entry, bytes);
		int known = event == 1 || event == 3 || event == 4 || event == 5 || event == 7;

		bytes[8] = (uint8_t)event;
		ck_assert_int_eq(ocs_entry_decode(bytes, len, &decoded), known ? 0 : -1);
	}
}

TEST(class_that_is_not_ascii_is_rejected)
{
	for (unsigned c = 0; c < 256; c++)
		if (c < 0x20 || c > 0x7e)
			reject_byte(OCS_ENTRY_HEADER_SIZE + 3, (uint8_t)c);
}

TEST(what_could_not_be_decoded_is_not_encoded)
{
	uint8_t bytes[OCS_ENTRY_SIZE_MAX];
	struct ocs_entry entry;

	entry = sample();
	entry.category = 0;
	ck_assert_uint_eq(ocs_entry_encode(&entry, bytes), 0);
	entry = sample();
	entry.category = OCS_SEARCH_COMPLETED + 1;
	ck_assert_uint_eq(ocs_entry_encode(&entry, bytes), 0);
	entry = sample();
	entry.flags = OCSNOTIFY_FLAG_MESSAGE;
	ck_assert_uint_eq(ocs_entry_encode(&entry, bytes), 0);
	entry = sample();
	entry.flags = OCSNOTIFY_TABLE_MODIFIED;
	ck_assert_uint_eq(ocs_entry_encode(&entry, bytes), 0);
	entry = sample();
	entry.table_event = OCSNOTIFY_TABLE_CHANGED;
	ck_assert_uint_eq(ocs_entry_encode(&entry, bytes), 0);
	entry = sample();
	entry.message_class[0] = '\x80';
	ck_assert_uint_eq(ocs_entry_encode(&entry, bytes), 0);
}

TEST(category_words_are_those_of_the_protocol)
{
	static const char *const words[] = {"newmail", "created", "deleted",         "modified",
	                                    "moved",   "copied",  "search-completed"};
	enum ocs_category category;

	for (unsigned i = 0; i < 7; i++) {
		ck_assert_int_eq(ocs_category_from_word(words[i], &category), 0);
		ck_assert_uint_eq(category, i + 1);
		ck_assert_str_eq(ocs_category_word(category), words[i]);
	}
	ck_assert_int_eq(ocs_category_from_word("", &category), -1);
	ck_assert_int_eq(ocs_category_from_word("Newmail", &category), -1);
	ck_assert_int_eq(ocs_category_from_word("newmails", &category), -1);
	ck_assert_str_eq(ocs_category_word((enum ocs_category)0), "?");
	ck_assert_str_eq(ocs_category_word((enum ocs_category)8), "?");
}
