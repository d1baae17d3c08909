/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The inbox as what broker_loop.c calls: a turn works through what is there, and answers of
 * dispatch wake the loop; starting and stopping it.
 */
#include "cluster/inbox_internal.h"

#include <string.h>
#include <syslog.h>

#include <talloc.h>

#define HELD_MS        60000 /* trouble here for so long: other nodes shall have the messages */
#define STOP_WORK_MS   1000  /* for what is under way */
#define STOP_POLITE_MS 2000  /* for that and the good-bye */
#define STOP_CUT_MS    500   /* once the connection is cut */

/* ---- working ---- */

/* What cannot be done here for long is left to the other nodes. What is in this node's own queue
 * nobody else can do. */
static enum ocs_broker_result leave_to_others(struct ocs_inbox *inbox, struct ocs_error *error)
{
	struct inbox_consumer *consumer = &inbox->consumers[INBOX_INGEST];
	const struct inbox_message *oldest = consumer->list;

	if (oldest == NULL || oldest->state != INBOX_WAITING || oldest->tries == 0 ||
	    ocs_clock_ms() - oldest->since < HELD_MS || ocs_inbox_healthy(inbox))
		return OCS_BROKER_OK;
	ocs_log_to(inbox->log, LOG_WARNING,
	           "RabbitMQ: consume: the messages of queue %.100s are left to other nodes: %s",
	           consumer->queue, inbox->trouble.text);
	consumer->paused = true;
	return ocs_inbox_close_consumer(consumer, OCS_BROKER_LOST, &inbox->trouble, error);
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static bool under_way(void *arg)
{
	struct ocs_inbox *inbox = arg;

	if (ocs_clock_ms() >= inbox->stop_at)
		return false;
	for (int i = 0; i < INBOX_CONSUMERS; i++) {
		const struct inbox_message *message = inbox->consumers[i].list;

		for (; message != NULL; message = message->next)
			if (message->state == INBOX_RUNNING || message->state == INBOX_CONFIRMING)
				return true;
	}
	return false;
}

static enum ocs_broker_result turn(void *arg, bool more, uint64_t *until_r, struct ocs_error *error)
{
	struct ocs_inbox *inbox = arg;
	bool stopping = atomic_load(&inbox->loop.ending);
	enum ocs_broker_result result = OCS_BROKER_OK;
	uint64_t next = UINT64_MAX;

	if (stopping && inbox->stop_at == UINT64_MAX)
		inbox->stop_at = ocs_clock_ms() + STOP_WORK_MS;
	if (!stopping)
		result = ocs_inbox_open_due(inbox, error);
	if (result != OCS_BROKER_OK)
		return result;
	ocs_inbox_take_answers(inbox);
	for (int i = 0; i < INBOX_CONSUMERS && !stopping; i++)
		next = sooner(next, ocs_inbox_submit_due(&inbox->consumers[i]));
	result = ocs_inbox_dead_letter_due(inbox, error);
	for (int i = 0; i < INBOX_CONSUMERS && result == OCS_BROKER_OK; i++)
		result = ocs_inbox_acknowledge(&inbox->consumers[i], !more, error);
	if (result == OCS_BROKER_OK && !stopping)
		result = leave_to_others(inbox, error);
	if (!stopping)
		next = sooner(next, ocs_inbox_next_due(inbox));
	next = sooner(next, ocs_inbox_next_burial(inbox));
	*until_r = sooner(next, inbox->stop_at);
	return result;
}

static enum ocs_broker_result set_up(void *arg, struct ocs_error *error)
{
	struct ocs_inbox *inbox = arg;

	(void)error;
	inbox->told.text[0] = '\0';
	inbox->told_passes = true;
	return OCS_BROKER_OK;
}

static void lost(void *arg, enum ocs_broker_result why)
{
	struct ocs_inbox *inbox = arg;

	(void)why;
	/* Once a connection: what a channel waits for is the one after that. */
	if (inbox->loop.broker != NULL)
		ocs_inbox_forget_channels(inbox);
}

static void offline(void *arg)
{
	ocs_inbox_take_answers(arg);
}

const struct ocs_broker_loop_calls ocs_inbox_calls = {
        .which = OCS_LINK_CONSUME,
        .hangs = 60000, /* a turn may declare queues, ten seconds each */
        .set_up = set_up,
        .frame = ocs_inbox_frame,
        .turn = turn,
        .unreadable = ocs_inbox_unreadable,
        .lost = lost,
        .offline = offline,
        .under_way = under_way,
};

/* ---- start and stop ---- */

static void init_consumer(struct ocs_inbox *inbox, int which, const char *queue)
{
	struct inbox_consumer *consumer = &inbox->consumers[which];

	consumer->inbox = inbox;
	consumer->ingest = which == INBOX_INGEST;
	consumer->queue = queue;
}

static void inbox_free(struct ocs_inbox *inbox)
{
	ocs_inbox_free_messages(inbox);
	if (inbox->mailbox != NULL)
		ocs_inbox_mailbox_close(inbox->mailbox);
	ocs_broker_loop_destroy(&inbox->loop);
	talloc_free(inbox);
}

int ocs_inbox_start(const struct ocs_link_settings *settings, const struct ocs_inbox_host *host,
                    struct ocs_link_status *status, ocs_log_fn *log, struct ocs_inbox **inbox_r,
                    struct ocs_error *error)
{
	struct ocs_inbox *inbox = talloc_zero(NULL, struct ocs_inbox);

	*inbox_r = NULL;
	if (inbox == NULL)
		return ocs_error_memory(error);
	inbox->settings = settings;
	inbox->host = *host;
	inbox->status = status;
	inbox->log = log;
	inbox->stop_at = inbox->dead.look_at = UINT64_MAX;
	init_consumer(inbox, INBOX_INGEST, settings->ingest_queue);
	init_consumer(inbox, INBOX_NODE, settings->node_queue);
	inbox->mailbox = ocs_inbox_mailbox_new(&inbox->loop);
	ocs_error_memory(error);
	if (ocs_broker_loop_init(&inbox->loop, settings, status, log, &ocs_inbox_calls, inbox,
	                         error) != 0 ||
	    inbox->mailbox == NULL || ocs_broker_loop_start(&inbox->loop, error) != 0) {
		inbox_free(inbox);
		return -1;
	}
	*inbox_r = inbox;
	return 0;
}

int ocs_inbox_stop(struct ocs_inbox *inbox)
{
	if (ocs_broker_loop_stop(&inbox->loop, STOP_POLITE_MS, STOP_CUT_MS) != 0)
		return -1;
	inbox_free(inbox);
	return 0;
}

void ocs_inbox_watch(struct ocs_inbox *inbox)
{
	ocs_broker_loop_watch(&inbox->loop);
}
