/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What the broker's answers and librabbitmq's statuses mean, and the sentence for
 * people. Answers what the broker closes.
 */
#include "cluster/broker_internal.h"

#include <stdio.h>
#include <string.h>

/* The broker's own words; they hold names of queues and users, never a password. */
static void copy_text(amqp_bytes_t text, char *out, size_t size)
{
	size_t len = text.len < size - 1 ? text.len : size - 1;

	for (size_t i = 0; i < len; i++) {
		unsigned char byte = ((const unsigned char *)text.bytes)[i];

		out[i] = byte < 0x20 || byte == 0x7f ? ' ' : (char)byte;
	}
	out[len] = '\0';
}

/* asked: it is the answer to a request, not an exception some time after one. */
static enum ocs_broker_result say_channel(struct ocs_broker *broker, amqp_channel_t channel,
                                          const amqp_channel_close_t *close, bool asked,
                                          const char *doing, struct ocs_error *error)
{
	amqp_channel_close_ok_t ok = {0};
	char text[256];

	copy_text(close->reply_text, text, sizeof(text));
	if (amqp_send_method(broker->connection, channel, AMQP_CHANNEL_CLOSE_OK_METHOD, &ok) !=
	    AMQP_STATUS_OK)
		broker->dead = true;
	switch (close->reply_code) {
	case AMQP_ACCESS_REFUSED:
		ocs_error_set(error,
		              "%s: refused (%s); at the broker: rabbitmqctl set_permissions for "
		              "user \"%.100s\"",
		              doing, text, broker->user);
		return OCS_BROKER_REFUSED;
	case AMQP_NOT_FOUND:
		ocs_error_set(error, "%s: %s", doing, text);
		return OCS_BROKER_MISSING;
	case AMQP_PRECONDITION_FAILED:
		ocs_error_set(error, "%s: %s%s", doing, text,
		              asked ? "; it is there with other arguments: delete it at the "
		                      "broker, or name another in [rabbitmq]"
		                    : "");
		return asked ? OCS_BROKER_REFUSED : OCS_BROKER_LOST;
	default:
		ocs_error_set(error, "%s: %s", doing, text);
		return OCS_BROKER_LOST;
	}
}

static enum ocs_broker_result say_connection(struct ocs_broker *broker,
                                             const amqp_connection_close_t *close,
                                             const char *doing, struct ocs_error *error)
{
	amqp_connection_close_ok_t ok = {0};
	char text[256];

	copy_text(close->reply_text, text, sizeof(text));
	amqp_send_method(broker->connection, 0, AMQP_CONNECTION_CLOSE_OK_METHOD, &ok);
	broker->dead = true;
	ocs_error_set(error, "%s: the broker closed the connection: %s%s", doing, text,
	              close->reply_code == AMQP_INTERNAL_ERROR
	                      ? " (as for a queue that has no leader at the moment)"
	                      : "");
	return close->reply_code == AMQP_NOT_ALLOWED || close->reply_code == AMQP_ACCESS_REFUSED
	               ? OCS_BROKER_REFUSED
	               : OCS_BROKER_LOST;
}

static enum ocs_broker_result say_method(struct ocs_broker *broker, amqp_channel_t channel,
                                         const amqp_method_t *method, bool asked, const char *doing,
                                         struct ocs_error *error)
{
	if (method->id == AMQP_CHANNEL_CLOSE_METHOD)
		return say_channel(broker, channel, method->decoded, asked, doing, error);
	if (method->id == AMQP_CONNECTION_CLOSE_METHOD)
		return say_connection(broker, method->decoded, doing, error);
	broker->dead = true;
	ocs_error_set(error, "%s: unexpected answer 0x%08x", doing, (unsigned)method->id);
	return OCS_BROKER_LOST;
}

enum ocs_broker_result ocs_broker_status(struct ocs_broker *broker, int status, const char *doing,
                                         struct ocs_error *error)
{
	if (status == AMQP_STATUS_OK)
		return OCS_BROKER_OK;
	broker->dead = true;
	switch (status) {
	case AMQP_STATUS_CONNECTION_CLOSED:
	case AMQP_STATUS_SOCKET_ERROR:
	case AMQP_STATUS_SOCKET_CLOSED:
	case AMQP_STATUS_TCP_ERROR:
	case AMQP_STATUS_SSL_ERROR:
		ocs_error_set(error, "%s: the connection was lost", doing);
		break;
	case AMQP_STATUS_HEARTBEAT_TIMEOUT:
		ocs_error_set(error, "%s: nothing heard from the broker for two heartbeats", doing);
		break;
	case AMQP_STATUS_TIMEOUT:
		ocs_error_set(error, "%s: the broker does not answer", doing);
		break;
	default:
		ocs_error_set(error, "%s: %s", doing, amqp_error_string2(status));
	}
	return OCS_BROKER_LOST;
}

enum ocs_broker_result ocs_broker_judge(struct ocs_broker *broker, amqp_channel_t channel,
                                        const amqp_rpc_reply_t *reply, const char *doing,
                                        struct ocs_error *error)
{
	switch (reply->reply_type) {
	case AMQP_RESPONSE_NORMAL:
		return OCS_BROKER_OK;
	case AMQP_RESPONSE_SERVER_EXCEPTION:
		return say_method(broker, channel, &reply->reply, true, doing, error);
	case AMQP_RESPONSE_LIBRARY_EXCEPTION:
		return ocs_broker_status(broker, reply->library_error, doing, error);
	default:
		return ocs_broker_status(broker, AMQP_STATUS_UNEXPECTED_STATE, doing, error);
	}
}

enum ocs_broker_result ocs_broker_reply_on(struct ocs_broker *broker, amqp_channel_t channel,
                                           const char *doing, struct ocs_error *error)
{
	amqp_rpc_reply_t reply = amqp_get_rpc_reply(broker->connection);

	return ocs_broker_judge(broker, channel, &reply, doing, error);
}

enum ocs_broker_result ocs_broker_reply(struct ocs_broker *broker, const char *doing,
                                        struct ocs_error *error)
{
	return ocs_broker_reply_on(broker, 1, doing, error);
}

enum ocs_broker_result ocs_broker_closed(struct ocs_broker *broker, const amqp_frame_t *frame,
                                         struct ocs_error *error)
{
	char doing[32];

	if (frame->channel == 0)
		snprintf(doing, sizeof(doing), "connection");
	else
		snprintf(doing, sizeof(doing), "channel %u", (unsigned)frame->channel);
	if (frame->frame_type != AMQP_FRAME_METHOD)
		return ocs_broker_status(broker, AMQP_STATUS_UNEXPECTED_STATE, doing, error);
	return say_method(broker, frame->channel, &frame->payload.method, false, doing, error);
}

enum ocs_broker_result ocs_broker_open_channel(struct ocs_broker *broker, amqp_channel_t channel,
                                               struct ocs_error *error)
{
	amqp_channel_open(broker->connection, channel);
	return ocs_broker_reply_on(broker, channel, "opening a channel", error);
}
