/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Where notifications come in: numbered, done at once by the fast path if that can, else handed to
 * the store thread with a deadline. The caller's thread. Touches the lists of jobs under their
 * lock.
 */
#include "notify/dispatch_internal.h"

#include <talloc.h>

void ocs_dispatch_submit(struct ocs_dispatch *dispatch, struct ocs_request *request)
{
	struct dispatch_config *config;
	struct job *job = talloc_zero(request, struct job);
	bool stopping;
	uint64_t first;

	if (request->count_by != OCS_COUNT_NONE)
		ocs_dispatch_count_received(dispatch, request);
	if (job != NULL)
		job->items = talloc_zero_array(job, struct item, request->count);
	if (job == NULL || job->items == NULL) {
		ocs_health_no_memory(dispatch->health);
		ocs_dispatch_answer(dispatch, request, 500, "INTERNAL", "out of memory");
		talloc_free(request);
		return;
	}
	job->request = request;
	job->accepted_at = ocs_now_us();
	first = ocs_sequence_take(dispatch->sequence, request->count);
	for (size_t i = 0; i < request->count; i++) {
		job->items[i].notification = &request->items[i];
		job->items[i].result = &request->results[i];
		job->items[i].sequence = first + i;
		if (request->results[i].status == OCS_STATUS_REFUSED)
			job->items[i].state = ITEM_ENDED;
	}
	if (ocs_dispatch_fast(dispatch, job)) {
		ocs_dispatch_job_finish(dispatch, job);
		return;
	}
	config = ocs_dispatch_config_get(dispatch);
	job->deadline = ocs_clock_ns() + config->settings.request_deadline * OCS_CLOCK_SECOND;
	ocs_dispatch_config_put(dispatch, config);
	pthread_mutex_lock(&dispatch->lock);
	stopping = dispatch->stopping;
	if (!stopping) {
		job->previous = dispatch->last;
		if (dispatch->last != NULL)
			dispatch->last->next = job;
		else
			dispatch->first = job;
		dispatch->last = job;
		job->all_next = dispatch->all;
		if (dispatch->all != NULL)
			dispatch->all->all_previous = job;
		if (dispatch->all == NULL)
			pthread_cond_signal(&dispatch->waiting);
		dispatch->all = job;
		pthread_cond_signal(&dispatch->work);
	}
	pthread_mutex_unlock(&dispatch->lock);
	if (stopping) {
		ocs_dispatch_answer(dispatch, request, 503, "OVERLOADED",
		                    "the service is stopping");
		ocs_dispatch_job_free(dispatch, job);
	}
}

char **ocs_dispatch_recipients(struct ocs_dispatch *dispatch, const void *mem_ctx,
                               const struct ocs_notification *notification, size_t *n_r)
{
	struct dispatch_config *config = ocs_dispatch_config_get(dispatch);
	const char **users = NULL;
	char **copy = NULL;
	size_t n = 0;

	if (ocs_dispatch_has_backend(config, notification->backend))
		users = ocs_dispatch_users(config, NULL, notification, &n);
	else
		users = talloc_array(NULL, const char *, 1);
	if (users != NULL)
		copy = talloc_array(mem_ctx, char *, n + 1);
	/* The names belong to the map, which a reload may replace. */
	for (size_t i = 0; i < n && copy != NULL; i++) {
		copy[i] = talloc_strdup(copy, users[i]);
		if (copy[i] == NULL)
			TALLOC_FREE(copy);
	}
	talloc_free(users);
	ocs_dispatch_config_put(dispatch, config);
	*n_r = n;
	return copy;
}
