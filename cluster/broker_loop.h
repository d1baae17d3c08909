/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The thread of one connection, of which there are three (publish, consume, bind): it connects,
 * reads what comes, waits for the broker and to be woken, and connects again after a while when the
 * connection is lost. What a part does with its connection it does in the callbacks.
 *
 * The loop owns the connection: broker is there from set_up() to the end of lost(), for the loop's
 * thread alone. All callbacks are called by that thread. Heartbeats, the backoff, the state in
 * status and what is logged about it are the loop's.
 */
#ifndef OCS_CLUSTER_BROKER_LOOP_H
#define OCS_CLUSTER_BROKER_LOOP_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "cluster/broker.h"

/* A callback that returns anything but OCS_BROKER_OK gives the connection up. */
struct ocs_broker_loop_calls {
	enum ocs_link_connection which;
	/* ms beyond two heartbeats in which a round may not end, before ocs_broker_loop_watch()
	 * cuts the connection. */
	unsigned hangs;
	/* There is a connection with channel 1: declares what is used. */
	enum ocs_broker_result (*set_up)(void *arg, struct ocs_error *error);
	/* A frame of a channel; those of the connection are the loop's. */
	enum ocs_broker_result (*frame)(void *arg, const amqp_frame_t *frame,
	                                struct ocs_error *error);
	/* What came was read (more: not all of it, so that others have their turn): does what there
	 * is to do. *until_r, UINT64_MAX before: when there is something again, ms; 0: at once. */
	enum ocs_broker_result (*turn)(void *arg, bool more, uint64_t *until_r,
	                               struct ocs_error *error);
	/* May be NULL: loop->blocked has changed; the broker asks for no more, or no longer. */
	enum ocs_broker_result (*blocked)(void *arg, struct ocs_error *error);
	/* May be NULL: librabbitmq cannot decode what came; the connection is given up, but can
	 * still be written to. */
	void (*unreadable)(void *arg);
	/* The connection is about to be closed, or there was none to be had. */
	void (*lost)(void *arg, enum ocs_broker_result why);
	/* May be NULL: woken while there is no connection. */
	void (*offline)(void *arg);
	/* May be NULL: the loop is to end; whether what is under way is worth another turn. */
	bool (*under_way)(void *arg);
};

struct ocs_broker_loop {
	const struct ocs_link_settings *settings;
	struct ocs_link_status *status;
	ocs_log_fn *log;
	const struct ocs_broker_loop_calls *calls;
	void *arg;
	int wake; /* eventfd */
	atomic_bool ending;
	pthread_t thread;

	/* The thread's alone. */
	struct ocs_broker *broker; /* NULL: none */
	unsigned next_uri;
	struct ocs_backoff backoff; /* lost() may set it back */
	bool blocked;
	bool quiet; /* given up for a new one at once, which is nothing to tell; set by a callback
	             */

	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t end;
	bool ended;                 /* the thread is as good as gone */
	struct ocs_broker *current; /* that may be cut; NULL: none */
	bool cut;                   /* so is each that comes from now on */
	uint64_t round_at;          /* ms: when the thread came round last; 0: it sets up */
};

/* settings, status, calls and arg are kept. -1: only ocs_broker_loop_destroy() is left to do. */
int ocs_broker_loop_init(struct ocs_broker_loop *loop, const struct ocs_link_settings *settings,
                         struct ocs_link_status *status, ocs_log_fn *log,
                         const struct ocs_broker_loop_calls *calls, void *arg,
                         struct ocs_error *error);
int ocs_broker_loop_start(struct ocs_broker_loop *loop, struct ocs_error *error);
void ocs_broker_loop_wake(struct ocs_broker_loop *loop); /* any thread; does not block */
void ocs_broker_loop_end(struct ocs_broker_loop *loop);  /* likewise: it is to end */
/* Ends it and waits, the connection being cut after `polite` ms, `cut` ms more at most. -1: the
 * thread hangs, in the network; nothing may be freed. */
int ocs_broker_loop_stop(struct ocs_broker_loop *loop, unsigned polite, unsigned cut);
/* Not while the thread runs. */
void ocs_broker_loop_destroy(struct ocs_broker_loop *loop);

/* The last resort, to be called every second or so: librabbitmq can wait without a limit for a
 * broker that hangs. Any thread. */
void ocs_broker_loop_watch(struct ocs_broker_loop *loop);

#endif
