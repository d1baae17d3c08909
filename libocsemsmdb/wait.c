/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The asynchronous wait, MS-OXCRPC 3.3.4.1 and MS-OXCMAPIHTTP 2.2.4.4, as a state of a session: at
 * most one is parked. Calls the host back; no I/O.
 */
#include "libocsemsmdb/internal.h"

#include <string.h>

#define NOTIFICATION_PENDING 0x00000001u

void emsmdb_wait_forget(struct ocsemsmdb_session *session)
{
	if (session->wait.call == NULL)
		return;
	memset(&session->wait, 0, sizeof(session->wait));
	session->server->stats.parked--;
	session->used = emsmdb_now(session->server);
}

void emsmdb_wait_end(struct ocsemsmdb_session *session, uint32_t flags, uint32_t result)
{
	const struct ocsemsmdb_settings *settings = &session->server->settings;
	void *call = session->wait.call;

	if (call == NULL)
		return;
	emsmdb_wait_forget(session);
	settings->wait_done(call, flags, result, settings->arg);
}

static bool is_pending(const struct ocsemsmdb_session *session)
{
	/* On an error the wait goes on: told of news, the client would come back at once, for ever.
	 */
	return ocsnotify_pending(session->notify) == 1;
}

void emsmdb_wait_check(struct ocsemsmdb_session *session)
{
	if (session->wait.call == NULL || !is_pending(session))
		return;
	session->server->stats.waits_woken++;
	emsmdb_wait_end(session, NOTIFICATION_PENDING, OCSEMSMDB_EC_NONE);
}

static bool is_alive(const struct ocsemsmdb_session *session)
{
	const struct ocsemsmdb_settings *settings = &session->server->settings;

	return settings->wait_alive == NULL ||
	       settings->wait_alive(session->wait.call, settings->arg);
}

uint64_t emsmdb_wait_deadline(const struct ocsemsmdb_session *session)
{
	const struct ocsemsmdb_settings *settings = &session->server->settings;
	bool from_call = settings->wait_from_call || session->wait.kind == OCSEMSMDB_WAIT_HTTP;

	if (session->wait.call == NULL)
		return UINT64_MAX;
	return (from_call ? session->wait.since : session->executed) + settings->wait_time;
}

static void time_out(struct ocsemsmdb_session *session, uint64_t now)
{
	session->server->stats.waits_timed_out++;
	/* Else a client that only waits would get each further wait back at once. */
	session->executed = now;
}

void emsmdb_wait_tick(struct ocsemsmdb_session *session, uint64_t now)
{
	if (session->wait.call == NULL)
		return;
	if (!is_alive(session)) {
		emsmdb_wait_forget(session);
	} else if (emsmdb_wait_deadline(session) <= now) {
		time_out(session, now);
		emsmdb_wait_end(session, 0, OCSEMSMDB_EC_NONE);
	}
}

/* Whether the place is taken; a client that went without a word gives it up. */
static bool is_taken(struct ocsemsmdb_session *session)
{
	if (session->wait.call == NULL)
		return false;
	if (is_alive(session))
		return true;
	emsmdb_wait_forget(session);
	return false;
}

bool ocsemsmdb_wait_park(struct ocsemsmdb_session *session, enum ocsemsmdb_wait_kind kind,
                         const void *connection, void *call, uint32_t *flags_r, uint32_t *result_r)
{
	struct ocsemsmdb *server = session->server;
	uint64_t now = emsmdb_now(server);

	*flags_r = 0;
	*result_r = OCSEMSMDB_EC_NONE;
	session->used = now;
	if (server->exiting) {
		*result_r = OCSEMSMDB_EC_EXITING;
		return false;
	}
	if (is_taken(session)) {
		server->stats.waits_rejected++;
		*result_r = OCSEMSMDB_EC_REJECTED;
		return false;
	}
	if (is_pending(session)) {
		*flags_r = NOTIFICATION_PENDING;
		return false;
	}
	session->wait = (struct emsmdb_wait){
	        .call = call,
	        .connection = connection,
	        .kind = kind,
	        .since = now,
	};
	server->stats.parked++;
	/* What came in between would have found nobody to wake. */
	if (is_pending(session)) {
		*flags_r = NOTIFICATION_PENDING;
		emsmdb_wait_forget(session);
		return false;
	}
	if (emsmdb_wait_deadline(session) <= now) {
		time_out(session, now);
		emsmdb_wait_forget(session);
		return false;
	}
	return true;
}

void ocsemsmdb_wait_dead(const struct ocsemsmdb *server, uint32_t *flags_r, uint32_t *result_r)
{
	bool pending = server->settings.dead_wait_pending;

	*flags_r = pending ? NOTIFICATION_PENDING : 0;
	*result_r = pending ? OCSEMSMDB_EC_NONE : OCSEMSMDB_EC_REJECTED;
	if (server->exiting) {
		*flags_r = 0;
		*result_r = OCSEMSMDB_EC_EXITING;
	}
}

bool ocsemsmdb_wait_cancel(struct ocsemsmdb *server, const void *call)
{
	struct ocsemsmdb_session *session, *next;

	HASH_ITER(by_cxh, server->by_cxh, session, next)
	{
		if (call != NULL && session->wait.call == call) {
			emsmdb_wait_forget(session);
			return true;
		}
	}
	return false;
}
