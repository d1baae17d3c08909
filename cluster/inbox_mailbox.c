/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Where the answers of dispatch arrive, in whatever thread they come, and the
 * submissions that they belong to.
 */
#include "cluster/inbox_internal.h"

#include <string.h>

#include <talloc.h>
#include <utlist.h>

struct inbox_mailbox *ocs_inbox_mailbox_new(struct ocs_broker_loop *loop)
{
	struct inbox_mailbox *mailbox = talloc_zero(NULL, struct inbox_mailbox);

	if (mailbox == NULL)
		return NULL;
	mailbox->loop = loop;
	pthread_mutex_init(&mailbox->lock, NULL);
	atomic_init(&mailbox->references, 1);
	return mailbox;
}

static void mailbox_put(struct inbox_mailbox *mailbox)
{
	if (atomic_fetch_sub(&mailbox->references, 1) > 1)
		return;
	pthread_mutex_destroy(&mailbox->lock);
	talloc_free(mailbox);
}

void ocs_inbox_attempt_free(struct inbox_attempt *attempt)
{
	struct inbox_mailbox *mailbox = attempt->mailbox;

	talloc_free(attempt);
	mailbox_put(mailbox);
}

struct inbox_attempt *ocs_inbox_mailbox_take(struct inbox_mailbox *mailbox, bool close_it)
{
	struct inbox_attempt *first;

	pthread_mutex_lock(&mailbox->lock);
	first = mailbox->attempts;
	mailbox->attempts = NULL;
	mailbox->closed |= close_it;
	pthread_mutex_unlock(&mailbox->lock);
	return first;
}

void ocs_inbox_mailbox_close(struct inbox_mailbox *mailbox)
{
	struct inbox_attempt *attempt = ocs_inbox_mailbox_take(mailbox, true), *next;

	for (; attempt != NULL; attempt = next) {
		next = attempt->next;
		ocs_inbox_attempt_free(attempt);
	}
	mailbox_put(mailbox);
}

void ocs_inbox_attempt_done(void *owner, const struct ocs_result *results, size_t count)
{
	struct inbox_attempt *attempt = owner;
	struct inbox_mailbox *mailbox = attempt->mailbox;
	bool closed;

	attempt->count = count == attempt->room ? count : 0;
	if (attempt->count > 0)
		memcpy(attempt->results, results, count * sizeof(*results));
	/* Else the request is still being worked on. */
	if (results != NULL && results == attempt->its_results)
		attempt->answer = ocs_inbox_answer(attempt, attempt->request);
	pthread_mutex_lock(&mailbox->lock);
	closed = mailbox->closed;
	if (!closed) {
		/* The thread takes all of them once it was woken. */
		if (mailbox->attempts == NULL)
			ocs_broker_loop_wake(mailbox->loop);
		DL_APPEND(mailbox->attempts, attempt);
	}
	pthread_mutex_unlock(&mailbox->lock);
	if (closed)
		ocs_inbox_attempt_free(attempt);
}

struct inbox_attempt *ocs_inbox_attempt_new(struct inbox_message *message, size_t room)
{
	struct inbox_attempt *attempt = talloc_zero(NULL, struct inbox_attempt);

	if (attempt == NULL)
		return NULL;
	attempt->which = talloc_array(attempt, size_t, room);
	attempt->results = talloc_array(attempt, struct ocs_result, room);
	if (attempt->which == NULL || attempt->results == NULL) {
		talloc_free(attempt);
		return NULL;
	}
	attempt->room = room;
	attempt->message = message;
	attempt->mailbox = message->inbox->mailbox;
	atomic_fetch_add(&attempt->mailbox->references, 1);
	return attempt;
}
