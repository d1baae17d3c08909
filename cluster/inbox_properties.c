/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The properties of a message, read and written. Pure functions. */
#include "cluster/inbox_internal.h"

#include <string.h>

#include <jansson.h>

#include "registry/bind_request.h"

#define HEADERS_OF_DEATH 6

static bool is_key(amqp_bytes_t key, const char *name)
{
	return key.len == strlen(name) && memcmp(key.bytes, name, key.len) == 0;
}

static bool is_utf8(const char *text, size_t len)
{
	json_t *string = json_stringn(text, len);
	bool valid = string != NULL;

	json_decref(string);
	return valid;
}

void ocs_inbox_printable(const char *text, size_t len, char *out, size_t size)
{
	bool utf8;

	if (len > size - 1)
		len = size - 1;
	utf8 = is_utf8(text, len);
	for (size_t i = 0; i < len; i++) {
		unsigned char byte = (unsigned char)text[i];

		out[i] = byte < 0x20 || byte == 0x7f || (byte > 0x7f && !utf8) ? '?' : text[i];
	}
	out[len] = '\0';
}

static bool copy_name(amqp_bytes_t from, char out[OCS_INBOX_NAME_SIZE])
{
	out[0] = '\0';
	if (from.len >= OCS_INBOX_NAME_SIZE)
		return false;
	ocs_inbox_printable(from.bytes, from.len, out, OCS_INBOX_NAME_SIZE);
	if (from.len > 0 && memcmp(out, from.bytes, from.len) != 0) {
		out[0] = '\0';
		return false;
	}
	return true;
}

static void read_name(const amqp_field_value_t *value, char out[OCS_INBOX_NAME_SIZE])
{
	if (value->kind == AMQP_FIELD_KIND_UTF8 || value->kind == AMQP_FIELD_KIND_BYTES)
		(void)copy_name(value->value.bytes, out);
}

/* Clients and brokers choose the width. Negative: 0. */
static uint64_t read_number(const amqp_field_value_t *value)
{
	int64_t number;

	switch (value->kind) {
	case AMQP_FIELD_KIND_U64:
	case AMQP_FIELD_KIND_TIMESTAMP:
		return value->value.u64;
	case AMQP_FIELD_KIND_I64:
		number = value->value.i64;
		break;
	case AMQP_FIELD_KIND_U32:
		return value->value.u32;
	case AMQP_FIELD_KIND_I32:
		number = value->value.i32;
		break;
	case AMQP_FIELD_KIND_U16:
		return value->value.u16;
	case AMQP_FIELD_KIND_I16:
		number = value->value.i16;
		break;
	case AMQP_FIELD_KIND_U8:
		return value->value.u8;
	case AMQP_FIELD_KIND_I8:
		number = value->value.i8;
		break;
	default:
		return 0;
	}
	return number > 0 ? (uint64_t)number : 0;
}

static void read_keys(const amqp_field_value_t *value, struct ocs_inbox_envelope *out)
{
	const amqp_array_t *keys = &value->value.array;

	for (int i = 0; value->kind == AMQP_FIELD_KIND_ARRAY && i < keys->num_entries; i++) {
		amqp_bytes_t key = keys->entries[i].value.bytes;

		if (keys->entries[i].kind != AMQP_FIELD_KIND_UTF8 || key.len == 0 ||
		    *(const char *)key.bytes != OCS_BIND_STORE) {
			out->has_cc = true;
		} else if (out->store[0] == '\0' && key.len < OCS_INBOX_NAME_SIZE) {
			memcpy(out->store, key.bytes, key.len);
			out->store[key.len] = '\0';
		}
	}
}

void ocs_inbox_read_properties(const amqp_basic_properties_t *properties,
                               struct ocs_inbox_envelope *out)
{
	memset(out, 0, sizeof(*out));
	if (properties->_flags & AMQP_BASIC_CONTENT_TYPE_FLAG)
		out->content_type = properties->content_type;
	out->ids_only = is_key(out->content_type, OCS_MESSAGE_IDS_TYPE);
	if (properties->_flags & AMQP_BASIC_CONTENT_ENCODING_FLAG)
		out->content_encoding = properties->content_encoding;
	if (properties->_flags & AMQP_BASIC_MESSAGE_ID_FLAG)
		out->message_id = properties->message_id;
	if (properties->_flags & AMQP_BASIC_USER_ID_FLAG)
		out->bad_user = !copy_name(properties->user_id, out->user);
	if (!(properties->_flags & AMQP_BASIC_HEADERS_FLAG))
		return;
	for (int i = 0; i < properties->headers.num_entries; i++) {
		const amqp_table_entry_t *entry = &properties->headers.entries[i];

		if (is_key(entry->key, "ocs-origin"))
			read_name(&entry->value, out->origin);
		else if (is_key(entry->key, "ocs-account"))
			read_name(&entry->value, out->account);
		else if (is_key(entry->key, "ocs-accepted"))
			out->accepted_at = read_number(&entry->value);
		else if (is_key(entry->key, "x-delivery-count"))
			out->deliveries = read_number(&entry->value);
		else if (is_key(entry->key, "ocs-ids") &&
		         entry->value.kind == AMQP_FIELD_KIND_BYTES)
			out->ids = entry->value.value.bytes;
		else if (is_key(entry->key, "CC"))
			read_keys(&entry->value, out);
	}
}

/* ---- dead letters ---- */

static void add_text(amqp_table_t *headers, const char *key, const char *text)
{
	headers->entries[headers->num_entries++] = ocs_amqp_entry(key, ocs_amqp_text(text));
}

static void add_death(amqp_table_t *headers, const struct ocs_inbox_death *death)
{
	add_text(headers, "ocs-reason", death->reason);
	add_text(headers, "ocs-from", death->queue);
	add_text(headers, "ocs-node", death->node);
	add_text(headers, "ocs-account", death->account);
	add_text(headers, "ocs-key", death->key);
	headers->entries[headers->num_entries++] =
	        ocs_amqp_entry("ocs-at", (amqp_field_value_t){.kind = AMQP_FIELD_KIND_TIMESTAMP,
	                                                      .value.u64 = death->at});
}

/* A header that says something else on a dead letter, or that the broker would act on. */
static bool is_left_out(amqp_bytes_t key)
{
	static const char *const names[] = {"ocs-reason", "ocs-from", "ocs-node",
	                                    "ocs-key",    "ocs-at",   "ocs-account",
	                                    "BCC",        "CC",       "x-delivery-count"};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (is_key(key, names[i]))
			return true;
	return false;
}

/* Who else it was for stays known, under a name that the broker does not act on. */
static void add_original(amqp_table_t *headers, const amqp_table_t *original)
{
	for (int i = 0; i < original->num_entries; i++) {
		amqp_table_entry_t entry = original->entries[i];

		if (is_key(entry.key, "CC"))
			entry.key = amqp_cstring_bytes("ocs-cc");
		else if (is_left_out(entry.key))
			continue;
		headers->entries[headers->num_entries++] = entry;
	}
}

static bool fits(const amqp_basic_properties_t *properties, size_t limit, amqp_pool_t *pool)
{
	amqp_basic_properties_t copy = *properties;
	amqp_bytes_t room;

	amqp_pool_alloc_bytes(pool, limit, &room);
	return room.bytes != NULL && amqp_encode_properties(AMQP_BASIC_CLASS, &copy, room) >= 0;
}

int ocs_inbox_dead_properties(amqp_pool_t *pool, const amqp_basic_properties_t *original,
                              const struct ocs_inbox_death *death, size_t limit,
                              amqp_basic_properties_t *out)
{
	bool has_headers = (original->_flags & AMQP_BASIC_HEADERS_FLAG) != 0;
	size_t n = HEADERS_OF_DEATH + (has_headers ? (size_t)original->headers.num_entries : 0);
	amqp_table_t headers = {0, amqp_pool_alloc(pool, n * sizeof(amqp_table_entry_t))};

	if (headers.entries == NULL)
		return -1;
	*out = *original;
	out->_flags &= ~(amqp_flags_t)(AMQP_BASIC_USER_ID_FLAG | AMQP_BASIC_EXPIRATION_FLAG);
	out->_flags |= AMQP_BASIC_HEADERS_FLAG | AMQP_BASIC_DELIVERY_MODE_FLAG;
	out->delivery_mode = AMQP_DELIVERY_PERSISTENT;
	add_death(&headers, death);
	if (has_headers)
		add_original(&headers, &original->headers);
	out->headers = headers;
	if (fits(out, limit, pool))
		return 0;
	out->headers.num_entries = HEADERS_OF_DEATH;
	return fits(out, limit, pool) ? 0 : -1;
}
