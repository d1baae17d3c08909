/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Listening sockets and libmicrohttpd daemons, for the web service and the operations listener.
 */
#ifndef OCS_HTTP_LISTEN_H
#define OCS_HTTP_LISTEN_H

#include <stdatomic.h>
#include <stdint.h>

#include <microhttpd.h>

#include "http/guard.h"
#include "http/local_socket.h"
#include "base/error.h"

struct ocs_listener {
	struct MHD_Daemon *daemon;
	atomic_bool closed;               /* new connections are turned away */
	int fd;                           /* libmicrohttpd's while it runs */
	uint16_t port;                    /* the real one */
	char address[OCS_HTTP_PEER_SIZE]; /* "ADDRESS:PORT", "[ADDRESS]:PORT"; "": local */
	struct ocs_http_guard *guard;
	unsigned connections_per_user, timeout; /* of local connections */
};

struct ocs_listener_settings {
	struct ocs_local_socket *local; /* serves this one; NULL: listens on host and port */
	const char *host;               /* address or name; its first address is taken */
	unsigned port;                  /* 0: any free one */
	unsigned threads;
	unsigned connection_limit;        /* over all threads; the guard's room keeps it */
	unsigned connections_per_address; /* of a local socket: per user (uid) */
	unsigned timeout;                 /* seconds of silence */
	struct ocs_http_guard *guard;
	MHD_AccessHandlerCallback handle;
	MHD_RequestCompletedCallback completed; /* may be NULL */
	void *arg;                              /* of the three: the struct ocs_http_server */
};

/* The listener must stay where it is until it is stopped. */
int ocs_listener_start(const struct ocs_listener_settings *settings, struct ocs_listener *listener,
                       struct ocs_error *error);
/* No new connections from here on. */
void ocs_listener_quiesce(struct ocs_listener *listener);
/* Closes all connections and ends the threads. No connection may be suspended. */
void ocs_listener_stop(struct ocs_listener *listener);

#endif
