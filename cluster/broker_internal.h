/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* What the files of broker share. Nobody else includes it. */
#ifndef OCS_CLUSTER_BROKER_INTERNAL_H
#define OCS_CLUSTER_BROKER_INTERNAL_H

#include "cluster/broker.h"

#define OCS_BROKER_PEER_MAX 256 /* as in struct ocs_link_connection_status */
/* Above those that others use: what may be refused is tried there. */
#define OCS_BROKER_TRIAL_CHANNEL 17

struct ocs_broker {
	amqp_connection_state_t connection;
	int fd;    /* a duplicate: librabbitmq closes its own when it gives up */
	bool dead; /* nothing can be said any more */
	char peer[OCS_BROKER_PEER_MAX];
	char user[256];
};

struct ocs_broker_uri {
	char *text; /* what info points into */
	size_t size;
	struct amqp_connection_info info;
};

/* How many URIs there are in the list. */
unsigned ocs_broker_uri_count(const char *uris);
/* The n-th of them, from 0; -1 with error, which holds nothing of it but its number. */
int ocs_broker_uri_parse(const char *uris, unsigned n, struct ocs_broker_uri *uri,
                         struct ocs_error *error);
void ocs_broker_uri_free(struct ocs_broker_uri *uri); /* wipes it */
/* host:port/vhost */
void ocs_broker_uri_peer(const struct ocs_broker_uri *uri, char peer[OCS_BROKER_PEER_MAX]);

/* What a reply means; as ocs_broker_reply_on(), for any reply. */
enum ocs_broker_result ocs_broker_judge(struct ocs_broker *broker, amqp_channel_t channel,
                                        const amqp_rpc_reply_t *reply, const char *doing,
                                        struct ocs_error *error);

#endif
