/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The form in which nearly all notifications come (xml/xml_common.h): that it is read without the
 * parser, that nothing else is, and that both ways read the same. */
#include "tests/unit/xml/xml_rig.h"

#include <dlfcn.h>
#include <libxml/parser.h>

static unsigned parsed; /* documents that the parser was given */

xmlDocPtr xmlCtxtReadMemory(xmlParserCtxtPtr parser, const char *data, int len, const char *url,
                            const char *encoding, int options)
{
	xmlDocPtr (*real)(xmlParserCtxtPtr, const char *, int, const char *, const char *, int) =
	        (xmlDocPtr(*)(xmlParserCtxtPtr, const char *, int, const char *, const char *,
	                      int))dlsym(RTLD_NEXT, "xmlCtxtReadMemory");

	parsed++;
	return real(parser, data, len, url, encoding, options);
}

TESTS_HAVE(.setup = xml_setup, .teardown = xml_teardown);

/* All that was read, as a text. */
static const char *read_out(const char *document)
{
	struct ocs_xml_notifications *out = xml_read_text(document);
	struct ocs_xml_writer writer = {0};
	char *text;

	if (out == NULL)
		return talloc_asprintf(xml_memory, "%d %s", xml_refusal.code, xml_refusal.name);
	if (out->refused)
		ocs_xml_error(&writer, &out->refusal);
	ocs_xml_element(&writer, "token", out->token == NULL ? "(none)" : out->token);
	ocs_xml_element(&writer, "except",
	                out->except_session == NULL ? "(none)" : out->except_session);
	for (size_t i = 0; i < out->count; i++) {
		if (out->results[i].status != OCS_STATUS_REFUSED)
			ocs_xml_notification(&writer, &out->items[i]);
		ocs_xml_result(&writer, out->items[i].id, &out->results[i]);
		ocs_xml_number(&writer, out->results[i].queues);
	}
	ck_assert(!writer.failed);
	text = talloc_strndup(xml_memory, writer.data, writer.len);
	free(writer.data);
	return text;
}

/* With a comment behind it a document is the same, but of another form. Whether it was read without
 * the parser. */
static bool read_both(const char *document)
{
	unsigned before = parsed;
	const char *first = read_out(document), *second;
	bool common = parsed == before && first[0] == '<';

	second = read_out(talloc_asprintf(xml_memory, "%s<!---->", document));
	ck_assert_msg(strcmp(first, second) == 0, "%.300s:\n%s\n%s", document, first, second);
	return common;
}

#define NOTE "<notification category='modified'>" XML_BODY XML_ID "</notification>"
#define IN_FOLDER                                                                                  \
	"<notification category='created'><backend>b</backend><username>u</username><folder>"
#define FOLDER(text) "<ocsmanager>" IN_FOLDER text "</folder></notification></ocsmanager>"

TEST(the_common_form_is_read_without_the_parser)
{
	static const char *const documents[] = {
	        "<ocsmanager><token>T</token>" NOTE "</ocsmanager>",
	        "<ocsmanager>" NOTE NOTE NOTE NOTE "<token>T</token></ocsmanager>",
	        "<?xml version='1.0' encoding='utf-8'?>\n<ocsmanager>" NOTE "</ocsmanager>\n",
	        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<ocsmanager>\r\n\t<token> T\n "
	        "</token>\r\n " NOTE "\r\n</ocsmanager>\r\n\r\n",
	        "<ocsmanager><exceptSession>1</exceptSession>" NOTE "</ocsmanager>",
	        "<ocsmanager><notification category=\"moved\" id='a=\xc3\xa4%7f'\n>" XML_BODY
	        "<oldFolder>A</oldFolder><total>1</total><unread>2</unread><uidValidity>3"
	        "</uidValidity><messageClass>IPM</messageClass><messageFlags>4</messageFlags>"
	        "<guid>g</guid></notification></ocsmanager>",
	        "<ocsmanager><notification  id=''  category='deleted'  >" XML_BODY
	        "</notification></ocsmanager>",
	        FOLDER("Entw\xc3\xbcrfe/\xe2\x82\xac/\xf0\x9f\x93\xa7"),
	        FOLDER("\n a b\tc \"d\" 'e' /=? \t"),
	        FOLDER("a\x7f"),
	        FOLDER("a\xc2\x85"),
	        FOLDER(""),
	        FOLDER(" \n "),
	        FOLDER("a]]b"),
	        /* refused by the rules of a notification or a request, not for their form */
	        "<ocsmanager></ocsmanager>",
	        "<ocsmanager><token>T</token><token>T</token>" NOTE "</ocsmanager>",
	        "<ocsmanager><exceptSession>1</exceptSession><exceptSession>1</exceptSession>" NOTE
	        "</ocsmanager>",
	        "<ocsmanager><notification category='no'>" XML_BODY "</notification></ocsmanager>",
	        "<ocsmanager><notification id='x'>" XML_BODY "</notification></ocsmanager>",
	        "<ocsmanager><notification>" XML_BODY "</notification></ocsmanager>",
	        "<ocsmanager><notification category='modified'>" XML_BODY XML_ID XML_ID
	        "</notification></ocsmanager>",
	        "<ocsmanager><notification category='modified'></notification></ocsmanager>",
	};

	for (size_t i = 0; i < sizeof(documents) / sizeof(documents[0]); i++)
		ck_assert_msg(read_both(documents[i]), "went to the parser: %.300s", documents[i]);
	ck_assert_uint_eq(parsed, sizeof(documents) / sizeof(documents[0]));
}

TEST(every_other_form_is_left_to_the_parser)
{
	static const char *const documents[] = {
	        "<ocsmanager>",
	        "<ocsmanager>" NOTE,
	        "<ocsmanager>" NOTE "</ocsmanager",
	        "<ocsmanager>" NOTE "</ocsmanager>x",
	        "<ocsmanager>" NOTE "</ocsmanager><ocsmanager/>",
	        "<ocsmanager>" NOTE NOTE NOTE NOTE NOTE "</ocsmanager>", /* too many */
	        " <ocsmanager>" NOTE "</ocsmanager>",
	        "\xef\xbb\xbf<ocsmanager>" NOTE "</ocsmanager>",
	        "<?xml version='1.0'?><ocsmanager>" NOTE "</ocsmanager>",
	        "<?xml version='1.0' encoding='latin1'?><ocsmanager>" NOTE "</ocsmanager>",
	        " <?xml version='1.0' encoding='utf-8'?><ocsmanager>" NOTE "</ocsmanager>",
	        "<?xml version='1.0' encoding='utf-8'?><?xml version='1.0' encoding='utf-8'?>"
	        "<ocsmanager>" NOTE "</ocsmanager>",
	        "<ocsmanager a='b'>" NOTE "</ocsmanager>",
	        "<ocsmanager >" NOTE "</ocsmanager>",
	        "<ocsmanager xmlns='x'>" NOTE "</ocsmanager>",
	        "<other>" NOTE "</other>",
	        "<ocsmanager>x" NOTE "</ocsmanager>",
	        "<ocsmanager><token/>" NOTE "</ocsmanager>",
	        "<ocsmanager><login>x</login>" NOTE "</ocsmanager>",
	        "<ocsmanager><token>T</tokens>" NOTE "</ocsmanager>",
	        "<ocsmanager><token>T<token></token></token>" NOTE "</ocsmanager>",
	        "<ocsmanager><token x='y'>T</token>" NOTE "</ocsmanager>",
	        "<ocsmanager><notifications></notifications>" NOTE "</ocsmanager>",
	        "<ocsmanager><notification/></ocsmanager>",
	        "<ocsmanager><notification category='created' category='created'>" XML_BODY
	        "</notification></ocsmanager>",
	        "<ocsmanager><notification category='created' other='x'>" XML_BODY
	        "</notification></ocsmanager>",
	        "<ocsmanager><notification category='created' idx='x'>" XML_BODY
	        "</notification></ocsmanager>",
	        "<ocsmanager><notification category='created'id='x'>" XML_BODY
	        "</notification></ocsmanager>",
	        "<ocsmanager><notification category='created' id='<'>" XML_BODY
	        "</notification></ocsmanager>",
	        "<ocsmanager><notification category='created' id='a&amp;b'>" XML_BODY
	        "</notification></ocsmanager>",
	        "<ocsmanager><notification category='created' id='a\tb\nc'>" XML_BODY
	        "</notification></ocsmanager>",
	        "<ocsmanager><notification category='created' id=x>" XML_BODY
	        "</notification></ocsmanager>",
	        "<ocsmanager><notification category='created' id='x\">" XML_BODY
	        "</notification></ocsmanager>",
	        "<ocsmanager><notification category='created' id='x' xml:space='preserve'>" XML_BODY
	        "</notification></ocsmanager>",
	        "<ocsmanager><notification category='created'>" XML_BODY
	        "<messageID xml:space='preserve'> 1 </messageID></notification></ocsmanager>",
	        "<ocsmanager><notification category='created'>" XML_BODY
	        "<x>1</x></notification></ocsmanager>",
	        "<ocsmanager><notification category='created'>" XML_BODY
	        "x</notification></ocsmanager>",
	        "<ocsmanager><notification category='created'>" XML_BODY
	        "<messageID>1</messageid></notification></ocsmanager>",
	        "<ocsmanager><notification category='created'>" XML_BODY
	        "<q:guid>1</q:guid></notification></ocsmanager>",
	        "<ocsmanager><notification category='created'>" XML_BODY "</ocsmanager>",
	        FOLDER("a&amp;b"),
	        FOLDER("a&#x20ac;b"),
	        FOLDER("a&unknown;b"),
	        FOLDER("a&b"),
	        FOLDER("<![CDATA[a]]>"),
	        FOLDER("a<!-- b -->"),
	        FOLDER("a<?pi?>"),
	        FOLDER("a]]>b"),
	        FOLDER("a>b"),
	        FOLDER("a\rb"),
	        FOLDER("a\x01"),
	        FOLDER("a\x1f"),
	        FOLDER("\x80"),
	        FOLDER("\xc3"),
	        FOLDER("\xc0\xaf"),
	        FOLDER("\xed\xa0\x80"),
	        FOLDER("\xef\xbf\xbe"),
	        FOLDER("\xef\xbf\xbf"),
	        FOLDER("\xf4\x90\x80\x80"),
	        FOLDER("\xff"),
	};

	for (size_t i = 0; i < sizeof(documents) / sizeof(documents[0]); i++)
		ck_assert_msg(!read_both(documents[i]), "was read: %.300s", documents[i]);
}

TEST(every_byte_in_every_place_is_read_alike)
{
	static const char document[] =
	        "<?xml version='1.0' encoding='utf-8'?>\n<ocsmanager><token>T</token>"
	        "<notification category='moved' id='1'><backend>b</backend>\n<username>\xc3\xa4"
	        "</username><folder>f</folder><oldFolder>o</oldFolder></notification>"
	        "</ocsmanager>\n";
	char *bent = talloc_strdup(xml_memory, document);
	unsigned common = 0;

	for (size_t i = 0; i < sizeof(document) - 1; i++) {
		for (unsigned byte = 1; byte < 256; byte++) {
			void *all = xml_memory;

			xml_memory = talloc_new(all);
			bent[i] = (char)byte;
			common += read_both(bent);
			talloc_free(xml_memory);
			xml_memory = all;
		}
		bent[i] = document[i];
	}
	ck_assert_uint_gt(common, sizeof(document)); /* the unbent one alone is so many */
}

TEST(a_document_with_a_nul_or_cut_is_refused)
{
	static const char document[] = "<ocsmanager><token>T</token>" NOTE "</ocsmanager>";
	char bent[sizeof(document)];

	ck_assert_ptr_nonnull(xml_read_text(document));
	for (size_t i = 0; i < sizeof(document) - 1; i++) {
		ck_assert_ptr_null(xml_read_bytes(document, i, false));
		memcpy(bent, document, sizeof(document));
		bent[i] = '\0';
		ck_assert_ptr_null(xml_read_bytes(bent, sizeof(document) - 1, false));
	}
	/* the NUL behind it is ours */
	ck_assert_ptr_null(xml_read_bytes(document, sizeof(document), false));
}

TEST(no_body_at_all_is_refused)
{
	struct ocs_xml_notifications *out;

	ck_assert_int_eq(ocs_xml_read_notifications(xml_memory, NULL, 0, XML_BATCH, false, &out,
	                                            &xml_refusal),
	                 -1);
	ck_assert_str_eq(xml_refusal.name, "MALFORMED_XML");
}

TEST(too_many_elements_are_refused_in_this_form_too)
{
	char *text = talloc_strdup(xml_memory, "<ocsmanager><notification category='created'>");

	for (int i = 0; i < 64 + 32 * XML_BATCH; i++)
		text = talloc_strdup_append(text, "<total>1</total>");
	xml_refused_document(talloc_asprintf(xml_memory, "%s</notification></ocsmanager>", text),
	                     400, "FORBIDDEN_XML");
}

TEST(what_is_left_to_the_parser_forgets_what_was_read)
{
	struct ocs_xml_notifications *out = xml_read_text(
	        "<ocsmanager><token>T</token><notification category='moved' id='one'>" XML_BODY
	        "<oldFolder>x</oldFolder><total>3</total></notification><notification "
	        "category='no'><guid>g</guid></notification><!-- --></ocsmanager>");

	ck_assert_ptr_nonnull(out);
	ck_assert(!out->refused);
	ck_assert_str_eq(out->token, "T");
	ck_assert_uint_eq(out->count, 2);
	ck_assert_str_eq(out->items[0].id, "one");
	ck_assert_ptr_null(out->items[1].id);
	ck_assert(!out->items[1].has_total);
	ck_assert_int_eq(out->results[0].status, OCS_STATUS_QUEUED);
	ck_assert_str_eq(out->results[1].refusal.name, "UNKNOWN_CATEGORY");
}
