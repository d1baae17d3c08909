/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The deadline thread: a request is answered in time even if the store thread hangs, and health is
 * told who holds it up. Touches the lists of jobs under their lock; asks the files who has locked
 * them.
 */
#include "notify/dispatch_internal.h"

#include <syslog.h>
#include <time.h>
#include <utlist.h>

#define DEADLINE_STEP (50 * 1000000ULL)
#define STUCK_NS      (2 * OCS_CLOCK_SECOND) /* a store operation this long is reported as trouble */

static void lock_text(struct ocs_dispatch *dispatch, struct ocs_error *reason)
{
	const char *file = "registry.tdb";
	pid_t holder;

	pthread_mutex_lock(&dispatch->queues_lock); /* the file may be exchanged */
	holder = ocs_store_lock_holder(ocs_registry_store(dispatch->registry));
	pthread_mutex_unlock(&dispatch->queues_lock);

	if (holder == 0) {
		holder = ocs_store_lock_holder(ocs_index_store(dispatch->index));
		file = "index.tdb";
	}
	if (holder != 0)
		ocs_error_set(reason, "process %d holds the lock of %s", (int)holder, file);
	else
		ocs_error_set(reason, "the disk is slow");
}

/* lock is held. The job, taken out of all lists and not to be freed by the store thread, or NULL.
 */
static struct job *overdue(struct ocs_dispatch *dispatch, uint64_t now)
{
	for (struct job *job = dispatch->all; job != NULL; job = job->all_next) {
		if (job->deadline > now)
			continue;
		ocs_dispatch_job_unlist(dispatch, job);
		if (!job->running)
			DL_DELETE(dispatch->first, job);
		return job;
	}
	return NULL;
}

static void answer_overdue(struct ocs_dispatch *dispatch)
{
	struct ocs_result *results;
	struct ocs_request copy;
	struct ocs_error why;
	struct job *job;
	bool running;

	for (;;) {
		pthread_mutex_lock(&dispatch->lock);
		job = overdue(dispatch, ocs_clock_ns());
		if (job == NULL) {
			pthread_mutex_unlock(&dispatch->lock);
			return;
		}
		copy = *job->request;
		/* While the request is there, so that its owner can tell them from its own. */
		results = ocs_dispatch_answer_room(&copy);
		running = job->running;
		job->answered = true;
		/* Once unlocked, the store thread may free a running job. */
		pthread_mutex_unlock(&dispatch->lock);
		lock_text(dispatch, &why);
		ocs_dispatch_log(dispatch, LOG_ERR,
		                 "a request was not done within its deadline: %s", why.text);
		ocs_dispatch_answer(dispatch, &copy, results, 503, "REGISTRY_UNAVAILABLE",
		                    "the registry did not answer in time; try again");
		if (!running)
			ocs_dispatch_job_free(job);
	}
}

void *ocs_dispatch_deadline_thread(void *arg)
{
	struct ocs_dispatch *dispatch = arg;
	struct timespec step = {.tv_nsec = DEADLINE_STEP};
	bool runs = true;

	while (runs) {
		pthread_mutex_lock(&dispatch->lock);
		while (dispatch->all == NULL && dispatch->deadline_thread_runs)
			pthread_cond_wait(&dispatch->waiting, &dispatch->lock);
		runs = dispatch->deadline_thread_runs;
		pthread_mutex_unlock(&dispatch->lock);
		answer_overdue(dispatch);
		if (runs)
			nanosleep(&step, NULL);
	}
	return NULL;
}

int ocs_dispatch_is_stuck(void *arg, struct ocs_error *reason)
{
	struct ocs_dispatch *dispatch = arg;
	uint64_t since = atomic_load(&dispatch->busy_since), now = ocs_clock_ns();
	struct dispatch_config *config;
	struct ocs_error why;
	uint64_t limit;

	config = ocs_dispatch_config_get(dispatch);
	limit = config->settings.request_deadline * OCS_CLOCK_SECOND;
	ocs_dispatch_config_put(dispatch, config);
	if (limit > STUCK_NS)
		limit = STUCK_NS;
	if (since == 0 || now < since + limit)
		return 0;
	lock_text(dispatch, &why);
	return ocs_error_set(reason, "a commit has been waiting for %.1f s: %s",
	                     (double)(now - since) / (double)OCS_CLOCK_SECOND, why.text);
}
