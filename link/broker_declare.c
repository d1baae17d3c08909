/* See broker.h: the exchange and the queues, declared on an open channel. */
#include "link/broker_internal.h"

#include <stdio.h>

#define DOING_MAX 320 /* the name of a queue has at most 255 bytes */

static amqp_table_entry_t text_argument(const char *key, const char *text)
{
	return (amqp_table_entry_t){
	        .key = amqp_cstring_bytes(key),
	        .value = {.kind = AMQP_FIELD_KIND_UTF8, .value.bytes = amqp_cstring_bytes(text)}};
}

static amqp_table_entry_t number_argument(const char *key, int64_t number)
{
	return (amqp_table_entry_t){.key = amqp_cstring_bytes(key),
	                            .value = {.kind = AMQP_FIELD_KIND_I64, .value.i64 = number}};
}

static enum ocs_broker_result declare(struct ocs_broker *broker, amqp_channel_t channel,
                                      const char *queue, amqp_table_entry_t *arguments, int count,
                                      struct ocs_error *error)
{
	amqp_table_t table = {count, arguments};
	char doing[DOING_MAX];

	snprintf(doing, sizeof(doing), "declaring queue \"%.255s\"", queue);
	amqp_queue_declare(broker->connection, channel, amqp_cstring_bytes(queue), 0, 1, 0, 0,
	                   table);
	return ocs_broker_reply_on(broker, channel, doing, error);
}

static enum ocs_broker_result look_at(struct ocs_broker *broker, amqp_channel_t channel,
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
	amqp_table_entry_t arguments[] = {text_argument("x-queue-type", "quorum")};

	return declare(broker, channel, queue, arguments, 1, error);
}

enum ocs_broker_result ocs_broker_declare_node_queue(struct ocs_broker *broker,
                                                     amqp_channel_t channel,
                                                     const struct ocs_link_settings *settings,
                                                     bool *existed_r, struct ocs_error *error)
{
	amqp_table_entry_t arguments[] = {
	        text_argument("x-queue-type", "quorum"),
	        number_argument("x-expires", (int64_t)settings->queue_expires * 1000),
	        number_argument("x-max-length", settings->queue_length),
	        text_argument("x-overflow", "reject-publish"),
	};
	enum ocs_broker_result result;
	uint64_t messages;

	if (existed_r != NULL) {
		result = look_at(broker, channel, settings->node_queue, &messages, error);
		*existed_r = result == OCS_BROKER_OK;
		if (result == OCS_BROKER_MISSING)
			result = ocs_broker_open_channel(broker, channel, error);
		if (result != OCS_BROKER_OK)
			return result;
	}
	return declare(broker, channel, settings->node_queue, arguments,
	               sizeof(arguments) / sizeof(*arguments), error);
}

enum ocs_broker_result ocs_broker_lock(struct ocs_broker *broker, amqp_channel_t channel,
                                       const char *name, bool *taken_r, struct ocs_error *error)
{
	amqp_table_entry_t arguments[] = {text_argument("x-queue-type", "classic")};
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

enum ocs_broker_result ocs_broker_count(struct ocs_broker *broker, amqp_channel_t channel,
                                        const char *queue, uint64_t *messages_r,
                                        struct ocs_error *error)
{
	return look_at(broker, channel, queue, messages_r, error);
}
