/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What the broker says on the publisher's connection: confirms, refusals,
 * returned messages, alarms, and that it closes. The publisher's thread.
 */
#include "cluster/outbox_internal.h"

#include <syslog.h>

static void settle(struct ocs_outbox *outbox, uint64_t tag, bool multiple, bool nack)
{
	struct ocs_outbox_item *ended = NULL;

	pthread_mutex_lock(&outbox->lock);
	ocs_outbox_window_ack(outbox, tag, multiple, nack, &ended);
	pthread_mutex_unlock(&outbox->lock);
	ocs_outbox_end_all(outbox, ended,
	                   "the broker is back, but some nodes may not have reconnected yet");
}

enum ocs_broker_result ocs_outbox_blocked(void *arg, struct ocs_error *error)
{
	struct ocs_outbox *outbox = arg;
	bool blocked = outbox->loop.blocked;

	(void)error;
	ocs_link_status_set(
	        outbox->status, OCS_LINK_PUBLISH, blocked ? OCS_LINK_BLOCKED : OCS_LINK_UP,
	        ocs_broker_peer(outbox->loop.broker),
	        blocked ? "the broker takes no messages: its memory or disk alarm" : "");
	if (blocked)
		OCS_LINK_COUNT(outbox->status, blocked, 1);
	outbox->log(blocked ? LOG_WARNING : LOG_NOTICE,
	            blocked ? "RabbitMQ: publish: the broker takes no messages (memory or disk "
	                      "alarm there)"
	                    : "RabbitMQ: publish: the broker takes messages again");
	pthread_mutex_lock(&outbox->lock);
	ocs_outbox_set_away(outbox, blocked, false);
	pthread_mutex_unlock(&outbox->lock);
	return OCS_BROKER_OK;
}

static enum ocs_broker_result method(struct ocs_outbox *outbox, const amqp_frame_t *frame,
                                     struct ocs_error *error)
{
	const amqp_method_t *got = &frame->payload.method;
	const amqp_basic_nack_t *nack;
	const amqp_basic_ack_t *ack;

	switch (got->id) {
	case AMQP_BASIC_ACK_METHOD:
		ack = got->decoded;
		settle(outbox, ack->delivery_tag, ack->multiple != 0, false);
		return OCS_BROKER_OK;
	case AMQP_BASIC_NACK_METHOD:
		nack = got->decoded;
		settle(outbox, nack->delivery_tag, nack->multiple != 0, true);
		return OCS_BROKER_OK;
	case AMQP_BASIC_RETURN_METHOD:
		outbox->returning = true;
		return OCS_BROKER_OK;
	default:
		return ocs_broker_closed(outbox->loop.broker, frame, error);
	}
}

static void returned(struct ocs_outbox *outbox, const amqp_frame_t *frame)
{
	const amqp_basic_properties_t *properties = frame->payload.properties.decoded;

	outbox->body_left = frame->payload.properties.body_size;
	outbox->returning = outbox->body_left > 0;
	if ((properties->_flags & AMQP_BASIC_MESSAGE_ID_FLAG) == 0)
		return;
	pthread_mutex_lock(&outbox->lock);
	ocs_outbox_window_return(outbox, properties->message_id.bytes, properties->message_id.len);
	pthread_mutex_unlock(&outbox->lock);
}

enum ocs_broker_result ocs_outbox_frame(void *arg, const amqp_frame_t *frame,
                                        struct ocs_error *error)
{
	struct ocs_outbox *outbox = arg;
	size_t len;

	/* Of a channel that was given up: what it confirms was published again. */
	if (frame->channel != 0 && frame->channel != outbox->channel)
		return OCS_BROKER_OK;
	if (frame->frame_type == AMQP_FRAME_METHOD)
		return method(outbox, frame, error);
	if (frame->frame_type == AMQP_FRAME_HEADER && outbox->returning && outbox->body_left == 0) {
		returned(outbox, frame);
		return OCS_BROKER_OK;
	}
	if (frame->frame_type == AMQP_FRAME_BODY && outbox->body_left > 0) {
		len = frame->payload.body_fragment.len;
		outbox->body_left -= len < outbox->body_left ? len : outbox->body_left;
		outbox->returning = outbox->body_left > 0;
		return OCS_BROKER_OK;
	}
	return ocs_broker_status(outbox->loop.broker, AMQP_STATUS_UNEXPECTED_STATE, "confirms",
	                         error);
}
