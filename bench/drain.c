/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The consumer of the throughput comparisons: as a MAPI server would, it opens many sessions in one
 * libocsnotify context and drains each as soon as it has something, RopNotify bytes included.
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

#include "bench/samples.h"

#define ROP_BUFFER 32768
#define QUIET_MS   300
#define LAST_DRAIN (15 * 1000000000ULL) /* the longest the end may take */
#define USERS_MAX  4096
#define OBJECT_BITS                                                                                \
	(OCSNOTIFY_OBJECT_CREATED | OCSNOTIFY_OBJECT_DELETED | OCSNOTIFY_OBJECT_MODIFIED |         \
	 OCSNOTIFY_OBJECT_MOVED | OCSNOTIFY_OBJECT_COPIED)

static const char *const kinds[] = {"newmail", "created", "deleted", "modified",
                                    "moved",   "copied",  "search",  "table"};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

struct drain {
	struct ocsnotify *context;
	struct ocsnotify_session *sessions[USERS_MAX];
	unsigned users, first;
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
		fprintf(stderr, "drain: %s: %s\n", ocsnotify_strerror(result),
		        ocsnotify_last_error(drain->context));
}

static int subscribe(struct drain *drain, unsigned number, const char *folder, const char *tables)
{
	char user[64];
	uint64_t fid = 0, root = 0;
	int result;

	snprintf(user, sizeof(user), "%s%04u", drain->prefix, drain->first + number);
	struct ocsnotify *context = drain->context;
	result = ocsnotify_session_open(context, user, NULL, &drain->sessions[number]);
	if (result == OCSNOTIFY_OK)
		result = ocsnotify_folder_fid(context, user, "bench", user, folder, &fid);
	if (result == OCSNOTIFY_OK)
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

static void take_news(struct drain *drain)
{
	int result = ocsnotify_process(drain->context, drain_session, drain);

	if (result < 0 && drain->errors++ == 0)
		fprintf(stderr, "drain: %s: %s\n", ocsnotify_strerror(result),
		        ocsnotify_last_error(drain->context));
}

static int drain_run(struct drain *drain, const sigset_t *ends)
{
	int signals = signalfd(-1, ends, SFD_CLOEXEC | SFD_NONBLOCK);
	struct pollfd fds[2] = {{.fd = ocsnotify_fd(drain->context), .events = POLLIN},
	                        {.fd = signals, .events = POLLIN}};

	if (signals < 0)
		return -1;
	while (!(fds[1].revents & POLLIN)) {
		if (poll(fds, 2, -1) < 0)
			return -1;
		if (fds[0].revents)
			take_news(drain);
	}
	/* the end: until QUIET_MS pass without an event, and every session asked, not only those
	 * with news: an event that came without a wake-up would be found, and its lateness too */
	for (uint64_t until = bench_now() + LAST_DRAIN; bench_now() < until;) {
		uint64_t before = drain->events;
		if (poll(fds, 1, QUIET_MS) > 0)
			take_news(drain);
		else if (drain->events == before)
			break;
	}
	close(signals);
	return 0;
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
	char error[512];
	sigset_t ends;
	int option, status = 1;

	while ((option = getopt(argc, argv, "r:U:u:f:o:t:")) != -1) {
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
	}
	if (!registry || !drain.prefix || drain.users == 0 || drain.users > USERS_MAX) {
		fputs("usage: drain -r REGISTRY -U USER-PREFIX -u USERS [-o FIRST-NUMBER] [-f "
		      "FOLDER] "
		      "[-t TABLES]\n"
		      "TABLES: letters of n(ewmail), o(bject), c(ontents), h(ierarchy)\n",
		      stderr);
		return 2;
	}
	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0 || sigprocmask(SIG_BLOCK, &ends, NULL) != 0)
		return 1;
	if (ocsnotify_open(registry, &drain.context, error, sizeof(error)) != OCSNOTIFY_OK) {
		fprintf(stderr, "drain: %s\n", error);
		return 1;
	}
	ocsnotify_set_warning(drain.context, warn, &drain);
	unsigned ready = 0;
	while (ready < drain.users && subscribe(&drain, ready, folder, tables) == 0)
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
	ocsnotify_close(drain.context);
	return status;
}
