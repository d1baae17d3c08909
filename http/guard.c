/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The open connections of a listener and the sweeper that ends late ones. Touches their sockets
 * only to read TCP_INFO, send a refusal, shut down. */
#include "http/guard.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <utlist.h>

#include "http/proxies.h"
#include "http/room.h"
#include "http/tls.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/log_budget.h"

#define TICK_MS 250
/* While descriptors are missing, libmicrohttpd asks for connections again and again. */
#define SCARCE_TICK_MS 10
/* A byte that came so long after an answer belongs to the next request: what the clocks here and in
 * the kernel may differ by. */
#define SLACK_MS 20

struct ocs_http_guard {
	pthread_mutex_t lock; /* of the list, and of the sockets in it */
	pthread_cond_t wake;
	pthread_t sweeper;
	bool stopping;
	struct ocs_http_connection *first;
	uint64_t count; /* connections ever */
	struct ocs_http_room_settings settings;
	struct ocs_http_room *room;
	atomic_bool mute;          /* settings.arg is about to go */
	_Atomic unsigned deadline; /* seconds */
};

static const struct ocs_refusal timeout = {
        .code = 408, .name = "REQUEST_TIMEOUT", .text = "the request took too long"};

static const struct ocs_refusal arguments = {
        .code = 400, .name = "MALFORMED_REQUEST", .text = "the address has too many arguments"};

/* Ends it past libmicrohttpd, unless it is in another phase by now; refusal NULL: nothing is said.
 */
static void expire(struct ocs_http_guard *guard, struct ocs_http_connection *connection, int phase,
                   const struct ocs_refusal *refusal)
{
	char peer[OCS_HTTP_PEER_SIZE], sender[OCS_HTTP_PEER_SIZE] = "?";

	if (!atomic_compare_exchange_strong(&connection->phase, &phase, OCS_HTTP_EXPIRED))
		return;
	ocs_http_format_peer(connection, peer);
	ocs_http_format_sender(connection, sender);
	if (refusal == NULL) {
		ocs_log_budgeted(LOG_NOTICE, "answer not read", sender,
		                 "%s: the answer was not read in time", peer);
	} else {
		ocs_http_send_refusal(connection, refusal);
		if (refusal == &timeout)
			atomic_fetch_add(&guard->settings.counters->timeouts, 1);
		ocs_log_budgeted(LOG_NOTICE, refusal->name, sender, "%s: refused: %d %s: %s", peer,
		                 refusal->code, refusal->name, refusal->text);
	}
	/* libmicrohttpd sees the end of the connection and closes it. ENOTCONN: it is gone. */
	(void)shutdown(connection->fd, SHUT_RDWR);
}

/* How many bytes have come in on the connection so far, and when the last of them. */
static uint64_t bytes_received(int fd, int64_t now, int64_t *last_r)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);

	*last_r = now;
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0)
		return 0;
	*last_r = now - info.tcpi_last_data_recv;
	return info.tcpi_bytes_received;
}

/* When the last bytes of a client and its end arrive together, libmicrohttpd 0.9.75 in epoll mode
 * takes the bytes and misses the end: the connection would stay until the inactivity timeout. */
static bool is_gone(int fd)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLRDHUP};

	return poll(&poll_fd, 1, 0) > 0 && (poll_fd.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

/* Nobody tells when the first byte of a request comes, so the sweeper looks whether bytes come
 * while no request line is complete. ocs_http_begin() goes on from there. */
static bool drips(struct ocs_http_connection *connection, int64_t since, int64_t now,
                  int64_t deadline)
{
	int64_t last, first = atomic_load(&connection->first_byte);
	uint64_t bytes = bytes_received(connection->fd, now, &last);

	if (connection->watched != since) {
		connection->watched = since;
		connection->bytes = connection->requests == 0 ? 0 : bytes;
		first = connection->requests > 0 && last > since + SLACK_MS ? last : 0;
	}
	if (first == 0 && bytes != connection->bytes)
		first = last > since ? last : since;
	atomic_store(&connection->first_byte, first);
	return first != 0 && now - first >= deadline;
}

/* Of a local socket the kernel does not count bytes. libmicrohttpd ends a silent connection after
 * its own time; who is here long after that drips, and had at least the deadline for it. */
static bool idles(struct ocs_http_connection *connection, int64_t since, int64_t now,
                  int64_t deadline)
{
	int64_t limit = atomic_load(&connection->idle_limit);

	return limit != 0 && now - since >= limit + deadline;
}

static void sweep(struct ocs_http_guard *guard)
{
	int64_t now = ocs_http_now();
	int64_t deadline = (int64_t)atomic_load(&guard->deadline) * 1000;

	for (struct ocs_http_connection *c = guard->first; c != NULL; c = c->next) {
		int phase = atomic_load(&c->phase);
		int64_t since = atomic_load(&c->since);
		bool waiting = phase == OCS_HTTP_IDLE || phase == OCS_HTTP_READING;
		bool late = false;

		/* One in the middle of a burst never pays for it. */
		if (waiting && now - since < TICK_MS)
			continue;
		if (phase == OCS_HTTP_IDLE)
			late = c->local ? idles(c, since, now, deadline)
			                : drips(c, since, now, deadline);
		else if (phase == OCS_HTTP_READING || phase == OCS_HTTP_SENDING)
			late = now - since >= deadline;
		if (late)
			expire(guard, c, phase, phase == OCS_HTTP_SENDING ? NULL : &timeout);
		else if (waiting && is_gone(c->fd))
			(void)shutdown(c->fd, SHUT_RDWR);
	}
}

static void *http_sweeper(void *arg)
{
	struct ocs_http_guard *guard = arg;

	pthread_mutex_lock(&guard->lock);
	while (!guard->stopping) {
		bool scarce =
		        !atomic_load(&guard->mute) && ocs_http_room_look(guard->room, guard->first);
		struct timespec until =
		        ocs_clock_at_ms(ocs_clock_ms() + (scarce ? SCARCE_TICK_MS : TICK_MS));

		pthread_cond_timedwait(&guard->wake, &guard->lock, &until);
		sweep(guard);
	}
	pthread_mutex_unlock(&guard->lock);
	return NULL;
}

int ocs_http_guard_start(const struct ocs_http_room_settings *settings, unsigned deadline,
                         struct ocs_http_guard **out, struct ocs_error *error)
{
	struct ocs_http_guard *guard = calloc(1, sizeof(*guard));
	struct ocs_http_room *room = ocs_http_room_new(settings);
	int result;

	if (guard == NULL || room == NULL) {
		free(guard);
		ocs_http_room_free(room);
		return ocs_error_set(error, "out of memory or file descriptors");
	}
	guard->room = room;
	guard->settings = *settings;
	atomic_store(&guard->deadline, deadline);
	pthread_mutex_init(&guard->lock, NULL);
	(void)ocs_clock_condition(&guard->wake);
	result = pthread_create(&guard->sweeper, NULL, http_sweeper, guard);
	if (result != 0) {
		pthread_cond_destroy(&guard->wake);
		pthread_mutex_destroy(&guard->lock);
		ocs_http_room_free(room);
		free(guard);
		return ocs_error_thread(error, result);
	}
	*out = guard;
	return 0;
}

void ocs_http_guard_listens(struct ocs_http_guard *guard, int fd, bool on)
{
	pthread_mutex_lock(&guard->lock);
	ocs_http_room_listens(guard->room, fd, on);
	pthread_mutex_unlock(&guard->lock);
}

void ocs_http_guard_tell_nobody(struct ocs_http_guard *guard)
{
	pthread_mutex_lock(&guard->lock);
	atomic_store(&guard->mute, true);
	pthread_mutex_unlock(&guard->lock);
}

void ocs_http_guard_deadline(struct ocs_http_guard *guard, unsigned seconds)
{
	atomic_store(&guard->deadline, seconds);
}

void ocs_http_guard_stop(struct ocs_http_guard *guard)
{
	if (guard == NULL)
		return;
	pthread_mutex_lock(&guard->lock);
	guard->stopping = true;
	pthread_cond_signal(&guard->wake);
	pthread_mutex_unlock(&guard->lock);
	pthread_join(guard->sweeper, NULL);
	ocs_http_room_free(guard->room);
	pthread_cond_destroy(&guard->wake);
	pthread_mutex_destroy(&guard->lock);
	free(guard);
}

/* Asked of the kernel: libmicrohttpd 1.0.1 has no address for the peers of AF_UNIX sockets. */
static int take_address(struct ocs_http_connection *connection)
{
	socklen_t len = sizeof(connection->address);
	struct ucred peer;

	if (getpeername(connection->fd, (struct sockaddr *)&connection->address, &len) != 0)
		return -1;
	if (connection->address.ss_family != AF_UNIX)
		return 0;
	memset(&connection->address, 0, sizeof(connection->address));
	connection->address.ss_family = AF_UNIX;
	len = sizeof(peer);
	if (getsockopt(connection->fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0)
		return -1;
	connection->local = true;
	connection->uid = peer.uid;
	connection->pid = peer.pid;
	return 0;
}

void ocs_http_guard_no_memory(const struct ocs_http_guard *guard)
{
	if (guard->settings.no_memory != NULL && !atomic_load(&guard->mute))
		guard->settings.no_memory(guard->settings.arg);
}

struct ocs_http_connection *ocs_http_guard_attach(struct ocs_http_guard *guard,
                                                  const struct ocs_http_arrival *arrival)
{
	struct ocs_http_connection *connection = calloc(1, sizeof(*connection));

	if (connection == NULL) {
		ocs_http_guard_no_memory(guard);
		return NULL;
	}
	connection->guard = guard;
	connection->fd = arrival->fd;
	if (take_address(connection) != 0) {
		free(connection);
		return NULL;
	}
	connection->tls = arrival->tls;
	connection->door = arrival->door;
	connection->proxies = arrival->proxies;
	connection->proxied = !connection->local && arrival->proxies != NULL &&
	                      ocs_http_proxies_has(arrival->proxies,
	                                           (const struct sockaddr *)&connection->address);
	connection->client.address = connection->address;
	atomic_store(&connection->since, ocs_http_now());
	pthread_mutex_lock(&guard->lock);
	connection->number = ++guard->count;
	DL_PREPEND(guard->first, connection);
	ocs_http_room_enter(guard->room, connection, guard->first);
	pthread_mutex_unlock(&guard->lock);
	atomic_fetch_add(&guard->settings.counters->open, 1);
	atomic_fetch_add(&guard->settings.counters->total, 1);
	return connection;
}

void ocs_http_guard_detach(struct ocs_http_connection *connection)
{
	struct ocs_http_guard *guard = connection->guard;

	pthread_mutex_lock(&guard->lock);
	ocs_http_room_leave(guard->room, connection);
	DL_DELETE(guard->first, connection);
	pthread_mutex_unlock(&guard->lock);
	atomic_fetch_sub(&guard->settings.counters->open, 1);
	if (connection->kept != NULL)
		connection->kept_free(connection->kept);
	ocs_tls_keys_release(connection->keys);
	free(connection);
}

void ocs_http_guard_client(struct ocs_http_connection *connection,
                           const struct ocs_http_client *client)
{
	struct ocs_http_guard *guard = connection->guard;

	pthread_mutex_lock(&guard->lock);
	connection->client = *client;
	ocs_http_room_regroup(guard->room, connection);
	pthread_mutex_unlock(&guard->lock);
}

bool ocs_http_guard_crowded(const struct ocs_http_connection *connection)
{
	struct ocs_http_guard *guard = connection->guard;
	bool crowded;

	pthread_mutex_lock(&guard->lock);
	crowded = ocs_http_room_is_crowded(guard->room, connection);
	pthread_mutex_unlock(&guard->lock);
	return crowded;
}

/* EXPIRED is final. */
static bool enter_since(struct ocs_http_connection *connection, int phase, int64_t since)
{
	int before = atomic_load(&connection->phase);

	atomic_store(&connection->since, since);
	while (before != OCS_HTTP_EXPIRED)
		if (atomic_compare_exchange_weak(&connection->phase, &before, phase))
			return true;
	return false;
}

static bool enter(struct ocs_http_connection *connection, int phase)
{
	return enter_since(connection, phase, ocs_http_now());
}

void ocs_http_begin(struct ocs_http_connection *connection, const char *address)
{
	int64_t first = atomic_exchange(&connection->first_byte, 0);

	ocs_http_target_look(&connection->target, address);
	atomic_fetch_add_explicit(&connection->requests, 1, memory_order_relaxed);
	enter_since(connection, OCS_HTTP_READING, first != 0 ? first : ocs_http_now());
	if (connection->target.arguments > OCS_HTTP_ARGUMENTS_MAX) {
		connection->target.fault = arguments.text;
		/* Over TLS only libmicrohttpd can answer, as far as it has memory for them. */
		if (!connection->tls)
			expire(connection->guard, connection, OCS_HTTP_READING, &arguments);
	}
}

bool ocs_http_work(struct ocs_http_connection *connection)
{
	return enter(connection, OCS_HTTP_WORKING);
}

void ocs_http_send(struct ocs_http_connection *connection)
{
	enter(connection, OCS_HTTP_SENDING);
}

void ocs_http_end(struct ocs_http_connection *connection)
{
	const struct ocs_http_client other_end = {.address = connection->address};

	/* Between requests it is nobody's but the proxy's. */
	if (connection->proxied)
		ocs_http_guard_client(connection, &other_end);
	enter(connection, OCS_HTTP_IDLE);
}

unsigned ocs_http_guard_count(struct ocs_http_guard *guard, uid_t uid)
{
	unsigned count = 0;

	pthread_mutex_lock(&guard->lock);
	for (struct ocs_http_connection *c = guard->first; c != NULL; c = c->next)
		count += c->local && c->uid == uid;
	pthread_mutex_unlock(&guard->lock);
	return count;
}

unsigned ocs_http_guard_busy(struct ocs_http_guard *guard, bool sending)
{
	unsigned busy = 0;

	pthread_mutex_lock(&guard->lock);
	for (struct ocs_http_connection *c = guard->first; c != NULL; c = c->next) {
		int phase = atomic_load(&c->phase);

		busy += phase == OCS_HTTP_WORKING || (sending && phase == OCS_HTTP_SENDING);
	}
	pthread_mutex_unlock(&guard->lock);
	return busy;
}
