/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Where and how ocsmapihttp listens: the settings of its listener (http/listen.h), and how many
 * connections the descriptors of the process suffice for.
 */
#include <stdlib.h>
#include <sys/resource.h>

#include "http/room.h"
#include "base/log.h"
#include "mapihttp/mapihttp.h"

#define REQUEST_DEADLINE 60  /* seconds from the first byte of a request to the end of its body */
#define IDLE_TIMEOUT     120 /* seconds a connection may keep silent between requests */
#define KEPT_BACK        64  /* descriptors for all but connections and queues */
#define ROOM_LEAST       8

/* Without TLS passwords must not leave the machine. No limit for an address: all of a proxy's
 * clients have one, and where it is full, the room closes those of who has the most. */
static struct ocs_listener_settings listener_settings(struct mapihttp *server)
{
	return (struct ocs_listener_settings){
	        .host = server->options->host,
	        .port = server->options->port,
	        .loopback = server->tls != NULL
	                            ? NULL
	                            : "without --cert only loopback addresses are possible",
	        .tls = server->tls,
	        .proxies = server->proxies,
	        .timeout = IDLE_TIMEOUT,
	        .guard = server->guard,
	        .handle = mapihttp_handle,
	        .completed = mapihttp_completed,
	        .arg = server,
	};
}

int mapihttp_read_keys(const struct mapihttp *server, struct ocs_tls_keys **keys_r,
                       struct ocs_error *error)
{
	const struct ocs_tls_files files = {.cert = server->options->cert,
	                                    .key = server->options->key};
	char doubt[100];

	*keys_r = NULL;
	if (files.cert == NULL)
		return 0;
	if (ocs_tls_keys_read(&files, keys_r, error) != 0)
		return -1;
	if (ocs_tls_keys_doubt(*keys_r, doubt, sizeof(doubt)) != NULL)
		ocs_log(LOG_WARNING, "%s: %s", files.cert, doubt);
	return 0;
}

int mapihttp_open(struct mapihttp *server, const struct ocs_config *config, struct ocs_error *error)
{
	struct ocs_listener_settings settings;
	struct ocs_tls_keys *keys;

	if (mapihttp_read_keys(server, &keys, error) != 0)
		return -1;
	if (keys != NULL && (server->tls = ocs_tls_new(keys)) == NULL)
		return ocs_error_memory(error);
	if (config->server.proxies != NULL) {
		server->proxies = ocs_http_proxies_new(
		        config->server.proxies,
		        (enum ocs_http_proxy_header)config->server.proxy_header, error);
		if (server->proxies == NULL)
			return -1;
	}
	settings = listener_settings(server);
	return ocs_listener_open(&settings, &server->listener, error);
}

/* Half of the descriptors there are is for connections, the other one for the queues of sessions.
 */
static int share_descriptors(const struct mapihttp *server, unsigned *connections_r,
                             struct ocs_error *error)
{
	unsigned long most;
	struct rlimit limit;

	*connections_r = server->options->connections;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
		return 0;
	most = limit.rlim_cur > KEPT_BACK ? (limit.rlim_cur - KEPT_BACK) / 2 : 0;
	if (most < ROOM_LEAST)
		return ocs_error_set(error,
		                     "%lu file descriptors (RLIMIT_NOFILE, LimitNOFILE=) are too "
		                     "few: at least %u are needed",
		                     (unsigned long)limit.rlim_cur, KEPT_BACK + 2 * ROOM_LEAST);
	if (most < *connections_r) {
		ocs_log(LOG_WARNING,
		        "%lu file descriptors (RLIMIT_NOFILE, LimitNOFILE=) are not enough for "
		        "--connections %u: %lu are possible",
		        (unsigned long)limit.rlim_cur, *connections_r, most);
		*connections_r = (unsigned)most;
	}
	return 0;
}

int mapihttp_listen(struct mapihttp *server, struct ocs_error *error)
{
	struct ocs_listener_settings settings;
	struct ocs_http_room_settings room = {
	        .key = "--connections",
	        .counters = &server->connections,
	};

	if (share_descriptors(server, &room.connections, error) != 0 ||
	    ocs_http_guard_start(&room, REQUEST_DEADLINE, &server->guard, error) != 0)
		return -1;
	settings = listener_settings(server);
	settings.connection_limit = room.connections;
	return ocs_listener_start(&settings, &server->listener, error);
}

void mapihttp_close(struct mapihttp *server)
{
	ocs_listener_stop(&server->listener);
	ocs_http_guard_stop(server->guard);
	ocs_tls_free(server->tls);
	server->tls = NULL;
	free(server->proxies);
	server->proxies = NULL;
}
