/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Putting messages into the dead-letter queue, with the broker's confirm
 * before they are acknowledged to the queue they came from. A body too large to be kept goes there
 * piece by piece as it comes.
 *
 * Not by the broker's own dead-lettering: what it moves for basic.reject says "rejected" (tried
 * with 3.10) and not why, x-delivery-limit cannot spare what only lay behind the message that
 * kills, and a queue that is there takes no x-dead-letter-exchange without being deleted or a
 * policy.
 */
#include "cluster/inbox_internal.h"

#include <syslog.h>
#include <time.h>

#include <utlist.h>

#include "base/log_budget.h"

#define AGAIN_MS       1000 /* after a refusal by the queue */
#define BLOCKED_MS     200  /* between looks at a broker that asks for no more */
#define FRAME_OVERHEAD 32   /* of the frame around the properties, and to spare */
#define POOL_PAGE      4096

static void log_dead_letter(const struct inbox_message *message)
{
	const char *account = message->account[0] != '\0' ? message->account : "-";

	OCS_LINK_COUNT(message->inbox->status, dead, 1);
	ocs_log_budgeted(LOG_WARNING, "dead letter", account,
	                 "RabbitMQ: consume: a message of queue %.100s, account %.100s, went to "
	                 "%.100s: %s",
	                 message->consumer->queue, account, message->inbox->settings->dead_queue,
	                 message->reason);
}

/* Nothing is published while the broker asks for no more: it would stop reading this connection,
 * acknowledgements and all. */
static bool can_dead_letter(const struct ocs_inbox *inbox)
{
	return inbox->dead.channel.ready && !inbox->loop.blocked && !inbox->dead.forwarding &&
	       ocs_link_status_state(inbox->status, OCS_LINK_PUBLISH) != OCS_LINK_BLOCKED;
}

static int make_properties(const struct inbox_message *message, amqp_pool_t *pool,
                           amqp_basic_properties_t *out)
{
	const struct ocs_inbox *inbox = message->inbox;
	int frame_max = amqp_get_frame_max(ocs_broker_connection(inbox->loop.broker));
	amqp_basic_properties_t none = {0};
	void *decoded = NULL;
	const struct ocs_inbox_death death = {
	        .reason = message->reason,
	        .queue = message->consumer->queue,
	        .node = inbox->settings->node,
	        .account = message->account,
	        .key = message->key,
	        .at = (uint64_t)time(NULL),
	};

	if (amqp_decode_properties(AMQP_BASIC_CLASS, pool, message->properties, &decoded) !=
	    AMQP_STATUS_OK)
		decoded = &none;
	return ocs_inbox_dead_properties(pool, decoded, &death, (size_t)frame_max - FRAME_OVERHEAD,
	                                 out);
}

static void put_off(struct inbox_message *message)
{
	struct inbox_dead *dead = &message->inbox->dead;

	message->retry_at = ocs_clock_ms() + AGAIN_MS;
	if (message->retry_at < dead->look_at)
		dead->look_at = message->retry_at;
}

static void published(struct inbox_message *message)
{
	message->dead_number = ++message->inbox->dead.published;
	ocs_inbox_set_state(message, INBOX_CONFIRMING);
}

static enum ocs_broker_result publish(struct inbox_message *message, struct ocs_error *error)
{
	struct ocs_inbox *inbox = message->inbox;
	amqp_bytes_t body = {message->len, message->body};
	amqp_basic_properties_t properties;
	amqp_pool_t pool;
	int status;

	init_amqp_pool(&pool, POOL_PAGE);
	if (make_properties(message, &pool, &properties) != 0) {
		empty_amqp_pool(&pool);
		put_off(message);
		return OCS_BROKER_OK;
	}
	status = amqp_basic_publish(ocs_broker_connection(inbox->loop.broker),
	                            inbox->dead.channel.number, amqp_empty_bytes,
	                            amqp_cstring_bytes(inbox->settings->dead_queue), 1, 0,
	                            &properties, body);
	empty_amqp_pool(&pool);
	published(message);
	return ocs_broker_status(inbox->loop.broker, status, "publishing a dead letter", error);
}

/* Its body was passed over because there was nowhere to put it. Now there is: once more. */
static enum ocs_broker_result give_back(struct inbox_message *message, struct ocs_error *error)
{
	struct ocs_inbox *inbox = message->inbox;
	int status = amqp_basic_nack(ocs_broker_connection(inbox->loop.broker),
	                             message->consumer->channel.number, message->tag, 0, 1);

	ocs_inbox_forget(message);
	return ocs_broker_status(inbox->loop.broker, status, "giving a message back", error);
}

enum ocs_broker_result ocs_inbox_dead_letter_due(struct ocs_inbox *inbox, struct ocs_error *error)
{
	uint64_t now = ocs_clock_ms(), next = UINT64_MAX;
	struct inbox_message *message, *following;
	enum ocs_broker_result result = OCS_BROKER_OK;

	if (inbox->dead.look_at > now || !can_dead_letter(inbox))
		return OCS_BROKER_OK;
	inbox->dead.look_at = UINT64_MAX;
	for (int i = 0; i < INBOX_CONSUMERS; i++) {
		for (message = inbox->consumers[i].list; message != NULL && result == OCS_BROKER_OK;
		     message = following) {
			following = message->next;
			if (message->state != INBOX_DEAD)
				continue;
			if (message->retry_at > now)
				next = message->retry_at < next ? message->retry_at : next;
			else if (message->unread)
				result = give_back(message, error);
			else
				result = publish(message, error);
		}
	}
	if (next < inbox->dead.look_at)
		inbox->dead.look_at = next;
	return result;
}

uint64_t ocs_inbox_next_burial(const struct ocs_inbox *inbox)
{
	uint64_t soon = ocs_clock_ms() + BLOCKED_MS;

	if (inbox->dead.look_at == UINT64_MAX || can_dead_letter(inbox) ||
	    inbox->dead.look_at > soon)
		return inbox->dead.look_at;
	return soon;
}

/* ---- large bodies ---- */

enum ocs_broker_result ocs_inbox_forward_begin(struct inbox_message *message, bool *forward_r,
                                               struct ocs_error *error)
{
	struct ocs_inbox *inbox = message->inbox;
	amqp_basic_publish_t method = {
	        .routing_key = amqp_cstring_bytes(inbox->settings->dead_queue),
	        .mandatory = 1,
	};
	amqp_connection_state_t connection = ocs_broker_connection(inbox->loop.broker);
	amqp_basic_properties_t properties;
	amqp_frame_t frame = {
	        .frame_type = AMQP_FRAME_HEADER,
	        .channel = inbox->dead.channel.number,
	        .payload.properties = {.class_id = AMQP_BASIC_CLASS,
	                               .body_size = message->body_size,
	                               .decoded = &properties},
	};
	amqp_pool_t pool;
	int status;

	*forward_r = false;
	if (!can_dead_letter(inbox))
		return OCS_BROKER_OK;
	init_amqp_pool(&pool, POOL_PAGE);
	if (make_properties(message, &pool, &properties) != 0) {
		empty_amqp_pool(&pool);
		return OCS_BROKER_OK;
	}
	status = amqp_send_method(connection, inbox->dead.channel.number, AMQP_BASIC_PUBLISH_METHOD,
	                          &method);
	if (status == AMQP_STATUS_OK)
		status = amqp_send_frame(connection, &frame);
	empty_amqp_pool(&pool);
	*forward_r = true;
	inbox->dead.forwarding = true;
	published(message);
	return ocs_broker_status(inbox->loop.broker, status, "publishing a dead letter", error);
}

enum ocs_broker_result ocs_inbox_forward(struct ocs_inbox *inbox, amqp_bytes_t part,
                                         struct ocs_error *error)
{
	const amqp_frame_t frame = {
	        .frame_type = AMQP_FRAME_BODY,
	        .channel = inbox->dead.channel.number,
	        .payload.body_fragment = part,
	};

	return ocs_broker_status(inbox->loop.broker,
	                         amqp_send_frame(ocs_broker_connection(inbox->loop.broker), &frame),
	                         "publishing a dead letter", error);
}

/* ---- answers ---- */

static void confirmed(struct inbox_message *message, bool ok)
{
	if (message->consumer == NULL) {
		ocs_inbox_set_state(message, INBOX_DONE);
	} else if (ok) {
		log_dead_letter(message);
		ocs_inbox_set_state(message, INBOX_DONE);
	} else {
		ocs_inbox_set_state(message, INBOX_DEAD);
		put_off(message);
	}
}

static void confirmed_in(struct inbox_message *list, uint64_t from, uint64_t to, bool ok)
{
	struct inbox_message *message, *following;

	DL_FOREACH_SAFE(list, message, following)
	{
		if (message->state == INBOX_CONFIRMING && message->dead_number >= from &&
		    message->dead_number <= to)
			confirmed(message, ok);
	}
}

static void confirmed_all(struct ocs_inbox *inbox, uint64_t from, uint64_t to, bool ok)
{
	for (int i = 0; i < INBOX_CONSUMERS; i++)
		confirmed_in(inbox->consumers[i].list, from, to, ok);
	confirmed_in(inbox->orphans, from, to, ok);
}

void ocs_inbox_dead_letter_confirmed(struct ocs_inbox *inbox, uint64_t number, bool multiple,
                                     bool ok)
{
	confirmed_all(inbox, multiple ? 0 : number, number, ok);
}

void ocs_inbox_dead_letter_again(struct ocs_inbox *inbox)
{
	confirmed_all(inbox, 0, UINT64_MAX, false);
	inbox->dead.published = 0;
	inbox->dead.forwarding = false;
}
