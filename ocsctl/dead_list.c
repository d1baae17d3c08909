/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * ocsctl dead: the list, for people and as JSON. Nothing in a message is trusted.
 */
#include "ocsctl/dead.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <talloc.h>

#include "cluster/settings.h"
#include "base/plural.h"

#define SUMMARY_BYTES 100
#define BODY_BYTES    4096 /* of each body in JSON */

static const amqp_field_value_t *header(const amqp_basic_properties_t *properties, const char *name)
{
	if ((properties->_flags & AMQP_BASIC_HEADERS_FLAG) == 0)
		return NULL;
	for (int i = 0; i < properties->headers.num_entries; i++) {
		const amqp_table_entry_t *entry = &properties->headers.entries[i];

		if (entry->key.len == strlen(name) &&
		    memcmp(entry->key.bytes, name, entry->key.len) == 0)
			return &entry->value;
	}
	return NULL;
}

/* A copy; a NUL inside is shown as a blank. */
static char *text_of(const void *mem_ctx, amqp_bytes_t bytes, size_t limit)
{
	size_t len = bytes.len < limit ? bytes.len : limit;
	char *text = talloc_zero_array(mem_ctx, char, len + 1);

	if (text == NULL)
		return NULL;
	/* Not in the middle of a character. */
	while (len > 0 && len < bytes.len && (((const uint8_t *)bytes.bytes)[len] & 0xc0) == 0x80)
		len--;
	for (size_t i = 0; i < len; i++) {
		text[i] = ((const char *)bytes.bytes)[i];
		if (text[i] == '\0')
			text[i] = ' ';
	}
	return text;
}

/* "" where it is missing. */
static char *text_header(const void *mem_ctx, const amqp_message_t *message, const char *name)
{
	const amqp_field_value_t *value = header(&message->properties, name);
	amqp_bytes_t bytes = amqp_empty_bytes;

	if (value != NULL &&
	    (value->kind == AMQP_FIELD_KIND_UTF8 || value->kind == AMQP_FIELD_KIND_BYTES))
		bytes = value->value.bytes;
	return text_of(mem_ctx, bytes, SIZE_MAX);
}

/* ---- the list ---- */

struct letter {
	char *time, *from, *node, *account, *key, *reason, *id, *type, *body, *summary;
	size_t size;
};

/* The beginning of the body on one line. */
static char *summary_of(const void *mem_ctx, amqp_bytes_t body)
{
	char *text = text_of(mem_ctx, body, BODY_BYTES), *to = text;
	amqp_bytes_t line;

	if (text == NULL)
		return NULL;
	for (const char *from = text; *from != '\0'; from++) {
		bool blank = strchr(" \t\r\n", *from) != NULL;

		if (!blank)
			*to++ = *from;
		else if (to > text && to[-1] != ' ')
			*to++ = ' ';
	}
	line = (amqp_bytes_t){(size_t)(to - text), text};
	if (line.len <= SUMMARY_BYTES && body.len <= BODY_BYTES)
		return text_of(mem_ctx, line, SIZE_MAX);
	return talloc_asprintf(mem_ctx, "%s...", text_of(mem_ctx, line, SUMMARY_BYTES));
}

static struct letter *read_letter(const void *mem_ctx, const amqp_message_t *message)
{
	struct letter *letter = talloc_zero(mem_ctx, struct letter);
	const amqp_basic_properties_t *properties = &message->properties;
	const amqp_field_value_t *at = header(properties, "ocs-at");

	if (letter == NULL)
		return NULL;
	letter->time = at != NULL && at->kind == AMQP_FIELD_KIND_TIMESTAMP
	                       ? ocsctl_time(letter, at->value.u64 * 1000000)
	                       : talloc_strdup(letter, "");
	letter->from = text_header(letter, message, "ocs-from");
	letter->node = text_header(letter, message, "ocs-node");
	letter->account = text_header(letter, message, "ocs-account");
	letter->key = text_header(letter, message, "ocs-key");
	letter->reason = text_header(letter, message, "ocs-reason");
	letter->id =
	        text_of(letter,
	                properties->_flags & AMQP_BASIC_MESSAGE_ID_FLAG ? properties->message_id
	                                                                : amqp_empty_bytes,
	                SIZE_MAX);
	letter->type =
	        text_of(letter,
	                properties->_flags & AMQP_BASIC_CONTENT_TYPE_FLAG ? properties->content_type
	                                                                  : amqp_empty_bytes,
	                SIZE_MAX);
	letter->size = message->body.len;
	letter->body = text_of(letter, message->body, BODY_BYTES);
	letter->summary = summary_of(letter, message->body);
	if (letter->time == NULL || letter->from == NULL || letter->node == NULL ||
	    letter->account == NULL || letter->key == NULL || letter->reason == NULL ||
	    letter->id == NULL || letter->type == NULL || letter->body == NULL ||
	    letter->summary == NULL)
		TALLOC_FREE(letter);
	return letter;
}

static json_t *letter_json(uint64_t number, const struct letter *letter)
{
	return json_pack("{s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:o}", "number",
	                 (json_int_t)number, "time", ocsctl_json_text(letter->time), "from",
	                 ocsctl_json_text(letter->from), "node", ocsctl_json_text(letter->node),
	                 "account", ocsctl_json_text(letter->account), "key",
	                 ocsctl_json_text(letter->key), "reason", ocsctl_json_text(letter->reason),
	                 "message_id", ocsctl_json_text(letter->id), "content_type",
	                 ocsctl_json_text(letter->type), "size", (json_int_t)letter->size, "body",
	                 ocsctl_json_text(letter->body));
}

/* Blanks and the text where there is one. */
static void print_part(const char *before, const char *text)
{
	if (text[0] == '\0')
		return;
	fputs(before, stdout);
	ocsctl_print_safe(text);
}

static void print_letter(uint64_t number, const struct letter *letter)
{
	printf("\n%" PRIu64 "  %s", number, letter->time[0] != '\0' ? letter->time : "-");
	print_part("  from ", letter->from);
	print_part(", node ", letter->node);
	print_part(", account ", letter->account);
	printf(", %zu %s", letter->size, ocs_plural(letter->size, "byte", "bytes"));
	print_part("\n   ", letter->reason[0] != '\0' ? letter->reason : "(no reason is given)");
	print_part("\n   ", letter->summary);
	putchar('\n');
}

static int print_letters(const struct ocsctl_dead *dead, struct letter *const *letters, size_t n)
{
	json_t *list;

	if (dead->ctl->json) {
		list = json_array();
		for (size_t i = 0; i < n; i++)
			json_array_append_new(list, letter_json(i + 1, letters[i]));
		return ocsctl_print_json(json_pack("{s:s, s:I, s:o}", "queue",
		                                   dead->settings->dead_queue, "messages",
		                                   (json_int_t)dead->messages, "letters", list));
	}
	ocsctl_print_safe(dead->settings->dead_queue);
	printf(": %" PRIu64 " %s\n", dead->messages,
	       ocs_plural(dead->messages, "message", "messages"));
	for (size_t i = 0; i < n; i++)
		print_letter(i + 1, letters[i]);
	if (n < dead->messages)
		printf("\n%" PRIu64 " more: --count shows them\n", dead->messages - n);
	return OCSCTL_OK;
}

int ocsctl_dead_list(struct ocsctl_dead *dead, uint64_t count)
{
	struct letter **letters = NULL;
	amqp_message_t message;
	size_t n = 0;
	int ret = 1;

	dead->hold = true;
	while (n < count && (ret = ocsctl_dead_take(dead, &message)) == 1) {
		letters = talloc_realloc(dead, letters, struct letter *, n + 1);
		if (letters != NULL)
			letters[n] = read_letter(letters, &message);
		amqp_destroy_message(&message);
		if (letters == NULL || letters[n] == NULL) {
			ocsctl_error("out of memory");
			return OCSCTL_FAILED;
		}
		n++;
	}
	if (ret < 0 || ocsctl_dead_hold_rest(dead) < 0 || ocsctl_dead_give_back(dead) < 0)
		return OCSCTL_FAILED;
	return print_letters(dead, letters, n);
}
