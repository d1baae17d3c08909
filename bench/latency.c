/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The latency of a push: from the moment a PUT is sent to the moment the UDP datagram arrives, and
 * to the HTTP answer. Two threads play the two sides: the host's runs libocsnotify as a MAPI server
 * does, the client's sends the PUT, receives the datagram, then makes the host drain (its idle
 * call) before it goes on. Prints one line of JSON.
 *
 * Touches the registry folder it is given, its own queues, and loopback.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <ocsnotify.h>

#include "bench/request.h"
#include "bench/samples.h"

#define SECOND 1000000000ULL
#define LOST   SECOND /* a datagram or answer that takes longer counts as lost */
#define REPLY  8192
#define BUFFER 32768

/* of {m}; so many pushes go before the measurement, to give each its identifier and warm caches */
#define MESSAGES 100
#define PUSH_LEN 16

static const uint8_t push_context[PUSH_LEN] = "latency-of-push";

struct host {
	struct ocsnotify *context;
	struct ocsnotify_session *session;
	int idle_call, idle_done; /* eventfds: asked for, finished */
	atomic_bool stop;
	uint64_t rop_bytes, errors;
};

struct client {
	struct bench_request request;
	int http, udp;
	uint64_t next, sent, errors, lost, foreign;
	struct bench_samples pushes, answers;
	char reply[REPLY];
};

static void ignore_pending(struct ocsnotify_session *session, void *arg)
{
	(void)session;
	(void)arg;
}

static bool poke(int fd)
{
	const uint64_t count = 1;

	return write(fd, &count, sizeof(count)) == sizeof(count);
}

static void make_idle_call(struct host *host)
{
	uint8_t buffer[BUFFER];
	bool more = true;

	while (more) {
		size_t used = 0;
		more = false;
		if (ocsnotify_drain(host->session, buffer, sizeof(buffer), &used, &more) < 0)
			host->errors++;
		host->rop_bytes += used;
	}
}

static void *host_thread(void *arg)
{
	struct host *host = arg;
	struct pollfd fds[2] = {{.fd = ocsnotify_fd(host->context), .events = POLLIN},
	                        {.fd = host->idle_call, .events = POLLIN}};
	uint64_t count;

	while (!atomic_load(&host->stop)) {
		if (poll(fds, 2, -1) < 0) {
			if (errno == EINTR)
				continue;
			break;
		}
		if (fds[0].revents && ocsnotify_process(host->context, ignore_pending, NULL) < 0)
			host->errors++;
		if (fds[1].revents && read(host->idle_call, &count, sizeof(count)) > 0) {
			make_idle_call(host);
			if (!poke(host->idle_done))
				host->errors++;
		}
	}
	return NULL;
}

static int open_udp(struct host *host, struct client *client)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
	                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	uint8_t bytes[16] = {AF_INET}; /* the client's SOCKADDR: family little-endian */

	client->udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (client->udp < 0 || bind(client->udp, (struct sockaddr *)&address, len) != 0 ||
	    getsockname(client->udp, (struct sockaddr *)&address, &len) != 0) {
		perror("UDP socket");
		return -1;
	}
	memcpy(bytes + 2, &address.sin_port, 2);
	memcpy(bytes + 4, &address.sin_addr, 4);
	uint32_t code = ocsnotify_set_push(host->session, push_context, sizeof(push_context), bytes,
	                                   sizeof(bytes));
	if (code != 0)
		fprintf(stderr, "latency: push address refused: %08" PRIx32 "\n", code);
	return code == 0 ? 0 : -1;
}

static int open_host(struct host *host, const char *registry, const char *user, const char *folder,
                     bool newmail)
{
	char error[512];
	uint64_t fid = 0;

	int result = ocsnotify_open(registry, &host->context, error, sizeof(error));
	if (result != OCSNOTIFY_OK) {
		fprintf(stderr, "latency: %s\n", error);
		return -1;
	}
	result = ocsnotify_session_open(host->context, user, NULL, &host->session);
	if (result == OCSNOTIFY_OK)
		result = ocsnotify_folder_fid(host->context, user, "bench", user, folder, &fid);
	if (result == OCSNOTIFY_OK)
		result = ocsnotify_subscribe(
		        host->session, 1, 0,
		        newmail ? OCSNOTIFY_NEWMAIL : OCSNOTIFY_OBJECT_MODIFIED, newmail, fid, 0);
	if (result != OCSNOTIFY_OK)
		fprintf(stderr, "latency: %s: %s\n", ocsnotify_strerror(result),
		        ocsnotify_last_error(host->context));
	host->idle_call = eventfd(0, EFD_CLOEXEC);
	host->idle_done = eventfd(0, EFD_CLOEXEC);
	return result == OCSNOTIFY_OK && host->idle_call >= 0 && host->idle_done >= 0 ? 0 : -1;
}

/* One PUT, its answer and its datagram. -1 if the connection is of no more use. */
static int push_once(struct client *client)
{
	struct pollfd fds[2] = {{.fd = client->udp, .events = POLLIN},
	                        {.fd = client->http, .events = POLLIN}};
	bool pushed = false, answered = false;
	size_t got = 0;
	uint8_t datagram[64];

	bench_request_fill(&client->request, client->request.bytes, &client->next);
	uint64_t begin = bench_now();
	/* one request of some hundred bytes always fits into an empty socket buffer */
	if (send(client->http, client->request.bytes, client->request.len, MSG_NOSIGNAL) !=
	    (ssize_t)client->request.len)
		return -1;
	client->sent++;
	while (!pushed || !answered) {
		uint64_t waited = bench_now() - begin;
		if (waited > LOST) {
			client->lost += !pushed;
			client->errors += !answered;
			return answered ? 0 : -1;
		}
		if (poll(fds, 2, (int)((LOST - waited) / 1000000) + 1) < 0 && errno != EINTR)
			return -1;
		if (fds[0].revents & POLLIN) {
			ssize_t n = recv(client->udp, datagram, sizeof(datagram), 0);
			if (n == PUSH_LEN && memcmp(datagram, push_context, PUSH_LEN) == 0 &&
			    !pushed) {
				pushed = true;
				bench_samples_add(&client->pushes, bench_now() - begin);
			} else if (n >= 0) {
				client->foreign++;
			}
		}
		if (!answered && fds[1].revents) {
			struct bench_reply reply;
			ssize_t n = recv(client->http, client->reply + got, REPLY - got, 0);
			if (n <= 0)
				return -1;
			got += (size_t)n;
			long len = bench_reply_parse(client->reply, got, &reply);
			if (len < 0)
				return -1;
			if (len == 0)
				continue;
			answered = true;
			bench_samples_add(&client->answers, bench_now() - begin);
			if (reply.status != 200 || !bench_reply_all(&reply, "queued", 1))
				client->errors++;
			if (reply.close)
				return -1;
		}
	}
	return 0;
}

/* Returns when the host has drained; false if it did not within the time. */
static bool make_host_drain(const struct host *host)
{
	struct pollfd done = {.fd = host->idle_done, .events = POLLIN};
	uint64_t count;

	return poke(host->idle_call) && poll(&done, 1, LOST / 1000000) == 1 &&
	       read(host->idle_done, &count, sizeof(count)) == sizeof(count);
}

static void sleep_until(uint64_t when)
{
	const struct timespec until = {.tv_sec = (time_t)(when / SECOND),
	                               .tv_nsec = (long)(when % SECOND)};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
		;
}

static int latency_run(struct host *host, struct client *client, unsigned count, unsigned rate)
{
	pthread_t thread;
	int result = 0;

	if (pthread_create(&thread, NULL, host_thread, host) != 0)
		return -1;
	uint64_t due = bench_now();
	for (unsigned i = 0; i < MESSAGES + count && result == 0; i++) {
		if (i == MESSAGES)
			client->pushes.count = client->answers.count = client->sent = 0;
		sleep_until(due);
		due += SECOND / rate;
		result = push_once(client);
		if (!make_host_drain(host))
			result = -1;
	}
	atomic_store(&host->stop, true);
	if (!poke(host->idle_call))
		return -1;
	pthread_join(thread, NULL);
	return result;
}

static void print(struct client *client, const struct host *host)
{
	printf("{\"sent\":%" PRIu64 ",\"datagrams\":%zu,\"lost\":%" PRIu64 ",\"foreign\":%" PRIu64
	       ",\"errors\":%" PRIu64 ",\"rop_bytes\":%" PRIu64 ",\"push\":{",
	       client->sent, client->pushes.count, client->lost, client->foreign,
	       client->errors + host->errors, host->rop_bytes);
	bench_samples_print(&client->pushes);
	printf("},\"answer\":{");
	bench_samples_print(&client->answers);
	puts("}}");
}

int main(int argc, char **argv)
{
	static struct client client;
	static struct host host;
	const struct bench_shape shape = {.batch = 1, .users = 1, .messages = MESSAGES};
	const char *registry = NULL, *port = NULL, *template_file = NULL, *folder = "INBOX",
	           *user = NULL;
	unsigned count = 1000, rate = 200;
	bool newmail = true;
	int option;

	while ((option = getopt(argc, argv, "f:F:mn:p:r:R:U:")) != -1) {
		switch (option) {
		case 'f':
			template_file = optarg;
			break;
		case 'F':
			folder = optarg;
			break;
		case 'm':
			newmail = false;
			break;
		case 'n':
			count = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'p':
			port = optarg;
			break;
		case 'r':
			registry = optarg;
			break;
		case 'R':
			rate = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'U':
			user = optarg;
			break;
		default:
			port = NULL;
			break;
		}
	}
	if (!registry || !user || !port || !template_file || rate == 0) {
		fputs("usage: latency -r REGISTRY -U USER -p PORT -f TEMPLATE [-F FOLDER] [-n "
		      "COUNT]\n"
		      "               [-R PER-SECOND] [-m: subscribe to modified, not newmail]\n",
		      stderr);
		return 2;
	}
	int result = -1;
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) == 0 &&
	    bench_request_load(&client.request, template_file, "/notification", &shape) == 0 &&
	    open_host(&host, registry, user, folder, newmail) == 0 &&
	    open_udp(&host, &client) == 0 &&
	    (client.http = bench_connect("127.0.0.1", port)) >= 0) {
		result = latency_run(&host, &client, count, rate);
		print(&client, &host);
	}
	ocsnotify_close(host.context);
	bench_request_free(&client.request);
	free(client.pushes.ns);
	free(client.answers.ns);
	return result == 0 && client.errors == 0 && client.lost == 0 ? 0 : 1;
}
