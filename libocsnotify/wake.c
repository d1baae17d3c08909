/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * News: which sessions process() has to look at, the repeat timer, and the UDP datagrams. Touches
 * the context's timer, eventfd and UDP sockets.
 */
#include "libocsnotify/internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>
#include <utlist.h>

#include "base/bytes.h"
#include "base/clock.h"

/* What comes while it is read is read the next time. */
#define DATAGRAMS_MAX 4096

uint64_t libocsnotify_now_ms(void)
{
	return ocs_clock_ms();
}

/* Readable while there is news. Not by the timer: one that is due at once is many times as dear,
 * and news comes and goes with nearly every event. */
static void arm_news(struct ocsnotify *context)
{
	bool wanted = context->news != NULL;
	eventfd_t count;

	if (wanted == context->news_told)
		return;
	if ((wanted ? eventfd_write(context->news_event, 1)
	            : eventfd_read(context->news_event, &count)) == 0)
		context->news_told = wanted;
}

void libocsnotify_arm(struct ocsnotify *context)
{
	const struct ocsnotify_session *first = context->pushes;
	struct itimerspec at = {{0, 0}, {0, 0}};
	uint64_t due = context->look_due;

	arm_news(context);
	if (first != NULL && first->push_due < due)
		due = first->push_due;
	if (due == 0)
		due = 1; /* long ago: at once */
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
	DL_APPEND2(session->context->news, session, news_prev, news_next);
}

void libocsnotify_wake_all(struct ocsnotify *context)
{
	for (struct ocsnotify_session *s = context->sessions; s != NULL; s = s->next) {
		for (struct libocsnotify_queue *queue = s->queues; queue != NULL;
		     queue = queue->next)
			queue->spilled = true;
		libocsnotify_news(s);
	}
}

/* Whether it meant all. */
static bool wake_list(struct ocsnotify *context, uint64_t id)
{
	struct libocsnotify_queue *queue = context->by_id[id % LIBOCSNOTIFY_BUCKETS];

	if (id == OCS_REGISTRY_WAKE_ALL)
		return true;

	while (queue != NULL && queue->r.id != id)
		queue = queue->id_next;
	if (queue != NULL) {
		queue->spilled = true;
		libocsnotify_news(queue->session);
	}
	return false;
}

void libocsnotify_wakes_read(struct ocsnotify *context)
{
	uint8_t data[8 * OCS_REGISTRY_WAKE_MAX];
	bool all = false;

	for (int n = 0; n < DATAGRAMS_MAX; n++) {
		ssize_t len = recv(context->wake, data, sizeof(data), MSG_DONTWAIT);

		if (len < 0)
			break;
		if (len == 0)
			context->look_due = 0; /* the registry lacks us, says the daemon */
		for (ssize_t at = 0; at + 8 <= len; at += 8)
			all = wake_list(context, ocs_get64(data + at)) || all;
	}
	/* Once, however many said so. */
	if (all)
		libocsnotify_wake_all(context);
}

static void unlist_news(struct ocsnotify_session *session)
{
	if (session->listed)
		DL_DELETE2(session->context->news, session, news_prev, news_next);
	session->listed = false;
}

static void unlist_push(struct ocsnotify_session *session)
{
	if (session->pushing)
		DL_DELETE2(session->context->pushes, session, push_prev, push_next);
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
		/* Told of by a datagram that was read since, and will not come again. */
		for (const struct libocsnotify_queue *q = session->queues; q != NULL; q = q->next)
			if (q->spilled)
				libocsnotify_news(session);
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
	DL_PREPEND2(session->context->pushes, session, push_prev, push_next);
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
	struct ocsnotify *context = session->context;
	struct ocsnotify_session *before;

	DL_DELETE2(context->pushes, session, push_prev, push_next);
	session->push_due = due;
	before = context->pushes != NULL ? context->pushes->push_prev : NULL;
	while (before != NULL && before->push_due > due)
		before = before == context->pushes ? NULL : before->push_prev;
	DL_APPEND_ELEM2(context->pushes, before, session, push_prev, push_next);
}

void libocsnotify_push_due(struct ocsnotify *context)
{
	struct ocsnotify_session *session = context->pushes;
	uint64_t now = libocsnotify_now_ms();

	if (session == NULL || session->push_due > now)
		return;
	libocsnotify_settings(context);
	while ((session = context->pushes) != NULL && session->push_due <= now) {
		push_send(session);
		repeat_at(session, now + (uint64_t)context->settings.push_interval * 1000);
	}
}
