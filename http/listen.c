/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* One listener: its socket, its libmicrohttpd daemon, and the callbacks for connections, which run
 * in the threads of libmicrohttpd. */
#include "http/listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/frame.h"
#include "http/room.h"
#include "base/log.h"
#include "base/log_budget.h"
#include "base/peer.h"
#include "base/plural.h"

#define BACKLOG 1024
/* Of a connection: request line and headers must fit into it beside the answer's. */
#define CONNECTION_MEMORY (32 * 1024)

static int bind_first(const struct addrinfo *address, struct ocs_error *error)
{
	const int on = 1, off = 0;
	int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return ocs_error_set(error, "cannot create a socket: %s", strerror(errno));
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
	    (address->ai_family == AF_INET6 &&
	     setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) != 0) ||
	    bind(fd, address->ai_addr, address->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0) {
		ocs_error_set(error, "%s", strerror(errno));
		close(fd);
		return -1;
	}
	return fd;
}

static int open_socket(const struct ocs_listener_settings *settings, struct ocs_listener *listener,
                       struct ocs_error *error)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
	struct addrinfo *addresses = NULL;
	struct sockaddr_storage bound = {0};
	socklen_t len = sizeof(bound);
	struct ocs_error why = {.text = ""};
	char port[12];
	int fd = -1, result;

	snprintf(port, sizeof(port), "%u", settings->port);
	result = getaddrinfo(settings->host, port, &hints, &addresses);
	if (result != 0)
		return ocs_error_set(error, "host %s: %s", settings->host, gai_strerror(result));
	if (settings->loopback != NULL && !ocs_peer_is_loopback(addresses->ai_addr))
		ocs_error_set(&why, "%s", settings->loopback);
	else
		fd = bind_first(addresses, &why);
	freeaddrinfo(addresses);
	if (fd < 0)
		return ocs_error_set(error, "cannot listen on %s port %u: %s", settings->host,
		                     settings->port, why.text);
	if (getsockname(fd, (struct sockaddr *)&bound, &len) != 0) {
		ocs_error_set(error, "getsockname: %s", strerror(errno));
		close(fd);
		return -1;
	}
	ocs_http_format_address((struct sockaddr *)&bound, listener->address);
	return fd;
}

int ocs_listener_open(const struct ocs_listener_settings *settings, struct ocs_listener *listener,
                      struct ocs_error *error)
{
	int fd = settings->local != NULL ? settings->local_fd
	                                 : open_socket(settings, listener, error);

	if (fd < 0)
		return -1;
	listener->fd = fd;
	listener->open = true;
	return 0;
}

/* What libmicrohttpd has to say is about single connections: for the curious. */
static void listen_log_library(void *arg, const char *format, va_list args)
        __attribute__((format(printf, 2, 0)));

static void listen_log_library(void *arg, const char *format, va_list args)
{
	static const char memory[] = "Error allocating memory";
	char text[300];

	/* A connection that it has accepted and must close. */
	if (strncmp(format, memory, sizeof(memory) - 1) == 0)
		ocs_http_guard_no_memory(((struct ocs_listener *)arg)->guard);
	if (vsnprintf(text, sizeof(text), format, args) < 0)
		return;
	text[strcspn(text, "\n")] = '\0';
	ocs_log(LOG_DEBUG, "http: %s", text);
}

/* Refused ones are shut down, and go their usual way. */
static void limit_local(const struct ocs_listener *listener, struct ocs_http_connection *connection)
{
	char peer[OCS_HTTP_PEER_SIZE], sender[OCS_HTTP_PEER_SIZE];

	atomic_store(&connection->idle_limit, (int64_t)listener->timeout * 1000);
	if (listener->connections_per_user == 0 ||
	    ocs_http_guard_count(connection->guard, connection->uid) <=
	            listener->connections_per_user)
		return;
	ocs_http_format_peer(connection, peer);
	ocs_http_format_sender(connection, sender);
	ocs_log_budgeted(LOG_WARNING, "local connections", sender,
	                 "local socket: %s: its user has %u %s already ([limits] "
	                 "connections_per_address)",
	                 peer, listener->connections_per_user,
	                 ocs_plural(listener->connections_per_user, "connection", "connections"));
	(void)shutdown(connection->fd, SHUT_RDWR);
}

/* Its handshake has not begun. Without keys it fails, since libmicrohttpd has none. */
static void begin_tls(struct ocs_listener *listener, struct MHD_Connection *connection,
                      struct ocs_http_connection *attached)
{
	const union MHD_ConnectionInfo *info =
	        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);

	if (info != NULL)
		attached->keys = ocs_tls_begin(listener->tls, info->tls_session);
	if (attached->keys == NULL)
		ocs_http_guard_no_memory(listener->guard);
}

static void listen_on_connection(void *arg, struct MHD_Connection *connection, void **context,
                                 enum MHD_ConnectionNotificationCode what)
{
	struct ocs_listener *listener = arg;
	struct ocs_http_arrival arrival = {
	        .tls = listener->tls != NULL, .door = listener->door, .proxies = listener->proxies};
	struct ocs_http_connection *attached;
	const union MHD_ConnectionInfo *fd;

	if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
		if (*context != NULL)
			ocs_http_guard_detach(*context);
		*context = NULL;
		return;
	}
	fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	if (fd == NULL)
		return;
	arrival.fd = fd->connect_fd;
	attached = ocs_http_guard_attach(listener->guard, &arrival);
	if (attached != NULL && listener->tls != NULL)
		begin_tls(listener, connection, attached);
	if (attached != NULL && attached->local)
		limit_local(listener, attached);
	*context = attached;
}

/* Called when a request line has been read. */
static void *listen_on_request_line(void *arg, const char *uri, struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
	        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	(void)arg;
	if (info != NULL && info->socket_context != NULL)
		ocs_http_begin(info->socket_context, uri);
	return NULL;
}

static enum MHD_Result listen_accept_policy(void *arg, const struct sockaddr *peer, socklen_t len)
{
	struct ocs_listener *listener = arg;

	(void)peer;
	(void)len;
	return atomic_load(&listener->closed) ? MHD_NO : MHD_YES;
}

static struct MHD_Daemon *start_daemon(const struct ocs_listener_settings *settings,
                                       struct ocs_listener *listener)
{
	static const char priorities[] = OCS_TLS_PRIORITIES;
	const struct MHD_OptionItem end = {MHD_OPTION_END, 0, NULL};
	struct MHD_OptionItem more[] = {
	        {MHD_OPTION_HTTPS_CERT_CALLBACK, 0, (void *)(uintptr_t)ocs_tls_none},
	        {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)priorities},
	        end,
	};
	struct MHD_OptionItem pool[] = {
	        {MHD_OPTION_THREAD_POOL_SIZE, (intptr_t)settings->threads, NULL},
	        end,
	};
	unsigned flags = MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
	unsigned threads = settings->threads > 0 ? settings->threads : 1;

	/* With epoll a thread spins while the rest of a TLS handshake does not come. */
	flags |= settings->threads == 0  ? MHD_USE_EPOLL
	         : listener->tls != NULL ? MHD_USE_POLL_INTERNAL_THREAD
	                                 : MHD_USE_EPOLL_INTERNAL_THREAD;
	if (listener->tls != NULL)
		flags |= MHD_USE_TLS;
	else
		more[0] = end;
	if (settings->threads < 2)
		pool[0] = end; /* a pool of one is refused */
	return MHD_start_daemon(flags, 0, listen_accept_policy, listener, settings->handle,
	                        settings->arg, MHD_OPTION_EXTERNAL_LOGGER, listen_log_library,
	                        listener, MHD_OPTION_LISTEN_SOCKET, listener->fd,
	                        MHD_OPTION_CONNECTION_LIMIT,
	                        settings->connection_limit + OCS_HTTP_ROOM_DOOR * threads,
	                        MHD_OPTION_CONNECTION_TIMEOUT, settings->timeout,
	                        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
	                        MHD_OPTION_NOTIFY_CONNECTION, listen_on_connection, listener,
	                        MHD_OPTION_URI_LOG_CALLBACK, listen_on_request_line, NULL,
	                        MHD_OPTION_NOTIFY_COMPLETED, settings->completed, settings->arg,
	                        MHD_OPTION_STRICT_FOR_CLIENT, ocs_http_strictness(),
	                        MHD_OPTION_ARRAY, pool, MHD_OPTION_ARRAY, more, MHD_OPTION_END);
}

int ocs_listener_start(const struct ocs_listener_settings *settings, struct ocs_listener *listener,
                       struct ocs_error *error)
{
	if (!listener->open && ocs_listener_open(settings, listener, error) != 0)
		return -1;
	atomic_store(&listener->closed, false);
	listener->guard = settings->guard;
	listener->connections_per_user = settings->connections_per_user;
	listener->timeout = settings->timeout;
	listener->door = settings->door;
	listener->proxies = settings->proxies;
	listener->tls = settings->tls;
	listener->daemon = start_daemon(settings, listener);
	if (listener->daemon == NULL) {
		ocs_listener_stop(listener);
		return ocs_error_set(error, "libmicrohttpd cannot serve %s%s",
		                     settings->local != NULL ? settings->local : listener->address,
		                     settings->tls != NULL ? ": can it TLS?" : "");
	}
	ocs_http_guard_listens(listener->guard, listener->fd, true);
	return 0;
}

/* Not MHD_quiesce_daemon(): with epoll and a pool of threads, 0.9.75 can abort in it when a thread
 * wakes up at the wrong moment. */
void ocs_listener_quiesce(struct ocs_listener *listener)
{
	atomic_store(&listener->closed, true);
}

void ocs_listener_stop(struct ocs_listener *listener)
{
	if (listener->daemon != NULL) {
		ocs_http_guard_listens(listener->guard, listener->fd, false);
		MHD_stop_daemon(listener->daemon);
	} else if (listener->open) {
		close(listener->fd);
	}
	listener->daemon = NULL;
	listener->open = false;
}
