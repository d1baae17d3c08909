/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Publishing, as what broker_loop.c calls on its thread. It may hang in the network for two
 * heartbeats; nobody waits for it.
 */
#include "cluster/outbox_internal.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <syslog.h>

#include <talloc.h>
#include <utlist.h>

#include "base/clock.h"

#define FRAME_SLACK 64   /* of a frame that are not properties */
#define SPOOL_RETRY 1000 /* ms after an error of reading */
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
		/* What is told along with it can be told another time. */
		if (item->properties + FRAME_SLACK > outbox->frame_max)
			ocs_outbox_item_shorten(item);
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
	struct ocs_error error = {.text = ""};
	uint64_t number;
	uint8_t *data;
	size_t len;

	*more_r = ocs_spool_read(outbox->spool, NULL, &data, &len, &number, &error);
	if (*more_r == 1) {
		message = ocs_message_unpack(NULL, data, len, &error);
		talloc_free(data);
		item = message != NULL ? ocs_outbox_item_new(message) : NULL;
		if (item != NULL) {
			item->number = number;
		} else if (message != NULL) {
			ocs_error_memory(&error);
			talloc_free(message);
		}
		if (item == NULL && error.no_memory) {
			ocs_spool_unread(outbox->spool);
			*more_r = -1;
		} else {
			outbox->spool_last = number;
		}
	}
	if (*more_r != 0 && item == NULL)
		ocs_log_to(outbox->log, LOG_ERR, "spool: %s: %.400s",
		           *more_r < 0 ? "cannot be read" : "a message is lost", error.text);
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
	(void)setsockopt(ocs_broker_fd(outbox->loop.broker), IPPROTO_TCP, TCP_CORK, &on,
	                 sizeof(on));
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
	return ocs_broker_status(outbox->loop.broker, status, "publishing", error);
}

/* When there is something to do without being told, ms; 0: now. With the lock. */
static uint64_t next_due(const struct ocs_outbox *outbox, bool open)
{
	uint64_t now = ocs_clock_ms(), next = UINT64_MAX;
	bool disk = outbox->read != outbox->written && outbox->n_from_spool < OCS_OUTBOX_WINDOW &&
	            outbox->spool_retry <= now;

	if (open && (disk || (outbox->phase == OCS_PHASE_DIRECT && outbox->pending != NULL)))
		return 0;
	if (open && outbox->delayed != NULL)
		next = outbox->delayed->due;
	if ((outbox->renewing != 0 || outbox->nacked) && now + OCS_OUTBOX_PAUSE < next)
		next = now + OCS_OUTBOX_PAUSE;
	if (outbox->spool_retry > now && outbox->spool_retry < next)
		next = outbox->spool_retry;
	return next;
}

static enum ocs_broker_result turn(void *arg, bool more, uint64_t *until_r, struct ocs_error *error)
{
	struct ocs_outbox *outbox = arg;
	struct ocs_outbox_item *ended = NULL;
	enum ocs_broker_result result = OCS_BROKER_OK;
	struct batch batch;
	bool open;

	(void)more;
	batch.count = 0;
	batch.bytes = 0;
	if (outbox->queue_missing) {
		outbox->queue_missing = false;
		result = ocs_broker_declare_queue(outbox->loop.broker, outbox->channel,
		                                  outbox->settings->ingest_queue, error);
	}
	if (result == OCS_BROKER_OK && ocs_outbox_time_to_renew(outbox))
		result = ocs_outbox_renew(outbox, error);
	if (result != OCS_BROKER_OK)
		return result;
	if (!outbox->loop.blocked && outbox->renewing == 0) {
		pthread_mutex_lock(&outbox->lock);
		outbox->publisher_sleeps = false;
		take(outbox, &batch, &ended);
		pthread_mutex_unlock(&outbox->lock);
		ocs_outbox_end_all(outbox, ended, "too many users for one message to the broker");
		take_spool(outbox, &batch);
	}
	if (batch.count > 0) {
		result = publish(outbox, &batch, error);
		if (result != OCS_BROKER_OK)
			return result;
	}
	if (outbox->spool != NULL)
		confirm_spool(outbox);
	if (outbox->spool != NULL && !outbox->loop.blocked)
		advance(outbox);
	pthread_mutex_lock(&outbox->lock);
	open = !outbox->loop.blocked && outbox->renewing == 0 && ocs_outbox_window_room(outbox) > 0;
	*until_r = batch.count > 0 ? 0 : next_due(outbox, open);
	outbox->publisher_sleeps = *until_r > 0 && open && outbox->phase == OCS_PHASE_DIRECT;
	pthread_mutex_unlock(&outbox->lock);
	return OCS_BROKER_OK;
}

/* ---- the connection ---- */

static enum ocs_broker_result set_up(void *arg, struct ocs_error *error)
{
	struct ocs_outbox *outbox = arg;
	const struct ocs_link_settings *settings = outbox->settings;
	struct ocs_broker *broker = outbox->loop.broker;
	enum ocs_broker_result result;
	uint64_t now;

	outbox->channel = 1;
	if (settings->relay)
		result = ocs_broker_declare_queue(broker, outbox->channel, settings->ingest_queue,
		                                  error);
	else
		result = ocs_broker_declare_exchange(broker, outbox->channel, settings->exchange,
		                                     error);
	if (result != OCS_BROKER_OK)
		return result;
	outbox->frame_max = (size_t)amqp_get_frame_max(ocs_broker_connection(broker));
	result = ocs_outbox_confirms(outbox, error);
	if (result != OCS_BROKER_OK)
		return result;
	pthread_mutex_lock(&outbox->lock);
	now = ocs_clock_ms();
	if (outbox->lost && outbox->away_since != 0 &&
	    now - outbox->away_since >= OCS_OUTBOX_TO_DISK)
		outbox->unsettled_until = outbox->spool_retry = now + OCS_OUTBOX_SETTLE;
	ocs_outbox_set_away(outbox, false, false);
	pthread_mutex_unlock(&outbox->lock);
	return OCS_BROKER_OK;
}

static void lost(void *arg, enum ocs_broker_result why)
{
	struct ocs_outbox *outbox = arg;
	struct ocs_outbox_item *dropped = NULL;

	pthread_mutex_lock(&outbox->lock);
	outbox->lost = true;
	outbox->publisher_sleeps = false;
	ocs_outbox_set_away(outbox, true, why == OCS_BROKER_REFUSED);
	ocs_outbox_window_reset(outbox);
	ocs_outbox_drop_records(outbox, &dropped);
	pthread_mutex_unlock(&outbox->lock);
	ocs_outbox_free(dropped);
	outbox->returning = outbox->queue_missing = false;
	outbox->body_left = 0;
	outbox->stuck = false;
	outbox->renewing = 0;
	if (outbox->spool != NULL)
		ocs_spool_rewind(outbox->spool);
	outbox->spool_last = outbox->spool_confirmed;
	if (outbox->at_once)
		outbox->loop.backoff.failures = 0;
	outbox->at_once = false;
}

const struct ocs_broker_loop_calls ocs_outbox_calls = {
        .which = OCS_LINK_PUBLISH,
        .hangs = 8000,
        .set_up = set_up,
        .frame = ocs_outbox_frame,
        .turn = turn,
        .blocked = ocs_outbox_blocked,
        .lost = lost,
};
