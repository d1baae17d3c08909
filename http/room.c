/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Which connections are accepted, and which is closed when all are in use. Touches the guard's
 * connections, under the guard's lock. */
#include "http/room.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <syslog.h>
#include <unistd.h>

#include <uthash.h>

#include "http/guard.h"
#include "base/log.h"
#include "base/log_budget.h"
#include "base/peer.h"
#include "base/plural.h"

#define LISTENERS_MAX 3 /* web service, local socket, report.sock */
/* A request that is being sent for less is given time. */
#define READING_MS 1000
#define PATIENCE   50 /* looks until those are turned away that descriptors are kept back for */
#define TURN_MAX   64 /* who waits is turned away, so many at a look */
#define CALM       4  /* looks in a row that find a descriptor until it is over */

struct group_key {
	struct ocs_peer peer;
	uid_t uid; /* of a local socket, whose peers have no address */
};

struct ocs_http_group {
	struct group_key key;
	unsigned connections;
	UT_hash_handle hh;
};

struct ocs_http_room {
	struct ocs_http_room_settings settings;
	struct ocs_http_group *groups;
	unsigned open[2]; /* connections: over TCP, local */
	int listeners[LISTENERS_MAX];
	int spare; /* a descriptor kept to turn clients away with; -1: used up */
	bool scarce;
	unsigned patience; /* looks while descriptors are missing, since they are */
	unsigned calm;     /* looks since one was there again */
};

static int spares[OCS_HTTP_ROOM_SPARES] = {-1, -1};

static const struct ocs_refusal full = {
        .code = 503, .name = "OVERLOADED", .text = "too many connections"};

static int open_spare(void)
{
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

void ocs_http_room_spares(unsigned rooms)
{
	for (unsigned i = 0; i < rooms && i < OCS_HTTP_ROOM_SPARES; i++)
		spares[i] = open_spare();
}

static int take_spare(void)
{
	int fd = -1;

	for (unsigned i = 0; i < OCS_HTTP_ROOM_SPARES && fd < 0; i++) {
		fd = spares[i];
		spares[i] = -1;
	}
	return fd >= 0 ? fd : open_spare();
}

struct ocs_http_room *ocs_http_room_new(const struct ocs_http_room_settings *settings)
{
	struct ocs_http_room *room = calloc(1, sizeof(*room));

	if (room == NULL)
		return NULL;
	room->settings = *settings;
	for (unsigned i = 0; i < LISTENERS_MAX; i++)
		room->listeners[i] = -1;
	room->spare = take_spare();
	if (room->spare < 0) {
		free(room);
		return NULL;
	}
	return room;
}

void ocs_http_room_free(struct ocs_http_room *room)
{
	struct ocs_http_group *group, *next;

	if (room == NULL)
		return;
	HASH_ITER(hh, room->groups, group, next)
	{
		HASH_DEL(room->groups, group);
		free(group);
	}
	if (room->spare >= 0)
		close(room->spare);
	free(room);
}

void ocs_http_room_listens(struct ocs_http_room *room, int fd, bool on)
{
	for (unsigned i = 0; i < LISTENERS_MAX; i++) {
		if (room->listeners[i] != (on ? -1 : fd))
			continue;
		room->listeners[i] = on ? fd : -1;
		return;
	}
}

/* NULL: out of memory; the connection then counts for itself. */
static struct ocs_http_group *join(struct ocs_http_room *room,
                                   const struct ocs_http_connection *connection)
{
	struct ocs_http_group *group;
	struct group_key key;

	memset(&key, 0, sizeof(key));
	ocs_peer_from((const struct sockaddr *)&connection->client.address, &key.peer);
	key.uid = connection->uid;
	HASH_FIND(hh, room->groups, &key, sizeof(key), group);
	if (group == NULL) {
		group = calloc(1, sizeof(*group));
		if (group == NULL)
			return NULL;
		group->key = key;
		HASH_ADD(hh, room->groups, key, sizeof(key), group);
		if (group->hh.tbl == NULL) {
			free(group);
			return NULL;
		}
	}
	group->connections++;
	return group;
}

static unsigned size_of(const struct ocs_http_connection *connection)
{
	return connection->group != NULL ? connection->group->connections : 1;
}

/* The oldest silent one of the address that has the most; NULL: there is none. */
static struct ocs_http_connection *choose(struct ocs_http_connection *first,
                                          const struct ocs_http_connection *but, bool any,
                                          bool local)
{
	struct ocs_http_connection *best = NULL;
	int64_t now = ocs_http_now(), best_since = 0;

	for (struct ocs_http_connection *c = first; c != NULL; c = c->next) {
		int phase = atomic_load(&c->phase);
		int64_t since = atomic_load(&c->since);

		if (c == but || (!any && c->local != local) ||
		    (phase != OCS_HTTP_IDLE &&
		     (phase != OCS_HTTP_READING || now - since < READING_MS)))
			continue;
		/* The list begins with who came last. */
		if (best == NULL || size_of(c) > size_of(best) ||
		    (size_of(c) == size_of(best) && since <= best_since)) {
			best = c;
			best_since = since;
		}
	}
	return best;
}

/* false: its phase has changed at this moment. */
static bool end(struct ocs_http_connection *connection)
{
	int phase = atomic_load(&connection->phase);

	if ((phase != OCS_HTTP_IDLE && phase != OCS_HTTP_READING) ||
	    !atomic_compare_exchange_strong(&connection->phase, &phase, OCS_HTTP_EXPIRED))
		return false;
	/* libmicrohttpd sees it and closes it. */
	(void)shutdown(connection->fd, SHUT_RDWR);
	return true;
}

bool ocs_http_room_is_crowded(const struct ocs_http_room *room,
                              const struct ocs_http_connection *connection)
{
	return !connection->local && room->settings.per_address != 0 &&
	       size_of(connection) > room->settings.per_address;
}

static void turn_away_crowd(const struct ocs_http_room *room,
                            struct ocs_http_connection *connection)
{
	unsigned limit = room->settings.per_address;
	char peer[OCS_HTTP_PEER_SIZE], sender[OCS_HTTP_PEER_SIZE];

	atomic_fetch_add(&room->settings.counters->refused, 1);
	ocs_http_format_peer(connection, peer);
	ocs_http_format_sender(connection, sender);
	ocs_log_budgeted(LOG_WARNING, "connections of an address", sender,
	                 "%s is turned away: its address has %u %s already ([limits] "
	                 "connections_per_address)",
	                 peer, limit, ocs_plural(limit, "connection", "connections"));
	atomic_store(&connection->phase, OCS_HTTP_EXPIRED);
	(void)shutdown(connection->fd, SHUT_RDWR);
}

void ocs_http_room_enter(struct ocs_http_room *room, struct ocs_http_connection *connection,
                         struct ocs_http_connection *first)
{
	unsigned limit =
	        connection->local ? room->settings.local_connections : room->settings.connections;
	struct ocs_http_connection *victim;
	char peer[OCS_HTTP_PEER_SIZE] = "?";

	connection->group = join(room, connection);
	room->open[connection->local]++;
	if (!connection->proxied && ocs_http_room_is_crowded(room, connection)) {
		turn_away_crowd(room, connection);
		return;
	}
	if (room->open[connection->local] <= limit)
		return;
	victim = choose(first, connection, false, connection->local);
	if (victim != NULL && size_of(victim) >= size_of(connection) && end(victim)) {
		atomic_fetch_add(&room->settings.counters->evicted, 1);
		ocs_http_format_peer(victim, peer);
		ocs_log_budgeted(LOG_WARNING, "connections", "",
		                 "%u %s (%s) %s in use: the oldest silent one of the address that "
		                 "has the most is closed, %s",
		                 limit, ocs_plural(limit, "connection", "connections"),
		                 room->settings.key, ocs_plural(limit, "is", "are"), peer);
		return;
	}
	atomic_fetch_add(&room->settings.counters->refused, 1);
	ocs_http_format_peer(connection, peer);
	ocs_log_budgeted(LOG_WARNING, "connections", "", "%u %s (%s) %s in use: %s is turned away",
	                 limit, ocs_plural(limit, "connection", "connections"), room->settings.key,
	                 ocs_plural(limit, "is", "are"), peer);
	atomic_store(&connection->phase, OCS_HTTP_EXPIRED);
	ocs_http_send_refusal(connection, &full);
	(void)shutdown(connection->fd, SHUT_RDWR);
}

static void leave_group(struct ocs_http_room *room, struct ocs_http_group *group)
{
	if (group == NULL || --group->connections > 0)
		return;
	HASH_DEL(room->groups, group);
	free(group);
}

void ocs_http_room_leave(struct ocs_http_room *room, struct ocs_http_connection *connection)
{
	room->open[connection->local]--;
	leave_group(room, connection->group);
}

void ocs_http_room_regroup(struct ocs_http_room *room, struct ocs_http_connection *connection)
{
	leave_group(room, connection->group);
	connection->group = join(room, connection);
}

/* With the spare descriptor, who waits to be accepted is accepted and closed. */
static void turn_away(struct ocs_http_room *room)
{
	for (unsigned i = 0; i < LISTENERS_MAX; i++) {
		for (unsigned n = 0; n < TURN_MAX && room->listeners[i] >= 0; n++) {
			int fd;

			if (room->spare >= 0)
				close(room->spare);
			fd = accept4(room->listeners[i], NULL, NULL, SOCK_CLOEXEC);
			if (fd >= 0) {
				atomic_fetch_add(&room->settings.counters->refused, 1);
				close(fd);
			}
			room->spare = open_spare();
			if (fd < 0)
				break;
		}
	}
}

static void tell(struct ocs_http_room *room, bool scarce)
{
	struct rlimit limit = {0, 0};
	char text[160];
	const char *system = errno == ENFILE ? " of the whole system (fs.file-max)" : "";

	if (scarce == room->scarce)
		return;
	room->scarce = scarce;
	(void)getrlimit(RLIMIT_NOFILE, &limit);
	(void)snprintf(text, sizeof(text),
	               "out of file descriptors%s: new connections are turned away; the limit is "
	               "%lu (LimitNOFILE=)",
	               system, (unsigned long)limit.rlim_cur);
	if (room->settings.tell != NULL)
		room->settings.tell(room->settings.arg, scarce ? text : NULL);
	else
		ocs_log(scarce ? LOG_ERR : LOG_NOTICE, "%s",
		        scarce ? text : "there are file descriptors again");
}

bool ocs_http_room_look(struct ocs_http_room *room, struct ocs_http_connection *first)
{
	struct ocs_http_connection *victim;
	int fd;

	if (room->spare < 0)
		room->spare = open_spare();
	fd = open_spare();
	if (fd >= 0) {
		close(fd);
		/* One that is closed here is taken by the next who waits. */
		if (++room->calm >= CALM)
			tell(room, false);
		room->patience = 0;
		return false;
	}
	tell(room, true);
	room->calm = 0;
	victim = choose(first, NULL, true, false);
	if (victim != NULL && end(victim))
		atomic_fetch_add(&room->settings.counters->evicted, 1);
	if (!room->settings.kept || ++room->patience > PATIENCE)
		turn_away(room);
	return true;
}
