/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * One connection to RabbitMQ: librabbitmq with its traps taken care of. Opening (several URIs, TLS,
 * timeouts), turning every failure into one of three results and a sentence, declaring what we use.
 * Nothing here knows notifications.
 *
 * Threads: a connection belongs to one thread, except ocs_broker_abort(). The daemon's three have
 * that of broker_loop.h; ocsctl has one of its own.
 */
#ifndef OCS_CLUSTER_BROKER_H
#define OCS_CLUSTER_BROKER_H

#include <stdbool.h>
#include <stdint.h>

#include "cluster/librabbitmq.h"
#include "cluster/settings.h"
#include "cluster/status.h"
#include "base/error.h"

enum ocs_broker_result {
	OCS_BROKER_OK = 0,
	OCS_BROKER_LOST = -1,    /* close it, connect anew after a moment */
	OCS_BROKER_REFUSED = -2, /* likewise, but an admin has to act first: wait long */
	OCS_BROKER_MISSING = -3, /* no such queue; the channel is closed, the connection is not */
};

struct ocs_broker;

/* Every URI well-formed (amqp or amqps, host, port, vhost)? -1 with error, which holds no password.
 * Hosts and credentials may come from it only; query parts are refused. */
int ocs_broker_check_uris(const char *uris, struct ocs_error *error);

/* Connects to the first URI that answers, beginning with the *next-th (it is moved on after a
 * failure; keep it between calls). Opens channel 1. name is shown in the broker's list of
 * connections. Takes 5 s a URI at most, name resolution excepted. */
enum ocs_broker_result ocs_broker_open(const struct ocs_link_settings *settings, const char *name,
                                       unsigned *next, struct ocs_broker **broker_r,
                                       struct ocs_error *error);
/* Says good-bye if the connection is alive; never takes longer than a second. NULL is allowed. */
void ocs_broker_close(struct ocs_broker *broker);
/* Makes whatever call the owner is in fail soon, and all later ones. Any thread, while the broker
 * is not being closed (the owner publishes and takes back the pointer under a lock of its own). */
void ocs_broker_abort(struct ocs_broker *broker);

amqp_connection_state_t ocs_broker_connection(const struct ocs_broker *broker);
int ocs_broker_fd(const struct ocs_broker *broker);
const char *ocs_broker_peer(const struct ocs_broker *broker); /* host:port/vhost */
const char *ocs_broker_user(const struct ocs_broker *broker); /* logged in as */

enum ocs_broker_result ocs_broker_open_channel(struct ocs_broker *broker, amqp_channel_t channel,
                                               struct ocs_error *error);
/* The result of the synchronous call just made on channel 1; doing: for the sentence ("declaring
 * queue x"). A channel exception of the broker (ACCESS_REFUSED, PRECONDITION_FAILED) is REFUSED,
 * NOT_FOUND MISSING, RESOURCE_LOCKED and everything of the network LOST. The exception is answered,
 * so that the channel can be opened again. */
enum ocs_broker_result ocs_broker_reply(struct ocs_broker *broker, const char *doing,
                                        struct ocs_error *error);
/* The same for a call on another channel. */
enum ocs_broker_result ocs_broker_reply_on(struct ocs_broker *broker, amqp_channel_t channel,
                                           const char *doing, struct ocs_error *error);
/* The same for a status of librabbitmq. */
enum ocs_broker_result ocs_broker_status(struct ocs_broker *broker, int status, const char *doing,
                                         struct ocs_error *error);
/* What a channel.close or connection.close that came as a frame means; answers it. */
enum ocs_broker_result ocs_broker_closed(struct ocs_broker *broker, const amqp_frame_t *frame,
                                         struct ocs_error *error);

/* Declarations on channel; all durable. A queue that is there with other arguments is REFUSED with
 * a sentence that says what to do. existed_r (may be NULL): whether the queue was there before. */
enum ocs_broker_result ocs_broker_declare_exchange(struct ocs_broker *broker,
                                                   amqp_channel_t channel, const char *exchange,
                                                   struct ocs_error *error);
/* Plain quorum queue (ingest, dead letters). Like the next, without a delivery limit where the
 * broker has one by default (RabbitMQ 4), unless it is there already with one. */
enum ocs_broker_result ocs_broker_declare_queue(struct ocs_broker *broker, amqp_channel_t channel,
                                                const char *queue, struct ocs_error *error);
/* node_queue: quorum, x-expires, x-max-length, reject-publish. */
enum ocs_broker_result ocs_broker_declare_node_queue(struct ocs_broker *broker,
                                                     amqp_channel_t channel,
                                                     const struct ocs_link_settings *settings,
                                                     bool *existed_r, struct ocs_error *error);
/* Takes a name for as long as the connection lives, on whatever broker of the cluster: an exclusive
 * queue. *taken_r: another connection has it; the channel is then closed. */
enum ocs_broker_result ocs_broker_lock(struct ocs_broker *broker, amqp_channel_t channel,
                                       const char *name, bool *taken_r, struct ocs_error *error);
/* Messages that wait in a queue (passive declare). */
enum ocs_broker_result ocs_broker_count(struct ocs_broker *broker, amqp_channel_t channel,
                                        const char *queue, uint64_t *messages_r,
                                        struct ocs_error *error);

/* How long to wait before the next try, in ms, jittered: after LOST 0.2 s doubling to 5 s, after
 * REFUSED 5 s doubling to 60 s. Starts over once a connection held for 10 s. Zero it at first. */
struct ocs_backoff {
	unsigned failures;
	uint64_t up_since; /* ms; 0: not up */
};
void ocs_backoff_up(struct ocs_backoff *backoff);
unsigned ocs_backoff_wait(struct ocs_backoff *backoff, enum ocs_broker_result result);

/* Logs a change of a connection's state once, not each try: used by the three threads. Sets the
 * state, counts connects and failures. */
void ocs_broker_note_up(struct ocs_link_status *status, enum ocs_link_connection which,
                        const struct ocs_broker *broker, ocs_log_fn *log);
void ocs_broker_note_down(struct ocs_link_status *status, enum ocs_link_connection which,
                          enum ocs_broker_result result, const struct ocs_error *error,
                          ocs_log_fn *log);

#endif
