/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Names that are exact (xml:space), and the levels of a folder. */
#include "tests/unit/xml/xml_rig.h"

TESTS_HAVE(.setup = xml_setup, .teardown = xml_teardown);

TEST(a_name_is_exact_where_xml_space_says_so)
{
	const struct ocs_notification *item = xml_read_one(XML_NOTE(
	        "category='moved' xml:space='preserve'",
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
	const struct ocs_notification *item = xml_read_one(
	        "<ocsmanager xml:space='preserve'><token> T </token><notification "
	        "category='created'>"
	        "<backend>b</backend><username xml:space='default'> u "
	        "</username><folder><![CDATA[ f ]]>"
	        "</folder><messageID xml:space='preserve'>1 <x xml:space='default'> </x> "
	        "</messageID>"
	        "</notification></ocsmanager>");
	struct ocs_xml_notifications *out = xml_read_text(
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
	        xml_read_one("<ocsmanager xmlns:q='urn:q'><notification category='created' "
	                     "q:space='preserve' space='preserve'><backend>b</backend><username>u"
	                     "</username><folder> f </folder></notification></ocsmanager>")
	                ->folder,
	        "f");
	xml_refused_document(XML_NOTE("category='created' xml:space='preserved'", XML_BODY), 400,
	                     "MALFORMED_REQUEST");
	xml_refused_document("<ocsmanager><x xml:space=''/></ocsmanager>", 400,
	                     "MALFORMED_REQUEST");
}

TEST(an_exact_name_has_its_rules_too)
{
	static const char *const bad[] = {"", "a&#9;", "&#10;a", "\n a", "a&#13;"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		xml_refused_item(talloc_asprintf(xml_memory,
		                                 XML_NOTE("category='created' xml:space='preserve'",
		                                          XML_BODY "<messageID>%s</messageID>"),
		                                 bad[i]),
		                 "INVALID_PARAMETER");
	xml_refused_item(XML_NOTE("category='created' xml:space='preserve' id='a&#127;'", XML_BODY),
	                 "INVALID_PARAMETER");
	xml_refused_item(XML_NOTE("category='created' xml:space='preserve'",
	                          XML_BODY "<messageClass>a&#127;</messageClass>"),
	                 "INVALID_PARAMETER");
}

TEST(a_folder_has_no_empty_level)
{
	static const char *const bad[] = {"/", "//", "/INBOX", "INBOX/", "a//b", "/a/", " /a/ "};
	static const char *const good[] = {"a/b", "a/ /b", "INBOX", "a/./..", "\\"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		xml_refused_item(talloc_asprintf(xml_memory,
		                                 XML_NOTE("category='created'",
		                                          "<backend>b</backend><username>u</"
		                                          "username><folder>%s</folder>"),
		                                 bad[i]),
		                 "INVALID_PARAMETER");
		xml_refused_item(talloc_asprintf(xml_memory,
		                                 XML_NOTE("category='moved'",
		                                          XML_BODY "<oldFolder>%s</oldFolder>"),
		                                 bad[i]),
		                 "INVALID_PARAMETER");
	}
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		ck_assert_str_eq(xml_read_one(talloc_asprintf(xml_memory,
		                                              XML_NOTE("category='moved'", XML_BODY
		                                                       "<oldFolder>%s</oldFolder>"),
		                                              good[i]))
		                         ->old_folder,
		                 good[i]);
}
