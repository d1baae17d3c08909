/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The threads that hash passwords, commit or ask a directory, and their bounded queue. */
#include "ocsmanager/http_workers.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

#define QUEUE_MAX 64 /* at 20 ms each and two threads: less than a second of waiting */

struct ocs_http_workers {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stopping;
	struct ocs_http_request *queue[QUEUE_MAX];
	unsigned first, count;
	unsigned threads;
	pthread_t thread[OCS_HTTP_WORKERS_MAX];
};

/* The worker cannot tell beforehand whether a stopping server answers in its place, so the claim
 * is taken first: from then on the stopping one waits. */
static void run_one(struct ocs_http_request *request)
{
	if (ocs_http_claim(request)) {
		if ((int64_t)ocs_clock_ms() - request->queued_at >=
		    (int64_t)request->settings->request_deadline * 1000)
			ocs_http_refuse_with(request, 503, "OVERLOADED",
			                     "too many logins at the same time");
		else
			request->work(request);
		ocs_http_finish(request);
	}
	ocs_http_release(request);
}

static void *http_worker(void *arg)
{
	struct ocs_http_workers *workers = arg;

	pthread_mutex_lock(&workers->lock);
	for (;;) {
		struct ocs_http_request *request;

		while (workers->count == 0 && !workers->stopping)
			pthread_cond_wait(&workers->wake, &workers->lock);
		if (workers->count == 0)
			break;
		request = workers->queue[workers->first];
		workers->first = (workers->first + 1) % QUEUE_MAX;
		workers->count--;
		pthread_mutex_unlock(&workers->lock);
		run_one(request);
		pthread_mutex_lock(&workers->lock);
	}
	pthread_mutex_unlock(&workers->lock);
	return NULL;
}

int ocs_http_workers_fill(struct ocs_http_workers *workers, unsigned threads,
                          struct ocs_error *error)
{
	while (workers->threads < threads && workers->threads < OCS_HTTP_WORKERS_MAX) {
		int result = pthread_create(&workers->thread[workers->threads], NULL, http_worker,
		                            workers);

		if (result != 0)
			return ocs_error_thread(error, result);
		workers->threads++;
	}
	return 0;
}

int ocs_http_workers_start(unsigned threads, struct ocs_http_workers **out, struct ocs_error *error)
{
	struct ocs_http_workers *workers = calloc(1, sizeof(*workers));

	if (workers == NULL)
		return ocs_error_memory(error);
	pthread_mutex_init(&workers->lock, NULL);
	pthread_cond_init(&workers->wake, NULL);
	if (ocs_http_workers_fill(workers, threads, error) != 0) {
		ocs_http_workers_stop(workers);
		return -1;
	}
	*out = workers;
	return 0;
}

void ocs_http_workers_stop(struct ocs_http_workers *workers)
{
	pthread_mutex_lock(&workers->lock);
	workers->stopping = true;
	pthread_cond_broadcast(&workers->wake);
	pthread_mutex_unlock(&workers->lock);
	for (unsigned i = 0; i < workers->threads; i++)
		pthread_join(workers->thread[i], NULL);
	pthread_cond_destroy(&workers->wake);
	pthread_mutex_destroy(&workers->lock);
	free(workers);
}

enum ocs_http_action ocs_http_workers_submit(struct ocs_http_workers *workers,
                                             struct ocs_http_request *request,
                                             void (*work)(struct ocs_http_request *request))
{
	bool full;

	request->work = work;
	request->queued_at = (int64_t)ocs_clock_ms();
	pthread_mutex_lock(&workers->lock);
	full = workers->count == QUEUE_MAX;
	if (!full) {
		ocs_http_retain(request);
		workers->queue[(workers->first + workers->count++) % QUEUE_MAX] = request;
		pthread_cond_signal(&workers->wake);
	}
	pthread_mutex_unlock(&workers->lock);
	if (!full)
		return OCS_HTTP_LATER;
	ocs_http_refuse_with(request, 503, "OVERLOADED", "too many logins at the same time");
	return OCS_HTTP_READY;
}
