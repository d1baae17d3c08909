/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Who has a session, as the registry says. Store thread. Touches the registry. */
#include "notify/dispatch_internal.h"

#include <string.h>

#include <talloc.h>

/* The users of all sessions, at one state of the registry. */
struct session_user {
	UT_hash_handle hh;
	char user[OCS_USER_MAX + 1];
};

struct dispatch_sessions {
	uint32_t seqnum;
	uint64_t read_at; /* ns */
	struct session_user *table;
};

static int sessions_free(struct dispatch_sessions *sessions)
{
	HASH_CLEAR(hh, sessions->table);
	return 0;
}

struct dispatch_sessions *ocs_dispatch_sessions_read(struct ocs_registry *registry,
                                                     struct ocs_error *error)
{
	struct dispatch_sessions *sessions = talloc_zero(NULL, struct dispatch_sessions);
	struct ocs_registry_session *list;
	size_t n = 0;

	if (sessions == NULL) {
		ocs_error_memory(error);
		return NULL;
	}
	talloc_set_destructor(sessions, sessions_free);
	sessions->seqnum = ocs_registry_seqnum(registry);
	sessions->read_at = ocs_clock_ns();
	if (ocs_registry_session_list(registry, sessions, &list, &n, error) != OCS_STORE_OK) {
		talloc_free(sessions);
		return NULL;
	}
	for (size_t i = 0; i < n; i++) {
		struct session_user *found;

		HASH_FIND_STR(sessions->table, list[i].user, found);
		if (found != NULL)
			continue;
		found = talloc_zero(sessions, struct session_user);
		if (found != NULL) {
			strcpy(found->user, list[i].user);
			HASH_ADD_STR(sessions->table, user, found);
		}
		if (found == NULL || found->hh.tbl == NULL) {
			ocs_error_memory(error);
			talloc_free(sessions);
			return NULL;
		}
	}
	talloc_free(list);
	return sessions;
}

bool ocs_dispatch_sessions_have(const struct dispatch_sessions *sessions, const char *user)
{
	struct session_user *found;

	HASH_FIND_STR(sessions->table, user, found);
	return found != NULL;
}

bool ocs_dispatch_sessions_old(const struct dispatch_sessions *sessions,
                               const struct ocs_registry *registry)
{
	return sessions->seqnum != ocs_registry_seqnum(registry) &&
	       ocs_clock_ns() - sessions->read_at > OCS_CLOCK_SECOND;
}
