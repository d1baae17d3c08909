/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The replies and notifications of xml.h. Touches only the writer's own memory. */
#include "xml/xml.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "mapistore/names.h"

#define FIRST_SIZE 512 /* a single result fits */

/* Room for len more bytes, or NULL. */
static char *reserve(struct ocs_xml_writer *writer, size_t len)
{
	if (writer->failed)
		return NULL;
	if (writer->size - writer->len < len) {
		size_t size = writer->size == 0 ? FIRST_SIZE : writer->size;
		char *data;

		while (size - writer->len < len)
			size *= 2;
		data = realloc(writer->data, size);
		if (data == NULL) {
			writer->failed = true;
			return NULL;
		}
		writer->data = data;
		writer->size = size;
	}
	return writer->data + writer->len;
}

static void append(struct ocs_xml_writer *writer, const char *data, size_t len)
{
	char *out = reserve(writer, len);

	if (out != NULL) {
		memcpy(out, data, len);
		writer->len += len;
	}
}

void ocs_xml_raw(struct ocs_xml_writer *writer, const char *markup)
{
	append(writer, markup, strlen(markup));
}

/* The length of the character at p if XML allows it (XML 1.0, 2.2) and it is no control character,
 * else 0. Texts of errors quote what came from outside and are cut to fit, maybe inside a
 * character. DEL and C1 controls may stand in names. */
static size_t character_length(const char *p)
{
	return (unsigned char)*p < 0x20 ? 0 : ocs_utf8_sequence(p);
}

/* How much of it is ASCII that stands for itself. */
static size_t run_length(const char *text)
{
	size_t len = 0;

	for (unsigned char c; (c = (unsigned char)text[len]) >= 0x20 && c < 0x80 && c != '<' &&
	                      c != '>' && c != '&' && c != '"';)
		len++;
	return len;
}

void ocs_xml_text(struct ocs_xml_writer *writer, const char *text)
{
	const char *p = text;

	while (*p != '\0') {
		size_t len = run_length(p);

		if (len != 0) {
			append(writer, p, len);
			p += len;
			continue;
		}
		len = character_length(p);
		if (len == 0)
			ocs_xml_raw(writer, "?");
		else if (*p == '<')
			ocs_xml_raw(writer, "&lt;");
		else if (*p == '>')
			ocs_xml_raw(writer, "&gt;");
		else if (*p == '&')
			ocs_xml_raw(writer, "&amp;");
		else if (*p == '"')
			ocs_xml_raw(writer, "&quot;");
		else
			append(writer, p, len);
		p += len == 0 ? 1 : len;
	}
}

void ocs_xml_number(struct ocs_xml_writer *writer, uint64_t number)
{
	char digits[20];
	char *p = digits + sizeof(digits);

	do {
		*--p = (char)('0' + number % 10);
		number /= 10;
	} while (number != 0);
	append(writer, p, (size_t)(digits + sizeof(digits) - p));
}

void ocs_xml_begin(struct ocs_xml_writer *writer)
{
	ocs_xml_raw(writer, "<?xml version='1.0' encoding='utf-8'?>\n<ocsmanager>");
}

void ocs_xml_finish(struct ocs_xml_writer *writer)
{
	ocs_xml_raw(writer, "</ocsmanager>\n");
}

void ocs_xml_element(struct ocs_xml_writer *writer, const char *name, const char *text)
{
	ocs_xml_raw(writer, "<");
	ocs_xml_raw(writer, name);
	ocs_xml_raw(writer, ">");
	ocs_xml_text(writer, text);
	ocs_xml_raw(writer, "</");
	ocs_xml_raw(writer, name);
	ocs_xml_raw(writer, ">");
}

void ocs_xml_error(struct ocs_xml_writer *writer, const struct ocs_refusal *refusal)
{
	ocs_xml_raw(writer, "<error code=\"");
	ocs_xml_number(writer, (uint64_t)refusal->code);
	ocs_xml_raw(writer, "\" name=\"");
	ocs_xml_raw(writer, refusal->name);
	ocs_xml_raw(writer, "\">");
	ocs_xml_text(writer, refusal->text);
	ocs_xml_raw(writer, "</error>");
}

void ocs_xml_result(struct ocs_xml_writer *writer, const char *id, const struct ocs_result *result)
{
	ocs_xml_raw(writer, "<notification");
	if (id != NULL) {
		ocs_xml_raw(writer, " id=\"");
		ocs_xml_text(writer, id);
		ocs_xml_raw(writer, "\"");
	}
	switch (result->status) {
	case OCS_STATUS_QUEUED:
		ocs_xml_raw(writer, " status=\"queued\" queues=\"");
		ocs_xml_number(writer, result->queues);
		ocs_xml_raw(writer, "\"/>");
		break;
	case OCS_STATUS_NOSUBSCRIBER:
		ocs_xml_raw(writer, " status=\"nosubscriber\"/>");
		break;
	case OCS_STATUS_DUPLICATE:
		ocs_xml_raw(writer, " status=\"duplicate\"/>");
		break;
	case OCS_STATUS_REFUSED:
		ocs_xml_raw(writer, " status=\"refused\">");
		ocs_xml_error(writer, &result->refusal);
		ocs_xml_raw(writer, "</notification>");
		break;
	}
}

/* Whether a reader would take something off a name, or refuse it, that is not marked as exact. */
static bool needs_mark(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && (name[0] == ' ' || name[len - 1] == ' ' || ocs_name_has_control(name));
}

void ocs_xml_name(struct ocs_xml_writer *writer, const char *name, const char *text)
{
	if (!needs_mark(text)) {
		ocs_xml_element(writer, name, text);
		return;
	}
	ocs_xml_raw(writer, "<");
	ocs_xml_raw(writer, name);
	ocs_xml_raw(writer, " xml:space=\"preserve\">");
	ocs_xml_text(writer, text);
	ocs_xml_raw(writer, "</");
	ocs_xml_raw(writer, name);
	ocs_xml_raw(writer, ">");
}

static void optional_name(struct ocs_xml_writer *writer, const char *name, const char *text)
{
	if (text != NULL)
		ocs_xml_name(writer, name, text);
}

static void optional(struct ocs_xml_writer *writer, const char *name, const char *text)
{
	if (text != NULL)
		ocs_xml_element(writer, name, text);
}

static void number(struct ocs_xml_writer *writer, const char *name, uint32_t value)
{
	char digits[12];

	snprintf(digits, sizeof(digits), "%u", value);
	ocs_xml_element(writer, name, digits);
}

void ocs_xml_notification(struct ocs_xml_writer *writer, const struct ocs_notification *what)
{
	ocs_xml_raw(writer, "<notification category=\"");
	ocs_xml_raw(writer, ocs_category_word(what->category));
	ocs_xml_raw(writer, "\"");
	if (what->id != NULL) {
		ocs_xml_raw(writer, " id=\"");
		ocs_xml_text(writer, what->id);
		ocs_xml_raw(writer, "\"");
	}
	ocs_xml_raw(writer, ">");
	ocs_xml_element(writer, "backend", what->backend);
	ocs_xml_name(writer, "username", what->backend_user);
	ocs_xml_name(writer, "folder", what->folder);
	optional_name(writer, "messageID", what->message_id);
	optional_name(writer, "guid", what->guid);
	if (what->has_uid_validity)
		number(writer, "uidValidity", what->uid_validity);
	optional(writer, "oldBackend", what->old_backend);
	optional_name(writer, "oldFolder", what->old_folder);
	optional_name(writer, "oldMessageID", what->old_message_id);
	optional(writer, "messageClass", what->message_class);
	if (what->message_flags != 0)
		number(writer, "messageFlags", what->message_flags);
	if (what->has_total)
		number(writer, "total", what->total);
	if (what->has_unread)
		number(writer, "unread", what->unread);
	ocs_xml_raw(writer, "</notification>");
}
