/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Covers: cluster/inbox_document.c */
/* Fuzz target: bodies of RabbitMQ messages. The first byte chooses the content type (of a text: `0`
 * XML, `1` JSON, `2` none). */
#include <string.h>
#include <talloc.h>

#include "cluster/inbox_internal.h"
#include "fuzz/fuzz.h"

const char *const fuzz_texts[] = {
        "1{\"event\":\"MessageNew\",\"user\":\"jdoe\",\"folder\":\"INBOX\",\"imap-uid\":5}",
        "1{\"user\": \"a\\u00e4\", \"imap-uidvalidity\":1, \"event\":\"MailboxRename\","
        "\"folder\":\"Lists.Entw&APw-rfe\",\"old-folder\":\"x\"}",
        "0<ocsmanager><notification category='newmail'><backend>d</backend><username>j</username>"
        "<folder>INBOX</folder><messageID>1</messageID></notification></ocsmanager>",
        "2[]",
        NULL,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const types[] = {"text/xml", "application/json", ""};
	struct ocs_inbox_envelope envelope = {0};
	struct ocs_xml_notifications *out = NULL;
	struct ocs_inbox_input input = {
	        .envelope = &envelope, .json_backend = "d", .max_batch = 100};
	struct ocs_refusal refusal = {0};
	char reason[OCS_INBOX_REASON_MAX];
	bool sender_ids;

	if (size < 1)
		return 0;
	envelope.content_type = amqp_cstring_bytes(types[data[0] % 3]);
	input.body = (const char *)data + 1;
	input.len = size - 1;
	if (ocs_inbox_read_document(NULL, &input, &out, &sender_ids, &refusal) != 0) {
		FUZZ_CHECK(out == NULL && refusal.code >= 400);
		ocs_inbox_say(&refusal, reason);
		FUZZ_CHECK(reason[0] != '\0');
		return 0;
	}
	FUZZ_CHECK(out->count <= input.max_batch);
	(void)ocs_inbox_reason(out->results, out->count, true, reason);
	talloc_free(out);
	return 0;
}
