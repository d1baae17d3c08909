/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The outbox as a whole: start, stop, and what other threads call. Touches its lists under the
 * lock; the publisher and the spooler do the rest.
 */
#include "cluster/outbox_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <talloc.h>
#include <utlist.h>

#include "base/clock.h"

#define STOP_CONFIRMS 1000 /* ms for the confirms of what is under way */
#define STOP_POLITE   500  /* ms for the publisher to end by itself */
#define STOP_ABORTED  1000 /* ms for it to end once its connection is cut */

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
		ocs_outbox_wake_publisher(outbox);
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
	if (outbox->wake_fd >= 0)
		close(outbox->wake_fd);
	pthread_cond_destroy(&outbox->spooler_wake);
	pthread_cond_destroy(&outbox->publisher_wake);
	pthread_cond_destroy(&outbox->drained);
	pthread_mutex_destroy(&outbox->lock);
	free(outbox->window);
	free(outbox);
}

static struct ocs_outbox *create(const struct ocs_link_settings *settings, struct ocs_spool *spool,
                                 struct ocs_link_status *status, ocs_log_fn *log)
{
	struct ocs_outbox *outbox = calloc(1, sizeof(*outbox));

	if (outbox == NULL)
		return NULL;
	outbox->settings = settings;
	outbox->spool = spool;
	outbox->status = status;
	outbox->log = log;
	outbox->timeout = (uint64_t)settings->confirm_timeout * 1000;
	outbox->low = outbox->next = outbox->returns = 1;
	outbox->away_since = ocs_clock_ms();
	pthread_mutex_init(&outbox->lock, NULL);
	(void)ocs_clock_condition(&outbox->spooler_wake);
	(void)ocs_clock_condition(&outbox->publisher_wake);
	(void)ocs_clock_condition(&outbox->drained);
	if (spool != NULL && !ocs_spool_empty(spool)) {
		outbox->phase = OCS_PHASE_SPOOL;
		outbox->written = 1;
	}
	outbox->window = calloc(OCS_OUTBOX_WINDOW, sizeof(*outbox->window));
	outbox->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (outbox->window != NULL && outbox->wake_fd >= 0)
		return outbox;
	destroy(outbox);
	return NULL;
}

/* With the lock. */
static void tell_to_quit(struct ocs_outbox *outbox)
{
	outbox->stopping = outbox->quit = true;
	pthread_cond_signal(&outbox->spooler_wake);
	pthread_cond_signal(&outbox->publisher_wake);
	ocs_outbox_wake_publisher(outbox);
}

int ocs_outbox_start(const struct ocs_link_settings *settings, struct ocs_spool *spool,
                     struct ocs_link_status *status, ocs_log_fn *log, struct ocs_outbox **outbox_r,
                     struct ocs_error *error)
{
	struct ocs_outbox *outbox = create(settings, spool, status, log);
	int failed;

	if (outbox == NULL)
		return ocs_error_set(error, "out of memory or descriptors");
	ocs_link_status_set(status, OCS_LINK_PUBLISH, OCS_LINK_CONNECTING, NULL, NULL);
	failed = pthread_create(&outbox->spooler_thread, NULL, ocs_outbox_spooler, outbox);
	if (failed == 0) {
		failed = pthread_create(&outbox->publisher_thread, NULL, ocs_outbox_publisher,
		                        outbox);
		if (failed == 0) {
			*outbox_r = outbox;
			return 0;
		}
		pthread_mutex_lock(&outbox->lock);
		tell_to_quit(outbox);
		pthread_mutex_unlock(&outbox->lock);
		pthread_join(outbox->spooler_thread, NULL);
	}
	destroy(outbox);
	return ocs_error_thread(error, failed);
}

/* With the lock. */
static bool publisher_ends_within(struct ocs_outbox *outbox, unsigned ms)
{
	struct timespec until = ocs_clock_at_ms(ocs_clock_ms() + ms);

	while (!outbox->publisher_ended &&
	       pthread_cond_timedwait(&outbox->drained, &outbox->lock, &until) == 0)
		continue;
	return outbox->publisher_ended;
}

int ocs_outbox_stop(struct ocs_outbox *outbox)
{
	struct timespec until = ocs_clock_at_ms(ocs_clock_ms() + STOP_CONFIRMS);
	bool ended;

	pthread_mutex_lock(&outbox->lock);
	outbox->stopping = true;
	while (outbox->n_memory > 0 && outbox->away_since == 0 &&
	       pthread_cond_timedwait(&outbox->drained, &outbox->lock, &until) == 0)
		continue;
	tell_to_quit(outbox);
	pthread_mutex_unlock(&outbox->lock);
	pthread_join(outbox->spooler_thread, NULL);
	pthread_mutex_lock(&outbox->lock);
	ended = publisher_ends_within(outbox, STOP_POLITE);
	if (!ended && outbox->broker != NULL)
		ocs_broker_abort(outbox->broker);
	ended = ended || publisher_ends_within(outbox, STOP_ABORTED);
	pthread_mutex_unlock(&outbox->lock);
	if (!ended)
		return -1;
	pthread_join(outbox->publisher_thread, NULL);
	destroy(outbox);
	return 0;
}
