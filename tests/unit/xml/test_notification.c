/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* What a notification of a request may say, and what is refused of it. */
#include "tests/unit/xml/xml_rig.h"

TESTS_HAVE(.setup = xml_setup, .teardown = xml_teardown);

TEST(a_notification_is_read_with_all_its_elements)
{
	const struct ocs_notification *item = xml_read_one(XML_NOTE(
	        "category='moved' id='m-1'",
	        "<total>17</total><unread>3</unread><backend>SOGo</backend><username>J.Doe</"
	        "username>"
	        "<folder>inbox/Projects</folder><messageID>2</messageID><uidValidity>4294967295"
	        "</uidValidity><oldFolder>Inbox</oldFolder><oldMessageID>1</oldMessageID>"
	        "<messageClass>IPM.Task</messageClass><messageFlags>0</messageFlags>"));

	ck_assert_int_eq(item->category, OCS_MOVED);
	ck_assert_str_eq(item->id, "m-1");
	ck_assert_str_eq(item->backend, "sogo");
	ck_assert_str_eq(item->backend_user, "J.Doe");
	ck_assert_str_eq(item->folder, "INBOX/Projects");
	ck_assert_str_eq(item->message_id, "2");
	ck_assert_str_eq(item->old_folder, "INBOX");
	ck_assert_str_eq(item->old_message_id, "1");
	ck_assert_str_eq(item->message_class, "IPM.Task");
	ck_assert(item->has_total && item->has_unread && item->has_uid_validity);
	ck_assert_uint_eq(item->total, 17);
	ck_assert_uint_eq(item->unread, 3);
	ck_assert_uint_eq(item->uid_validity, UINT32_MAX);
	ck_assert_uint_eq(item->message_flags, 0);
}

#define OLD "<oldFolder>A</oldFolder>"

TEST(a_move_across_stores_names_the_old_one)
{
	const struct ocs_notification *item = xml_read_one(
	        XML_NOTE("category='moved'", "<oldBackend>IMAP</oldBackend>" OLD XML_BODY));

	ck_assert_str_eq(item->old_backend, "imap");
	/* The same one is none. */
	item = xml_read_one(
	        XML_NOTE("category='copied'", XML_BODY OLD "<oldBackend>SoGo</oldBackend>"));
	ck_assert_ptr_null(item->old_backend);
	item = xml_read_one(XML_NOTE("category='moved'", XML_BODY OLD));
	ck_assert_ptr_null(item->old_backend);
	/* Nothing was anywhere else before it was created. */
	item = xml_read_one(
	        XML_NOTE("category='created'", XML_BODY "<oldBackend>imap</oldBackend>"));
	ck_assert_ptr_null(item->old_backend);
	xml_refused_item(XML_NOTE("category='moved'", XML_BODY "<oldBackend>imap</oldBackend>"),
	                 "MISSING_PARAMETER");
	xml_refused_item(XML_NOTE("category='moved'", XML_BODY OLD "<oldBackend/>"),
	                 "INVALID_PARAMETER");
}

TEST(what_a_legacy_client_sends_is_read)
{
	struct ocs_xml_notifications *out = xml_read_text(
	        "<?xml version='1.0' encoding='utf-8'?>\n<ocsmanager><token>TE9HSU4=</token>"
	        "<notification "
	        "category=\"newmail\"><backend>SOGo</backend><username>Jdoe</username>"
	        "<folder>inbox</folder><messageID>42</messageID></notification></ocsmanager>");

	ck_assert_ptr_nonnull(out);
	ck_assert_str_eq(out->token, "TE9HSU4=");
	ck_assert_uint_eq(out->count, 1);
	ck_assert_int_eq(out->items[0].category, OCS_NEWMAIL);
	ck_assert_str_eq(out->items[0].backend, "sogo");
	ck_assert_str_eq(out->items[0].folder, "INBOX");
	ck_assert_str_eq(out->items[0].message_id, "42");
	ck_assert_ptr_null(out->items[0].id);
	ck_assert_ptr_null(out->items[0].message_class);
	ck_assert(!out->items[0].has_total && !out->items[0].has_uid_validity);
}

TEST(every_category_is_known)
{
	static const struct {
		const char *text;
		enum ocs_category category;
	} cases[] = {
	        {XML_NOTE("category='newmail'", XML_BODY XML_ID), OCS_NEWMAIL},
	        {XML_NOTE("category='created'", XML_BODY), OCS_CREATED},
	        {XML_NOTE("category='deleted'", XML_BODY XML_ID), OCS_DELETED},
	        {XML_NOTE("category='modified'", XML_BODY), OCS_MODIFIED},
	        {XML_NOTE("category='moved'", XML_BODY "<oldFolder>a</oldFolder>"), OCS_MOVED},
	        {XML_NOTE("category='copied'",
	                  XML_BODY XML_ID "<oldFolder>a</oldFolder><oldMessageID>1</oldMessageID>"),
	         OCS_COPIED},
	        {XML_NOTE("category='search-completed'", XML_BODY), OCS_SEARCH_COMPLETED},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ck_assert_int_eq(xml_read_one(cases[i].text)->category, cases[i].category);
}

TEST(a_finished_search_is_about_its_folder)
{
	ck_assert_ptr_null(
	        xml_read_one(XML_NOTE("category='search-completed'", XML_BODY XML_ID))->message_id);
	ck_assert_ptr_null(
	        xml_read_one(XML_NOTE("category='created'", XML_BODY "<oldFolder>x</oldFolder>"))
	                ->old_folder);
}

TEST(only_an_inbox_at_the_first_component_loses_its_case)
{
	static const char *const cases[][2] = {
	        {"inbox", "INBOX"},     {"iNbOx/a/inbox", "INBOX/a/inbox"},
	        {"inboxes", "inboxes"}, {"a/inbox", "a/inbox"},
	        {"Drafts", "Drafts"},   {"inb", "inb"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[300];

		snprintf(text, sizeof(text),
		         XML_NOTE("category='created'", "<backend>b</backend><username>u</username>"
		                                        "<folder>%s</folder>"),
		         cases[i][0]);
		ck_assert_str_eq(xml_read_one(text)->folder, cases[i][1]);
	}
}

TEST(the_text_of_an_element_is_all_its_text_nodes_trimmed)
{
	const struct ocs_notification *item = xml_read_one(XML_NOTE(
	        "category='created' id=' a&amp;b&lt;&#x263a;&quot;&#38;#38; '",
	        "<backend>\n\t so<!-- c -->go \r\n</backend><username><![CDATA[<j&d>]]>.x"
	        "</username><folder>a&amp;b<?pi x?>c<other>no</other>d&#x20ac;<![CDATA[e]]>"
	        "</folder>"));

	ck_assert_str_eq(item->backend, "sogo");
	ck_assert_str_eq(item->backend_user, "<j&d>.x");
	ck_assert_str_eq(item->folder, "a&bcd\xe2\x82\xac"
	                               "e");
	ck_assert_str_eq(item->id, "a&b<\xe2\x98\xba\"&#38;");
}

TEST(unknown_elements_and_attributes_are_ignored)
{
	const struct ocs_notification *item = xml_read_one(
	        "<ocsmanager version='2'><x><token>no</token><notification/></x><token "
	        "a='b'>T</token>"
	        "<notification category='created' x='y' xml:lang='en' xmlns:q='urn:q' q:id='no'>"
	        "<x><folder>no</folder></x><q:folder>no</q:folder>"
	        "<folder xmlns='urn:z'>no</folder>" XML_BODY "</notification>"
	        "<notification xmlns='urn:other' category='x'/></ocsmanager>");

	ck_assert_str_eq(item->folder, "INBOX");
	ck_assert_ptr_null(item->id);
}

TEST(a_missing_element_is_named)
{
	xml_refused_item(XML_NOTE("", XML_BODY XML_ID), "MISSING_PARAMETER");
	xml_refused_item(XML_NOTE("category='newmail'", XML_BODY), "MISSING_PARAMETER");
	xml_refused_item(XML_NOTE("category='created'", "<username>u</username><folder>f</folder>"),
	                 "MISSING_PARAMETER");
	xml_refused_item(XML_NOTE("category='created'", "<backend>u</backend><folder>f</folder>"),
	                 "MISSING_PARAMETER");
	xml_refused_item(
	        XML_NOTE("category='created'", "<backend>u</backend><username>u</username>"),
	        "MISSING_PARAMETER");
	xml_refused_item(XML_NOTE("category='moved'", XML_BODY XML_ID), "MISSING_PARAMETER");
	xml_refused_item(XML_NOTE("category='copied'", XML_BODY), "MISSING_PARAMETER");
	xml_refused_item(XML_NOTE("category='moved'", XML_BODY XML_ID "<oldFolder>f</oldFolder>"),
	                 "MISSING_PARAMETER");
	xml_refused_item(XML_NOTE("category='moved'", XML_BODY
	                          "<oldFolder>f</oldFolder><oldMessageID>1</oldMessageID>"),
	                 "MISSING_PARAMETER");
	xml_refused_item("<ocsmanager><notification category='newmail'/></ocsmanager>",
	                 "MISSING_PARAMETER");
}

TEST(an_unknown_category_is_refused)
{
	static const char *const words[] = {
	        "", "NewMail", "newmail ", "new", "newmailnewmailnewmailnewmailnewmail", "a&#10;b"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		char text[400];

		snprintf(text, sizeof(text), XML_NOTE("category='%s'", XML_BODY XML_ID), words[i]);
		xml_refused_item(text, "UNKNOWN_CATEGORY");
	}
}

TEST(the_newmail_address_takes_newmail_only)
{
	const char *newmail = XML_NOTE("category='newmail'", XML_BODY XML_ID);
	const char *created = XML_NOTE("category='created'", XML_BODY XML_ID);
	struct ocs_xml_notifications *out = xml_read_bytes(newmail, strlen(newmail), true);

	ck_assert_ptr_nonnull(out);
	ck_assert_int_ne(out->results[0].status, OCS_STATUS_REFUSED);
	out = xml_read_bytes(created, strlen(created), true);
	ck_assert_ptr_nonnull(out);
	ck_assert_int_eq(out->results[0].status, OCS_STATUS_REFUSED);
	ck_assert_str_eq(out->results[0].refusal.name, "UNKNOWN_CATEGORY");
}

/* A document whose element has len bytes of text. */
static char *with_length(const char *element, size_t len)
{
	char *text = talloc_strdup(xml_memory, "");
	char *filler = talloc_array(xml_memory, char, len + 1);

	memset(filler, '7', len);
	filler[len] = '\0';
	if (strcmp(element, "id") == 0)
		return talloc_asprintf(text, XML_NOTE("category='created' id='%s'", XML_BODY),
		                       filler);
	if (strcmp(element, "folder") == 0)
		return talloc_asprintf(text,
		                       XML_NOTE("category='created'",
		                                "<backend>b</backend><username>u</username>"
		                                "<folder> %s </folder>"),
		                       filler);
	return talloc_asprintf(text, XML_NOTE("category='created'", XML_BODY "<%s> %s </%s>"),
	                       element, filler, element);
}

TEST(texts_have_their_lengths)
{
	xml_read_one(with_length("folder", 1));
	xml_read_one(with_length("folder", 1024));
	xml_refused_item(with_length("folder", 0), "INVALID_PARAMETER");
	xml_refused_item(with_length("folder", 1025), "INVALID_PARAMETER");
	xml_read_one(with_length("messageID", 1024));
	xml_refused_item(with_length("messageID", 0), "INVALID_PARAMETER");
	xml_refused_item(with_length("messageID", 1025), "INVALID_PARAMETER");
	xml_read_one(with_length("messageClass", 127));
	xml_refused_item(with_length("messageClass", 128), "INVALID_PARAMETER");
	xml_refused_item(with_length("oldFolder", 1025), "INVALID_PARAMETER");
	xml_read_one(with_length("id", 1));
	xml_read_one(with_length("id", 128));
	xml_refused_item(with_length("id", 0), "INVALID_PARAMETER");
	xml_refused_item(with_length("id", 129), "INVALID_PARAMETER");
	xml_refused_item(with_length("id", 5000), "INVALID_PARAMETER");
}

TEST(control_characters_are_refused)
{
	static const char *const bad[] = {"a&#9;b",   "a&#10;b",  "a\nb",
	                                  "a&#127;b", "a&#x80;b", "a&#x9f;b"};
	static const char *const good[] = {"a&#xa0;b", "a b", "\xc3\xa9", "&#x10ffff;",
	                                   "\xe2\x80\xa8"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		xml_refused_item(
		        talloc_asprintf(xml_memory,
		                        XML_NOTE("category='created'", XML_BODY "<messageID>%s"
		                                                                "</messageID>"),
		                        bad[i]),
		        "INVALID_PARAMETER");
		if (strcmp(bad[i], "a\nb") != 0) /* a new line in an attribute is a space */
			xml_refused_item(
			        talloc_asprintf(xml_memory,
			                        XML_NOTE("category='created' id='%s'", XML_BODY),
			                        bad[i]),
			        "INVALID_PARAMETER");
	}
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		xml_read_one(talloc_asprintf(xml_memory,
		                             XML_NOTE("category='created' id='%s'",
		                                      XML_BODY "<messageID>%s</messageID>"),
		                             good[i], good[i]));
	xml_refused_item(
	        XML_NOTE("category='created'", XML_BODY "<messageClass>\xc3\xa9</messageClass>"),
	        "INVALID_PARAMETER");
}

TEST(numbers_are_decimal_and_32_bits)
{
	static const char *const bad[] = {
	        "-1", "+1",  "0x10", "1.5", "4294967296", "99999999999", "18446744073709551621",
	        "",   "1 2", "ten",  "1a"};
	static const char *const names[] = {"total", "unread", "uidValidity", "messageFlags"};

	for (size_t n = 0; n < sizeof(names) / sizeof(names[0]); n++) {
		for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
			xml_refused_item(talloc_asprintf(xml_memory,
			                                 XML_NOTE("category='created'",
			                                          XML_BODY "<%s>%s</%s>"),
			                                 names[n], bad[i], names[n]),
			                 "INVALID_PARAMETER");
		xml_read_one(talloc_asprintf(
		        xml_memory, XML_NOTE("category='created'", XML_BODY "<%s>4294967295</%s>"),
		        names[n], names[n]));
	}
}

TEST(an_element_given_twice_is_refused)
{
	xml_refused_item(XML_NOTE("category='created'", XML_BODY "<folder>INBOX</folder>"),
	                 "INVALID_PARAMETER");
	xml_refused_item(
	        XML_NOTE("category='created'", XML_BODY "<total>1</total><total>1</total>"),
	        "INVALID_PARAMETER");
}

TEST(a_refused_item_leaves_the_others_of_the_batch)
{
	struct ocs_xml_notifications *out =
	        xml_read_text("<ocsmanager><notification category='created' id='1'>" XML_BODY
	                      "</notification><notification category='bad' id='2'>" XML_BODY
	                      "</notification><token>late</token><notification category='newmail' "
	                      "id='3'>" XML_BODY XML_ID "</notification></ocsmanager>");

	ck_assert_ptr_nonnull(out);
	ck_assert_uint_eq(out->count, 3);
	ck_assert_str_eq(out->token, "late");
	ck_assert_int_ne(out->results[0].status, OCS_STATUS_REFUSED);
	ck_assert_int_eq(out->results[1].status, OCS_STATUS_REFUSED);
	ck_assert_int_ne(out->results[2].status, OCS_STATUS_REFUSED);
	ck_assert_str_eq(out->items[1].id, "2");
	ck_assert_str_eq(out->items[2].id, "3");
	ck_assert_str_eq(out->items[2].message_id, "1.eml");
	ck_assert_ptr_null(out->items[0].message_id);
}

TEST(a_request_has_one_to_max_batch_notifications)
{
	char *text = talloc_strdup(xml_memory, "<ocsmanager>");
	struct ocs_xml_notifications *out =
	        xml_read_text("<ocsmanager><token>T</token></ocsmanager>");

	ck_assert_ptr_nonnull(out);
	ck_assert(out->refused);
	ck_assert_str_eq(out->refusal.name, "MISSING_PARAMETER");
	ck_assert_int_eq(out->refusal.code, 422);
	for (int i = 0; i < XML_BATCH; i++)
		text = talloc_strdup_append(text, "<notification category='created'>" XML_BODY
		                                  "</notification>");
	out = xml_read_text(talloc_asprintf(xml_memory, "%s</ocsmanager>", text));
	ck_assert_ptr_nonnull(out);
	ck_assert(!out->refused);
	ck_assert_uint_eq(out->count, XML_BATCH);
	out = xml_read_text(talloc_asprintf(xml_memory, "%s<notification/></ocsmanager>", text));
	ck_assert_ptr_nonnull(out);
	ck_assert(out->refused);
	ck_assert_str_eq(out->refusal.name, "BATCH_TOO_LARGE");
	ck_assert_int_eq(out->refusal.code, 422);
}

TEST(the_token_may_be_absent_but_not_doubled)
{
	struct ocs_xml_notifications *out;

	out = xml_read_text("<ocsmanager><token> </token><notification/></ocsmanager>");
	ck_assert_ptr_nonnull(out);
	ck_assert_ptr_null(out->token);
	out = xml_read_text(
	        "<ocsmanager><token>a</token><token>a</token><notification/></ocsmanager>");
	ck_assert_ptr_nonnull(out);
	ck_assert(out->refused);
	ck_assert_str_eq(out->refusal.name, "INVALID_PARAMETER");
}
