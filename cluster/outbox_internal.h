/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What the files of outbox share. Nobody else includes it.
 *
 *   outbox.c           start, stop, put, health
 *   outbox_items.c     the messages and the places they are in
 *   outbox_window.c    what is published and not confirmed
 *   outbox_publisher.c publishing, on the thread of the connection
 *   outbox_frames.c    what the broker says
 *   outbox_wire.c      one message on the wire
 *   outbox_renew.c     a new channel
 *   outbox_spooler.c   the thread of deadlines and of the spool
 */
#ifndef OCS_CLUSTER_OUTBOX_INTERNAL_H
#define OCS_CLUSTER_OUTBOX_INTERNAL_H

#include <pthread.h>

#include "cluster/broker_loop.h"
#include "cluster/outbox.h"

#define OCS_OUTBOX_WINDOW   4096  /* messages published and not confirmed; a power of two */
#define OCS_OUTBOX_BATCH    256   /* published between two looks at what the broker says */
#define OCS_OUTBOX_GRACE    2000  /* ms of an outage that nobody notices, without a spool */
#define OCS_OUTBOX_PAUSE    300   /* ms without publishing before a channel is renewed */
#define OCS_OUTBOX_REMEMBER 60000 /* ms that an unanswered message counts against the health */
#define OCS_OUTBOX_TO_DISK  1000  /* ms of an outage after which the spool takes over */
/* ms after such an outage in which an unroutable message proves nothing: a broker that was killed
 * may have forgotten bindings, and the nodes come back and make them again when their pause is
 * over. */
#define OCS_OUTBOX_SETTLE 8000

enum ocs_outbox_place {
	OCS_AT_NONE,    /* in the hands of one thread */
	OCS_AT_PENDING, /* to be published, in order */
	OCS_AT_WINDOW,  /* published */
	OCS_AT_DELAYED, /* refused by the broker: published again when due */
	OCS_AT_SPOOLING /* the spooler's: to be written */
};

struct ocs_outbox_item {
	struct ocs_outbox_item *prev, *next;    /* in its place */
	struct ocs_outbox_item *before, *after; /* in waiting or from_spool */
	struct ocs_message *message;
	ocs_outbox_done_fn *done; /* NULL: comes from the spool */
	void *owner;
	enum ocs_outbox_place place;
	enum ocs_outbox_end end; /* once it is taken out */
	uint64_t put_at;         /* CLOCK_MONOTONIC ms */
	uint64_t due;            /* the same; in DELAYED */
	uint64_t number;         /* in the spool; 0: from memory */
	uint64_t tag;            /* in WINDOW */
	size_t properties;       /* bytes of them on the wire, at most */
	uint32_t hash;           /* of its id */
	unsigned nacks;
	bool returned;
	bool busy; /* the publisher is reading it without the lock: it frees it */
	bool gone; /* was busy when it came to its end */
};

/* Where new messages go, and what is published. */
enum ocs_outbox_phase {
	OCS_PHASE_DIRECT,  /* to memory; memory is published */
	OCS_PHASE_SPOOL,   /* to the spool; the spool is published */
	OCS_PHASE_HANDOVER /* to memory; the rest of the spool is published first */
};

struct ocs_outbox_slot {
	struct ocs_outbox_item *item; /* NULL: confirmed, or somebody else's by now */
	uint32_t hash;
	bool open; /* not confirmed */
};

struct ocs_outbox {
	const struct ocs_link_settings *settings;
	struct ocs_spool *spool;
	struct ocs_link_status *status;
	ocs_log_fn *log;
	uint64_t timeout; /* ms */
	struct ocs_broker_loop loop;
	pthread_t spooler_thread;

	pthread_mutex_t lock; /* of all that follows */
	pthread_cond_t spooler_wake, drained;
	struct ocs_outbox_item *pending, *delayed, *spooling;
	struct ocs_outbox_item *waiting;      /* from memory and without an end, oldest first */
	struct ocs_outbox_item *from_spool;   /* in WINDOW or DELAYED, lowest number first */
	unsigned n_memory;                    /* from memory, with an owner who waits */
	unsigned n_from_spool, n_undisturbed; /* of from_spool: all; without a nack */

	struct ocs_outbox_slot *window;
	uint64_t low, next; /* tags: the lowest that is not confirmed, the next one */
	uint64_t returns;   /* the tag after that of the last return */

	enum ocs_outbox_phase phase;
	bool want_spool;                   /* the spooler shall enter SPOOL */
	bool writing;                      /* the spooler is at the disk */
	uint64_t confirmed_at, expired_at; /* ms: the last confirm, the last that none came for */
	bool heard;                        /* a confirm came in this connection and phase */
	uint64_t written, read; /* generations of the spool: flushed, and read to its end */
	char spool_trouble[OCS_ERROR_MAX]; /* of the last write; "": none */

	uint64_t away_since; /* CLOCK_MONOTONIC ms; 0: connected and not blocked */
	bool refused;        /* away until an admin acts */
	bool lost; /* a connection was, or there was none to be had: a slow one is no outage */
	uint64_t unsettled_until; /* ms: OCS_OUTBOX_SETTLE after an outage */
	bool stopping, quit;
	bool publisher_sleeps, spooler_idle;

	/* The publisher's alone. */
	amqp_channel_t channel;
	size_t frame_max;
	uint64_t spool_last; /* number of the last record read */
	uint64_t spool_confirmed;
	uint64_t spool_retry; /* when to read it (again): after an error, or once settled; ms */
	bool queue_missing;   /* the ingest queue */
	uint64_t heard_at;    /* ms: the last confirm, or the first refusal after it */
	bool nacked;          /* the last thing said was a refusal */
	bool stuck;           /* something is refused again and again: perhaps by the channel */
	bool at_once; /* the connection is given up for a new one, nothing is wrong with the broker
	               */
	uint64_t renewing;   /* since when nothing is published so that it can be renewed; ms */
	uint64_t renew_at;   /* not before; ms */
	unsigned renew_wait; /* until the next time; ms; 0: at first */
	bool returning;      /* within a basic.return */
	uint64_t body_left;  /* of it */
};

/* Items. All with the lock, but new and end. */
struct ocs_outbox_item *ocs_outbox_item_new(struct ocs_message *message);
/* Leaves out what is told along with the notification. */
void ocs_outbox_item_shorten(struct ocs_outbox_item *item);
void ocs_outbox_item_leave(struct ocs_outbox *outbox, struct ocs_outbox_item *item);
void ocs_outbox_to_pending(struct ocs_outbox *outbox, struct ocs_outbox_item *item);
void ocs_outbox_to_delayed(struct ocs_outbox *outbox, struct ocs_outbox_item *item);
void ocs_outbox_to_spooling(struct ocs_outbox *outbox, struct ocs_outbox_item *item);
/* Out of all lists and into ended, with that end. */
void ocs_outbox_take_out(struct ocs_outbox *outbox, struct ocs_outbox_item *item,
                         enum ocs_outbox_end end, struct ocs_outbox_item **ended);
/* No longer a record of the spool that is under way. */
void ocs_outbox_forget_number(struct ocs_outbox *outbox, struct ocs_outbox_item *item);
/* Tells the owners and frees the items (but busy ones: marks them). Takes the lock for those. */
void ocs_outbox_end_all(struct ocs_outbox *outbox, struct ocs_outbox_item *ended, const char *text);

/* The window. With the lock. */
unsigned ocs_outbox_window_room(const struct ocs_outbox *outbox);
void ocs_outbox_window_add(struct ocs_outbox *outbox, struct ocs_outbox_item *item);
/* Confirmed or refused by the broker: what has its end is in ended. */
void ocs_outbox_window_ack(struct ocs_outbox *outbox, uint64_t tag, bool multiple, bool nack,
                           struct ocs_outbox_item **ended);
void ocs_outbox_window_return(struct ocs_outbox *outbox, const void *id, size_t len);
/* The channel is gone: what was published is to be published again, in order. */
void ocs_outbox_window_reset(struct ocs_outbox *outbox);
/* All records of the spool that are under way, which will be read again. */
void ocs_outbox_drop_records(struct ocs_outbox *outbox, struct ocs_outbox_item **dropped);

void ocs_outbox_free(struct ocs_outbox_item *list); /* linked by next */

/* Bytes of the message's properties on the wire, at most. */
size_t ocs_outbox_properties(const struct ocs_message *message);
int ocs_outbox_publish(struct ocs_outbox *outbox, const struct ocs_message *message);

/* What the broker said. */
enum ocs_broker_result ocs_outbox_frame(void *outbox, const amqp_frame_t *frame,
                                        struct ocs_error *error);
enum ocs_broker_result ocs_outbox_blocked(void *outbox, struct ocs_error *error);

/* Asks for confirms on the channel. */
enum ocs_broker_result ocs_outbox_confirms(struct ocs_outbox *outbox, struct ocs_error *error);
/* Whether to renew the channel now. Before that, for a moment, nothing more is published, so that
 * little has to be sent twice. */
bool ocs_outbox_time_to_renew(struct ocs_outbox *outbox);
enum ocs_broker_result ocs_outbox_renew(struct ocs_outbox *outbox, struct ocs_error *error);

/* The broker is away, or there again. With the lock. */
void ocs_outbox_set_away(struct ocs_outbox *outbox, bool away, bool refused);

extern const struct ocs_broker_loop_calls ocs_outbox_calls;
void *ocs_outbox_spooler(void *arg);

#endif
