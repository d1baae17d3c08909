/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Room for connections: how many there may be, who has to leave when it is full, and what happens
 * while the process is out of file descriptors. A part of guard.c; everything here is called
 * under the guard's lock.
 *
 * When a connection more comes than there may be, the oldest silent one of the address that has the
 * most is closed: silent is one that is between two requests, before its first one, or has been
 * sending one for a second. So whoever holds many connections without using them keeps nobody else
 * out, and a client that is closed between two requests connects anew. Where nobody is silent, or
 * the newcomer's address has more than all that are, the newcomer gets 503. An address is an IPv4
 * address, the /64 of an IPv6 one, or a user of a local socket, which has room of its own. Where a
 * proxy is believed, it is its client's while there is a request, and the proxy's otherwise.
 *
 * A connection more than one address may have is closed at once; of a proxy any number is taken,
 * and what its clients have too much of is refused by who serves the request.
 *
 * libmicrohttpd itself must be allowed OCS_HTTP_ROOM_DOOR connections more a thread, or it would
 * accept nobody when it is full.
 */
#ifndef OCS_HTTP_ROOM_H
#define OCS_HTTP_ROOM_H

#include <stdbool.h>

struct ocs_http_connection;
struct ocs_http_room;
struct ocs_http_counters;

#define OCS_HTTP_ROOM_DOOR 2

struct ocs_http_room_settings {
	unsigned connections;       /* over TCP */
	unsigned local_connections; /* over AF_UNIX */
	unsigned per_address;       /* over TCP, from one address; 0: any number */
	const char *key;            /* what says so, for the log; static */
	bool kept; /* descriptors are kept back for it: nobody who waits is turned away at once */
	/* Told when descriptors run out (with a sentence for an admin) and when there are some
	 * again (NULL); NULL: the log is. Under the guard's lock. */
	void (*tell)(void *arg, const char *scarce);
	void (*no_memory)(
	        void *arg); /* told for each connection that cannot be served; NULL: nobody */
	void *arg;
	struct ocs_http_counters *counters;
};

/* Opens the spare descriptors of so many rooms to come: first of all in main(), so that they are
 * the lowest there are and can be opened again however far RLIMIT_NOFILE falls while it runs.
 * Without it, or past OCS_HTTP_ROOM_SPARES, a room takes any. Main thread. */
#define OCS_HTTP_ROOM_SPARES 2
void ocs_http_room_spares(unsigned rooms);
/* NULL: out of memory or descriptors; it keeps one for itself. */
struct ocs_http_room *ocs_http_room_new(const struct ocs_http_room_settings *settings);
void ocs_http_room_free(struct ocs_http_room *room); /* NULL is allowed */

void ocs_http_room_listens(struct ocs_http_room *room, int fd, bool on);
/* The connection has come; it is the first of the list. */
void ocs_http_room_enter(struct ocs_http_room *room, struct ocs_http_connection *connection,
                         struct ocs_http_connection *first);
void ocs_http_room_leave(struct ocs_http_room *room, struct ocs_http_connection *connection);
/* Its client is another one. */
void ocs_http_room_regroup(struct ocs_http_room *room, struct ocs_http_connection *connection);
/* Whether its address has more connections than one may have. */
bool ocs_http_room_is_crowded(const struct ocs_http_room *room,
                              const struct ocs_http_connection *connection);
/* Whether descriptors are missing. Then a silent connection is closed, and who waits to be accepted
 * is turned away, since libmicrohttpd would try to accept them without a pause. */
bool ocs_http_room_look(struct ocs_http_room *room, struct ocs_http_connection *first);

#endif
