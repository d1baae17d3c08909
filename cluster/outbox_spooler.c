/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The thread that keeps the deadlines and writes the spool. It never touches
 * the network, so that what hangs there holds up nobody's answer.
 */
#include "cluster/outbox_internal.h"

#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <time.h>

#include <talloc.h>
#include <utlist.h>

#include "base/clock.h"

#define TICK 500 /* ms between two looks at the gauges while something waits */

/* With the lock. All that is in memory goes to the spool, in the order it came. */
static void enter_spool(struct ocs_outbox *outbox)
{
	while (outbox->waiting != NULL) {
		struct ocs_outbox_item *item = outbox->waiting;

		ocs_outbox_item_leave(outbox, item);
		DL_DELETE2(outbox->waiting, item, before, after);
		ocs_outbox_to_spooling(outbox, item);
	}
	outbox->phase = OCS_PHASE_SPOOL;
	outbox->want_spool = outbox->heard = false;
}

/* With the lock. Whether the whole of memory shall go to the spool. */
static bool time_to_spool(const struct ocs_outbox *outbox, uint64_t now)
{
	return outbox->want_spool || outbox->quit ||
	       (outbox->away_since != 0 &&
	        (outbox->refused || now - outbox->away_since >= OCS_OUTBOX_TO_DISK));
}

/* With the lock. Deadlines: what waits is in their order. */
static void expire(struct ocs_outbox *outbox, uint64_t now, struct ocs_outbox_item **expired)
{
	while (outbox->waiting != NULL &&
	       (outbox->quit || now >= outbox->waiting->put_at + outbox->timeout)) {
		struct ocs_outbox_item *item = outbox->waiting;

		if (outbox->spool == NULL) {
			OCS_LINK_COUNT(outbox->status, expired, 1);
			/* Refused, it was answered: one queue is full. */
			if (item->nacks == 0)
				outbox->expired_at = now;
			ocs_outbox_take_out(outbox, item, OCS_OUTBOX_FAILED, expired);
		} else if (item->nacks == 0) {
			enter_spool(outbox);
		} else {
			/* A full queue somewhere is no reason to let all others wait for the disk.
			 */
			ocs_outbox_item_leave(outbox, item);
			DL_DELETE2(outbox->waiting, item, before, after);
			ocs_outbox_to_spooling(outbox, item);
		}
	}
}

static void set_gauges(struct ocs_outbox *outbox, uint64_t oldest_put, uint64_t now)
{
	uint64_t age = oldest_put != 0 ? now - oldest_put : 0;
	struct ocs_spool_state state = {0};
	struct timespec clock;
	uint64_t real;

	if (outbox->spool != NULL) {
		ocs_spool_state(outbox->spool, &state);
		OCS_LINK_SET(outbox->status, spool_messages, state.messages);
		OCS_LINK_SET(outbox->status, spool_bytes, state.bytes);
	}
	clock_gettime(CLOCK_REALTIME, &clock);
	real = (uint64_t)clock.tv_sec * 1000 + (uint64_t)clock.tv_nsec / 1000000;
	if (state.oldest != 0 && real > state.oldest && real - state.oldest > age)
		age = real - state.oldest;
	OCS_LINK_SET(outbox->status, oldest_ms, age);
}

static enum ocs_spool_result append(struct ocs_outbox *outbox, const struct ocs_message *message,
                                    struct ocs_error *error)
{
	enum ocs_spool_result result = OCS_SPOOL_ERROR;
	size_t len;
	uint8_t *data = ocs_message_pack(NULL, message, &len);

	if (data == NULL)
		ocs_error_memory(error);
	else
		result = ocs_spool_append(outbox->spool, data, len, error);
	talloc_free(data);
	return result;
}

/* Each item's end: only what the disk has is spooled. text: why the others failed. Whether
 * something was written. */
static bool write_all(struct ocs_outbox *outbox, struct ocs_outbox_item *list, char *text,
                      size_t size)
{
	struct ocs_outbox_item *item;
	struct ocs_error error;
	bool written = false;

	text[0] = '\0';
	for (item = list; item != NULL; item = item->next) {
		enum ocs_spool_result result = append(outbox, item->message, &error);

		item->end = result == OCS_SPOOL_OK ? OCS_OUTBOX_SPOOLED : OCS_OUTBOX_FAILED;
		written = written || result == OCS_SPOOL_OK;
		if (result == OCS_SPOOL_FULL)
			snprintf(text, size, "the spool is full");
		else if (result == OCS_SPOOL_ERROR)
			snprintf(text, size, "the spool cannot be written: %.400s", error.text);
		if (result == OCS_SPOOL_FULL && item->done != NULL)
			OCS_LINK_COUNT(outbox->status, spool_full, 1);
	}
	if (written && ocs_spool_flush(outbox->spool, &error) != OCS_SPOOL_OK) {
		snprintf(text, size, "the spool cannot be written: %.400s", error.text);
		for (item = list; item != NULL; item = item->next)
			item->end = OCS_OUTBOX_FAILED;
		written = false;
	}
	for (item = list; item != NULL; item = item->next)
		if (item->end == OCS_OUTBOX_SPOOLED && item->done != NULL)
			OCS_LINK_COUNT(outbox->status, spooled, 1);
	return written;
}

/* With the lock. Records that were to go from the spool's front to its end: those it had no room
 * for are tried again where they are. */
static void moved(struct ocs_outbox *outbox, struct ocs_outbox_item **list)
{
	struct ocs_outbox_item *item, *next;

	for (item = *list; item != NULL; item = next) {
		next = item->next;
		if (item->number == 0)
			continue;
		if (item->end == OCS_OUTBOX_SPOOLED) {
			ocs_outbox_forget_number(outbox, item);
			continue;
		}
		DL_DELETE(*list, item);
		ocs_outbox_to_delayed(outbox, item);
	}
}

static void write_spool(struct ocs_outbox *outbox, struct ocs_outbox_item *list)
{
	char text[OCS_ERROR_MAX];
	bool written = write_all(outbox, list, text, sizeof(text)), trouble;

	pthread_mutex_lock(&outbox->lock);
	moved(outbox, &list);
	trouble = text[0] != '\0' && outbox->spool_trouble[0] == '\0';
	snprintf(outbox->spool_trouble, sizeof(outbox->spool_trouble), "%s", text);
	pthread_mutex_unlock(&outbox->lock);
	if (trouble)
		outbox->log(LOG_ERR, text);
	ocs_outbox_end_all(outbox, list, text);
	pthread_mutex_lock(&outbox->lock);
	outbox->written += written;
	outbox->writing = false;
	ocs_broker_loop_wake(&outbox->loop);
	pthread_mutex_unlock(&outbox->lock);
}

/* With the lock. What was told while it was not held. */
static bool told_meanwhile(const struct ocs_outbox *outbox, uint64_t now)
{
	return outbox->quit || outbox->spooling != NULL ||
	       (outbox->spool != NULL && outbox->phase != OCS_PHASE_SPOOL &&
	        time_to_spool(outbox, now));
}

/* With the lock. Sleeps until something is due, at most. */
static void sleep_until_due(struct ocs_outbox *outbox, uint64_t now)
{
	bool something =
	        outbox->n_memory > 0 || (outbox->spool != NULL && !ocs_spool_empty(outbox->spool));
	uint64_t until = now + TICK, due;
	struct timespec end;

	if (outbox->spool != NULL && outbox->phase != OCS_PHASE_SPOOL && outbox->away_since != 0) {
		something = true;
		due = outbox->away_since + OCS_OUTBOX_TO_DISK;
		until = due < until ? due : until;
	}
	if (outbox->waiting != NULL) {
		due = outbox->waiting->put_at + outbox->timeout;
		until = due < until ? due : until;
	}
	if (!something) {
		outbox->spooler_idle = true;
		pthread_cond_wait(&outbox->spooler_wake, &outbox->lock);
		outbox->spooler_idle = false;
		return;
	}
	end = ocs_clock_at_ms(until);
	pthread_cond_timedwait(&outbox->spooler_wake, &outbox->lock, &end);
}

void *ocs_outbox_spooler(void *arg)
{
	struct ocs_outbox *outbox = arg;

	pthread_mutex_lock(&outbox->lock);
	for (;;) {
		struct ocs_outbox_item *expired = NULL, *list;
		uint64_t now = ocs_clock_ms(), oldest;
		bool entered = outbox->phase != OCS_PHASE_SPOOL;

		if (outbox->spool != NULL && entered && time_to_spool(outbox, now))
			enter_spool(outbox);
		expire(outbox, now, &expired);
		entered = entered && outbox->phase == OCS_PHASE_SPOOL && !outbox->quit;
		oldest = outbox->waiting != NULL ? outbox->waiting->put_at : 0;
		list = outbox->spooling;
		outbox->spooling = NULL;
		for (struct ocs_outbox_item *item = list; item != NULL; item = item->next)
			item->place = OCS_AT_NONE;
		outbox->writing = list != NULL;
		if (list == NULL && expired == NULL && outbox->quit)
			break;
		pthread_mutex_unlock(&outbox->lock);
		if (entered)
			outbox->log(LOG_WARNING, "RabbitMQ: publish: messages go to the spool");
		ocs_outbox_end_all(outbox, expired, "the broker did not answer in time");
		if (list != NULL)
			write_spool(outbox, list);
		set_gauges(outbox, oldest, now);
		pthread_mutex_lock(&outbox->lock);
		if (expired == NULL && list == NULL && !told_meanwhile(outbox, now))
			sleep_until_due(outbox, now);
	}
	pthread_mutex_unlock(&outbox->lock);
	return NULL;
}
