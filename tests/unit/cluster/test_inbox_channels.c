/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* When a channel of the inbox is opened again after the connection was lost. */
#include <string.h>

#include "cluster/broker_internal.h"
#include "cluster/inbox_internal.h"
#include "tests/unit/unit.h"

#define LATER 4000000000000 /* ms */

static struct ocs_link_status status;
static struct ocs_inbox inbox;
static struct ocs_broker broker;

static void setup(void)
{
	ocs_link_status_init(&status);
	memset(&inbox, 0, sizeof(inbox));
	inbox.status = &status;
	for (int i = 0; i < INBOX_CONSUMERS; i++) {
		inbox.consumers[i].inbox = &inbox;
		inbox.consumers[i].ingest = i == INBOX_INGEST;
		inbox.consumers[i].channel.retry_at = LATER;
	}
	inbox.consumers[INBOX_INGEST].channel.waits = true;
}

static void teardown(void)
{
	ocs_link_status_destroy(&status);
}

/* Whether there was one, or only a connect that failed. */
static void lose(bool connection)
{
	inbox.loop.broker = connection ? &broker : NULL;
	ocs_inbox_calls.lost(&inbox, OCS_BROKER_LOST);
}

static uint64_t ingest_retry_at(void)
{
	return inbox.consumers[INBOX_INGEST].channel.retry_at;
}

TESTS_HAVE(.setup = setup, .teardown = teardown);

TEST(the_channel_that_cost_a_connection_waits_on_the_next_one_and_no_longer)
{
	lose(true);
	ck_assert_uint_eq(ingest_retry_at(), LATER);
	ck_assert_uint_eq(inbox.consumers[INBOX_NODE].channel.retry_at, 0);
	lose(true);
	ck_assert_uint_eq(ingest_retry_at(), 0);
}

TEST(a_connect_that_fails_is_not_the_connection_that_it_waits_for)
{
	lose(true);
	for (int i = 0; i < 3; i++)
		lose(false);
	ck_assert_uint_eq(ingest_retry_at(), LATER);
	lose(true);
	ck_assert_uint_eq(ingest_retry_at(), 0);
}
