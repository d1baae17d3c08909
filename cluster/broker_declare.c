/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The exchange and the queues, declared on an open channel. */
#include "cluster/broker_internal.h"

#include <stdio.h>
#include <string.h>

#define DOING_MAX 320 /* the name of a queue has at most 255 bytes */

/* Since RabbitMQ 4 a quorum queue throws a message away that came back 20 times, be it from
 * basic.nack, a closed channel or a lost connection, unless its limit is -1. Before, there was no
 * limit, and -1 was taken for one. */
static bool limits_deliveries(const struct ocs_broker *broker)
{
	const amqp_table_t *properties = amqp_get_server_properties(broker->connection);

	for (int i = 0; i < properties->num_entries; i++) {
		const amqp_table_entry_t *entry = &properties->entries[i];
		amqp_bytes_t text = entry->value.value.bytes;

		if (entry->key.len == 7 && memcmp(entry->key.bytes, "version", 7) == 0 &&
		    (entry->value.kind == AMQP_FIELD_KIND_UTF8 ||
		     entry->value.kind == AMQP_FIELD_KIND_BYTES)) {
			/* two digits or 4 and more */
			const char *digit = text.bytes;

			return text.len >= 2 && digit[0] >= '0' && digit[0] <= '9' &&
			       (digit[0] >= '4' || (digit[1] >= '0' && digit[1] <= '9'));
		}
	}
	return false;
}

/* Declares with -1 on a channel of its own, which a refusal closes. *done_r: it is there so. */
static enum ocs_broker_result declare_unlimited(struct ocs_broker *broker, const char *queue,
                                                amqp_table_t table, const char *doing, bool *done_r,
                                                struct ocs_error *error)
{
	const amqp_channel_t channel = OCS_BROKER_TRIAL_CHANNEL;
	enum ocs_broker_result result = ocs_broker_open_channel(broker, channel, error);
	amqp_rpc_reply_t reply;

	if (result != OCS_BROKER_OK)
		return result;
	amqp_queue_declare(broker->connection, channel, amqp_cstring_bytes(queue), 0, 1, 0, 0,
	                   table);
	result = ocs_broker_reply_on(broker, channel, doing, error);
	*done_r = result == OCS_BROKER_OK;
	if (result == OCS_BROKER_OK) {
		reply = amqp_channel_close(broker->connection, channel, AMQP_REPLY_SUCCESS);
		return ocs_broker_judge(broker, channel, &reply, doing, error);
	}
	/* refused: the caller tries it as it was made before RabbitMQ 4, or says why not */
	return result == OCS_BROKER_REFUSED && !broker->dead ? OCS_BROKER_OK : result;
}

/* arguments has room for one more. */
static enum ocs_broker_result declare(struct ocs_broker *broker, amqp_channel_t channel,
                                      const char *queue, amqp_table_entry_t *arguments, int count,
                                      struct ocs_error *error)
{
	amqp_table_t table = {count, arguments};
	enum ocs_broker_result result;
	char doing[DOING_MAX];
	bool done = false;

	snprintf(doing, sizeof(doing), "declaring queue \"%.255s\"", queue);
	if (limits_deliveries(broker)) {
		arguments[count] = ocs_amqp_entry("x-delivery-limit", ocs_amqp_number(-1));
		table.num_entries = count + 1;
		result = declare_unlimited(broker, queue, table, doing, &done, error);
		if (result != OCS_BROKER_OK || done)
			return result;
		table.num_entries = count;
	}
	amqp_queue_declare(broker->connection, channel, amqp_cstring_bytes(queue), 0, 1, 0, 0,
	                   table);
	return ocs_broker_reply_on(broker, channel, doing, error);
}

enum ocs_broker_result ocs_broker_count(struct ocs_broker *broker, amqp_channel_t channel,
                                        const char *queue, uint64_t *messages_r,
                                        struct ocs_error *error)
{
	amqp_queue_declare_ok_t *ok;
	enum ocs_broker_result result;
	char doing[DOING_MAX];

	snprintf(doing, sizeof(doing), "asking for queue \"%.255s\"", queue);
	ok = amqp_queue_declare(broker->connection, channel, amqp_cstring_bytes(queue), 1, 1, 0, 0,
	                        amqp_empty_table);
	result = ocs_broker_reply_on(broker, channel, doing, error);
	if (result == OCS_BROKER_OK)
		*messages_r = ok->message_count;
	return result;
}

enum ocs_broker_result ocs_broker_declare_exchange(struct ocs_broker *broker,
                                                   amqp_channel_t channel, const char *exchange,
                                                   struct ocs_error *error)
{
	char doing[DOING_MAX];

	snprintf(doing, sizeof(doing), "declaring exchange \"%.255s\"", exchange);
	amqp_exchange_declare(broker->connection, channel, amqp_cstring_bytes(exchange),
	                      amqp_cstring_bytes("direct"), 0, 1, 0, 0, amqp_empty_table);
	return ocs_broker_reply_on(broker, channel, doing, error);
}

enum ocs_broker_result ocs_broker_declare_queue(struct ocs_broker *broker, amqp_channel_t channel,
                                                const char *queue, struct ocs_error *error)
{
	amqp_table_entry_t arguments[2] = {ocs_amqp_entry("x-queue-type", ocs_amqp_text("quorum"))};

	return declare(broker, channel, queue, arguments, 1, error);
}

enum ocs_broker_result ocs_broker_declare_node_queue(struct ocs_broker *broker,
                                                     amqp_channel_t channel,
                                                     const struct ocs_link_settings *settings,
                                                     bool *existed_r, struct ocs_error *error)
{
	amqp_table_entry_t arguments[5] = {
	        ocs_amqp_entry("x-queue-type", ocs_amqp_text("quorum")),
	        ocs_amqp_entry("x-expires",
	                       ocs_amqp_number((int64_t)settings->queue_expires * 1000)),
	        ocs_amqp_entry("x-max-length", ocs_amqp_number(settings->queue_length)),
	        ocs_amqp_entry("x-overflow", ocs_amqp_text("reject-publish")),
	};
	enum ocs_broker_result result;
	uint64_t messages;

	if (existed_r != NULL) {
		result = ocs_broker_count(broker, channel, settings->node_queue, &messages, error);
		*existed_r = result == OCS_BROKER_OK;
		if (result == OCS_BROKER_MISSING)
			result = ocs_broker_open_channel(broker, channel, error);
		if (result != OCS_BROKER_OK)
			return result;
	}
	return declare(broker, channel, settings->node_queue, arguments, 4, error);
}

enum ocs_broker_result ocs_broker_lock(struct ocs_broker *broker, amqp_channel_t channel,
                                       const char *name, bool *taken_r, struct ocs_error *error)
{
	amqp_table_entry_t arguments[] = {ocs_amqp_entry("x-queue-type", ocs_amqp_text("classic"))};
	amqp_table_t table = {1, arguments};
	amqp_channel_close_ok_t ok = {0};
	char doing[DOING_MAX];
	amqp_rpc_reply_t reply;

	snprintf(doing, sizeof(doing), "declaring queue \"%.255s\"", name);
	amqp_queue_declare(broker->connection, channel, amqp_cstring_bytes(name), 0, 0, 1, 0,
	                   table);
	reply = amqp_get_rpc_reply(broker->connection);
	*taken_r =
	        reply.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION &&
	        reply.reply.id == AMQP_CHANNEL_CLOSE_METHOD &&
	        ((amqp_channel_close_t *)reply.reply.decoded)->reply_code == AMQP_RESOURCE_LOCKED;
	if (!*taken_r)
		return ocs_broker_judge(broker, channel, &reply, doing, error);
	return ocs_broker_status(
	        broker,
	        amqp_send_method(broker->connection, channel, AMQP_CHANNEL_CLOSE_OK_METHOD, &ok),
	        doing, error);
}
