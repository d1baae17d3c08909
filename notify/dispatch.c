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
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include <talloc.h>

#define SECOND_NS      1000000000ULL
#define BATCH_MAX      256 /* requests taken at once by the store thread */
#define SYNC_NS        (50 * 1000000ULL)
#define APPLY_NS       SECOND_NS       /* registrations reach the index so soon */
#define APPLY_MAX      8192            /* or when there are so many */
#define JANITOR_NS     (5 * SECOND_NS) /* well within the 30 s that the dead are given */
#define DEADLINE_STEP  (50 * 1000000ULL)
#define GONE_NS        (100 * 1000000ULL) /* queues that their owners removed are looked for so often */
#define GONE_AFTER_NS  SECOND_NS          /* and for so long after the registry changed */
#define STUCK_NS       (2 * SECOND_NS) /* a store operation this long is reported as trouble */
#define START_PATIENCE 10              /* seconds that the start waits for the registry's lock */
#define STOP_SECONDS   1               /* the service has waited for what is in flight before */

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

static void count_results(struct ocs_dispatch *dispatch, const struct ocs_result *results, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		switch (results[i].status) {
		case OCS_STATUS_QUEUED:
			OCS_COUNT(dispatch, queued, 1);
			break;
		case OCS_STATUS_NOSUBSCRIBER:
			OCS_COUNT(dispatch, nosubscriber, 1);
			break;
		case OCS_STATUS_DUPLICATE:
			OCS_COUNT(dispatch, duplicate, 1);
			break;
		case OCS_STATUS_REFUSED:
			OCS_COUNT(dispatch, refused, 1);
			continue;
		}
		atomic_store_explicit(&dispatch->counters.last_success_us, ocs_now_us(),
		                      memory_order_relaxed);
	}
}

static void job_free(struct ocs_dispatch *dispatch, struct job *job)
{
	for (size_t i = 0; i < job->request->count; i++) {
		ocs_dispatch_pending_end(&job->items[i]);
		for (size_t p = 0; p < job->items[i].n_pending; p++)
			ocs_dispatch_snapshot_put(dispatch, job->items[i].pending[p].snapshot);
	}
	talloc_free(job->request); /* and with it the job */
}

/* lock is held */
static void unlist(struct ocs_dispatch *dispatch, struct job *job)
{
	if (job->all_next != NULL)
		job->all_next->all_previous = job->all_previous;
	if (job->all_previous != NULL)
		job->all_previous->all_next = job->all_next;
	else if (dispatch->all == job)
		dispatch->all = job->all_next;
}

static void job_finish(struct ocs_dispatch *dispatch, struct job *job)
{
	struct ocs_request *request = job->request;

	count_results(dispatch, request->results, request->count);
	request->done(request->owner, request->results, request->count);
	job_free(dispatch, job);
}

/* Answers instead of the store thread: all that has not ended is refused. */
static void answer_for(struct ocs_dispatch *dispatch, const struct ocs_request *request, int code,
                       const char *name, const char *text)
{
	struct ocs_result *results = talloc_zero_array(NULL, struct ocs_result, request->count);

	for (size_t i = 0; results != NULL && i < request->count; i++)
		ocs_result_refuse(&results[i], code, name, "%s", text);
	if (results != NULL)
		count_results(dispatch, results, request->count);
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

	OCS_COUNT(dispatch, received, request->count);
	if (job != NULL)
		job->items = talloc_zero_array(job, struct item, request->count);
	if (job == NULL || job->items == NULL) {
		answer_for(dispatch, request, 500, "INTERNAL", "out of memory");
		talloc_free(request);
		return;
	}
	job->request = request;
	job->accepted_at = ocs_now_us();
	first = atomic_fetch_add(&dispatch->sequence, request->count);
	for (size_t i = 0; i < request->count; i++) {
		job->items[i].notification = &request->items[i];
		job->items[i].result = &request->results[i];
		job->items[i].sequence = first + i;
		if (request->results[i].status == OCS_STATUS_REFUSED)
			job->items[i].state = ITEM_ENDED;
	}
	if (ocs_dispatch_fast(dispatch, job)) {
		job_finish(dispatch, job);
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
		job_free(dispatch, job);
	}
}

/* ---- the store thread ---- */

/* lock is held; waits for work, at most until the next housekeeping. */
static size_t take_jobs(struct ocs_dispatch *dispatch, struct job **jobs)
{
	struct timespec until;
	size_t n = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += dispatch->unsynced ? (long)SYNC_NS
	                 : __atomic_load_n(&dispatch->open_descriptors, __ATOMIC_RELAXED) > 0
	                         ? (long)GONE_NS
	                         : 500000000L;
	if (until.tv_nsec >= (long)SECOND_NS) {
		until.tv_sec++;
		until.tv_nsec -= (long)SECOND_NS;
	}
	while (dispatch->first == NULL && !dispatch->stopping)
		if (pthread_cond_timedwait(&dispatch->work, &dispatch->lock, &until) != 0)
			break;
	while (dispatch->first != NULL && n < BATCH_MAX) {
		jobs[n] = dispatch->first;
		dispatch->first = jobs[n]->next;
		if (dispatch->first != NULL)
			dispatch->first->previous = NULL;
		else
			dispatch->last = NULL;
		jobs[n]->next = NULL;
		jobs[n++]->running = true;
	}
	return n;
}

static void report_damage(struct ocs_dispatch *dispatch)
{
	uint64_t damaged = ocs_registry_damaged(dispatch->registry);

	if (damaged == dispatch->damaged_seen)
		return;
	ocs_dispatch_log(dispatch, LOG_ERR,
	                 "%s: %llu damaged record%s skipped; the sessions concerned hear nothing "
	                 "until they subscribe anew",
	                 ocs_store_path(ocs_registry_store(dispatch->registry)),
	                 (unsigned long long)(damaged - dispatch->damaged_seen),
	                 damaged - dispatch->damaged_seen == 1 ? " was" : "s were");
	dispatch->damaged_seen = damaged;
}

static void housekeeping(struct ocs_dispatch *dispatch)
{
	uint64_t now = ocs_dispatch_now();
	struct dispatch_config *config = ocs_dispatch_config_get(dispatch);
	struct ocs_error error;

	if (dispatch->unsynced && now - dispatch->last_sync >= SYNC_NS) {
		if (config->settings.sync == OCS_SYNC_INTERVAL &&
		    ocs_store_sync(ocs_registry_store(dispatch->registry), &error) != 0)
			ocs_dispatch_log(dispatch, LOG_ERR, "%s", error.text);
		dispatch->unsynced = false;
		dispatch->last_sync = now;
	}
	ocs_dispatch_config_put(dispatch, config);
	if (ocs_registrations_waiting(dispatch->registrations) >= APPLY_MAX ||
	    (ocs_registrations_waiting(dispatch->registrations) > 0 &&
	     now - dispatch->last_apply >= APPLY_NS)) {
		OCS_COUNT(dispatch, commits, 1);
		if (ocs_registrations_apply(dispatch->registrations, &error) != 0)
			ocs_dispatch_log(dispatch, LOG_ERR, "%s; they stay in the journal",
			                 error.text);
		dispatch->last_apply = ocs_dispatch_now();
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
	report_damage(dispatch);
	if (now - dispatch->last_janitor >= JANITOR_NS) {
		ocs_dispatch_janitor(dispatch);
		ocs_dispatch_queues_close_idle(dispatch);
		dispatch->last_janitor = ocs_dispatch_now();
	}
}

static void finish_jobs(struct ocs_dispatch *dispatch, struct job **jobs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		bool answered;

		pthread_mutex_lock(&dispatch->lock);
		answered = jobs[i]->answered;
		if (!answered)
			unlist(dispatch, jobs[i]);
		jobs[i]->answered = true;
		pthread_mutex_unlock(&dispatch->lock);
		if (answered)
			job_free(dispatch, jobs[i]);
		else
			job_finish(dispatch, jobs[i]);
	}
}

/* At start: says whom it waits for, and gives up in the end. */
static int begin_patiently(struct ocs_dispatch *dispatch, struct ocs_error *error)
{
	const struct timespec step = {.tv_nsec = 100000000};
	struct ocs_store *store = ocs_registry_store(dispatch->registry);
	int ret = ocs_store_try_begin(store, error);

	for (int i = 0; i < START_PATIENCE * 10 && ret == OCS_STORE_BUSY; i++) {
		if (i == 10)
			ocs_dispatch_log(dispatch, LOG_WARNING, "%s: waiting", error->text);
		nanosleep(&step, NULL);
		ret = ocs_store_try_begin(store, error);
	}
	return ret;
}

/* Tells the library what it needs of the ini. */
static int publish(struct ocs_dispatch *dispatch, struct ocs_error *error)
{
	struct dispatch_config *config = ocs_dispatch_config_get(dispatch);
	int ret = dispatch->store_thread_runs ? ocs_registry_begin(dispatch->registry, error)
	                                      : begin_patiently(dispatch, error);

	if (ret == OCS_STORE_OK) {
		ret = ocs_registry_settings_put(dispatch->registry, &config->settings.published,
		                                error);
		if (ret == OCS_STORE_OK)
			ret = ocs_registry_commit(dispatch->registry, false, error);
		else
			ocs_registry_cancel(dispatch->registry);
	}
	ocs_dispatch_config_put(dispatch, config);
	return ret == OCS_STORE_OK ? 0 : -1;
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
	if (publish(dispatch, &error) == 0) {
		dispatch->generation_seen = generation;
		dispatch->publish_failed = false;
	} else if (!dispatch->publish_failed) {
		ocs_dispatch_log(dispatch, LOG_ERR,
		                 "cannot publish the new settings, trying again: %s", error.text);
		dispatch->publish_failed = true;
	}
}

static void *store_thread(void *arg)
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
		atomic_store(&dispatch->busy_since, ocs_dispatch_now());
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

/* ---- the deadline thread: a request is answered in time even if the store thread hangs ---- */

static void lock_text(struct ocs_dispatch *dispatch, struct ocs_error *reason)
{
	pid_t holder = ocs_store_lock_holder(ocs_registry_store(dispatch->registry));
	const char *file = "registry.tdb";

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
		unlist(dispatch, job);
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
			job_free(dispatch, job);
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

/* ---- start and stop ---- */

static void dispatch_free(struct ocs_dispatch *dispatch)
{
	ocs_dispatch_queues_free(dispatch);
	ocs_dispatch_cache_free(dispatch);
	ocs_recent_close(dispatch->recent);
	ocs_registrations_close(dispatch->registrations);
	if (dispatch->wake_socket >= 0)
		close(dispatch->wake_socket);
	talloc_free(dispatch->config);
	pthread_mutex_destroy(&dispatch->config_lock);
	pthread_mutex_destroy(&dispatch->queues_lock);
	pthread_mutex_destroy(&dispatch->cache_lock);
	pthread_mutex_destroy(&dispatch->lock);
	pthread_cond_destroy(&dispatch->work);
	pthread_cond_destroy(&dispatch->waiting);
	pthread_cond_destroy(&dispatch->finished);
	talloc_free(dispatch);
}

static int open_parts(struct ocs_dispatch *dispatch, struct ocs_error *error)
{
	char *folder = talloc_asprintf(dispatch, "%s/private", dispatch->folder);
	struct ocs_journal_damage ids = {0}, messages = {0};

	if (folder == NULL)
		return ocs_error_set(error, "out of memory");
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
	ret = pthread_create(&dispatch->store_thread, NULL, store_thread, dispatch);
	if (ret != 0) {
		dispatch->store_thread_runs = false;
		return ocs_error_set(error, "cannot start a thread: %s", strerror(ret));
	}
	dispatch->deadline_thread_runs = true;
	ret = pthread_create(&dispatch->deadline_thread, NULL, deadline_thread, dispatch);
	if (ret != 0) {
		dispatch->deadline_thread_runs = false;
		return ocs_error_set(error, "cannot start a thread: %s", strerror(ret));
	}
	return 0;
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
	/* Grows across restarts, as long as the clock is not set back by more than was down. */
	atomic_store(&dispatch->sequence, ocs_now_us() * 1000);
	dispatch->folder = talloc_strdup(dispatch, folder);
	dispatch->config = config_make(settings, map);
	if (dispatch->folder == NULL || dispatch->config == NULL) {
		if (dispatch->config == NULL)
			talloc_free(map);
		dispatch_free(dispatch);
		return ocs_error_set(error, "out of memory");
	}
	if (open_parts(dispatch, error) != 0 || publish(dispatch, error) != 0 ||
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
}

int ocs_dispatch_health(struct ocs_dispatch *dispatch, struct ocs_error *reason)
{
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
