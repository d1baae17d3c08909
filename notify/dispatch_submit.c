/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Where notifications come in: numbered, done at once by the fast path if that can, else handed to
 * the store thread with a deadline. The caller's thread. Touches the lists of jobs under their
 * lock.
 */
#include "notify/dispatch_internal.h"

#include <talloc.h>
#include <utlist.h>

#include "registry/bind_request.h"

static void refuse_no_memory(struct ocs_dispatch *dispatch, struct ocs_request *request)
{
	ocs_health_no_memory(dispatch->health);
	ocs_dispatch_answer(dispatch, request, ocs_dispatch_answer_room(request), 500, "INTERNAL",
	                    "out of memory");
	talloc_free(request);
}

static bool make_items(struct ocs_dispatch *dispatch, const struct dispatch_config *config,
                       struct job *job)
{
	const struct ocs_request *request = job->request;
	uint64_t first = ocs_sequence_take(dispatch->sequence, request->count);

	for (size_t i = 0; i < request->count; i++) {
		struct item *item = &job->items[i];

		item->notification = &request->items[i];
		item->result = &request->results[i];
		item->sequence = first + i;
		if (request->results[i].status == OCS_STATUS_REFUSED)
			item->state = ITEM_ENDED;
	}
	return ocs_dispatch_rename(config, job);
}

void ocs_dispatch_submit(struct ocs_dispatch *dispatch, struct ocs_request *request)
{
	struct dispatch_config *config;
	struct job *job = talloc_zero(request, struct job);
	bool stopping, named, first;
	unsigned deadline;

	if (request->count_by != OCS_COUNT_NONE)
		ocs_dispatch_count_received(dispatch, request);
	if (job != NULL)
		job->items = talloc_zero_array(job, struct item, request->count);
	if (job == NULL || job->items == NULL) {
		refuse_no_memory(dispatch, request);
		return;
	}
	job->request = request;
	job->accepted_at = ocs_now_us();
	config = ocs_dispatch_config_get(dispatch);
	deadline = config->settings.request_deadline;
	named = make_items(dispatch, config, job);
	ocs_dispatch_config_put(dispatch, config);
	if (!named) {
		refuse_no_memory(dispatch, request);
		return;
	}
	if (ocs_dispatch_fast(dispatch, job)) {
		ocs_dispatch_job_finish(dispatch, job);
		return;
	}
	job->deadline = ocs_clock_ns() + deadline * OCS_CLOCK_SECOND;
	pthread_mutex_lock(&dispatch->lock);
	stopping = dispatch->stopping;
	first = dispatch->all == NULL;
	if (!stopping) {
		DL_APPEND(dispatch->first, job);
		DL_PREPEND2(dispatch->all, job, all_prev, all_next);
	}
	pthread_mutex_unlock(&dispatch->lock);
	if (stopping) {
		ocs_dispatch_answer(dispatch, request, ocs_dispatch_answer_room(request), 503,
		                    "OVERLOADED", "the service is stopping");
		ocs_dispatch_job_free(job);
		return;
	}
	/* The job may have ended by now. Not under the lock, which whoever wakes takes first. */
	pthread_cond_signal(&dispatch->work);
	if (first)
		pthread_cond_signal(&dispatch->waiting);
}

/* The stores too: a session elsewhere may see one (ocsnotify_session_map()). A name that is too
 * long is not bound by anybody. */
static bool add_stores(const struct ocs_notification *notification, char **names, size_t *n)
{
	const char *backends[] = {notification->backend, notification->old_backend};
	char name[OCS_USER_MAX + 1];

	for (size_t i = 0; i < 2; i++) {
		if (backends[i] == NULL ||
		    ocs_bind_store_name(name, backends[i], notification->backend_user) != 0)
			continue;
		names[*n] = talloc_strdup(names, name);
		if (names[(*n)++] == NULL)
			return false;
	}
	return true;
}

static char **recipients(const struct dispatch_config *config, const void *work,
                         const void *mem_ctx, const struct ocs_notification *notification,
                         size_t *n_r)
{
	const char **users = ocs_dispatch_users(config, work, notification, n_r);
	char **names = users != NULL ? talloc_array(mem_ctx, char *, *n_r + 2) : NULL;

	/* The names belong to the map, which a reload may replace. */
	for (size_t i = 0; i < *n_r && names != NULL; i++) {
		names[i] = talloc_strdup(names, users[i]);
		if (names[i] == NULL)
			TALLOC_FREE(names);
	}
	if (names != NULL && !add_stores(notification, names, n_r))
		TALLOC_FREE(names);
	return names;
}

char **ocs_dispatch_recipients(struct ocs_dispatch *dispatch, const void *mem_ctx,
                               const struct ocs_notification *notification, size_t *n_r)
{
	struct dispatch_config *config = ocs_dispatch_config_get(dispatch);
	void *work = talloc_new(NULL);
	char **names = NULL;

	*n_r = 0;
	notification = work != NULL ? ocs_dispatch_canonical(config, work, notification) : NULL;
	if (notification != NULL && ocs_dispatch_unknown_backend(config, notification) != NULL)
		names = talloc_array(mem_ctx, char *, 1);
	else if (notification != NULL)
		names = recipients(config, work, mem_ctx, notification, n_r);
	talloc_free(work);
	ocs_dispatch_config_put(dispatch, config);
	return names;
}
