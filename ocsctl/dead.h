/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What the files of `ocsctl dead` share. Errors are printed where they are found; -1 says that.
 */
#ifndef OCSCTL_DEAD_H
#define OCSCTL_DEAD_H

#include <stdbool.h>
#include <stdint.h>

#include "cluster/broker.h"
#include "ocsctl/ocsctl.h"

#define OCSCTL_DEAD_CHANNEL 1

/* A connection and the dead-letter queue; what hangs on it (talloc) goes with it. */
struct ocsctl_dead {
	struct ocsctl *ctl;
	const struct ocs_link_settings *settings;
	struct ocs_broker *broker;
	amqp_connection_state_t connection;
	bool hold;         /* what is taken is given back; else each is acknowledged at once */
	bool asked;        /* the broker was asked for all there are */
	uint64_t messages; /* in the queue when the first one was taken */
	uint64_t gone;     /* of these, acknowledged */
	uint64_t expected; /* messages that the broker is about to send */
	uint64_t tag;      /* of the last one taken */
};

#define OCSCTL_DEAD_HELD_MAX 10000 /* messages that can be looked at */

/* 0, or says what is wrong. */
int ocsctl_dead_talked(enum ocs_broker_result result, const struct ocs_error *error);
/* The next message: 1; 0: there is none; -1. The caller calls amqp_destroy_message(). */
int ocsctl_dead_take(struct ocsctl_dead *dead, amqp_message_t *message);
/* The one last taken: it is gone from the queue. */
int ocsctl_dead_acknowledge(struct ocsctl_dead *dead);
/* Takes, and drops, what is still to be held. The one taken before is the last one. */
int ocsctl_dead_hold_rest(struct ocsctl_dead *dead);
/* Ends the taking: what was not acknowledged is in its old place again, and the broker has heard of
 * what was. After a failure the end of the connection does that. */
int ocsctl_dead_give_back(struct ocsctl_dead *dead);

/* The commands; each returns an exit status. */
int ocsctl_dead_list(struct ocsctl_dead *dead, uint64_t count);
/* Message `number` of the list, or all: put into the ingest queue again, or thrown away. */
int ocsctl_dead_move(struct ocsctl_dead *dead, uint64_t number, bool all, bool again);

#endif
