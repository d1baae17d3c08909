/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * A new channel in place of one that refuses for ever. RabbitMQ 3.10 does
 * that to who first publishes to a quorum queue while it has no leader, as one does who connects
 * anew because a broker of a cluster died. The publisher's thread.
 */
#include "cluster/outbox_internal.h"

#define CHANNELS    8    /* used in turn: an old one has time to close */
#define SILENCE     1000 /* ms */
#define RENEW_FIRST 1000 /* ms between two renewals; doubles */
#define RENEW_MOST  60000

enum ocs_broker_result ocs_outbox_confirms(struct ocs_outbox *outbox, struct ocs_error *error)
{
	amqp_confirm_select(ocs_broker_connection(outbox->loop.broker), outbox->channel);
	return ocs_broker_reply_on(outbox->loop.broker, outbox->channel, "asking for confirms",
	                           error);
}

static bool silent(const struct ocs_outbox *outbox, uint64_t now)
{
	return outbox->nacked && outbox->low != outbox->next && now - outbox->heard_at >= SILENCE;
}

/* Now, and how long not again: a queue that is full looks much the same. */
static void note_renewal(struct ocs_outbox *outbox, uint64_t now)
{
	if (outbox->renew_wait == 0 || now > outbox->renew_at + 2 * RENEW_MOST)
		outbox->renew_wait = RENEW_FIRST;
	outbox->renew_at = now + outbox->renew_wait;
	outbox->renew_wait *= 2;
	if (outbox->renew_wait > RENEW_MOST)
		outbox->renew_wait = RENEW_MOST;
}

static enum ocs_broker_result new_channel(struct ocs_outbox *outbox, struct ocs_error *error)
{
	amqp_connection_state_t connection = ocs_broker_connection(outbox->loop.broker);
	amqp_channel_close_t close = {.reply_code = AMQP_REPLY_SUCCESS};
	enum ocs_broker_result result;
	int status;

	/* Its answer is not waited for: such a channel may take seconds to come to it. */
	status = amqp_send_method(connection, outbox->channel, AMQP_CHANNEL_CLOSE_METHOD, &close);
	result = ocs_broker_status(outbox->loop.broker, status, "closing a channel", error);
	outbox->channel = outbox->channel % CHANNELS + 1;
	if (result == OCS_BROKER_OK)
		result = ocs_broker_open_channel(outbox->loop.broker, outbox->channel, error);
	if (result == OCS_BROKER_OK)
		result = ocs_outbox_confirms(outbox, error);
	return result;
}

enum ocs_broker_result ocs_outbox_renew(struct ocs_outbox *outbox, struct ocs_error *error)
{
	uint64_t now = ocs_clock_ms();
	struct ocs_outbox_item *item;
	enum ocs_broker_result result;

	note_renewal(outbox, now);
	/* With nothing else to do the broker goes on trying what it refuses, and reads no more. */
	if (silent(outbox, now)) {
		outbox->at_once = true;
		ocs_error_set(error, "the broker confirms nothing and refuses messages");
		return OCS_BROKER_LOST;
	}
	result = new_channel(outbox, error);
	pthread_mutex_lock(&outbox->lock);
	ocs_outbox_window_reset(outbox);
	for (item = outbox->delayed; item != NULL; item = item->next)
		item->due = 0;
	pthread_mutex_unlock(&outbox->lock);
	outbox->renewing = 0;
	outbox->stuck = outbox->returning = false;
	outbox->body_left = 0;
	return result;
}

bool ocs_outbox_time_to_renew(struct ocs_outbox *outbox)
{
	uint64_t now;

	if ((!outbox->nacked && !outbox->stuck) || outbox->loop.blocked)
		return false;
	now = ocs_clock_ms();
	if (now < outbox->renew_at || (!outbox->stuck && !silent(outbox, now)))
		return false;
	if (outbox->renewing == 0)
		outbox->renewing = now;
	return outbox->low == outbox->next || silent(outbox, now) ||
	       now - outbox->renewing >= OCS_OUTBOX_PAUSE;
}
