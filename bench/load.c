/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The load generator: keep-alive HTTP/1.1 connections over epoll in one thread, one request
 * outstanding on each, as fast as the answers come or at a fixed rate. Checks every answer. Prints
 * one line of JSON.
 *
 * At a fixed rate the time of a request counts from when it was due, so that a server which makes
 * the generator wait cannot hide it. Every request sent is waited for: what was not answered is
 * counted as such.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/request.h"
#include "bench/samples.h"

#define SECOND       1000000000ULL
#define STALL_AFTER  (2 * SECOND)
#define GRACE        (5 * SECOND) /* for answers still out at the end */
#define REPLY_MAX    65536
#define CONNECTS_MAX 4096

struct connection {
	int fd; /* -1: gone */
	char *out;
	size_t sent;
	char *in;
	size_t got;
	uint64_t due; /* when the request out was to be sent; 0: none out */
	bool stalled; /* counted already */
	bool writing; /* waits for room in the socket */
};

struct load {
	struct bench_request request;
	const char *expected; /* status of each result, or NULL: not looked at */
	uint64_t count_max;   /* requests; 0: no bound */
	uint64_t interval;    /* ns between requests; 0: closed loop */
	int epoll;
	struct connection *connections;
	unsigned connection_count, alive;
	unsigned *idle, idle_count;
	uint64_t next; /* number for {n} */
	uint64_t next_due;
	uint64_t started, answered, ok, errors, stalls, wrong_bodies;
	struct bench_samples times;
};

static void drop(struct load *load, struct connection *connection)
{
	close(connection->fd);
	connection->fd = -1;
	if (connection->due)
		load->errors++;
	connection->due = 0;
	load->alive--;
}

static bool watch(struct load *load, struct connection *connection, int operation, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = connection};

	return epoll_ctl(load->epoll, operation, connection->fd, &event) == 0;
}

static void push_out(struct load *load, struct connection *connection)
{
	while (connection->sent < load->request.len) {
		ssize_t n = send(connection->fd, connection->out + connection->sent,
		                 load->request.len - connection->sent, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			if (!connection->writing &&
			    !watch(load, connection, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT))
				drop(load, connection);
			connection->writing = true;
			return;
		}
		if (n < 0) {
			drop(load, connection);
			return;
		}
		connection->sent += (size_t)n;
	}
	if (connection->writing) {
		connection->writing = false;
		if (!watch(load, connection, EPOLL_CTL_MOD, EPOLLIN))
			drop(load, connection);
	}
}

static void send_next(struct load *load, struct connection *connection, uint64_t due)
{
	bench_request_fill(&load->request, connection->out, &load->next);
	connection->sent = 0;
	connection->got = 0;
	connection->due = due;
	connection->stalled = false;
	load->started++;
	push_out(load, connection);
}

static bool may_send(const struct load *load, uint64_t now, uint64_t end)
{
	return now < end && (load->count_max == 0 || load->started < load->count_max);
}

static void take_reply(struct load *load, struct connection *connection,
                       const struct bench_reply *reply, uint64_t now)
{
	load->answered++;
	bench_samples_add(&load->times, now - connection->due);
	connection->due = 0;
	if (reply->status != 200)
		load->errors++;
	else if (load->expected && !bench_reply_all(reply, load->expected, load->request.batch))
		load->wrong_bodies++;
	else
		load->ok++;
	if (reply->close)
		drop(load, connection);
}

static void readable(struct load *load, struct connection *connection, uint64_t end)
{
	struct bench_reply reply;
	ssize_t n = recv(connection->fd, connection->in + connection->got,
	                 REPLY_MAX - connection->got, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		drop(load, connection);
		return;
	}
	connection->got += (size_t)n;
	long len = bench_reply_parse(connection->in, connection->got, &reply);
	if (len == 0 && connection->got < REPLY_MAX)
		return;
	/* more bytes than one answer, or any without a request: not HTTP as agreed */
	if (len <= 0 || (size_t)len != connection->got || !connection->due) {
		drop(load, connection);
		return;
	}
	uint64_t now = bench_now();
	take_reply(load, connection, &reply, now);
	if (connection->fd < 0)
		return;
	if (load->interval == 0 && may_send(load, now, end))
		send_next(load, connection, now);
	else
		load->idle[load->idle_count++] = (unsigned)(connection - load->connections);
}

/* Counts each request that has waited too long, once. Returns how many are out. */
static unsigned look_for_stalls(struct load *load, uint64_t now)
{
	unsigned out = 0;

	for (unsigned i = 0; i < load->connection_count; i++) {
		struct connection *connection = &load->connections[i];
		if (!connection->due)
			continue;
		out++;
		if (!connection->stalled && now > connection->due + STALL_AFTER) {
			connection->stalled = true;
			load->stalls++;
		}
	}
	return out;
}

static void send_due(struct load *load, uint64_t now, uint64_t end)
{
	while (load->idle_count > 0 && may_send(load, now, end)) {
		uint64_t due = load->interval ? load->next_due : now;
		if (due > now)
			return;
		load->next_due += load->interval;
		struct connection *connection = &load->connections[load->idle[--load->idle_count]];
		if (connection->fd >= 0)
			send_next(load, connection, due);
	}
}

static int wait_ms(const struct load *load, uint64_t now)
{
	if (load->interval == 0 || load->idle_count == 0)
		return 100;
	return load->next_due <= now ? 0 : (int)((load->next_due - now) / 1000000);
}

/* Runs until the time or the count is reached and every answer is in. Returns requests not
 * answered. */
static unsigned load_run(struct load *load, uint64_t begin, uint64_t end, uint64_t *last)
{
	struct epoll_event events[256];
	uint64_t now = begin, looked = begin;
	unsigned out = 0;

	load->next_due = begin;
	for (;;) {
		send_due(load, now, end);
		int n = epoll_wait(load->epoll, events, 256, wait_ms(load, now));
		for (int i = 0; i < n; i++) {
			struct connection *connection = events[i].data.ptr;
			if (connection->fd >= 0 && (events[i].events & EPOLLOUT))
				push_out(load, connection);
			if (connection->fd >= 0 && (events[i].events & ~(uint32_t)EPOLLOUT))
				readable(load, connection, end);
		}
		now = bench_now();
		bool more = load->alive > 0 && may_send(load, now, end);
		if (more && now - looked < SECOND / 10)
			continue;
		looked = now;
		out = look_for_stalls(load, now);
		if (!more && out == 0)
			break;
		if (now > end + GRACE)
			break;
	}
	*last = now;
	return out;
}

static int open_connections(struct load *load, const char *host, const char *port)
{
	load->connections = calloc(load->connection_count, sizeof(*load->connections));
	load->idle = calloc(load->connection_count, sizeof(*load->idle));
	load->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (!load->connections || !load->idle || load->epoll < 0)
		return -1;
	for (unsigned i = 0; i < load->connection_count; i++) {
		struct connection *connection = &load->connections[i];
		connection->out = malloc(load->request.len);
		connection->in = malloc(REPLY_MAX);
		connection->fd = bench_connect(host, port);
		if (!connection->out || !connection->in || connection->fd < 0 ||
		    !watch(load, connection, EPOLL_CTL_ADD, EPOLLIN))
			return -1;
		memcpy(connection->out, load->request.bytes, load->request.len);
		load->alive++;
		load->idle[load->idle_count++] = i;
	}
	return 0;
}

static void release(struct load *load)
{
	for (unsigned i = 0; load->connections && i < load->connection_count; i++) {
		struct connection *connection = &load->connections[i];
		if (connection->fd > 0)
			close(connection->fd);
		free(connection->out);
		free(connection->in);
	}
	free(load->connections);
	free(load->idle);
	free(load->times.ns);
	bench_request_free(&load->request);
}

static void print(struct load *load, double seconds, unsigned unanswered)
{
	printf("{\"connections\":%u,\"batch\":%u,\"request_bytes\":%zu,\"seconds\":%.3f,"
	       "\"sent\":%" PRIu64 ",\"answered\":%" PRIu64 ",\"ok\":%" PRIu64
	       ",\"notifications\":%" PRIu64 ",\"errors\":%" PRIu64 ",\"wrong_bodies\":%" PRIu64
	       ",\"stalls\":%" PRIu64 ",\"unanswered\":%u,\"lost_connections\":%u,\"next\":%" PRIu64
	       ",\"requests_per_s\":%.0f,\"notifications_per_s\":%.0f,",
	       load->connection_count, load->request.batch, load->request.len, seconds,
	       load->started, load->answered, load->ok, load->ok * load->request.batch,
	       load->errors, load->wrong_bodies, load->stalls, unanswered,
	       load->connection_count - load->alive, load->next, (double)load->ok / seconds,
	       (double)load->ok * load->request.batch / seconds);
	bench_samples_print(&load->times);
	puts("}");
}

static int usage(void)
{
	fputs("usage: load -p PORT -f TEMPLATE (-d SECONDS | -n REQUESTS) [-c CONNECTIONS] [-b "
	      "BATCH]\n"
	      "            [-a ADDRESS] [-P PATH] [-s STATUS] [-r REQUESTS-PER-SECOND]\n"
	      "            [-u USERS] [-m MESSAGES] [-o FIRST-NUMBER]\n"
	      "exit status: 0 all answered as expected, 1 not so, 2 usage\n",
	      stderr);
	return 2;
}

int main(int argc, char **argv)
{
	struct load load = {.connection_count = 1};
	struct bench_shape shape = {.batch = 1, .users = 1, .messages = 1};
	const char *host = "127.0.0.1", *port = NULL, *template_file = NULL,
	           *path = "/notification";
	double seconds = 0, rate = 0;
	int option;

	while ((option = getopt(argc, argv, "a:b:c:d:f:m:n:o:p:P:r:s:u:")) != -1) {
		switch (option) {
		case 'a':
			host = optarg;
			break;
		case 'b':
			shape.batch = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'c':
			load.connection_count = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'd':
			seconds = strtod(optarg, NULL);
			break;
		case 'f':
			template_file = optarg;
			break;
		case 'm':
			shape.messages = strtoull(optarg, NULL, 10);
			break;
		case 'n':
			load.count_max = strtoull(optarg, NULL, 10);
			break;
		case 'o':
			load.next = strtoull(optarg, NULL, 10);
			break;
		case 'p':
			port = optarg;
			break;
		case 'P':
			path = optarg;
			break;
		case 'r':
			rate = strtod(optarg, NULL);
			break;
		case 's':
			load.expected = optarg;
			break;
		case 'u':
			shape.users = (unsigned)strtoul(optarg, NULL, 10);
			break;
		default:
			return usage();
		}
	}
	if (!port || !template_file || (seconds <= 0 && load.count_max == 0) || shape.batch == 0 ||
	    shape.users == 0 || shape.messages == 0 || load.connection_count == 0 ||
	    load.connection_count > CONNECTS_MAX || rate < 0)
		return usage();
	/* a count alone still ends */
	if (seconds <= 0)
		seconds = 60;
	if (rate > 0)
		load.interval = (uint64_t)((double)SECOND / rate);
	bool opened = prctl(PR_SET_PDEATHSIG, SIGTERM) == 0 &&
	              bench_request_load(&load.request, template_file, path, &shape) == 0 &&
	              open_connections(&load, host, port) == 0;
	if (opened) {
		uint64_t begin = bench_now(), last = begin;
		uint64_t end = begin + (uint64_t)(seconds * (double)SECOND);
		unsigned unanswered = load_run(&load, begin, end, &last);
		print(&load, (double)(last - begin) / (double)SECOND, unanswered);
	}
	int status = opened && load.ok == load.started ? 0 : 1;
	release(&load);
	return status;
}
