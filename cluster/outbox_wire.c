/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* One message as librabbitmq wants it. Knows nothing of confirms. */
#include "cluster/outbox_internal.h"

#include <string.h>

/* Class, weight, size and flags; fixed properties; names, kinds and lengths of the headers. */
#define FIXED_PROPERTIES 256
#define KEY_OVERHEAD     5 /* kind and length of one in CC */

size_t ocs_outbox_properties(const struct ocs_message *message)
{
	size_t size = FIXED_PROPERTIES + OCS_NODE_NAME_MAX + strlen(message->id) +
	              (message->account != NULL ? strlen(message->account) : 0) + message->ids_len;

	for (size_t i = 1; i < message->n_keys; i++)
		size += KEY_OVERHEAD + strlen(message->keys[i]);
	return size;
}

int ocs_outbox_publish(struct ocs_outbox *outbox, const struct ocs_message *message)
{
	amqp_field_value_t keys[OCS_MESSAGE_KEYS_MAX];
	amqp_table_entry_t headers[5];
	amqp_basic_properties_t properties = {
	        ._flags = AMQP_BASIC_CONTENT_TYPE_FLAG | AMQP_BASIC_DELIVERY_MODE_FLAG |
	                  AMQP_BASIC_MESSAGE_ID_FLAG | AMQP_BASIC_APP_ID_FLAG |
	                  AMQP_BASIC_HEADERS_FLAG,
	        .content_type = amqp_cstring_bytes(message->ids_only ? OCS_MESSAGE_IDS_TYPE
	                                                             : OCS_MESSAGE_TYPE),
	        .delivery_mode = AMQP_DELIVERY_PERSISTENT,
	        .message_id = amqp_cstring_bytes(message->id),
	        .app_id = amqp_cstring_bytes("ocsmanager"),
	        .headers = {0, headers},
	};
	amqp_bytes_t exchange = amqp_empty_bytes, key;
	amqp_bytes_t body = {message->len, (void *)message->body};
	int n = 0;

	headers[n++] =
	        ocs_amqp_entry("ocs-accepted", ocs_amqp_number((int64_t)message->accepted_at));
	if (message->ingest) {
		key = amqp_cstring_bytes(outbox->settings->ingest_queue);
		properties._flags |= AMQP_BASIC_USER_ID_FLAG;
		properties.user_id = amqp_cstring_bytes(ocs_broker_user(outbox->loop.broker));
	} else {
		exchange = amqp_cstring_bytes(outbox->settings->exchange);
		key = amqp_cstring_bytes(message->keys[0]);
		headers[n++] = ocs_amqp_entry("ocs-origin", ocs_amqp_text(outbox->settings->node));
		headers[n++] = ocs_amqp_entry("ocs-account", ocs_amqp_text(message->account));
	}
	if (message->ids != NULL)
		headers[n++] = ocs_amqp_entry(
		        "ocs-ids", (amqp_field_value_t){.kind = AMQP_FIELD_KIND_BYTES,
		                                        .value.bytes = {message->ids_len,
		                                                        (void *)message->ids}});
	if (message->n_keys > 1) {
		for (size_t i = 1; i < message->n_keys; i++)
			keys[i - 1] = ocs_amqp_text(message->keys[i]);
		headers[n++] = ocs_amqp_entry(
		        "CC",
		        (amqp_field_value_t){.kind = AMQP_FIELD_KIND_ARRAY,
		                             .value.array = {(int)message->n_keys - 1, keys}});
	}
	properties.headers.num_entries = n;
	return amqp_basic_publish(ocs_broker_connection(outbox->loop.broker), outbox->channel,
	                          exchange, key, 1, 0, &properties, body);
}
