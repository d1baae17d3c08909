/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Frames into messages. Messages are put together here and not by
 * librabbitmq, which would wait for the rest of one, however large, in the middle of a frame loop.
 */
#include "cluster/inbox_internal.h"

#include <string.h>

#include <talloc.h>

#include "registry/bind_request.h"

static enum ocs_broker_result out_of_memory(struct ocs_error *error)
{
	ocs_error_memory(error);
	return OCS_BROKER_LOST;
}

static struct inbox_consumer *consumer_of(struct ocs_inbox *inbox, amqp_channel_t number)
{
	for (int i = 0; i < INBOX_CONSUMERS && number != 0; i++)
		if (inbox->consumers[i].channel.number == number)
			return &inbox->consumers[i];
	return NULL;
}

static void note_key(struct inbox_message *message, amqp_bytes_t key)
{
	unsigned char first = key.len > 0 ? *(const unsigned char *)key.bytes : ' ';

	ocs_inbox_printable(key.bytes, key.len, message->key, sizeof(message->key));
	message->no_user = first < 0x20;
	message->for_store = first == OCS_BIND_STORE;
}

static enum ocs_broker_result begin(struct inbox_consumer *consumer,
                                    const amqp_basic_deliver_t *deliver, struct ocs_error *error)
{
	struct ocs_inbox *inbox = consumer->inbox;
	struct inbox_message *message;

	consumer->reading = (struct inbox_reading){.content = true, .header = true};
	/* What is not taken goes back to the queue with the connection. */
	if (atomic_load(&inbox->loop.ending))
		return OCS_BROKER_OK;
	message = talloc_zero(NULL, struct inbox_message);
	if (message == NULL)
		return out_of_memory(error);
	message->inbox = inbox;
	message->tag = deliver->delivery_tag;
	message->redelivered = deliver->redelivered;
	note_key(message, deliver->routing_key);
	consumer->reading.message = message;
	return OCS_BROKER_OK;
}

static void complete(struct inbox_consumer *consumer)
{
	struct inbox_message *message = consumer->reading.message;

	consumer->reading = (struct inbox_reading){0};
	if (message != NULL)
		ocs_inbox_take(consumer, message);
}

static enum ocs_broker_result read_header(struct inbox_consumer *consumer,
                                          const amqp_frame_t *frame, struct ocs_error *error)
{
	struct inbox_message *message = consumer->reading.message;
	amqp_bytes_t raw = frame->payload.properties.raw;

	consumer->reading.header = false;
	consumer->reading.left = frame->payload.properties.body_size;
	if (message != NULL) {
		message->body_size = consumer->reading.left;
		message->properties.len = raw.len;
		message->properties.bytes = talloc_memdup(message, raw.bytes, raw.len);
		if (message->properties.bytes == NULL)
			return out_of_memory(error);
		if (message->body_size > OCS_INBOX_BODY_MAX) {
			message->unread = true;
			consumer->reading.message = NULL;
			ocs_inbox_take(consumer, message);
			return ocs_inbox_forward_begin(message, &consumer->reading.forward, error);
		}
		message->body = talloc_size(message, message->body_size + 1);
		if (message->body == NULL)
			return out_of_memory(error);
	}
	if (consumer->reading.left == 0)
		complete(consumer);
	return OCS_BROKER_OK;
}

static enum ocs_broker_result read_body(struct inbox_consumer *consumer, amqp_bytes_t part,
                                        struct ocs_error *error)
{
	struct inbox_reading *reading = &consumer->reading;
	enum ocs_broker_result result = OCS_BROKER_OK;

	if (part.len > reading->left) {
		ocs_error_set(error, "the broker sent a body longer than announced");
		return OCS_BROKER_LOST;
	}
	reading->left -= part.len;
	if (reading->forward) {
		result = ocs_inbox_forward(consumer->inbox, part, error);
		if (reading->left == 0)
			consumer->inbox->dead.forwarding = false;
	} else if (reading->message != NULL) {
		memcpy(reading->message->body + reading->message->len, part.bytes, part.len);
		reading->message->len += part.len;
	}
	if (reading->left == 0)
		complete(consumer);
	return result;
}

static enum ocs_broker_result read_content(struct ocs_inbox *inbox, const amqp_frame_t *frame,
                                           struct ocs_error *error)
{
	struct inbox_consumer *consumer = consumer_of(inbox, frame->channel);

	if (consumer == NULL || !consumer->reading.content)
		return OCS_BROKER_OK;
	if (frame->frame_type == AMQP_FRAME_HEADER && consumer->reading.header)
		return read_header(consumer, frame, error);
	if (frame->frame_type == AMQP_FRAME_BODY && !consumer->reading.header)
		return read_body(consumer, frame->payload.body_fragment, error);
	ocs_error_set(error, "the broker sent a frame out of order");
	return OCS_BROKER_LOST;
}

/* The broker closed a channel: the others go on. */
static enum ocs_broker_result channel_closed(struct ocs_inbox *inbox, const amqp_frame_t *frame,
                                             struct ocs_error *error)
{
	struct inbox_consumer *consumer = consumer_of(inbox, frame->channel);
	enum ocs_broker_result why;
	struct ocs_error text;

	why = ocs_broker_closed(inbox->loop.broker, frame, &text);
	if (consumer != NULL) {
		consumer->channel.number = 0;
		return ocs_inbox_close_consumer(consumer, why, &text, error);
	}
	if (frame->channel != inbox->dead.channel.number)
		return OCS_BROKER_OK;
	inbox->dead.channel.number = 0;
	return ocs_inbox_close_dead(inbox, why, &text, error);
}

/* The queue was deleted, or its leader was lost. */
static enum ocs_broker_result cancelled(struct ocs_inbox *inbox, amqp_channel_t number,
                                        struct ocs_error *error)
{
	struct inbox_consumer *consumer = consumer_of(inbox, number);
	struct ocs_error text;

	if (consumer == NULL)
		return OCS_BROKER_OK;
	ocs_error_set(&text, "queue \"%.255s\": the broker ended the consumer", consumer->queue);
	return ocs_inbox_close_consumer(consumer, OCS_BROKER_LOST, &text, error);
}

static enum ocs_broker_result returned(struct ocs_inbox *inbox, amqp_channel_t number,
                                       struct ocs_error *error)
{
	struct ocs_error text;

	if (number != inbox->dead.channel.number)
		return OCS_BROKER_OK;
	/* It is declared again. What comes with the return comes on no channel of ours then. */
	ocs_error_set(&text, "queue \"%.255s\" is gone", inbox->settings->dead_queue);
	return ocs_inbox_close_dead(inbox, OCS_BROKER_LOST, &text, error);
}

static enum ocs_broker_result read_method(struct ocs_inbox *inbox, const amqp_frame_t *frame,
                                          struct ocs_error *error)
{
	const amqp_method_t *method = &frame->payload.method;
	struct inbox_consumer *consumer = consumer_of(inbox, frame->channel);
	const amqp_basic_ack_t *ack = method->decoded;
	const amqp_basic_nack_t *nack = method->decoded;
	bool of_dead = frame->channel == inbox->dead.channel.number;

	switch (method->id) {
	case AMQP_BASIC_DELIVER_METHOD:
		return consumer != NULL ? begin(consumer, method->decoded, error) : OCS_BROKER_OK;
	case AMQP_BASIC_ACK_METHOD:
		if (of_dead)
			ocs_inbox_dead_letter_confirmed(inbox, ack->delivery_tag, ack->multiple,
			                                true);
		return OCS_BROKER_OK;
	case AMQP_BASIC_NACK_METHOD:
		if (of_dead)
			ocs_inbox_dead_letter_confirmed(inbox, nack->delivery_tag, nack->multiple,
			                                false);
		return OCS_BROKER_OK;
	case AMQP_BASIC_RETURN_METHOD:
		return returned(inbox, frame->channel, error);
	case AMQP_BASIC_CANCEL_METHOD:
		return cancelled(inbox, frame->channel, error);
	case AMQP_CHANNEL_CLOSE_METHOD:
		return channel_closed(inbox, frame, error);
	default:
		return OCS_BROKER_OK;
	}
}

/* From 0.14 on librabbitmq decodes no headers nested more than 100 deep, so nobody will ever read
 * this message by it; left in the queue it would end each connection, and all behind it would wait.
 * Only at the second time: once it may have been the network. */
void ocs_inbox_unreadable(void *arg)
{
	struct ocs_inbox *inbox = arg;

	for (int i = 0; i < INBOX_CONSUMERS; i++) {
		const struct inbox_consumer *consumer = &inbox->consumers[i];
		const struct inbox_message *message = consumer->reading.message;

		if (message == NULL || !consumer->reading.header || !message->redelivered ||
		    amqp_basic_reject(ocs_broker_connection(inbox->loop.broker),
		                      consumer->channel.number, message->tag, 0) != AMQP_STATUS_OK)
			continue;
		ocs_log_to(inbox->log, LOG_ERR,
		           "RabbitMQ: consume: a message of queue %.100s, routing key %s, is "
		           "rejected: librabbitmq cannot decode its properties; the queue's "
		           "dead-letter exchange has it, if a policy names one",
		           consumer->queue, message->key);
	}
}

enum ocs_broker_result ocs_inbox_frame(void *inbox, const amqp_frame_t *frame,
                                       struct ocs_error *error)
{
	return frame->frame_type == AMQP_FRAME_METHOD ? read_method(inbox, frame, error)
	                                              : read_content(inbox, frame, error);
}
