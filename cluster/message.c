/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* A notification to and from the properties and body of an AMQP message. Pure functions on the
 * caller's memory. */
#include "cluster/message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <nettle/sha2.h>
#include <talloc.h>

#include "base/bytes.h"
#include "cluster/settings.h"
#include "xml/xml.h"

#define PACK_VERSION 1
#define PACK_IDS     2 /* the same with ids */
#define IDS_ONLY     2 /* in the place of ingest */
#define KEY_MAX      (OCS_MESSAGE_KEY_SIZE - 1)

void ocs_message_key(const char *user, char key[OCS_MESSAGE_KEY_SIZE])
{
	size_t len = strlen(user);
	uint8_t digest[SHA256_DIGEST_SIZE];
	struct sha256_ctx sha;

	if (len <= KEY_MAX) {
		memcpy(key, user, len + 1);
		return;
	}
	sha256_init(&sha);
	sha256_update(&sha, len, (const uint8_t *)user);
	sha256_digest(&sha, sizeof(digest), digest);
	key[0] = '~';
	for (size_t i = 0; i < sizeof(digest); i++)
		snprintf(key + 1 + 2 * i, 3, "%02x", digest[i]);
}

void ocs_message_node_key(const char *node, char key[OCS_MESSAGE_KEY_SIZE])
{
	snprintf(key, OCS_MESSAGE_KEY_SIZE, "%c%.*s", OCS_MESSAGE_OWN_KEY, OCS_NODE_NAME_MAX, node);
}

/* The document, in malloc()ed memory of the writer. */
static void write_document(struct ocs_xml_writer *writer,
                           const struct ocs_notification *notification)
{
	ocs_xml_begin(writer);
	ocs_xml_notification(writer, notification);
	ocs_xml_finish(writer);
}

/* user: they are users, else nodes. */
static bool add_keys(struct ocs_message *message, bool user, const char *const *names, size_t n)
{
	const char **keys = talloc_array(message, const char *, n);

	if (keys == NULL)
		return false;
	for (size_t i = 0; i < n; i++) {
		char key[OCS_MESSAGE_KEY_SIZE];

		(user ? ocs_message_key : ocs_message_node_key)(names[i], key);
		keys[i] = talloc_strdup(keys, key);
		if (keys[i] == NULL)
			return false;
	}
	message->keys = keys;
	message->n_keys = n;
	return true;
}

struct ocs_message *ocs_message_new(const void *mem_ctx, const char *id, const char *account,
                                    uint64_t accepted_at, const char *const *users, size_t n_users,
                                    const struct ocs_notification *notification)
{
	struct ocs_message *message = talloc_zero(mem_ctx, struct ocs_message);
	struct ocs_xml_writer writer = {0};

	if (message == NULL)
		return NULL;
	write_document(&writer, notification);
	if (!writer.failed) {
		message->body = talloc_memdup(message, writer.data, writer.len);
		message->len = writer.len;
	}
	free(writer.data);
	message->ingest = n_users == 0;
	message->accepted_at = accepted_at;
	message->account = talloc_strdup(message, account);
	snprintf(message->id, sizeof(message->id), "%s", id);
	if (message->body == NULL || message->account == NULL ||
	    (n_users > 0 && !add_keys(message, true, users, n_users)))
		TALLOC_FREE(message);
	return message;
}

int ocs_message_set_ids(struct ocs_message *message, const struct ocs_ids_list *list)
{
	message->ids = ocs_ids_encode(message, list, &message->ids_len);
	return message->ids == NULL && list->n > 0 ? -1 : 0;
}

struct ocs_message *ocs_message_new_ids(const void *mem_ctx, const char *node,
                                        const struct ocs_notification *notification,
                                        const struct ocs_ids_list *list)
{
	struct ocs_message *message = ocs_message_new(mem_ctx, "", "", 0, NULL, 0, notification);

	if (message == NULL)
		return NULL;
	message->ingest = false;
	message->ids_only = true;
	if (!add_keys(message, false, &node, 1) || ocs_message_set_ids(message, list) != 0 ||
	    message->ids == NULL)
		TALLOC_FREE(message);
	return message;
}

/* ---- one block of bytes: version, ingest, accepted_at, then id, account, keys, body, and what is
 * told, if it is, each behind its length ---- */

static uint8_t *put_bytes(uint8_t *p, const char *data, size_t len)
{
	ocs_put32(p, (uint32_t)len);
	memcpy(p + 4, data, len);
	return p + 4 + len;
}

uint8_t *ocs_message_pack(const void *mem_ctx, const struct ocs_message *message, size_t *len_r)
{
	size_t size = 2 + 8 + 4 + strlen(message->id) + 4 + strlen(message->account) + 4 + 4 +
	              message->len + (message->ids != NULL ? 4 + message->ids_len : 0);
	uint8_t *data, *p;

	for (size_t i = 0; i < message->n_keys; i++)
		size += 4 + strlen(message->keys[i]);
	data = p = talloc_array(mem_ctx, uint8_t, size);
	if (data == NULL)
		return NULL;
	*p++ = message->ids != NULL ? PACK_IDS : PACK_VERSION;
	*p++ = message->ingest ? 1 : message->ids_only ? IDS_ONLY : 0;
	ocs_put64(p, message->accepted_at);
	p = put_bytes(p + 8, message->id, strlen(message->id));
	p = put_bytes(p, message->account, strlen(message->account));
	ocs_put32(p, (uint32_t)message->n_keys);
	p += 4;
	for (size_t i = 0; i < message->n_keys; i++)
		p = put_bytes(p, message->keys[i], strlen(message->keys[i]));
	p = put_bytes(p, message->body, message->len);
	if (message->ids != NULL)
		(void)put_bytes(p, (const char *)message->ids, message->ids_len);
	*len_r = size;
	return data;
}

struct reader {
	const uint8_t *p;
	size_t left;
	bool bad, no_memory;
};

static const uint8_t *take(struct reader *reader, size_t len)
{
	const uint8_t *p = reader->p;

	if (reader->bad || reader->left < len) {
		reader->bad = true;
		return NULL;
	}
	reader->p += len;
	reader->left -= len;
	return p;
}

static uint32_t take_number(struct reader *reader)
{
	const uint8_t *p = take(reader, 4);

	return p != NULL ? ocs_get32(p) : 0;
}

/* A string without NUL inside, of at most max bytes; NULL with reader->bad. */
static const char *take_text(struct reader *reader, const void *mem_ctx, size_t max)
{
	uint32_t len = take_number(reader);
	const uint8_t *p = take(reader, len);
	char *text;

	if (p == NULL || len > max || memchr(p, 0, len) != NULL) {
		reader->bad = true;
		return NULL;
	}
	text = talloc_strndup(mem_ctx, (const char *)p, len);
	if (text == NULL)
		reader->bad = reader->no_memory = true;
	return text;
}

static void unpack_keys(struct reader *reader, struct ocs_message *message)
{
	uint32_t n = take_number(reader);
	const char **keys;

	if (n > OCS_MESSAGE_KEYS_MAX || (n == 0) != message->ingest) {
		reader->bad = true;
		return;
	}
	keys = talloc_array(message, const char *, n + 1);
	if (keys == NULL) {
		reader->bad = reader->no_memory = true;
		return;
	}
	for (uint32_t i = 0; i < n && !reader->bad; i++)
		keys[i] = take_text(reader, keys, KEY_MAX);
	message->keys = keys;
	message->n_keys = n;
}

struct ocs_message *ocs_message_unpack(const void *mem_ctx, const uint8_t *data, size_t len,
                                       struct ocs_error *error)
{
	struct reader reader = {.p = data, .left = len};
	struct ocs_message *message = talloc_zero(mem_ctx, struct ocs_message);
	const uint8_t *p, *ids = NULL;
	bool has_ids = false;
	const char *id;
	char *body;

	if (message == NULL) {
		ocs_error_memory(error);
		return NULL;
	}
	p = take(&reader, 10);
	if (p == NULL || (p[0] != PACK_VERSION && p[0] != PACK_IDS) ||
	    p[1] > (p[0] == PACK_IDS ? IDS_ONLY : 1)) {
		reader.bad = true;
	} else {
		has_ids = p[0] == PACK_IDS;
		message->ingest = p[1] == 1;
		message->ids_only = p[1] == IDS_ONLY;
		message->accepted_at = ocs_get64(p + 2);
	}
	id = take_text(&reader, message, OCS_MESSAGE_ID_SIZE - 1);
	message->account = take_text(&reader, message, OCS_NAME_MAX);
	unpack_keys(&reader, message);
	message->len = take_number(&reader);
	p = take(&reader, message->len);
	message->ids_len = has_ids ? take_number(&reader) : 0;
	ids = take(&reader, message->ids_len);
	if (reader.bad || reader.left != 0 || message->ids_len > OCS_IDS_ENCODED_MAX) {
		talloc_free(message);
		if (reader.no_memory)
			ocs_error_memory(error);
		else
			ocs_error_set(error, "not a message of this program");
		return NULL;
	}
	memcpy(message->id, id, strlen(id) + 1);
	body = talloc_size(message, message->len);
	if (has_ids)
		message->ids = talloc_memdup(message, ids, message->ids_len);
	if (body == NULL || (has_ids && message->ids == NULL)) {
		talloc_free(message);
		ocs_error_memory(error);
		return NULL;
	}
	memcpy(body, p, message->len);
	message->body = body;
	return message;
}
