/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Listening sockets and libmicrohttpd daemons, for all that answers HTTP here: the web service, its
 * local socket, the operations address, MAPI over HTTP. TLS where there are keys for it.
 *
 * To be called by the thread that starts and stops the program.
 */
#ifndef OCS_HTTP_LISTEN_H
#define OCS_HTTP_LISTEN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <microhttpd.h>

#include "http/guard.h"
#include "http/tls.h"
#include "base/error.h"

struct ocs_listener {
	struct MHD_Daemon *daemon;        /* NULL: not started */
	bool open;                        /* fd is there: ours, or libmicrohttpd's while it runs */
	atomic_bool closed;               /* new connections are turned away */
	int fd;                           /* of the socket */
	char address[OCS_HTTP_PEER_SIZE]; /* "ADDRESS:PORT", "[ADDRESS]:PORT"; "": local */
	struct ocs_http_guard *guard;
	unsigned connections_per_user, timeout; /* of local connections */
	unsigned door;                          /* as in the settings */
	struct ocs_tls *tls;                    /* as in the settings ... */
	const struct ocs_http_proxies *proxies; /* ... this too */
};

struct ocs_listener_settings {
	const char *local; /* serves local_fd, which is called so; NULL: listens on host and port */
	int local_fd;      /* an AF_UNIX socket that listens: the listener's from the open on */
	const char *host;  /* address or name; its first address is taken */
	unsigned port;     /* 0: any free one */
	const char *loopback; /* why only loopback addresses are taken; NULL: any is */
	struct ocs_tls *tls;  /* shared, and outlives the listener; NULL: no TLS */
	unsigned threads; /* 0: none, the caller runs the daemon (MHD_run()) when its epoll says so
	                   */
	unsigned connection_limit;     /* over all threads; the guard's room keeps it */
	unsigned connections_per_user; /* (uid) of a local socket; 0: any number. Those of an
	                                  address the guard counts */
	unsigned timeout;              /* seconds of silence */
	const struct ocs_http_proxies *proxies; /* are believed, and outlive it; NULL: none is */
	unsigned door; /* the caller's number for it, which each of its connections carries */
	struct ocs_http_guard *guard;
	MHD_AccessHandlerCallback handle;
	MHD_RequestCompletedCallback completed;
	void *arg; /* of both */
};

/* All that may need root: binds the address, which the listener then has. The listener is zeroed
 * before; of the settings those up to loopback are looked at. */
int ocs_listener_open(const struct ocs_listener_settings *settings, struct ocs_listener *listener,
                      struct ocs_error *error);
/* Opens it, if it is not open yet, and serves it. It must stay where it is until it is stopped. */
int ocs_listener_start(const struct ocs_listener_settings *settings, struct ocs_listener *listener,
                       struct ocs_error *error);
/* No new connections from here on. */
void ocs_listener_quiesce(struct ocs_listener *listener);
/* Closes all connections and ends the threads; also one that is open only, or not even that. No
 * connection may be suspended. */
void ocs_listener_stop(struct ocs_listener *listener);

#endif
