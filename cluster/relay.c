/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * A request is given to dispatch, and then put into the outbox, a message for each notification
 * (more where very many users see it): it carries what dispatch calls the things that it is about,
 * so that they are called the same on other nodes. What dispatch could not do is handed on all the
 * same. Whichever ends last answers.
 *
 * What a notification was to this node does not decide whether it is handed on: a duplicate here
 * may be one whose first handing on failed. The nodes that get it tell by its id.
 */
#include "cluster/relay.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <talloc.h>

#define TEXT_SIZE 160

/* How the parts of one notification ended, as bits. */
#define BIT(end) (1u << (end))

struct item {
	atomic_uint ends;
};

/* A request on its way through both. Freed when it is answered and dispatch has let go of it too,
 * which may come later: past its deadline dispatch answers for a request that it still works on. */
struct join {
	struct ocs_relay *relay; /* within its gate */
	struct ocs_relay_gate *gate;
	struct ocs_dispatch *dispatch; /* which outlives the relay, and may answer after its end */
	bool relays;                   /* nothing is delivered here */
	struct ocs_request *request;
	const struct ocs_request *delivered;  /* dispatch's; valid in local_done() if it is done */
	const struct ocs_result *its_results; /* by which that is told: to be compared only */
	struct ocs_result *local;             /* as dispatch answered */
	struct part *parts;
	size_t n_parts;
	struct item *items;
	atomic_uint waiting; /* answers outstanding */
	atomic_uint holders;
	atomic_bool local_failed; /* dispatch was out of memory */
	atomic_flag told;
	char why[TEXT_SIZE]; /* of the first part that failed; by who set told */
	atomic_bool why_set;
};

struct part {
	struct join *join;
	size_t item;
	struct ocs_message *message;
	char *const *users; /* whom it is for; NULL with ingest */
	size_t n_users;
};

/* ---- the way to the outbox, which dispatch outlives ---- */

/* Kept by the relay and by every request on its way. */
struct ocs_relay_gate {
	pthread_mutex_t lock;
	pthread_cond_t left;
	unsigned inside, references;
	bool closed;
};

static bool gate_enter(struct ocs_relay_gate *gate)
{
	bool open;

	pthread_mutex_lock(&gate->lock);
	open = !gate->closed;
	if (open)
		gate->inside++;
	pthread_mutex_unlock(&gate->lock);
	return open;
}

static void gate_leave(struct ocs_relay_gate *gate)
{
	pthread_mutex_lock(&gate->lock);
	if (--gate->inside == 0)
		pthread_cond_broadcast(&gate->left);
	pthread_mutex_unlock(&gate->lock);
}

static struct ocs_relay_gate *gate_get(struct ocs_relay_gate *gate)
{
	pthread_mutex_lock(&gate->lock);
	gate->references++;
	pthread_mutex_unlock(&gate->lock);
	return gate;
}

static void gate_put(struct ocs_relay_gate *gate)
{
	bool last;

	pthread_mutex_lock(&gate->lock);
	last = --gate->references == 0;
	pthread_mutex_unlock(&gate->lock);
	if (!last)
		return;
	pthread_cond_destroy(&gate->left);
	pthread_mutex_destroy(&gate->lock);
	talloc_free(gate);
}

int ocs_relay_init(struct ocs_relay *relay)
{
	snprintf(relay->prefix, sizeof(relay->prefix), "%.*s-%" PRIx64, OCS_NODE_NAME_MAX,
	         relay->settings->node, ocs_now_us());
	relay->gate = talloc_zero(NULL, struct ocs_relay_gate);
	if (relay->gate == NULL)
		return -1;
	pthread_mutex_init(&relay->gate->lock, NULL);
	pthread_cond_init(&relay->gate->left, NULL);
	relay->gate->references = 1;
	return 0;
}

void ocs_relay_end(struct ocs_relay *relay)
{
	struct ocs_relay_gate *gate = relay->gate;

	pthread_mutex_lock(&gate->lock);
	gate->closed = true;
	while (gate->inside > 0)
		pthread_cond_wait(&gate->left, &gate->lock);
	pthread_mutex_unlock(&gate->lock);
}

void ocs_relay_free(struct ocs_relay *relay)
{
	gate_put(relay->gate);
}

static void next_id(struct ocs_relay *relay, char id[OCS_MESSAGE_ID_SIZE])
{
	snprintf(id, OCS_MESSAGE_ID_SIZE, "%s-%" PRIx64, relay->prefix,
	         (uint64_t)atomic_fetch_add(&relay->next, 1));
}

static void let_go(struct join *join)
{
	if (atomic_fetch_sub(&join->holders, 1) > 1)
		return;
	gate_put(join->gate);
	talloc_free(join->request);
	talloc_free(join);
}

static void join_result(const struct join *join, size_t i, struct ocs_result *result)
{
	unsigned ends = atomic_load(&join->items[i].ends);
	bool elsewhere = (ends & (BIT(OCS_OUTBOX_CONFIRMED) | BIT(OCS_OUTBOX_SPOOLED))) != 0;

	if (result->status == OCS_STATUS_REFUSED)
		return;
	if (join->relays) {
		result->status = OCS_STATUS_QUEUED;
		result->queues = 0;
	} else {
		*result = join->local[i];
		/* Nobody knows the user here; another node does, or cannot be asked now. */
		if ((elsewhere || (ends & BIT(OCS_OUTBOX_FAILED)) != 0) &&
		    result->status == OCS_STATUS_REFUSED &&
		    strcmp(result->refusal.name, "UNKNOWN_USER") == 0)
			result->status = OCS_STATUS_NOSUBSCRIBER;
		if (result->status == OCS_STATUS_REFUSED)
			return;
	}
	if ((ends & BIT(OCS_OUTBOX_FAILED)) != 0 ||
	    (join->relays && (ends & BIT(OCS_OUTBOX_RETURNED)) != 0))
		ocs_result_refuse(result, 503, "BROKER_UNAVAILABLE", "%s; try again",
		                  atomic_load(&join->why_set) ? join->why
		                                              : "the broker did not answer for it");
	else if (result->status == OCS_STATUS_NOSUBSCRIBER && elsewhere) {
		result->status = OCS_STATUS_QUEUED;
		result->queues = 0;
	}
}

/* One of the answers is there. */
static void arrived(struct join *join)
{
	struct ocs_request *request = join->request;

	if (atomic_fetch_sub(&join->waiting, 1) > 1)
		return;
	if (atomic_load(&join->local_failed)) {
		ocs_dispatch_count_results(join->dispatch, request, NULL);
		request->done(request->owner, NULL, 0);
	} else {
		for (size_t i = 0; i < request->count; i++)
			join_result(join, i, &request->results[i]);
		ocs_dispatch_count_results(join->dispatch, request, request->results);
		request->done(request->owner, request->results, request->count);
	}
	let_go(join);
}

static void part_done(void *owner, enum ocs_outbox_end end, const char *text)
{
	struct part *part = owner;
	struct join *join = part->join;

	atomic_fetch_or(&join->items[part->item].ends, BIT(end));
	if (end == OCS_OUTBOX_FAILED && !atomic_flag_test_and_set(&join->told)) {
		snprintf(join->why, sizeof(join->why), "%s", text);
		atomic_store(&join->why_set, true);
	}
	arrived(join);
}

static void hand_on(struct ocs_relay *relay, struct part *part)
{
	if (!atomic_load(&relay->status->name_taken)) {
		ocs_outbox_put(relay->outbox, part->message, part_done, part);
		return;
	}
	/* The other one would take it for a message of its own. */
	talloc_free(part->message);
	part_done(part, OCS_OUTBOX_FAILED, OCS_LINK_NAME_TAKEN);
}

/* What is told of the users of a message. They are in the same order as a rule. */
static void tell_ids(const struct part *part, const struct ocs_ids_list *known)
{
	struct ocs_ids_list list = {.replica_id = known->replica_id};
	size_t at = 0;

	list.ids = talloc_array(NULL, struct ocs_ids, part->n_users + 1);
	for (size_t i = 0; list.ids != NULL && i < part->n_users; i++) {
		for (size_t j = 0; j < known->n; j++) {
			const struct ocs_ids *ids = &known->ids[(at + j) % known->n];

			if (strcmp(ids->user, part->users[i]) != 0)
				continue;
			list.ids[list.n++] = *ids;
			at = (at + j + 1) % known->n;
			break;
		}
	}
	/* Without memory it goes without them. */
	if (list.n > 0)
		(void)ocs_message_set_ids(part->message, &list);
	talloc_free(list.ids);
}

/* local NULL: nothing is known of identifiers. */
static void hand_on_all(struct join *join, const struct ocs_request *local)
{
	struct ocs_relay *relay = join->relay;

	if (!gate_enter(join->gate)) {
		for (size_t i = 0; i < join->n_parts; i++) {
			talloc_free(join->parts[i].message);
			part_done(&join->parts[i], OCS_OUTBOX_FAILED, "the service is stopping");
		}
		return;
	}
	for (size_t i = 0; i < join->n_parts; i++) {
		if (local != NULL)
			tell_ids(&join->parts[i], &local->known[join->parts[i].item]);
		hand_on(relay, &join->parts[i]);
	}
	gate_leave(join->gate);
}

static void local_done(void *owner, const struct ocs_result *results, size_t count)
{
	struct join *join = owner;

	if (count == join->request->count)
		memcpy(join->local, results, count * sizeof(*results));
	else
		atomic_store(&join->local_failed, true);
	/* An answer in its place, past the deadline, says nothing of what dispatch still does. */
	hand_on_all(join, results != NULL && results == join->its_results ? join->delivered : NULL);
	arrived(join);
}

/* Dispatch frees the request it was given, with this as its last act. */
static int local_freed(struct ocs_request *local)
{
	let_go(local->owner);
	return 0;
}

/* ---- the messages ---- */

/* The parts of the join are right also on failure. */
static int add_part(struct join *join, size_t item, char *const *users, size_t n_users)
{
	struct ocs_relay *relay = join->relay;
	const struct ocs_request *request = join->request;
	struct part *grown = talloc_realloc(join, join->parts, struct part, join->n_parts + 1);
	struct ocs_message *message;
	char id[OCS_MESSAGE_ID_SIZE];

	if (grown == NULL)
		return -1;
	join->parts = grown;
	next_id(relay, id);
	message = ocs_message_new(NULL, id, request->account, ocs_now_us(),
	                          (const char *const *)users, n_users, &request->items[item]);
	if (message == NULL)
		return -1;
	grown[join->n_parts++] = (struct part){
	        .join = join, .item = item, .message = message, .users = users, .n_users = n_users};
	return 0;
}

static int make_parts(struct join *join)
{
	const struct ocs_request *request = join->request;
	bool relay = join->relay->settings->relay;

	for (size_t i = 0; i < request->count; i++) {
		size_t n_users = 0, from = 0;
		char **users = NULL;

		if (request->results[i].status == OCS_STATUS_REFUSED)
			continue;
		if (!relay) {
			users = ocs_dispatch_recipients(join->dispatch, join, &request->items[i],
			                                &n_users);
			if (users == NULL)
				return -1;
			if (n_users == 0)
				continue; /* dispatch refuses it */
		}
		do {
			size_t take = n_users - from;

			if (take > OCS_MESSAGE_KEYS_MAX)
				take = OCS_MESSAGE_KEYS_MAX;
			if (add_part(join, i, users != NULL ? users + from : NULL, take) != 0)
				return -1;
			from += take;
		} while (from < n_users);
	}
	return 0;
}

static struct ocs_request *make_local(struct join *join)
{
	const struct ocs_request *request = join->request;
	struct ocs_request *local = talloc(NULL, struct ocs_request);

	if (local == NULL)
		return NULL;
	*local = *request;
	local->results =
	        talloc_memdup(local, request->results, request->count * sizeof(*request->results));
	local->done = local_done;
	local->owner = join;
	/* What dispatch answers is not yet what the sender is told. */
	local->count_by = OCS_COUNT_NONE;
	local->known = talloc_zero_array(local, struct ocs_ids_list, request->count);
	join->delivered = local;
	join->its_results = local->results;
	if (local->results == NULL || local->known == NULL)
		TALLOC_FREE(local);
	return local;
}

static void refuse_all(struct ocs_relay *relay, struct ocs_request *request)
{
	ocs_dispatch_count_results(relay->dispatch, request, NULL);
	request->done(request->owner, NULL, 0);
	talloc_free(request);
}

void ocs_relay_submit(struct ocs_relay *relay, struct ocs_request *request)
{
	bool deliver = !relay->settings->relay;
	struct join *join = talloc_zero(NULL, struct join);
	struct ocs_request *local = NULL;

	ocs_dispatch_count_received(relay->dispatch, request);
	if (join == NULL) {
		refuse_all(relay, request);
		return;
	}
	join->relay = relay;
	join->dispatch = relay->dispatch;
	join->relays = relay->settings->relay;
	join->request = request;
	atomic_flag_clear(&join->told);
	join->items = talloc_zero_array(join, struct item, request->count);
	join->local = talloc_zero_array(join, struct ocs_result, request->count);
	if (deliver)
		local = make_local(join);
	if (join->items == NULL || join->local == NULL || (deliver && local == NULL) ||
	    make_parts(join) != 0) {
		for (size_t i = 0; i < join->n_parts; i++)
			talloc_free(join->parts[i].message);
		talloc_free(local);
		talloc_free(join);
		refuse_all(relay, request);
		return;
	}
	/* Whoever hands on is one more, so that no answer is the last before all are under way. */
	atomic_store(&join->waiting, 1 + (unsigned)join->n_parts);
	atomic_store(&join->holders, deliver ? 2 : 1);
	join->gate = gate_get(relay->gate);
	if (deliver) {
		talloc_set_destructor(local, local_freed);
		ocs_dispatch_submit(relay->dispatch, local);
	} else {
		OCS_LINK_COUNT(relay->status, relayed, join->n_parts);
		hand_on_all(join, NULL);
		arrived(join);
	}
}

/* ---- a message to one node ---- */

static void told(void *owner, enum ocs_outbox_end end, const char *text)
{
	(void)owner;
	(void)end;
	(void)text;
}

void ocs_relay_tell(struct ocs_relay *relay, struct ocs_message *message)
{
	if (atomic_load(&relay->status->name_taken)) {
		talloc_free(message);
		return;
	}
	next_id(relay, message->id);
	ocs_outbox_put(relay->outbox, message, told, NULL);
}
