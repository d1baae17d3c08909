/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What the user map costs: notifications are given to dispatch in this process, one after the
 * other, with a map of one line and with one of many, in turns; and about a folder that many users
 * see. Nobody has a session: what is measured is finding out who sees the folder, and under which
 * identifiers. Prints one line of JSON.
 *
 * Touches the folder it is given, which must be empty.
 */
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>

#include <talloc.h>

#include "bench/samples.h"
#include "mapistore/index.h"
#include "mapistore/usermap.h"
#include "notify/dispatch.h"
#include "registry/registry.h"

#define REPORTERS 100 /* backend users of whom something is reported, at most */
#define TIMES     40  /* notifications about a folder that many see */

static char *backends[] = {(char *)"bench", NULL};
static struct ocs_dispatch_settings settings = {
        .sync = OCS_SYNC_NEVER,
        .dedupe_window = 600,
        .request_deadline = 60,
        .spill_max = 1000,
        .spill_total = 1000,
        .descriptors = 64,
        .backends = backends,
        .published = {.max_messages = 10, .message_size = 256, .replica_id = 1},
};
static struct ocs_dispatch *dispatch;

static void die(const char *what)
{
	fprintf(stderr, "users: %s\n", what);
	exit(2);
}

/* ---- maps ---- */

/* lines 1: everybody by one line; else each by a line of their own. */
static struct ocs_usermap *make_map(unsigned lines)
{
	static const struct ocs_name_rule exact;
	struct ocs_usermap *map = ocs_usermap_new(NULL, &exact);
	struct ocs_error error;
	char name[32];

	for (unsigned i = 0; map != NULL && i < lines; i++) {
		struct ocs_usermap_line line = {.backend = "bench", .file = "map", .number = i + 1};

		snprintf(name, sizeof(name), "user%06u", i);
		line.backend_user = lines > 1 ? name : NULL;
		if (ocs_usermap_add(map, &line) != 0)
			die("out of memory");
	}
	if (map == NULL || ocs_usermap_finish(map, NULL, NULL, &error) != 0)
		die("out of memory");
	return map;
}

static struct ocs_usermap *make_viewers(unsigned viewers)
{
	static const struct ocs_name_rule exact;
	struct ocs_usermap *map = ocs_usermap_new(NULL, &exact);
	struct ocs_error error;
	char name[32];

	for (unsigned i = 0; map != NULL && i < viewers; i++) {
		struct ocs_usermap_line line = {"bench", "team", "Shared", name, 0, "map", i + 1};

		snprintf(name, sizeof(name), "viewer%06u", i);
		if (ocs_usermap_add(map, &line) != 0)
			die("out of memory");
	}
	if (map == NULL || ocs_usermap_finish(map, NULL, NULL, &error) != 0)
		die("out of memory");
	return map;
}

/* ---- notifications ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static bool done;

static void users_done(void *owner, const struct ocs_result *results, size_t n)
{
	(void)owner;
	if (n != 1 || results[0].status != OCS_STATUS_NOSUBSCRIBER)
		die("a notification was refused");
	pthread_mutex_lock(&lock);
	done = true;
	pthread_cond_signal(&cond);
	pthread_mutex_unlock(&lock);
}

static void report(const char *user, const char *folder)
{
	struct ocs_request *request = talloc_zero(NULL, struct ocs_request);
	struct ocs_notification *item = talloc_zero(request, struct ocs_notification);

	if (item == NULL)
		die("out of memory");
	*item = (struct ocs_notification){.category = OCS_MODIFIED,
	                                  .backend = "bench",
	                                  .backend_user = talloc_strdup(request, user),
	                                  .folder = talloc_strdup(request, folder)};
	request->account = "bench";
	request->count = 1;
	request->items = item;
	request->results = talloc_zero_array(request, struct ocs_result, 1);
	request->done = users_done;
	done = false;
	ocs_dispatch_submit(dispatch, request);
	pthread_mutex_lock(&lock);
	while (!done)
		pthread_cond_wait(&cond, &lock);
	pthread_mutex_unlock(&lock);
}

/* Microseconds of one of count. The users reported of are the same, whatever the map. */
static double measure_lines(unsigned lines, unsigned all_lines, unsigned count)
{
	unsigned reporters = all_lines < REPORTERS ? all_lines : REPORTERS;
	unsigned apart = all_lines / reporters;
	char name[32];
	uint64_t begin;

	ocs_dispatch_reload(dispatch, &settings, make_map(lines));
	/* The first ones make and read what the others find in memory. */
	for (unsigned i = 0; i < 2 * reporters; i++) {
		snprintf(name, sizeof(name), "user%06u", (i % reporters) * apart);
		report(name, "INBOX");
	}
	begin = bench_now();
	for (unsigned i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "user%06u", (i % reporters) * apart);
		report(name, "INBOX");
	}
	return (double)(bench_now() - begin) / 1e3 / count;
}

static double measure_viewers(unsigned viewers)
{
	uint64_t begin;

	ocs_dispatch_reload(dispatch, &settings, make_viewers(viewers));
	report("team", "Shared");
	report("team", "Shared");
	begin = bench_now();
	for (unsigned i = 0; i < TIMES; i++)
		report("team", "Shared");
	return (double)(bench_now() - begin) / 1e3 / TIMES;
}

static void start(const char *folder)
{
	struct ocs_registry *registry;
	struct ocs_index *index;
	struct ocs_error error = {.text = ""};
	char path[300];

	if (snprintf(path, sizeof(path), "%s/private", folder) >= (int)sizeof(path) ||
	    mkdir(path, 0700) != 0)
		die("cannot create the folder private");
	if (ocs_registry_open(folder, true, &registry, NULL, &error) != 0 ||
	    ocs_index_open(folder, 1, true, &index, &error) != 0 ||
	    ocs_dispatch_start(folder, registry, index, NULL, &settings, NULL, &dispatch, &error) !=
	            0)
		die(error.text);
}

static unsigned number(const char *text)
{
	unsigned long value = strtoul(text, NULL, 10);

	if (value == 0 || value > 1000000)
		die("a number from 1 to 1000000 is needed");
	return (unsigned)value;
}

int main(int argc, char **argv)
{
	unsigned lines = 100000, viewers = 3000, count = 20000, rounds = 5;
	const char *folder = NULL;
	double few, all;
	int c;

	while ((c = getopt(argc, argv, "d:l:v:n:r:")) != -1) {
		if (c == 'd')
			folder = optarg;
		else if (c == 'l')
			lines = number(optarg);
		else if (c == 'v')
			viewers = number(optarg);
		else if (c == 'n')
			count = number(optarg);
		else if (c == 'r')
			rounds = number(optarg);
		else
			return 2;
	}
	if (folder == NULL || lines < 2 || viewers < 10)
		die("usage: users -d FOLDER [-l LINES] [-v VIEWERS] [-n COUNT] [-r ROUNDS]");
	start(folder);
	printf("{\"rounds\":[");
	for (unsigned i = 0; i < rounds; i++) {
		double one, many;

		/* In turning order, so that both see the same machine. */
		many = i % 2 != 0 ? measure_lines(lines, lines, count) : 0;
		one = measure_lines(1, lines, count);
		if (i % 2 == 0)
			many = measure_lines(lines, lines, count);
		printf("%s{\"one_us\":%.3f,\"many_us\":%.3f}", i > 0 ? "," : "", one, many);
	}
	few = measure_viewers(viewers / 10);
	all = measure_viewers(viewers);
	printf("],\"few_viewers_us\":%.1f,\"viewers_us\":%.1f}\n", few, all);
	return 0; /* what is open ends with us */
}
