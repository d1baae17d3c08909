/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The inbox's thread, which connects, works through what is there, waits for the
 * broker and for dispatch at the same time, and connects again; starting and stopping it.
 */
#include "cluster/inbox_internal.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include <talloc.h>

#include "base/clock.h"

#define WAIT_MS       1000  /* the longest wait: heartbeats are sent after it */
#define HELD_MS       60000 /* trouble here for so long: other nodes shall have the messages */
#define STOP_WORK_MS  1000  /* for what is under way */
#define STOP_JOIN_MS  2000  /* for that and the good-bye */
#define STOP_ABORT_MS 500   /* once the connection is cut */

/* ---- working ---- */

/* What cannot be done here for long is left to the other nodes. What is in this node's own queue
 * nobody else can do. */
static enum ocs_broker_result leave_to_others(struct ocs_inbox *inbox, struct ocs_error *error)
{
	struct inbox_consumer *consumer = &inbox->consumers[INBOX_INGEST];
	const struct inbox_message *oldest = consumer->list.first;

	if (oldest == NULL || oldest->state != INBOX_WAITING || oldest->tries == 0 ||
	    ocs_clock_ms() - oldest->since < HELD_MS || ocs_inbox_healthy(inbox))
		return OCS_BROKER_OK;
	ocs_inbox_log(inbox, LOG_WARNING,
	              "the messages of queue %.100s are left to other nodes: %s", consumer->queue,
	              inbox->trouble.text);
	consumer->paused = true;
	return ocs_inbox_close_consumer(consumer, OCS_BROKER_LOST, &inbox->trouble, error);
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* One turn. *next_r: when there is something to do at the latest, ms; 0: at once. */
static enum ocs_broker_result work(struct ocs_inbox *inbox, uint64_t *next_r,
                                   struct ocs_error *error)
{
	bool stopping = atomic_load(&inbox->stopping), more = false;
	enum ocs_broker_result result = OCS_BROKER_OK;
	uint64_t next = UINT64_MAX;

	if (!stopping)
		result = ocs_inbox_open_due(inbox, error);
	if (result == OCS_BROKER_OK)
		result = ocs_inbox_read(inbox, &more, error);
	if (result != OCS_BROKER_OK)
		return result;
	ocs_inbox_take_answers(inbox);
	for (int i = 0; i < INBOX_CONSUMERS && !stopping; i++)
		next = sooner(next, ocs_inbox_submit_due(&inbox->consumers[i]));
	result = ocs_inbox_dead_letter_due(inbox, error);
	for (int i = 0; i < INBOX_CONSUMERS && result == OCS_BROKER_OK; i++)
		result = ocs_inbox_acknowledge(&inbox->consumers[i], !more, error);
	if (result == OCS_BROKER_OK && !stopping)
		result = leave_to_others(inbox, error);
	if (!stopping)
		next = sooner(next, ocs_inbox_next_due(inbox));
	next = sooner(next, ocs_inbox_next_burial(inbox));
	*next_r = more ? 0 : next;
	return result;
}

/* Until the broker or dispatch has something, or until then. fd: -1 for dispatch alone. */
static void wait_for(struct ocs_inbox *inbox, int fd, uint64_t until)
{
	struct pollfd fds[] = {{.fd = inbox->mailbox->event, .events = POLLIN},
	                       {.fd = fd, .events = POLLIN}};
	uint64_t now = ocs_clock_ms(), count;
	int wait = WAIT_MS;

	if (until <= now)
		wait = 0;
	else if (until - now < WAIT_MS)
		wait = (int)(until - now);
	if (poll(fds, 2, wait) > 0 && fds[0].revents != 0 &&
	    read(inbox->mailbox->event, &count, sizeof(count)) < 0)
		return; /* somebody else's wake-up: there is none */
}

static bool is_busy(const struct ocs_inbox *inbox)
{
	for (int i = 0; i < INBOX_CONSUMERS; i++) {
		const struct inbox_message *message = inbox->consumers[i].list.first;

		for (; message != NULL; message = message->next)
			if (message->state == INBOX_RUNNING || message->state == INBOX_CONFIRMING)
				return true;
	}
	return false;
}

/* Works on one connection until it is lost or the inbox stops. */
static enum ocs_broker_result serve(struct ocs_inbox *inbox, struct ocs_error *error)
{
	uint64_t stop_at = UINT64_MAX, next, now;
	enum ocs_broker_result result;

	for (;;) {
		result = work(inbox, &next, error);
		if (result != OCS_BROKER_OK)
			return result;
		now = ocs_clock_ms();
		if (atomic_load(&inbox->stopping)) {
			if (stop_at == UINT64_MAX)
				stop_at = now + STOP_WORK_MS;
			if (now >= stop_at || !is_busy(inbox))
				return OCS_BROKER_OK;
			next = next < stop_at ? next : stop_at;
		}
		if (next > now)
			wait_for(inbox, ocs_broker_fd(inbox->broker), next);
	}
}

/* ---- the thread ---- */

static void set_broker(struct ocs_inbox *inbox, struct ocs_broker *broker)
{
	pthread_mutex_lock(&inbox->lock);
	inbox->broker = broker;
	pthread_mutex_unlock(&inbox->lock);
}

static enum ocs_broker_result connect_and_serve(struct ocs_inbox *inbox, struct ocs_error *error)
{
	char name[OCS_NODE_NAME_MAX + 32];
	enum ocs_broker_result result;
	struct ocs_broker *broker;

	snprintf(name, sizeof(name), "ocsmanager %.*s consume", OCS_NODE_NAME_MAX,
	         inbox->settings->node);
	result = ocs_broker_open(inbox->settings, name, &inbox->next_uri, &broker, error);
	if (result != OCS_BROKER_OK)
		return result;
	set_broker(inbox, broker);
	ocs_broker_note_up(inbox->status, OCS_LINK_CONSUME, broker, inbox->log);
	ocs_backoff_up(&inbox->backoff);
	inbox->told.text[0] = '\0';
	inbox->told_passes = true;
	result = serve(inbox, error);
	set_broker(inbox, NULL);
	ocs_inbox_forget_channels(inbox);
	ocs_broker_close(broker);
	return result;
}

static void *inbox_run(void *arg)
{
	struct ocs_inbox *inbox = arg;
	enum ocs_broker_result result;
	struct ocs_error error;
	uint64_t until;

	pthread_setname_np(pthread_self(), "ocs-inbox");
	while (!atomic_load(&inbox->stopping)) {
		error.text[0] = '\0';
		result = connect_and_serve(inbox, &error);
		if (result == OCS_BROKER_OK)
			break;
		ocs_broker_note_down(inbox->status, OCS_LINK_CONSUME, result, &error, inbox->log);
		until = ocs_clock_ms() + ocs_backoff_wait(&inbox->backoff, result);
		while (!atomic_load(&inbox->stopping) && ocs_clock_ms() < until) {
			ocs_inbox_take_answers(inbox);
			wait_for(inbox, -1, until);
		}
	}
	pthread_mutex_lock(&inbox->lock);
	inbox->ended = true;
	pthread_cond_signal(&inbox->end);
	pthread_mutex_unlock(&inbox->lock);
	return NULL;
}

/* ---- start and stop ---- */

static void init_consumer(struct ocs_inbox *inbox, int which, const char *queue)
{
	struct inbox_consumer *consumer = &inbox->consumers[which];

	consumer->inbox = inbox;
	consumer->ingest = which == INBOX_INGEST;
	consumer->queue = queue;
}

static void inbox_free(struct ocs_inbox *inbox)
{
	ocs_inbox_free_messages(inbox);
	if (inbox->mailbox != NULL)
		ocs_inbox_mailbox_close(inbox->mailbox);
	pthread_cond_destroy(&inbox->end);
	pthread_mutex_destroy(&inbox->lock);
	talloc_free(inbox);
}

int ocs_inbox_start(const struct ocs_link_settings *settings, const struct ocs_inbox_host *host,
                    struct ocs_link_status *status, ocs_log_fn *log, struct ocs_inbox **inbox_r,
                    struct ocs_error *error)
{
	struct ocs_inbox *inbox = talloc_zero(NULL, struct ocs_inbox);
	int ret;

	*inbox_r = NULL;
	if (inbox == NULL)
		return ocs_error_set(error, "out of memory");
	inbox->settings = settings;
	inbox->host = *host;
	inbox->status = status;
	inbox->log = log;
	inbox->dead.look_at = UINT64_MAX;
	pthread_mutex_init(&inbox->lock, NULL);
	(void)ocs_clock_condition(&inbox->end);
	init_consumer(inbox, INBOX_INGEST, settings->ingest_queue);
	init_consumer(inbox, INBOX_NODE, settings->node_queue);
	inbox->mailbox = ocs_inbox_mailbox_new();
	if (inbox->mailbox == NULL) {
		inbox_free(inbox);
		return ocs_error_set(error, "out of memory or descriptors");
	}
	ocs_link_status_set(status, OCS_LINK_CONSUME, OCS_LINK_CONNECTING, NULL, NULL);
	ret = pthread_create(&inbox->thread, NULL, inbox_run, inbox);
	if (ret != 0) {
		inbox_free(inbox);
		return ocs_error_thread(error, ret);
	}
	*inbox_r = inbox;
	return 0;
}

/* Whether the thread has ended by then, or does within ms. */
static bool join(struct ocs_inbox *inbox, unsigned ms)
{
	const struct timespec at = ocs_clock_at_ms(ocs_clock_ms() + ms);
	bool ended;
	int ret = 0;

	pthread_mutex_lock(&inbox->lock);
	while (!inbox->ended && ret == 0)
		ret = pthread_cond_timedwait(&inbox->end, &inbox->lock, &at);
	ended = inbox->ended;
	pthread_mutex_unlock(&inbox->lock);
	return ended && pthread_join(inbox->thread, NULL) == 0;
}

int ocs_inbox_stop(struct ocs_inbox *inbox)
{
	atomic_store(&inbox->stopping, true);
	ocs_inbox_ring(inbox->mailbox);
	if (!join(inbox, STOP_JOIN_MS)) {
		pthread_mutex_lock(&inbox->lock);
		if (inbox->broker != NULL)
			ocs_broker_abort(inbox->broker);
		pthread_mutex_unlock(&inbox->lock);
		if (!join(inbox, STOP_ABORT_MS))
			return -1;
	}
	inbox_free(inbox);
	return 0;
}
