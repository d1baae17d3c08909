/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The thread that binds and unbinds, with its connection: see bindings_internal.h. What is on its
 * way is in bindings_channels.c.
 */
#include "cluster/bindings_internal.h"

#include <poll.h>
#include <stdio.h>
#include <syslog.h>
#include <unistd.h>

#define IDLE_MS    1000  /* so that heartbeats go out */
#define BLOCKED_MS 60000 /* how long nothing is published after the broker blocked us for it */

struct binder {
	struct ocs_bindings *bindings;
	struct ocs_broker *broker;
	unsigned next_uri;
	struct ocs_backoff backoff;
	bool made;            /* the marker is there, and the rest bound or wanted */
	bool blocked;         /* connects anew because of that alone: nothing to tell */
	uint64_t probe_after; /* ms */
	uint64_t began;       /* making all bindings, ms; 0: done */
	struct ocs_bindings_channels channels;
	struct ocs_bindings_watch watch;
};

/* ---- what comes in ---- */

static enum ocs_broker_result take_frame(struct binder *binder, const amqp_frame_t *frame,
                                         bool *awaited, struct ocs_error *error)
{
	enum ocs_broker_result result;

	if (frame->channel == OCS_BINDINGS_WATCH_CHANNEL)
		return ocs_bindings_watch_frame(&binder->watch, frame, error);
	if (frame->frame_type != AMQP_FRAME_METHOD)
		return OCS_BROKER_OK;
	switch (frame->payload.method.id) {
	case AMQP_QUEUE_BIND_OK_METHOD:
	case AMQP_QUEUE_UNBIND_OK_METHOD:
		*awaited =
		        ocs_bindings_channels_done(&binder->channels, frame->channel) || *awaited;
		return OCS_BROKER_OK;
	case AMQP_CHANNEL_CLOSE_METHOD:
	case AMQP_CONNECTION_CLOSE_METHOD:
		result = ocs_broker_closed(binder->broker, frame, error);
		/* The queue or the exchange is gone, and so are the bindings. */
		if (result == OCS_BROKER_MISSING)
			binder->watch.lost = true;
		return result == OCS_BROKER_REFUSED ? result : OCS_BROKER_LOST;
	case AMQP_CONNECTION_BLOCKED_METHOD:
		/* For the message of the watch. It reads nothing more of this connection until its
		 * alarm is over, and of a new one it does. */
		binder->blocked = true;
		binder->probe_after = ocs_clock_ms() + BLOCKED_MS;
		ocs_error_set(error, "the broker has blocked the connection");
		return OCS_BROKER_LOST;
	default:
		return OCS_BROKER_OK;
	}
}

/* All that has come in. */
static enum ocs_broker_result take_frames(struct binder *binder, struct ocs_error *error)
{
	amqp_connection_state_t connection = ocs_broker_connection(binder->broker);
	enum ocs_broker_result result = OCS_BROKER_OK;
	bool awaited = false;

	while (result == OCS_BROKER_OK) {
		struct timeval none = {0, 0};
		amqp_frame_t frame;
		int status = amqp_simple_wait_frame_noblock(connection, &frame, &none);

		if (status == AMQP_STATUS_TIMEOUT)
			break;
		result = ocs_broker_status(binder->broker, status, "binding", error);
		if (result == OCS_BROKER_OK)
			result = take_frame(binder, &frame, &awaited, error);
		amqp_maybe_release_buffers(connection);
	}
	if (awaited)
		ocs_bind_socket_poke(binder->bindings->bind_socket);
	return result;
}

/* ---- a connection ---- */

/* The marker; all others are bound again. */
static enum ocs_broker_result make_anew(struct binder *binder, struct ocs_error *error)
{
	struct ocs_bindings *bindings = binder->bindings;
	const struct ocs_link_settings *settings = bindings->settings;
	enum ocs_broker_result result;
	char marker[OCS_MESSAGE_KEY_SIZE];
	size_t n;

	ocs_bindings_marker(settings, marker);
	amqp_queue_bind(ocs_broker_connection(binder->broker), OCS_BINDINGS_CHANNEL,
	                amqp_cstring_bytes(settings->node_queue),
	                amqp_cstring_bytes(settings->exchange), amqp_cstring_bytes(marker),
	                amqp_empty_table);
	result = ocs_broker_reply(binder->broker, "binding the queue to the exchange", error);
	if (result != OCS_BROKER_OK)
		return result;
	pthread_mutex_lock(&bindings->lock);
	n = ocs_bindings_all_again(bindings);
	ocs_bindings_gauge(bindings);
	pthread_mutex_unlock(&bindings->lock);
	if (n > 0)
		ocs_bindings_log(bindings, LOG_NOTICE, "RabbitMQ: bind: binding %zu users to %s", n,
		                 settings->node_queue);
	binder->began = n > 0 ? ocs_clock_ms() : 0;
	binder->made = true;
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
		ocs_bindings_log(bindings, LOG_INFO,
		                 "RabbitMQ: bind: binding again %zu users that were bound just "
		                 "before the connection was lost",
		                 n);
}

static enum ocs_broker_result set_up(struct binder *binder, struct ocs_error *error)
{
	struct ocs_bindings *bindings = binder->bindings;
	const struct ocs_link_settings *settings = bindings->settings;
	struct ocs_broker *broker = binder->broker;
	enum ocs_broker_result result;
	bool existed, all;

	result = ocs_broker_declare_exchange(broker, OCS_BINDINGS_CHANNEL, settings->exchange,
	                                     error);
	if (result == OCS_BROKER_OK)
		result = ocs_broker_declare_node_queue(broker, OCS_BINDINGS_CHANNEL, settings,
		                                       &existed, error);
	if (result != OCS_BROKER_OK)
		return result;
	all = !existed || !binder->made;
	if (all)
		result = make_anew(binder, error);
	else
		renew_young(bindings);
	if (result == OCS_BROKER_OK)
		result = ocs_bindings_channels_open(&binder->channels, bindings, broker, error);
	if (result != OCS_BROKER_OK)
		return result;
	return ocs_bindings_watch_open(&binder->watch, bindings, broker, !all, binder->probe_after,
	                               error);
}

/* Until something is to be done or read. */
static void rest(struct binder *binder, uint64_t now)
{
	struct pollfd fds[] = {{.fd = binder->bindings->wake, .events = POLLIN},
	                       {.fd = ocs_broker_fd(binder->broker), .events = POLLIN}};
	uint64_t count;
	int wait = IDLE_MS;

	if (binder->watch.due > now && binder->watch.due - now < IDLE_MS)
		wait = (int)(binder->watch.due - now);
	if (poll(fds, 2, wait) > 0 && (fds[0].revents & POLLIN) != 0)
		(void)!read(binder->bindings->wake, &count, sizeof(count));
}

static void say_made(struct binder *binder, uint64_t now)
{
	struct ocs_bindings *bindings = binder->bindings;
	size_t bound;

	if (binder->began == 0 || binder->channels.n > 0)
		return;
	pthread_mutex_lock(&bindings->lock);
	bound = bindings->counts[OCS_BINDING_BOUND];
	pthread_mutex_unlock(&bindings->lock);
	ocs_bindings_log(bindings, LOG_NOTICE,
	                 "RabbitMQ: bind: %zu users are bound to %s, after %.1f s", bound,
	                 bindings->settings->node_queue, (double)(now - binder->began) / 1000);
	binder->began = 0;
}

static enum ocs_broker_result work(struct binder *binder, struct ocs_error *error)
{
	struct ocs_bindings *bindings = binder->bindings;
	enum ocs_broker_result result = OCS_BROKER_OK;

	while (result == OCS_BROKER_OK && !atomic_load(&bindings->stopping)) {
		uint64_t now;

		result = ocs_bindings_channels_fill(&binder->channels, error);
		if (result == OCS_BROKER_OK)
			result = take_frames(binder, error);
		now = ocs_clock_ms();
		if (result == OCS_BROKER_OK)
			result = ocs_bindings_watch_turn(&binder->watch, now, error);
		if (result != OCS_BROKER_OK)
			break;
		say_made(binder, now);
		pthread_mutex_lock(&bindings->lock);
		ocs_bindings_gauge(bindings);
		pthread_mutex_unlock(&bindings->lock);
		rest(binder, now);
	}
	return result;
}

/* ---- the thread ---- */

static void set_link(struct ocs_bindings *bindings, struct ocs_broker *broker, bool up,
                     bool refused)
{
	pthread_mutex_lock(&bindings->lock);
	bindings->broker = broker;
	bindings->refused = refused;
	if (up)
		bindings->down_since = 0;
	else if (bindings->down_since == 0)
		bindings->down_since = ocs_clock_ms();
	pthread_mutex_unlock(&bindings->lock);
	/* Those who wait hear of it. */
	if (refused)
		ocs_bind_socket_poke(bindings->bind_socket);
}

static enum ocs_broker_result connection(struct binder *binder, const char *name,
                                         struct ocs_error *error)
{
	struct ocs_bindings *bindings = binder->bindings;
	enum ocs_broker_result result = ocs_broker_open(bindings->settings, name, &binder->next_uri,
	                                                &binder->broker, error);

	if (result != OCS_BROKER_OK) {
		binder->blocked = false;
		return result;
	}
	set_link(bindings, binder->broker, false, false);
	result = set_up(binder, error);
	if (result == OCS_BROKER_OK) {
		set_link(bindings, binder->broker, true, false);
		ocs_backoff_up(&binder->backoff);
		if (!binder->blocked)
			ocs_broker_note_up(bindings->status, OCS_LINK_BIND, binder->broker,
			                   bindings->log);
		binder->blocked = false;
		result = work(binder, error);
		ocs_bindings_channels_close(&binder->channels);
		if (binder->watch.lost)
			binder->made = false;
	}
	set_link(bindings, NULL, false, false);
	ocs_broker_close(binder->broker);
	binder->broker = NULL;
	return result;
}

static void pause_for(struct ocs_bindings *bindings, unsigned ms)
{
	uint64_t end = ocs_clock_ms() + ms, now;

	while (!atomic_load(&bindings->stopping) && (now = ocs_clock_ms()) < end) {
		struct pollfd wake = {.fd = bindings->wake, .events = POLLIN};
		uint64_t count;

		if (poll(&wake, 1, (int)(end - now)) > 0)
			(void)!read(bindings->wake, &count, sizeof(count));
	}
}

void *ocs_bindings_binder(void *arg)
{
	struct ocs_bindings *bindings = arg;
	struct binder binder = {.bindings = bindings};
	char name[OCS_NODE_NAME_MAX + 32];

	snprintf(name, sizeof(name), "ocsmanager %s: bind", bindings->settings->node);
	while (!atomic_load(&bindings->stopping)) {
		struct ocs_error error = {""};
		enum ocs_broker_result result = connection(&binder, name, &error);

		if (atomic_load(&bindings->stopping))
			break;
		if (binder.blocked)
			continue;
		/* First why: those who wait are told it. */
		ocs_broker_note_down(bindings->status, OCS_LINK_BIND, result, &error,
		                     bindings->log);
		set_link(bindings, NULL, false, result == OCS_BROKER_REFUSED);
		pause_for(bindings, ocs_backoff_wait(&binder.backoff, result));
	}
	return NULL;
}
