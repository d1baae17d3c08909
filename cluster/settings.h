/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What the link to RabbitMQ is set to, and what its parts share. The key table (config/keys.c)
 * fills the members that are keys of [rabbitmq], under the names they have there; their defaults
 * and bounds are in it. The strings belong to whoever made the settings and outlive the link.
 */
#ifndef OCS_CLUSTER_SETTINGS_H
#define OCS_CLUSTER_SETTINGS_H

#include "base/log.h"
#include "mapistore/names.h"

#define OCS_NODE_NAME_MAX 64 /* of [A-Za-z0-9_.-] */

struct ocs_link_settings {
	/* amqp:// and amqps:// separated by commas, tried in turn; they hold passwords. NULL: one
	 * machine, and there is no link. */
	const char *uri;
	const char *node;         /* name of this node, unique among those on the broker */
	const char *exchange;     /* direct, durable: keyed by groupware user */
	const char *ingest_queue; /* quorum: anyone may publish notification documents to it */
	const char *dead_queue;   /* quorum: what can never succeed */
	const char *node_queue;   /* quorum: this node's own */
	unsigned ingest;          /* 0 or 1: consume ingest_queue */
	unsigned relay; /* 0 or 1: deliver nothing here, hand everything to ingest_queue */
	const char
	        *ingest_account;  /* who a message without a user-id counts as; "": refuse those */
	const char *json_backend; /* backend of JSON documents, which name none; NULL: refuse */

	const char *ca_file;              /* NULL: the system's */
	const char *cert_file, *key_file; /* of this client; NULL: none */
	unsigned tls_verify;              /* 0 or 1 */

	unsigned heartbeat;       /* seconds */
	unsigned prefetch;        /* unacknowledged messages a consumer holds */
	unsigned confirm_timeout; /* seconds from submit to the broker's confirm */
	unsigned pending_max;     /* messages that wait for the broker, in memory */
	unsigned queue_length;    /* messages node_queue holds before it refuses more */
	unsigned queue_expires;   /* seconds without a consumer after which the broker drops it */
	unsigned unbind_after;    /* seconds without a session */
	unsigned spool_max;       /* MiB; 0: no spool */

	/* Of other sections (config/cluster.c). */
	struct ocs_folder_style json_folders; /* as json_backend writes them */
	unsigned max_batch;                   /* notifications in one document */
	const char *spool_folder;             /* private/spool */
};

#endif
