/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The store thread of dispatch: takes waiting requests, a batch at a time, has them done
 * (dispatch_batch.c), ends them, and keeps house in between. It alone uses the registry, the index
 * and the journals.
 */
#include "notify/dispatch_internal.h"

#include <pthread.h>
#include <stdio.h>
#include <syslog.h>
#include <time.h>
#include <utlist.h>

#include "base/clock.h"
#include "base/plural.h"

#define BATCH_MAX     256 /* requests taken at once by the store thread */
#define SYNC_NS       (50 * 1000000ULL)
#define BUILD_NS      (20 * 1000000ULL) /* between steps of preparing the index for searches */
#define IDLE_NS       (500 * 1000000ULL)
#define APPLY_NS      OCS_CLOCK_SECOND       /* the message log reaches the index so soon */
#define APPLY_MAX     8192                   /* or when there are so many */
#define JANITOR_NS    (5 * OCS_CLOCK_SECOND) /* well within the 30 s that the dead are given */
#define GONE_NS       (100 * 1000000ULL) /* queues that their owners removed are looked for so often */
#define GONE_AFTER_NS OCS_CLOCK_SECOND /* and for so long after the registry changed */
#define VISIT_NS      (100 * 1000000ULL)

/* lock is held; waits for work, at most until the next housekeeping. */
static size_t take_jobs(struct ocs_dispatch *dispatch, struct job **jobs)
{
	uint64_t most =
	        dispatch->builds     ? BUILD_NS
	        : dispatch->unsynced ? SYNC_NS
	        : atomic_load(&dispatch->open_descriptors) > 0 || atomic_load(&dispatch->visited)
	                ? GONE_NS
	                : IDLE_NS;
	uint64_t end = ocs_clock_ns() + most;
	size_t n = 0;

	while (dispatch->first == NULL && !dispatch->stopping) {
		uint64_t owed = atomic_load(&dispatch->next_owed);
		struct timespec until = ocs_clock_at(owed < end ? owed : end);

		if (pthread_cond_timedwait(&dispatch->work, &dispatch->lock, &until) != 0)
			break;
	}
	while (dispatch->first != NULL && n < BATCH_MAX) {
		jobs[n] = dispatch->first;
		DL_DELETE(dispatch->first, jobs[n]);
		jobs[n++]->running = true;
	}
	return n;
}

static void report_damage(struct ocs_dispatch *dispatch)
{
	uint64_t damaged = ocs_registry_damaged(dispatch->registry);

	if (damaged == dispatch->damaged_seen)
		return;
	ocs_dispatch_log(
	        dispatch, LOG_ERR,
	        "%s: %llu damaged %s skipped; the sessions concerned hear nothing "
	        "until they subscribe anew",
	        ocs_store_path(ocs_registry_store(dispatch->registry)),
	        (unsigned long long)(damaged - dispatch->damaged_seen),
	        ocs_plural(damaged - dispatch->damaged_seen, "record was", "records were"));
	dispatch->damaged_seen = damaged;
}

static void visit(struct ocs_dispatch *dispatch, uint64_t now)
{
	if (!atomic_load(&dispatch->visited) || now - dispatch->last_visit < VISIT_NS)
		return;
	pthread_mutex_lock(&dispatch->visit_lock);
	if (dispatch->visit != NULL)
		dispatch->visit(dispatch->visit_arg, dispatch->registry);
	pthread_mutex_unlock(&dispatch->visit_lock);
	dispatch->last_visit = now;
}

static void housekeeping(struct ocs_dispatch *dispatch)
{
	uint64_t now = ocs_clock_ns();
	struct dispatch_config *config = ocs_dispatch_config_get(dispatch);
	struct ocs_error error;

	if (dispatch->unsynced && now - dispatch->last_sync >= SYNC_NS) {
		if (config->settings.sync == OCS_SYNC_INTERVAL &&
		    ocs_store_sync(ocs_registry_store(dispatch->registry), &error) != 0)
			ocs_dispatch_store_failed(dispatch, &error);
		dispatch->unsynced = false;
		dispatch->last_sync = now;
	}
	ocs_dispatch_wake_owed(dispatch, now);
	ocs_dispatch_drops_tell(dispatch, &config->settings);
	if (ocs_sequence_reserve(dispatch->sequence, &error) != 0)
		ocs_dispatch_log(dispatch, LOG_ERR, "%s", error.text);
	ocs_dispatch_config_put(dispatch, config);
	/* Applying starts the journal anew: one that is gone is said and made again before. */
	if ((ocs_message_log_waiting(dispatch->message_log) >= APPLY_MAX ||
	     (ocs_message_log_waiting(dispatch->message_log) > 0 &&
	      now - dispatch->last_apply >= APPLY_NS)) &&
	    ocs_dispatch_watch_before(dispatch, &error) == 0) {
		OCS_COUNT(dispatch, commits, 1);
		if (ocs_message_log_apply(dispatch->message_log, &error) != 0)
			ocs_dispatch_store_failed(dispatch, &error);
		dispatch->last_apply = ocs_clock_ns();
	}
	if (dispatch->seqnum_seen != ocs_registry_seqnum(dispatch->registry)) {
		dispatch->seqnum_seen = ocs_registry_seqnum(dispatch->registry);
		dispatch->last_change = now;
	}
	/* An owner unlinks a queue a moment after it took it out of the registry. */
	if (now - dispatch->last_gone >= GONE_NS && now - dispatch->last_change <= GONE_AFTER_NS) {
		ocs_dispatch_queues_close_gone(dispatch);
		dispatch->last_gone = now;
	}
	if (now - dispatch->last_index >= OCS_CLOCK_SECOND) {
		ocs_dispatch_index_watch(dispatch);
		dispatch->last_index = now;
	}
	if (now - dispatch->last_agree >= OCS_CLOCK_SECOND) {
		ocs_dispatch_agree_switch(dispatch);
		dispatch->last_agree = ocs_clock_ns();
	}
	ocs_dispatch_index_build(dispatch, now);
	report_damage(dispatch);
	ocs_dispatch_watch(dispatch, now);
	visit(dispatch, now);
	if (now - dispatch->last_janitor >= JANITOR_NS) {
		ocs_dispatch_janitor(dispatch);
		if (ocs_dispatch_spill_mend(dispatch, &error) != 0)
			ocs_dispatch_store_failed(dispatch, &error);
		ocs_dispatch_queues_close_idle(dispatch);
		dispatch->last_janitor = ocs_clock_ns();
	}
}

static void finish_jobs(struct ocs_dispatch *dispatch, struct job **jobs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		bool answered;

		pthread_mutex_lock(&dispatch->lock);
		answered = jobs[i]->answered;
		if (!answered)
			ocs_dispatch_job_unlist(dispatch, jobs[i]);
		jobs[i]->answered = true;
		pthread_mutex_unlock(&dispatch->lock);
		if (answered)
			ocs_dispatch_job_free(jobs[i]);
		else
			ocs_dispatch_job_finish(dispatch, jobs[i]);
	}
}

static void take_new_settings(struct ocs_dispatch *dispatch)
{
	struct dispatch_config *config = ocs_dispatch_config_get(dispatch);
	unsigned generation = config->generation;
	struct ocs_error error;

	ocs_dispatch_config_put(dispatch, config);
	if (generation == dispatch->generation_seen)
		return;
	ocs_dispatch_cache_folders_clear(dispatch);
	dispatch->last_index = 0; /* the limit may be another one */
	if (ocs_dispatch_publish(dispatch, &error) == 0) {
		dispatch->generation_seen = generation;
		dispatch->publish_failed = false;
	} else if (!dispatch->publish_failed) {
		ocs_dispatch_log(dispatch, LOG_ERR,
		                 "cannot publish the new settings, trying again: %s", error.text);
		dispatch->publish_failed = true;
	}
}

void *ocs_dispatch_store_thread(void *arg)
{
	struct ocs_dispatch *dispatch = arg;
	struct job *jobs[BATCH_MAX];

	for (;;) {
		size_t n;
		bool stop;

		pthread_mutex_lock(&dispatch->lock);
		n = take_jobs(dispatch, jobs);
		stop = n == 0 && dispatch->stopping;
		pthread_mutex_unlock(&dispatch->lock);
		if (stop)
			break;
		atomic_store(&dispatch->busy_since, ocs_clock_ns());
		take_new_settings(dispatch);
		if (n > 0)
			ocs_dispatch_batch(dispatch, jobs, n);
		finish_jobs(dispatch, jobs, n);
		housekeeping(dispatch);
		atomic_store(&dispatch->busy_since, 0);
	}
	pthread_mutex_lock(&dispatch->lock);
	dispatch->store_thread_runs = false;
	pthread_cond_broadcast(&dispatch->finished);
	pthread_mutex_unlock(&dispatch->lock);
	return NULL;
}
