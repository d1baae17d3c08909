/*
 * What is on its way to the broker: on several channels (lanes), as it does the work of a channel
 * one by one; each is answered in its order. Belongs to the binder's thread.
 */
#include "link/bindings_internal.h"

#define LANE_MAX  OCS_BINDINGS_LANE_MAX
#define LANES     OCS_BINDINGS_LANES
#define ANSWER_MS 30000 /* without an answer to any of them */

enum ocs_broker_result ocs_bindings_lanes_open(struct ocs_bindings_lanes *lanes,
                                               struct ocs_bindings *bindings,
                                               struct ocs_broker *broker, struct ocs_error *error)
{
	enum ocs_broker_result result = OCS_BROKER_OK;

	*lanes = (struct ocs_bindings_lanes){.bindings = bindings, .broker = broker};
	for (unsigned i = 0; i < LANES && result == OCS_BROKER_OK; i++)
		result = ocs_broker_open_channel(
		        broker, (amqp_channel_t)(OCS_BINDINGS_LANE_CHANNEL + i), error);
	return result;
}

static enum ocs_broker_result send_one(struct ocs_bindings_lanes *lanes, unsigned lane,
                                       const struct ocs_binding *binding, bool bind,
                                       struct ocs_error *error)
{
	const struct ocs_link_settings *settings = lanes->bindings->settings;
	amqp_connection_state_t connection = ocs_broker_connection(lanes->broker);
	amqp_channel_t channel = (amqp_channel_t)(OCS_BINDINGS_LANE_CHANNEL + lane);
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
	return ocs_broker_status(lanes->broker, status, bind ? "binding" : "unbinding", error);
}

static unsigned lane_with_room(struct ocs_bindings_lanes *lanes)
{
	unsigned lane = lanes->next;

	while (lanes->lanes[lane].n == LANE_MAX)
		lane = (lane + 1) % LANES;
	lanes->next = (lane + 1) % LANES;
	return lane;
}

enum ocs_broker_result ocs_bindings_lanes_fill(struct ocs_bindings_lanes *lanes,
                                               struct ocs_error *error)
{
	struct ocs_bindings *bindings = lanes->bindings;

	while (lanes->n < LANES * LANE_MAX) {
		enum ocs_broker_result result;
		struct ocs_binding *binding;
		struct ocs_bindings_lane *lane;
		unsigned i;
		bool bind;

		pthread_mutex_lock(&bindings->lock);
		binding = ocs_bindings_take(bindings, &bind);
		pthread_mutex_unlock(&bindings->lock);
		if (binding == NULL)
			break;
		if (lanes->n++ == 0)
			lanes->heard = ocs_link_now_ms();
		i = lane_with_room(lanes);
		lane = &lanes->lanes[i];
		lane->sent[(lane->first + lane->n++) % LANE_MAX] = binding;
		result = send_one(lanes, i, binding, bind, error);
		if (result != OCS_BROKER_OK)
			return result;
	}
	if (lanes->n > 0 && ocs_link_now_ms() - lanes->heard > ANSWER_MS) {
		ocs_error_set(error, "binding: the broker does not answer");
		return OCS_BROKER_LOST;
	}
	return OCS_BROKER_OK;
}

/* The oldest of a lane that has some. */
static struct ocs_binding *shift(struct ocs_bindings_lanes *lanes, struct ocs_bindings_lane *lane)
{
	struct ocs_binding *binding = lane->sent[lane->first];

	lane->first = (lane->first + 1) % LANE_MAX;
	lane->n--;
	lanes->n--;
	return binding;
}

bool ocs_bindings_lanes_done(struct ocs_bindings_lanes *lanes, amqp_channel_t channel)
{
	struct ocs_bindings *bindings = lanes->bindings;
	struct ocs_bindings_lane *lane;
	bool awaited;

	if (channel < OCS_BINDINGS_LANE_CHANNEL || channel >= OCS_BINDINGS_LANE_CHANNEL + LANES)
		return false;
	lane = &lanes->lanes[channel - OCS_BINDINGS_LANE_CHANNEL];
	if (lane->n == 0)
		return false;
	lanes->heard = ocs_link_now_ms();
	pthread_mutex_lock(&bindings->lock);
	awaited = ocs_bindings_done(bindings, shift(lanes, lane));
	pthread_mutex_unlock(&bindings->lock);
	return awaited;
}

void ocs_bindings_lanes_close(struct ocs_bindings_lanes *lanes)
{
	struct ocs_bindings *bindings = lanes->bindings;

	pthread_mutex_lock(&bindings->lock);
	for (unsigned i = 0; i < LANES; i++)
		while (lanes->lanes[i].n > 0)
			ocs_bindings_undone(bindings, shift(lanes, &lanes->lanes[i]));
	ocs_bindings_gauge(bindings);
	pthread_mutex_unlock(&bindings->lock);
}
