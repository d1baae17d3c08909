/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * News: which sessions process() has to look at, the repeat timer, and the UDP datagrams. Touches
 * the context's timer and UDP sockets.
 */
#include "libocsnotify/internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

uint64_t libocsnotify_now_ms(void)
{
	return ocs_clock_ms();
}

void libocsnotify_arm(struct ocsnotify *context)
{
	const struct ocsnotify_session *first = TAILQ_FIRST(&context->pushes);
	struct itimerspec at = {{0, 0}, {0, 0}};
	uint64_t due = 0;

	if (!TAILQ_EMPTY(&context->news))
		due = 1; /* long ago: at once */
	else if (first != NULL && first->push_due < context->look_due)
		due = first->push_due;
	else
		due = context->look_due;
	if (due == context->armed)
		return;
	at.it_value.tv_sec = (time_t)(due / 1000);
	at.it_value.tv_nsec = (long)(due % 1000) * 1000000;
	if (timerfd_settime(context->timer, TFD_TIMER_ABSTIME, &at, NULL) == 0)
		context->armed = due;
	else
		libocsnotify_warn(context, "cannot set a timer: %s", strerror(errno));
}

void libocsnotify_news(struct ocsnotify_session *session)
{
	if (session->listed)
		return;
	session->listed = true;
	TAILQ_INSERT_TAIL(&session->context->news, session, news);
}

static void unlist_news(struct ocsnotify_session *session)
{
	if (session->listed)
		TAILQ_REMOVE(&session->context->news, session, news);
	session->listed = false;
}

static void unlist_push(struct ocsnotify_session *session)
{
	if (session->pushing)
		TAILQ_REMOVE(&session->context->pushes, session, pushes);
	session->pushing = false;
}

void libocsnotify_unlist(struct ocsnotify_session *session)
{
	unlist_news(session);
	unlist_push(session);
}

void libocsnotify_settle(struct ocsnotify_session *session, bool empty)
{
	if (empty) {
		session->pending = false;
		libocsnotify_unlist(session);
	} else if (!session->pending) {
		/* Taken in before process() saw it: the kernel will not tell again. */
		libocsnotify_news(session);
	}
	libocsnotify_arm(session->context);
}

void libocsnotify_push_now(struct ocsnotify_session *session)
{
	unlist_push(session);
	if (session->r.push.context_len == 0)
		return;
	session->push_due = libocsnotify_now_ms();
	session->pushing = true;
	TAILQ_INSERT_HEAD(&session->context->pushes, session, pushes);
}

static int udp_socket(int family, int *fd)
{
	if (*fd < 0)
		*fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	return *fd;
}

/* A target that stays out of reach is reported once for each reason. */
static void push_report(struct ocsnotify_session *session, int error)
{
	const struct ocs_push_target *push = &session->r.push;
	char text[INET6_ADDRSTRLEN] = "?";
	const void *address;

	if (error == session->push_error)
		return;
	session->push_error = error;
	if (error == 0)
		return;
	address = push->address.ss_family == AF_INET
	                  ? (const void *)&((const struct sockaddr_in *)&push->address)->sin_addr
	                  : &((const struct sockaddr_in6 *)&push->address)->sin6_addr;
	inet_ntop(push->address.ss_family, address, text, sizeof(text));
	libocsnotify_warn(session->context, "cannot send the push datagram of user '%s' to %s: %s",
	                  session->r.user, text, strerror(error));
}

static void push_send(struct ocsnotify_session *session)
{
	struct ocsnotify *context = session->context;
	const struct ocs_push_target *target = &session->r.push;
	int error;

	if (target->address.ss_family == AF_INET6)
		udp_socket(AF_INET6, &context->udp6);
	else
		udp_socket(AF_INET, &context->udp4);
	error = -ocs_push_send(context->udp4, context->udp6, target);
	push_report(session, error);
	if (context->datagram != NULL)
		context->datagram(session, &target->address, target->address_len, target->context,
		                  target->context_len, error, context->datagram_arg);
}

/* All wait equally long, so the place is at or near the end. */
static void repeat_at(struct ocsnotify_session *session, uint64_t due)
{
	struct libocsnotify_sessions *pushes = &session->context->pushes;
	struct ocsnotify_session *before;

	TAILQ_REMOVE(pushes, session, pushes);
	session->push_due = due;
	before = TAILQ_LAST(pushes, libocsnotify_sessions);
	while (before != NULL && before->push_due > due)
		before = TAILQ_PREV(before, libocsnotify_sessions, pushes);
	if (before != NULL)
		TAILQ_INSERT_AFTER(pushes, before, session, pushes);
	else
		TAILQ_INSERT_HEAD(pushes, session, pushes);
}

void libocsnotify_push_due(struct ocsnotify *context)
{
	struct ocsnotify_session *session = TAILQ_FIRST(&context->pushes);
	uint64_t now = libocsnotify_now_ms();

	if (session == NULL || session->push_due > now)
		return;
	libocsnotify_settings(context);
	while ((session = TAILQ_FIRST(&context->pushes)) != NULL && session->push_due <= now) {
		push_send(session);
		repeat_at(session, now + (uint64_t)context->settings.push_interval * 1000);
	}
}
