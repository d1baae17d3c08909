/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What the files of bindings share. Nobody else includes it.
 *
 *   bindings.c         start, stop, and what others ask
 *   bindings_table.c   the users and what is to be done about each
 *   bindings_sessions.c   what the registry says about them
 *   bindings_binder.c  does it, on the thread of the connection
 *   bindings_channels.c   what is on its way to the broker
 *   bindings_watch.c   how many messages wait, and whether the bindings are still there
 *
 * Locks: one, of the table; no thread waits for the network or the registry while it has it.
 * Entries are freed by visits alone, so a visit may keep them over a moment without it, and the
 * binder those that are on their way.
 */
#ifndef OCS_CLUSTER_BINDINGS_INTERNAL_H
#define OCS_CLUSTER_BINDINGS_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <uthash.h>

#include "cluster/bindings.h"
#include "cluster/broker_loop.h"
#include "cluster/bind_socket.h"
#include "cluster/message.h"

enum ocs_binding_state {
	OCS_BINDING_WANTED,  /* to be bound: in urgent or bulk */
	OCS_BINDING_BINDING, /* on its way */
	OCS_BINDING_BOUND,
	OCS_BINDING_UNWANTED, /* to be unbound: in bulk */
	OCS_BINDING_LEAVING,  /* on its way */
	OCS_BINDING_GONE,     /* unbound; the registry is asked once more: in gone */
	OCS_BINDING_STATES
};

struct ocs_binding {
	UT_hash_handle hh; /* by key */
	struct ocs_binding *prev, *next;
	size_t index; /* in all */
	enum ocs_binding_state state;
	bool urgent;           /* in that list, or was when it was sent: somebody may wait */
	bool again;            /* asked for while it was leaving */
	bool present;          /* has a session, as far as is known */
	uint64_t absent_since; /* without a session, ms; 0: has one, or not looked yet */
	uint64_t bound_at;     /* when the broker said so, ms */
	char *user;            /* NULL: only the key is known, which is a digest */
	char key[];
};

/* Eight channels bind three times as fast as one. What is urgent waits for CHANNEL_MAX others at
 * most. */
#define OCS_BINDINGS_CHANNELS    8
#define OCS_BINDINGS_CHANNEL_MAX 32

struct ocs_bindings_channel {
	struct ocs_binding *sent[OCS_BINDINGS_CHANNEL_MAX]; /* a ring */
	unsigned first, n;
};

struct ocs_bindings_channels {
	struct ocs_bindings *bindings;
	struct ocs_broker *broker;
	struct ocs_bindings_channel channels[OCS_BINDINGS_CHANNELS];
	unsigned next, n; /* n: in all of them */
	uint64_t heard;   /* when something was answered, or the first sent, ms */
};

/* What looks after the queues, on a channel of its own. */
struct ocs_bindings_watch {
	struct ocs_bindings *bindings;
	struct ocs_broker *broker;
	unsigned asking;      /* which queue is being asked for; past the last: none */
	uint64_t due;         /* ms */
	bool may_probe;       /* has the permission */
	uint64_t probe_after; /* ms */
	bool lost;            /* the queue, or its bindings, are not there */
};

/* The thread of the connection alone. */
struct ocs_binder {
	bool made;            /* the marker is there, and the rest bound or wanted */
	bool awaited;         /* something has come true that somebody may wait for */
	uint64_t probe_after; /* ms */
	uint64_t began;       /* making all bindings, ms; 0: done */
	struct ocs_bindings_channels channels;
	struct ocs_bindings_watch watch;
};

struct ocs_bindings {
	const struct ocs_link_settings *settings;
	struct ocs_link_status *status;
	ocs_log_fn *log;
	struct ocs_bind_socket *bind_socket;
	struct ocs_broker_loop loop;
	struct ocs_binder binder;
	bool visited;       /* of the visits alone: all users were looked at */
	bool told;          /* likewise: that they could not */
	uint64_t stores_at; /* likewise: when all stores were looked for, ms */

	pthread_mutex_t lock; /* of all that follows */
	struct ocs_binding *table;
	struct ocs_binding **all; /* every entry, in no order */
	size_t n_all, max_all, cursor;
	size_t counts[OCS_BINDING_STATES];
	struct ocs_binding *urgent, *bulk, *gone; /* lists */
	uint64_t down_since;                      /* ms; 0: the connection is up */
	bool refused;
};

/* ---- bindings_table.c: all with the lock held ---- */

void ocs_bindings_table_free(struct ocs_bindings *bindings);
struct ocs_binding *ocs_bindings_find(struct ocs_bindings *bindings, const char *key);
/* A new entry; user may be NULL. NULL: no memory, or too many. */
struct ocs_binding *ocs_bindings_add(struct ocs_bindings *bindings, const char *key,
                                     const char *user, enum ocs_binding_state state);
/* One that is on its way must not be removed. */
void ocs_bindings_remove(struct ocs_bindings *bindings, struct ocs_binding *binding);
/* The user has a session: bound as soon as may be. urgent: somebody waits. */
void ocs_bindings_want(struct ocs_bindings *bindings, struct ocs_binding *binding, bool urgent);
/* They have had none for long. */
void ocs_bindings_unwant(struct ocs_bindings *bindings, struct ocs_binding *binding);
/* The next that has something to be sent, which it says (a bind, else an unbind); it is on its way
 * then. NULL: none. */
struct ocs_binding *ocs_bindings_take(struct ocs_bindings *bindings, bool *bind_r);
/* The broker has done it. Whether somebody may wait for it. */
bool ocs_bindings_done(struct ocs_bindings *bindings, struct ocs_binding *binding);
/* Nobody knows whether the broker has done it. */
void ocs_bindings_undone(struct ocs_bindings *bindings, struct ocs_binding *binding);
/* The queue has lost its bindings: all are to be made again. How many. */
size_t ocs_bindings_all_again(struct ocs_bindings *bindings);
/* The connection was lost at that time, perhaps with the broker, which may then have forgotten what
 * it said last: RabbitMQ writes bindings to the disk a second or two after it has confirmed them.
 * Those are to be made again. How many. */
size_t ocs_bindings_young_again(struct ocs_bindings *bindings, uint64_t lost_at);
/* Sets the gauges. */
void ocs_bindings_gauge(struct ocs_bindings *bindings);

/* ---- bindings_binder.c ---- */

extern const struct ocs_broker_loop_calls ocs_bindings_calls;

/* ---- bindings_channels.c ---- */

enum ocs_broker_result ocs_bindings_channels_open(struct ocs_bindings_channels *channels,
                                                  struct ocs_bindings *bindings,
                                                  struct ocs_broker *broker,
                                                  struct ocs_error *error);
/* Sends what there is to do while there is room. LOST too if nothing is answered. */
enum ocs_broker_result ocs_bindings_channels_fill(struct ocs_bindings_channels *channels,
                                                  struct ocs_error *error);
/* The broker has done the oldest of that channel. Whether somebody may wait for it. */
bool ocs_bindings_channels_done(struct ocs_bindings_channels *channels, amqp_channel_t channel);
/* The connection is gone: what was on its way goes back into the table. */
void ocs_bindings_channels_close(struct ocs_bindings_channels *channels,
                                 struct ocs_bindings *bindings);

/* ---- bindings_watch.c: on a channel of its own of the binder's connection ---- */

/* The binding by which is seen that the bindings are there. */
void ocs_bindings_marker(const struct ocs_link_settings *settings, char key[OCS_MESSAGE_KEY_SIZE]);
/* soon: look for the bindings at once; but not before probe_after. */
enum ocs_broker_result ocs_bindings_watch_open(struct ocs_bindings_watch *watch,
                                               struct ocs_bindings *bindings,
                                               struct ocs_broker *broker, bool soon,
                                               uint64_t probe_after, struct ocs_error *error);
/* Sends what is due. */
enum ocs_broker_result ocs_bindings_watch_turn(struct ocs_bindings_watch *watch, uint64_t now,
                                               struct ocs_error *error);
/* A frame of its channel. Not OK: the connection has to be made anew. */
enum ocs_broker_result ocs_bindings_watch_frame(struct ocs_bindings_watch *watch,
                                                const amqp_frame_t *frame, struct ocs_error *error);

/* Channels: to set up; of the watch; the first of those that bind. */
#define OCS_BINDINGS_CHANNEL       1
#define OCS_BINDINGS_WATCH_CHANNEL 2
#define OCS_BINDINGS_FIRST_CHANNEL 3

#endif
