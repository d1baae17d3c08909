/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Dispatch: see dispatch.h for what it does and dispatch_internal.h for its parts. Here: submit,
 * the store thread's loop, the deadline thread, settings, counters, health.
 */
#include "notify/dispatch_internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include <talloc.h>

#include "registry/reap.h"

#define DEADLINE_STEP (50 * 1000000ULL)
#define STUCK_NS      (2 * SECOND_NS) /* a store operation this long is reported as trouble */
#define STOP_SECONDS  1               /* the service has waited for what is in flight before */

/* ---- small things ---- */

uint64_t ocs_dispatch_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

void ocs_dispatch_log(struct ocs_dispatch *dispatch, int priority, const char *format, ...)
{
	char text[1024];
	va_list args;

	if (dispatch->log == NULL)
		return;
	va_start(args, format);
	if (vsnprintf(text, sizeof(text), format, args) >= 0)
		dispatch->log(priority, text);
	va_end(args);
}

/* ---- settings ---- */

static struct dispatch_config *config_make(const struct ocs_dispatch_settings *settings,
                                           struct ocs_usermap *map)
{
	struct dispatch_config *config = talloc_zero(NULL, struct dispatch_config);
	size_t n = 0;

	if (config == NULL)
		return NULL;
	config->refs = 1;
	config->settings = *settings;
	config->settings.backends = NULL;
	while (settings->backends[n] != NULL)
		n++;
	config->backends = talloc_zero_array(config, char *, n + 1);
	for (size_t i = 0; i < n && config->backends != NULL; i++) {
		config->backends[i] = talloc_strdup(config->backends, settings->backends[i]);
		if (config->backends[i] == NULL)
			config->backends = NULL;
		else
			ocs_index_canonical_backend(config->backends[i]);
	}
	if (config->backends == NULL) {
		talloc_free(config);
		return NULL;
	}
	config->map = talloc_steal(config, map);
	return config;
}

struct dispatch_config *ocs_dispatch_config_get(struct ocs_dispatch *dispatch)
{
	struct dispatch_config *config;

	pthread_mutex_lock(&dispatch->config_lock);
	config = dispatch->config;
	config->refs++;
	pthread_mutex_unlock(&dispatch->config_lock);
	return config;
}

void ocs_dispatch_config_put(struct ocs_dispatch *dispatch, struct dispatch_config *config)
{
	bool last;

	pthread_mutex_lock(&dispatch->config_lock);
	last = --config->refs == 0;
	pthread_mutex_unlock(&dispatch->config_lock);
	if (last)
		talloc_free(config);
}

bool ocs_dispatch_has_backend(const struct dispatch_config *config, const char *backend)
{
	for (char **name = config->backends; *name != NULL; name++)
		if (strcmp(*name, backend) == 0)
			return true;
	return false;
}

void ocs_dispatch_reload(struct ocs_dispatch *dispatch,
                         const struct ocs_dispatch_settings *settings, struct ocs_usermap *map)
{
	struct dispatch_config *config = config_make(settings, map), *old;

	if (config == NULL) {
		talloc_free(map);
		ocs_dispatch_log(dispatch, LOG_ERR, "reload: out of memory; the settings stay");
		return;
	}
	pthread_mutex_lock(&dispatch->config_lock);
	old = dispatch->config;
	config->generation = old->generation + 1;
	dispatch->config = config;
	pthread_mutex_unlock(&dispatch->config_lock);
	ocs_dispatch_config_put(dispatch, old);
	/* The user map's FIDs may differ. A group in work may put an old one back; the store thread
	 * clears again after it. */
	ocs_dispatch_cache_folders_clear(dispatch);
}

/* ---- the end of a job ---- */

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

void ocs_dispatch_job_free(struct ocs_dispatch *dispatch, struct job *job)
{
	for (size_t i = 0; i < job->request->count; i++) {
		ocs_dispatch_pending_end(&job->items[i]);
		for (size_t p = 0; p < job->items[i].n_pending; p++)
			ocs_dispatch_snapshot_put(dispatch, job->items[i].pending[p].snapshot);
	}
	talloc_free(job->request); /* and with it the job */
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

void ocs_dispatch_job_finish(struct ocs_dispatch *dispatch, struct job *job)
{
	struct ocs_request *request = job->request;

	count_results(dispatch, request, request->results);
	request->done(request->owner, request->results, request->count);
	ocs_dispatch_job_free(dispatch, job);
}

/* Answers instead of the store thread: all that has not ended is refused. */
static void answer_for(struct ocs_dispatch *dispatch, const struct ocs_request *request, int code,
                       const char *name, const char *text)
{
	struct ocs_result *results = talloc_zero_array(NULL, struct ocs_result, request->count);

	for (size_t i = 0; results != NULL && i < request->count; i++)
		ocs_result_refuse(&results[i], code, name, "%s", text);
	count_results(dispatch, request, results);
	request->done(request->owner, results, results != NULL ? request->count : 0);
	talloc_free(results);
}

/* ---- submit ---- */

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
		answer_for(dispatch, request, 500, "INTERNAL", "out of memory");
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
	job->deadline = ocs_dispatch_now() + config->settings.request_deadline * SECOND_NS;
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
		answer_for(dispatch, request, 503, "OVERLOADED", "the service is stopping");
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

int ocs_dispatch_set_visit(struct ocs_dispatch *dispatch, ocs_dispatch_visit_fn *visit, void *arg)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += STOP_SECONDS;
	if (pthread_mutex_clocklock(&dispatch->visit_lock, CLOCK_MONOTONIC, &until) != 0)
		return -1;
	dispatch->visit = visit;
	dispatch->visit_arg = arg;
	atomic_store(&dispatch->visited, visit != NULL);
	pthread_mutex_unlock(&dispatch->visit_lock);
	return 0;
}

/* ---- the deadline thread: a request is answered in time even if the store thread hangs ---- */

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
		if (!job->running) {
			if (job->previous != NULL)
				job->previous->next = job->next;
			else
				dispatch->first = job->next;
			if (job->next != NULL)
				job->next->previous = job->previous;
			else
				dispatch->last = job->previous;
		}
		return job;
	}
	return NULL;
}

static void answer_overdue(struct ocs_dispatch *dispatch)
{
	struct ocs_request copy;
	struct ocs_error why;
	struct job *job;
	bool running;

	for (;;) {
		pthread_mutex_lock(&dispatch->lock);
		job = overdue(dispatch, ocs_dispatch_now());
		if (job == NULL) {
			pthread_mutex_unlock(&dispatch->lock);
			return;
		}
		copy = *job->request;
		running = job->running;
		job->answered = true;
		/* Once unlocked, the store thread may free a running job. */
		pthread_mutex_unlock(&dispatch->lock);
		lock_text(dispatch, &why);
		ocs_dispatch_log(dispatch, LOG_ERR,
		                 "a request was not done within its deadline: %s", why.text);
		answer_for(dispatch, &copy, 503, "REGISTRY_UNAVAILABLE",
		           "the registry did not answer in time; try again");
		if (!running)
			ocs_dispatch_job_free(dispatch, job);
	}
}

static void *deadline_thread(void *arg)
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

static int is_stuck(void *arg, struct ocs_error *reason)
{
	struct ocs_dispatch *dispatch = arg;
	uint64_t since = atomic_load(&dispatch->busy_since), now = ocs_dispatch_now();
	struct dispatch_config *config;
	struct ocs_error why;
	uint64_t limit;

	config = ocs_dispatch_config_get(dispatch);
	limit = config->settings.request_deadline * SECOND_NS;
	ocs_dispatch_config_put(dispatch, config);
	if (limit > STUCK_NS)
		limit = STUCK_NS;
	if (since == 0 || now < since + limit)
		return 0;
	lock_text(dispatch, &why);
	return ocs_error_set(reason, "a commit has been waiting for %.1f s: %s",
	                     (double)(now - since) / (double)SECOND_NS, why.text);
}

/* ---- start and stop ---- */

static void dispatch_free(struct ocs_dispatch *dispatch)
{
	ocs_dispatch_queues_free(dispatch);
	ocs_dispatch_cache_free(dispatch);
	ocs_sequence_close(dispatch->sequence);
	ocs_recent_close(dispatch->recent);
	ocs_registrations_close(dispatch->registrations);
	if (dispatch->wake_socket >= 0)
		close(dispatch->wake_socket);
	talloc_free(dispatch->config);
	pthread_mutex_destroy(&dispatch->config_lock);
	pthread_mutex_destroy(&dispatch->queues_lock);
	pthread_mutex_destroy(&dispatch->cache_lock);
	pthread_mutex_destroy(&dispatch->visit_lock);
	pthread_mutex_destroy(&dispatch->lock);
	pthread_cond_destroy(&dispatch->work);
	pthread_cond_destroy(&dispatch->waiting);
	pthread_cond_destroy(&dispatch->finished);
	ocs_dispatch_watch_free(dispatch);
	ocs_dispatch_files_free(dispatch);
	ocs_dispatch_anew_free(dispatch);
	ocs_dispatch_drops_free(dispatch);
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
		return ocs_error_set(error, "out of memory");
	if (stat(dispatch->folder, &st) != 0)
		return ocs_error_set(error, "%s: %s", dispatch->folder, strerror(errno));
	dispatch->gid = st.st_gid;
	/* Numbers given by an earlier version followed the clock. */
	if (ocs_sequence_open(folder, ocs_now_us() * 1000, &dispatch->sequence, error) != 0)
		return -1;
	if (ocs_recent_open(folder, &dispatch->recent, &ids, error) != 0 ||
	    ocs_registrations_open(folder, dispatch->index, &dispatch->registrations, &messages,
	                           error) != 0)
		return -1;
	if (ids.cut > 0 || messages.cut > 0)
		ocs_dispatch_log(
		        dispatch, LOG_NOTICE,
		        "%s: the last writes of an earlier process were cut short; nothing "
		        "of them was acknowledged",
		        folder);
	if (ids.skipped > 0 || messages.skipped > 0)
		ocs_dispatch_log(dispatch, LOG_ERR,
		                 "%s: %u ids and %u registrations are damaged and skipped: if they "
		                 "are reported again, they come through twice",
		                 folder, ids.skipped, messages.skipped);
	talloc_free(folder);
	dispatch->wake_socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (dispatch->wake_socket < 0)
		return ocs_error_set(error, "cannot make a socket: %s", strerror(errno));
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
	ret = pthread_create(&dispatch->deadline_thread, NULL, deadline_thread, dispatch);
	if (ret != 0) {
		dispatch->deadline_thread_runs = false;
		return ocs_error_thread(error, ret);
	}
	return 0;
}

/* The registry may have been damaged, or taken away, while no daemon ran. */
static int begin_anew(struct ocs_dispatch *dispatch, struct ocs_error *error)
{
	return ocs_dispatch_anew_begin(dispatch) == 0 ? 0 : ocs_error_set(error, "out of memory");
}

int ocs_dispatch_start(const char *folder, struct ocs_registry *registry, struct ocs_index *index,
                       struct ocs_usermap *map, const struct ocs_dispatch_settings *settings,
                       ocs_log_fn *log, struct ocs_dispatch **out, struct ocs_error *error)
{
	struct ocs_dispatch *dispatch = talloc_zero(NULL, struct ocs_dispatch);
	pthread_condattr_t monotonic;

	*out = NULL;
	if (dispatch == NULL) {
		talloc_free(map);
		return ocs_error_set(error, "out of memory");
	}
	pthread_mutex_init(&dispatch->config_lock, NULL);
	pthread_mutex_init(&dispatch->queues_lock, NULL);
	pthread_mutex_init(&dispatch->cache_lock, NULL);
	pthread_mutex_init(&dispatch->visit_lock, NULL);
	pthread_mutex_init(&dispatch->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&dispatch->work, &monotonic);
	pthread_cond_init(&dispatch->waiting, &monotonic);
	pthread_cond_init(&dispatch->finished, &monotonic);
	pthread_condattr_destroy(&monotonic);
	dispatch->wake_socket = -1;
	dispatch->registry = registry;
	dispatch->index = index;
	dispatch->log = log;
	dispatch->folder = talloc_strdup(dispatch, folder);
	dispatch->config = config_make(settings, map);
	dispatch->health = ocs_health_new(log);
	if (dispatch->folder == NULL || dispatch->config == NULL || dispatch->health == NULL) {
		if (dispatch->config == NULL)
			talloc_free(map);
		dispatch_free(dispatch);
		return ocs_error_set(error, "out of memory");
	}
	ocs_health_watch(dispatch->health, OCS_HEALTH_STUCK, is_stuck, dispatch);
	if (open_parts(dispatch, error) != 0 || ocs_dispatch_watch_start(dispatch, error) != 0 ||
	    ocs_dispatch_files_start(dispatch, error) != 0 ||
	    ocs_dispatch_publish(dispatch, error) != 0 || begin_anew(dispatch, error) != 0 ||
	    start_threads(dispatch, error) != 0) {
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
	struct timespec until;
	bool deadline_runs, hangs = false;

	pthread_mutex_lock(&dispatch->lock);
	dispatch->stopping = true;
	pthread_cond_broadcast(&dispatch->work);
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += STOP_SECONDS;
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
