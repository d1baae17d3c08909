/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The bare server that ours is compared to: libmicrohttpd started as ocsmanager/service.c starts it
 * (epoll, thread pool, the same limits), which takes the body of a request and answers a fixed
 * reply. What it does per second is what the library alone allows on this machine.
 *
 * Loopback only; ends on SIGTERM, SIGINT, or with the process that started it.
 */
#include <microhttpd.h>

#include <arpa/inet.h>
#include <getopt.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define REPLY_MAX 65536

struct bare {
	struct MHD_Response *reply; /* made once: less work than any real service can have */
};

static enum MHD_Result answer(void *cls, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_size, void **state)
{
	static char seen;
	struct bare *bare = cls;

	(void)url;
	(void)method;
	(void)version;
	(void)upload;
	if (!*state) {
		*state = &seen;
		return MHD_YES;
	}
	if (*upload_size > 0) {
		*upload_size = 0;
		return MHD_YES;
	}
	return MHD_queue_response(connection, MHD_HTTP_OK, bare->reply);
}

static struct MHD_Response *load_reply(const char *file)
{
	static char body[REPLY_MAX];
	FILE *in = fopen(file, "re");

	if (!in) {
		perror(file);
		return NULL;
	}
	size_t len = fread(body, 1, sizeof(body), in);
	fclose(in);
	struct MHD_Response *reply =
	        MHD_create_response_from_buffer(len, body, MHD_RESPMEM_PERSISTENT);
	if (!reply || MHD_add_response_header(reply, MHD_HTTP_HEADER_CONTENT_TYPE,
	                                      "text/xml; charset=utf-8") != MHD_YES) {
		fputs("cannot make the reply\n", stderr);
		return NULL;
	}
	return reply;
}

static struct MHD_Daemon *start(struct bare *bare, unsigned threads, unsigned connections)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
	                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	return MHD_start_daemon(
	        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0,
	        NULL, NULL, answer, bare, MHD_OPTION_SOCK_ADDR, &address,
	        MHD_OPTION_THREAD_POOL_SIZE, threads, MHD_OPTION_CONNECTION_LIMIT, connections,
	        MHD_OPTION_PER_IP_CONNECTION_LIMIT, connections, MHD_OPTION_CONNECTION_TIMEOUT, 60U,
	        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)32768, MHD_OPTION_END);
}

int main(int argc, char **argv)
{
	const char *reply_file = NULL;
	unsigned threads = 4, connections = 0;
	int option, signal_got;
	sigset_t ends;

	while ((option = getopt(argc, argv, "t:c:r:")) != -1) {
		if (option == 't')
			threads = (unsigned)strtoul(optarg, NULL, 10);
		else if (option == 'c')
			connections = (unsigned)strtoul(optarg, NULL, 10);
		else if (option == 'r')
			reply_file = optarg;
	}
	if (!reply_file || threads < 2 || connections < threads) {
		fputs("usage: bare -r REPLY-FILE -c CONNECTIONS [-t THREADS, at least 2]\n",
		      stderr);
		return 2;
	}
	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0 || sigprocmask(SIG_BLOCK, &ends, NULL) != 0)
		return 1;

	struct bare bare = {.reply = load_reply(reply_file)};
	if (!bare.reply)
		return 1;
	struct MHD_Daemon *server = start(&bare, threads, connections);
	const union MHD_DaemonInfo *info =
	        server ? MHD_get_daemon_info(server, MHD_DAEMON_INFO_BIND_PORT) : NULL;
	if (!info) {
		fputs("cannot start the bare server\n", stderr);
		return 1;
	}
	printf("libmicrohttpd %s\n", MHD_get_version());
	printf("listening on 127.0.0.1:%u\n", (unsigned)info->port);
	fflush(stdout);
	sigwait(&ends, &signal_got);
	MHD_stop_daemon(server);
	MHD_destroy_response(bare.reply);
	return 0;
}
