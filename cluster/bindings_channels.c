/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What is on its way to the broker: on several channels (channels), as it does the work of a
 * channel one by one; each is answered in its order. Belongs to the binder's thread.
 */
#include "cluster/bindings_internal.h"

#define CHANNEL_MAX OCS_BINDINGS_CHANNEL_MAX
#define CHANNELS    OCS_BINDINGS_CHANNELS
#define ANSWER_MS   30000 /* without an answer to any of them */

enum ocs_broker_result ocs_bindings_channels_open(struct ocs_bindings_channels *channels,
                                                  struct ocs_bindings *bindings,
                                                  struct ocs_broker *broker,
                                                  struct ocs_error *error)
{
	enum ocs_broker_result result = OCS_BROKER_OK;

	*channels = (struct ocs_bindings_channels){.bindings = bindings, .broker = broker};
	for (unsigned i = 0; i < CHANNELS && result == OCS_BROKER_OK; i++)
		result = ocs_broker_open_channel(
		        broker, (amqp_channel_t)(OCS_BINDINGS_FIRST_CHANNEL + i), error);
	return result;
}

static enum ocs_broker_result send_one(struct ocs_bindings_channels *channels,
                                       unsigned bind_channel, const struct ocs_binding *binding,
                                       bool bind, struct ocs_error *error)
{
	const struct ocs_link_settings *settings = channels->bindings->settings;
	amqp_connection_state_t connection = ocs_broker_connection(channels->broker);
	amqp_channel_t channel = (amqp_channel_t)(OCS_BINDINGS_FIRST_CHANNEL + bind_channel);
	int status;

	if (bind) {
		amqp_queue_bind_t method = {.queue = amqp_cstring_bytes(settings->node_queue),
		                            .exchange = amqp_cstring_bytes(settings->exchange),
		                            .routing_key = amqp_cstring_bytes(binding->key)};

		status = amqp_send_method(connection, channel, AMQP_QUEUE_BIND_METHOD, &method);
	} else {
		amqp_queue_unbind_t method = {.queue = amqp_cstring_bytes(settings->node_queue),
		                              .exchange = amqp_cstring_bytes(settings->exchange),
		                              .routing_key = amqp_cstring_bytes(binding->key)};

		status = amqp_send_method(connection, channel, AMQP_QUEUE_UNBIND_METHOD, &method);
	}
	return ocs_broker_status(channels->broker, status, bind ? "binding" : "unbinding", error);
}

static unsigned channel_with_room(struct ocs_bindings_channels *channels)
{
	unsigned bind_channel = channels->next;

	while (channels->channels[bind_channel].n == CHANNEL_MAX)
		bind_channel = (bind_channel + 1) % CHANNELS;
	channels->next = (bind_channel + 1) % CHANNELS;
	return bind_channel;
}

enum ocs_broker_result ocs_bindings_channels_fill(struct ocs_bindings_channels *channels,
                                                  struct ocs_error *error)
{
	struct ocs_bindings *bindings = channels->bindings;

	while (channels->n < CHANNELS * CHANNEL_MAX) {
		enum ocs_broker_result result;
		struct ocs_binding *binding;
		struct ocs_bindings_channel *bind_channel;
		unsigned i;
		bool bind;

		pthread_mutex_lock(&bindings->lock);
		binding = ocs_bindings_take(bindings, &bind);
		pthread_mutex_unlock(&bindings->lock);
		if (binding == NULL)
			break;
		if (channels->n++ == 0)
			channels->heard = ocs_clock_ms();
		i = channel_with_room(channels);
		bind_channel = &channels->channels[i];
		bind_channel->sent[(bind_channel->first + bind_channel->n++) % CHANNEL_MAX] =
		        binding;
		result = send_one(channels, i, binding, bind, error);
		if (result != OCS_BROKER_OK)
			return result;
	}
	if (channels->n > 0 && ocs_clock_ms() - channels->heard > ANSWER_MS) {
		ocs_error_set(error, "binding: the broker does not answer");
		return OCS_BROKER_LOST;
	}
	return OCS_BROKER_OK;
}

/* The oldest of a bind_channel that has some. */
static struct ocs_binding *shift(struct ocs_bindings_channels *channels,
                                 struct ocs_bindings_channel *bind_channel)
{
	struct ocs_binding *binding = bind_channel->sent[bind_channel->first];

	bind_channel->first = (bind_channel->first + 1) % CHANNEL_MAX;
	bind_channel->n--;
	channels->n--;
	return binding;
}

bool ocs_bindings_channels_done(struct ocs_bindings_channels *channels, amqp_channel_t channel)
{
	struct ocs_bindings *bindings = channels->bindings;
	struct ocs_bindings_channel *bind_channel;
	bool awaited;

	if (channel < OCS_BINDINGS_FIRST_CHANNEL ||
	    channel >= OCS_BINDINGS_FIRST_CHANNEL + CHANNELS)
		return false;
	bind_channel = &channels->channels[channel - OCS_BINDINGS_FIRST_CHANNEL];
	if (bind_channel->n == 0)
		return false;
	channels->heard = ocs_clock_ms();
	pthread_mutex_lock(&bindings->lock);
	awaited = ocs_bindings_done(bindings, shift(channels, bind_channel));
	pthread_mutex_unlock(&bindings->lock);
	return awaited;
}

void ocs_bindings_channels_close(struct ocs_bindings_channels *channels,
                                 struct ocs_bindings *bindings)
{
	pthread_mutex_lock(&bindings->lock);
	for (unsigned i = 0; i < CHANNELS; i++)
		while (channels->channels[i].n > 0)
			ocs_bindings_undone(bindings, shift(channels, &channels->channels[i]));
	ocs_bindings_gauge(bindings);
	pthread_mutex_unlock(&bindings->lock);
}
