/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What somebody removed under a running library: the wake-up socket, the queue list, the wake
 * folder, the context's record, a kernel queue, a spill list. Cleaners of temporary folders do it.
 * Looked for every few seconds, in calls of the host and by the context's timer; made again, but
 * for lists, which the daemon makes, registered again, and reported. Touches all of these.
 */
#include "libocsnotify/internal.h"

#include <stdio.h>
#include <string.h>

#include "mqueue/queue.h"
#include "base/plural.h"

static bool has_gone(const struct ocsnotify_session *session)
{
	for (const struct libocsnotify_queue *q = session->queues; q != NULL; q = q->next)
		if (q->old_mq != LIBOCSNOTIFY_NO_QUEUE ||
		    (q->mq != LIBOCSNOTIFY_NO_QUEUE && ocs_queue_unlinked(q->mq)))
			return true;
	return false;
}

/* Queues whose name somebody removed: new ones, in the same places. What is in the old ones is read
 * first, and once more with the next look, for what the daemon was just sending there. */
static unsigned renew_queues(struct ocsnotify *context)
{
	unsigned n = 0;

	for (struct ocsnotify_session *s = context->sessions; s != NULL; s = s->next) {
		if (!has_gone(s))
			continue;
		/* What cannot be taken now is still there the next time. */
		if (libocsnotify_backlog_take(s) != OCSNOTIFY_OK)
			continue;
		libocsnotify_news(s);
		for (struct libocsnotify_queue *q = s->queues; q != NULL; q = q->next) {
			if (q->old_mq != LIBOCSNOTIFY_NO_QUEUE) {
				ocs_queue_close(q->old_mq);
				q->old_mq = LIBOCSNOTIFY_NO_QUEUE;
			}
			if (q->mq != LIBOCSNOTIFY_NO_QUEUE && ocs_queue_unlinked(q->mq)) {
				libocsnotify_queue_renew(q, &context->settings);
				n++;
			}
		}
	}
	return n;
}

/* (locked) */
static bool is_registered(struct ocsnotify *context)
{
	struct ocs_registry *registry = context->shared->registry;
	struct ocs_registry_context found;

	return ocs_registry_context_get(registry, context->r.id, &found, NULL) != OCS_STORE_MISSING;
}

static void look_trouble(struct ocsnotify *context, const char *text)
{
	if (text[0] != '\0' && strcmp(context->look_trouble, text) != 0)
		libocsnotify_warn(context, "%s; trying again", text);
	snprintf(context->look_trouble, sizeof(context->look_trouble), "%s", text);
}

void libocsnotify_look(struct ocsnotify *context)
{
	uint64_t now = libocsnotify_now_ms();
	struct ocs_error error = {.text = ""};
	bool files = false, record;
	unsigned queues;
	int ret;

	if (now < context->look_due)
		return;
	context->look_due = now + LIBOCSNOTIFY_LOOK_MS;
	libocsnotify_settings(context);
	libocsnotify_backlog_look(context);
	queues = renew_queues(context);
	context->renewed = context->renewed || queues > 0;
	if (libocsnotify_enter(context) != OCSNOTIFY_OK) {
		memcpy(error.text, context->error, sizeof(error.text));
		look_trouble(context, error.text);
		return;
	}
	ret = libocsnotify_files_renew(context, &files, &error);
	record = ret != 0 || is_registered(context);
	if (ret == 0 && (context->renewed || !record))
		ret = libocsnotify_registration_all(context, &error);
	if (ret == 0)
		context->renewed = false;
	libocsnotify_unlock();
	look_trouble(context, ret == 0 ? "" : error.text);
	if (ret == 0 && files)
		libocsnotify_warn(
		        context,
		        "%s/wake: the wake-up socket or the queue list of this process had "
		        "been removed; made again",
		        context->shared->path);
	if (ret == 0 && queues > 0)
		libocsnotify_warn(context, "%u message %s been removed; made again", queues,
		                  ocs_plural(queues, "queue had", "queues had"));
	if (ret == 0 && !record)
		libocsnotify_warn(
		        context,
		        "%s: this process was no longer registered (taken for dead, or the "
		        "registry was emptied); registered again; what came meanwhile is lost",
		        context->shared->path);
	libocsnotify_warn_damaged(context);
}
