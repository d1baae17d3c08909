/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What is asked of the broker from time to time, on a channel of its own and without waiting: how
 * many messages the queues hold, and whether the bindings are still there. See
 * bindings_internal.h.
 *
 * Bindings vanish without a word when somebody deletes the queue or the exchange: the broker tells
 * the consumer at most, and whichever connection notices makes the queue again, empty of bindings.
 * So one binding is a marker: a message to it that comes back says that they are gone. One that
 * does not come back has reached this node's queue, as one of its own, which the inbox drops.
 */
#include "cluster/bindings_internal.h"

#include <string.h>

#define WATCH_MS  5000
#define SILENT_MS 30000 /* for an answer, from when the next question was due */
#define QUEUES    3

void ocs_bindings_marker(const struct ocs_link_settings *settings, char key[OCS_MESSAGE_KEY_SIZE])
{
	ocs_message_node_key(settings->node, key);
}

static const char *queue_name(const struct ocs_bindings_watch *watch)
{
	const struct ocs_link_settings *settings = watch->bindings->settings;
	const char *const names[QUEUES] = {settings->ingest_queue, settings->node_queue,
	                                   settings->dead_queue};

	return names[watch->asking];
}

static bool asks_for_own(const struct ocs_bindings_watch *watch)
{
	return watch->asking == 1;
}

static void set_gauge(struct ocs_bindings_watch *watch, uint64_t messages)
{
	struct ocs_link_status *status = watch->bindings->status;

	switch (watch->asking) {
	case 0:
		OCS_LINK_SET(status, ingest_messages, messages);
		break;
	case 1:
		OCS_LINK_SET(status, node_messages, messages);
		break;
	default:
		OCS_LINK_SET(status, dead_messages, messages);
	}
}

static enum ocs_broker_result send_question(struct ocs_bindings_watch *watch,
                                            struct ocs_error *error)
{
	amqp_queue_declare_t declare = {.queue = amqp_cstring_bytes(queue_name(watch)),
	                                .passive = 1};
	int status =
	        amqp_send_method(ocs_broker_connection(watch->broker), OCS_BINDINGS_WATCH_CHANNEL,
	                         AMQP_QUEUE_DECLARE_METHOD, &declare);

	return ocs_broker_status(watch->broker, status, "asking for a queue", error);
}

static enum ocs_broker_result ask_next(struct ocs_bindings_watch *watch, struct ocs_error *error)
{
	watch->asking++;
	return watch->asking < QUEUES ? send_question(watch, error) : OCS_BROKER_OK;
}

static enum ocs_broker_result probe(struct ocs_bindings_watch *watch, struct ocs_error *error)
{
	const struct ocs_link_settings *settings = watch->bindings->settings;
	char key[OCS_MESSAGE_KEY_SIZE];
	amqp_table_entry_t header = ocs_amqp_entry("ocs-origin", ocs_amqp_text(settings->node));
	amqp_basic_properties_t properties = {
	        ._flags = AMQP_BASIC_HEADERS_FLAG | AMQP_BASIC_EXPIRATION_FLAG |
	                  AMQP_BASIC_APP_ID_FLAG,
	        .headers = {1, &header},
	        .expiration = amqp_cstring_bytes("10000"), /* as nobody may be consuming */
	        .app_id = amqp_cstring_bytes("ocsmanager"),
	};
	int status;

	ocs_bindings_marker(settings, key);
	status =
	        amqp_basic_publish(ocs_broker_connection(watch->broker), OCS_BINDINGS_WATCH_CHANNEL,
	                           amqp_cstring_bytes(settings->exchange), amqp_cstring_bytes(key),
	                           1, 0, &properties, amqp_empty_bytes);
	return ocs_broker_status(watch->broker, status, "looking for the bindings", error);
}

enum ocs_broker_result ocs_bindings_watch_open(struct ocs_bindings_watch *watch,
                                               struct ocs_bindings *bindings,
                                               struct ocs_broker *broker, bool soon,
                                               uint64_t probe_after, struct ocs_error *error)
{
	*watch = (struct ocs_bindings_watch){
	        .bindings = bindings,
	        .broker = broker,
	        .asking = QUEUES,
	        .may_probe = true,
	        .probe_after = probe_after,
	        .due = ocs_clock_ms() + (soon ? 0 : WATCH_MS),
	};
	return ocs_broker_open_channel(broker, OCS_BINDINGS_WATCH_CHANNEL, error);
}

enum ocs_broker_result ocs_bindings_watch_turn(struct ocs_bindings_watch *watch, uint64_t now,
                                               struct ocs_error *error)
{
	if (watch->asking < QUEUES && now >= watch->due + SILENT_MS) {
		ocs_error_set(error, "the broker gave no answer about queue \"%s\"",
		              queue_name(watch));
		return OCS_BROKER_LOST;
	}
	if (now < watch->due || watch->asking < QUEUES)
		return OCS_BROKER_OK;
	watch->due = now + WATCH_MS;
	/* Where the broker takes nothing, it would not take the rest of this connection either. */
	if (watch->may_probe && now >= watch->probe_after &&
	    ocs_link_status_state(watch->bindings->status, OCS_LINK_PUBLISH) != OCS_LINK_BLOCKED) {
		enum ocs_broker_result result = probe(watch, error);

		if (result != OCS_BROKER_OK)
			return result;
	}
	watch->asking = 0;
	return send_question(watch, error);
}

static enum ocs_broker_result lost(struct ocs_bindings_watch *watch, struct ocs_error *error)
{
	watch->lost = true;
	ocs_error_set(error, "queue \"%s\" has lost its bindings",
	              watch->bindings->settings->node_queue);
	return OCS_BROKER_LOST;
}

/* The broker closed the channel for what was asked last: a queue that is not there, or may not be
 * looked at, is none of our errors unless it is our own. */
static enum ocs_broker_result closed(struct ocs_bindings_watch *watch, const amqp_frame_t *frame,
                                     struct ocs_error *error)
{
	const amqp_channel_close_t *close = frame->payload.method.decoded;
	bool of_probe = close->method_id == (AMQP_BASIC_PUBLISH_METHOD & 0xffff) &&
	                close->class_id == AMQP_BASIC_CLASS;
	enum ocs_broker_result result = ocs_broker_closed(watch->broker, frame, error);

	if (result == OCS_BROKER_MISSING && (of_probe || asks_for_own(watch)))
		return lost(watch, error);
	if (result == OCS_BROKER_LOST)
		return result;
	result = ocs_broker_open_channel(watch->broker, OCS_BINDINGS_WATCH_CHANNEL, error);
	if (result != OCS_BROKER_OK)
		return result;
	if (of_probe) {
		watch->may_probe = false;
		watch->asking = 0;
		return send_question(watch, error);
	}
	if (watch->asking == QUEUES)
		return OCS_BROKER_OK;
	set_gauge(watch, 0);
	return ask_next(watch, error);
}

enum ocs_broker_result ocs_bindings_watch_frame(struct ocs_bindings_watch *watch,
                                                const amqp_frame_t *frame, struct ocs_error *error)
{
	/* What follows a returned message tells nothing. */
	if (frame->frame_type != AMQP_FRAME_METHOD)
		return OCS_BROKER_OK;
	switch (frame->payload.method.id) {
	case AMQP_QUEUE_DECLARE_OK_METHOD: {
		const amqp_queue_declare_ok_t *ok = frame->payload.method.decoded;

		if (watch->asking == QUEUES)
			return OCS_BROKER_OK;
		set_gauge(watch, ok->message_count);
		return ask_next(watch, error);
	}
	case AMQP_BASIC_RETURN_METHOD:
		return lost(watch, error);
	case AMQP_CHANNEL_CLOSE_METHOD:
		return closed(watch, frame, error);
	default:
		return OCS_BROKER_OK;
	}
}
