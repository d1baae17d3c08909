/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The thread that owns the connection and publishes. It may hang in the
 * network for two heartbeats; nobody waits for it.
 */
#include "cluster/outbox_internal.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <syslog.h>
#include <unistd.h>

#include <talloc.h>
#include <utlist.h>

#include "base/clock.h"

#define FRAME_SLACK  64   /* of a frame that are not properties */
#define SPOOL_RETRY  1000 /* ms after an error of reading */
#define MOST_TO_POLL 5000 /* ms */
/* Less than the kernel's buffers hold: that the broker takes no more is read before a write hangs.
 */
#define BATCH_BYTES (256 * 1024)

struct batch {
	struct ocs_outbox_item *items[OCS_OUTBOX_BATCH];
	unsigned count;
	size_t bytes;
};

static void add(struct ocs_outbox *outbox, struct batch *batch, struct ocs_outbox_item *item)
{
	ocs_outbox_window_add(outbox, item);
	item->busy = true;
	batch->items[batch->count++] = item;
	batch->bytes += item->message->len + item->properties;
}

static bool room_for(const struct ocs_outbox *outbox, const struct batch *batch)
{
	return batch->count < OCS_OUTBOX_BATCH && batch->bytes < BATCH_BYTES &&
	       ocs_outbox_window_room(outbox) > 0;
}

/* Of memory: what was refused and is due again, then what is new. With the lock. */
static void take(struct ocs_outbox *outbox, struct batch *batch, struct ocs_outbox_item **ended)
{
	uint64_t now = outbox->delayed != NULL ? ocs_clock_ms() : 0;

	while (room_for(outbox, batch)) {
		struct ocs_outbox_item *item = outbox->delayed;

		if (item == NULL || item->due > now)
			item = outbox->phase == OCS_PHASE_DIRECT ? outbox->pending : NULL;
		if (item == NULL)
			return;
		if (item->properties + FRAME_SLACK > outbox->frame_max) {
			ocs_outbox_take_out(outbox, item, OCS_OUTBOX_FAILED, ended);
			continue;
		}
		ocs_outbox_item_leave(outbox, item);
		add(outbox, batch, item);
	}
}

static struct ocs_outbox_item *read_record(struct ocs_outbox *outbox, int *more_r)
{
	struct ocs_outbox_item *item = NULL;
	struct ocs_message *message;
	struct ocs_error error;
	uint64_t number;
	uint8_t *data;
	size_t len;
	char line[OCS_ERROR_MAX];

	*more_r = ocs_spool_read(outbox->spool, NULL, &data, &len, &number, &error);
	if (*more_r == 1) {
		outbox->spool_last = number;
		message = ocs_message_unpack(NULL, data, len, &error);
		talloc_free(data);
		item = message != NULL ? ocs_outbox_item_new(message) : NULL;
		if (item != NULL) {
			item->number = number;
		} else if (message != NULL) {
			ocs_error_set(&error, "out of memory");
			talloc_free(message);
		}
	}
	if (*more_r != 0 && item == NULL) {
		snprintf(line, sizeof(line), "spool: %s: %.400s",
		         *more_r < 0 ? "cannot be read" : "a message is lost", error.text);
		outbox->log(LOG_ERR, line);
	}
	return item;
}

/* Of the spool, as far as there is room. */
static void take_spool(struct ocs_outbox *outbox, struct batch *batch)
{
	uint64_t generation, now = ocs_clock_ms();
	struct batch found = {.count = 0};
	unsigned room;
	int more = 1;

	pthread_mutex_lock(&outbox->lock);
	generation = outbox->written;
	room = ocs_outbox_window_room(outbox);
	if (room > OCS_OUTBOX_BATCH - batch->count)
		room = OCS_OUTBOX_BATCH - batch->count;
	if (room > OCS_OUTBOX_WINDOW - outbox->n_from_spool)
		room = OCS_OUTBOX_WINDOW - outbox->n_from_spool;
	if (generation == outbox->read || outbox->spool_retry > now)
		room = 0;
	pthread_mutex_unlock(&outbox->lock);
	if (room == 0)
		return;
	while (found.count < room && found.bytes < BATCH_BYTES && more > 0) {
		struct ocs_outbox_item *item = read_record(outbox, &more);

		if (item == NULL)
			continue;
		found.items[found.count++] = item;
		found.bytes += item->message->len;
	}
	if (more < 0)
		outbox->spool_retry = now + SPOOL_RETRY;
	pthread_mutex_lock(&outbox->lock);
	for (unsigned i = 0; i < found.count; i++) {
		DL_APPEND2(outbox->from_spool, found.items[i], before, after);
		outbox->n_from_spool++;
		outbox->n_undisturbed++;
		add(outbox, batch, found.items[i]);
	}
	if (more == 0)
		outbox->read = generation;
	pthread_mutex_unlock(&outbox->lock);
}

/* From the spool back to memory, once the broker has all of it. */
static void advance(struct ocs_outbox *outbox)
{
	bool caught_up, direct = false;

	pthread_mutex_lock(&outbox->lock);
	caught_up = outbox->read == outbox->written && outbox->spool_retry <= ocs_clock_ms();
	/* A broker that takes and never confirms must not get what then waits in memory. */
	if (outbox->phase == OCS_PHASE_SPOOL && caught_up &&
	    (outbox->heard || outbox->low == outbox->next)) {
		outbox->phase = OCS_PHASE_HANDOVER;
		outbox->want_spool = false;
	}
	if (outbox->phase == OCS_PHASE_HANDOVER && caught_up && !outbox->writing &&
	    outbox->spooling == NULL && outbox->n_undisturbed == 0) {
		outbox->phase = OCS_PHASE_DIRECT;
		outbox->spool_trouble[0] = '\0';
		direct = true;
	}
	pthread_mutex_unlock(&outbox->lock);
	if (direct)
		outbox->log(LOG_NOTICE, "RabbitMQ: publish: the broker has what was in the spool");
}

static void confirm_spool(struct ocs_outbox *outbox)
{
	uint64_t number;

	pthread_mutex_lock(&outbox->lock);
	number = outbox->from_spool != NULL ? outbox->from_spool->number - 1 : outbox->spool_last;
	pthread_mutex_unlock(&outbox->lock);
	if (number <= outbox->spool_confirmed)
		return;
	outbox->spool_confirmed = number;
	ocs_spool_confirm(outbox->spool, number);
}

static void set_cork(const struct ocs_outbox *outbox, int on)
{
	/* Only a matter of speed: its failure is none. */
	(void)setsockopt(ocs_broker_fd(outbox->own), IPPROTO_TCP, TCP_CORK, &on, sizeof(on));
}

static enum ocs_broker_result publish(struct ocs_outbox *outbox, const struct batch *batch,
                                      struct ocs_error *error)
{
	struct ocs_outbox_item *gone = NULL;
	int status = AMQP_STATUS_OK;
	unsigned done = 0;

	if (batch->count > 1)
		set_cork(outbox, 1);
	while (done < batch->count && status == AMQP_STATUS_OK) {
		status = ocs_outbox_publish(outbox, batch->items[done]->message);
		done++;
	}
	if (batch->count > 1)
		set_cork(outbox, 0);
	OCS_LINK_COUNT(outbox->status, published, done);
	pthread_mutex_lock(&outbox->lock);
	for (unsigned i = 0; i < batch->count; i++) {
		struct ocs_outbox_item *item = batch->items[i];

		item->busy = false;
		if (item->gone)
			DL_APPEND(gone, item);
	}
	pthread_mutex_unlock(&outbox->lock);
	ocs_outbox_free(gone);
	return ocs_broker_status(outbox->own, status, "publishing", error);
}

/* ms until there is something to do without being told. */
static int how_long(const struct ocs_outbox *outbox)
{
	uint64_t now = ocs_clock_ms(), wait = MOST_TO_POLL;

	if (outbox->settings->heartbeat > 0 && outbox->settings->heartbeat * 500 < wait)
		wait = outbox->settings->heartbeat * 500;
	if (!outbox->blocked && outbox->renewing == 0 && ocs_outbox_window_room(outbox) > 0 &&
	    outbox->delayed != NULL && outbox->delayed->due < now + wait)
		wait = outbox->delayed->due > now ? outbox->delayed->due - now : 0;
	if ((outbox->renewing != 0 || outbox->nacked) && wait > OCS_OUTBOX_PAUSE)
		wait = OCS_OUTBOX_PAUSE;
	if (outbox->spool_retry > now && outbox->spool_retry < now + wait)
		wait = outbox->spool_retry - now;
	return (int)wait;
}

static void sleep_until_told(struct ocs_outbox *outbox)
{
	struct pollfd fds[] = {{.fd = ocs_broker_fd(outbox->own), .events = POLLIN},
	                       {.fd = outbox->wake_fd, .events = POLLIN}};
	bool open, memory, disk;
	eventfd_t count;
	int wait;

	pthread_mutex_lock(&outbox->lock);
	open = !outbox->blocked && outbox->renewing == 0 && ocs_outbox_window_room(outbox) > 0;
	memory = outbox->phase == OCS_PHASE_DIRECT && outbox->pending != NULL;
	disk = outbox->read != outbox->written && outbox->n_from_spool < OCS_OUTBOX_WINDOW &&
	       outbox->spool_retry <= ocs_clock_ms();
	wait = outbox->quit || (open && (memory || disk)) ? 0 : how_long(outbox);
	outbox->publisher_sleeps = open && outbox->phase == OCS_PHASE_DIRECT;
	pthread_mutex_unlock(&outbox->lock);
	if (poll(fds, 2, wait) > 0 && (fds[1].revents & POLLIN) != 0)
		(void)eventfd_read(outbox->wake_fd, &count);
	pthread_mutex_lock(&outbox->lock);
	outbox->publisher_sleeps = false;
	pthread_mutex_unlock(&outbox->lock);
}

static enum ocs_broker_result turn(struct ocs_outbox *outbox, struct batch *batch,
                                   struct ocs_error *error)
{
	struct ocs_outbox_item *ended = NULL;
	enum ocs_broker_result result;
	bool any;

	batch->count = 0;
	batch->bytes = 0;
	/* First, for it notices a broker that is silent too long: then publishing would wait in
	 * librabbitmq, without a limit, to hear of it. */
	result = ocs_outbox_frames(outbox, &any, error);
	if (result == OCS_BROKER_OK && outbox->queue_missing) {
		outbox->queue_missing = false;
		result = ocs_broker_declare_queue(outbox->own, outbox->channel,
		                                  outbox->settings->ingest_queue, error);
	}
	if (result == OCS_BROKER_OK && ocs_outbox_time_to_renew(outbox))
		result = ocs_outbox_renew(outbox, error);
	if (result != OCS_BROKER_OK)
		return result;
	if (!outbox->blocked && outbox->renewing == 0) {
		pthread_mutex_lock(&outbox->lock);
		take(outbox, batch, &ended);
		pthread_mutex_unlock(&outbox->lock);
		ocs_outbox_end_all(outbox, ended, "too many users for one message to the broker");
		take_spool(outbox, batch);
	}
	if (batch->count > 0) {
		result = publish(outbox, batch, error);
		if (result != OCS_BROKER_OK)
			return result;
	}
	if (outbox->spool != NULL)
		confirm_spool(outbox);
	if (outbox->spool != NULL && !outbox->blocked)
		advance(outbox);
	if (batch->count == 0 && !any)
		sleep_until_told(outbox);
	return OCS_BROKER_OK;
}

static bool quitting(struct ocs_outbox *outbox)
{
	bool quit;

	pthread_mutex_lock(&outbox->lock);
	outbox->round_at = ocs_clock_ms();
	quit = outbox->quit;
	pthread_mutex_unlock(&outbox->lock);
	return quit;
}

static enum ocs_broker_result set_up(struct ocs_outbox *outbox, struct ocs_error *error)
{
	const struct ocs_link_settings *settings = outbox->settings;
	enum ocs_broker_result result;

	if (settings->relay)
		result = ocs_broker_declare_queue(outbox->own, outbox->channel,
		                                  settings->ingest_queue, error);
	else
		result = ocs_broker_declare_exchange(outbox->own, outbox->channel,
		                                     settings->exchange, error);
	if (result != OCS_BROKER_OK)
		return result;
	outbox->frame_max = (size_t)amqp_get_frame_max(ocs_broker_connection(outbox->own));
	return ocs_outbox_confirms(outbox, error);
}

/* One connection from its beginning to its end; its end is the result. */
static enum ocs_broker_result serve(struct ocs_outbox *outbox, unsigned *next,
                                    struct ocs_backoff *backoff, struct ocs_error *error)
{
	enum ocs_broker_result result;
	char name[OCS_NODE_NAME_MAX + 32];
	struct batch batch;
	uint64_t now;

	snprintf(name, sizeof(name), "ocsmanager %s publish", outbox->settings->node);
	result = ocs_broker_open(outbox->settings, name, next, &outbox->own, error);
	if (result != OCS_BROKER_OK)
		return result;
	outbox->channel = 1;
	pthread_mutex_lock(&outbox->lock);
	outbox->broker = outbox->own;
	outbox->round_at = ocs_clock_ms();
	pthread_mutex_unlock(&outbox->lock);
	result = set_up(outbox, error);
	if (result != OCS_BROKER_OK)
		return result;
	ocs_broker_note_up(outbox->status, OCS_LINK_PUBLISH, outbox->own, outbox->log);
	ocs_backoff_up(backoff);
	pthread_mutex_lock(&outbox->lock);
	now = ocs_clock_ms();
	if (outbox->lost && outbox->away_since != 0 &&
	    now - outbox->away_since >= OCS_OUTBOX_TO_DISK)
		outbox->unsettled_until = outbox->spool_retry = now + OCS_OUTBOX_SETTLE;
	ocs_outbox_set_away(outbox, false, false);
	pthread_mutex_unlock(&outbox->lock);
	while (result == OCS_BROKER_OK && !quitting(outbox))
		result = turn(outbox, &batch, error);
	return result;
}

static void drop_connection(struct ocs_outbox *outbox, enum ocs_broker_result result)
{
	struct ocs_outbox_item *dropped = NULL;

	pthread_mutex_lock(&outbox->lock);
	outbox->broker = NULL;
	outbox->lost = true;
	ocs_outbox_set_away(outbox, true, result == OCS_BROKER_REFUSED);
	ocs_outbox_window_reset(outbox);
	ocs_outbox_drop_records(outbox, &dropped);
	pthread_mutex_unlock(&outbox->lock);
	ocs_outbox_free(dropped);
	ocs_broker_close(outbox->own);
	outbox->own = NULL;
	outbox->blocked = outbox->returning = outbox->queue_missing = false;
	outbox->body_left = 0;
	outbox->stuck = false;
	outbox->renewing = 0;
	if (outbox->spool != NULL)
		ocs_spool_rewind(outbox->spool);
	outbox->spool_last = outbox->spool_confirmed;
}

static void wait_to_retry(struct ocs_outbox *outbox, unsigned ms)
{
	struct timespec until = ocs_clock_at_ms(ocs_clock_ms() + ms);

	pthread_mutex_lock(&outbox->lock);
	while (!outbox->quit &&
	       pthread_cond_timedwait(&outbox->publisher_wake, &outbox->lock, &until) == 0)
		continue;
	pthread_mutex_unlock(&outbox->lock);
}

void *ocs_outbox_publisher(void *arg)
{
	struct ocs_outbox *outbox = arg;
	struct ocs_backoff backoff = {0};
	unsigned next = 0;

	for (;;) {
		struct ocs_error error = {{0}};
		enum ocs_broker_result result = serve(outbox, &next, &backoff, &error);

		/* First why: whoever sees that the connection is gone is told. */
		if (!quitting(outbox))
			ocs_broker_note_down(outbox->status, OCS_LINK_PUBLISH, result, &error,
			                     outbox->log);
		drop_connection(outbox, result);
		if (quitting(outbox))
			break;
		if (outbox->at_once)
			backoff.failures = 0;
		outbox->at_once = false;
		wait_to_retry(outbox, ocs_backoff_wait(&backoff, result));
	}
	pthread_mutex_lock(&outbox->lock);
	outbox->publisher_ended = true;
	pthread_cond_signal(&outbox->drained);
	pthread_mutex_unlock(&outbox->lock);
	return NULL;
}
