/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The consumer of the throughput comparisons: as a MAPI server would, it opens many sessions in one
 * libocsnotify context, or as many servers in several, and drains each as soon as it has something,
 * RopNotify bytes included.
 *
 * Prints `ready` once all subscriptions are registered. On SIGTERM it drains until nothing has
 * come for a while and prints one line of JSON with what arrived, by kind, so that the run can be
 * checked for losses. Touches the registry folder it is given and its own queues.
 */
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <ocsnotify.h>

#include "bench/request.h"
#include "bench/samples.h"

#define ROP_BUFFER 32768
#define QUIET_MS   300
#define LAST_DRAIN (15 * 1000000000ULL) /* the longest the end may take */
#define USERS_MAX  1000000
#define OBJECT_BITS                                                                                \
	(OCSNOTIFY_OBJECT_CREATED | OCSNOTIFY_OBJECT_DELETED | OCSNOTIFY_OBJECT_MODIFIED |         \
	 OCSNOTIFY_OBJECT_MOVED | OCSNOTIFY_OBJECT_COPIED)

static const char *const kinds[] = {"newmail", "created", "deleted", "modified",
                                    "moved",   "copied",  "search",  "table"};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

struct drain {
	struct ocsnotify **contexts;
	struct pollfd *fds; /* of each context, and of the signals behind them */
	struct ocsnotify_session **sessions;
	unsigned users, first, in_one, n_contexts; /* in_one: users in one context */
	const char *prefix; /* of the user names; a number follows, beginning with first */
	uint64_t events, bytes, errors, warnings;
	uint64_t by_kind[KINDS];
};

static void warn(const char *text, void *arg)
{
	struct drain *drain = arg;

	/* one is enough to see what it is about; the number is in the result */
	if (drain->warnings++ == 0)
		fprintf(stderr, "drain: %s\n", text);
}

static void drain_session(struct ocsnotify_session *session, void *arg)
{
	struct drain *drain = arg;
	struct ocsnotify_event event;
	uint8_t buffer[ROP_BUFFER];
	int result;

	while ((result = ocsnotify_next_event(session, &event)) == 1) {
		size_t len = ocsnotify_encode(session, &event, buffer, sizeof(buffer));
		if (len == 0)
			drain->errors++;
		drain->bytes += len;
		drain->events++;
		for (size_t i = 0; i < KINDS; i++)
			drain->by_kind[i] += strcmp(event.event, kinds[i]) == 0;
	}
	if (result < 0 && drain->errors++ == 0)
		fprintf(stderr, "drain: %s\n", ocsnotify_strerror(result));
}

static int subscribe(struct drain *drain, unsigned number, const char *folder, const char *tables)
{
	char user[64];
	uint64_t fid = 0, root = 0;
	int result;

	snprintf(user, sizeof(user), "%s%0*u", drain->prefix, BENCH_USER_DIGITS,
	         drain->first + number);
	struct ocsnotify *context = drain->contexts[number / drain->in_one];
	result = ocsnotify_session_open(context, user, NULL, &drain->sessions[number]);
	/* identifiers given at first sight are writes to the disk: only where they are needed */
	if (result == OCSNOTIFY_OK && strpbrk(tables, "oc"))
		result = ocsnotify_folder_fid(context, user, "bench", user, folder, &fid);
	if (result == OCSNOTIFY_OK && strchr(tables, 'h'))
		result = ocsnotify_folder_fid(context, user, "bench", user, "", &root);

	struct ocsnotify_session *session = drain->sessions[number];
	for (const char *table = tables; *table && result == OCSNOTIFY_OK; table++) {
		uint32_t handle = (uint32_t)(table - tables) + 1;
		if (*table == 'n')
			result = ocsnotify_subscribe(session, handle, 0, OCSNOTIFY_NEWMAIL, true, 0,
			                             0);
		else if (*table == 'o')
			result =
			        ocsnotify_subscribe(session, handle, 0, OBJECT_BITS, false, fid, 0);
		else if (*table == 's')
			result = ocsnotify_subscribe(session, handle, 0, OBJECT_BITS, true, 0, 0);
		else if (*table == 'c')
			result = ocsnotify_subscribe_table(session, handle, 0,
			                                   OCSNOTIFY_CONTENTS_TABLE, fid);
		else if (*table == 'h')
			result = ocsnotify_subscribe_table(session, handle, 0,
			                                   OCSNOTIFY_HIERARCHY_TABLE, root);
		else
			result = OCSNOTIFY_E_INVALID;
	}
	if (result != OCSNOTIFY_OK)
		fprintf(stderr, "drain: %s: %s: %s\n", user, ocsnotify_strerror(result),
		        ocsnotify_last_error(context));
	return result == OCSNOTIFY_OK ? 0 : -1;
}

/* What those contexts have for which it was said that they have something. */
static void take_news(struct drain *drain)
{
	for (unsigned i = 0; i < drain->n_contexts; i++) {
		if (!drain->fds[i].revents)
			continue;
		int result = ocsnotify_process(drain->contexts[i], drain_session, drain);
		if (result < 0 && drain->errors++ == 0)
			fprintf(stderr, "drain: %s: %s\n", ocsnotify_strerror(result),
			        ocsnotify_last_error(drain->contexts[i]));
	}
}

static int drain_run(struct drain *drain, const sigset_t *ends)
{
	int signals = signalfd(-1, ends, SFD_CLOEXEC | SFD_NONBLOCK);
	struct pollfd *stop = &drain->fds[drain->n_contexts];

	if (signals < 0)
		return -1;
	*stop = (struct pollfd){.fd = signals, .events = POLLIN};
	while (!(stop->revents & POLLIN)) {
		if (poll(drain->fds, drain->n_contexts + 1, -1) < 0)
			return -1;
		take_news(drain);
	}
	/* the end: until QUIET_MS pass without an event, and every session asked, not only those
	 * with news: an event that came without a wake-up would be found, and its lateness too */
	for (uint64_t until = bench_now() + LAST_DRAIN; bench_now() < until;) {
		uint64_t before = drain->events;
		if (poll(drain->fds, drain->n_contexts, QUIET_MS) > 0)
			take_news(drain);
		else if (drain->events == before)
			break;
	}
	close(signals);
	return 0;
}

static int open_contexts(struct drain *drain, const char *registry)
{
	char error[512];

	if (drain->in_one == 0)
		drain->in_one = drain->users;
	unsigned count = (drain->users + drain->in_one - 1) / drain->in_one;
	drain->contexts = calloc(count, sizeof(*drain->contexts));
	drain->fds = calloc(count + 1, sizeof(*drain->fds));
	drain->sessions = calloc(drain->users, sizeof(*drain->sessions));
	if (!drain->contexts || !drain->fds || !drain->sessions) {
		fputs("drain: out of memory\n", stderr);
		return -1;
	}
	for (; drain->n_contexts < count; drain->n_contexts++) {
		struct ocsnotify **context = &drain->contexts[drain->n_contexts];

		if (ocsnotify_open(registry, context, error, sizeof(error)) != OCSNOTIFY_OK) {
			fprintf(stderr, "drain: %s\n", error);
			return -1;
		}
		ocsnotify_set_warning(*context, warn, drain);
		drain->fds[drain->n_contexts] =
		        (struct pollfd){.fd = ocsnotify_fd(*context), .events = POLLIN};
	}
	return 0;
}

static void release(struct drain *drain)
{
	for (unsigned i = 0; i < drain->n_contexts; i++)
		ocsnotify_close(drain->contexts[i]);
	free(drain->contexts);
	free(drain->fds);
	free(drain->sessions);
}

static void print(const struct drain *drain, uint64_t unannounced)
{
	printf("{\"users\":%u,\"events\":%" PRIu64 ",\"rop_bytes\":%" PRIu64 ",\"errors\":%" PRIu64
	       ",\"warnings\":%" PRIu64 ",\"unannounced\":%" PRIu64,
	       drain->users, drain->events, drain->bytes, drain->errors, drain->warnings,
	       unannounced);
	for (size_t i = 0; i < KINDS; i++)
		printf(",\"%s\":%" PRIu64, kinds[i], drain->by_kind[i]);
	puts("}");
}

int main(int argc, char **argv)
{
	static struct drain drain;
	const char *registry = NULL, *folder = "INBOX", *tables = "o";
	sigset_t ends;
	int option, status = 1;

	while ((option = getopt(argc, argv, "r:U:u:f:o:t:x:")) != -1) {
		if (option == 'r')
			registry = optarg;
		else if (option == 'U')
			drain.prefix = optarg;
		else if (option == 'u')
			drain.users = (unsigned)strtoul(optarg, NULL, 10);
		else if (option == 'f')
			folder = optarg;
		else if (option == 'o')
			drain.first = (unsigned)strtoul(optarg, NULL, 10);
		else if (option == 't')
			tables = optarg;
		else if (option == 'x')
			drain.in_one = (unsigned)strtoul(optarg, NULL, 10);
	}
	if (!registry || !drain.prefix || drain.users == 0 || drain.users > USERS_MAX) {
		fputs("usage: drain -r REGISTRY -U USER-PREFIX -u USERS [-o FIRST-NUMBER] [-f "
		      "FOLDER] "
		      "[-t TABLES] [-x USERS-IN-A-CONTEXT]\n"
		      "TABLES: letters of n(ewmail), o(bject), s(tore: object, all folders), "
		      "c(ontents), h(ierarchy)\n",
		      stderr);
		return 2;
	}
	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0 || sigprocmask(SIG_BLOCK, &ends, NULL) != 0)
		return 1;
	bool opened = open_contexts(&drain, registry) == 0;
	unsigned ready = 0;
	while (opened && ready < drain.users && subscribe(&drain, ready, folder, tables) == 0)
		ready++;
	if (ready == drain.users) {
		puts("ready");
		fflush(stdout);
		status = drain_run(&drain, &ends) == 0 ? 0 : 1;
		uint64_t before = drain.events;
		for (unsigned i = 0; i < drain.users; i++)
			drain_session(drain.sessions[i], &drain);
		print(&drain, drain.events - before);
	}
	release(&drain);
	return status;
}
