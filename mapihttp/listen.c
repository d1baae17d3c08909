/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The socket and libmicrohttpd on it: TLS where a certificate is given, limits, the guard of slow
 * clients.
 */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/private_file.h"
#include "http/frame.h"
#include "http/room.h"
#include "base/log.h"
#include "mapihttp/mapihttp.h"

#define BACKLOG           1024
#define IDLE_TIMEOUT      120 /* seconds a connection may keep silent between requests */
#define CONNECTION_MEMORY (16 * 1024)
#define PEM_MAX           (256 * 1024)
#define KEPT_BACK         64 /* descriptors for all but connections and queues */
#define ROOM_LEAST        8

/* TLS 1.2 and 1.3 only. */
static const char tls_priorities[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2";

static int bind_address(const struct addrinfo *address, struct ocs_error *error)
{
	const int on = 1;
	int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return ocs_error_set(error, "%s", strerror(errno));
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
	    bind(fd, address->ai_addr, address->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	ocs_error_set(error, "%s", strerror(errno));
	close(fd);
	return -1;
}

/* The listening socket. Without TLS passwords must not leave the machine. */
static int open_socket(const struct mapihttp *server, char address_r[OCS_HTTP_PEER_SIZE],
                       struct ocs_error *error)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
	const struct mapihttp_options *options = server->options;
	struct sockaddr_storage bound = {0};
	struct addrinfo *addresses = NULL;
	socklen_t len = sizeof(bound);
	struct ocs_error why = {""};
	char port[8];
	int fd = -1, result;

	snprintf(port, sizeof(port), "%u", options->port);
	result = getaddrinfo(options->host, port, &hints, &addresses);
	if (result != 0)
		return ocs_error_set(error, "--listen %s: %s", options->host, gai_strerror(result));
	if (!server->tls && !ocs_auth_is_loopback(addresses->ai_addr))
		ocs_error_set(&why, "without --cert only loopback addresses are possible");
	else
		fd = bind_address(addresses, &why);
	freeaddrinfo(addresses);
	if (fd < 0)
		return ocs_error_set(error, "cannot listen on %s port %u: %s", options->host,
		                     options->port, why.text);
	if (getsockname(fd, (struct sockaddr *)&bound, &len) != 0) {
		ocs_error_set(error, "getsockname: %s", strerror(errno));
		close(fd);
		return -1;
	}
	ocs_http_format_address((struct sockaddr *)&bound, address_r);
	return fd;
}

/* What libmicrohttpd has to say is about single connections: for the curious. */
static void log_library(void *arg, const char *format, va_list args)
        __attribute__((format(printf, 2, 0)));

static void log_library(void *arg, const char *format, va_list args)
{
	char text[300];

	(void)arg;
	if (vsnprintf(text, sizeof(text), format, args) < 0)
		return;
	text[strcspn(text, "\n")] = '\0';
	ocs_log(LOG_DEBUG, "http: %s", text);
}

static void on_connection(void *guard, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode what)
{
	const union MHD_ConnectionInfo *fd;

	if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
		if (*context != NULL)
			ocs_http_guard_detach(*context);
		*context = NULL;
		return;
	}
	fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	if (fd != NULL)
		*context = ocs_http_guard_attach(guard, fd->connect_fd);
}

/* A request line has been read: the request's time runs. */
static void *on_request_line(void *arg, const char *uri, struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
	        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	(void)arg;
	if (info != NULL && info->socket_context != NULL)
		ocs_http_begin(info->socket_context, uri);
	return NULL;
}

/* Half of the descriptors there are is for connections, the other one for the queues of sessions.
 */
static int make_room(struct mapihttp *server, struct ocs_error *error)
{
	struct ocs_http_room_settings settings = {
	        .connections = server->options->connections,
	        .key = "--connections",
	        .tls = server->tls,
	        .counters = &server->connections,
	};
	struct ocs_http_room *room;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
		unsigned long most =
		        limit.rlim_cur > KEPT_BACK ? (limit.rlim_cur - KEPT_BACK) / 2 : 0;

		if (most < ROOM_LEAST)
			return ocs_error_set(error,
			                     "%lu file descriptors (RLIMIT_NOFILE, LimitNOFILE=) "
			                     "are too few: at least %u are needed",
			                     (unsigned long)limit.rlim_cur,
			                     KEPT_BACK + 2 * ROOM_LEAST);
		if (most < settings.connections) {
			ocs_log(LOG_WARNING,
			        "%lu file descriptors (RLIMIT_NOFILE, LimitNOFILE=) are not enough "
			        "for --connections %u: %lu are possible",
			        (unsigned long)limit.rlim_cur, settings.connections, most);
			settings.connections = (unsigned)most;
		}
	}
	room = ocs_http_room_new(&settings);
	if (room == NULL)
		return ocs_error_set(error, "out of memory or file descriptors");
	ocs_http_guard_room(server->guard, room);
	server->room = settings.connections;
	return 0;
}

/* cert and key are NULL without TLS. */
static struct MHD_Daemon *start(struct mapihttp *server, int fd, char *cert, char *key)
{
	const struct MHD_OptionItem none = {MHD_OPTION_END, 0, NULL};
	struct MHD_OptionItem tls[] = {
	        {MHD_OPTION_HTTPS_MEM_CERT, 0, cert},
	        {MHD_OPTION_HTTPS_MEM_KEY, 0, key},
	        {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)tls_priorities},
	        none,
	};
	unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;

	if (cert != NULL)
		flags |= MHD_USE_TLS;
	else
		tls[0] = none;
	return MHD_start_daemon(
	        flags, 0, NULL, NULL, mapihttp_handle, server, MHD_OPTION_EXTERNAL_LOGGER,
	        log_library, NULL, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
	        server->room + OCS_HTTP_ROOM_DOOR, MHD_OPTION_CONNECTION_TIMEOUT, IDLE_TIMEOUT,
	        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
	        MHD_OPTION_NOTIFY_CONNECTION, on_connection, server->guard,
	        MHD_OPTION_URI_LOG_CALLBACK, on_request_line, NULL, MHD_OPTION_NOTIFY_COMPLETED,
	        mapihttp_completed, server, MHD_OPTION_STRICT_FOR_CLIENT, ocs_http_strictness(),
	        MHD_OPTION_ARRAY, tls, MHD_OPTION_END);
}

/* A certificate is public, so only its key has to be a private file. NULL on failure. */
static char *read_certificate(const char *path, struct ocs_error *error)
{
	FILE *file = fopen(path, "re");
	char *text = calloc(1, PEM_MAX + 1);
	size_t len = 0;

	if (file == NULL || text == NULL)
		ocs_error_set(error, "%s: %s", path, strerror(errno));
	else
		len = fread(text, 1, PEM_MAX, file);
	if (file != NULL) {
		if (ferror(file) != 0 || len == 0)
			ocs_error_set(error, "%s: nothing can be read from it", path);
		fclose(file);
	}
	if (len == 0) {
		free(text);
		return NULL;
	}
	return text;
}

int mapihttp_open(struct mapihttp *server, char address_r[OCS_HTTP_PEER_SIZE],
                  struct ocs_error *error)
{
	struct mapihttp_listener *listener = &server->listener;

	if (server->tls) {
		listener->cert = read_certificate(server->options->cert, error);
		if (listener->cert == NULL ||
		    ocs_privfile_read(server->options->key, true, PEM_MAX, &listener->key,
		                      &listener->key_len, error) != OCS_PRIVFILE_OK)
			return -1;
	}
	listener->fd = open_socket(server, address_r, error);
	return listener->fd >= 0 ? 0 : -1;
}

static void forget_files(struct mapihttp_listener *listener)
{
	free(listener->cert);
	ocs_privfile_wipe(listener->key, listener->key_len);
	listener->cert = listener->key = NULL;
}

int mapihttp_listen(struct mapihttp *server, struct ocs_error *error)
{
	struct mapihttp_listener *listener = &server->listener;

	if (make_room(server, error) != 0) {
		forget_files(listener);
		return -1;
	}
	server->daemon = start(server, listener->fd, listener->cert, listener->key);
	forget_files(listener);
	if (server->daemon == NULL)
		return ocs_error_set(error, "libmicrohttpd does not start%s",
		                     server->tls ? ": are certificate and key a pair?" : "");
	ocs_http_guard_listens(server->guard, listener->fd, true);
	server->listening = listener->fd;
	listener->fd = -1;
	return 0;
}

void mapihttp_close(struct mapihttp *server)
{
	if (server->daemon != NULL) {
		ocs_http_guard_listens(server->guard, server->listening, false);
		MHD_stop_daemon(server->daemon);
	}
	if (server->listener.fd >= 0)
		close(server->listener.fd);
	forget_files(&server->listener);
}
