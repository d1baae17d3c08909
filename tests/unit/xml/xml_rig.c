/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* What the tests of the XML share: see xml_rig.h. */
#include "tests/unit/xml/xml_rig.h"

void *xml_memory;
struct ocs_refusal xml_refusal;

void xml_setup(void)
{
	xml_memory = talloc_new(NULL);
	memset(&xml_refusal, 0, sizeof(xml_refusal));
}

void xml_teardown(void)
{
	talloc_free(xml_memory);
}

struct ocs_xml_notifications *xml_read_bytes(const char *data, size_t len, bool newmail_only)
{
	struct ocs_xml_notifications *out = NULL;
	char *copy = malloc(len == 0 ? 1 : len);

	ck_assert_ptr_nonnull(copy);
	memcpy(copy, data, len);
	if (ocs_xml_read_notifications(xml_memory, copy, len, XML_BATCH, newmail_only, &out,
	                               &xml_refusal) != 0)
		out = NULL;
	free(copy);
	return out;
}

struct ocs_xml_notifications *xml_read_text(const char *text)
{
	return xml_read_bytes(text, strlen(text), false);
}

struct ocs_notification *xml_read_one(const char *text)
{
	struct ocs_xml_notifications *out = xml_read_text(text);

	ck_assert_msg(out != NULL, "%s: %s", text, xml_refusal.text);
	ck_assert_msg(!out->refused, "%s: %s", text, out->refusal.text);
	ck_assert_uint_eq(out->count, 1);
	ck_assert_msg(out->results[0].status != OCS_STATUS_REFUSED, "%s: %s", text,
	              out->results[0].refusal.text);
	return &out->items[0];
}

void xml_refused_document(const char *text, int code, const char *name)
{
	struct ocs_xml_notifications *out = xml_read_text(text);

	ck_assert_msg(out == NULL, "was accepted: %.300s", text);
	ck_assert_msg(strcmp(xml_refusal.name, name) == 0, "%.300s: %s (%s)", text,
	              xml_refusal.name, xml_refusal.text);
	ck_assert_int_eq(xml_refusal.code, code);
	ck_assert(xml_refusal.text[0] != '\0');
}

void xml_refused_item(const char *text, const char *name)
{
	struct ocs_xml_notifications *out = xml_read_text(text);

	ck_assert_msg(out != NULL, "%s: %s", text, xml_refusal.text);
	ck_assert_uint_eq(out->count, 1);
	ck_assert_msg(out->results[0].status == OCS_STATUS_REFUSED, "was accepted: %.300s", text);
	ck_assert_msg(strcmp(out->results[0].refusal.name, name) == 0, "%.300s: %s (%s)", text,
	              out->results[0].refusal.name, out->results[0].refusal.text);
	ck_assert_int_eq(out->results[0].refusal.code, 422);
}
