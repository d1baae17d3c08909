/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The properties of messages: what is read of them, and what a dead letter tells. */
#include "cluster/inbox_internal.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#define MAX_ENTRIES 16
#define LIMIT       100000

static amqp_table_entry_t entries[MAX_ENTRIES];
static amqp_basic_properties_t properties, dead;
static struct ocs_inbox_envelope envelope;
static amqp_pool_t pool;

static const struct ocs_inbox_death death = {
        .reason = "422 UNKNOWN_BACKEND no",
        .queue = "ocsmanager.ingest",
        .node = "n1",
        .account = "mailhost",
        .key = "the.key",
        .at = 1700000000,
};

static void setup(void)
{
	memset(&properties, 0, sizeof(properties));
	properties.headers.entries = entries;
	init_amqp_pool(&pool, 1024);
}

static void teardown(void)
{
	empty_amqp_pool(&pool);
}

static amqp_field_value_t *add(const char *key, uint8_t kind)
{
	amqp_table_entry_t *entry = &entries[properties.headers.num_entries++];

	ck_assert_int_le(properties.headers.num_entries, MAX_ENTRIES);
	properties._flags |= AMQP_BASIC_HEADERS_FLAG;
	memset(entry, 0, sizeof(*entry));
	entry->key = amqp_cstring_bytes(key);
	entry->value.kind = kind;
	return &entry->value;
}

static void add_text(const char *key, const char *text)
{
	add(key, AMQP_FIELD_KIND_UTF8)->value.bytes = amqp_cstring_bytes(text);
}

static const amqp_field_value_t *find(const char *key)
{
	for (int i = 0; i < dead.headers.num_entries; i++)
		if (dead.headers.entries[i].key.len == strlen(key) &&
		    memcmp(dead.headers.entries[i].key.bytes, key, strlen(key)) == 0)
			return &dead.headers.entries[i].value;
	return NULL;
}

static void assert_text(const char *key, const char *text)
{
	const amqp_field_value_t *value = find(key);

	ck_assert_msg(value != NULL, "no %s", key);
	ck_assert_uint_eq(value->value.bytes.len, strlen(text));
	ck_assert_mem_eq(value->value.bytes.bytes, text, strlen(text));
}

TESTS_HAVE(.setup = setup, .teardown = teardown);

TEST(a_message_without_properties_says_nothing)
{
	ocs_inbox_read_properties(&properties, &envelope);
	ck_assert_uint_eq(envelope.content_type.len, 0);
	ck_assert_uint_eq(envelope.message_id.len, 0);
	ck_assert_str_eq(envelope.user, "");
	ck_assert(!envelope.bad_user && !envelope.has_cc);
	ck_assert_uint_eq(envelope.deliveries, 0);
}

TEST(what_another_node_says_is_read)
{
	amqp_field_value_t key = {.kind = AMQP_FIELD_KIND_UTF8};
	amqp_field_value_t *cc;

	properties._flags = AMQP_BASIC_CONTENT_TYPE_FLAG | AMQP_BASIC_MESSAGE_ID_FLAG;
	properties.content_type = amqp_cstring_bytes("text/xml");
	properties.message_id = amqp_cstring_bytes("n2-1");
	add_text("ocs-origin", "n2");
	add_text("ocs-account", "mailhost");
	add("ocs-accepted", AMQP_FIELD_KIND_U64)->value.u64 = 1700000000000000;
	add("x-delivery-count", AMQP_FIELD_KIND_I64)->value.i64 = 7;
	cc = add("CC", AMQP_FIELD_KIND_ARRAY);
	cc->value.array.num_entries = 1;
	cc->value.array.entries = &key;
	ocs_inbox_read_properties(&properties, &envelope);
	ck_assert_str_eq(envelope.origin, "n2");
	ck_assert_str_eq(envelope.account, "mailhost");
	ck_assert_uint_eq(envelope.accepted_at, 1700000000000000);
	ck_assert_uint_eq(envelope.deliveries, 7);
	ck_assert(envelope.has_cc);
	ck_assert_uint_eq(envelope.message_id.len, 4);
}

TEST(a_key_of_a_mail_store_is_no_further_user)
{
	amqp_field_value_t key = {.kind = AMQP_FIELD_KIND_UTF8,
	                          .value.bytes = amqp_cstring_bytes("\002sogo\002jdoe")};
	amqp_field_value_t *cc = add("CC", AMQP_FIELD_KIND_ARRAY);

	cc->value.array.num_entries = 1;
	cc->value.array.entries = &key;
	ocs_inbox_read_properties(&properties, &envelope);
	ck_assert(!envelope.has_cc);
	ck_assert_str_eq(envelope.store, "\002sogo\002jdoe");
}

TEST(identifiers_of_another_node_are_taken_as_bytes_and_an_answer_is_told_by_its_type)
{
	add("ocs-ids", AMQP_FIELD_KIND_BYTES)->value.bytes = amqp_cstring_bytes("ids");
	properties._flags |= AMQP_BASIC_CONTENT_TYPE_FLAG;
	properties.content_type = amqp_cstring_bytes("text/xml");
	ocs_inbox_read_properties(&properties, &envelope);
	ck_assert_uint_eq(envelope.ids.len, 3);
	ck_assert(!envelope.ids_only);
	properties.content_type = amqp_cstring_bytes("application/vnd.ocsmanager.ids+xml");
	ocs_inbox_read_properties(&properties, &envelope);
	ck_assert(envelope.ids_only);
}

TEST(numbers_come_in_every_width)
{
	static const uint8_t kinds[] = {
	        AMQP_FIELD_KIND_I8,  AMQP_FIELD_KIND_U8,  AMQP_FIELD_KIND_I16, AMQP_FIELD_KIND_U16,
	        AMQP_FIELD_KIND_I32, AMQP_FIELD_KIND_U32, AMQP_FIELD_KIND_I64, AMQP_FIELD_KIND_U64};

	for (size_t i = 0; i < sizeof(kinds); i++) {
		properties.headers.num_entries = 0;
		add("x-delivery-count", kinds[i])->value.u64 = 20; /* little-endian machines */
		ocs_inbox_read_properties(&properties, &envelope);
		ck_assert_uint_eq(envelope.deliveries, 20);
	}
	properties.headers.num_entries = 0;
	add("x-delivery-count", AMQP_FIELD_KIND_I32)->value.i32 = -1;
	ocs_inbox_read_properties(&properties, &envelope);
	ck_assert_uint_eq(envelope.deliveries, 0);
	properties.headers.num_entries = 0;
	add_text("x-delivery-count", "20");
	ocs_inbox_read_properties(&properties, &envelope);
	ck_assert_uint_eq(envelope.deliveries, 0);
}

TEST(a_user_id_that_cannot_be_an_account_is_told_from_none)
{
	properties._flags = AMQP_BASIC_USER_ID_FLAG;
	properties.user_id = amqp_cstring_bytes("mail host");
	ocs_inbox_read_properties(&properties, &envelope);
	ck_assert_str_eq(envelope.user, "mail host");
	ck_assert(!envelope.bad_user);
	properties.user_id = (amqp_bytes_t){3, "a\0b"};
	ocs_inbox_read_properties(&properties, &envelope);
	ck_assert_str_eq(envelope.user, "");
	ck_assert(envelope.bad_user);
	properties.user_id = amqp_cstring_bytes("a\nb");
	ocs_inbox_read_properties(&properties, &envelope);
	ck_assert(envelope.bad_user);
}

TEST(what_is_not_printable_becomes_a_question_mark)
{
	char out[8];

	ocs_inbox_printable("a\n\x7f", 3, out, sizeof(out));
	ck_assert_str_eq(out, "a??");
	ocs_inbox_printable("\xc3\xa4", 2, out, sizeof(out));
	ck_assert_str_eq(out, "\xc3\xa4");
	ocs_inbox_printable("\xc3\xa4", 1, out, sizeof(out));
	ck_assert_str_eq(out, "?");
	ocs_inbox_printable("123456789", 9, out, sizeof(out));
	ck_assert_str_eq(out, "1234567");
	ocs_inbox_printable(NULL, 0, out, sizeof(out));
	ck_assert_str_eq(out, "");
}

TEST(a_dead_letter_tells_of_its_death)
{
	properties._flags |= AMQP_BASIC_CONTENT_TYPE_FLAG;
	properties.content_type = amqp_cstring_bytes("text/plain");
	add_text("mine", "stays");
	ck_assert_int_eq(ocs_inbox_dead_properties(&pool, &properties, &death, LIMIT, &dead), 0);
	assert_text("ocs-reason", death.reason);
	assert_text("ocs-from", death.queue);
	assert_text("ocs-node", death.node);
	assert_text("ocs-account", death.account);
	assert_text("ocs-key", death.key);
	assert_text("mine", "stays");
	ck_assert_int_eq(find("ocs-at")->kind, AMQP_FIELD_KIND_TIMESTAMP);
	ck_assert_uint_eq(find("ocs-at")->value.u64, death.at);
	ck_assert_uint_eq(dead.content_type.len, 10);
	ck_assert(dead._flags & AMQP_BASIC_DELIVERY_MODE_FLAG);
	ck_assert_uint_eq(dead.delivery_mode, 2);
}

TEST(a_dead_letter_holds_nothing_that_the_broker_would_act_on)
{
	properties._flags |= AMQP_BASIC_USER_ID_FLAG | AMQP_BASIC_EXPIRATION_FLAG;
	properties.user_id = amqp_cstring_bytes("mailhost");
	properties.expiration = amqp_cstring_bytes("1000");
	add("CC", AMQP_FIELD_KIND_ARRAY);
	add("BCC", AMQP_FIELD_KIND_ARRAY);
	add("x-delivery-count", AMQP_FIELD_KIND_I64)->value.i64 = 20;
	add_text("ocs-reason", "forged");
	ck_assert_int_eq(ocs_inbox_dead_properties(&pool, &properties, &death, LIMIT, &dead), 0);
	ck_assert(!(dead._flags & AMQP_BASIC_USER_ID_FLAG));
	ck_assert(!(dead._flags & AMQP_BASIC_EXPIRATION_FLAG));
	ck_assert_ptr_null(find("CC"));
	ck_assert_ptr_null(find("BCC"));
	ck_assert_ptr_null(find("x-delivery-count"));
	ck_assert_ptr_nonnull(find("ocs-cc"));
	assert_text("ocs-reason", death.reason);
	ck_assert_int_eq(dead.headers.num_entries, 7);
}

TEST(headers_that_do_not_fit_into_a_frame_are_left_out)
{
	char large[2000];

	memset(large, 'x', sizeof(large) - 1);
	large[sizeof(large) - 1] = '\0';
	add_text("large", large);
	ck_assert_int_eq(ocs_inbox_dead_properties(&pool, &properties, &death, 1000, &dead), 0);
	ck_assert_ptr_null(find("large"));
	assert_text("ocs-reason", death.reason);
	ck_assert_int_eq(ocs_inbox_dead_properties(&pool, &properties, &death, LIMIT, &dead), 0);
	ck_assert_ptr_nonnull(find("large"));
	ck_assert_int_eq(ocs_inbox_dead_properties(&pool, &properties, &death, 20, &dead), -1);
}
