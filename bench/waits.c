/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Many parked waits: sessions of libocsemsmdb in one process, each subscribed to new mail and with
 * a wait parked, as a MAPI server has them for its idle clients, while mail is reported for each of
 * them in turn. Measured from the moment a PUT is sent to the moment the session's wait ends. The
 * session then makes its idle call, which must bring the RopNotify, and parks the next wait.
 *
 * Two threads: the host's has the sessions and an epoll loop; the sender's sends the PUTs over one
 * connection, the next after the answer to the last. Prints one line of JSON. Touches the registry
 * folder it is given, its own queues, and loopback.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "bench/request.h"
#include "bench/samples.h"
#include "ocsemsmdb.h"

#define SECOND       1000000000ULL
#define MS           1000000ULL
#define LAST_MS      5000 /* after the last answer, for what is still on its way */
#define ANSWER_MS    10000
#define SESSIONS_MAX 20000
#define KINDS_MAX    5 /* of events that a session can subscribe to */
#define REPLY        65536

/* What a mail brings, by NotificationFlags: new mail of class IPM.Note, the message made, the
 * folder with other counts. Each a RopNotify of one length. */
#define FLAGS_AT 6
static const struct {
	uint16_t flags, len;
} brings[] = {{0x8002, 38}, {0x8004, 26}, {0x3010, 26}};

struct slot {
	struct ocsemsmdb_session *session;
	_Atomic uint64_t sent; /* when the last PUT for it went out */
	bool woken;
	uint32_t flags, result;
};

struct bench {
	struct ocsnotify *context;
	struct ocsemsmdb *server;
	struct slot *slots;
	unsigned count;
	unsigned kinds;           /* subscriptions of each */
	unsigned *woken, n_woken; /* numbers of slots whose waits have ended */
	uint64_t wakes, empty_wakes, events, errors;
	struct bench_samples samples;
	/* the sender's */
	struct bench_request request;
	const char *port;
	unsigned mails, rate;
	uint64_t first; /* number of the first mail */
	int http, done; /* done: an eventfd */
	atomic_bool sender_done;
	_Atomic uint64_t sent, send_errors, sending; /* sending: nanoseconds */
};

static void wait_done(void *call, uint32_t flags, uint32_t result, void *arg)
{
	struct slot *slot = call;
	struct bench *bench = arg;
	uint64_t sent = atomic_load(&slot->sent);

	slot->woken = true;
	slot->flags = flags;
	slot->result = result;
	bench->woken[bench->n_woken++] = (unsigned)(slot - bench->slots);
	if (sent != 0)
		bench_samples_add(&bench->samples, bench_now() - sent);
}

/* One Execute. The response's RopsList is at 10, its length is returned; -1 on any failure. */
static int execute(struct slot *slot, const uint8_t *rops, size_t rops_len, const uint32_t *handles,
                   size_t n_handles, uint8_t out[OCSEMSMDB_EXT_MAX], uint32_t *handle_r)
{
	uint8_t in[512];
	size_t payload = 2 + rops_len + 4 * n_handles, len;

	ocsemsmdb_ext_header((uint16_t)payload, in);
	in[8] = (uint8_t)(2 + rops_len);
	in[9] = 0;
	memcpy(in + 10, rops, rops_len);
	memcpy(in + 10 + rops_len, handles, 4 * n_handles);
	if (ocsemsmdb_execute(slot->session, in, 8 + payload, out, OCSEMSMDB_EXT_MAX, &len) != 0 ||
	    len < 10)
		return -1;
	/* the handle that the request's last place in the table has got */
	if (handle_r != NULL)
		memcpy(handle_r, out + len - 4, 4);
	return (out[8] | out[9] << 8) - 2;
}

/* RopRegisterNotification for the whole store; the handle of the logon is the first. */
static int subscribe_kind(struct slot *slot, uint32_t logon, uint8_t kind)
{
	const uint8_t subscription[] = {0x29, 0, 0, 1, kind, 0x00, 1};
	const uint32_t handles[2] = {logon, 0xffffffff};
	uint8_t out[OCSEMSMDB_EXT_MAX];

	return execute(slot, subscription, sizeof(subscription), handles, 2, out, NULL) == 6 &&
	                       memcmp(out + 12, "\0\0\0", 4) == 0
	               ? 0
	               : -1;
}

/* RopLogon to the own mailbox, then new mail, and of the other kinds of events as many as are
 * wanted. */
static int subscribe(struct slot *slot, unsigned kinds)
{
	static const uint8_t log_on[] = "\xfe\0\0\x01\0\0\0\x01\0\0\0\0\x04\0/cn";
	static const uint8_t kind[KINDS_MAX] = {0x02, 0x04, 0x08, 0x10, 0x20};
	const uint32_t none = 0xffffffff;
	uint8_t out[OCSEMSMDB_EXT_MAX];
	uint32_t logon;

	if (execute(slot, log_on, sizeof(log_on), &none, 1, out, &logon) < 6 ||
	    memcmp(out + 12, "\0\0\0", 4) != 0)
		return -1;
	for (unsigned i = 0; i < kinds; i++)
		if (subscribe_kind(slot, logon, kind[i]) != 0)
			return -1;
	return 0;
}

/* The RopNotify at that place: what it is of brings[]; -1: none of it. */
static int kind_of(const uint8_t *rop, int left)
{
	for (unsigned i = 0; i < sizeof(brings) / sizeof(brings[0]); i++)
		if (left >= brings[i].len && rop[0] == 0x2a &&
		    (rop[FLAGS_AT] | rop[FLAGS_AT + 1] << 8) == brings[i].flags)
			return (int)i;
	return -1;
}

/* The idle call; how many RopNotify it brought. Those of new mail are counted. */
static uint64_t drain(struct bench *bench, struct slot *slot)
{
	uint8_t out[OCSEMSMDB_EXT_MAX];
	int len = execute(slot, NULL, 0, NULL, 0, out, NULL), at = 0, kind;
	uint64_t all = 0;

	while (at < len && (kind = kind_of(out + 10 + at, len - at)) >= 0) {
		at += brings[kind].len;
		bench->events += kind == 0;
		all++;
	}
	bench->errors += at != len;
	return all;
}

/* Parks the wait; what is pending already is drained first. */
static void park(struct bench *bench, struct slot *slot)
{
	uint32_t flags, result;

	while (!ocsemsmdb_wait_park(slot->session, OCSEMSMDB_WAIT_ASYNC, NULL, slot, &flags,
	                            &result)) {
		uint64_t events = 0;

		if (result == 0 && (flags & 1) != 0)
			events = drain(bench, slot);
		if (events == 0) {
			bench->errors++;
			return;
		}
	}
}

static void take_news(struct bench *bench)
{
	if (ocsemsmdb_process(bench->server) < 0)
		bench->errors++;
	for (unsigned i = 0; i < bench->n_woken; i++) {
		struct slot *slot = &bench->slots[bench->woken[i]];
		uint64_t events = drain(bench, slot);

		bench->errors += slot->result != 0 || slot->flags != 1;
		bench->wakes++;
		bench->empty_wakes += events == 0;
		park(bench, slot);
	}
	bench->n_woken = 0;
}

/* ---- the sender ---- */

/* The answer to one PUT: 0 if everything in it was queued. */
static int await_answer(struct bench *bench, char *reply)
{
	struct pollfd fd = {.fd = bench->http, .events = POLLIN};
	struct bench_reply parsed;
	size_t got = 0;

	for (;;) {
		ssize_t n;
		long len;

		if (poll(&fd, 1, ANSWER_MS) <= 0)
			return -1;
		n = recv(bench->http, reply + got, REPLY - got, 0);
		if (n <= 0)
			return -1;
		got += (size_t)n;
		len = bench_reply_parse(reply, got, &parsed);
		if (len < 0)
			return -1;
		if (len > 0)
			return parsed.status == 200 && !parsed.close &&
			                       bench_reply_all(&parsed, "queued",
			                                       bench->request.batch)
			               ? 0
			               : -1;
	}
}

static int send_all(int fd, const char *data, size_t len)
{
	struct pollfd writable = {.fd = fd, .events = POLLOUT};

	while (len > 0) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN)
			return -1;
		if (n < 0 && poll(&writable, 1, ANSWER_MS) <= 0)
			return -1;
		data += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static void sleep_until(uint64_t when)
{
	const struct timespec until = {.tv_sec = (time_t)(when / SECOND),
	                               .tv_nsec = (long)(when % SECOND)};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
		;
}

static void *run_sender(void *arg)
{
	struct bench *bench = arg;
	char *reply = malloc(REPLY);
	uint64_t next = bench->first, began = bench_now(), due = began;
	const uint64_t one = 1;

	while (reply != NULL && next < bench->first + bench->mails) {
		uint64_t begin = next, now;

		if (bench->rate > 0)
			sleep_until(due += SECOND * bench->request.batch / bench->rate);
		bench_request_fill(&bench->request, bench->request.bytes, &next);
		now = bench_now();
		for (uint64_t i = begin; i < next; i++)
			atomic_store(&bench->slots[i % bench->count].sent, now);
		if (send_all(bench->http, bench->request.bytes, bench->request.len) != 0 ||
		    await_answer(bench, reply) != 0) {
			atomic_fetch_add(&bench->send_errors, 1);
			break;
		}
		atomic_fetch_add(&bench->sent, next - begin);
	}
	free(reply);
	atomic_store(&bench->sending, bench_now() - began);
	atomic_store(&bench->sender_done, true);
	if (write(bench->done, &one, sizeof(one)) != sizeof(one))
		atomic_fetch_add(&bench->send_errors, 1);
	return NULL;
}

/* ---- the host ---- */

/* Until the sender has finished and everything has come, or nothing more comes. */
static int waits_run(struct bench *bench)
{
	struct pollfd fds[2] = {{.fd = ocsnotify_fd(bench->context), .events = POLLIN},
	                        {.fd = bench->done, .events = POLLIN}};
	uint64_t until = UINT64_MAX;
	pthread_t sender;

	if (pthread_create(&sender, NULL, run_sender, bench) != 0)
		return -1;
	while (until == UINT64_MAX ||
	       (bench->events < atomic_load(&bench->sent) && bench_now() < until)) {
		if (poll(fds, until == UINT64_MAX ? 2 : 1, 100) < 0 && errno != EINTR)
			break;
		if (fds[0].revents)
			take_news(bench);
		if (until == UINT64_MAX && atomic_load(&bench->sender_done))
			until = bench_now() + LAST_MS * MS;
	}
	pthread_join(sender, NULL);
	return 0;
}

/* Resident memory in bytes, 0 if it cannot be read. */
static uint64_t resident(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	unsigned long pages = 0;

	if (file == NULL)
		return 0;
	if (fscanf(file, "%*u %lu", &pages) != 1)
		pages = 0;
	fclose(file);
	return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static int open_sessions(struct bench *bench, const char *prefix)
{
	struct ocsemsmdb_connect connect = {.user_dn = "/cn", .link = OCSEMSMDB_NO_LINK};
	struct ocsemsmdb_connected connected;
	char user[64];

	for (unsigned i = 0; i < bench->count; i++) {
		const struct ocsemsmdb_caller caller = {.user = user, .privacy = true};
		struct slot *slot = &bench->slots[i];
		uint32_t error;

		snprintf(user, sizeof(user), "%s%0*u", prefix, BENCH_USER_DIGITS, i);
		error = ocsemsmdb_connect(bench->server, &caller, &connect, &connected,
		                          &slot->session);
		if (error != 0 || subscribe(slot, bench->kinds) != 0) {
			fprintf(stderr,
			        "waits: %s: no session or subscription (%08" PRIx32 "): %s\n", user,
			        error, ocsnotify_last_error(bench->context));
			return -1;
		}
		park(bench, slot);
	}
	return bench->errors == 0 ? 0 : -1;
}

static int open_server(struct bench *bench, const char *registry)
{
	struct ocsemsmdb_settings settings;
	char error[512];

	if (ocsnotify_open(registry, &bench->context, error, sizeof(error)) != OCSNOTIFY_OK) {
		fprintf(stderr, "waits: %s\n", error);
		return -1;
	}
	ocsemsmdb_settings_init(&settings, OCSEMSMDB_2016);
	settings.sessions_max = SESSIONS_MAX;
	settings.wait_done = wait_done;
	settings.arg = bench;
	return ocsemsmdb_open(bench->context, &settings, &bench->server) == OCSNOTIFY_OK ? 0 : -1;
}

/* A descriptor a queue, as a server with so many sessions has to allow itself. */
static void raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
			perror("waits: RLIMIT_NOFILE");
	}
}

static void print(struct bench *bench, uint64_t memory)
{
	struct ocsemsmdb_stats stats;
	uint64_t sent = atomic_load(&bench->sent);

	ocsemsmdb_get_stats(bench->server, &stats);
	printf("{\"sessions\":%u,\"parked\":%u,\"sent\":%" PRIu64 ",\"events\":%" PRIu64
	       ",\"missed\":%" PRId64 ",\"wakes\":%" PRIu64 ",\"empty_wakes\":%" PRIu64
	       ",\"errors\":%" PRIu64 ",\"bytes_a_session\":%" PRIu64
	       ",\"seconds\":%.3f,\"wake\":{",
	       stats.sessions, stats.parked, sent, bench->events,
	       (int64_t)sent - (int64_t)bench->events, bench->wakes, bench->empty_wakes,
	       bench->errors + atomic_load(&bench->send_errors), memory / bench->count,
	       (double)atomic_load(&bench->sending) / (double)SECOND);
	bench_samples_print(&bench->samples);
	puts("}}");
}

int main(int argc, char **argv)
{
	static struct bench bench = {.count = 1000, .kinds = 1, .mails = 3000, .rate = 400};
	struct bench_shape shape = {.batch = 1, .messages = 1};
	const char *registry = NULL, *prefix = NULL, *template_file = NULL;
	uint64_t memory;
	int option, result = -1;

	while ((option = getopt(argc, argv, "b:f:n:o:p:r:R:s:u:U:")) != -1) {
		switch (option) {
		case 'b':
			shape.batch = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'f':
			template_file = optarg;
			break;
		case 'n':
			bench.mails = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'o':
			bench.first = strtoull(optarg, NULL, 10);
			break;
		case 'p':
			bench.port = optarg;
			break;
		case 'r':
			registry = optarg;
			break;
		case 'R':
			bench.rate = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 's':
			bench.kinds = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'u':
			bench.count = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'U':
			prefix = optarg;
			break;
		default:
			registry = NULL;
			break;
		}
	}
	if (!registry || !prefix || !bench.port || !template_file || bench.count == 0 ||
	    bench.count > SESSIONS_MAX || bench.kinds == 0 || bench.kinds > KINDS_MAX ||
	    shape.batch == 0) {
		fputs("usage: waits -r REGISTRY -U USER-PREFIX -p PORT -f TEMPLATE [-u SESSIONS]\n"
		      "             [-s SUBSCRIPTIONS OF EACH] [-n MAILS] [-b BATCH]\n"
		      "             [-R PER-SECOND, 0: one after the other]\n",
		      stderr);
		return 2;
	}
	shape.users = bench.count;
	raise_descriptors();
	bench.slots = calloc(bench.count, sizeof(*bench.slots));
	bench.woken = calloc(bench.count, sizeof(*bench.woken));
	bench.done = eventfd(0, EFD_CLOEXEC);
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) == 0 && bench.slots != NULL && bench.woken != NULL &&
	    bench.done >= 0 &&
	    bench_request_load(&bench.request, template_file, "/notification", &shape) == 0 &&
	    open_server(&bench, registry) == 0) {
		memory = resident();
		if (open_sessions(&bench, prefix) == 0 &&
		    (bench.http = bench_connect("127.0.0.1", bench.port)) >= 0) {
			memory = resident() - memory;
			fputs("waits: all are parked\n", stderr);
			result = waits_run(&bench);
			print(&bench, memory);
		}
	}
	ocsemsmdb_close(bench.server);
	ocsnotify_close(bench.context);
	bench_request_free(&bench.request);
	free(bench.samples.ns);
	free(bench.woken);
	free(bench.slots);
	return result == 0 && bench.errors == 0 ? 0 : 1;
}
