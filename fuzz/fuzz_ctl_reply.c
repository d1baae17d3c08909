/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Covers: ocsctl/xml.c */
/* Fuzz target: documents that ocsctl reads: an admin's notifications, and replies of whoever
 * answers at the daemon's address. */
#include <string.h>

#include <talloc.h>

#include "fuzz/fuzz.h"
#include "ocsctl/xml.h"

const unsigned fuzz_cost = 16;
const char *const fuzz_texts[] = {
        "<notification category='newmail' id='a'><backend>sogo</backend></notification>",
        "<ocsmanager><notification/><notification id=\"&amp;\"><!-- x --><a xmlns='u'/>"
        "</notification></ocsmanager>",
        "<?xml version='1.0' encoding='utf-8'?><ocsmanager><token>abc</token><salt>x</salt>"
        "<sasl>y</sasl></ocsmanager>",
        "<ocsmanager><notification id='a' status='queued' queues='4'/><notification "
        "status='refused'><error code='422' name='X'>no &lt;y&gt;</error></notification>"
        "</ocsmanager>",
        "<ocsmanager><error code='503' name='OVERLOADED'>too much</error></ocsmanager>",
        "<!DOCTYPE a [<!ENTITY b 'c'>]><ocsmanager>&b;</ocsmanager>",
        NULL,
};

static void check_list(void *ctx, const char *data, size_t size)
{
	struct ocsctl_xml_notification *list, *again;
	struct ocs_error error = {.text = ""};
	size_t n, m;

	if (ocsctl_xml_read(ctx, data, size, &list, &n, &error) != 0) {
		FUZZ_CHECK(error.text[0] != '\0');
		return;
	}
	for (size_t i = 0; i < n; i++) {
		FUZZ_CHECK(ocsctl_xml_read(ctx, list[i].xml, strlen(list[i].xml), &again, &m,
		                           &error) == 0);
		FUZZ_CHECK(m == 1 && (again[0].id == NULL) == (list[i].id == NULL));
	}
}

static void check_reply(void *ctx, const char *data, size_t size)
{
	struct ocsctl_xml_reply *reply;
	struct ocs_error error = {.text = ""};

	if (ocsctl_xml_read_reply(ctx, data, size, &reply, &error) != 0) {
		FUZZ_CHECK(error.text[0] != '\0');
		return;
	}
	for (size_t i = 0; i < reply->n_results; i++)
		FUZZ_CHECK(reply->results[i].status != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	void *ctx = talloc_new(NULL);

	FUZZ_CHECK(ctx != NULL);
	check_list(ctx, (const char *)data, size);
	check_reply(ctx, (const char *)data, size);
	talloc_free(ctx);
	return 0;
}
