/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Which documents are read at all: form, size, nesting, encoding, damage. */
#include "tests/unit/xml/xml_rig.h"

TESTS_HAVE(.setup = xml_setup, .teardown = xml_teardown);

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
		xml_refused_document(documents[i], 400, "FORBIDDEN_XML");
}

TEST(nesting_ends_at_level_eight)
{
	xml_read_one("<ocsmanager><a><b><c><d><e><f><g/></f></e></d></c></b></a>"
	             "<notification category='created'>" XML_BODY "</notification></ocsmanager>");
	xml_refused_document("<ocsmanager><a><b><c><d><e><f><g><h/></g></f></e></d></c></b></a>"
	                     "</ocsmanager>",
	                     400, "FORBIDDEN_XML");
}

TEST(elements_and_attributes_are_counted)
{
	char *many = talloc_strdup(xml_memory, "<ocsmanager><a");
	char *elements = talloc_strdup(xml_memory, "<ocsmanager>");

	for (int i = 0; i < 32; i++)
		many = talloc_asprintf_append(many, " a%d='>'", i);
	xml_read_one(talloc_asprintf(xml_memory,
	                             "%s/><!-- <%s --><notification category='created'>" XML_BODY
	                             "<messageID><![CDATA[<=%s]]></messageID></notification>"
	                             "</ocsmanager>",
	                             many, "================================================",
	                             "================================================"));
	xml_refused_document(talloc_asprintf(xml_memory, "%s a33=''/></ocsmanager>", many), 400,
	                     "FORBIDDEN_XML");
	xml_refused_document(talloc_asprintf(xml_memory, "%s xmlns:b='x'/></ocsmanager>", many),
	                     400, "FORBIDDEN_XML");
	for (int i = 0; i < 64 + 32 * XML_BATCH; i++)
		elements = talloc_strdup_append(elements, "<a/>");
	xml_refused_document(talloc_asprintf(xml_memory, "%s</ocsmanager>", elements), 400,
	                     "FORBIDDEN_XML");
}

TEST(another_root_is_refused)
{
	xml_refused_document("<ocsmanagerx/>", 400, "MALFORMED_REQUEST");
	xml_refused_document("<OCSManager/>", 400, "MALFORMED_REQUEST");
	xml_refused_document("<ocsmanager xmlns='urn:x'/>", 400, "MALFORMED_REQUEST");
	xml_refused_document("<q:ocsmanager xmlns:q='urn:x'/>", 400, "MALFORMED_REQUEST");
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
		xml_refused_document(documents[i], 400, "MALFORMED_XML");
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
	        XML_NOTE("category='created'", "<backend>%s</backend>"),
	        XML_NOTE("category='created' id='%s'", XML_BODY),
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
			char *text = talloc_asprintf(xml_memory, places[place], bad[i]);
#pragma GCC diagnostic pop
			xml_refused_document(text, 400, "MALFORMED_XML");
		}
	}
	ck_assert_ptr_null(xml_read_bytes(utf16, sizeof(utf16) - 1, false));
	ck_assert_str_eq(xml_refusal.name, "MALFORMED_XML");
	ck_assert_ptr_null(xml_read_bytes("<ocsmanager/>\0", 14, false));
	ck_assert_str_eq(xml_refusal.name, "MALFORMED_XML");
	xml_refused_document(
	        "<?xml version='1.0' encoding='iso-8859-1'?><ocsmanager>\xe9</ocsmanager>", 400,
	        "MALFORMED_XML");
	xml_refused_document("<?xml version='1.0' encoding='utf-16'?><ocsmanager/>", 400,
	                     "MALFORMED_XML");
	xml_refused_document("<?xml version='1.0' encoding='nonsense'?><ocsmanager/>", 400,
	                     "MALFORMED_XML");
	xml_read_one(
	        "\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"UTF-8\" standalone='yes'?>" XML_NOTE(
	                "category='created'", XML_BODY));
}

TEST(utf_8_and_ascii_may_be_declared_by_any_of_their_names)
{
	static const char *const names[] = {"utf-8",    "UTF-8", "utf8",  "UTF8",          "Utf8",
	                                    "us-ascii", "ascii", "ASCII", "ANSI_X3.4-1968"};
	static const char *const others[] = {"utf-7",  "utf",    "utf-88", "latin1", "iso-8859-15",
	                                     "cp1252", "EBCDIC", "a",      "UTF-16"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		xml_read_one(talloc_asprintf(xml_memory,
		                             "<?xml version='1.0' encoding=\"%s\"?>" XML_NOTE(
		                                     "category='created'", XML_BODY),
		                             names[i]));
		xml_read_one(talloc_asprintf(
		        xml_memory,
		        "<?xml version='1.0' encoding = '%s' ?>\n" XML_NOTE(
		                "category='created'", XML_BODY "<messageID>&#x20ac;</messageID>"),
		        names[i]));
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		xml_refused_document(talloc_asprintf(xml_memory,
		                                     "<?xml version='1.0' encoding='%s'?>" XML_NOTE(
		                                             "category='created'", XML_BODY),
		                                     others[i]),
		                     400, "MALFORMED_XML");
	/* The bytes must be what is declared, and what is read is never converted. */
	ck_assert_str_eq(xml_read_one("<?xml version='1.0' encoding='utf8'?>" XML_NOTE(
	                                      "category='created'",
	                                      XML_BODY "<messageID>\xe2\x82\xac</messageID>"))
	                         ->message_id,
	                 "\xe2\x82\xac");
	xml_refused_document(
	        "<?xml version='1.0' encoding='us-ascii'?>" XML_NOTE(
	                "category='created'", XML_BODY "<messageID>\xe2\x82\xac</messageID>"),
	        400, "MALFORMED_XML");
	xml_refused_document("<?xml version='1.0' encoding='utf8'?>" XML_NOTE(
	                             "category='created'", XML_BODY "<messageID>\xe9</messageID>"),
	                     400, "MALFORMED_XML");
	xml_refused_document("<?xml version='1.0' encoding=''?><ocsmanager/>", 400,
	                     "MALFORMED_XML");
	xml_refused_document("<?xml version='1.0' encoding='utf8?><ocsmanager/>", 400,
	                     "MALFORMED_XML");
	xml_refused_document("\x4c\x6f\xa7\x94\x93", 400, "MALFORMED_XML"); /* EBCDIC's <?xm */
}

TEST(a_document_cut_anywhere_is_refused)
{
	static const char whole[] = "<?xml version='1.0' encoding='utf-8'?>\n" XML_NOTE(
	        "category='moved' id='a&amp;b'", XML_BODY XML_ID
	        "<oldFolder><![CDATA[\xe2\x82\xac]]></oldFolder><!-- c --><oldMessageID>1"
	        "</oldMessageID>");

	xml_read_one(whole);
	for (size_t len = 0; len < sizeof(whole) - 1; len++) {
		ck_assert_msg(xml_read_bytes(whole, len, false) == NULL, "accepted at %zu bytes",
		              len);
		ck_assert_str_eq(xml_refusal.name, "MALFORMED_XML");
	}
}

TEST(no_changed_byte_harms)
{
	char text[] = XML_NOTE("category='moved' id='a&amp;b'", XML_BODY XML_ID
	                       "<oldFolder><![CDATA[\xe2\x82\xac]]></oldFolder><!-- c -->");

	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		char kept = text[i];

		for (int byte = 0; byte < 256; byte++) {
			text[i] = (char)byte;
			talloc_free(xml_read_bytes(text, sizeof(text) - 1, false));
		}
		text[i] = kept;
	}
}

TEST(a_parser_is_good_after_any_document_and_forgets_names)
{
	for (int i = 0; i < 5000; i++) {
		char *text = talloc_asprintf(xml_memory, "<ocsmanager><n%d/>", i);

		talloc_free(xml_read_text(text));
		text = talloc_asprintf(xml_memory, "%s</ocsmanager>", text);
		ck_assert_ptr_nonnull(xml_read_text(text));
		xml_read_one(XML_NOTE("category='created'", XML_BODY));
	}
}
