/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Binding and unbinding, as what broker_loop.c calls on its thread: see bindings_internal.h. What
 * is on its way is in bindings_channels.c.
 */
#include "cluster/bindings_internal.h"
#include "base/plural.h"

#include <syslog.h>

#define BLOCKED_MS 60000 /* how long nothing is published after the broker blocked us for it */

/* ---- what comes in ---- */

static enum ocs_broker_result take_frame(void *arg, const amqp_frame_t *frame,
                                         struct ocs_error *error)
{
	struct ocs_bindings *bindings = arg;
	struct ocs_binder *binder = &bindings->binder;
	enum ocs_broker_result result;

	if (frame->channel == OCS_BINDINGS_WATCH_CHANNEL)
		return ocs_bindings_watch_frame(&binder->watch, frame, error);
	if (frame->frame_type != AMQP_FRAME_METHOD)
		return OCS_BROKER_OK;
	switch (frame->payload.method.id) {
	case AMQP_QUEUE_BIND_OK_METHOD:
	case AMQP_QUEUE_UNBIND_OK_METHOD:
		if (ocs_bindings_channels_done(&binder->channels, frame->channel))
			binder->awaited = true;
		return OCS_BROKER_OK;
	case AMQP_CHANNEL_CLOSE_METHOD:
		result = ocs_broker_closed(bindings->loop.broker, frame, error);
		/* The queue or the exchange is gone, and so are the bindings. */
		if (result == OCS_BROKER_MISSING)
			binder->watch.lost = true;
		return result == OCS_BROKER_REFUSED ? result : OCS_BROKER_LOST;
	default:
		return OCS_BROKER_OK;
	}
}

/* For the message of the watch. The broker reads nothing more of this connection until its alarm is
 * over, and of a new one it does. */
static enum ocs_broker_result blocked(void *arg, struct ocs_error *error)
{
	struct ocs_bindings *bindings = arg;

	if (!bindings->loop.blocked)
		return OCS_BROKER_OK;
	/* Once: a broker that blocks the new one too is given its pause. */
	bindings->loop.quiet = ocs_clock_ms() >= bindings->binder.probe_after;
	bindings->binder.probe_after = ocs_clock_ms() + BLOCKED_MS;
	ocs_error_set(error, "the broker has blocked the connection");
	return OCS_BROKER_LOST;
}

/* Those who wait hear what has come true. */
static void tell_waiting(struct ocs_bindings *bindings, bool all)
{
	if (bindings->binder.awaited || all)
		ocs_bind_socket_poke(bindings->bind_socket);
	bindings->binder.awaited = false;
}

/* ---- a connection ---- */

/* The marker; all others are bound again. */
static enum ocs_broker_result make_anew(struct ocs_bindings *bindings, struct ocs_error *error)
{
	struct ocs_broker *broker = bindings->loop.broker;
	const struct ocs_link_settings *settings = bindings->settings;
	enum ocs_broker_result result;
	char marker[OCS_MESSAGE_KEY_SIZE];
	size_t n;

	ocs_bindings_marker(settings, marker);
	amqp_queue_bind(ocs_broker_connection(broker), OCS_BINDINGS_CHANNEL,
	                amqp_cstring_bytes(settings->node_queue),
	                amqp_cstring_bytes(settings->exchange), amqp_cstring_bytes(marker),
	                amqp_empty_table);
	result = ocs_broker_reply(broker, "binding the queue to the exchange", error);
	if (result != OCS_BROKER_OK)
		return result;
	pthread_mutex_lock(&bindings->lock);
	n = ocs_bindings_all_again(bindings);
	ocs_bindings_gauge(bindings);
	pthread_mutex_unlock(&bindings->lock);
	if (n > 0)
		ocs_log_to(bindings->log, LOG_NOTICE, "RabbitMQ: bind: binding %zu %s to %s", n,
		           ocs_plural(n, "user", "users"), settings->node_queue);
	bindings->binder.began = n > 0 ? ocs_clock_ms() : 0;
	bindings->binder.made = true;
	return OCS_BROKER_OK;
}

static void renew_young(struct ocs_bindings *bindings)
{
	size_t n;

	pthread_mutex_lock(&bindings->lock);
	n = ocs_bindings_young_again(bindings, bindings->down_since);
	ocs_bindings_gauge(bindings);
	pthread_mutex_unlock(&bindings->lock);
	if (n > 0)
		ocs_log_to(bindings->log, LOG_INFO,
		           "RabbitMQ: bind: binding again %zu %s bound just before the connection "
		           "was lost",
		           n, ocs_plural(n, "user", "users"));
}

static void set_link(struct ocs_bindings *bindings, bool up, bool refused)
{
	pthread_mutex_lock(&bindings->lock);
	bindings->refused = refused;
	if (up)
		bindings->down_since = 0;
	else if (bindings->down_since == 0)
		bindings->down_since = ocs_clock_ms();
	pthread_mutex_unlock(&bindings->lock);
}

static enum ocs_broker_result set_up(void *arg, struct ocs_error *error)
{
	struct ocs_bindings *bindings = arg;
	struct ocs_binder *binder = &bindings->binder;
	const struct ocs_link_settings *settings = bindings->settings;
	struct ocs_broker *broker = bindings->loop.broker;
	enum ocs_broker_result result;
	bool existed, all;

	set_link(bindings, false, false);
	result = ocs_broker_declare_exchange(broker, OCS_BINDINGS_CHANNEL, settings->exchange,
	                                     error);
	if (result == OCS_BROKER_OK)
		result = ocs_broker_declare_node_queue(broker, OCS_BINDINGS_CHANNEL, settings,
		                                       &existed, error);
	if (result != OCS_BROKER_OK)
		return result;
	all = !existed || !binder->made;
	if (all)
		result = make_anew(bindings, error);
	else
		renew_young(bindings);
	if (result == OCS_BROKER_OK)
		result = ocs_bindings_channels_open(&binder->channels, bindings, broker, error);
	if (result == OCS_BROKER_OK)
		result = ocs_bindings_watch_open(&binder->watch, bindings, broker, !all,
		                                 binder->probe_after, error);
	if (result == OCS_BROKER_OK)
		set_link(bindings, true, false);
	return result;
}

static void say_made(struct ocs_bindings *bindings, uint64_t now)
{
	struct ocs_binder *binder = &bindings->binder;
	size_t bound;

	if (binder->began == 0 || binder->channels.n > 0)
		return;
	pthread_mutex_lock(&bindings->lock);
	bound = bindings->counts[OCS_BINDING_BOUND];
	pthread_mutex_unlock(&bindings->lock);
	ocs_log_to(bindings->log, LOG_NOTICE, "RabbitMQ: bind: %zu %s bound to %s, after %.1f s",
	           bound, ocs_plural(bound, "user is", "users are"), bindings->settings->node_queue,
	           (double)(now - binder->began) / 1000);
	binder->began = 0;
}

static enum ocs_broker_result turn(void *arg, bool more, uint64_t *until_r, struct ocs_error *error)
{
	struct ocs_bindings *bindings = arg;
	struct ocs_binder *binder = &bindings->binder;
	enum ocs_broker_result result = ocs_bindings_channels_fill(&binder->channels, error);
	uint64_t now = ocs_clock_ms();

	(void)more;
	tell_waiting(bindings, false);
	if (result == OCS_BROKER_OK)
		result = ocs_bindings_watch_turn(&binder->watch, now, error);
	if (result != OCS_BROKER_OK)
		return result;
	say_made(bindings, now);
	pthread_mutex_lock(&bindings->lock);
	ocs_bindings_gauge(bindings);
	pthread_mutex_unlock(&bindings->lock);
	if (binder->watch.due > now)
		*until_r = binder->watch.due;
	return OCS_BROKER_OK;
}

static void lost(void *arg, enum ocs_broker_result why)
{
	struct ocs_bindings *bindings = arg;

	ocs_bindings_channels_close(&bindings->binder.channels, bindings);
	if (bindings->binder.watch.lost)
		bindings->binder.made = bindings->binder.watch.lost = false;
	set_link(bindings, false, why == OCS_BROKER_REFUSED);
	tell_waiting(bindings, why == OCS_BROKER_REFUSED);
}

const struct ocs_broker_loop_calls ocs_bindings_calls = {
        .which = OCS_LINK_BIND,
        .hangs = 60000, /* a turn may declare queues, ten seconds each */
        .set_up = set_up,
        .frame = take_frame,
        .turn = turn,
        .blocked = blocked,
        .lost = lost,
};
