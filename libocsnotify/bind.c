/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The library asks the daemon to bind the user: where there is a link to other nodes, a session's
 * first subscription waits until those nodes send what is for the user. Touches the socket
 * bind.sock; no lock is held, for it may wait.
 */
#include "libocsnotify/internal.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "registry/bind_request.h"

#define AGAIN_MS  1000  /* between two requests of an unbound session */
#define SILENT_MS 10000 /* after a daemon did not answer: nobody waits for it so long */

enum trouble { NO_DAEMON, NO_ANSWER, NOT_BOUND, FAILED };

bool libocsnotify_bound(const struct ocsnotify_session *session)
{
	/* Which file the daemon uses matters too: with a new one it knows nobody. */
	return session->bound && session->bound_generation == session->context->generation;
}

static void set_bound(struct ocsnotify_session *session)
{
	session->bound = true;
	session->bound_generation = session->context->generation;
}

static void bind_warn(struct ocsnotify_session *session, enum trouble trouble, const char *reason)
{
	struct ocsnotify *context = session->context;

	if ((context->bind_troubles & 1u << trouble) != 0)
		return;
	context->bind_troubles |= 1u << trouble;
	libocsnotify_warn(
	        context,
	        "user '%s' gets no events from other machines until the binding is made: %s",
	        session->r.user, reason);
}

/* Ends the request that nobody waits for; takes its answer if there is one. */
static void end_request(struct ocsnotify *context, bool bound)
{
	if (bound)
		set_bound(context->asking);
	close(context->bind_fd);
	context->asking = NULL;
}

void libocsnotify_request_binding_again(struct ocsnotify_session *session)
{
	struct ocsnotify *context = session->context;
	struct ocs_bind_reply reply;
	uint64_t now;
	int ret;

	if (!context->settings.linked || session->queues == NULL || libocsnotify_bound(session))
		return;
	now = libocsnotify_now_ms();
	if (context->asking != NULL) {
		/* One at a time, so that a daemon that hangs cannot use up the descriptors. */
		ret = ocs_bind_reply_read(context->bind_fd, 0, &reply);
		if (ret == 0 && now - context->bind_time < OCS_BIND_WAIT_MS)
			return;
		end_request(context, ret == 1 && reply.status == OCS_BIND_BOUND);
		if (libocsnotify_bound(session))
			return;
	}
	if (session->asked_at != 0 && now - session->asked_at < AGAIN_MS)
		return;
	session->asked_at = now;
	ret = ocs_bind_request_send(context->shared->path, session->r.user, 0);
	if (ret < 0)
		return;
	context->asking = session;
	context->bind_fd = ret;
	context->bind_time = now;
}

/* Asks for a name to be bound and waits for it. Whether it is. */
static bool ask_and_wait(struct ocsnotify_session *session, const char *name)
{
	struct ocsnotify *context = session->context;
	uint64_t start = libocsnotify_now_ms();
	struct ocs_bind_reply reply;
	int fd, ret, left;

	fd = ocs_bind_request_send(context->shared->path, name, OCS_BIND_WAIT_MS);
	if (fd == -ENOENT || fd == -ECONNREFUSED) {
		bind_warn(session, NO_DAEMON, "ocsmanager is not running");
		return false;
	}
	if (fd < 0 && fd != -EAGAIN) {
		bind_warn(session, FAILED, strerror(-fd));
		return false;
	}
	left = OCS_BIND_WAIT_MS - (int)(libocsnotify_now_ms() - start);
	ret = fd < 0 ? 0 : ocs_bind_reply_read(fd, left > 0 ? left : 0, &reply);
	if (fd >= 0)
		close(fd);
	if (ret == 1 && reply.status == OCS_BIND_BOUND)
		return true;
	if (ret == 1) {
		bind_warn(session, NOT_BOUND, reply.text);
		return false;
	}
	if (ret == 0)
		context->silent_until = libocsnotify_now_ms() + SILENT_MS;
	bind_warn(session, NO_ANSWER,
	          ret == 0 ? "ocsmanager does not answer" : "ocsmanager closed the connection");
	return false;
}

void libocsnotify_request_binding(struct ocsnotify_session *session)
{
	struct ocsnotify *context = session->context;
	uint64_t start;

	if (!context->settings.linked || libocsnotify_bound(session))
		return;
	start = libocsnotify_now_ms();
	if (start < context->silent_until) {
		libocsnotify_request_binding_again(session);
		return;
	}
	session->asked_at = start;
	if (ask_and_wait(session, session->r.user))
		set_bound(session);
}

void libocsnotify_request_store(struct ocsnotify_session *session,
                                const struct libocsnotify_store *store)
{
	struct ocsnotify *context = session->context;
	char name[OCS_USER_MAX + 1];

	if (!context->settings.linked)
		return;
	if (ocs_bind_store_name(name, store->backend, store->backend_user) != 0)
		bind_warn(session, FAILED, "the name of the mail store is too long");
	/* Else the daemon finds it in the registry, in a minute at most. */
	else if (libocsnotify_now_ms() >= context->silent_until)
		(void)ask_and_wait(session, name);
}

void libocsnotify_drop_bind_request(struct ocsnotify_session *session)
{
	if (session->context->asking == session)
		end_request(session->context, false);
}
