/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * A storm of logins: sessions are opened and subscribed through libocsnotify at a fixed rate, as by
 * MAPI servers after a restart. On a node with a link each waits until its user is bound. The time
 * of a login counts from when it was due. Prints one line of JSON.
 *
 * Threads stand in for MAPI server processes: each has a context of its own. Touches the registry
 * folder it is given and its own queues; sessions are closed at the end.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include <ocsnotify.h>

#include "bench/samples.h"

#define SECOND      1000000000ULL
#define THREADS_MAX 64

struct storm {
	const char *registry, *prefix;
	unsigned logins, rate;
	uint64_t begin;
	atomic_uint next;
	_Atomic uint64_t ended; /* when the last login was done */
};

struct server {
	struct storm *storm;
	pthread_t thread;
	struct ocsnotify *context;
	uint64_t done, errors, warnings;
	char warning[256];
	struct bench_samples times;
};

static void warn(const char *text, void *arg)
{
	struct server *server = arg;

	if (server->warnings++ == 0)
		snprintf(server->warning, sizeof(server->warning), "%s", text);
}

static void sleep_until(uint64_t when)
{
	const struct timespec until = {.tv_sec = (time_t)(when / SECOND),
	                               .tv_nsec = (long)(when % SECOND)};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
		;
}

static void log_in(struct server *server, unsigned number)
{
	struct ocsnotify_session *session;
	char user[64];
	int result;

	snprintf(user, sizeof(user), "%s%06u", server->storm->prefix, number);
	result = ocsnotify_session_open(server->context, user, NULL, &session);
	if (result == OCSNOTIFY_OK)
		result = ocsnotify_subscribe(session, 1, 0, OCSNOTIFY_NEWMAIL, true, 0, 0);
	if (result == OCSNOTIFY_OK)
		server->done++;
	else if (server->errors++ == 0)
		fprintf(stderr, "storm: %s: %s: %s\n", user, ocsnotify_strerror(result),
		        ocsnotify_last_error(server->context));
}

static void *storm_run(void *arg)
{
	struct server *server = arg;
	struct storm *storm = server->storm;
	unsigned number;

	while ((number = atomic_fetch_add(&storm->next, 1)) < storm->logins) {
		uint64_t due = storm->begin + SECOND * number / storm->rate, now;

		sleep_until(due);
		log_in(server, number);
		now = bench_now();
		bench_samples_add(&server->times, now - due);
		/* the last one to write is late enough: all are about to end */
		atomic_store(&storm->ended, now);
	}
	return NULL;
}

static void print(struct storm *storm, struct server *servers, unsigned count)
{
	double seconds = (double)(atomic_load(&storm->ended) - storm->begin) / (double)SECOND;
	uint64_t done = 0, errors = 0, warnings = 0;
	struct bench_samples all = {0};

	for (unsigned i = 0; i < count; i++) {
		struct server *server = &servers[i];

		done += server->done;
		errors += server->errors;
		warnings += server->warnings;
		if (server->warnings > 0)
			fprintf(stderr, "storm: %s\n", server->warning);
		for (size_t t = 0; t < server->times.count; t++)
			bench_samples_add(&all, server->times.ns[t]);
	}
	printf("{\"logins\":%" PRIu64 ",\"errors\":%" PRIu64 ",\"warnings\":%" PRIu64
	       ",\"seconds\":%.3f,\"per_s\":%.0f,\"login\":{",
	       done, errors, warnings, seconds, (double)done / seconds);
	bench_samples_print(&all);
	puts("}}");
	free(all.ns);
}

int main(int argc, char **argv)
{
	static struct server servers[THREADS_MAX];
	static struct storm storm = {.logins = 1000, .rate = 1000};
	unsigned threads = 16, started = 0;
	int option, status = 1;
	char error[512];

	while ((option = getopt(argc, argv, "n:r:R:t:U:")) != -1) {
		if (option == 'n')
			storm.logins = (unsigned)strtoul(optarg, NULL, 10);
		else if (option == 'r')
			storm.registry = optarg;
		else if (option == 'R')
			storm.rate = (unsigned)strtoul(optarg, NULL, 10);
		else if (option == 't')
			threads = (unsigned)strtoul(optarg, NULL, 10);
		else if (option == 'U')
			storm.prefix = optarg;
	}
	if (!storm.registry || !storm.prefix || storm.logins == 0 || storm.rate == 0 ||
	    threads == 0 || threads > THREADS_MAX) {
		fputs("usage: storm -r REGISTRY -U USER-PREFIX [-n LOGINS] [-R PER-SECOND] [-t "
		      "THREADS]\n",
		      stderr);
		return 2;
	}
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0)
		return 1;
	for (unsigned i = 0; i < threads; i++) {
		servers[i].storm = &storm;
		if (ocsnotify_open(storm.registry, &servers[i].context, error, sizeof(error)) !=
		    OCSNOTIFY_OK) {
			fprintf(stderr, "storm: %s\n", error);
			return 1;
		}
		ocsnotify_set_warning(servers[i].context, warn, &servers[i]);
	}
	storm.begin = bench_now();
	while (started < threads &&
	       pthread_create(&servers[started].thread, NULL, storm_run, &servers[started]) == 0)
		started++;
	for (unsigned i = 0; i < started; i++)
		pthread_join(servers[i].thread, NULL);
	if (started == threads) {
		print(&storm, servers, threads);
		status = 0;
	}
	for (unsigned i = 0; i < threads; i++) {
		ocsnotify_close(servers[i].context);
		free(servers[i].times.ns);
	}
	return status;
}
