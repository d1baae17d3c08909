/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* How replies and notifications are written. */
#include "tests/unit/xml/xml_rig.h"

TESTS_HAVE(.setup = xml_setup, .teardown = xml_teardown);

static void written(struct ocs_xml_writer *writer, const char *content)
{
	char *expected = talloc_asprintf(
	        xml_memory, "<?xml version='1.0' encoding='utf-8'?>\n<ocsmanager>%s</ocsmanager>\n",
	        content);

	ocs_xml_finish(writer);
	ck_assert(!writer->failed);
	ck_assert_uint_eq(writer->len, strlen(expected));
	ck_assert_int_eq(memcmp(writer->data, expected, writer->len), 0);
	free(writer->data);
}

TEST(replies_are_written_as_the_protocol_says)
{
	struct ocs_xml_writer writer = {0};
	struct ocs_result result = {.status = OCS_STATUS_QUEUED, .queues = 4};

	ocs_xml_begin(&writer);
	ocs_xml_result(&writer, "a\"<&>'", &result);
	result.status = OCS_STATUS_NOSUBSCRIBER;
	ocs_xml_result(&writer, NULL, &result);
	result.status = OCS_STATUS_DUPLICATE;
	ocs_xml_result(&writer, NULL, &result);
	result.status = OCS_STATUS_REFUSED;
	ocs_refuse(&result.refusal, 422, "UNKNOWN_BACKEND", "no backend '%s'", "<x>");
	ocs_xml_result(&writer, "i", &result);
	ocs_xml_error(&writer, &result.refusal);
	ocs_xml_element(&writer, "ttl", "10");
	ocs_xml_number(&writer, UINT64_MAX);
	ocs_xml_number(&writer, 0);
	written(&writer,
	        "<notification id=\"a&quot;&lt;&amp;&gt;'\" status=\"queued\" queues=\"4\"/>"
	        "<notification status=\"nosubscriber\"/><notification status=\"duplicate\"/>"
	        "<notification id=\"i\" status=\"refused\"><error code=\"422\" "
	        "name=\"UNKNOWN_BACKEND\">no backend '&lt;x&gt;'</error></notification>"
	        "<error code=\"422\" name=\"UNKNOWN_BACKEND\">no backend '&lt;x&gt;'</error>"
	        "<ttl>10</ttl>184467440737095516150");
}

TEST(a_reply_is_well_formed_whatever_a_text_holds)
{
	struct ocs_xml_writer writer = {0};

	ocs_xml_begin(&writer);
	ocs_xml_text(&writer,
	             "\x01\x7f\xff\xc3\xa9\xe2\x82\xac\xe2\x82|\xed\xa0\x80|\xf0\x9f\x98\x80|"
	             "\xef\xbf\xbf|\xc0\x80|\xf0\x9f");
	written(&writer, "?\x7f?\xc3\xa9\xe2\x82\xac??|???|\xf0\x9f\x98\x80|???|\?\?|\?\?");
}

/* Whatever a name holds, who reads what was written has the same bytes. */
TEST(a_notification_is_read_as_it_was_written)
{
	static const char *const names[] = {"a",       " a",    "a ",           " ",      "a  b",
	                                    "\x7f",    "a\x7f", "\xc2\x80",     "<&>'\"", "]]>",
	                                    " a / b ", "&#32;", "\xe2\x82\xac "};
	size_t n = sizeof(names) / sizeof(names[0]);

	for (size_t i = 0; i < n; i++) {
		struct ocs_notification what = {.category = OCS_MOVED,
		                                .backend = "b",
		                                .old_backend = "c",
		                                .id = "i"},
		                        *read;
		struct ocs_xml_writer writer = {0};

		what.backend_user = names[i];
		what.folder = names[(i + 1) % n];
		what.message_id = names[(i + 2) % n];
		what.old_folder = names[(i + 3) % n];
		what.old_message_id = names[(i + 4) % n];
		what.guid = names[(i + 5) % n];
		ocs_xml_begin(&writer);
		ocs_xml_notification(&writer, &what);
		ocs_xml_finish(&writer);
		read = xml_read_one(talloc_strndup(xml_memory, writer.data, writer.len));
		ck_assert_str_eq(read->backend_user, what.backend_user);
		ck_assert_str_eq(read->folder, what.folder);
		ck_assert_str_eq(read->message_id, what.message_id);
		ck_assert_str_eq(read->old_folder, what.old_folder);
		ck_assert_str_eq(read->old_message_id, what.old_message_id);
		ck_assert_str_eq(read->guid, what.guid);
		ck_assert_str_eq(read->old_backend, what.old_backend);
		free(writer.data);
	}
}

TEST(a_name_that_needs_no_mark_has_none)
{
	struct ocs_xml_writer writer = {0};

	ocs_xml_begin(&writer);
	ocs_xml_name(&writer, "folder", "a b");
	ocs_xml_name(&writer, "folder", "a ");
	written(&writer, "<folder>a b</folder><folder xml:space=\"preserve\">a </folder>");
}

TEST(a_long_reply_grows)
{
	struct ocs_xml_writer writer = {0};
	char *expected = talloc_strdup(xml_memory, "");

	ocs_xml_begin(&writer);
	for (int i = 0; i < 3000; i++) {
		ocs_xml_text(&writer, "abc&");
		expected = talloc_strdup_append(expected, "abc&amp;");
	}
	written(&writer, expected);
}
