/*
 * The library at the daemon's doorbell: where there is a link to other nodes, a session's first
 * subscription waits until those nodes send what is for the user. Touches the doorbell's socket; no
 * lock is held, for it may wait. See doorbell.h.
 */
#include "notify/lib_internal.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "notify/doorbell.h"

#define AGAIN_MS  1000  /* between two rings of an unbound session */
#define SILENT_MS 10000 /* after a daemon did not answer: nobody waits for it so long */

enum trouble { NO_DAEMON, NO_ANSWER, NOT_BOUND, FAILED };

bool lib_bound(const struct ocsnotify_session *session)
{
	/* Which file the daemon uses matters too: with a new one it knows nobody. */
	return session->bound && session->bound_generation == session->context->generation;
}

static void set_bound(struct ocsnotify_session *session)
{
	session->bound = true;
	session->bound_generation = session->context->generation;
}

static void warn(struct ocsnotify_session *session, enum trouble trouble, const char *reason)
{
	struct ocsnotify *context = session->context;

	if ((context->ring_troubles & 1u << trouble) != 0)
		return;
	context->ring_troubles |= 1u << trouble;
	lib_warn(context,
	         "user '%s' hears of events on other machines only after the binding comes "
	         "through: %s",
	         session->r.user, reason);
}

/* Ends the ring that nobody waits for; takes its answer if there is one. */
static void end_ring(struct ocsnotify *context, bool bound)
{
	if (bound)
		set_bound(context->ringing);
	close(context->ring_fd);
	context->ringing = NULL;
}

void lib_ring_again(struct ocsnotify_session *session)
{
	struct ocsnotify *context = session->context;
	struct ocs_doorbell_reply reply;
	uint64_t now;
	int ret;

	if (!context->settings.linked || session->queues == NULL || lib_bound(session))
		return;
	now = lib_now_ms();
	if (context->ringing != NULL) {
		/* One at a time, so that a daemon that hangs cannot use up the descriptors. */
		ret = ocs_doorbell_read(context->ring_fd, 0, &reply);
		if (ret == 0 && now - context->ring_time < OCS_DOORBELL_WAIT_MS)
			return;
		end_ring(context, ret == 1 && reply.status == OCS_DOORBELL_BOUND);
		if (lib_bound(session))
			return;
	}
	if (session->rung != 0 && now - session->rung < AGAIN_MS)
		return;
	session->rung = now;
	ret = ocs_doorbell_ring(context->shared->path, session->r.user, 0);
	if (ret < 0)
		return;
	context->ringing = session;
	context->ring_fd = ret;
	context->ring_time = now;
}

void lib_ring(struct ocsnotify_session *session)
{
	struct ocsnotify *context = session->context;
	struct ocs_doorbell_reply reply;
	uint64_t start;
	int fd, ret, left;

	if (!context->settings.linked || lib_bound(session))
		return;
	start = lib_now_ms();
	if (start < context->silent_until) {
		lib_ring_again(session);
		return;
	}
	session->rung = start;
	fd = ocs_doorbell_ring(context->shared->path, session->r.user, OCS_DOORBELL_WAIT_MS);
	if (fd == -ENOENT || fd == -ECONNREFUSED) {
		warn(session, NO_DAEMON, "ocsmanager is not running");
		return;
	}
	if (fd < 0 && fd != -EAGAIN) {
		warn(session, FAILED, strerror(-fd));
		return;
	}
	left = OCS_DOORBELL_WAIT_MS - (int)(lib_now_ms() - start);
	ret = fd < 0 ? 0 : ocs_doorbell_read(fd, left > 0 ? left : 0, &reply);
	if (fd >= 0)
		close(fd);
	if (ret == 1 && reply.status == OCS_DOORBELL_BOUND) {
		set_bound(session);
	} else if (ret == 1) {
		warn(session, NOT_BOUND, reply.text);
	} else {
		if (ret == 0)
			context->silent_until = lib_now_ms() + SILENT_MS;
		warn(session, NO_ANSWER,
		     ret == 0 ? "ocsmanager does not answer" : "ocsmanager hung up");
	}
}

void lib_unring(struct ocsnotify_session *session)
{
	if (session->context->ringing == session)
		end_ring(session->context, false);
}
