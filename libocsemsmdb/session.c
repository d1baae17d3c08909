/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Session contexts, MS-OXCRPC 3.1.1 and 3.1.4.1: made, found, linked, ended. Takes
 * random bytes from the kernel.
 */
#include "libocsemsmdb/internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <utlist.h>

#include "base/sized.h"

#define ADMINISTRATOR 0x00000001u

static bool random_bytes(uint8_t *out, size_t len)
{
	return getrandom(out, len, 0) == (ssize_t)len;
}

static struct ocsemsmdb_session *session_by_cxh(const struct ocsemsmdb *server, const uint8_t *cxh)
{
	struct ocsemsmdb_session *session;

	HASH_FIND(by_cxh, server->by_cxh, cxh, OCSEMSMDB_HANDLE_SIZE, session);
	return session;
}

static struct ocsemsmdb_session *session_by_index(const struct ocsemsmdb *server, uint16_t index)
{
	struct ocsemsmdb_session *session;

	HASH_FIND(by_index, server->by_index, &index, sizeof(index), session);
	return session;
}

struct ocsemsmdb_session *emsmdb_session_by_acxh(const struct ocsemsmdb *server,
                                                 const uint8_t acxh[OCSEMSMDB_HANDLE_SIZE])
{
	struct ocsemsmdb_session *session;

	HASH_FIND(by_acxh, server->by_acxh, acxh, OCSEMSMDB_HANDLE_SIZE, session);
	return session;
}

/* An index comes again only after all others: an old client's mistake finds nobody's session. */
static uint16_t free_index(struct ocsemsmdb *server)
{
	do
		server->next_index++;
	while (session_by_index(server, server->next_index) != NULL);
	return server->next_index;
}

/* The session's place in the ring of those linked to the one the client names. Only its own user's
 * are there for it. */
static void session_link(struct ocsemsmdb_session *session, const struct ocsemsmdb_connect *connect)
{
	struct ocsemsmdb_session *other, *behind;

	if (!session->server->settings.linking || connect->link == OCSEMSMDB_NO_LINK)
		return;
	other = session_by_index(session->server, (uint16_t)connect->link);
	if (other == NULL || other == session || other->time_stamp != connect->time_stamp ||
	    strcmp(other->user, session->user) != 0)
		return;
	behind = other->next_linked;
	CDL_APPEND2(behind, session, prev_linked, next_linked);
}

static void unlink_from(struct ocsemsmdb_session *session)
{
	struct ocsemsmdb_session *ring = session;

	CDL_DELETE2(ring, session, prev_linked, next_linked);
	session->prev_linked = session->next_linked = session;
}

static uint32_t session_check(const struct ocsemsmdb *server, const struct ocsemsmdb_caller *caller,
                              const struct ocsemsmdb_connect *connect)
{
	const struct ocsemsmdb_settings *settings = &server->settings;

	if (caller->user == NULL || caller->user[0] == '\0' || connect->user_dn[0] == '\0')
		return OCSEMSMDB_EC_ACCESS_DENIED;
	if (settings->require_privacy && !caller->privacy)
		return OCSEMSMDB_EC_NOT_ENCRYPTED;
	if ((connect->flags & ADMINISTRATOR) != 0)
		return OCSEMSMDB_EC_LOGIN_PERM;
	if (server->exiting)
		return OCSEMSMDB_EC_EXITING;
	if (settings->check_dn == NULL)
		return OCSEMSMDB_EC_NONE;
	return settings->check_dn(caller->user, connect->user_dn, settings->arg);
}

static uint32_t session_make(struct ocsemsmdb *server, const struct ocsemsmdb_caller *caller,
                             struct ocsemsmdb_session *session)
{
	uint64_t now = emsmdb_now(server);
	int code;

	session->server = server;
	session->prev_linked = session->next_linked = session;
	session->connection = caller->connection;
	session->used = session->executed = now;
	if (!emsmdb_user_join(session, caller->user) ||
	    !random_bytes(session->cxh, sizeof(session->cxh)) ||
	    !random_bytes((uint8_t *)&session->time_stamp, sizeof(session->time_stamp)))
		return OCSEMSMDB_EC_SERVER_OOM;
	code = ocsnotify_session_open(server->context, session->user, session, &session->notify);
	return emsmdb_mapi_error(code);
}

static uint32_t connect_session(struct ocsemsmdb *server, const struct ocsemsmdb_caller *caller,
                                const struct ocsemsmdb_connect *connect,
                                struct ocsemsmdb_connected *connected_r,
                                struct ocsemsmdb_session **session_r)
{
	struct ocsemsmdb_session *session, *ends;
	uint32_t result = session_check(server, caller, connect);

	*session_r = NULL;
	if (result != OCSEMSMDB_EC_NONE)
		return result;
	if (!emsmdb_user_may_add(server, caller->user, &ends))
		return OCSEMSMDB_EC_SERVER_OOM;
	if (ends != NULL)
		emsmdb_session_free(ends, false);
	if (server->stats.sessions >= server->settings.sessions_max) {
		server->stats.refused_for_all++;
		return OCSEMSMDB_EC_SERVER_OOM;
	}
	session = calloc(1, sizeof(*session));
	if (session == NULL)
		return OCSEMSMDB_EC_SERVER_OOM;
	result = session_make(server, caller, session);
	if (result != OCSEMSMDB_EC_NONE) {
		emsmdb_user_leave(session);
		free(session);
		return result;
	}
	session->index = free_index(server);
	HASH_ADD(by_cxh, server->by_cxh, cxh, OCSEMSMDB_HANDLE_SIZE, session);
	HASH_ADD(by_index, server->by_index, index, sizeof(session->index), session);
	server->stats.sessions++;
	if (session->by_cxh.tbl == NULL || session->by_index.tbl == NULL) {
		emsmdb_session_free(session, true);
		return OCSEMSMDB_EC_SERVER_OOM;
	}
	session_link(session, connect);
	*connected_r = (struct ocsemsmdb_connected){
	        .index = session->index,
	        /* Who does not link gives the client's own back: MS-OXCRPC 3.1.4.1. */
	        .time_stamp = server->settings.linking ? session->time_stamp : connect->time_stamp,
	        .display_name = session->user,
	};
	*session_r = session;
	return OCSEMSMDB_EC_NONE;
}

uint32_t ocsemsmdb_connect_sized(struct ocsemsmdb *server, const struct ocsemsmdb_caller *caller,
                                 size_t caller_size, const struct ocsemsmdb_connect *connect,
                                 size_t connect_size, struct ocsemsmdb_connected *connected_r,
                                 size_t connected_size, struct ocsemsmdb_session **session_r)
{
	struct ocsemsmdb_caller our_caller;
	struct ocsemsmdb_connect our_connect;
	struct ocsemsmdb_connected connected;
	uint32_t result;

	*session_r = NULL;
	if (!ocs_sized_take(&our_caller, sizeof(our_caller), caller, caller_size) ||
	    !ocs_sized_take(&our_connect, sizeof(our_connect), connect, connect_size))
		return OCSEMSMDB_EC_INVALID_PARAM;
	result = connect_session(server, &our_caller, &our_connect, &connected, session_r);
	if (result == OCSEMSMDB_EC_NONE)
		ocs_sized_give(connected_r, connected_size, &connected, sizeof(connected));
	return result;
}

void emsmdb_session_free(struct ocsemsmdb_session *session, bool silent)
{
	struct ocsemsmdb *server = session->server;
	uint32_t flags, result;

	if (session->by_cxh.tbl != NULL)
		HASH_DELETE(by_cxh, server->by_cxh, session);
	if (session->by_index.tbl != NULL)
		HASH_DELETE(by_index, server->by_index, session);
	if (session->by_acxh.tbl != NULL)
		HASH_DELETE(by_acxh, server->by_acxh, session);
	server->stats.sessions--;
	unlink_from(session);
	if (silent) {
		emsmdb_wait_forget(session);
	} else {
		ocsemsmdb_wait_dead(server, &flags, &result);
		emsmdb_wait_end(session, flags, result);
	}
	if (server->settings.session_ended != NULL)
		server->settings.session_ended(session, session->data, server->settings.arg);
	emsmdb_mailbox_free(session);
	emsmdb_subjects_free(session);
	ocsnotify_session_close(session->notify);
	emsmdb_user_leave(session);
	free(session);
}

void ocsemsmdb_disconnect(struct ocsemsmdb_session *session)
{
	if (session != NULL)
		emsmdb_session_free(session, false);
}

struct ocsemsmdb_session *ocsemsmdb_session_find(struct ocsemsmdb *server,
                                                 const uint8_t handle[OCSEMSMDB_HANDLE_SIZE],
                                                 const char *user)
{
	struct ocsemsmdb_session *session = session_by_cxh(server, handle);

	if (session == NULL || user == NULL || strcmp(session->user, user) != 0)
		return NULL;
	session->used = emsmdb_now(server);
	return session;
}

const char *ocsemsmdb_session_owner(const struct ocsemsmdb *server,
                                    const uint8_t handle[OCSEMSMDB_HANDLE_SIZE])
{
	const struct ocsemsmdb_session *session = session_by_cxh(server, handle);

	return session == NULL ? NULL : session->user;
}

uint32_t ocsemsmdb_async_connect(struct ocsemsmdb_session *session,
                                 uint8_t acxh[OCSEMSMDB_HANDLE_SIZE])
{
	struct ocsemsmdb *server = session->server;

	memset(acxh, 0, OCSEMSMDB_HANDLE_SIZE);
	if (!server->settings.async)
		return OCSEMSMDB_EC_REJECTED;
	/* There is one in a session: asked again, the same. */
	if (session->by_acxh.tbl == NULL) {
		if (!random_bytes(session->acxh, sizeof(session->acxh)))
			return OCSEMSMDB_EC_SERVER_OOM;
		HASH_ADD(by_acxh, server->by_acxh, acxh, OCSEMSMDB_HANDLE_SIZE, session);
		if (session->by_acxh.tbl == NULL)
			return OCSEMSMDB_EC_SERVER_OOM;
	}
	memcpy(acxh, session->acxh, OCSEMSMDB_HANDLE_SIZE);
	return OCSEMSMDB_EC_NONE;
}

uint32_t ocsemsmdb_register_push(struct ocsemsmdb_session *session, const uint8_t *context,
                                 size_t context_len, const uint8_t *address, size_t address_len)
{
	if (!session->server->settings.push)
		return OCSEMSMDB_EC_NOT_SUPPORTED;
	return ocsnotify_set_push(session->notify, context, context_len, address, address_len);
}

const uint8_t *ocsemsmdb_session_handle(const struct ocsemsmdb_session *session)
{
	return session->cxh;
}

const char *ocsemsmdb_session_user(const struct ocsemsmdb_session *session)
{
	return session->user;
}

uint16_t ocsemsmdb_session_index(const struct ocsemsmdb_session *session)
{
	return session->index;
}

struct ocsnotify_session *ocsemsmdb_session_notify(const struct ocsemsmdb_session *session)
{
	return session->notify;
}

void ocsemsmdb_session_set_data(struct ocsemsmdb_session *session, void *data)
{
	session->data = data;
}

void *ocsemsmdb_session_data(const struct ocsemsmdb_session *session)
{
	return session->data;
}
