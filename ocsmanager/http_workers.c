/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The threads that hash passwords, commit or ask a directory, and their bounded queue; who goes
 * when it is full. */
#include "ocsmanager/http_workers.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "auth/turns.h"
#include "base/clock.h"

#define QUEUE_MAX 64 /* at 20 ms each and two threads: less than a second of waiting */

struct place {
	struct ocs_http_request *request;
	struct ocs_turn turn;
};

struct ocs_http_workers {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stopping;
	struct place queue[QUEUE_MAX + 1]; /* the oldest first; one more for a moment */
	unsigned count;
	unsigned threads;
	pthread_t thread[OCS_HTTP_WORKERS_MAX];
};

static void refuse_one(struct ocs_http_request *request)
{
	ocs_http_refuse_with(request, 503, "OVERLOADED", "too many logins at the same time");
}

/* The worker cannot tell beforehand whether a stopping server answers in its place, so the claim
 * is taken first: from then on the stopping one waits. */
static void run_one(struct ocs_http_request *request)
{
	if (ocs_http_claim(request)) {
		if ((int64_t)ocs_clock_ms() - request->queued_at >=
		    (int64_t)request->settings->request_deadline * 1000)
			refuse_one(request);
		else
			request->work(request);
		ocs_http_finish(request);
	}
	ocs_http_release(request);
}

/* Under the lock. */
static struct ocs_http_request *take(struct ocs_http_workers *workers, unsigned number)
{
	struct ocs_http_request *request = workers->queue[number].request;

	workers->count--;
	memmove(&workers->queue[number], &workers->queue[number + 1],
	        (workers->count - number) * sizeof(workers->queue[0]));
	return request;
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
		request = take(workers, 0);
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

static unsigned heaviest(const struct ocs_http_workers *workers)
{
	struct ocs_turn turns[QUEUE_MAX + 1];

	for (unsigned i = 0; i < workers->count; i++)
		turns[i] = workers->queue[i].turn;
	return (unsigned)ocs_turns_heaviest(turns, workers->count);
}

enum ocs_http_action ocs_http_workers_submit(struct ocs_http_workers *workers,
                                             struct ocs_http_request *request,
                                             void (*work)(struct ocs_http_request *request))
{
	const struct sockaddr *client =
	        (const struct sockaddr *)&request->http.peer->client.address;
	struct place place = {.request = request,
	                      .turn = {.spared = ocs_auth_spares(request->server->auth, client)}};
	struct ocs_http_request *displaced = NULL;

	ocs_peer_from(client, &place.turn.peer);
	request->work = work;
	request->queued_at = (int64_t)ocs_clock_ms();
	/* for the queue, which may be through with it before this returns */
	ocs_http_retain(request);
	pthread_mutex_lock(&workers->lock);
	workers->queue[workers->count++] = place;
	if (workers->count > QUEUE_MAX)
		displaced = take(workers, heaviest(workers));
	if (displaced != request)
		pthread_cond_signal(&workers->wake);
	pthread_mutex_unlock(&workers->lock);
	if (displaced == request) {
		ocs_http_release(request);
		refuse_one(request);
		return OCS_HTTP_READY;
	}
	if (displaced != NULL) {
		if (ocs_http_claim(displaced)) {
			refuse_one(displaced);
			ocs_http_finish(displaced);
		}
		ocs_http_release(displaced);
	}
	return OCS_HTTP_LATER;
}
