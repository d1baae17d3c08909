/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The body of a message into notifications, and what their refusals mean.
 * Pure functions. The JSON of the older AMQP plugin is written as the XML that it stands for and
 * read like any other, so that there is one set of rules.
 */
#include "cluster/inbox_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <jansson.h>
#include <nettle/sha2.h>
#include <talloc.h>

#include "mapistore/names.h"

enum body_type { BODY_XML, BODY_JSON, BODY_FOREIGN };

/* ---- which it is ---- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool equals(const char *text, size_t len, const char *word)
{
	return len == strlen(word) && strncasecmp(text, word, len) == 0;
}

static bool is_utf8_word(const char *text, size_t len)
{
	return equals(text, len, "utf-8") || equals(text, len, "utf8");
}

/* What a document without a type begins with: the older plugin sends no properties at all. */
static enum body_type look_at_body(const char *body, size_t len)
{
	size_t i = len >= 3 && memcmp(body, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;

	while (i < len && is_blank(body[i]))
		i++;
	if (i < len && body[i] == '<')
		return BODY_XML;
	return i < len && body[i] == '{' ? BODY_JSON : BODY_FOREIGN;
}

/* The value of charset among the parameters is UTF-8 or a part of it, or there is none. */
static bool charset_fits(const char *text, size_t len)
{
	static const char name[] = "charset=";
	const size_t name_len = sizeof(name) - 1;

	while (len > 0) {
		const char *end = memchr(text, ';', len);
		size_t part = end != NULL ? (size_t)(end - text) : len;
		size_t rest = end != NULL ? len - part - 1 : 0;

		while (part > 0 && is_blank(*text)) {
			text++;
			part--;
		}
		while (part > 0 && is_blank(text[part - 1]))
			part--;
		if (part > name_len && strncasecmp(text, name, name_len) == 0) {
			const char *value = text + name_len;
			size_t value_len = part - name_len;

			if (value_len >= 2 && value[0] == '"' && value[value_len - 1] == '"') {
				value++;
				value_len -= 2;
			}
			if (!is_utf8_word(value, value_len) &&
			    !equals(value, value_len, "us-ascii") &&
			    !equals(value, value_len, "ascii"))
				return false;
		}
		text = end != NULL ? end + 1 : NULL;
		len = rest;
	}
	return true;
}

static enum body_type type_of(const struct ocs_inbox_input *input, struct ocs_refusal *refusal)
{
	const char *type = input->envelope->content_type.bytes;
	const char *encoding = input->envelope->content_encoding.bytes;
	size_t len = input->envelope->content_type.len;
	size_t encoding_len = input->envelope->content_encoding.len;
	enum body_type found = BODY_FOREIGN;
	const char *parameters;
	size_t word;
	char shown[80];

	if (encoding_len > 0 && !is_utf8_word(encoding, encoding_len) &&
	    !equals(encoding, encoding_len, "identity")) {
		ocs_inbox_printable(encoding, encoding_len, shown, sizeof(shown));
		ocs_refuse(refusal, 415, "UNSUPPORTED_MEDIA_TYPE",
		           "content_encoding '%s' is not accepted: send the body as it is", shown);
		return BODY_FOREIGN;
	}
	if (len == 0) {
		found = look_at_body(input->body, input->len);
		if (found == BODY_FOREIGN)
			ocs_refuse(refusal, 415, "UNSUPPORTED_MEDIA_TYPE",
			           "it has no content type, and is neither XML nor JSON");
		return found;
	}
	parameters = memchr(type, ';', len);
	word = parameters != NULL ? (size_t)(parameters - type) : len;
	while (word > 0 && is_blank(type[word - 1]))
		word--;
	if (equals(type, word, "text/xml") || equals(type, word, "application/xml") ||
	    input->takes_ids)
		found = BODY_XML;
	else if (equals(type, word, "application/json"))
		found = BODY_JSON;
	if (found != BODY_FOREIGN && parameters != NULL &&
	    !charset_fits(parameters + 1, len - (size_t)(parameters + 1 - type)))
		found = BODY_FOREIGN;
	if (found == BODY_FOREIGN) {
		ocs_inbox_printable(type, len, shown, sizeof(shown));
		ocs_refuse(refusal, 415, "UNSUPPORTED_MEDIA_TYPE",
		           "content type '%s' is not text/xml, application/xml or application/json "
		           "in UTF-8",
		           shown);
	}
	return found;
}

/* ---- JSON ---- */

/* A JSON text is exact as it stands. */
static int json_text(const json_t *object, const char *key, const char **out,
                     struct ocs_refusal *refusal)
{
	const json_t *value = json_object_get(object, key);
	const char *fault;

	*out = NULL;
	if (value == NULL)
		return ocs_refuse(refusal, 422, "MISSING_PARAMETER", "%s is missing", key);
	*out = json_string_value(value);
	fault = *out == NULL ? "is not a text" : ocs_name_fault(*out);
	if (fault != NULL)
		return ocs_refuse(refusal, 422, "INVALID_PARAMETER", "%s %s", key, fault);
	return 0;
}

static int json_uid(const json_t *object, uint64_t *uid, struct ocs_refusal *refusal)
{
	const json_t *value = json_object_get(object, "uid");

	if (value == NULL)
		return ocs_refuse(refusal, 422, "MISSING_PARAMETER", "uid is missing");
	if (!json_is_integer(value) || json_integer_value(value) < 0 ||
	    json_integer_value(value) > UINT32_MAX)
		return ocs_refuse(refusal, 422, "INVALID_PARAMETER",
		                  "uid is not a whole number of 32 bits");
	*uid = (uint64_t)json_integer_value(value);
	return 0;
}

static int write_as_xml(const json_t *object, const struct ocs_inbox_input *input,
                        struct ocs_xml_writer *xml, struct ocs_refusal *refusal)
{
	char folder[OCS_NAME_MAX + 1];
	const char *user, *written, *fault;
	uint64_t uid = 0;

	if (json_text(object, "user", &user, refusal) != 0 ||
	    json_text(object, "folder", &written, refusal) != 0 ||
	    json_uid(object, &uid, refusal) != 0)
		return -1;
	fault = ocs_folder_translate(written, &input->json_folders, folder);
	if (fault != NULL)
		return ocs_refuse(refusal, 422, "INVALID_PARAMETER", "folder %s", fault);
	ocs_xml_begin(xml);
	ocs_xml_raw(xml, "<notification category=\"newmail\">");
	ocs_xml_element(xml, "backend", input->json_backend);
	ocs_xml_name(xml, "username", user);
	ocs_xml_name(xml, "folder", folder);
	ocs_xml_raw(xml, "<messageID>");
	ocs_xml_number(xml, uid);
	ocs_xml_raw(xml, "</messageID></notification>");
	ocs_xml_finish(xml);
	if (xml->failed)
		return ocs_refuse_memory(refusal);
	return 0;
}

static int read_json(const void *mem_ctx, const struct ocs_inbox_input *input,
                     struct ocs_xml_notifications **out, struct ocs_refusal *refusal)
{
	struct ocs_xml_writer xml = {0};
	json_error_t error;
	json_t *object;
	int ret;

	if (input->json_backend == NULL)
		return ocs_refuse(refusal, 422, "UNKNOWN_BACKEND",
		                  "a JSON document names no backend: set json_backend in "
		                  "[rabbitmq]");
	/* jansson bounds the depth, checks UTF-8 and refuses NUL. */
	object = json_loadb(input->body, input->len, JSON_REJECT_DUPLICATES, &error);
	if (!json_is_object(object)) {
		json_decref(object);
		return ocs_refuse(refusal, 400, "MALFORMED_REQUEST", "not a JSON object: %.100s",
		                  object != NULL ? "another JSON value" : error.text);
	}
	ret = write_as_xml(object, input, &xml, refusal);
	json_decref(object);
	if (ret == 0)
		ret = ocs_xml_read_notifications(mem_ctx, xml.data, xml.len, 1, true, out, refusal);
	free(xml.data);
	return ret;
}

/* ---- ids ---- */

bool ocs_inbox_item_id(amqp_bytes_t message_id, size_t index, char id[OCS_ID_MAX + 1])
{
	char digest[2 * SHA256_DIGEST_SIZE + 1], text[OCS_INBOX_NAME_SIZE];
	uint8_t hash[SHA256_DIGEST_SIZE];
	struct sha256_ctx sha;
	int n;

	if (message_id.len == 0)
		return false;
	if (message_id.len < sizeof(text)) {
		ocs_inbox_printable(message_id.bytes, message_id.len, text, sizeof(text));
		/* Nodes that get it from this one read it from XML, without the space around it. */
		if (memcmp(text, message_id.bytes, message_id.len) == 0 && text[0] != ' ') {
			n = snprintf(id, OCS_ID_MAX + 1, "%s/%zu", text, index);
			if (n > 0 && n <= OCS_ID_MAX)
				return true;
		}
	}
	sha256_init(&sha);
	sha256_update(&sha, message_id.len, message_id.bytes);
	sha256_digest(&sha, sizeof(hash), hash);
	for (size_t i = 0; i < sizeof(hash); i++)
		snprintf(digest + 2 * i, 3, "%02x", hash[i]);
	snprintf(id, OCS_ID_MAX + 1, "~%s/%zu", digest, index);
	return true;
}

static int add_ids(struct ocs_xml_notifications *document, amqp_bytes_t message_id,
                   struct ocs_refusal *refusal)
{
	char id[OCS_ID_MAX + 1];

	for (size_t i = 0; i < document->count; i++) {
		if (document->items[i].id != NULL || !ocs_inbox_item_id(message_id, i, id))
			continue;
		document->items[i].id = talloc_strdup(document, id);
		if (document->items[i].id == NULL)
			return ocs_refuse_memory(refusal);
	}
	return 0;
}

int ocs_inbox_read_document(const void *mem_ctx, const struct ocs_inbox_input *input,
                            struct ocs_xml_notifications **out, bool *sender_ids_r,
                            struct ocs_refusal *refusal)
{
	enum body_type type = type_of(input, refusal);
	int ret = -1;

	*out = NULL;
	if (type == BODY_XML)
		ret = ocs_xml_read_notifications(mem_ctx, input->body, input->len, input->max_batch,
		                                 false, out, refusal);
	else if (type == BODY_JSON)
		ret = read_json(mem_ctx, input, out, refusal);
	if (ret != 0)
		return -1;
	if ((*out)->refused) {
		*refusal = (*out)->refusal;
		ret = -1;
	} else {
		*sender_ids_r = (*out)->items[0].id != NULL;
		ret = add_ids(*out, input->envelope->message_id, refusal);
	}
	if (ret != 0)
		TALLOC_FREE(*out);
	return ret;
}

/* ---- refusals ---- */

bool ocs_inbox_is_transient(const struct ocs_refusal *refusal)
{
	return refusal->code >= 500 || refusal->code == 429;
}

void ocs_inbox_say(const struct ocs_refusal *refusal, char reason[OCS_INBOX_REASON_MAX])
{
	char text[OCS_INBOX_REASON_MAX];

	snprintf(text, sizeof(text), "%d %s %s", refusal->code, refusal->name, refusal->text);
	ocs_inbox_printable(text, strlen(text), reason, OCS_INBOX_REASON_MAX);
}

bool ocs_inbox_reason(const struct ocs_result *results, size_t count, bool all,
                      char reason[OCS_INBOX_REASON_MAX])
{
	char text[OCS_INBOX_REASON_MAX], what[OCS_INBOX_REASON_MAX - 96], more[48] = "";
	size_t first = count, n = 0;

	for (size_t i = 0; i < count; i++) {
		if (results[i].status != OCS_STATUS_REFUSED ||
		    (!all && ocs_inbox_is_transient(&results[i].refusal)))
			continue;
		if (n++ == 0)
			first = i;
	}
	if (n == 0)
		return false;
	snprintf(what, sizeof(what), "%d %.40s %.160s", results[first].refusal.code,
	         results[first].refusal.name, results[first].refusal.text);
	if (n > 1)
		snprintf(more, sizeof(more), " (and %zu more)", n - 1);
	if (count == 1)
		snprintf(text, sizeof(text), "%s", what);
	else
		snprintf(text, sizeof(text), "item %zu of %zu: %s%s", first + 1, count, what, more);
	ocs_inbox_printable(text, strlen(text), reason, OCS_INBOX_REASON_MAX);
	return true;
}
