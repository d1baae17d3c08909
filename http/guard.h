/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The open connections of a listener and the deadline that every request has: libmicrohttpd's
 * inactivity timeout alone lets a client drip its headers or body for ever. A sweeper thread ends
 * what is late: with 408 where an answer can still be sent, else by closing.
 *
 * Threads: attach and detach are libmicrohttpd's connection callback; the phase functions are
 * called by the thread that serves the connection. The sweeper touches a socket only under the
 * guard's lock, and detach comes before the socket is closed, so it never meets another
 * connection's socket.
 *
 * The deadline runs from the first byte of a request to the end of its body. Over TLS the handshake
 * belongs to the first request. On a local socket the kernel does not count bytes: there the time
 * of the request line is bounded by that of silence and the deadline together.
 */
#ifndef OCS_HTTP_GUARD_H
#define OCS_HTTP_GUARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/refusal.h"
#include "http/frame.h"

struct ocs_http_guard;
struct ocs_http_group;
struct ocs_http_proxies;
struct ocs_tls_keys;
struct ocs_http_room_settings;

#define OCS_HTTP_PEER_SIZE 112 /* "IPv6 by [IPv6]:PORT" and its NUL */

/* Counted by guard and room, over all that share it; read by anybody. */
struct ocs_http_counters {
	_Atomic uint64_t open; /* connections, now */
	_Atomic uint64_t total;
	_Atomic uint64_t evicted;  /* silent ones, for a newcomer */
	_Atomic uint64_t refused;  /* nobody was silent, or no descriptor left */
	_Atomic uint64_t timeouts; /* requests that were answered 408 */
};

enum ocs_http_phase {
	OCS_HTTP_IDLE,    /* between requests, or reading a request line */
	OCS_HTTP_READING, /* reading headers and body */
	OCS_HTTP_WORKING, /* at work on it: dispatch and the workers have deadlines of their own */
	OCS_HTTP_SENDING,
	OCS_HTTP_EXPIRED, /* ended by the sweeper, or as its first line came */
};

/* Who asks: http/client.h. */
struct ocs_http_client {
	struct sockaddr_storage address;
	/* Behind a proxy that is believed: */
	bool told;         /* the proxy said who it is, not only that there is one */
	bool https;        /* by which the client came to the first proxy */
	bool line_private; /* nobody can read along on the way to the nearest proxy */
};

struct ocs_http_connection {
	struct ocs_http_guard *guard;
	struct ocs_http_connection *prev, *next;
	int fd;
	struct sockaddr_storage address; /* of the other end, a client or a proxy */
	bool local; /* over an AF_UNIX socket: address is its family alone, uid and pid are the
	               peer's as the kernel says */
	uid_t uid;
	pid_t pid;
	unsigned door;                          /* of its listener. Set once, by who attached it */
	const struct ocs_http_proxies *proxies; /* the listener's; NULL: none is believed */
	bool proxied;                           /* the other end is one of them */
	/* Of the present request; without one it is the other end. Written by the connection's
	 * thread under the guard's lock, so that thread and the guard read it, and who has the
	 * request. */
	struct ocs_http_client client;
	/* Milliseconds a local connection may be IDLE beyond the deadline, since nothing tells
	 * whether bytes come; 0: no limit. Set once, by who attached it. */
	_Atomic int64_t idle_limit;
	uint64_t number;               /* counts the guard's connections */
	struct ocs_http_target target; /* of the present request, by the connection's thread */
	_Atomic uint64_t requests;     /* of this connection, the present one included */
	_Atomic int phase;
	_Atomic int64_t since; /* of the phase; of a request for READING; milliseconds, steady */
	_Atomic int64_t first_byte; /* when the first one of a request that has no complete line yet
	                               was seen; 0: none. A local socket's cannot be seen. */
	bool tls;                   /* nothing can be said past libmicrohttpd */
	struct ocs_tls_keys *keys;  /* that its TLS session was given; NULL: none */
	struct ocs_http_group *group; /* under the guard's lock; room.c's own */
	/* What is kept from one request to the next by who serves it, in the connection's thread;
	 * NULL: nothing. It ends with the connection. */
	void *kept;
	void (*kept_free)(void *kept);
	/* The sweeper's own: */
	int64_t watched;
	uint64_t bytes;
};

/* How many connections there may be, and what happens past that, is in room.h. Deadline: seconds.
 */
int ocs_http_guard_start(const struct ocs_http_room_settings *settings, unsigned deadline,
                         struct ocs_http_guard **out, struct ocs_error *error);
void ocs_http_guard_deadline(struct ocs_http_guard *guard, unsigned seconds);
/* A listening socket, from when it is there until before it is closed: who waits in it is turned
 * away while descriptors are missing. */
void ocs_http_guard_listens(struct ocs_http_guard *guard, int fd, bool on);
/* Who is told of missing descriptors and memory is about to go; the guard stays. */
void ocs_http_guard_tell_nobody(struct ocs_http_guard *guard);
/* After the listener has stopped: no connection is left. NULL is allowed. */
void ocs_http_guard_stop(struct ocs_http_guard *guard);

/* A connection cannot be served for lack of memory: the room's owner is told. */
void ocs_http_guard_no_memory(const struct ocs_http_guard *guard);

/* What its listener knows of a connection that comes. */
struct ocs_http_arrival {
	int fd;
	bool tls;
	unsigned door;
	const struct ocs_http_proxies *proxies; /* outlive the connection */
};

/* NULL when out of memory, or the kernel does not tell the peer, that has left already: nothing is
 * served on such a connection. */
struct ocs_http_connection *ocs_http_guard_attach(struct ocs_http_guard *guard,
                                                  const struct ocs_http_arrival *arrival);
/* libmicrohttpd has freed its TLS session before. */
void ocs_http_guard_detach(struct ocs_http_connection *connection);

/* Its present request is that client's: it counts as one of their connections. */
void ocs_http_guard_client(struct ocs_http_connection *connection,
                           const struct ocs_http_client *client);
/* Whether its client has more connections than one may have. */
bool ocs_http_guard_crowded(const struct ocs_http_connection *connection);

/* A request line was read, with this address in it; with too many arguments it is refused here. */
void ocs_http_begin(struct ocs_http_connection *connection, const char *address);
/* The request is complete. false: it came too late, the connection is being ended. */
bool ocs_http_work(struct ocs_http_connection *connection);
void ocs_http_send(struct ocs_http_connection *connection);
void ocs_http_end(struct ocs_http_connection *connection);

/* The guard's connections that have a request at work, and with `sending` also those that are being
 * answered. */
unsigned ocs_http_guard_busy(struct ocs_http_guard *guard, bool sending);

/* The guard's local connections of that user. */
unsigned ocs_http_guard_count(struct ocs_http_guard *guard, uid_t uid);

/* Milliseconds, steady. The coarse clock (some of them) is enough here and costs next to nothing.
 */
int64_t ocs_http_now(void);

/* ADDRESS:PORT or [ADDRESS]:PORT. */
void ocs_http_format_address(const struct sockaddr *address, char out[OCS_HTTP_PEER_SIZE]);
/* The same of the client, and the proxy where there is one; of a local one its user and process. */
void ocs_http_format_peer(const struct ocs_http_connection *connection,
                          char out[OCS_HTTP_PEER_SIZE]);
/* The same without port or process: one text for one sender. */
void ocs_http_format_sender(const struct ocs_http_connection *connection,
                            char out[OCS_HTTP_PEER_SIZE]);
/* Whether the client came by https, to us or to the first proxy. */
bool ocs_http_is_https(const struct ocs_http_connection *connection);
/* Whether nobody on the way can read along: TLS, or on this host; behind a proxy that is believed,
 * before it and behind it. */
bool ocs_http_is_private(const struct ocs_http_connection *connection);
/* Sends a refusal past libmicrohttpd, without waiting, and ends the sending side; nothing else may
 * be sent. Over TLS nothing is sent, since only libmicrohttpd can: who wants to be heard answers
 * through it, else the connection is just closed. The refusal's text is ours and needs no
 * escaping. */
void ocs_http_send_refusal(struct ocs_http_connection *connection,
                           const struct ocs_refusal *refusal);

#endif
