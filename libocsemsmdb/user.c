/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The users that have sessions, so that one of them cannot take what all the others need. Exchange
 * has such a limit too, 32 sessions of a user (event 9646 tells of it). Touches the server's
 * memory.
 */
#include "libocsemsmdb/internal.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

static struct emsmdb_user *user_find(const struct ocsemsmdb *server, const char *name)
{
	struct emsmdb_user *user;

	HASH_FIND(hh, server->users, name, strlen(name), user);
	return user;
}

bool emsmdb_user_join(struct ocsemsmdb_session *session, const char *name)
{
	struct ocsemsmdb *server = session->server;
	struct emsmdb_user *user = user_find(server, name);
	size_t len = strlen(name);

	if (user == NULL) {
		user = calloc(1, sizeof(*user) + len + 1);
		if (user == NULL)
			return false;
		memcpy(user->name, name, len);
		HASH_ADD_KEYPTR(hh, server->users, user->name, len, user);
		if (user->hh.tbl == NULL) {
			free(user);
			return false;
		}
	}
	session->owner = user;
	session->user = user->name;
	DL_PREPEND(user->sessions, session);
	user->n_sessions++;
	return true;
}

void emsmdb_user_leave(struct ocsemsmdb_session *session)
{
	struct emsmdb_user *user = session->owner;

	if (user == NULL)
		return;
	DL_DELETE(user->sessions, session);
	session->owner = NULL;
	session->user = NULL;
	if (--user->n_sessions > 0)
		return;
	HASH_DEL(session->server->users, user);
	free(user);
}

static struct ocsemsmdb_session *least_used(const struct emsmdb_user *user)
{
	struct ocsemsmdb_session *oldest = NULL;

	for (struct ocsemsmdb_session *s = user->sessions; s != NULL; s = s->next)
		if (s->wait.call == NULL && (oldest == NULL || s->used <= oldest->used))
			oldest = s;
	return oldest;
}

bool emsmdb_user_may_add(struct ocsemsmdb *server, const char *name,
                         struct ocsemsmdb_session **ends_r)
{
	const struct emsmdb_user *user = user_find(server, name);
	unsigned max = server->settings.sessions_per_user;

	*ends_r = NULL;
	if (user == NULL || max == 0 || user->n_sessions < max)
		return true;
	*ends_r = least_used(user);
	if (*ends_r == NULL) {
		server->stats.refused_for_user++;
		return false;
	}
	server->stats.ended_for_user++;
	return true;
}
