/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* RopNotify: every vector both ways, every cut refused, every unknown combination refused. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ropnotify/ropnotify.h"
#include "base/bytes.h"
#include "tests/vectors/ropnotify.h"
#include "tests/unit/unit.h"

#define BUFFER 512

static size_t bytes_of(const char *hex, uint8_t *out)
{
	size_t len = strlen(hex) / 2;

	ck_assert_uint_le(len, BUFFER);
	for (size_t i = 0; i < len; i++) {
		unsigned byte;

		ck_assert_int_eq(sscanf(hex + 2 * i, "%2x", &byte), 1);
		out[i] = (uint8_t)byte;
	}
	return len;
}

LOOP_TEST(vector_is_encoded_byte_for_byte, 0, ROPNOTIFY_VECTOR_COUNT)
{
	const struct ocs_ropnotify *fields = &ropnotify_vectors[_i].fields;
	const char *name = ropnotify_vectors[_i].name;
	uint8_t expected[BUFFER], out[BUFFER];
	size_t len = bytes_of(ropnotify_vectors[_i].hex, expected);

	ck_assert_msg(ocs_ropnotify_size(fields) == len, "size of %s", name);
	for (size_t room = 0; room < len; room++)
		ck_assert_msg(ocs_ropnotify_encode(fields, out, room) == 0, "%s in %zu", name,
		              room);
	memset(out, 0xee, sizeof(out));
	ck_assert_msg(ocs_ropnotify_encode(fields, out, len) == len, "%s does not fit", name);
	ck_assert_msg(memcmp(out, expected, len) == 0, "bytes of %s", name);
	ck_assert_uint_eq(out[len], 0xee);
}

LOOP_TEST(vector_is_decoded_field_by_field, 0, ROPNOTIFY_VECTOR_COUNT)
{
	const struct ocs_ropnotify *fields = &ropnotify_vectors[_i].fields;
	uint8_t data[BUFFER];
	size_t len = bytes_of(ropnotify_vectors[_i].hex, data);
	struct ocs_ropnotify out;

	memset(&out, 0xee, sizeof(out));
	ck_assert_uint_eq(ocs_ropnotify_decode(data, len, &out), len);
	ck_assert_uint_eq(out.handle, fields->handle);
	ck_assert_uint_eq(out.logon_id, fields->logon_id);
	ck_assert_uint_eq(out.flags, fields->flags);
	ck_assert_uint_eq(out.table_event, fields->table_event);
	ck_assert_uint_eq(out.row_fid, fields->row_fid);
	ck_assert_uint_eq(out.row_mid, fields->row_mid);
	ck_assert_uint_eq(out.row_instance, fields->row_instance);
	ck_assert_uint_eq(out.after_fid, fields->after_fid);
	ck_assert_uint_eq(out.after_mid, fields->after_mid);
	ck_assert_uint_eq(out.after_instance, fields->after_instance);
	ck_assert_uint_eq(out.row_data_len, fields->row_data_len);
	if (fields->row_data_len > 0)
		ck_assert_mem_eq(out.row_data, fields->row_data, fields->row_data_len);
	ck_assert_uint_eq(out.fid, fields->fid);
	ck_assert_uint_eq(out.mid, fields->mid);
	ck_assert_uint_eq(out.parent_fid, fields->parent_fid);
	ck_assert_uint_eq(out.old_fid, fields->old_fid);
	ck_assert_uint_eq(out.old_mid, fields->old_mid);
	ck_assert_uint_eq(out.old_parent_fid, fields->old_parent_fid);
	ck_assert_uint_eq(out.tag_count, fields->tag_count);
	for (unsigned i = 0; fields->tags != NULL && i < fields->tag_count; i++)
		ck_assert_uint_eq(ocs_get32((const uint8_t *)out.tags + 4 * (size_t)i),
		                  fields->tags[i]);
	ck_assert_uint_eq(out.total, fields->total);
	ck_assert_uint_eq(out.unread, fields->unread);
	ck_assert_uint_eq(out.message_flags, fields->message_flags);
	ck_assert_int_eq(out.unicode, fields->unicode);
	if (fields->message_class == NULL) {
		ck_assert_ptr_null(out.class_bytes);
	} else if (fields->unicode) {
		ck_assert_ptr_null(out.message_class);
		ck_assert_uint_eq(out.class_len, 2 * strlen(fields->message_class));
		ck_assert_mem_eq(out.class_bytes, "I\0P\0M\0", 6);
	} else {
		ck_assert_str_eq(out.message_class, fields->message_class);
		ck_assert_uint_eq(out.class_len, strlen(fields->message_class));
	}
}

LOOP_TEST(decoded_vector_is_encoded_again, 0, ROPNOTIFY_VECTOR_COUNT)
{
	uint8_t data[BUFFER], again[BUFFER];
	size_t len = bytes_of(ropnotify_vectors[_i].hex, data);
	struct ocs_ropnotify out;

	ck_assert_uint_eq(ocs_ropnotify_decode(data, len, &out), len);
	if (out.unicode)
		out.message_class = "IPM.Note";
	ck_assert_uint_eq(ocs_ropnotify_encode(&out, again, sizeof(again)), len);
	ck_assert_mem_eq(again, data, len);
}

LOOP_TEST(every_cut_is_refused_and_what_follows_is_left_alone, 0, ROPNOTIFY_VECTOR_COUNT)
{
	uint8_t data[BUFFER + 1];
	size_t len = bytes_of(ropnotify_vectors[_i].hex, data);
	struct ocs_ropnotify out;

	for (size_t cut = 0; cut < len; cut++) {
		/* An exact copy, so that a read past the cut is seen by the sanitizer. */
		uint8_t *copy = malloc(cut > 0 ? cut : 1);

		ck_assert_ptr_nonnull(copy);
		memcpy(copy, data, cut);
		memset(&out, 0xee, sizeof(out));
		ck_assert_msg(ocs_ropnotify_decode(copy, cut, &out) == 0, "%s cut to %zu",
		              ropnotify_vectors[_i].name, cut);
		ck_assert_uint_eq(out.handle, 0xeeeeeeee);
		free(copy);
	}
	data[len] = 0x2a;
	ck_assert_uint_eq(ocs_ropnotify_decode(data, len + 1, &out), len);
}

/* The combinations of MS-OXCNOTIF 2.2.1.4.1.2; table types besides. */
static int is_known(unsigned flags)
{
	static const uint16_t known[] = {
	        0x8002, 0x0004, 0x8004, 0xc004, 0x0008, 0x8008, 0xc008, 0x0010, 0x1010, 0x2010,
	        0x3010, 0x8010, 0xc010, 0x0020, 0x8020, 0xc020, 0x0040, 0x8040, 0xc040, 0x0080,
	};

	for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (known[i] == flags)
			return 1;
	return 0;
}

TEST(only_known_combinations_of_flags_are_encoded_or_decoded)
{
	for (unsigned flags = 0; flags <= 0xffff; flags++) {
		struct ocs_ropnotify notify = {.flags = (uint16_t)flags, .message_class = "IPM"};
		int table = flags == 0x0100 || flags == 0x8100 || flags == 0xc100;
		uint8_t data[BUFFER] = {0x2a};
		int known = is_known(flags);

		notify.table_event = table ? 1 : 0;
		ck_assert_msg((ocs_ropnotify_size(&notify) != 0) == (known || table),
		              "size of 0x%04x", flags);
		ck_assert((ocs_ropnotify_encode(&notify, data, sizeof(data)) != 0) ==
		          (known || table));
		memset(data + 1, 0, sizeof(data) - 1);
		ocs_put16(data + 6, (uint16_t)flags);
		data[8] = table ? 1 : 0;
		ck_assert_msg((ocs_ropnotify_decode(data, sizeof(data), &notify) != 0) ==
		                      (known || table),
		              "decode of 0x%04x", flags);
	}
}

TEST(only_known_table_events_are_encoded_or_decoded)
{
	for (unsigned event = 0; event <= 0xffff; event++) {
		struct ocs_ropnotify notify = {.flags = 0x8100, .table_event = (uint16_t)event};
		int known = event == 1 || event == 3 || event == 4 || event == 5 || event == 7;
		uint8_t data[BUFFER] = {0x2a, 0, 0, 0, 0, 0, 0x00, 0x81};

		ck_assert((ocs_ropnotify_size(&notify) != 0) == known);
		ocs_put16(data + 8, (uint16_t)event);
		ck_assert((ocs_ropnotify_decode(data, sizeof(data), &notify) != 0) == known);
	}
}

TEST(data_the_caller_did_not_give_are_refused)
{
	struct ocs_ropnotify newmail = {.flags = 0x8002};
	struct ocs_ropnotify tags = {.flags = 0x0010, .tag_count = 1};
	struct ocs_ropnotify row = {.flags = 0x0100, .table_event = 3, .row_data_len = 1};
	uint8_t out[BUFFER];

	ck_assert_uint_eq(ocs_ropnotify_encode(&newmail, out, sizeof(out)), 0);
	newmail.message_class = "IPM.N\xc3\xb6te";
	ck_assert_uint_eq(ocs_ropnotify_encode(&newmail, out, sizeof(out)), 0);
	newmail.message_class = "";
	ck_assert_uint_eq(ocs_ropnotify_encode(&newmail, out, sizeof(out)), 30);
	ck_assert_uint_eq(ocs_ropnotify_encode(&tags, out, sizeof(out)), 0);
	ck_assert_uint_eq(ocs_ropnotify_encode(&row, out, sizeof(out)), 0);
	row.row_data_len = 0;
	ck_assert_uint_eq(ocs_ropnotify_encode(&row, out, sizeof(out)), 28);
}

TEST(largest_row_and_longest_tag_list_are_counted_right)
{
	static uint8_t row_data[UINT16_MAX], out[300000];
	static uint32_t list[0xfffe];
	struct ocs_ropnotify row = {.flags = 0x0100,
	                            .table_event = 5,
	                            .row_data = row_data,
	                            .row_data_len = UINT16_MAX};
	struct ocs_ropnotify tags = {.flags = 0x0010, .tags = list, .tag_count = 0xfffe};
	struct ocs_ropnotify decoded;
	size_t len;

	len = ocs_ropnotify_encode(&row, out, sizeof(out));
	ck_assert_uint_eq(len, 28 + UINT16_MAX);
	ck_assert_uint_eq(ocs_ropnotify_decode(out, len, &decoded), len);
	ck_assert_uint_eq(ocs_ropnotify_decode(out, len - 1, &decoded), 0);
	len = ocs_ropnotify_encode(&tags, out, sizeof(out));
	ck_assert_uint_eq(len, 18 + 4 * 0xfffe);
	ck_assert_uint_eq(ocs_ropnotify_decode(out, len, &decoded), len);
	ck_assert_uint_eq(ocs_ropnotify_decode(out, len - 1, &decoded), 0);
}

TEST(malformed_newmail_is_refused)
{
	uint8_t data[BUFFER];
	size_t len = bytes_of("2a0a00000000028001000003b479ca4701000003b7e65fa70000000000"
	                      "49504d2e4e6f746500",
	                      data);
	struct ocs_ropnotify out;

	ck_assert_uint_eq(ocs_ropnotify_decode(data, len, &out), len);
	data[0] = 0x2b; /* another ROP */
	ck_assert_uint_eq(ocs_ropnotify_decode(data, len, &out), 0);
	data[0] = 0x2a;
	data[28] = 2; /* neither ASCII nor Unicode */
	ck_assert_uint_eq(ocs_ropnotify_decode(data, len, &out), 0);
	data[28] = 1; /* Unicode, but no 00 00 at an even place */
	ck_assert_uint_eq(ocs_ropnotify_decode(data, len, &out), 0);
	data[28] = 0;
	data[30] = 0x80; /* not ASCII */
	ck_assert_uint_eq(ocs_ropnotify_decode(data, len, &out), 0);
}

TEST(roppending_is_three_bytes)
{
	uint8_t expected[BUFFER], out[OCS_ROPPENDING_SIZE];

	for (unsigned i = 0; i < ROPPENDING_VECTOR_COUNT; i++) {
		size_t len = bytes_of(roppending_vectors[i].hex, expected);
		uint16_t session = roppending_vectors[i].session_index;

		ck_assert_uint_eq(len, OCS_ROPPENDING_SIZE);
		ck_assert_uint_eq(ocs_roppending_encode(session, out, sizeof(out)), len);
		ck_assert_mem_eq(out, expected, len);
		ck_assert_uint_eq(ocs_roppending_encode(session, out, sizeof(out) - 1), 0);
	}
}
