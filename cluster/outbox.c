/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The outbox as a whole: start, stop, and what other threads call. Touches its lists under the
 * lock; the publisher and the spooler do the rest.
 */
#include "cluster/outbox_internal.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <talloc.h>
#include <utlist.h>

#include "base/clock.h"

#define STOP_CONFIRMS 1000 /* ms for the confirms of what is under way */
#define STOP_POLITE   500  /* ms for the publisher to end by itself */
#define STOP_CUT      1000 /* ms for it to end once its connection is cut */

/* With the lock. Why a message is not taken; NULL: it is. */
static const char *refuse(struct ocs_outbox *outbox, uint64_t now)
{
	unsigned most = outbox->settings->pending_max;

	if (outbox->stopping && (outbox->spool == NULL || outbox->quit))
		return "ocsmanager is stopping";
	if (outbox->spool == NULL && outbox->away_since != 0 &&
	    (outbox->refused || now - outbox->away_since >= OCS_OUTBOX_GRACE))
		return "the broker takes no messages at present";
	if (outbox->n_memory < most)
		return NULL;
	/* Room for what comes until the spooler has moved all to the spool. */
	if (outbox->spool == NULL || outbox->n_memory >= 2 * most)
		return "too many messages wait for the broker";
	outbox->want_spool = outbox->phase != OCS_PHASE_SPOOL;
	return NULL;
}

/* With the lock. */
static void take(struct ocs_outbox *outbox, struct ocs_outbox_item *item)
{
	outbox->n_memory++;
	OCS_LINK_SET(outbox->status, pending, outbox->n_memory);
	if (outbox->phase == OCS_PHASE_SPOOL) {
		ocs_outbox_to_spooling(outbox, item);
		pthread_cond_signal(&outbox->spooler_wake);
		return;
	}
	DL_APPEND2(outbox->waiting, item, before, after);
	ocs_outbox_to_pending(outbox, item);
	if (outbox->spooler_idle || outbox->want_spool)
		pthread_cond_signal(&outbox->spooler_wake);
	if (outbox->publisher_sleeps) {
		outbox->publisher_sleeps = false;
		ocs_broker_loop_wake(&outbox->loop);
	}
}

void ocs_outbox_put(struct ocs_outbox *outbox, struct ocs_message *message,
                    ocs_outbox_done_fn *done, void *owner)
{
	struct ocs_outbox_item *item;
	const char *text;
	uint64_t now = ocs_clock_ms();

	talloc_steal(NULL, message); /* other threads will free it */
	item = ocs_outbox_item_new(message);
	if (item == NULL) {
		talloc_free(message);
		done(owner, OCS_OUTBOX_FAILED, "out of memory");
		return;
	}
	item->done = done;
	item->owner = owner;
	item->put_at = now;
	pthread_mutex_lock(&outbox->lock);
	text = refuse(outbox, now);
	if (text == NULL)
		take(outbox, item);
	pthread_mutex_unlock(&outbox->lock);
	if (text == NULL)
		return;
	OCS_LINK_COUNT(outbox->status, refused, 1);
	ocs_outbox_free(item);
	done(owner, OCS_OUTBOX_FAILED, text);
}

int ocs_outbox_health(struct ocs_outbox *outbox, struct ocs_error *reason)
{
	struct ocs_link_connection_status status;
	int result = 0;

	ocs_link_status_copy(outbox->status, OCS_LINK_PUBLISH, &status);
	pthread_mutex_lock(&outbox->lock);
	if (outbox->spool != NULL && outbox->spool_trouble[0] != '\0')
		result = ocs_error_set(reason, "%s", outbox->spool_trouble);
	else if (outbox->spool == NULL && outbox->away_since != 0 &&
	         (outbox->refused || ocs_clock_ms() - outbox->away_since >= OCS_OUTBOX_GRACE))
		result = ocs_error_set(
		        reason, "%s%.400s",
		        status.state == OCS_LINK_BLOCKED ? "" : "no connection to the broker: ",
		        status.text);
	else if (outbox->n_memory >= outbox->settings->pending_max)
		result = ocs_error_set(reason, "too many messages wait for the broker");
	else if (outbox->expired_at > outbox->confirmed_at &&
	         ocs_clock_ms() - outbox->expired_at < OCS_OUTBOX_REMEMBER)
		result =
		        ocs_error_set(reason, "the broker is connected and confirms nothing: has a "
		                              "cluster lost its majority?");
	pthread_mutex_unlock(&outbox->lock);
	return result;
}

static void destroy(struct ocs_outbox *outbox)
{
	struct ocs_outbox_item *dropped = NULL;

	ocs_outbox_window_reset(outbox);
	ocs_outbox_drop_records(outbox, &dropped);
	ocs_outbox_free(dropped);
	ocs_broker_loop_destroy(&outbox->loop);
	pthread_cond_destroy(&outbox->spooler_wake);
	pthread_cond_destroy(&outbox->drained);
	pthread_mutex_destroy(&outbox->lock);
	free(outbox->window);
	free(outbox);
}

static struct ocs_outbox *create(const struct ocs_link_settings *settings, struct ocs_spool *spool,
                                 struct ocs_link_status *status, ocs_log_fn *log,
                                 struct ocs_error *error)
{
	struct ocs_outbox *outbox = calloc(1, sizeof(*outbox));

	if (outbox == NULL ||
	    (outbox->window = calloc(OCS_OUTBOX_WINDOW, sizeof(*outbox->window))) == NULL) {
		free(outbox);
		ocs_error_memory(error);
		return NULL;
	}
	outbox->settings = settings;
	outbox->spool = spool;
	outbox->status = status;
	outbox->log = log;
	outbox->timeout = (uint64_t)settings->confirm_timeout * 1000;
	outbox->low = outbox->next = outbox->returns = 1;
	outbox->away_since = ocs_clock_ms();
	pthread_mutex_init(&outbox->lock, NULL);
	(void)ocs_clock_condition(&outbox->spooler_wake);
	(void)ocs_clock_condition(&outbox->drained);
	if (spool != NULL && !ocs_spool_empty(spool)) {
		outbox->phase = OCS_PHASE_SPOOL;
		outbox->written = 1;
	}
	if (ocs_broker_loop_init(&outbox->loop, settings, status, log, &ocs_outbox_calls, outbox,
	                         error) == 0)
		return outbox;
	destroy(outbox);
	return NULL;
}

/* With the lock. */
static void tell_to_quit(struct ocs_outbox *outbox)
{
	outbox->stopping = outbox->quit = true;
	pthread_cond_signal(&outbox->spooler_wake);
	ocs_broker_loop_end(&outbox->loop);
}

int ocs_outbox_start(const struct ocs_link_settings *settings, struct ocs_spool *spool,
                     struct ocs_link_status *status, ocs_log_fn *log, struct ocs_outbox **outbox_r,
                     struct ocs_error *error)
{
	struct ocs_outbox *outbox = create(settings, spool, status, log, error);
	int failed;

	if (outbox == NULL)
		return -1;
	failed = pthread_create(&outbox->spooler_thread, NULL, ocs_outbox_spooler, outbox);
	if (failed != 0) {
		destroy(outbox);
		return ocs_error_thread(error, failed);
	}
	if (ocs_broker_loop_start(&outbox->loop, error) == 0) {
		*outbox_r = outbox;
		return 0;
	}
	pthread_mutex_lock(&outbox->lock);
	tell_to_quit(outbox);
	pthread_mutex_unlock(&outbox->lock);
	pthread_join(outbox->spooler_thread, NULL);
	destroy(outbox);
	return -1;
}

int ocs_outbox_stop(struct ocs_outbox *outbox)
{
	struct timespec until = ocs_clock_at_ms(ocs_clock_ms() + STOP_CONFIRMS);

	pthread_mutex_lock(&outbox->lock);
	outbox->stopping = true;
	while (outbox->n_memory > 0 && outbox->away_since == 0 &&
	       pthread_cond_timedwait(&outbox->drained, &outbox->lock, &until) == 0)
		continue;
	tell_to_quit(outbox);
	pthread_mutex_unlock(&outbox->lock);
	pthread_join(outbox->spooler_thread, NULL);
	if (ocs_broker_loop_stop(&outbox->loop, STOP_POLITE, STOP_CUT) != 0)
		return -1;
	destroy(outbox);
	return 0;
}

void ocs_outbox_watch(struct ocs_outbox *outbox)
{
	ocs_broker_loop_watch(&outbox->loop);
}
