/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The link's counters, and the state of its three connections: written by the parts, read by
 * metrics, health check and status page. Any thread.
 */
#ifndef OCS_CLUSTER_STATUS_H
#define OCS_CLUSTER_STATUS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/error.h"

/* X(name, type, help): metric ocsmanager_link_NAME; counters get _total there. */
#define OCS_LINK_COUNTERS(X)                                                                       \
	X(relayed, "counter", "Notifications handed to the ingest queue by this relay.")           \
	X(published, "counter", "Messages handed to the broker, repetitions included.")            \
	X(confirmed, "counter", "Messages the broker confirmed.")                                  \
	X(returned, "counter", "Messages returned: no other node has the user.")                   \
	X(nacked, "counter", "Messages the broker refused; they are sent again.")                  \
	X(resent, "counter", "Messages sent again after a lost connection or a refusal.")          \
	X(expired, "counter", "Messages not confirmed in time and reported as unavailable.")       \
	X(refused, "counter", "Messages not taken: no broker, or too many waiting.")               \
	X(blocked, "counter", "Times the broker asked for no more (resource alarm).")              \
	X(connects, "counter", "Connections to the broker that came up.")                          \
	X(connect_failures, "counter", "Connections that did not.")                                \
	X(reconnects, "counter", "Connections that came up after one was lost.")                   \
	X(spooled, "counter", "Messages put into the spool.")                                      \
	X(unspooled, "counter", "Messages of the spool that the broker confirmed.")                \
	X(spool_full, "counter", "Messages refused because the spool was full.")                   \
	X(ingested, "counter", "Messages taken from the ingest queue.")                            \
	X(node_received, "counter", "Messages taken from this node's own queue.")                  \
	X(node_own, "counter", "Of these, this node's own, dropped.")                              \
	X(node_nosession, "counter", "Of these, for users without a session here.")                \
	X(redelivered, "counter", "Messages the broker delivered a second time.")                  \
	X(redelivered_duplicate, "counter", "Of these, done before: dropped.")                     \
	X(redelivered_again, "counter",                                                            \
	  "Of these, dispatched: a subscriber may have seen them before.")                         \
	X(retried, "counter", "Messages tried again because the registry or broker was away.")     \
	X(dead, "counter", "Messages put into the dead-letter queue.")                             \
	X(acked, "counter", "Messages acknowledged to the broker.")                                \
	X(binds, "counter", "Users bound.")                                                        \
	X(unbinds, "counter", "Users unbound.")                                                    \
	X(bind_timeouts, "counter", "Subscriptions that did not wait for their binding.")          \
	X(pending, "gauge", "Messages in memory that wait for the broker.")                        \
	X(spool_messages, "gauge", "Messages in the spool.")                                       \
	X(spool_bytes, "gauge", "Bytes of the spool.")                                             \
	X(held, "gauge", "Messages delivered to this node and not yet acknowledged.")              \
	X(bound_users, "gauge", "Users bound to this node's queue.")                               \
	X(bind_waiting, "gauge", "Users waiting to be bound or unbound.")                          \
	X(ingest_messages, "gauge", "Messages waiting in the ingest queue, as last asked.")        \
	X(node_messages, "gauge", "Messages waiting in this node's queue, as last asked.")         \
	X(dead_messages, "gauge", "Messages in the dead-letter queue, as last asked.")             \
	X(oldest_ms, "gauge",                                                                      \
	  "Age of the oldest message that waits for the broker, milliseconds.")                    \
	X(lag_ms, "gauge",                                                                         \
	  "Acceptance on another node to arrival here, last message, milliseconds.")

struct ocs_link_counters {
#define X(name, type, help) _Atomic uint64_t name;
	OCS_LINK_COUNTERS(X)
#undef X
};

enum ocs_link_connection {
	OCS_LINK_PUBLISH,
	OCS_LINK_CONSUME,
	OCS_LINK_BIND,
	OCS_LINK_CONNECTIONS
};
enum ocs_link_state {
	OCS_LINK_OFF,        /* not used (a relay neither consumes nor binds) */
	OCS_LINK_CONNECTING, /* not up, being tried */
	OCS_LINK_UP,
	OCS_LINK_BLOCKED, /* up, and the broker takes nothing (resource alarm) */
	OCS_LINK_REFUSED, /* an admin must act: wrong password, missing vhost, other arguments */
};

struct ocs_link_status {
	struct ocs_link_counters counters;
	/* Another daemon uses this node's name: it gets what is for this one, and what this one
	 * hands on looks like its own to it. Nothing may be promised to senders or sessions. */
	atomic_bool name_taken;
	pthread_mutex_t lock; /* of what follows */
	struct ocs_link_connection_status {
		enum ocs_link_state state;
		uint64_t since;           /* CLOCK_MONOTONIC ms */
		char peer[256];           /* host:port/vhost, never a password */
		char text[OCS_ERROR_MAX]; /* why it is not up; "" when it is */
	} connections[OCS_LINK_CONNECTIONS];
};

#define OCS_LINK_NAME_TAKEN "another ocsmanager uses this node's name ([rabbitmq] node)"

#define OCS_LINK_COUNT(status, name, n)                                                            \
	atomic_fetch_add_explicit(&(status)->counters.name, (n), memory_order_relaxed)
#define OCS_LINK_SET(status, name, n)                                                              \
	atomic_store_explicit(&(status)->counters.name, (n), memory_order_relaxed)
#define OCS_LINK_GET(status, name)                                                                 \
	atomic_load_explicit(&(status)->counters.name, memory_order_relaxed)

void ocs_link_status_init(struct ocs_link_status *status);
void ocs_link_status_destroy(struct ocs_link_status *status);
/* text and peer may be NULL: "". Returns the state before. */
enum ocs_link_state ocs_link_status_set(struct ocs_link_status *status,
                                        enum ocs_link_connection which, enum ocs_link_state state,
                                        const char *peer, const char *text);
enum ocs_link_state ocs_link_status_state(struct ocs_link_status *status,
                                          enum ocs_link_connection which);
void ocs_link_status_copy(struct ocs_link_status *status, enum ocs_link_connection which,
                          struct ocs_link_connection_status *out);
const char *ocs_link_connection_word(enum ocs_link_connection which); /* publish, consume, bind */
const char *ocs_link_state_word(enum ocs_link_state state);           /* off, connecting, up, ... */

#endif
