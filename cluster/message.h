/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * A notification as it travels: between nodes (exchange of users), and from a relay to the ingest
 * queue. Plain data and its encodings; knows no connection.
 *
 * On the wire (AMQP 0-9-1 basic properties): content_type "text/xml; charset=utf-8", delivery_mode
 * 2, message_id = id, app_id "ocsmanager", headers ocs-origin (node), ocs-account (the account that
 * the sender's id belongs to), ocs-accepted (microseconds since 1970, 64 bits), CC (further routing
 * keys: the broker puts one copy into each queue). To the ingest queue: user_id of the connection,
 * no ocs- headers but ocs-accepted. Body: the document of PUT /notification without a token, one
 * notification.
 */
#ifndef OCS_CLUSTER_MESSAGE_H
#define OCS_CLUSTER_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "notify/notification.h"
#include "base/error.h"

#define OCS_MESSAGE_ID_SIZE  128 /* with the NUL */
#define OCS_MESSAGE_KEY_SIZE 256 /* a routing key: a short string of AMQP, with the NUL */
#define OCS_MESSAGE_KEYS_MAX 256 /* users of one message: their keys must fit into one frame */
#define OCS_MESSAGE_TYPE     "text/xml; charset=utf-8"

struct ocs_message {
	bool ingest; /* to the ingest queue; else to the exchange, once for all users */
	char id[OCS_MESSAGE_ID_SIZE]; /* made by this node, never used again */
	const char *account;          /* of the sender */
	uint64_t accepted_at;         /* microseconds since 1970 */
	size_t n_keys;                /* 1 to OCS_MESSAGE_KEYS_MAX; 0 with ingest */
	const char *const *keys;      /* routing keys */
	const char *body;
	size_t len;
};

/* The routing key of a groupware user: the name itself; one over 255 bytes `~` and the hex SHA-256
 * of it. */
void ocs_message_key(const char *user, char key[OCS_MESSAGE_KEY_SIZE]);
/* Of ids and users, for looking them up fast. */
uint32_t ocs_message_hash(const void *data, size_t len);

/* A message about one notification: one talloc object on mem_ctx that holds all it points to.
 * users: at most OCS_MESSAGE_KEYS_MAX; n_users 0: to the ingest queue. NULL: out of memory. */
struct ocs_message *ocs_message_new(const void *mem_ctx, const char *id, const char *account,
                                    uint64_t accepted_at, const char *const *users, size_t n_users,
                                    const struct ocs_notification *notification);

/* For the spool: one block of bytes, and back. pack: a talloc array. unpack: -1 with error if it is
 * not what pack makes (every length is checked). */
uint8_t *ocs_message_pack(const void *mem_ctx, const struct ocs_message *message, size_t *len_r);
struct ocs_message *ocs_message_unpack(const void *mem_ctx, const uint8_t *data, size_t len,
                                       struct ocs_error *error);

#endif
