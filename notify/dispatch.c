/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Dispatch as a whole: start, reload, stop, counters, health. Makes the parts, which
 * dispatch_internal.h lists, and the two threads; touches the registry folder to look at it.
 */
#include "notify/dispatch_internal.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include <talloc.h>

#include "base/clock.h"
#include "base/plural.h"
#include "registry/reap.h"

#define STOP_SECONDS 1 /* the service has waited for what is in flight before */

/* ---- settings ---- */

void ocs_dispatch_reload(struct ocs_dispatch *dispatch,
                         const struct ocs_dispatch_settings *settings, struct ocs_usermap *map)
{
	struct dispatch_config *config = ocs_dispatch_config_make(settings, map), *old;

	if (config == NULL) {
		talloc_free(map);
		ocs_dispatch_log(dispatch, LOG_ERR,
		                 "reload: out of memory; the settings stay as they were");
		return;
	}
	pthread_mutex_lock(&dispatch->config_lock);
	old = dispatch->config;
	config->generation = old->generation + 1;
	dispatch->config = config;
	atomic_store(&dispatch->folds, settings->published.names.fold);
	pthread_mutex_unlock(&dispatch->config_lock);
	ocs_dispatch_config_put(dispatch, old);
	/* The user map's FIDs may differ. A group in work may put an old one back; the store thread
	 * clears again after it. */
	ocs_dispatch_cache_folders_clear(dispatch);
}

/* ---- visits ---- */

int ocs_dispatch_set_visit(struct ocs_dispatch *dispatch, ocs_dispatch_visit_fn *visit, void *arg)
{
	struct timespec until = ocs_clock_at(ocs_clock_ns() + STOP_SECONDS * OCS_CLOCK_SECOND);

	if (pthread_mutex_clocklock(&dispatch->visit_lock, CLOCK_MONOTONIC, &until) != 0)
		return -1;
	dispatch->visit = visit;
	dispatch->visit_arg = arg;
	atomic_store(&dispatch->visited, visit != NULL);
	pthread_mutex_unlock(&dispatch->visit_lock);
	return 0;
}

/* ---- start and stop ---- */

static void dispatch_free(struct ocs_dispatch *dispatch)
{
	ocs_dispatch_queues_free(dispatch);
	ocs_dispatch_cache_free(dispatch);
	ocs_sequence_close(dispatch->sequence);
	ocs_recent_close(dispatch->recent);
	ocs_message_log_close(dispatch->message_log);
	ocs_dispatch_wake_sockets_free(dispatch);
	talloc_free(dispatch->config);
	pthread_mutex_destroy(&dispatch->config_lock);
	pthread_mutex_destroy(&dispatch->queues_lock);
	pthread_mutex_destroy(&dispatch->cache_lock);
	pthread_mutex_destroy(&dispatch->visit_lock);
	pthread_mutex_destroy(&dispatch->drops_lock);
	pthread_mutex_destroy(&dispatch->owed_lock);
	free(dispatch->owed_all);
	pthread_mutex_destroy(&dispatch->lock);
	pthread_cond_destroy(&dispatch->work);
	pthread_cond_destroy(&dispatch->waiting);
	pthread_cond_destroy(&dispatch->finished);
	ocs_dispatch_watch_free(dispatch);
	ocs_dispatch_files_free(dispatch);
	ocs_dispatch_anew_free(dispatch);
	ocs_dispatch_drops_free(dispatch);
	ocs_dispatch_unknown_free(dispatch);
	ocs_dispatch_agree_free(dispatch);
	ocs_dispatch_stores_clear(dispatch);
	ocs_reap_missing_free(dispatch->missing);
	ocs_health_free(dispatch->health);
	talloc_free(dispatch);
}

static int open_parts(struct ocs_dispatch *dispatch, struct ocs_error *error)
{
	char *folder = talloc_asprintf(dispatch, "%s/private", dispatch->folder);
	struct ocs_journal_damage ids = {0}, messages = {0};
	struct stat st;

	if (folder == NULL)
		return ocs_error_memory(error);
	if (stat(dispatch->folder, &st) != 0)
		return ocs_error_set(error, "%s: %s", dispatch->folder, strerror(errno));
	dispatch->gid = st.st_gid;
	/* Numbers given by an earlier version followed the clock. */
	if (ocs_sequence_open(folder, ocs_now_us() * 1000, &dispatch->sequence, error) != 0)
		return -1;
	if (ocs_recent_open(folder, &dispatch->recent, &ids, error) != 0 ||
	    ocs_message_log_open(folder, dispatch->index, &dispatch->message_log, &messages,
	                         error) != 0 ||
	    ocs_message_log_share(dispatch->message_log, dispatch->folder, dispatch->gid, error) !=
	            0)
		return -1;
	if (ids.cut > 0 || messages.cut > 0)
		ocs_dispatch_log(
		        dispatch, LOG_NOTICE,
		        "%s: the last writes of an earlier process were cut short; nothing "
		        "of them was acknowledged",
		        folder);
	if (ocs_message_log_homeless(dispatch->message_log) > 0)
		ocs_dispatch_log(dispatch, LOG_WARNING,
		                 "%s: %u %s were to be brought into the index, of folders that it "
		                 "does not know: left out; it is an older copy",
		                 folder, ocs_message_log_homeless(dispatch->message_log),
		                 ocs_plural(ocs_message_log_homeless(dispatch->message_log),
		                            "change of a message", "changes of messages"));
	if (ids.skipped > 0 || messages.skipped > 0)
		ocs_dispatch_log(
		        dispatch, LOG_ERR,
		        "%s: %u %s and %u %s are damaged and skipped: if they are reported "
		        "again, they are delivered twice",
		        folder, ids.skipped, ocs_plural(ids.skipped, "id", "ids"), messages.skipped,
		        ocs_plural(messages.skipped, "message", "messages"));
	talloc_free(folder);
	return 0;
}

static int start_threads(struct ocs_dispatch *dispatch, struct ocs_error *error)
{
	int ret;

	dispatch->store_thread_runs = true;
	ret = pthread_create(&dispatch->store_thread, NULL, ocs_dispatch_store_thread, dispatch);
	if (ret != 0) {
		dispatch->store_thread_runs = false;
		return ocs_error_thread(error, ret);
	}
	dispatch->deadline_thread_runs = true;
	ret = pthread_create(&dispatch->deadline_thread, NULL, ocs_dispatch_deadline_thread,
	                     dispatch);
	if (ret != 0) {
		dispatch->deadline_thread_runs = false;
		return ocs_error_thread(error, ret);
	}
	return 0;
}

/* The registry may have been damaged, or taken away, while no daemon ran. */
static int begin_anew(struct ocs_dispatch *dispatch, struct ocs_error *error)
{
	return ocs_dispatch_anew_begin(dispatch) == 0 ? 0 : ocs_error_memory(error);
}

static int start_spills(struct ocs_dispatch *dispatch, struct ocs_error *error)
{
	int ret = ocs_spill_folder(dispatch->folder, dispatch->gid);

	if (ret != 0)
		return ocs_error_set(error, "%s/" OCS_SPILL_FOLDER ": cannot create: %s",
		                     dispatch->folder, strerror(-ret));
	ocs_dispatch_spill_start(dispatch);
	return 0;
}

int ocs_dispatch_start(const char *folder, struct ocs_registry *registry, struct ocs_index *index,
                       struct ocs_usermap *map, const struct ocs_dispatch_settings *settings,
                       ocs_log_fn *log, struct ocs_dispatch **out, struct ocs_error *error)
{
	struct ocs_dispatch *dispatch = talloc_zero(NULL, struct ocs_dispatch);

	*out = NULL;
	if (dispatch == NULL) {
		talloc_free(map);
		return ocs_error_memory(error);
	}
	pthread_mutex_init(&dispatch->config_lock, NULL);
	pthread_mutex_init(&dispatch->queues_lock, NULL);
	pthread_mutex_init(&dispatch->cache_lock, NULL);
	pthread_mutex_init(&dispatch->visit_lock, NULL);
	pthread_mutex_init(&dispatch->drops_lock, NULL);
	pthread_mutex_init(&dispatch->owed_lock, NULL);
	atomic_store(&dispatch->next_owed, UINT64_MAX);
	pthread_mutex_init(&dispatch->lock, NULL);
	(void)ocs_clock_condition(&dispatch->work);
	(void)ocs_clock_condition(&dispatch->waiting);
	(void)ocs_clock_condition(&dispatch->finished);
	ocs_dispatch_wake_sockets_init(dispatch);
	dispatch->registry = registry;
	dispatch->index = index;
	dispatch->log = log;
	dispatch->folder = talloc_strdup(dispatch, folder);
	dispatch->config = ocs_dispatch_config_make(settings, map);
	atomic_store(&dispatch->folds, settings->published.names.fold);
	dispatch->health = ocs_health_new(log);
	if (dispatch->folder == NULL || dispatch->config == NULL || dispatch->health == NULL) {
		if (dispatch->config == NULL)
			talloc_free(map);
		dispatch_free(dispatch);
		return ocs_error_memory(error);
	}
	ocs_health_watch(dispatch->health, OCS_HEALTH_STUCK, ocs_dispatch_is_stuck, dispatch);
	if (open_parts(dispatch, error) != 0 || ocs_dispatch_watch_start(dispatch, error) != 0 ||
	    ocs_dispatch_files_start(dispatch, error) != 0 ||
	    ocs_dispatch_publish(dispatch, error) != 0 || begin_anew(dispatch, error) != 0 ||
	    start_spills(dispatch, error) != 0 || start_threads(dispatch, error) != 0) {
		if (dispatch->store_thread_runs)
			(void)ocs_dispatch_stop(dispatch);
		else
			dispatch_free(dispatch);
		return -1;
	}
	*out = dispatch;
	return 0;
}

int ocs_dispatch_stop(struct ocs_dispatch *dispatch)
{
	struct timespec until = ocs_clock_at(ocs_clock_ns() + STOP_SECONDS * OCS_CLOCK_SECOND);
	bool deadline_runs, hangs = false;

	pthread_mutex_lock(&dispatch->lock);
	dispatch->stopping = true;
	pthread_cond_broadcast(&dispatch->work);
	while (dispatch->store_thread_runs && !hangs)
		hangs = pthread_cond_timedwait(&dispatch->finished, &dispatch->lock, &until) != 0;
	deadline_runs = dispatch->deadline_thread_runs;
	dispatch->deadline_thread_runs = false;
	pthread_cond_broadcast(&dispatch->waiting);
	if (hangs) /* whoever still waits is answered now */
		for (struct job *job = dispatch->all; job != NULL; job = job->all_next)
			job->deadline = 0;
	pthread_mutex_unlock(&dispatch->lock);
	if (deadline_runs)
		pthread_join(dispatch->deadline_thread, NULL);
	if (hangs) {
		/* It waits for a lock that another process holds; what it uses must stay. */
		ocs_dispatch_log(dispatch, LOG_ERR,
		                 "stopping without the store thread, which hangs");
		return -1;
	}
	pthread_join(dispatch->store_thread, NULL);
	dispatch_free(dispatch);
	return 0;
}

/* ---- counters and health ---- */

void ocs_dispatch_counters(struct ocs_dispatch *dispatch, struct ocs_dispatch_counters *out)
{
#define COPY(name) out->name = atomic_load_explicit(&dispatch->counters.name, memory_order_relaxed)
	/* The ends before the beginnings, so that their sum is never larger. */
	COPY(queued);
	COPY(nosubscriber);
	COPY(duplicate);
	COPY(refused);
	COPY(received);
	COPY(entries_kernel);
	COPY(entries_spilled);
	COPY(entries_dropped);
	COPY(entries_collapsed);
	COPY(commits);
	COPY(commit_failures);
	COPY(queue_open_failures);
	COPY(wakeups);
	COPY(sessions_reaped);
	COPY(queues_reaped);
	COPY(last_success_us);
#undef COPY
	out->damaged_records = ocs_registry_damaged(dispatch->registry);
	ocs_dispatch_index_sizes(dispatch, out);
}

struct ocs_health *ocs_dispatch_health_of(struct ocs_dispatch *dispatch)
{
	return dispatch->health;
}

int ocs_dispatch_health(struct ocs_dispatch *dispatch, struct ocs_error *reason)
{
	return ocs_health_ask(dispatch->health, reason);
}
