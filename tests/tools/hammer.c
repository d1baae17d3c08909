/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Clients that leave: opens connections, sends requests up to some stage, and goes away by closing,
 * by ending its sending side, or by a reset. For tests of servers that must survive it.
 *
 *     hammer [-n CONNECTIONS] [-t THREADS] [-s SEED] ADDRESS:PORT|PATH REQUEST...
 *
 * Each REQUEST is a file with the bytes of one request; @@@@@@@@ in it is replaced by a number of
 * its own for each connection. Prints one line of JSON: how many left at which stage, how, how many
 * answers began to be read, how often a connection was refused. The same seed and thread count give
 * the same choices. 2: usage or input, 1: nobody listens any more.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define REQUESTS_MAX 64
#define THREADS_MAX  64
#define REQUEST_MAX  (512 * 1024)
#define MARK         "@@@@@@@@"
#define PATIENCE_MS  20000 /* for an answer that must come */
#define LINGER_MS    20    /* reads on so long after ending its sending side */
/* A server that turns connections away for a while is met again; one that is gone is not. */
#define REFUSED_MAX 200

enum stage { SILENT, HEAD, BODY_DUE, BODY, SENT, WORKED_ON, ANSWERED, SERVED, STAGES };
static const char *const stage_names[] = {"silent", "head",      "body_due", "body",
                                          "sent",   "worked_on", "answered", "served"};
enum way { CLOSE, HALF, RESET, WAYS };
static const char *const way_names[] = {"close", "half", "reset"};

static struct request {
	char *data;
	size_t len, head; /* head: with its empty line */
	char *mark;
} requests[REQUESTS_MAX];
static unsigned n_requests;
static union {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_un un;
} address;
static socklen_t address_len;
static atomic_long left;
static atomic_uint numbers;
static atomic_ulong stages[STAGES], ways[WAYS], answers, refused;
static atomic_bool gone;

static unsigned pick(unsigned *state, unsigned below)
{
	return (unsigned)rand_r(state) % below;
}

static int open_connection(void)
{
	const int on = 1;

	for (int i = 0; i < REFUSED_MAX && !atomic_load(&gone); i++) {
		int fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (fd >= 0 && connect(fd, &address.any, address_len) == 0) {
			if (address.any.sa_family == AF_INET)
				setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
			return fd;
		}
		if (fd >= 0)
			close(fd);
		atomic_fetch_add(&refused, 1);
		(void)poll(NULL, 0, 10); /* it is being started again: nothing tells when */
	}
	atomic_store(&gone, true);
	return -1;
}

static bool send_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t sent = send(fd, data, len, MSG_NOSIGNAL);

		if (sent <= 0)
			return false;
		data += sent;
		len -= (size_t)sent;
	}
	return true;
}

/* Whether something came, within that time. */
static bool read_some(int fd, int patience_ms)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
	char buffer[16384];

	return poll(&poll_fd, 1, patience_ms) > 0 && recv(fd, buffer, sizeof(buffer), 0) > 0;
}

/* What is sent, and what is waited for, until the client leaves. */
static void play(int fd, const struct request *request, const char *data, enum stage stage,
                 unsigned *state)
{
	const size_t body = request->len - request->head;
	size_t len = stage == SILENT             ? 0
	             : stage == HEAD             ? 1 + pick(state, (unsigned)request->head - 1)
	             : stage == BODY_DUE         ? request->head
	             : stage == BODY && body > 0 ? request->head + pick(state, (unsigned)body)
	                                         : request->len;

	/* Two parts now and then: the server meets a cut where it wants. */
	if (len > 1 && pick(state, 4) == 0) {
		size_t first = 1 + pick(state, (unsigned)len - 1);

		if (!send_all(fd, data, first))
			return;
		data += first;
		len -= first;
	}
	if (!send_all(fd, data, len))
		return;
	if (stage == WORKED_ON) /* it leaves while the server works, or just after */
		(void)poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, (int)pick(state, 4));
	if ((stage == ANSWERED || stage == SERVED) && read_some(fd, PATIENCE_MS)) {
		atomic_fetch_add(&answers, 1);
		/* a further request on the same connection, if the server keeps it */
		if (stage == SERVED && send_all(fd, request->data, request->len) &&
		    read_some(fd, PATIENCE_MS))
			atomic_fetch_add(&answers, 1);
	}
}

static void leave(int fd, enum way way)
{
	const struct linger linger = {.l_onoff = 1};

	if (way == RESET)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	if (way == HALF && shutdown(fd, SHUT_WR) == 0)
		while (read_some(fd, LINGER_MS))
			continue;
	close(fd);
}

static void *hammer_run(void *arg)
{
	unsigned state = *(unsigned *)arg;
	char *data = malloc(REQUEST_MAX);

	while (data != NULL && atomic_fetch_sub(&left, 1) > 0 && !atomic_load(&gone)) {
		const struct request *request = &requests[pick(&state, n_requests)];
		enum stage stage = pick(&state, STAGES);
		enum way way = pick(&state, WAYS);
		char number[sizeof(MARK)];
		int fd = open_connection();

		if (fd < 0)
			break;
		memcpy(data, request->data, request->len);
		if (request->mark != NULL) {
			snprintf(number, sizeof(number), "%08u",
			         atomic_fetch_add(&numbers, 1) % 100000000);
			memcpy(data + (request->mark - request->data), number, sizeof(MARK) - 1);
		}
		play(fd, request, data, stage, &state);
		leave(fd, way);
		atomic_fetch_add(&stages[stage], 1);
		atomic_fetch_add(&ways[way], 1);
	}
	free(data);
	return NULL;
}

static int read_request(const char *path)
{
	struct request *request = &requests[n_requests];
	FILE *file = fopen(path, "re");
	char *end;

	request->data = calloc(1, REQUEST_MAX + 1);
	if (file == NULL || request->data == NULL)
		return -1;
	request->len = fread(request->data, 1, REQUEST_MAX, file);
	fclose(file);
	end = memmem(request->data, request->len, "\r\n\r\n", 4);
	request->head = end != NULL ? (size_t)(end - request->data) + 4 : request->len;
	request->mark = memmem(request->data, request->len, MARK, sizeof(MARK) - 1);
	n_requests++;
	return request->len > 1 ? 0 : -1;
}

static int parse_address(char *text)
{
	char *colon = strrchr(text, ':');

	if (text[0] == '/') {
		address.un.sun_family = AF_UNIX;
		address_len = sizeof(address.un);
		return snprintf(address.un.sun_path, sizeof(address.un.sun_path), "%s", text) <
		                       (int)sizeof(address.un.sun_path)
		               ? 0
		               : -1;
	}
	if (colon == NULL)
		return -1;
	*colon = '\0';
	address.in.sin_family = AF_INET;
	address.in.sin_port = htons((uint16_t)atoi(colon + 1));
	address_len = sizeof(address.in);
	return inet_pton(AF_INET, text, &address.in.sin_addr) == 1 ? 0 : -1;
}

static void print_counts(const char *name, const char *const *names, const atomic_ulong *counts,
                         unsigned n)
{
	printf("\"%s\": {", name);
	for (unsigned i = 0; i < n; i++)
		printf("%s\"%s\": %lu", i == 0 ? "" : ", ", names[i], counts[i]);
	printf("}, ");
}

int main(int argc, char **argv)
{
	static unsigned seeds[THREADS_MAX];
	pthread_t threads[THREADS_MAX];
	unsigned n_threads = 8, seed = 1;
	long count = 1000;
	int option;

	while ((option = getopt(argc, argv, "n:t:s:")) != -1) {
		if (option == 'n')
			count = atol(optarg);
		else if (option == 't')
			n_threads = (unsigned)atoi(optarg);
		else if (option == 's')
			seed = (unsigned)atoi(optarg);
		else
			return 2;
	}
	if (argc - optind < 2 || argc - optind - 1 > REQUESTS_MAX || n_threads < 1 ||
	    n_threads > THREADS_MAX || parse_address(argv[optind]) != 0)
		return 2;
	for (int i = optind + 1; i < argc; i++)
		if (read_request(argv[i]) != 0)
			return 2;
	atomic_store(&left, count);
	for (unsigned i = 0; i < n_threads; i++) {
		seeds[i] = seed + i;
		if (pthread_create(&threads[i], NULL, hammer_run, &seeds[i]) != 0)
			return 2;
	}
	for (unsigned i = 0; i < n_threads; i++)
		pthread_join(threads[i], NULL);
	printf("{");
	print_counts("stages", stage_names, stages, STAGES);
	print_counts("ways", way_names, ways, WAYS);
	printf("\"answers\": %lu, \"refused\": %lu, \"gone\": %s}\n", answers, refused,
	       gone ? "true" : "false");
	for (unsigned i = 0; i < n_requests; i++)
		free(requests[i].data);
	return gone ? 1 : 0;
}
