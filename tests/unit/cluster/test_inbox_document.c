/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The bodies that the ingest queue takes: which type is which, the JSON of the older AMQP plugin,
 * the ids of notifications without one, and which refusals are for ever.
 */
#include "cluster/inbox_internal.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <talloc.h>

#define ITEM                                                                                       \
	"<notification category=\"newmail\"><backend>SoGo</backend><username>jdoe</username>"      \
	"<folder>inbox/x</folder><messageID>1.eml</messageID></notification>"
#define DOCUMENT "<ocsmanager>" ITEM "</ocsmanager>"

static struct ocs_inbox_envelope envelope;
static struct ocs_inbox_input input;
static struct ocs_xml_notifications *document;
static struct ocs_refusal refusal;
static bool sender_ids;

static void setup(void)
{
	memset(&envelope, 0, sizeof(envelope));
	memset(&refusal, 0, sizeof(refusal));
	input = (struct ocs_inbox_input){.envelope = &envelope,
	                                 .json_backend = "Dovecot",
	                                 .json_folders = {.separator = '/'},
	                                 .max_batch = 4};
	document = NULL;
}

static void teardown(void)
{
	talloc_free(document);
}

static int read_bytes(const char *type, const char *body, size_t len)
{
	talloc_free(document);
	envelope.content_type = type != NULL ? amqp_cstring_bytes(type) : amqp_empty_bytes;
	input.body = body;
	input.len = len;
	return ocs_inbox_read_document(NULL, &input, &document, &sender_ids, &refusal);
}

static int read_text(const char *type, const char *body)
{
	return read_bytes(type, body, strlen(body));
}

static void assert_refused(const char *type, const char *body, int code, const char *name,
                           const char *words)
{
	ck_assert_msg(read_text(type, body) == -1, "%s: %s is taken", type, body);
	ck_assert_ptr_null(document);
	ck_assert_int_eq(refusal.code, code);
	ck_assert_str_eq(refusal.name, name);
	ck_assert_msg(strstr(refusal.text, words) != NULL, "'%s' is not in '%s'", words,
	              refusal.text);
}

TESTS_HAVE(.setup = setup, .teardown = teardown);

TEST(xml_is_told_by_its_content_type)
{
	static const char *const types[] = {"text/xml",
	                                    "application/xml",
	                                    "Text/XML; Charset=UTF-8",
	                                    "text/xml;charset=\"utf-8\"",
	                                    "text/xml ; x=y; charset=us-ascii",
	                                    "text/xml;"};

	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
		ck_assert_msg(read_text(types[i], DOCUMENT) == 0, "%s: %s", types[i], refusal.text);
		ck_assert_uint_eq(document->count, 1);
		ck_assert_str_eq(document->items[0].backend, "sogo");
		ck_assert_str_eq(document->items[0].folder, "INBOX/x");
	}
}

TEST(another_type_is_refused_for_ever)
{
	static const char *const types[] = {"text/plain",
	                                    "text/xmlx",
	                                    "xml",
	                                    "text/xml; charset=iso-8859-1",
	                                    "application/json;charset=utf-16",
	                                    ";",
	                                    "application/octet-stream"};

	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
		assert_refused(types[i], DOCUMENT, 415, "UNSUPPORTED_MEDIA_TYPE", types[i]);
	ck_assert(!ocs_inbox_is_transient(&refusal));
}

TEST(a_body_that_is_compressed_is_refused)
{
	envelope.content_encoding = amqp_cstring_bytes("gzip");
	assert_refused("text/xml", DOCUMENT, 415, "UNSUPPORTED_MEDIA_TYPE", "encoding");
	envelope.content_encoding = amqp_cstring_bytes("UTF-8");
	ck_assert_int_eq(read_text("text/xml", DOCUMENT), 0);
}

TEST(without_a_type_the_first_byte_tells)
{
	ck_assert_int_eq(read_text(NULL, " \r\n\t" DOCUMENT), 0);
	ck_assert_int_eq(read_text(NULL, DOCUMENT), 0);
	ck_assert_int_eq(read_text(NULL, "\xef\xbb\xbf" DOCUMENT), 0);
	ck_assert_int_eq(read_text(NULL, "\n {\"user\":\"u\",\"folder\":\"f\",\"uid\":1}"), 0);
	assert_refused(NULL, "hello", 415, "UNSUPPORTED_MEDIA_TYPE", "no content type");
	assert_refused(NULL, "", 415, "UNSUPPORTED_MEDIA_TYPE", "no content type");
	assert_refused(NULL, "  ", 415, "UNSUPPORTED_MEDIA_TYPE", "no content type");
}

TEST(a_token_in_the_document_does_not_matter)
{
	ck_assert_int_eq(read_text("text/xml", "<ocsmanager><token>x</token>" ITEM "</ocsmanager>"),
	                 0);
	ck_assert_uint_eq(document->count, 1);
}

TEST(every_category_is_taken)
{
	ck_assert_int_eq(read_text("text/xml",
	                           "<ocsmanager><notification category=\"created\"><backend>b"
	                           "</backend><username>u</username><folder>f</folder>"
	                           "</notification></ocsmanager>"),
	                 0);
	ck_assert_int_eq(document->items[0].category, OCS_CREATED);
	ck_assert_int_eq(document->results[0].status, OCS_STATUS_QUEUED);
}

TEST(a_batch_past_the_bound_is_refused_as_a_whole)
{
	assert_refused("text/xml", "<ocsmanager>" ITEM ITEM ITEM ITEM ITEM "</ocsmanager>", 422,
	               "BATCH_TOO_LARGE", "too many");
	assert_refused("text/xml", "<ocsmanager/>", 422, "MISSING_PARAMETER", "no notification");
}

TEST(json_becomes_a_new_mail_of_the_configured_backend)
{
	ck_assert_int_eq(read_text("application/json",
	                           "{ \"user\": \" J<o>&\\\"\\u00e4 \", \"folder\": \"inbox\", "
	                           "\"uid\": 4294967295, \"more\": [1] }"),
	                 0);
	ck_assert_uint_eq(document->count, 1);
	ck_assert_int_eq(document->items[0].category, OCS_NEWMAIL);
	ck_assert_str_eq(document->items[0].backend, "dovecot");
	ck_assert_str_eq(document->items[0].backend_user, " J<o>&\"\xc3\xa4 ");
	ck_assert_str_eq(document->items[0].folder, "INBOX");
	ck_assert_str_eq(document->items[0].message_id, "4294967295");
	ck_assert_ptr_null(document->items[0].id);
}

static const struct {
	const char *body, *name, *words;
	int code;
} bad_json[] = {
        {"{", "MALFORMED_REQUEST", "JSON", 400},
        {"[]", "MALFORMED_REQUEST", "JSON", 400},
        {"\"x\"", "MALFORMED_REQUEST", "JSON", 400},
        {"{} x", "MALFORMED_REQUEST", "JSON", 400},
        {"{\"user\":\"u\",\"user\":\"v\",\"folder\":\"f\",\"uid\":1}", "MALFORMED_REQUEST", "JSON",
         400},
        {"{\"user\":\"\xff\",\"folder\":\"f\",\"uid\":1}", "MALFORMED_REQUEST", "JSON", 400},
        {"{\"user\":\"a\\u0000b\",\"folder\":\"f\",\"uid\":1}", "MALFORMED_REQUEST", "JSON", 400},
        {"{}", "MISSING_PARAMETER", "user", 422},
        {"{\"user\":\"u\",\"uid\":1}", "MISSING_PARAMETER", "folder", 422},
        {"{\"user\":\"u\",\"folder\":\"f\"}", "MISSING_PARAMETER", "uid", 422},
        {"{\"user\":1,\"folder\":\"f\",\"uid\":1}", "INVALID_PARAMETER", "user", 422},
        {"{\"user\":\"\",\"folder\":\"f\",\"uid\":1}", "INVALID_PARAMETER", "user", 422},
        {"{\"user\":\"a\\u0007\",\"folder\":\"f\",\"uid\":1}", "INVALID_PARAMETER", "user", 422},
        {"{\"user\":\"a\\uffff\",\"folder\":\"f\",\"uid\":1}", "INVALID_PARAMETER", "user", 422},
        {"{\"user\":\"u\",\"folder\":null,\"uid\":1}", "INVALID_PARAMETER", "folder", 422},
        {"{\"user\":\"u\",\"folder\":\"f\",\"uid\":\"1\"}", "INVALID_PARAMETER", "uid", 422},
        {"{\"user\":\"u\",\"folder\":\"f\",\"uid\":1.0}", "INVALID_PARAMETER", "uid", 422},
        {"{\"user\":\"u\",\"folder\":\"f\",\"uid\":-1}", "INVALID_PARAMETER", "uid", 422},
        {"{\"user\":\"u\",\"folder\":\"f\",\"uid\":4294967296}", "INVALID_PARAMETER", "uid", 422},
        {"{\"user\":\"u\",\"folder\":\"f\",\"uid\":99999999999999999999}", "MALFORMED_REQUEST",
         "JSON", 400},
};

LOOP_TEST(json_that_breaks_a_rule_is_refused, 0, sizeof(bad_json) / sizeof(*bad_json))
{
	assert_refused("application/json", bad_json[_i].body, bad_json[_i].code, bad_json[_i].name,
	               bad_json[_i].words);
}

TEST(names_in_json_are_exact)
{
	ck_assert_int_eq(
	        read_text("application/json",
	                  "{\"user\":\" u \",\"folder\":\" a /b\\u0085\\u007f \",\"uid\":1}"),
	        0);
	ck_assert_int_ne(document->results[0].status, OCS_STATUS_REFUSED);
	ck_assert_str_eq(document->items[0].backend_user, " u ");
	ck_assert_str_eq(document->items[0].folder, " a /b\xc2\x85\x7f ");
}

TEST(a_folder_in_json_is_translated_as_its_backend_says)
{
	static const char body[] = "{\"user\":\"u\",\"folder\":\"inbox.Entw&APw-rfe \",\"uid\":1}";

	ck_assert_int_eq(read_text("application/json", body), 0);
	ck_assert_str_eq(document->items[0].folder, "inbox.Entw&APw-rfe ");
	input.json_folders = (struct ocs_folder_style){.separator = '.', .utf7 = true};
	ck_assert_int_eq(read_text("application/json", body), 0);
	ck_assert_str_eq(document->items[0].folder, "INBOX/Entw\xc3\xbcrfe ");
	assert_refused("application/json", "{\"user\":\"u\",\"folder\":\"Entw&APw\",\"uid\":1}",
	               422, "INVALID_PARAMETER", "UTF-7");
	assert_refused("application/json", "{\"user\":\"u\",\"folder\":\"a/b\",\"uid\":1}", 422,
	               "INVALID_PARAMETER", "separates");
	/* XML says it in our words. */
	ck_assert_int_eq(read_text("text/xml", DOCUMENT), 0);
	ck_assert_str_eq(document->items[0].folder, "INBOX/x");
}

TEST(a_long_name_or_an_empty_level_is_refused)
{
	char body[3000], name[1026];

	memset(name, 'x', 1025);
	name[1025] = '\0';
	snprintf(body, sizeof(body), "{\"user\":\"u\",\"folder\":\"%s\",\"uid\":1}", name);
	assert_refused("application/json", body, 422, "INVALID_PARAMETER", "folder");
	assert_refused("application/json", "{\"user\":\"u\",\"folder\":\"a//b\",\"uid\":1}", 422,
	               "INVALID_PARAMETER", "empty level");
}

TEST(json_nested_without_end_is_refused)
{
	char *body = malloc(200001);

	ck_assert_ptr_nonnull(body);
	memset(body, '[', 200000);
	body[200000] = '\0';
	assert_refused("application/json", body, 400, "MALFORMED_REQUEST", "JSON");
	free(body);
}

TEST(json_without_a_backend_says_what_to_set)
{
	input.json_backend = NULL;
	assert_refused("application/json", "{\"user\":\"u\",\"folder\":\"f\",\"uid\":1}", 422,
	               "UNKNOWN_BACKEND", "json_backend");
}

TEST(an_item_without_an_id_gets_one_of_the_message)
{
	envelope.message_id = amqp_cstring_bytes("m-1");
	ck_assert_int_eq(read_text("text/xml",
	                           "<ocsmanager>" ITEM
	                           "<notification category=\"newmail\" id=\"own\"><backend>b"
	                           "</backend><username>u</username><folder>f</folder><messageID>"
	                           "2</messageID></notification>" ITEM "</ocsmanager>"),
	                 0);
	ck_assert(!sender_ids);
	ck_assert_str_eq(document->items[0].id, "m-1/0");
	ck_assert_str_eq(document->items[1].id, "own");
	ck_assert_str_eq(document->items[2].id, "m-1/2");
	ck_assert_int_eq(read_text("text/xml",
	                           "<ocsmanager><notification category=\"newmail\" id=\"own\"/>"
	                           "</ocsmanager>"),
	                 0);
	ck_assert(sender_ids);
}

TEST(an_id_that_cannot_be_one_is_hashed)
{
	static const char *const ids[] = {"a\nb", " a", "\xff", "\xc3"};
	char id[OCS_ID_MAX + 1], other[OCS_ID_MAX + 1], name[300];

	for (size_t i = 0; i < sizeof(ids) / sizeof(*ids); i++) {
		ck_assert(ocs_inbox_item_id(amqp_cstring_bytes(ids[i]), 3, id));
		ck_assert_uint_eq(strlen(id), 1 + 64 + 2);
		ck_assert_str_eq(id + 65, "/3");
		ck_assert_int_eq(id[0], '~');
	}
	memset(name, 'x', sizeof(name));
	ck_assert(ocs_inbox_item_id((amqp_bytes_t){126, name}, 1, id));
	ck_assert_uint_eq(strlen(id), 128);
	ck_assert_int_eq(id[0], 'x');
	ck_assert(ocs_inbox_item_id((amqp_bytes_t){127, name}, 1, id));
	ck_assert_int_eq(id[0], '~');
	ck_assert(ocs_inbox_item_id((amqp_bytes_t){128, name}, 1, other));
	ck_assert_str_ne(id, other);
	ck_assert(ocs_inbox_item_id((amqp_bytes_t){255, name}, 1, id));
	ck_assert_int_eq(id[0], '~');
	ck_assert(!ocs_inbox_item_id(amqp_empty_bytes, 0, id));
}

TEST(trouble_is_tried_again_and_the_rest_is_not)
{
	static const int again[] = {429, 500, 503}, never[] = {400, 403, 413, 415, 422};

	for (size_t i = 0; i < sizeof(again) / sizeof(*again); i++)
		ck_assert(ocs_inbox_is_transient(&(struct ocs_refusal){.code = again[i]}));
	for (size_t i = 0; i < sizeof(never) / sizeof(*never); i++)
		ck_assert(!ocs_inbox_is_transient(&(struct ocs_refusal){.code = never[i]}));
}

TEST(the_reason_names_the_first_that_can_never_succeed)
{
	struct ocs_result results[3] = {0};
	char reason[OCS_INBOX_REASON_MAX];

	ck_assert(!ocs_inbox_reason(results, 3, false, reason));
	ocs_result_refuse(&results[0], 503, "OVERLOADED", "later");
	ck_assert(!ocs_inbox_reason(results, 3, false, reason));
	ck_assert(ocs_inbox_reason(results, 3, true, reason));
	ck_assert_str_eq(reason, "item 1 of 3: 503 OVERLOADED later");
	ocs_result_refuse(&results[1], 422, "UNKNOWN_BACKEND", "no backend 'a\nb'");
	ck_assert(ocs_inbox_reason(results, 3, false, reason));
	ck_assert_str_eq(reason, "item 2 of 3: 422 UNKNOWN_BACKEND no backend 'a?b'");
	ocs_result_refuse(&results[2], 403, "ACCESS_FORBIDDEN", "no");
	ck_assert(ocs_inbox_reason(results, 3, false, reason));
	ck_assert_str_eq(reason, "item 2 of 3: 422 UNKNOWN_BACKEND no backend 'a?b' (and 1 more)");
	ck_assert(ocs_inbox_reason(results + 2, 1, false, reason));
	ck_assert_str_eq(reason, "403 ACCESS_FORBIDDEN no");
}

TEST(a_long_reason_is_cut_and_stays_utf8)
{
	struct ocs_result result = {0};
	char text[400], reason[OCS_INBOX_REASON_MAX];

	for (size_t i = 0; i < sizeof(text) - 2; i += 2)
		memcpy(text + i, "\xc3\xa4", 2);
	text[sizeof(text) - 2] = text[sizeof(text) - 1] = '\0';
	ocs_result_refuse(&result, 422, "INVALID_PARAMETER", "x%s", text);
	ck_assert(ocs_inbox_reason(&result, 1, false, reason));
	ck_assert_uint_lt(strlen(reason), OCS_INBOX_REASON_MAX);
	/* It was cut inside a character, so none of them is left. */
	for (const char *p = reason; *p != '\0'; p++)
		ck_assert_int_gt(*p, 0x1f);
}
