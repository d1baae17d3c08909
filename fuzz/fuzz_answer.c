/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Covers: libocsnotify/submit_answer.c */
/* Fuzz target: the answer to what a MAPI server reports. */
#include <string.h>

#include "fuzz/fuzz.h"
#include "libocsnotify/internal.h"

#define RESULTS 3

const char *const fuzz_texts[] = {
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 150\r\n\r\n"
        "<?xml version='1.0' encoding='utf-8'?>\n<ocsmanager><notification id=\"a\" "
        "status=\"queued\" queues=\"4\"/><notification status=\"nosubscriber\"/><notification "
        "status=\"duplicate\"/></ocsmanager>",
        "HTTP/1.1 200 OK\r\nContent-Length: 140\r\n\r\n<ocsmanager><notification "
        "status=\"refused\"><error code=\"422\" name=\"UNKNOWN_BACKEND\">no &lt;x&gt; is "
        "configured</error></notification></ocsmanager>        ",
        "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 85\r\n\r\n<ocsmanager><error "
        "code=\"503\" name=\"OVERLOADED\">too much at once</error></ocsmanager>  ",
        NULL,
};

static void check(const struct ocsnotify_report_result *result)
{
	FUZZ_CHECK(result->status >= OCSNOTIFY_REPORT_UNANSWERED &&
	           result->status <= OCSNOTIFY_REPORT_REFUSED);
	FUZZ_CHECK(memchr(result->name, '\0', sizeof(result->name)) != NULL);
	FUZZ_CHECK(memchr(result->text, '\0', sizeof(result->text)) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ocsnotify_report_result results[RESULTS];
	struct libocsnotify_answer answer = {.body = (const char *)data, .len = size};

	if (libocsnotify_answer_read((const char *)data, size, &answer) == 1) {
		FUZZ_CHECK(answer.body >= (const char *)data);
		FUZZ_CHECK(answer.len <= size);
	} else {
		/* Also as a body by itself. */
		answer = (struct libocsnotify_answer){200, (const char *)data, size, NULL};
	}
	for (size_t n = 1; n <= RESULTS; n++)
		if (libocsnotify_answer_results(&answer, results, n) == 0)
			for (size_t i = 0; i < n; i++)
				check(&results[i]);
	return 0;
}
