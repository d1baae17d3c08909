/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * A notification as it travels: between nodes (exchange of users), and from a relay to the ingest
 * queue. Plain data and its encodings; knows no connection.
 *
 * On the wire (AMQP 0-9-1 basic properties): content_type "text/xml; charset=utf-8", delivery_mode
 * 2, message_id = id, app_id "ocsmanager", headers ocs-origin (node), ocs-account (the account that
 * the sender's id belongs to), ocs-accepted (microseconds since 1970, 64 bits), ocs-ids (what this
 * node calls what it is about: notify/ids.h; a byte array; may be missing), CC (further routing
 * keys: the broker puts one copy into each queue). To the ingest queue: user_id of the connection,
 * no ocs- headers but ocs-accepted. Body: the document of PUT /notification without a token, one
 * notification.
 *
 * An answer to a node that has told an identifier that does not win: content_type
 * OCS_MESSAGE_IDS_TYPE, routing key that of the node; ocs-ids, and the same document for its names.
 * Nothing is delivered of it.
 */
#ifndef OCS_CLUSTER_MESSAGE_H
#define OCS_CLUSTER_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "notify/ids.h"
#include "notify/notification.h"
#include "base/error.h"

#define OCS_MESSAGE_ID_SIZE  128 /* with the NUL */
#define OCS_MESSAGE_KEY_SIZE 256 /* a routing key: a short string of AMQP, with the NUL */
#define OCS_MESSAGE_KEYS_MAX 256 /* users of one message: their keys must fit into one frame */
#define OCS_MESSAGE_TYPE     "text/xml; charset=utf-8"
#define OCS_MESSAGE_IDS_TYPE "application/vnd.ocsmanager.ids+xml"
/* Keys of our own begin with a byte that no user name has. */
#define OCS_MESSAGE_OWN_KEY '\001'

struct ocs_message {
	bool ingest;   /* to the ingest queue; else to the exchange, once for all users */
	bool ids_only; /* an answer: see above */
	char id[OCS_MESSAGE_ID_SIZE]; /* made by this node, never used again */
	const char *account;          /* of the sender */
	uint64_t accepted_at;         /* microseconds since 1970 */
	size_t n_keys;                /* 1 to OCS_MESSAGE_KEYS_MAX; 0 with ingest */
	const char *const *keys;      /* routing keys */
	const char *body;
	size_t len;
	const uint8_t *ids; /* encoded; NULL: none */
	size_t ids_len;
};

/* The routing key of a groupware user: the name itself; one over 255 bytes `~` and the hex SHA-256
 * of it. */
void ocs_message_key(const char *user, char key[OCS_MESSAGE_KEY_SIZE]);
/* That of a node, by which it hears of itself alone. */
void ocs_message_node_key(const char *node, char key[OCS_MESSAGE_KEY_SIZE]);

/* A message about one notification: one talloc object on mem_ctx that holds all it points to.
 * users: at most OCS_MESSAGE_KEYS_MAX; n_users 0: to the ingest queue. NULL: out of memory. */
struct ocs_message *ocs_message_new(const void *mem_ctx, const char *id, const char *account,
                                    uint64_t accepted_at, const char *const *users, size_t n_users,
                                    const struct ocs_notification *notification);

/* To be told along with it; an empty list is none. -1: out of memory. */
int ocs_message_set_ids(struct ocs_message *message, const struct ocs_ids_list *list);
/* An answer to that node: only what is told. The id is the sender's to fill in. NULL: out of
 * memory, or nothing is told. */
struct ocs_message *ocs_message_new_ids(const void *mem_ctx, const char *node,
                                        const struct ocs_notification *notification,
                                        const struct ocs_ids_list *list);

/* For the spool: one block of bytes, and back. pack: a talloc array. unpack: NULL with error if it
 * is not what pack makes (every length is checked), or out of memory, which the error says. */
uint8_t *ocs_message_pack(const void *mem_ctx, const struct ocs_message *message, size_t *len_r);
struct ocs_message *ocs_message_unpack(const void *mem_ctx, const uint8_t *data, size_t len,
                                       struct ocs_error *error);

#endif
