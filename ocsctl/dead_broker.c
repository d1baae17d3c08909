/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The dead-letter queue as the commands use it. What is taken to be looked at is not acknowledged
 * and given back in its order. Killed in between, nothing is lost: the broker puts back what was
 * taken.
 */
#include "ocsctl/dead.h"

#include <time.h>

#define BACK_STEP      5 /* ms */
#define BACK_STEPS     400
#define COUNTS         60
#define DELIVERY_LIMIT 10 /* seconds */

int ocsctl_dead_talked(enum ocs_broker_result result, const struct ocs_error *error)
{
	if (result != OCS_BROKER_OK)
		ocsctl_error("%s", error->text);
	return result == OCS_BROKER_OK ? 0 : -1;
}

/* What a reply means that librabbitmq returns and does not keep. */
static enum ocs_broker_result judge(const struct ocsctl_dead *dead, const amqp_rpc_reply_t *reply,
                                    const char *doing, struct ocs_error *error)
{
	amqp_frame_t frame = {.frame_type = AMQP_FRAME_METHOD, .channel = OCSCTL_DEAD_CHANNEL};

	switch (reply->reply_type) {
	case AMQP_RESPONSE_NORMAL:
		return OCS_BROKER_OK;
	case AMQP_RESPONSE_SERVER_EXCEPTION:
		if (reply->reply.id == AMQP_CONNECTION_CLOSE_METHOD)
			frame.channel = 0;
		frame.payload.method = reply->reply;
		return ocs_broker_closed(dead->broker, &frame, error);
	default:
		return ocs_broker_status(dead->broker, reply->library_error, doing, error);
	}
}

static void no_queue(const struct ocsctl_dead *dead, struct ocs_error *error)
{
	ocs_error_set(error, "%s has no queue %s: a node makes it when it first connects",
	              ocs_broker_peer(dead->broker), dead->settings->dead_queue);
}

/* Each is acknowledged before the next. */
static int take_by_get(struct ocsctl_dead *dead, amqp_message_t *message)
{
	amqp_bytes_t queue = amqp_cstring_bytes(dead->settings->dead_queue);
	const amqp_basic_get_ok_t *ok;
	enum ocs_broker_result result;
	struct ocs_error error;
	amqp_rpc_reply_t reply;

	amqp_maybe_release_buffers(dead->connection);
	reply = amqp_basic_get(dead->connection, OCSCTL_DEAD_CHANNEL, queue, 0);
	result = ocs_broker_reply(dead->broker, "reading the dead letters", &error);
	if (result == OCS_BROKER_MISSING)
		no_queue(dead, &error);
	if (ocsctl_dead_talked(result, &error) < 0)
		return -1;
	if (reply.reply.id != AMQP_BASIC_GET_OK_METHOD)
		return 0;
	ok = reply.reply.decoded;
	dead->tag = ok->delivery_tag;
	if (dead->messages == 0)
		dead->messages = 1 + (uint64_t)ok->message_count;
	reply = amqp_read_message(dead->connection, OCSCTL_DEAD_CHANNEL, message, 0);
	result = judge(dead, &reply, "reading a dead letter", &error);
	return ocsctl_dead_talked(result, &error) < 0 ? -1 : 1;
}

/* Those that are to be given back. */
static int take_delivered(struct ocsctl_dead *dead, amqp_message_t *message)
{
	struct timeval limit = {.tv_sec = DELIVERY_LIMIT};
	enum ocs_broker_result result;
	amqp_envelope_t envelope;
	struct ocs_error error;
	amqp_rpc_reply_t reply;

	if (dead->expected == 0)
		return 0;
	amqp_maybe_release_buffers(dead->connection);
	reply = amqp_consume_message(dead->connection, &envelope, &limit, 0);
	result = judge(dead, &reply, "reading the dead letters", &error);
	/* They were counted before: another consumer has the others. */
	if (reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION &&
	    reply.library_error == AMQP_STATUS_TIMEOUT)
		ocs_error_set(&error, "somebody else is looking at %s; try again",
		              dead->settings->dead_queue);
	if (ocsctl_dead_talked(result, &error) < 0)
		return -1;
	dead->tag = envelope.delivery_tag;
	dead->expected--;
	/* The message goes on, the rest of the envelope does not. */
	*message = envelope.message;
	amqp_bytes_free(envelope.routing_key);
	amqp_bytes_free(envelope.exchange);
	amqp_bytes_free(envelope.consumer_tag);
	return 1;
}

static int count_all(struct ocsctl_dead *dead)
{
	enum ocs_broker_result result;
	struct ocs_error error;

	result = ocs_broker_count(dead->broker, OCSCTL_DEAD_CHANNEL, dead->settings->dead_queue,
	                          &dead->messages, &error);
	if (result == OCS_BROKER_MISSING)
		no_queue(dead, &error);
	return ocsctl_dead_talked(result, &error);
}

/* Until it is known how many the queue holds: 1; nothing for certain: 0; or it cannot be said: -1.
 * The count of a quorum queue whose leader does not answer in a quarter of a second is 0, so it is
 * asked for several times. What basic.get says then is certain; but what it finds goes back behind
 * others, so that numbers in an earlier list are not those in the queue. */
static int find_any(struct ocsctl_dead *dead)
{
	amqp_message_t message;
	int ret;

	for (int i = 0; i < COUNTS; i++) {
		if (count_all(dead) < 0)
			return -1;
		if (dead->messages != 0)
			return 1;
	}
	/* The broker says that there is none, or that nobody may ask. */
	ret = take_by_get(dead, &message);
	if (ret <= 0)
		return ret;
	amqp_destroy_message(&message);
	ocsctl_error("%s is too busy to count what %s holds: try again, and list them first, since "
	             "their numbers may have changed",
	             ocs_broker_peer(dead->broker), dead->settings->dead_queue);
	return -1;
}

/* Has the broker send all there are. A quorum queue gives back in the old order only what one
 * consumer held (what basic.get took comes back before or behind it, by the broker's version), and
 * puts it behind what came back earlier; so all are taken, however few are looked at. */
static int expect_all(struct ocsctl_dead *dead)
{
	amqp_bytes_t queue = amqp_cstring_bytes(dead->settings->dead_queue);
	enum ocs_broker_result result;
	struct ocs_error error;

	dead->expected = dead->messages;
	if (dead->expected > OCSCTL_DEAD_HELD_MAX)
		dead->expected = OCSCTL_DEAD_HELD_MAX;
	amqp_basic_qos(dead->connection, OCSCTL_DEAD_CHANNEL, 0, (uint16_t)dead->expected, 0);
	result = ocs_broker_reply(dead->broker, "setting the prefetch", &error);
	if (result == OCS_BROKER_OK) {
		amqp_basic_consume(dead->connection, OCSCTL_DEAD_CHANNEL, queue,
		                   amqp_cstring_bytes("reader"), 0, 0, 0, amqp_empty_table);
		result = ocs_broker_reply(dead->broker, "reading the dead letters", &error);
	}
	return ocsctl_dead_talked(result, &error);
}

int ocsctl_dead_take(struct ocsctl_dead *dead, amqp_message_t *message)
{
	if (!dead->hold)
		return take_by_get(dead, message);
	if (!dead->asked) {
		int ret = find_any(dead);

		if (ret <= 0)
			return ret;
		if (expect_all(dead) < 0)
			return -1;
		dead->asked = true;
	}
	return take_delivered(dead, message);
}

int ocsctl_dead_hold_rest(struct ocsctl_dead *dead)
{
	uint64_t tag = dead->tag;
	amqp_message_t message;
	int ret;

	while ((ret = take_delivered(dead, &message)) == 1)
		amqp_destroy_message(&message);
	dead->tag = tag;
	return ret;
}

int ocsctl_dead_acknowledge(struct ocsctl_dead *dead)
{
	int status = amqp_basic_ack(dead->connection, OCSCTL_DEAD_CHANNEL, dead->tag, 0);
	struct ocs_error error;

	dead->gone++;
	return ocsctl_dead_talked(ocs_broker_status(dead->broker, status, "acknowledging", &error),
	                          &error);
}

/* Until what was held can be seen again: the next command must find everything in its place. Not
 * for ever, since somebody else may take some away. */
static enum ocs_broker_result wait_until_back(struct ocsctl_dead *dead, struct ocs_error *error)
{
	struct timespec step = {.tv_nsec = BACK_STEP * 1000000L};
	enum ocs_broker_result result;
	uint64_t there = 0;

	result = ocs_broker_open_channel(dead->broker, OCSCTL_DEAD_CHANNEL, error);
	for (int i = 0; result == OCS_BROKER_OK && i < BACK_STEPS; i++) {
		result = ocs_broker_count(dead->broker, OCSCTL_DEAD_CHANNEL,
		                          dead->settings->dead_queue, &there, error);
		if (there >= dead->messages - dead->gone)
			break;
		nanosleep(&step, NULL);
	}
	return result;
}

/* A quorum queue puts what is refused (basic.nack) at its end, and what a closed channel held back
 * in its place. */
int ocsctl_dead_give_back(struct ocsctl_dead *dead)
{
	amqp_rpc_reply_t reply =
	        amqp_channel_close(dead->connection, OCSCTL_DEAD_CHANNEL, AMQP_REPLY_SUCCESS);
	enum ocs_broker_result result;
	struct ocs_error error;

	result = judge(dead, &reply, "giving the messages back", &error);
	if (result == OCS_BROKER_OK && dead->hold)
		result = wait_until_back(dead, &error);
	return ocsctl_dead_talked(result, &error);
}
