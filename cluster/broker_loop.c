/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The thread of a connection: see broker_loop.h. Touches the network through the connection, which
 * is its own.
 */
#include "cluster/broker_loop.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define WAIT_MS       1000 /* the longest wait: heartbeats are sent after it */
#define FRAMES_A_TURN 512
#define RELEASE_EVERY 64 /* frames, whose memory librabbitmq keeps until told */

/* ---- reading ---- */

static enum ocs_broker_result take_frame(struct ocs_broker_loop *loop, const amqp_frame_t *frame,
                                         struct ocs_error *error)
{
	amqp_method_number_t id =
	        frame->frame_type == AMQP_FRAME_METHOD ? frame->payload.method.id : 0;

	if (id == AMQP_CONNECTION_CLOSE_METHOD)
		return ocs_broker_closed(loop->broker, frame, error);
	if (id != AMQP_CONNECTION_BLOCKED_METHOD && id != AMQP_CONNECTION_UNBLOCKED_METHOD)
		return loop->calls->frame(loop->arg, frame, error);
	if (loop->blocked == (id == AMQP_CONNECTION_BLOCKED_METHOD))
		return OCS_BROKER_OK;
	loop->blocked = !loop->blocked;
	return loop->calls->blocked != NULL ? loop->calls->blocked(loop->arg, error)
	                                    : OCS_BROKER_OK;
}

static enum ocs_broker_result read_frames(struct ocs_broker_loop *loop, bool *more_r,
                                          struct ocs_error *error)
{
	amqp_connection_state_t connection = ocs_broker_connection(loop->broker);
	enum ocs_broker_result result;
	struct timeval at_once = {0};
	amqp_frame_t frame;

	*more_r = true;
	for (unsigned n = 1; n <= FRAMES_A_TURN; n++) {
		int status = amqp_simple_wait_frame_noblock(connection, &frame, &at_once);

		if (status == AMQP_STATUS_TIMEOUT) {
			*more_r = false;
			break;
		}
		if (status == AMQP_STATUS_BAD_AMQP_DATA && loop->calls->unreadable != NULL)
			loop->calls->unreadable(loop->arg);
		result = ocs_broker_status(loop->broker, status, "reading", error);
		if (result == OCS_BROKER_OK)
			result = take_frame(loop, &frame, error);
		if (result != OCS_BROKER_OK)
			return result;
		/* A large body would pile up otherwise. */
		if (frame.frame_type == AMQP_FRAME_BODY || n % RELEASE_EVERY == 0)
			amqp_maybe_release_buffers(connection);
	}
	amqp_maybe_release_buffers(connection);
	return OCS_BROKER_OK;
}

/* ---- one connection ---- */

/* Until the broker or somebody here has something, or until then. fd: -1 without a connection. */
static void wait_until(struct ocs_broker_loop *loop, int fd, uint64_t until, unsigned most)
{
	struct pollfd fds[] = {{.fd = loop->wake, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
	uint64_t now = ocs_clock_ms(), left = until > now ? until - now : 0;
	eventfd_t count;

	if (poll(fds, 2, (int)(left < most ? left : most)) > 0 && (fds[0].revents & POLLIN) != 0)
		(void)eventfd_read(loop->wake, &count);
}

/* round_at: 0 while it is set up, each call of which has a limit of its own. */
static void set_current(struct ocs_broker_loop *loop, struct ocs_broker *broker, uint64_t round_at)
{
	pthread_mutex_lock(&loop->lock);
	loop->current = broker;
	loop->round_at = round_at;
	if (loop->cut && broker != NULL)
		ocs_broker_abort(broker);
	pthread_mutex_unlock(&loop->lock);
}

static enum ocs_broker_result serve(struct ocs_broker_loop *loop, struct ocs_error *error)
{
	const struct ocs_broker_loop_calls *calls = loop->calls;
	amqp_connection_state_t connection = ocs_broker_connection(loop->broker);
	unsigned half = loop->settings->heartbeat * 500;
	unsigned most = half > 0 && half < WAIT_MS ? half : WAIT_MS;

	for (;;) {
		bool ending = atomic_load(&loop->ending), more;
		enum ocs_broker_result result;
		uint64_t until = UINT64_MAX;

		if (ending && calls->under_way == NULL)
			return OCS_BROKER_OK;
		set_current(loop, loop->broker, ocs_clock_ms());
		/* First, for it notices a broker that is silent too long: then publishing would
		 * wait in librabbitmq, without a limit, to hear of it. */
		result = read_frames(loop, &more, error);
		if (result == OCS_BROKER_OK)
			result = calls->turn(loop->arg, more, &until, error);
		if (result != OCS_BROKER_OK)
			return result;
		if (ending && !calls->under_way(loop->arg))
			return OCS_BROKER_OK;
		/* A call that waited for its answer may have left other frames in librabbitmq. */
		if (!more && until > 0 && !amqp_frames_enqueued(connection) &&
		    !amqp_data_in_buffer(connection))
			wait_until(loop, ocs_broker_fd(loop->broker), until, most);
	}
}

/* From its beginning to its end; its end is the result. */
static enum ocs_broker_result connection(struct ocs_broker_loop *loop, struct ocs_error *error)
{
	bool quiet = loop->quiet;
	char name[OCS_NODE_NAME_MAX + 32];
	enum ocs_broker_result result;

	loop->quiet = loop->blocked = false;
	snprintf(name, sizeof(name), "ocsmanager %.*s %s", OCS_NODE_NAME_MAX, loop->settings->node,
	         ocs_link_connection_word(loop->calls->which));
	result = ocs_broker_open(loop->settings, name, &loop->next_uri, &loop->broker, error);
	if (result != OCS_BROKER_OK)
		return result;
	set_current(loop, loop->broker, 0);
	if (atomic_load(&loop->ending) && loop->calls->under_way == NULL)
		return OCS_BROKER_OK;
	result = loop->calls->set_up(loop->arg, error);
	if (result != OCS_BROKER_OK)
		return result;
	ocs_backoff_up(&loop->backoff);
	if (!quiet)
		ocs_broker_note_up(loop->status, loop->calls->which, loop->broker, loop->log);
	return serve(loop, error);
}

static void drop(struct ocs_broker_loop *loop, enum ocs_broker_result why)
{
	loop->calls->lost(loop->arg, why);
	set_current(loop, NULL, 0);
	ocs_broker_close(loop->broker);
	loop->broker = NULL;
}

/* ---- the thread ---- */

static void pause_for(struct ocs_broker_loop *loop, unsigned ms)
{
	uint64_t until = ocs_clock_ms() + ms;

	while (!atomic_load(&loop->ending) && ocs_clock_ms() < until) {
		if (loop->calls->offline != NULL)
			loop->calls->offline(loop->arg);
		wait_until(loop, -1, until, ms);
	}
}

static void *broker_loop_run(void *arg)
{
	struct ocs_broker_loop *loop = arg;
	char name[16];

	snprintf(name, sizeof(name), "ocs-%s", ocs_link_connection_word(loop->calls->which));
	pthread_setname_np(pthread_self(), name);
	while (!atomic_load(&loop->ending)) {
		struct ocs_error error = {.text = ""};
		enum ocs_broker_result result = connection(loop, &error);
		bool again = result != OCS_BROKER_OK && !loop->quiet && !atomic_load(&loop->ending);

		/* First why: whoever sees that the connection is gone is told. */
		if (again)
			ocs_broker_note_down(loop->status, loop->calls->which, result, &error,
			                     loop->log);
		drop(loop, result);
		if (again)
			pause_for(loop, ocs_backoff_wait(&loop->backoff, result));
	}
	pthread_mutex_lock(&loop->lock);
	loop->ended = true;
	pthread_cond_signal(&loop->end);
	pthread_mutex_unlock(&loop->lock);
	return NULL;
}

/* ---- start and stop ---- */

int ocs_broker_loop_init(struct ocs_broker_loop *loop, const struct ocs_link_settings *settings,
                         struct ocs_link_status *status, ocs_log_fn *log,
                         const struct ocs_broker_loop_calls *calls, void *arg,
                         struct ocs_error *error)
{
	*loop = (struct ocs_broker_loop){
	        .settings = settings,
	        .status = status,
	        .log = log,
	        .calls = calls,
	        .arg = arg,
	        .wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
	};
	pthread_mutex_init(&loop->lock, NULL);
	(void)ocs_clock_condition(&loop->end);
	if (loop->wake < 0)
		return ocs_error_set(error, "cannot create a descriptor: %s", strerror(errno));
	return 0;
}

void ocs_broker_loop_destroy(struct ocs_broker_loop *loop)
{
	if (loop->wake >= 0)
		close(loop->wake);
	pthread_cond_destroy(&loop->end);
	pthread_mutex_destroy(&loop->lock);
}

int ocs_broker_loop_start(struct ocs_broker_loop *loop, struct ocs_error *error)
{
	int failed;

	ocs_link_status_set(loop->status, loop->calls->which, OCS_LINK_CONNECTING, NULL, NULL);
	failed = pthread_create(&loop->thread, NULL, broker_loop_run, loop);
	if (failed == 0)
		return 0;
	ocs_link_status_set(loop->status, loop->calls->which, OCS_LINK_OFF, NULL, NULL);
	return ocs_error_thread(error, failed);
}

void ocs_broker_loop_wake(struct ocs_broker_loop *loop)
{
	(void)eventfd_write(loop->wake, 1); /* fails only where it is awake already */
}

void ocs_broker_loop_end(struct ocs_broker_loop *loop)
{
	atomic_store(&loop->ending, true);
	ocs_broker_loop_wake(loop);
}

/* With the lock. */
static bool ends_within(struct ocs_broker_loop *loop, unsigned ms)
{
	const struct timespec until = ocs_clock_at_ms(ocs_clock_ms() + ms);

	while (!loop->ended && pthread_cond_timedwait(&loop->end, &loop->lock, &until) == 0)
		continue;
	return loop->ended;
}

int ocs_broker_loop_stop(struct ocs_broker_loop *loop, unsigned polite, unsigned cut)
{
	bool ended;

	ocs_broker_loop_end(loop);
	pthread_mutex_lock(&loop->lock);
	ended = ends_within(loop, polite);
	loop->cut = !ended;
	if (loop->cut && loop->current != NULL)
		ocs_broker_abort(loop->current);
	ended = ended || ends_within(loop, cut);
	pthread_mutex_unlock(&loop->lock);
	return ended && pthread_join(loop->thread, NULL) == 0 ? 0 : -1;
}

void ocs_broker_loop_watch(struct ocs_broker_loop *loop)
{
	uint64_t limit = 2000 * (uint64_t)loop->settings->heartbeat + loop->calls->hangs;
	uint64_t now = ocs_clock_ms();

	pthread_mutex_lock(&loop->lock);
	if (loop->current != NULL && loop->round_at != 0 && now >= loop->round_at + limit) {
		ocs_broker_abort(loop->current);
		loop->round_at = now;
	}
	pthread_mutex_unlock(&loop->lock);
}
