/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * A context of libocsnotify as a whole: opening, closing, the descriptor and what process() does.
 * Makes the parts; touches the epoll set, the timer, the eventfd and the wake-up socket.
 */
#include "libocsnotify/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <utlist.h>

#include <talloc.h>

#include "registry/reap.h"
#include "base/bytes.h"

/* What one process() takes from the kernel at most; the rest keeps the descriptor readable. */
#define EVENTS_MAX 64
#define ROUNDS_MAX 16

unsigned ocsnotify_library_version(void)
{
	return OCSNOTIFY_VERSION;
}

void ocsnotify_set_datagram(struct ocsnotify *context, ocsnotify_datagram_fn *datagram, void *arg)
{
	context->datagram = datagram;
	context->datagram_arg = arg;
}

int ocsnotify_fd(const struct ocsnotify *context)
{
	return libocsnotify_forked(context) ? OCSNOTIFY_E_FORKED : context->epoll;
}

/* ---- open and close ---- */

static int make_descriptors(struct ocsnotify *context, struct ocs_error *error)
{
	struct epoll_event timer = {.events = EPOLLIN, .data.ptr = &context->timer};
	struct epoll_event news = {.events = EPOLLIN, .data.ptr = &context->news_event};

	context->epoll = epoll_create1(EPOLL_CLOEXEC);
	context->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	context->news_event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (context->epoll < 0 || context->timer < 0 || context->news_event < 0 ||
	    epoll_ctl(context->epoll, EPOLL_CTL_ADD, context->timer, &timer) != 0 ||
	    epoll_ctl(context->epoll, EPOLL_CTL_ADD, context->news_event, &news) != 0)
		return ocs_error_set(error, "cannot create a descriptor: %s", strerror(errno));
	return 0;
}

/* Files first: whoever finds the record must find that the context lives. */
static int register_context(struct ocsnotify *context, struct ocs_error *error)
{
	int code = OCSNOTIFY_E_SYSTEM;

	libocsnotify_lock();
	context->generation = context->shared->generation;
	if (libocsnotify_files_make(context, error) == 0)
		code = libocsnotify_store_code(libocsnotify_registration_all(context, error));
	libocsnotify_unlock();
	return code;
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

static void free_context(struct ocsnotify *context)
{
	close_fd(context->epoll);
	close_fd(context->timer);
	close_fd(context->news_event);
	close_fd(context->wake);
	close_fd(context->queue_list);
	close_fd(context->udp4);
	close_fd(context->udp6);
	if (context->shared != NULL)
		libocsnotify_shared_put(context->shared);
	free(context->unremoved);
	talloc_free(context->looked_up);
	talloc_free(context->found);
	free(context);
}

int ocsnotify_open(const char *registry_folder, struct ocsnotify **context_r, char *error_text,
                   size_t error_size)
{
	struct ocsnotify *context = calloc(1, sizeof(*context));
	struct ocs_error error = {.text = ""};
	int code;

	*context_r = NULL;
	if (context == NULL) {
		if (error_text != NULL && error_size > 0)
			snprintf(error_text, error_size, "out of memory");
		return OCSNOTIFY_E_NOMEM;
	}
	context->pid = getpid();
	context->epoll = context->timer = context->wake = context->queue_list = -1;
	context->news_event = -1;
	context->udp4 = context->udp6 = -1;
	context->settings = (struct ocs_registry_settings){
	        .max_messages = 10, .message_size = 256, .push_interval = 60, .replica_id = 1};
	context->r.id = ocs_random_id();
	context->r.pid = context->pid;
	context->r.uid = geteuid();
	context->r.started = ocs_now_us();
	code = libocsnotify_shared_get(registry_folder, &context->shared, &error);
	if (code == OCSNOTIFY_OK && make_descriptors(context, &error) != 0)
		code = OCSNOTIFY_E_SYSTEM;
	if (code == OCSNOTIFY_OK)
		code = register_context(context, &error);
	if (code != OCSNOTIFY_OK) {
		if (context->wake >= 0) {
			libocsnotify_lock();
			(void)ocs_reap_files(context->shared->registry, context->r.id, NULL);
			libocsnotify_unlock();
		}
		free_context(context);
		if (error_text != NULL && error_size > 0)
			snprintf(error_text, error_size, "%s", error.text);
		return code;
	}
	libocsnotify_sweep(context);
	libocsnotify_settings(context);
	context->look_due = libocsnotify_now_ms() + LIBOCSNOTIFY_LOOK_MS;
	libocsnotify_arm(context);
	*context_r = context;
	return OCSNOTIFY_OK;
}

static void unregister_context(struct ocsnotify *context)
{
	struct ocs_error error = {.text = ""};
	struct ocs_registry *registry;
	int ret = OCS_STORE_OK;

	if (libocsnotify_enter(context) != OCSNOTIFY_OK) {
		libocsnotify_warn(context, "cannot remove the context from the registry: %s",
		                  context->error);
		return;
	}
	registry = context->shared->registry;
	ret = libocsnotify_registration_begin(context, &error);
	if (ret == OCS_STORE_OK)
		ret = ocs_registry_context_remove(registry, context->r.id, NULL, NULL, NULL,
		                                  &error);
	ret = libocsnotify_registration_end(context, ret, &error);
	libocsnotify_unlock();
	if (ret != OCS_STORE_OK)
		libocsnotify_warn(context, "cannot remove the context from the registry: %s",
		                  error.text);
}

void ocsnotify_close(struct ocsnotify *context)
{
	bool ours;

	if (context == NULL)
		return;
	ours = !libocsnotify_forked(context);
	if (ours)
		unregister_context(context);
	while (context->sessions != NULL)
		libocsnotify_session_free(context->sessions, ours);
	if (ours) {
		libocsnotify_lock();
		if (context->shared->registry != NULL)
			(void)ocs_reap_files(context->shared->registry, context->r.id, NULL);
		libocsnotify_unlock();
	}
	free_context(context);
}

/* ---- process ---- */

static void read_timer(struct ocsnotify *context)
{
	uint64_t expirations;

	/* Not due after all: it was set anew meanwhile. */
	if (read(context->timer, &expirations, sizeof(expirations)) == sizeof(expirations))
		context->armed = 0;
}

static int take_events(struct ocsnotify *context)
{
	struct epoll_event events[EVENTS_MAX];
	int n = EVENTS_MAX;

	for (int round = 0; round < ROUNDS_MAX && n == EVENTS_MAX; round++) {
		n = epoll_wait(context->epoll, events, EVENTS_MAX, 0);
		if (n < 0)
			return errno == EINTR ? OCSNOTIFY_OK
			                      : libocsnotify_fail(context, OCSNOTIFY_E_SYSTEM,
			                                          "cannot wait for events: %s",
			                                          strerror(errno));
		for (int i = 0; i < n; i++) {
			void *source = events[i].data.ptr;

			if (source == &context->wake)
				libocsnotify_wakes_read(context);
			else if (source == &context->timer)
				read_timer(context);
			else if (source != &context->news_event)
				libocsnotify_news(((struct libocsnotify_queue *)source)->session);
		}
	}
	return OCSNOTIFY_OK;
}

int ocsnotify_process(struct ocsnotify *context, ocsnotify_pending_fn *pending, void *arg)
{
	struct ocsnotify_session *session, *ready = NULL;
	size_t n_news = 0;
	int count = 0, code;

	if (libocsnotify_forked(context))
		return OCSNOTIFY_E_FORKED;
	code = take_events(context);
	libocsnotify_look(context);
	/* The host may know by now what they wait for. */
	DL_FOREACH(context->sessions, session)
	{
		if (session->held)
			libocsnotify_news(session);
	}
	/* Looking at one session may bring news of another, or of itself: what does so after this
	 * is for the next call, or a flood would never let this one end. */
	DL_COUNT2(context->news, session, n_news, news_next);
	for (; n_news > 0 && (session = context->news) != NULL; n_news--) {
		int waiting;

		DL_DELETE2(context->news, session, news_prev, news_next);
		session->listed = false;
		waiting = libocsnotify_session_pending(session);
		/* What cannot be told now is for the idle call to find out. */
		if (waiting < 0)
			libocsnotify_warn(context, "%s", context->error);
		if (waiting == 0 || session->ready)
			continue;
		session->ready = true;
		if (!session->pending) {
			session->pending = true;
			libocsnotify_push_now(session);
		}
		DL_APPEND2(ready, session, ready_prev, ready_next);
		count++;
	}
	libocsnotify_push_due(context);
	while ((session = ready) != NULL) {
		DL_DELETE2(ready, session, ready_prev, ready_next);
		session->ready = false;
		if (pending != NULL)
			pending(session, arg);
	}
	libocsnotify_arm(context);
	return code != OCSNOTIFY_OK ? code : count;
}
