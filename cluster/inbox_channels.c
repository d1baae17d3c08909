/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The three channels of the inbox, each with what is declared and consumed on
 * it. One that fails is tried again later and the others go on.
 */
#include "cluster/inbox_internal.h"

#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include <talloc.h>

#define NUMBERS        15   /* channels are numbered from 1; librabbitmq is told of no more */
#define UNHEALTHY_MS   250  /* between looks at a host that cannot take documents */
#define TAKEN_FIRST_MS 500  /* the broker may not have noticed yet that this node had died */
#define TAKEN_MS       3000 /* between looks at a queue that somebody else consumes */

/* Not the number of a channel that was closed just now: frames of it may be in the library still.
 */
static enum ocs_broker_result open_channel(struct ocs_inbox *inbox, struct inbox_channel *channel,
                                           struct ocs_error *error)
{
	const struct inbox_channel *used[] = {&inbox->consumers[INBOX_INGEST].channel,
	                                      &inbox->consumers[INBOX_NODE].channel,
	                                      &inbox->dead.channel};
	amqp_channel_t number = inbox->last_channel;
	enum ocs_broker_result result = OCS_BROKER_OK;
	bool taken;

	do {
		number = (amqp_channel_t)(number % NUMBERS + 1);
		taken = false;
		for (size_t i = 0; i < sizeof(used) / sizeof(*used); i++)
			taken |= used[i]->number == number;
	} while (taken);
	/* The first one came with the connection. */
	if (inbox->last_channel != 0)
		result = ocs_broker_open_channel(inbox->loop.broker, number, error);
	if (result == OCS_BROKER_OK) {
		inbox->last_channel = number;
		channel->number = number;
	}
	return result;
}

static enum ocs_broker_result close_channel(struct ocs_inbox *inbox, struct inbox_channel *channel,
                                            struct ocs_error *error)
{
	amqp_rpc_reply_t reply;

	channel->ready = false;
	if (channel->number == 0)
		return OCS_BROKER_OK;
	reply = amqp_channel_close(ocs_broker_connection(inbox->loop.broker), channel->number,
	                           AMQP_REPLY_SUCCESS);
	channel->number = 0;
	if (reply.reply_type == AMQP_RESPONSE_NORMAL)
		return OCS_BROKER_OK;
	ocs_error_set(error, "closing a channel: the broker does not answer");
	return OCS_BROKER_LOST;
}

/* It is tried again after a while; what needs an admin is said. */
static void put_off(struct inbox_channel *channel, enum ocs_broker_result why,
                    const struct ocs_error *text)
{
	channel->ready = false;
	channel->retry_at = ocs_clock_ms() + ocs_backoff_wait(&channel->backoff, why);
	snprintf(channel->text, sizeof(channel->text), "%s",
	         why == OCS_BROKER_REFUSED ? text->text : "");
	channel->passes = false;
}

static void ready(struct inbox_channel *channel)
{
	channel->ready = true;
	channel->text[0] = '\0';
	ocs_backoff_up(&channel->backoff);
}

/* ---- consuming ---- */

static enum ocs_broker_result consume(struct inbox_consumer *consumer, struct ocs_error *error)
{
	const struct ocs_link_settings *settings = consumer->inbox->settings;
	amqp_connection_state_t connection = ocs_broker_connection(consumer->inbox->loop.broker);
	unsigned prefetch = settings->prefetch < UINT16_MAX ? settings->prefetch : UINT16_MAX;
	enum ocs_broker_result result;
	char doing[300];

	snprintf(doing, sizeof(doing), "consuming queue \"%.255s\"", consumer->queue);
	amqp_basic_qos(connection, consumer->channel.number, 0, (uint16_t)prefetch, 0);
	result = ocs_broker_reply_on(consumer->inbox->loop.broker, consumer->channel.number, doing,
	                             error);
	if (result != OCS_BROKER_OK)
		return result;
	amqp_basic_consume(connection, consumer->channel.number,
	                   amqp_cstring_bytes(consumer->queue), amqp_empty_bytes, 0, 0, 0,
	                   amqp_empty_table);
	return ocs_broker_reply_on(consumer->inbox->loop.broker, consumer->channel.number, doing,
	                           error);
}

static void name_taken(struct inbox_consumer *consumer)
{
	const struct ocs_link_settings *settings = consumer->inbox->settings;
	struct inbox_channel *channel = &consumer->channel;

	uint64_t now = ocs_clock_ms();

	if (consumer->name_taken == 0)
		consumer->taken_since = now;
	channel->retry_at = now + (consumer->name_taken++ == 0 ? TAKEN_FIRST_MS : TAKEN_MS);
	if (consumer->name_taken == 1)
		return;
	/* It may be this process's own connection of before, which ends within two heartbeats. */
	if (!consumer->had_name ||
	    now - consumer->taken_since > 2000 * (uint64_t)settings->heartbeat + TAKEN_MS)
		atomic_store(&consumer->inbox->status->name_taken, true);
	channel->passes = false;
	snprintf(channel->text, sizeof(channel->text),
	         "another ocsmanager uses the node name \"%s\": queue \"%.200s.lock\" is taken; if "
	         "this node was cut off just now, its old connection ends within two heartbeats",
	         settings->node, consumer->queue);
}

/* *alone_r: nobody else consumes it. Quorum queues do not keep exclusive consumers apart, and count
 * those of a broker that died until it is back, so a lock beside the queue tells two nodes of one
 * name. */
static enum ocs_broker_result open_node(struct inbox_consumer *consumer, bool *alone_r,
                                        struct ocs_error *error)
{
	struct ocs_inbox *inbox = consumer->inbox;
	enum ocs_broker_result result;
	char lock[256];
	bool taken;

	snprintf(lock, sizeof(lock), "%.250s.lock", inbox->settings->node_queue);
	result = ocs_broker_lock(inbox->loop.broker, consumer->channel.number, lock, &taken, error);
	*alone_r = !taken;
	if (taken)
		consumer->channel.number = 0;
	if (result != OCS_BROKER_OK || taken)
		return result;
	result = ocs_broker_declare_node_queue(inbox->loop.broker, consumer->channel.number,
	                                       inbox->settings, NULL, error);
	return result == OCS_BROKER_OK ? consume(consumer, error) : result;
}

static enum ocs_broker_result open_ingest(struct inbox_consumer *consumer, struct ocs_error *error)
{
	enum ocs_broker_result result = ocs_broker_declare_queue(
	        consumer->inbox->loop.broker, consumer->channel.number, consumer->queue, error);

	return result == OCS_BROKER_OK ? consume(consumer, error) : result;
}

static enum ocs_broker_result open_dead(struct ocs_inbox *inbox, struct ocs_error *error)
{
	struct inbox_dead *dead = &inbox->dead;
	enum ocs_broker_result result = ocs_broker_declare_queue(
	        inbox->loop.broker, dead->channel.number, inbox->settings->dead_queue, error);

	if (result != OCS_BROKER_OK)
		return result;
	amqp_confirm_select(ocs_broker_connection(inbox->loop.broker), dead->channel.number);
	return ocs_broker_reply_on(inbox->loop.broker, dead->channel.number, "asking for confirms",
	                           error);
}

/* ---- opening ---- */

static bool is_due(const struct inbox_channel *channel)
{
	return !channel->ready && channel->retry_at <= ocs_clock_ms();
}

/* Only what concerns the connection is a failure of it. */
static enum ocs_broker_result opened(struct inbox_channel *channel, enum ocs_broker_result result,
                                     struct ocs_error *error)
{
	if (result == OCS_BROKER_OK) {
		ready(channel);
		return result;
	}
	if (result == OCS_BROKER_LOST) {
		/* It may have cost the connection, as a queue without a leader does: on the next
		 * one the others come first, and are not given messages in vain. */
		put_off(channel, OCS_BROKER_REFUSED, error);
		channel->waits = true;
		channel->passes = true;
		return result;
	}
	channel->number = 0;
	put_off(channel, result, error);
	return OCS_BROKER_OK;
}

static enum ocs_broker_result open_consumer(struct inbox_consumer *consumer,
                                            struct ocs_error *error)
{
	struct ocs_inbox *inbox = consumer->inbox;
	enum ocs_broker_result result;
	bool alone = true;

	if (!is_due(&consumer->channel))
		return OCS_BROKER_OK;
	if (consumer->ingest && !ocs_inbox_healthy(inbox)) {
		consumer->channel.retry_at = ocs_clock_ms() + UNHEALTHY_MS;
		return OCS_BROKER_OK;
	}
	result = open_channel(inbox, &consumer->channel, error);
	if (result == OCS_BROKER_OK)
		result = consumer->ingest ? open_ingest(consumer, error)
		                          : open_node(consumer, &alone, error);
	if (result == OCS_BROKER_OK && !alone) {
		result = close_channel(inbox, &consumer->channel, error);
		name_taken(consumer);
		return result;
	}
	if (result == OCS_BROKER_OK) {
		consumer->name_taken = 0;
		if (!consumer->ingest) {
			consumer->had_name = true;
			atomic_store(&consumer->inbox->status->name_taken, false);
		}
		if (consumer->paused)
			ocs_log_to(inbox->log, LOG_NOTICE,
			           "RabbitMQ: consume: taking messages of queue %.100s again",
			           consumer->queue);
		consumer->paused = false;
	}
	return opened(&consumer->channel, result, error);
}

/* One sentence for each channel that is put off, told when it changes. Refused is what needs an
 * admin. */
static void tell(struct ocs_inbox *inbox)
{
	const struct inbox_channel *channels[] = {&inbox->consumers[INBOX_NODE].channel,
	                                          &inbox->consumers[INBOX_INGEST].channel,
	                                          &inbox->dead.channel};
	struct ocs_error now = {.text = ""};
	bool passes = true;
	size_t len = 0;

	for (size_t i = 0; i < sizeof(channels) / sizeof(*channels); i++) {
		int n;

		if (channels[i]->text[0] == '\0' || len >= sizeof(now.text))
			continue;
		n = snprintf(now.text + len, sizeof(now.text) - len, "%s%s", len > 0 ? "; " : "",
		             channels[i]->text);
		len += n > 0 ? (size_t)n : 0;
		passes = passes && channels[i]->passes;
	}
	if (strcmp(now.text, inbox->told.text) == 0 && passes == inbox->told_passes)
		return;
	inbox->told = now;
	inbox->told_passes = passes;
	if (now.text[0] != '\0') {
		ocs_link_status_set(inbox->status, OCS_LINK_CONSUME,
		                    passes ? OCS_LINK_CONNECTING : OCS_LINK_REFUSED,
		                    ocs_broker_peer(inbox->loop.broker), now.text);
		ocs_log_to(inbox->log, passes ? LOG_WARNING : LOG_ERR,
		           "RabbitMQ: consume: %s; it is tried again", now.text);
	} else {
		ocs_link_status_set(inbox->status, OCS_LINK_CONSUME, OCS_LINK_UP,
		                    ocs_broker_peer(inbox->loop.broker), NULL);
		ocs_log_to(inbox->log, LOG_NOTICE,
		           "RabbitMQ: consume: all queues can be used again");
	}
}

enum ocs_broker_result ocs_inbox_open_due(struct ocs_inbox *inbox, struct ocs_error *error)
{
	enum ocs_broker_result result = OCS_BROKER_OK;

	if (is_due(&inbox->dead.channel)) {
		result = open_channel(inbox, &inbox->dead.channel, error);
		if (result == OCS_BROKER_OK)
			result = open_dead(inbox, error);
		result = opened(&inbox->dead.channel, result, error);
	}
	if (result == OCS_BROKER_OK)
		result = open_consumer(&inbox->consumers[INBOX_NODE], error);
	if (result == OCS_BROKER_OK && inbox->settings->ingest)
		result = open_consumer(&inbox->consumers[INBOX_INGEST], error);
	if (result == OCS_BROKER_OK)
		tell(inbox);
	return result;
}

uint64_t ocs_inbox_next_due(const struct ocs_inbox *inbox)
{
	const struct inbox_channel *channels[] = {
	        &inbox->dead.channel, &inbox->consumers[INBOX_NODE].channel,
	        inbox->settings->ingest ? &inbox->consumers[INBOX_INGEST].channel : NULL};
	uint64_t next = UINT64_MAX;

	for (size_t i = 0; i < sizeof(channels) / sizeof(*channels); i++)
		if (channels[i] != NULL && !channels[i]->ready && channels[i]->retry_at < next)
			next = channels[i]->retry_at;
	return next;
}

/* ---- closing ---- */

static void reset_reading(struct inbox_reading *reading)
{
	talloc_free(reading->message);
	*reading = (struct inbox_reading){0};
}

enum ocs_broker_result ocs_inbox_close_consumer(struct inbox_consumer *consumer,
                                                enum ocs_broker_result why,
                                                const struct ocs_error *text,
                                                struct ocs_error *error)
{
	enum ocs_broker_result result;

	if (consumer->reading.forward) {
		/* Half a message lies in the dead-letter channel. */
		*error = *text;
		return OCS_BROKER_LOST;
	}
	result = close_channel(consumer->inbox, &consumer->channel, error);
	reset_reading(&consumer->reading);
	ocs_inbox_orphan(consumer);
	put_off(&consumer->channel, why, text);
	return result;
}

enum ocs_broker_result ocs_inbox_close_dead(struct ocs_inbox *inbox, enum ocs_broker_result why,
                                            const struct ocs_error *text, struct ocs_error *error)
{
	enum ocs_broker_result result;

	if (inbox->dead.forwarding) {
		*error = *text;
		return OCS_BROKER_LOST;
	}
	result = close_channel(inbox, &inbox->dead.channel, error);
	ocs_inbox_dead_letter_again(inbox);
	put_off(&inbox->dead.channel, why, text);
	return result;
}

void ocs_inbox_forget_channels(struct ocs_inbox *inbox)
{
	for (int i = 0; i < INBOX_CONSUMERS; i++) {
		struct inbox_consumer *consumer = &inbox->consumers[i];

		reset_reading(&consumer->reading);
		ocs_inbox_orphan(consumer);
		consumer->channel.number = 0;
		consumer->channel.ready = false;
		if (!consumer->channel.waits)
			consumer->channel.retry_at = 0;
		consumer->channel.waits = false;
	}
	/* No confirm comes any more. */
	ocs_inbox_dead_letter_again(inbox);
	inbox->dead.channel.number = 0;
	inbox->dead.channel.ready = false;
	inbox->dead.channel.retry_at = 0;
	inbox->last_channel = 0;
}
