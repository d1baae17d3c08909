/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Covers: xml/xml_read.c xml/xml_sax.c xml/xml_common.c xml/xml_write.c */
/* Fuzz target: bodies of the web service. What is accepted can be written, and is then read back as
 * the same. */
#include <stdlib.h>
#include <string.h>
#include <talloc.h>

#include "fuzz/fuzz.h"
#include "xml/xml.h"

#define BATCH_MAX 100

const char *const fuzz_texts[] = {
        "<?xml version='1.0' encoding='utf-8'?>\n<ocsmanager><notification category='created'>"
        "<backend>dovecot</backend><username>jdoe</username><folder>INBOX/W\xc3\xb6rk</folder>"
        "<messageID>1</messageID><messageFlags>3</messageFlags><total>2</total><unread>1</unread>"
        "<uidvalidity>7</uidvalidity><guid>ab</guid></notification></ocsmanager>",
        "<ocsmanager><token>abc</token><notification category=\"moved\" id=\"x1\"><backend>d"
        "</backend><username>a&amp;b</username><folder>A</folder><messageID>2</messageID>"
        "<oldFolder xml:space='preserve'> B </oldFolder><oldMessageID><![CDATA[1]]></oldMessageID>"
        "<oldBackend>Sogo</oldBackend><messageClass>IPM.Note</messageClass></"
        "notification><notification category='deleted'>"
        "<backend>d</backend><username>j</username><folder>&#x20AC;</folder></notification>"
        "</ocsmanager>",
        "<ocsmanager><token>abc</token>\n<notification category=\"moved\" id='x'><backend>d"
        "</backend><username>j</username><folder>\xe2\x82\xac</folder><oldFolder> B </oldFolder>"
        "<total>1</total></notification> <notification category='modified'><backend>d</backend>"
        "<username>j</username><folder>A</folder></notification></ocsmanager>\n",
        "<ocsmanager><login>openchange</login><sasl mechanism='SCRAM-SHA-256'>biws</sasl>"
        "<token/></ocsmanager>",
        "<!DOCTYPE a [<!ENTITY b 'c'>]><ocsmanager><!-- x --><?y z?>&b;</ocsmanager>",
        NULL,
};

static bool same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static void check_back(const struct ocs_notification *item)
{
	struct ocs_xml_writer writer = {0};
	struct ocs_xml_notifications *back = NULL;
	struct ocs_refusal refusal;

	ocs_xml_begin(&writer);
	ocs_xml_notification(&writer, item);
	ocs_xml_finish(&writer);
	FUZZ_CHECK(!writer.failed);
	FUZZ_CHECK(ocs_xml_read_notifications(NULL, writer.data, writer.len, 1, false, &back,
	                                      &refusal) == 0);
	FUZZ_CHECK(!back->refused && back->count == 1 &&
	           back->results[0].status != OCS_STATUS_REFUSED);
	FUZZ_CHECK(back->items[0].category == item->category);
	FUZZ_CHECK(same(back->items[0].backend, item->backend));
	FUZZ_CHECK(same(back->items[0].backend_user, item->backend_user));
	FUZZ_CHECK(same(back->items[0].folder, item->folder));
	FUZZ_CHECK(same(back->items[0].message_id, item->message_id));
	FUZZ_CHECK(same(back->items[0].old_folder, item->old_folder));
	FUZZ_CHECK(same(back->items[0].old_message_id, item->old_message_id));
	FUZZ_CHECK(same(back->items[0].old_backend, item->old_backend));
	FUZZ_CHECK(same(back->items[0].id, item->id));
	talloc_free(back);
	free(writer.data);
}

static bool same_refusal(const struct ocs_refusal *a, const struct ocs_refusal *b)
{
	return a->code == b->code && same(a->name, b->name) && same(a->text, b->text);
}

static bool same_item(const struct ocs_notification *a, const struct ocs_notification *b)
{
	return a->category == b->category && same(a->backend, b->backend) &&
	       same(a->backend_user, b->backend_user) && same(a->folder, b->folder) &&
	       same(a->message_id, b->message_id) && same(a->old_folder, b->old_folder) &&
	       same(a->old_message_id, b->old_message_id) && same(a->old_backend, b->old_backend) &&
	       same(a->message_class, b->message_class) && same(a->id, b->id) &&
	       same(a->guid, b->guid) && a->has_uid_validity == b->has_uid_validity &&
	       a->has_total == b->has_total && a->has_unread == b->has_unread &&
	       a->uid_validity == b->uid_validity && a->message_flags == b->message_flags &&
	       a->total == b->total && a->unread == b->unread;
}

/* What can be read without the parser is what the parser reads: a comment behind the document has
 * it asked. */
static void check_both(const uint8_t *data, size_t size, const struct ocs_xml_notifications *body)
{
	static const char comment[] = "<!---->";
	struct ocs_xml_notifications *other = NULL;
	struct ocs_refusal refusal;
	char *longer = malloc(size + sizeof(comment));

	FUZZ_CHECK(longer != NULL);
	memcpy(longer, data, size);
	memcpy(longer + size, comment, sizeof(comment));
	FUZZ_CHECK(ocs_xml_read_notifications(NULL, longer, size + sizeof(comment) - 1, BATCH_MAX,
	                                      false, &other, &refusal) == 0);
	FUZZ_CHECK(same(body->token, other->token) && body->count == other->count &&
	           same(body->except_session, other->except_session));
	FUZZ_CHECK(body->refused == other->refused &&
	           (!body->refused || same_refusal(&body->refusal, &other->refusal)));
	for (size_t i = 0; i < body->count; i++) {
		const struct ocs_result *a = &body->results[i], *b = &other->results[i];

		FUZZ_CHECK(same_item(&body->items[i], &other->items[i]));
		FUZZ_CHECK(a->status == b->status && a->queues == b->queues &&
		           (a->status != OCS_STATUS_REFUSED ||
		            same_refusal(&a->refusal, &b->refusal)));
	}
	talloc_free(other);
	free(longer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ocs_xml_notifications *body = NULL;
	struct ocs_xml_auth *auth = NULL;
	struct ocs_refusal refusal = {0};

	if (ocs_xml_read_auth(NULL, (const char *)data, size, &auth, &refusal) != 0)
		FUZZ_CHECK(refusal.code >= 400 && refusal.text[0] != '\0');
	talloc_free(auth);
	if (ocs_xml_read_notifications(NULL, (const char *)data, size, BATCH_MAX, false, &body,
	                               &refusal) != 0) {
		FUZZ_CHECK(refusal.code >= 400 && refusal.text[0] != '\0');
		return 0;
	}
	check_both(data, size, body);
	FUZZ_CHECK(body->refused || (body->count >= 1 && body->count <= BATCH_MAX));
	for (size_t i = 0; !body->refused && i < body->count; i++)
		if (body->results[i].status != OCS_STATUS_REFUSED)
			check_back(&body->items[i]);
	talloc_free(body);
	return 0;
}
