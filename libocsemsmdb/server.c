/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The server as a whole: settings, open, close, the host's loop. Touches its sessions, no file.
 */
#include "libocsemsmdb/internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/sized.h"

#define NO_TIME UINT64_MAX

bool ocsemsmdb_version_parse(const char *text, enum ocsemsmdb_version *version_r)
{
	static const struct {
		const char *text;
		enum ocsemsmdb_version version;
	} versions[] = {
	        {"2003", OCSEMSMDB_2003}, {"2007", OCSEMSMDB_2007}, {"2010", OCSEMSMDB_2010},
	        {"2013", OCSEMSMDB_2013}, {"2016", OCSEMSMDB_2016}, {"2019", OCSEMSMDB_2016},
	        {"se", OCSEMSMDB_2016},
	};

	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
		if (strcmp(text, versions[i].text) == 0) {
			*version_r = versions[i].version;
			return true;
		}
	}
	return false;
}

unsigned ocsemsmdb_library_version(void)
{
	return OCSEMSMDB_VERSION;
}

void ocsemsmdb_settings_init_sized(struct ocsemsmdb_settings *settings, size_t settings_size,
                                   enum ocsemsmdb_version version)
{
	static const uint16_t server_versions[][4] = {
	        [OCSEMSMDB_2003] = {6, 5, 7638, 1},  [OCSEMSMDB_2007] = {8, 3, 83, 6},
	        [OCSEMSMDB_2010] = {14, 3, 123, 4},  [OCSEMSMDB_2013] = {15, 0, 847, 4040},
	        [OCSEMSMDB_2016] = {15, 1, 2507, 6},
	};

	struct ocsemsmdb_settings ours = {
	        .version = version,
	        .push = version <= OCSEMSMDB_2007,
	        .async = version >= OCSEMSMDB_2007,
	        .linking = version <= OCSEMSMDB_2007,
	        .view_needed = version >= OCSEMSMDB_2010,
	        .wait_from_call = version <= OCSEMSMDB_2007,
	        .dead_wait_pending = version >= OCSEMSMDB_2013,
	        .zero_message_flags = version == OCSEMSMDB_2013,
	        .require_privacy = true,
	        .polls_max = 60000,
	        .retry_count = 6,
	        .retry_delay = 10000,
	        .wait_time = 300000,
	        .session_idle = 900000,
	        .sessions_max = 10000,
	        .sessions_per_user = 128,
	        .handles_max = 4096,
	        .subscriptions_max = 500,
	};
	memcpy(ours.server_version, server_versions[version], sizeof(ours.server_version));
	ocs_sized_give(settings, settings_size, &ours, sizeof(ours));
}

int ocsemsmdb_open_sized(struct ocsnotify *context, const struct ocsemsmdb_settings *settings,
                         size_t settings_size, struct ocsemsmdb **server_r)
{
	struct ocsemsmdb_settings ours;
	struct ocsemsmdb *server;

	*server_r = NULL;
	if (!ocs_sized_take(&ours, sizeof(ours), settings, settings_size) ||
	    ours.sessions_max == 0 || ours.sessions_max > UINT16_MAX || ours.handles_max == 0 ||
	    ours.wait_time == 0)
		return OCSNOTIFY_E_INVALID;
	server = calloc(1, sizeof(*server));
	if (server == NULL)
		return OCSNOTIFY_E_NOMEM;
	server->context = context;
	server->settings = ours;
	server->backend = strdup(ours.backend == NULL ? "imap" : ours.backend);
	if (server->backend == NULL) {
		free(server);
		return OCSNOTIFY_E_NOMEM;
	}
	server->settings.backend = server->backend;
	*server_r = server;
	return OCSNOTIFY_OK;
}

void ocsemsmdb_shutdown(struct ocsemsmdb *server)
{
	struct ocsemsmdb_session *session, *next;

	server->exiting = true;
	HASH_ITER(by_cxh, server->by_cxh, session, next)
	emsmdb_wait_end(session, 0, OCSEMSMDB_EC_EXITING);
}

void ocsemsmdb_close(struct ocsemsmdb *server)
{
	struct ocsemsmdb_session *session, *next;

	if (server == NULL)
		return;
	ocsemsmdb_shutdown(server);
	HASH_ITER(by_cxh, server->by_cxh, session, next)
	emsmdb_session_free(session, true);
	free(server->backend);
	free(server);
}

static void server_wake(struct ocsnotify_session *notify, void *arg)
{
	struct ocsemsmdb_session *session = ocsnotify_session_data(notify);
	struct ocsemsmdb *server = arg;

	if (session == NULL || session->wait.call == NULL)
		return;
	server->woken++;
	server->stats.waits_woken++;
	emsmdb_wait_end(session, 1, OCSEMSMDB_EC_NONE);
}

int ocsemsmdb_process(struct ocsemsmdb *server)
{
	int code;

	server->woken = 0;
	code = ocsnotify_process(server->context, server_wake, server);
	return code < 0 ? code : server->woken;
}

/* A parked wait keeps its session. */
static uint64_t session_deadline(const struct ocsemsmdb_session *session)
{
	uint32_t idle = session->server->settings.session_idle;

	if (idle == 0 || session->wait.call != NULL)
		return NO_TIME;
	return session->used + idle;
}

void ocsemsmdb_tick(struct ocsemsmdb *server)
{
	struct ocsemsmdb_session *session, *next;
	uint64_t now = emsmdb_now(server);

	HASH_ITER(by_cxh, server->by_cxh, session, next)
	{
		emsmdb_wait_tick(session, now);
		if (session_deadline(session) <= now)
			emsmdb_session_free(session, false);
	}
}

uint64_t ocsemsmdb_deadline(const struct ocsemsmdb *server)
{
	const struct ocsemsmdb_session *session, *next;
	uint64_t first = NO_TIME, at;

	HASH_ITER(by_cxh, server->by_cxh, session, next)
	{
		at = emsmdb_wait_deadline(session);
		if (at < first)
			first = at;
		at = session_deadline(session);
		if (at < first)
			first = at;
	}
	return first;
}

void ocsemsmdb_get_stats_sized(const struct ocsemsmdb *server, struct ocsemsmdb_stats *stats,
                               size_t stats_size)
{
	ocs_sized_give(stats, stats_size, &server->stats, sizeof(server->stats));
}

void ocsemsmdb_connection_closed(struct ocsemsmdb *server, const void *connection)
{
	struct ocsemsmdb_session *session, *next;

	if (connection == NULL)
		return;
	HASH_ITER(by_cxh, server->by_cxh, session, next)
	{
		if (session->wait.connection == connection)
			emsmdb_wait_forget(session);
		if (session->connection == connection)
			emsmdb_session_free(session, false);
	}
}
