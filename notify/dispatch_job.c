/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The end of a job: its sender is answered, what became of it is counted, its memory is freed. Any
 * thread. Touches the counters and, where the caller holds the lock, the list of the unanswered.
 */
#include "notify/dispatch_internal.h"

#include <talloc.h>

static bool comes_again(const struct ocs_request *request, const struct ocs_result *result)
{
	return request->count_by == OCS_COUNT_DONE && result->status == OCS_STATUS_REFUSED &&
	       (result->refusal.code >= 500 || result->refusal.code == 429);
}

void ocs_dispatch_count_received(struct ocs_dispatch *dispatch, const struct ocs_request *request)
{
	/* Of one that is tried again what ends is counted, as received and by its end. */
	if (request->count_by != OCS_COUNT_DONE)
		OCS_COUNT(dispatch, received, request->count);
}

void ocs_dispatch_count_results(struct ocs_dispatch *dispatch, const struct ocs_request *request,
                                const struct ocs_result *results)
{
	uint64_t ends[OCS_STATUS_REFUSED + 1] = {0}, n = 0;

	for (size_t i = 0; i < request->count; i++) {
		if (results == NULL && request->count_by == OCS_COUNT_DONE)
			continue;
		if (results != NULL && comes_again(request, &results[i]))
			continue;
		ends[results == NULL ? OCS_STATUS_REFUSED : results[i].status]++;
		n++;
	}
	if (request->count_by == OCS_COUNT_DONE)
		OCS_COUNT(dispatch, received, n);
	OCS_COUNT(dispatch, queued, ends[OCS_STATUS_QUEUED]);
	OCS_COUNT(dispatch, nosubscriber, ends[OCS_STATUS_NOSUBSCRIBER]);
	OCS_COUNT(dispatch, duplicate, ends[OCS_STATUS_DUPLICATE]);
	OCS_COUNT(dispatch, refused, ends[OCS_STATUS_REFUSED]);
	if (n > ends[OCS_STATUS_REFUSED])
		atomic_store_explicit(&dispatch->counters.last_success_us, ocs_now_us(),
		                      memory_order_relaxed);
}

/* What its sender is told now. */
static void count_results(struct ocs_dispatch *dispatch, const struct ocs_request *request,
                          const struct ocs_result *results)
{
	if (request->count_by != OCS_COUNT_NONE)
		ocs_dispatch_count_results(dispatch, request, results);
}

/* lock is held */
void ocs_dispatch_job_unlist(struct ocs_dispatch *dispatch, struct job *job)
{
	if (job->all_next != NULL)
		job->all_next->all_previous = job->all_previous;
	if (job->all_previous != NULL)
		job->all_previous->all_next = job->all_next;
	else if (dispatch->all == job)
		dispatch->all = job->all_next;
}

void ocs_dispatch_job_free(struct ocs_dispatch *dispatch, struct job *job)
{
	for (size_t i = 0; i < job->request->count; i++) {
		ocs_dispatch_pending_end(&job->items[i]);
		for (size_t p = 0; p < job->items[i].n_pending; p++)
			ocs_dispatch_snapshot_put(dispatch, job->items[i].pending[p].snapshot);
	}
	talloc_free(job->request); /* and with it the job */
}

void ocs_dispatch_job_finish(struct ocs_dispatch *dispatch, struct job *job)
{
	struct ocs_request *request = job->request;

	count_results(dispatch, request, request->results);
	request->done(request->owner, request->results, request->count);
	ocs_dispatch_job_free(dispatch, job);
}

/* Answers instead of the store thread: all that has not ended is refused. */
void ocs_dispatch_answer(struct ocs_dispatch *dispatch, const struct ocs_request *request, int code,
                         const char *name, const char *text)
{
	struct ocs_result *results = talloc_zero_array(NULL, struct ocs_result, request->count);

	for (size_t i = 0; results != NULL && i < request->count; i++)
		ocs_result_refuse(&results[i], code, name, "%s", text);
	count_results(dispatch, request, results);
	request->done(request->owner, results, results != NULL ? request->count : 0);
	talloc_free(results);
}
