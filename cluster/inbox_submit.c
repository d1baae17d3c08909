/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Submitting the messages of a queue, in the order of delivery, and what
 * becomes of the answers. What was trouble is submitted again after a while, and what reports about
 * the same user waits behind it.
 */
#include "cluster/inbox_internal.h"
#include "cluster/message.h"

#include <stdio.h>
#include <string.h>

#include <talloc.h>

#include "base/fnv.h"

#define RETRY_FIRST_MS 200
#define RETRY_MOST_MS  10000
#define HEALTH_MS      200  /* the host is not asked more often */
#define USERS_BITS     4096 /* of the set of users that wait; a collision only makes one wait */

/* ---- submitting ---- */

/* It ended in trouble: again after a while. INTERNAL may be the message's own fault. */
static void put_off(struct inbox_message *message, const struct ocs_refusal *refusal)
{
	unsigned shift = message->tries < 16 ? message->tries : 16;
	uint64_t wait = (uint64_t)RETRY_FIRST_MS << shift;
	char reason[OCS_INBOX_REASON_MAX];

	if (refusal->code == 500 && ++message->internal > OCS_INBOX_TRIES_INTERNAL) {
		if (message->count == 0 ||
		    !ocs_inbox_reason(message->results, message->count, true, reason))
			ocs_inbox_say(refusal, reason);
		ocs_inbox_kill(message, reason);
		return;
	}
	message->tries++;
	message->retry_at = ocs_clock_ms() + (wait < RETRY_MOST_MS ? wait : RETRY_MOST_MS);
	ocs_inbox_set_state(message, INBOX_WAITING);
}

static void refuse(struct inbox_message *message, const struct ocs_refusal *refusal)
{
	char reason[OCS_INBOX_REASON_MAX];

	if (ocs_inbox_is_transient(refusal)) {
		put_off(message, refusal);
		return;
	}
	ocs_inbox_say(refusal, reason);
	ocs_inbox_kill(message, reason);
}

/* What the first reading of the document tells: its length, what is refused before it is submitted.
 */
static bool note_document(struct inbox_message *message,
                          const struct ocs_xml_notifications *document)
{
	const struct ocs_inbox_host *host = &message->inbox->host;

	message->results = talloc_zero_array(message, struct ocs_result, document->count);
	message->open = talloc_zero_array(message, bool, document->count);
	if (message->results == NULL || message->open == NULL)
		return false;
	message->count = document->count;
	for (size_t i = 0; i < document->count; i++) {
		const struct ocs_notification *item = &document->items[i];

		message->results[i] = document->results[i];
		if (document->results[i].status == OCS_STATUS_REFUSED)
			continue;
		if (message->consumer->ingest &&
		    (!host->allowed(host->arg, message->account, item->backend,
		                    item->backend_user) ||
		     (item->old_backend != NULL &&
		      !host->allowed(host->arg, message->account, item->old_backend,
		                     item->backend_user))))
			ocs_result_refuse(&message->results[i], 403, "ACCESS_FORBIDDEN",
			                  "account '%.100s' may not report for this backend and "
			                  "user",
			                  message->account);
		else
			message->open[i] = true;
		if (message->user == 0)
			message->user = ocs_fnv32(OCS_FNV32, item->backend_user,
			                          strlen(item->backend_user));
	}
	return true;
}

/* The items that have not ended, to the front. */
static void keep_open(const struct inbox_message *message, struct ocs_xml_notifications *document,
                      size_t *which)
{
	size_t n = 0;

	for (size_t i = 0; i < message->count; i++) {
		if (!message->open[i])
			continue;
		which[n] = i;
		document->items[n] = document->items[i];
		memset(&document->results[n], 0, sizeof(document->results[n]));
		n++;
	}
}

/* All its parts have ended. */
static void finish(struct inbox_message *message)
{
	struct ocs_link_status *status = message->inbox->status;
	bool queued = false, duplicate = false;
	char reason[OCS_INBOX_REASON_MAX];

	for (size_t i = 0; i < message->count; i++) {
		queued |= message->results[i].status == OCS_STATUS_QUEUED;
		duplicate |= message->results[i].status == OCS_STATUS_DUPLICATE;
	}
	if (message->redelivered && queued)
		OCS_LINK_COUNT(status, redelivered_again, 1);
	else if (message->redelivered && duplicate)
		OCS_LINK_COUNT(status, redelivered_duplicate, 1);
	if (ocs_inbox_reason(message->results, message->count, false, reason))
		ocs_inbox_kill(message, reason);
	else
		ocs_inbox_set_state(message, INBOX_DONE);
}

/* Whose ids these are: of the account that sent them, or of the node that made the message. */
static const char *account_of(const struct inbox_message *message,
                              const struct ocs_inbox_envelope *envelope, bool sender_ids,
                              const void *mem_ctx)
{
	if (message->consumer->ingest)
		return talloc_strdup(mem_ctx, message->account);
	return sender_ids ? talloc_strdup(mem_ctx, envelope->account)
	                  : talloc_asprintf(mem_ctx, ":%s", envelope->origin);
}

static size_t count_open(const struct inbox_message *message)
{
	size_t n = 0;

	for (size_t i = 0; i < message->count; i++)
		n += message->open[i] ? 1 : 0;
	return n;
}

/* The document, as a part of the request, and the account. */
static struct ocs_xml_notifications *read_message(struct inbox_message *message,
                                                  struct ocs_request *request,
                                                  struct ocs_refusal *refusal)
{
	const struct ocs_link_settings *settings = message->inbox->settings;
	struct ocs_xml_notifications *document = NULL;
	struct ocs_inbox_envelope envelope;
	struct ocs_inbox_input input = {
	        .envelope = &envelope,
	        .body = message->body,
	        .len = message->len,
	        .json_backend = settings->json_backend,
	        .json_folders = settings->json_folders,
	        .max_batch = settings->max_batch,
	};
	bool sender_ids;
	amqp_pool_t pool;

	init_amqp_pool(&pool, OCS_INBOX_POOL_PAGE);
	ocs_inbox_read_envelope(message, &pool, &envelope);
	input.takes_ids = envelope.ids_only && !message->consumer->ingest;
	if (ocs_inbox_read_document(request, &input, &document, &sender_ids, refusal) == 0) {
		request->account = account_of(message, &envelope, sender_ids, request);
		if (request->account == NULL ||
		    (message->count == 0 && !note_document(message, document))) {
			ocs_refuse_memory(refusal);
			document = NULL;
		}
	}
	request->count = count_open(message);
	/* Not from the ingest queue, which anybody may fill. */
	if (document != NULL && !message->consumer->ingest)
		ocs_inbox_read_ids(&envelope, request);
	empty_amqp_pool(&pool);
	return document;
}

static bool is_in(const uint64_t *users, const struct inbox_message *message)
{
	uint32_t bit = message->user % USERS_BITS;

	return (users[bit / 64] >> bit % 64 & 1) != 0;
}

static void add_to(uint64_t *users, const struct inbox_message *message)
{
	uint32_t bit = message->user % USERS_BITS;

	users[bit / 64] |= (uint64_t)1 << bit % 64;
}

/* One try: the document is read, and what has not ended of it submitted, unless an earlier one
 * about the same user waits. */
static void submit(struct inbox_message *message, const uint64_t *users)
{
	struct ocs_inbox *inbox = message->inbox;
	struct ocs_refusal refusal;
	struct ocs_request *request = talloc_zero(NULL, struct ocs_request);
	struct ocs_xml_notifications *document = NULL;
	struct inbox_attempt *attempt;

	ocs_refuse_memory(&refusal);
	if (request != NULL)
		document = read_message(message, request, &refusal);
	if (document == NULL) {
		talloc_free(request);
		refuse(message, &refusal);
		return;
	}
	if (request->count == 0 || is_in(users, message)) {
		talloc_free(request);
		if (count_open(message) == 0)
			finish(message);
		return;
	}
	attempt = ocs_inbox_attempt_new(message, request->count);
	if (attempt == NULL) {
		talloc_free(request);
		put_off(message, &refusal);
		return;
	}
	keep_open(message, document, attempt->which);
	request->items = document->items;
	request->results = document->results;
	request->done = ocs_inbox_attempt_done;
	request->owner = attempt;
	attempt->request = request;
	attempt->its_results = request->results;
	request->count_by = OCS_COUNT_DONE;
	if (message->tries > 0)
		OCS_LINK_COUNT(inbox->status, retried, 1);
	ocs_inbox_set_state(message, INBOX_RUNNING);
	if (message->consumer->ingest)
		inbox->host.submit(inbox->host.arg, request);
	else
		inbox->host.deliver(inbox->host.arg, request);
}

uint64_t ocs_inbox_submit_due(struct inbox_consumer *consumer)
{
	uint64_t users[USERS_BITS / 64] = {0}, now, next = UINT64_MAX;
	struct inbox_message *message, *following;

	if (consumer->waiting == 0)
		return next;
	now = ocs_clock_ms();
	for (message = consumer->list; message != NULL; message = following) {
		following = message->next;
		if (message->state != INBOX_WAITING)
			continue;
		if (consumer->n_alone > 0 && consumer->running > 0)
			return UINT64_MAX; /* its answer comes first */
		if (message->retry_at <= now && (message->count == 0 || !is_in(users, message)))
			submit(message, users);
		if (message->state != INBOX_WAITING)
			continue;
		if (message->retry_at > now && message->retry_at < next)
			next = message->retry_at;
		add_to(users, message);
	}
	return next;
}

/* ---- answers ---- */

static void take_answer(struct inbox_attempt *attempt)
{
	struct inbox_message *message = attempt->message;
	const struct ocs_refusal *trouble = NULL;
	struct ocs_refusal memory;

	if (message->consumer == NULL) {
		ocs_inbox_set_state(message, INBOX_DONE);
		return;
	}
	if (attempt->count == 0) {
		ocs_refuse_memory(&memory);
		trouble = &memory;
	}
	for (size_t i = 0; i < attempt->count; i++) {
		size_t which = attempt->which[i];
		struct ocs_result *result = &message->results[which];

		*result = attempt->results[i];
		if (message->for_store && result->status == OCS_STATUS_REFUSED &&
		    strcmp(result->refusal.name, "UNKNOWN_USER") == 0)
			result->status = OCS_STATUS_NOSUBSCRIBER; /* the session has ended */
		message->open[which] = result->status == OCS_STATUS_REFUSED &&
		                       ocs_inbox_is_transient(&result->refusal);
		/* What may go on for ever says more than what may not. */
		if (message->open[which] && (trouble == NULL || trouble->code == 500))
			trouble = &result->refusal;
	}
	if (attempt->answer != NULL)
		message->inbox->host.tell(message->inbox->host.arg,
		                          talloc_steal(NULL, attempt->answer));
	if (trouble != NULL)
		put_off(message, trouble);
	else
		finish(message);
}

void ocs_inbox_take_answers(struct ocs_inbox *inbox)
{
	struct inbox_attempt *attempt = ocs_inbox_mailbox_take(inbox->mailbox, false), *next;

	for (; attempt != NULL; attempt = next) {
		next = attempt->next;
		take_answer(attempt);
		ocs_inbox_attempt_free(attempt);
	}
}

/* ---- the host ---- */

bool ocs_inbox_healthy(struct ocs_inbox *inbox)
{
	uint64_t now = ocs_clock_ms();

	if (now >= inbox->health_at) {
		inbox->healthy = inbox->host.health(inbox->host.arg, &inbox->trouble) == 0;
		inbox->health_at = now + HEALTH_MS;
	}
	return inbox->healthy;
}
