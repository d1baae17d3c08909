/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The XML of the web service: what a request may say, what is refused, how replies are written. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <talloc.h>

#include "xml/xml.h"
#include "tests/unit/unit.h"

#define BATCH 4

#define BODY "<backend>sogo</backend><username>jdoe</username><folder>INBOX</folder>"
#define ID   "<messageID>1.eml</messageID>"
#define NOTE(attributes, content)                                                                  \
	"<ocsmanager><token>T</token><notification " attributes ">" content                        \
	"</notification></ocsmanager>"

static void *ctx;
static struct ocs_refusal refusal;

static void setup(void)
{
	ctx = talloc_new(NULL);
	memset(&refusal, 0, sizeof(refusal));
}

static void teardown(void)
{
	talloc_free(ctx);
}

/* A copy on the heap of exactly that size: AddressSanitizer sees a read past its end. */
static struct ocs_xml_notifications *read_bytes(const char *data, size_t len, bool newmail_only)
{
	struct ocs_xml_notifications *out = NULL;
	char *copy = malloc(len == 0 ? 1 : len);

	ck_assert_ptr_nonnull(copy);
	memcpy(copy, data, len);
	if (ocs_xml_read_notifications(ctx, copy, len, BATCH, newmail_only, &out, &refusal) != 0)
		out = NULL;
	free(copy);
	return out;
}

static struct ocs_xml_notifications *read_text(const char *text)
{
	return read_bytes(text, strlen(text), false);
}

static struct ocs_notification *read_one(const char *text)
{
	struct ocs_xml_notifications *out = read_text(text);

	ck_assert_msg(out != NULL, "%s: %s", text, refusal.text);
	ck_assert_msg(!out->refused, "%s: %s", text, out->refusal.text);
	ck_assert_uint_eq(out->count, 1);
	ck_assert_msg(out->results[0].status != OCS_STATUS_REFUSED, "%s: %s", text,
	              out->results[0].refusal.text);
	return &out->items[0];
}

static void refused_document(const char *text, int code, const char *name)
{
	struct ocs_xml_notifications *out = read_text(text);

	ck_assert_msg(out == NULL, "was accepted: %.300s", text);
	ck_assert_msg(strcmp(refusal.name, name) == 0, "%.300s: %s (%s)", text, refusal.name,
	              refusal.text);
	ck_assert_int_eq(refusal.code, code);
	ck_assert(refusal.text[0] != '\0');
}

static void refused_item(const char *text, const char *name)
{
	struct ocs_xml_notifications *out = read_text(text);

	ck_assert_msg(out != NULL, "%s: %s", text, refusal.text);
	ck_assert_uint_eq(out->count, 1);
	ck_assert_msg(out->results[0].status == OCS_STATUS_REFUSED, "was accepted: %.300s", text);
	ck_assert_msg(strcmp(out->results[0].refusal.name, name) == 0, "%.300s: %s (%s)", text,
	              out->results[0].refusal.name, out->results[0].refusal.text);
	ck_assert_int_eq(out->results[0].refusal.code, 422);
}

TESTS_HAVE(.setup = setup, .teardown = teardown, .timeout = 60);

TEST(a_notification_is_read_with_all_its_elements)
{
	const struct ocs_notification *item = read_one(NOTE(
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

TEST(what_a_legacy_client_sends_is_read)
{
	struct ocs_xml_notifications *out = read_text(
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
	        {NOTE("category='newmail'", BODY ID), OCS_NEWMAIL},
	        {NOTE("category='created'", BODY), OCS_CREATED},
	        {NOTE("category='deleted'", BODY ID), OCS_DELETED},
	        {NOTE("category='modified'", BODY), OCS_MODIFIED},
	        {NOTE("category='moved'", BODY "<oldFolder>a</oldFolder>"), OCS_MOVED},
	        {NOTE("category='copied'",
	              BODY ID "<oldFolder>a</oldFolder><oldMessageID>1</oldMessageID>"),
	         OCS_COPIED},
	        {NOTE("category='search-completed'", BODY), OCS_SEARCH_COMPLETED},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ck_assert_int_eq(read_one(cases[i].text)->category, cases[i].category);
}

TEST(a_finished_search_is_about_its_folder)
{
	ck_assert_ptr_null(read_one(NOTE("category='search-completed'", BODY ID))->message_id);
	ck_assert_ptr_null(
	        read_one(NOTE("category='created'", BODY "<oldFolder>x</oldFolder>"))->old_folder);
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
		         NOTE("category='created'", "<backend>b</backend><username>u</username>"
		                                    "<folder>%s</folder>"),
		         cases[i][0]);
		ck_assert_str_eq(read_one(text)->folder, cases[i][1]);
	}
}

TEST(the_text_of_an_element_is_all_its_text_nodes_trimmed)
{
	const struct ocs_notification *item = read_one(
	        NOTE("category='created' id=' a&amp;b&lt;&#x263a;&quot;&#38;#38; '",
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
	const struct ocs_notification *item = read_one(
	        "<ocsmanager version='2'><x><token>no</token><notification/></x><token "
	        "a='b'>T</token>"
	        "<notification category='created' x='y' xml:lang='en' xmlns:q='urn:q' q:id='no'>"
	        "<x><folder>no</folder></x><q:folder>no</q:folder>"
	        "<folder xmlns='urn:z'>no</folder>" BODY "</notification>"
	        "<notification xmlns='urn:other' category='x'/></ocsmanager>");

	ck_assert_str_eq(item->folder, "INBOX");
	ck_assert_ptr_null(item->id);
}

TEST(a_missing_element_is_named)
{
	refused_item(NOTE("", BODY ID), "MISSING_PARAMETER");
	refused_item(NOTE("category='newmail'", BODY), "MISSING_PARAMETER");
	refused_item(NOTE("category='created'", "<username>u</username><folder>f</folder>"),
	             "MISSING_PARAMETER");
	refused_item(NOTE("category='created'", "<backend>u</backend><folder>f</folder>"),
	             "MISSING_PARAMETER");
	refused_item(NOTE("category='created'", "<backend>u</backend><username>u</username>"),
	             "MISSING_PARAMETER");
	refused_item(NOTE("category='moved'", BODY ID), "MISSING_PARAMETER");
	refused_item(NOTE("category='copied'", BODY), "MISSING_PARAMETER");
	refused_item(NOTE("category='moved'", BODY ID "<oldFolder>f</oldFolder>"),
	             "MISSING_PARAMETER");
	refused_item(NOTE("category='moved'",
	                  BODY "<oldFolder>f</oldFolder><oldMessageID>1</oldMessageID>"),
	             "MISSING_PARAMETER");
	refused_item("<ocsmanager><notification category='newmail'/></ocsmanager>",
	             "MISSING_PARAMETER");
}

TEST(an_unknown_category_is_refused)
{
	static const char *const words[] = {
	        "", "NewMail", "newmail ", "new", "newmailnewmailnewmailnewmailnewmail", "a&#10;b"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		char text[400];

		snprintf(text, sizeof(text), NOTE("category='%s'", BODY ID), words[i]);
		refused_item(text, "UNKNOWN_CATEGORY");
	}
}

TEST(the_newmail_address_takes_newmail_only)
{
	const char *newmail = NOTE("category='newmail'", BODY ID);
	const char *created = NOTE("category='created'", BODY ID);
	struct ocs_xml_notifications *out = read_bytes(newmail, strlen(newmail), true);

	ck_assert_ptr_nonnull(out);
	ck_assert_int_ne(out->results[0].status, OCS_STATUS_REFUSED);
	out = read_bytes(created, strlen(created), true);
	ck_assert_ptr_nonnull(out);
	ck_assert_int_eq(out->results[0].status, OCS_STATUS_REFUSED);
	ck_assert_str_eq(out->results[0].refusal.name, "UNKNOWN_CATEGORY");
}

/* A document whose element has len bytes of text. */
static char *with_length(const char *element, size_t len)
{
	char *text = talloc_strdup(ctx, "");
	char *filler = talloc_array(ctx, char, len + 1);

	memset(filler, '7', len);
	filler[len] = '\0';
	if (strcmp(element, "id") == 0)
		return talloc_asprintf(text, NOTE("category='created' id='%s'", BODY), filler);
	if (strcmp(element, "folder") == 0)
		return talloc_asprintf(text,
		                       NOTE("category='created'",
		                            "<backend>b</backend><username>u</username>"
		                            "<folder> %s </folder>"),
		                       filler);
	return talloc_asprintf(text, NOTE("category='created'", BODY "<%s> %s </%s>"), element,
	                       filler, element);
}

TEST(texts_have_their_lengths)
{
	read_one(with_length("folder", 1));
	read_one(with_length("folder", 1024));
	refused_item(with_length("folder", 0), "INVALID_PARAMETER");
	refused_item(with_length("folder", 1025), "INVALID_PARAMETER");
	read_one(with_length("messageID", 1024));
	refused_item(with_length("messageID", 0), "INVALID_PARAMETER");
	refused_item(with_length("messageID", 1025), "INVALID_PARAMETER");
	read_one(with_length("messageClass", 127));
	refused_item(with_length("messageClass", 128), "INVALID_PARAMETER");
	refused_item(with_length("oldFolder", 1025), "INVALID_PARAMETER");
	read_one(with_length("id", 1));
	read_one(with_length("id", 128));
	refused_item(with_length("id", 0), "INVALID_PARAMETER");
	refused_item(with_length("id", 129), "INVALID_PARAMETER");
	refused_item(with_length("id", 5000), "INVALID_PARAMETER");
}

TEST(control_characters_are_refused)
{
	static const char *const bad[] = {"a&#9;b",   "a&#10;b",  "a\nb",
	                                  "a&#127;b", "a&#x80;b", "a&#x9f;b"};
	static const char *const good[] = {"a&#xa0;b", "a b", "\xc3\xa9", "&#x10ffff;",
	                                   "\xe2\x80\xa8"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		refused_item(talloc_asprintf(ctx,
		                             NOTE("category='created'", BODY "<messageID>%s"
		                                                             "</messageID>"),
		                             bad[i]),
		             "INVALID_PARAMETER");
		if (strcmp(bad[i], "a\nb") != 0) /* a new line in an attribute is a space */
			refused_item(talloc_asprintf(ctx, NOTE("category='created' id='%s'", BODY),
			                             bad[i]),
			             "INVALID_PARAMETER");
	}
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		read_one(talloc_asprintf(
		        ctx, NOTE("category='created' id='%s'", BODY "<messageID>%s</messageID>"),
		        good[i], good[i]));
	refused_item(NOTE("category='created'", BODY "<messageClass>\xc3\xa9</messageClass>"),
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
			refused_item(talloc_asprintf(ctx,
			                             NOTE("category='created'", BODY "<%s>%s</%s>"),
			                             names[n], bad[i], names[n]),
			             "INVALID_PARAMETER");
		read_one(talloc_asprintf(ctx,
		                         NOTE("category='created'", BODY "<%s>4294967295</%s>"),
		                         names[n], names[n]));
	}
}

TEST(an_element_given_twice_is_refused)
{
	refused_item(NOTE("category='created'", BODY "<folder>INBOX</folder>"),
	             "INVALID_PARAMETER");
	refused_item(NOTE("category='created'", BODY "<total>1</total><total>1</total>"),
	             "INVALID_PARAMETER");
}

TEST(a_refused_item_leaves_the_others_of_the_batch)
{
	struct ocs_xml_notifications *out = read_text(
	        "<ocsmanager><notification category='created' id='1'>" BODY
	        "</notification><notification category='bad' id='2'>" BODY
	        "</notification><token>late</token><notification category='newmail' id='3'>" BODY ID
	        "</notification></ocsmanager>");

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
	char *text = talloc_strdup(ctx, "<ocsmanager>");
	struct ocs_xml_notifications *out = read_text("<ocsmanager><token>T</token></ocsmanager>");

	ck_assert_ptr_nonnull(out);
	ck_assert(out->refused);
	ck_assert_str_eq(out->refusal.name, "MISSING_PARAMETER");
	ck_assert_int_eq(out->refusal.code, 422);
	for (int i = 0; i < BATCH; i++)
		text = talloc_strdup_append(text, "<notification category='created'>" BODY
		                                  "</notification>");
	out = read_text(talloc_asprintf(ctx, "%s</ocsmanager>", text));
	ck_assert_ptr_nonnull(out);
	ck_assert(!out->refused);
	ck_assert_uint_eq(out->count, BATCH);
	out = read_text(talloc_asprintf(ctx, "%s<notification/></ocsmanager>", text));
	ck_assert_ptr_nonnull(out);
	ck_assert(out->refused);
	ck_assert_str_eq(out->refusal.name, "BATCH_TOO_LARGE");
	ck_assert_int_eq(out->refusal.code, 422);
}

TEST(the_token_may_be_absent_but_not_doubled)
{
	struct ocs_xml_notifications *out;

	out = read_text("<ocsmanager><token> </token><notification/></ocsmanager>");
	ck_assert_ptr_nonnull(out);
	ck_assert_ptr_null(out->token);
	out = read_text("<ocsmanager><token>a</token><token>a</token><notification/></ocsmanager>");
	ck_assert_ptr_nonnull(out);
	ck_assert(out->refused);
	ck_assert_str_eq(out->refusal.name, "INVALID_PARAMETER");
}

TEST(a_document_type_or_entity_is_forbidden)
{
	static const char *const documents[] = {
	        "<!DOCTYPE ocsmanager><ocsmanager/>",
	        "<!DOCTYPE ocsmanager SYSTEM 'file:///etc/passwd'><ocsmanager/>",
	        "<!DOCTYPE a [<!ENTITY x SYSTEM "
	        "'file:///etc/passwd'>]><ocsmanager>&x;</ocsmanager>",
	        "<!DOCTYPE a [<!ENTITY % p SYSTEM 'http://127.0.0.1:1/'> %p;]><ocsmanager/>",
	        "<!DOCTYPE a [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;'>"
	        "<!ENTITY c '&b;&b;&b;&b;&b;&b;&b;'>]><ocsmanager>&c;&c;&c;</ocsmanager>",
	        "<ocsmanager>&unknown;</ocsmanager>",
	        "<ocsmanager a='&unknown;'/>",
	};

	for (size_t i = 0; i < sizeof(documents) / sizeof(documents[0]); i++)
		refused_document(documents[i], 400, "FORBIDDEN_XML");
}

TEST(nesting_ends_at_level_eight)
{
	read_one("<ocsmanager><a><b><c><d><e><f><g/></f></e></d></c></b></a>"
	         "<notification category='created'>" BODY "</notification></ocsmanager>");
	refused_document("<ocsmanager><a><b><c><d><e><f><g><h/></g></f></e></d></c></b></a>"
	                 "</ocsmanager>",
	                 400, "FORBIDDEN_XML");
}

TEST(elements_and_attributes_are_counted)
{
	char *many = talloc_strdup(ctx, "<ocsmanager><a");
	char *elements = talloc_strdup(ctx, "<ocsmanager>");

	for (int i = 0; i < 32; i++)
		many = talloc_asprintf_append(many, " a%d='>'", i);
	read_one(talloc_asprintf(ctx,
	                         "%s/><!-- <%s --><notification category='created'>" BODY
	                         "<messageID><![CDATA[<=%s]]></messageID></notification>"
	                         "</ocsmanager>",
	                         many, "================================================",
	                         "================================================"));
	refused_document(talloc_asprintf(ctx, "%s a33=''/></ocsmanager>", many), 400,
	                 "FORBIDDEN_XML");
	refused_document(talloc_asprintf(ctx, "%s xmlns:b='x'/></ocsmanager>", many), 400,
	                 "FORBIDDEN_XML");
	for (int i = 0; i < 64 + 32 * BATCH; i++)
		elements = talloc_strdup_append(elements, "<a/>");
	refused_document(talloc_asprintf(ctx, "%s</ocsmanager>", elements), 400, "FORBIDDEN_XML");
}

TEST(another_root_is_refused)
{
	refused_document("<ocsmanagerx/>", 400, "MALFORMED_REQUEST");
	refused_document("<OCSManager/>", 400, "MALFORMED_REQUEST");
	refused_document("<ocsmanager xmlns='urn:x'/>", 400, "MALFORMED_REQUEST");
	refused_document("<q:ocsmanager xmlns:q='urn:x'/>", 400, "MALFORMED_REQUEST");
}

TEST(what_is_not_well_formed_is_refused)
{
	static const char *const documents[] = {
	        "",
	        " ",
	        "hello",
	        "<ocsmanager>",
	        "<ocsmanager></ocsmanage>",
	        "<ocsmanager/><x/>",
	        "<ocsmanager/>x",
	        "<ocsmanager><a></ocsmanager></a>",
	        "<ocsmanager a='1' a='2'/>",
	        "<ocsmanager><q:a/></ocsmanager>",
	        "<ocsmanager q:a=''/>",
	        "<ocsmanager>&</ocsmanager>",
	        "<ocsmanager>&#0;</ocsmanager>",
	        "<ocsmanager>&#xd800;</ocsmanager>",
	        "<ocsmanager>\x01</ocsmanager>",
	        "<ocsmanager>]]></ocsmanager>",
	        "<ocsmanager><![CDATA[</ocsmanager>",
	        "<ocsmanager><!-- -- --></ocsmanager>",
	        "\n<?xml version='1.0'?><ocsmanager/>",
	};

	for (size_t i = 0; i < sizeof(documents) / sizeof(documents[0]); i++)
		refused_document(documents[i], 400, "MALFORMED_XML");
}

TEST(only_utf_8_is_read)
{
	static const char *const bad[] = {"\xff",
	                                  "\xc3",
	                                  "\xc3(",
	                                  "\xc0\x80",
	                                  "\xc1\xbf",
	                                  "\xe0\x80\x80",
	                                  "\xe0\x9f\xbf",
	                                  "\xed\xa0\x80",
	                                  "\xef\xbf\xbf",
	                                  "\xf0\x8f\xbf\xbf",
	                                  "\xf4\x90\x80\x80",
	                                  "\xf8\x88\x80\x80\x80",
	                                  "\xe2\x82",
	                                  "\x80"};
	static const char *const places[] = {
	        NOTE("category='created'", "<backend>%s</backend>"),
	        NOTE("category='created' id='%s'", BODY),
	        "<ocsmanager><x>%s</x></ocsmanager>",
	        "<ocsmanager><x y='%s'/></ocsmanager>",
	        "<ocsmanager><!-- %s --></ocsmanager>",
	        "<ocsmanager><?pi %s?></ocsmanager>",
	        "<ocsmanager><![CDATA[%s]]></ocsmanager>",
	        "<ocsmanager><%s/></ocsmanager>",
	};
	static const char utf16[] = "\xff\xfe<\0o\0c\0s\0m\0a\0n\0a\0g\0e\0r\0/\0>\0";

	for (size_t place = 0; place < sizeof(places) / sizeof(places[0]); place++) {
		for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
			char *text = talloc_asprintf(ctx, places[place], bad[i]);
#pragma GCC diagnostic pop
			refused_document(text, 400, "MALFORMED_XML");
		}
	}
	ck_assert_ptr_null(read_bytes(utf16, sizeof(utf16) - 1, false));
	ck_assert_str_eq(refusal.name, "MALFORMED_XML");
	ck_assert_ptr_null(read_bytes("<ocsmanager/>\0", 14, false));
	ck_assert_str_eq(refusal.name, "MALFORMED_XML");
	refused_document("<?xml version='1.0' encoding='iso-8859-1'?><ocsmanager>\xe9</ocsmanager>",
	                 400, "MALFORMED_XML");
	refused_document("<?xml version='1.0' encoding='utf-16'?><ocsmanager/>", 400,
	                 "MALFORMED_XML");
	refused_document("<?xml version='1.0' encoding='nonsense'?><ocsmanager/>", 400,
	                 "MALFORMED_XML");
	read_one("\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"UTF-8\" standalone='yes'?>" NOTE(
	        "category='created'", BODY));
}

TEST(utf_8_and_ascii_may_be_declared_by_any_of_their_names)
{
	static const char *const names[] = {"utf-8",    "UTF-8", "utf8",  "UTF8",          "Utf8",
	                                    "us-ascii", "ascii", "ASCII", "ANSI_X3.4-1968"};
	static const char *const others[] = {"utf-7",  "utf",    "utf-88", "latin1", "iso-8859-15",
	                                     "cp1252", "EBCDIC", "a",      "UTF-16"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		read_one(talloc_asprintf(
		        ctx,
		        "<?xml version='1.0' encoding=\"%s\"?>" NOTE("category='created'", BODY),
		        names[i]));
		read_one(talloc_asprintf(
		        ctx,
		        "<?xml version='1.0' encoding = '%s' ?>\n" NOTE(
		                "category='created'", BODY "<messageID>&#x20ac;</messageID>"),
		        names[i]));
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		refused_document(talloc_asprintf(ctx,
		                                 "<?xml version='1.0' encoding='%s'?>" NOTE(
		                                         "category='created'", BODY),
		                                 others[i]),
		                 400, "MALFORMED_XML");
	/* The bytes must be what is declared, and what is read is never converted. */
	ck_assert_str_eq(
	        read_one("<?xml version='1.0' encoding='utf8'?>" NOTE(
	                         "category='created'", BODY "<messageID>\xe2\x82\xac</messageID>"))
	                ->message_id,
	        "\xe2\x82\xac");
	refused_document("<?xml version='1.0' encoding='us-ascii'?>" NOTE(
	                         "category='created'", BODY "<messageID>\xe2\x82\xac</messageID>"),
	                 400, "MALFORMED_XML");
	refused_document("<?xml version='1.0' encoding='utf8'?>" NOTE(
	                         "category='created'", BODY "<messageID>\xe9</messageID>"),
	                 400, "MALFORMED_XML");
	refused_document("<?xml version='1.0' encoding=''?><ocsmanager/>", 400, "MALFORMED_XML");
	refused_document("<?xml version='1.0' encoding='utf8?><ocsmanager/>", 400, "MALFORMED_XML");
	refused_document("\x4c\x6f\xa7\x94\x93", 400, "MALFORMED_XML"); /* EBCDIC's <?xm */
}

TEST(a_name_is_exact_where_xml_space_says_so)
{
	const struct ocs_notification *item = read_one(
	        NOTE("category='moved' xml:space='preserve'",
	             "\n  <backend>\n sogo </backend><username> j doe </username><folder> Work  "
	             "</folder>"
	             "<messageID> 1 </messageID><oldFolder>  "
	             "</oldFolder><oldMessageID>a&#x7f;&#x80;&#x9f;b"
	             "</oldMessageID><total> 7 </total><messageClass> IPM.Note </messageClass>\n"));

	ck_assert_str_eq(item->backend, "sogo");
	ck_assert_str_eq(item->backend_user, " j doe ");
	ck_assert_str_eq(item->folder, " Work  ");
	ck_assert_str_eq(item->message_id, " 1 ");
	ck_assert_str_eq(item->old_folder, "  ");
	ck_assert_str_eq(item->old_message_id, "a\x7f\xc2\x80\xc2\x9f"
	                                       "b");
	ck_assert_uint_eq(item->total, 7);
	ck_assert_str_eq(item->message_class, "IPM.Note");
}

TEST(xml_space_is_inherited_and_can_be_taken_back)
{
	const struct ocs_notification *item =
	        read_one("<ocsmanager xml:space='preserve'><token> T </token><notification "
	                 "category='created'>"
	                 "<backend>b</backend><username xml:space='default'> u "
	                 "</username><folder><![CDATA[ f ]]>"
	                 "</folder><messageID xml:space='preserve'>1 <x xml:space='default'> </x> "
	                 "</messageID>"
	                 "</notification></ocsmanager>");
	struct ocs_xml_notifications *out = read_text(
	        "<ocsmanager xml:space='preserve'><token> T </token><notification "
	        "category='created' "
	        "xml:space='default'><backend>b</backend><username>u</username><folder> f </folder>"
	        "</notification><notification category='created'><backend>b</backend><username>u"
	        "</username><folder> f </folder></notification></ocsmanager>");

	ck_assert_str_eq(item->backend_user, "u");
	ck_assert_str_eq(item->folder, " f ");
	ck_assert_str_eq(item->message_id, "1  ");
	ck_assert_ptr_nonnull(out);
	ck_assert_str_eq(out->token, "T");
	ck_assert_str_eq(out->items[0].folder, "f");
	ck_assert_str_eq(out->items[1].folder, " f ");
	/* Another attribute of that name is none of XML's. */
	ck_assert_str_eq(
	        read_one("<ocsmanager xmlns:q='urn:q'><notification category='created' "
	                 "q:space='preserve' space='preserve'><backend>b</backend><username>u"
	                 "</username><folder> f </folder></notification></ocsmanager>")
	                ->folder,
	        "f");
	refused_document(NOTE("category='created' xml:space='preserved'", BODY), 400,
	                 "MALFORMED_REQUEST");
	refused_document("<ocsmanager><x xml:space=''/></ocsmanager>", 400, "MALFORMED_REQUEST");
}

TEST(an_exact_name_has_its_rules_too)
{
	static const char *const bad[] = {"", "a&#9;", "&#10;a", "\n a", "a&#13;"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		refused_item(talloc_asprintf(ctx,
		                             NOTE("category='created' xml:space='preserve'",
		                                  BODY "<messageID>%s</messageID>"),
		                             bad[i]),
		             "INVALID_PARAMETER");
	refused_item(NOTE("category='created' xml:space='preserve' id='a&#127;'", BODY),
	             "INVALID_PARAMETER");
	refused_item(NOTE("category='created' xml:space='preserve'",
	                  BODY "<messageClass>a&#127;</messageClass>"),
	             "INVALID_PARAMETER");
}

TEST(a_folder_has_no_empty_level)
{
	static const char *const bad[] = {"/", "//", "/INBOX", "INBOX/", "a//b", "/a/", " /a/ "};
	static const char *const good[] = {"a/b", "a/ /b", "INBOX", "a/./..", "\\"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		refused_item(talloc_asprintf(ctx,
		                             NOTE("category='created'",
		                                  "<backend>b</backend><username>u</"
		                                  "username><folder>%s</folder>"),
		                             bad[i]),
		             "INVALID_PARAMETER");
		refused_item(
		        talloc_asprintf(ctx,
		                        NOTE("category='moved'", BODY "<oldFolder>%s</oldFolder>"),
		                        bad[i]),
		        "INVALID_PARAMETER");
	}
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		ck_assert_str_eq(read_one(talloc_asprintf(ctx,
		                                          NOTE("category='moved'",
		                                               BODY "<oldFolder>%s</oldFolder>"),
		                                          good[i]))
		                         ->old_folder,
		                 good[i]);
}

TEST(a_document_cut_anywhere_is_refused)
{
	static const char whole[] = "<?xml version='1.0' encoding='utf-8'?>\n" NOTE(
	        "category='moved' id='a&amp;b'",
	        BODY ID "<oldFolder><![CDATA[\xe2\x82\xac]]></oldFolder><!-- c --><oldMessageID>1"
	                "</oldMessageID>");

	read_one(whole);
	for (size_t len = 0; len < sizeof(whole) - 1; len++) {
		ck_assert_msg(read_bytes(whole, len, false) == NULL, "accepted at %zu bytes", len);
		ck_assert_str_eq(refusal.name, "MALFORMED_XML");
	}
}

TEST(no_changed_byte_harms)
{
	char text[] = NOTE("category='moved' id='a&amp;b'",
	                   BODY ID "<oldFolder><![CDATA[\xe2\x82\xac]]></oldFolder><!-- c -->");

	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		char kept = text[i];

		for (int byte = 0; byte < 256; byte++) {
			text[i] = (char)byte;
			talloc_free(read_bytes(text, sizeof(text) - 1, false));
		}
		text[i] = kept;
	}
}

TEST(a_parser_is_good_after_any_document_and_forgets_names)
{
	for (int i = 0; i < 5000; i++) {
		char *text = talloc_asprintf(ctx, "<ocsmanager><n%d/>", i);

		talloc_free(read_text(text));
		text = talloc_asprintf(ctx, "%s</ocsmanager>", text);
		ck_assert_ptr_nonnull(read_text(text));
		read_one(NOTE("category='created'", BODY));
	}
}

static struct ocs_xml_auth *read_auth(const char *text)
{
	struct ocs_xml_auth *out = NULL;
	size_t len = strlen(text);
	char *copy = malloc(len + 1);

	ck_assert_ptr_nonnull(copy);
	memcpy(copy, text, len);
	if (ocs_xml_read_auth(ctx, copy, len, &out, &refusal) != 0)
		out = NULL;
	free(copy);
	return out;
}

TEST(the_steps_of_a_login_are_read)
{
	struct ocs_xml_auth *auth =
	        read_auth("<?xml version='1.0' encoding='utf-8'?>\n"
	                  "<ocsmanager><login> openchange </login></ocsmanager>");

	ck_assert_ptr_nonnull(auth);
	ck_assert_str_eq(auth->login, "openchange");
	ck_assert(auth->token == NULL && auth->sasl == NULL && !auth->has_sasl);
	auth = read_auth("<ocsmanager><token>00ff</token></ocsmanager>");
	ck_assert_ptr_nonnull(auth);
	ck_assert_str_eq(auth->token, "00ff");
	auth = read_auth(
	        "<ocsmanager><sasl mechanism=\"SCRAM-SHA-256\">bixuPXU=</sasl></ocsmanager>");
	ck_assert_ptr_nonnull(auth);
	ck_assert_str_eq(auth->sasl, "bixuPXU=");
	ck_assert_str_eq(auth->mechanism, "SCRAM-SHA-256");
	auth = read_auth("<ocsmanager><sasl/></ocsmanager>");
	ck_assert_ptr_nonnull(auth);
	ck_assert(auth->has_sasl && auth->sasl == NULL && auth->mechanism == NULL);
	auth = read_auth(
	        "<ocsmanager><sasl mechanism='PLAINPLAINPLAINPLAINPLAIN'>x</sasl></ocsmanager>");
	ck_assert_ptr_nonnull(auth);
	ck_assert_str_eq(auth->mechanism, "");
	auth = read_auth("<ocsmanager/>");
	ck_assert_ptr_nonnull(auth);
	ck_assert(auth->login == NULL && auth->token == NULL && !auth->has_sasl);
}

TEST(a_login_with_an_element_twice_is_refused)
{
	ck_assert_ptr_null(read_auth("<ocsmanager><login>a</login><login>b</login></ocsmanager>"));
	ck_assert_int_eq(refusal.code, 422);
	ck_assert_str_eq(refusal.name, "INVALID_PARAMETER");
	ck_assert_ptr_null(read_auth("<ocsmanager><sasl/><sasl>b</sasl></ocsmanager>"));
	ck_assert_ptr_null(read_auth("<ocsmanager><login>a</login>"));
	ck_assert_str_eq(refusal.name, "MALFORMED_XML");
}

static void written(struct ocs_xml_writer *writer, const char *content)
{
	char *expected = talloc_asprintf(
	        ctx, "<?xml version='1.0' encoding='utf-8'?>\n<ocsmanager>%s</ocsmanager>\n",
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
		struct ocs_notification what = {.category = OCS_MOVED, .backend = "b", .id = "i"},
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
		read = read_one(talloc_strndup(ctx, writer.data, writer.len));
		ck_assert_str_eq(read->backend_user, what.backend_user);
		ck_assert_str_eq(read->folder, what.folder);
		ck_assert_str_eq(read->message_id, what.message_id);
		ck_assert_str_eq(read->old_folder, what.old_folder);
		ck_assert_str_eq(read->old_message_id, what.old_message_id);
		ck_assert_str_eq(read->guid, what.guid);
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
	char *expected = talloc_strdup(ctx, "");

	ocs_xml_begin(&writer);
	for (int i = 0; i < 3000; i++) {
		ocs_xml_text(&writer, "abc&");
		expected = talloc_strdup_append(expected, "abc&amp;");
	}
	written(&writer, expected);
}
