/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The outbox without memory: it does not start, or one message fails, and all goes on. */
#include <stdio.h>
#include <string.h>

#include <talloc.h>

#include "cluster/outbox.h"
#include "tests/faults/calls.h"
#include "tests/unit/unit.h"

static struct ocs_link_settings settings = {
        .uri = "amqp://a:b@127.0.0.1:1", /* nobody listens there */
        .node = "a",
        .exchange = "ocsmanager.users",
        .ingest_queue = "ocsmanager.ingest",
        .heartbeat = 5,
        .confirm_timeout = 60,
        .pending_max = 1000,
};
static struct ocs_link_status status;
static unsigned ends, without_memory;

static void log_it(int priority, const char *text)
{
	(void)priority;
	(void)text;
}

static void done(void *owner, enum ocs_outbox_end end, const char *text)
{
	(void)owner;
	ck_assert_int_eq(end, OCS_OUTBOX_FAILED);
	__atomic_add_fetch(&ends, 1, __ATOMIC_SEQ_CST);
	if (strcmp(text, "out of memory") == 0)
		__atomic_add_fetch(&without_memory, 1, __ATOMIC_SEQ_CST);
}

static void put(struct ocs_outbox *outbox)
{
	struct ocs_message *message = talloc_zero(NULL, struct ocs_message);

	snprintf(message->id, sizeof(message->id), "a-1");
	message->account = talloc_strdup(message, "openchange");
	message->body = talloc_strdup(message, "x");
	message->len = 1;
	ocs_outbox_put(outbox, message, done, NULL);
}

TEST(an_outbox_for_which_there_is_no_memory_does_not_start)
{
	struct ocs_outbox *outbox;
	unsigned failed = 0;

	ocs_link_status_init(&status);
	for (;; failed++) {
		struct ocs_error error = {.text = ""};
		int ret;

		calls_fail(CALLS_OWN_MEMORY, (int)failed, false);
		ret = ocs_outbox_start(&settings, NULL, &status, log_it, &outbox, &error);
		if (ret == 0)
			break;
		ck_assert(calls_have_failed());
		ck_assert(error.no_memory);
	}
	(void)calls_have_failed();
	ck_assert_uint_eq(failed, 2); /* the outbox, its window */
	ck_assert_int_eq(ocs_outbox_stop(outbox), 0);
	ocs_link_status_destroy(&status);
}

TEST(a_message_for_which_there_is_no_memory_fails_alone)
{
	struct ocs_outbox *outbox;
	unsigned puts = 0;

	ocs_link_status_init(&status);
	ck_assert_int_eq(ocs_outbox_start(&settings, NULL, &status, log_it, &outbox, NULL), 0);
	/* The thread that connects may be the one whose allocation fails. */
	while (without_memory == 0) {
		calls_fail(CALLS_OWN_MEMORY, 0, false);
		put(outbox);
		puts++;
		(void)calls_have_failed();
	}
	put(outbox);
	ck_assert_uint_eq(without_memory, 1);
	ck_assert_int_eq(ocs_outbox_stop(outbox), 0);
	ck_assert_uint_eq(ends, puts + 1);
	ocs_link_status_destroy(&status);
}
