/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The end of a job: its sender is answered, what became of it is counted, its memory is freed. Any
 * thread. Touches the counters and, where the caller holds the lock, the list of the unanswered.
 */
#include "notify/dispatch_internal.h"

#include <talloc.h>
#include <utlist.h>

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
	DL_DELETE2(dispatch->all, job, all_prev, all_next);
}

void ocs_dispatch_job_free(struct job *job)
{
	talloc_free(job->request); /* and with it the job */
}

bool ocs_dispatch_rename(const struct dispatch_config *config, struct job *job)
{
	for (size_t i = 0; i < job->request->count; i++) {
		struct item *item = &job->items[i];

		if (item->state != ITEM_NEW)
			continue;
		item->notification = ocs_dispatch_canonical(config, job, &job->request->items[i]);
		if (item->notification == NULL)
			return false;
	}
	job->generation = config->generation;
	return true;
}

void ocs_dispatch_job_finish(struct ocs_dispatch *dispatch, struct job *job)
{
	struct ocs_request *request = job->request;

	count_results(dispatch, request, request->results);
	request->done(request->owner, request->results, request->count);
	ocs_dispatch_job_free(job);
}

/* Answers instead of the store thread: all that has not ended is refused. */
struct ocs_result *ocs_dispatch_answer_room(const struct ocs_request *request)
{
	return talloc_zero_array(NULL, struct ocs_result, request->count);
}

void ocs_dispatch_answer(struct ocs_dispatch *dispatch, const struct ocs_request *request,
                         struct ocs_result *results, int code, const char *name, const char *text)
{
	for (size_t i = 0; results != NULL && i < request->count; i++)
		ocs_result_refuse(&results[i], code, name, "%s", text);
	count_results(dispatch, request, results);
	request->done(request->owner, results, results != NULL ? request->count : 0);
	talloc_free(results);
}
