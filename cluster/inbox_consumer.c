/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The messages of one queue that are delivered and not acknowledged: their
 * states, taking them, acknowledging them.
 */
#include "cluster/inbox_internal.h"

#include <stdio.h>
#include <string.h>

#include <talloc.h>
#include <utlist.h>

#include "registry/registry.h"

/* ---- states ---- */

static void count_state(const struct inbox_message *message, int by)
{
	struct inbox_consumer *consumer = message->consumer;

	if (message->state == INBOX_WAITING)
		consumer->waiting += (size_t)by;
	else if (message->state == INBOX_RUNNING)
		consumer->running += (size_t)by;
	if (message->alone && message->state != INBOX_DONE)
		consumer->n_alone += (size_t)by;
}

void ocs_inbox_set_state(struct inbox_message *message, enum inbox_state state)
{
	if (message->consumer == NULL) {
		/* Whoever waited for it has ended; the broker gives it to somebody again. */
		DL_DELETE(message->inbox->orphans, message);
		talloc_free(message);
		return;
	}
	count_state(message, -1);
	message->state = state;
	count_state(message, 1);
}

void ocs_inbox_kill(struct inbox_message *message, const char *reason)
{
	snprintf(message->reason, sizeof(message->reason), "%s", reason);
	message->retry_at = 0;
	message->inbox->dead.look_at = 0;
	ocs_inbox_set_state(message, INBOX_DEAD);
}

void ocs_inbox_forget(struct inbox_message *message)
{
	count_state(message, -1);
	DL_DELETE(message->consumer->list, message);
	message->consumer->n--;
	talloc_free(message);
}

void ocs_inbox_orphan(struct inbox_consumer *consumer)
{
	struct inbox_message *message;

	while ((message = consumer->list) != NULL) {
		DL_DELETE(consumer->list, message);
		message->consumer = NULL;
		if (message->state == INBOX_RUNNING || message->state == INBOX_CONFIRMING)
			DL_APPEND(consumer->inbox->orphans, message);
		else
			talloc_free(message);
	}
	consumer->n = consumer->waiting = consumer->running = consumer->n_alone = 0;
	consumer->taken = 0;
	ocs_inbox_update_held(consumer->inbox);
}

void ocs_inbox_update_held(struct ocs_inbox *inbox)
{
	OCS_LINK_SET(inbox->status, held,
	             inbox->consumers[INBOX_INGEST].n + inbox->consumers[INBOX_NODE].n);
}

void ocs_inbox_free_messages(struct ocs_inbox *inbox)
{
	struct inbox_message *message;

	for (int i = 0; i < INBOX_CONSUMERS; i++)
		ocs_inbox_orphan(&inbox->consumers[i]);
	while ((message = inbox->orphans) != NULL) {
		DL_DELETE(inbox->orphans, message);
		talloc_free(message);
	}
}

/* ---- taking ---- */

void ocs_inbox_read_envelope(const struct inbox_message *message, amqp_pool_t *pool,
                             struct ocs_inbox_envelope *envelope)
{
	amqp_basic_properties_t none = {0}, *properties = &none;
	void *decoded = NULL;

	if (amqp_decode_properties(AMQP_BASIC_CLASS, pool, message->properties, &decoded) ==
	    AMQP_STATUS_OK)
		properties = decoded;
	ocs_inbox_read_properties(properties, envelope);
}

static void say_death(struct inbox_message *message, int code, const char *name, const char *text)
{
	struct ocs_refusal refusal;
	char reason[OCS_INBOX_REASON_MAX];

	ocs_refuse(&refusal, code, name, "%s", text);
	ocs_inbox_say(&refusal, reason);
	ocs_inbox_kill(message, reason);
}

static void note_lag(struct ocs_inbox *inbox, uint64_t accepted_at)
{
	uint64_t now = ocs_now_us();

	if (accepted_at != 0)
		OCS_LINK_SET(inbox->status, lag_ms,
		             now > accepted_at ? (now - accepted_at) / 1000 : 0);
}

static void take_ingest(struct inbox_message *message, const struct ocs_inbox_envelope *envelope)
{
	struct ocs_inbox *inbox = message->inbox;
	const char *account = envelope->user;

	OCS_LINK_COUNT(inbox->status, ingested, 1);
	if (account[0] == '\0' && !envelope->bad_user)
		account = inbox->settings->ingest_account;
	snprintf(message->account, sizeof(message->account), "%s", account);
	if (message->account[0] == '\0' && message->state == INBOX_WAITING)
		say_death(message, 403, "ACCESS_FORBIDDEN",
		          "it has no user-id, and ingest_account in [rabbitmq] is not set");
}

static void take_node(struct inbox_message *message, const struct ocs_inbox_envelope *envelope)
{
	struct ocs_inbox *inbox = message->inbox;
	bool own = strcmp(envelope->origin, inbox->settings->node) == 0;

	/* The bindings look whether they are there (bindings_watch.c). */
	if (own && message->body_size == 0) {
		message->probe = true;
		ocs_inbox_set_state(message, INBOX_DONE);
		return;
	}
	OCS_LINK_COUNT(inbox->status, node_received, 1);
	snprintf(message->account, sizeof(message->account), "%s", envelope->account);
	if (message->state != INBOX_WAITING)
		return;
	if (own) {
		OCS_LINK_COUNT(inbox->status, node_own, 1);
		ocs_inbox_set_state(message, INBOX_DONE);
		return;
	}
	note_lag(inbox, envelope->accepted_at);
	message->for_store =
	        message->for_store ||
	        (envelope->store[0] != '\0' && inbox->host.has(inbox->host.arg, envelope->store));
	if (!envelope->has_cc && !message->no_user && !message->for_store &&
	    !inbox->host.saw(inbox->host.arg, message->key))
		OCS_LINK_COUNT(inbox->status, node_nosession, 1);
}

void ocs_inbox_take(struct inbox_consumer *consumer, struct inbox_message *message)
{
	struct ocs_inbox_envelope envelope;
	uint64_t deliveries;
	amqp_pool_t pool;
	char text[128];

	init_amqp_pool(&pool, OCS_INBOX_POOL_PAGE);
	ocs_inbox_read_envelope(message, &pool, &envelope);
	deliveries = envelope.deliveries;
	message->consumer = consumer;
	message->state = INBOX_WAITING;
	message->alone = deliveries >= OCS_INBOX_ALONE;
	message->since = ocs_clock_ms();
	DL_APPEND(consumer->list, message);
	consumer->n++;
	count_state(message, 1);
	if (message->redelivered)
		OCS_LINK_COUNT(consumer->inbox->status, redelivered, 1);
	if (deliveries >= (consumer->taken == 0 ? OCS_INBOX_POISON : OCS_INBOX_HOPELESS)) {
		snprintf(text, sizeof(text),
		         "delivered %llu times and never finished: it may crash the daemon",
		         (unsigned long long)deliveries);
		say_death(message, 500, "INTERNAL", text);
	} else if (message->unread) {
		snprintf(text, sizeof(text), "the body has %llu bytes, more than %d",
		         (unsigned long long)message->body_size, OCS_INBOX_BODY_MAX);
		say_death(message, 413, "CONTENT_TOO_LARGE", text);
	}
	consumer->taken++;
	if (consumer->ingest)
		take_ingest(message, &envelope);
	else
		take_node(message, &envelope);
	empty_amqp_pool(&pool);
}

/* ---- acknowledging ---- */

static enum ocs_broker_result acknowledge(struct inbox_consumer *consumer, uint64_t tag,
                                          bool multiple, struct ocs_error *error)
{
	struct ocs_broker *broker = consumer->inbox->loop.broker;

	return ocs_broker_status(broker,
	                         amqp_basic_ack(ocs_broker_connection(broker),
	                                        consumer->channel.number, tag, multiple),
	                         "acknowledging", error);
}

enum ocs_broker_result ocs_inbox_acknowledge(struct inbox_consumer *consumer, bool idle,
                                             struct ocs_error *error)
{
	struct inbox_message *message = consumer->list, *following;
	enum ocs_broker_result result;
	uint64_t tag = 0;

	/* All that lies before the first that is not done goes with one frame. */
	for (; message != NULL && message->state == INBOX_DONE; message = following) {
		following = message->next;
		tag = message->tag;
		OCS_LINK_COUNT(consumer->inbox->status, acked, message->probe ? 0 : 1);
		ocs_inbox_forget(message);
	}
	if (tag != 0) {
		result = acknowledge(consumer, tag, true, error);
		if (result != OCS_BROKER_OK)
			return result;
	}
	for (; idle && message != NULL; message = following) {
		following = message->next;
		if (message->state != INBOX_DONE)
			continue;
		tag = message->tag;
		OCS_LINK_COUNT(consumer->inbox->status, acked, message->probe ? 0 : 1);
		ocs_inbox_forget(message);
		result = acknowledge(consumer, tag, false, error);
		if (result != OCS_BROKER_OK)
			return result;
	}
	ocs_inbox_update_held(consumer->inbox);
	return OCS_BROKER_OK;
}
