/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Users whom nobody knows, where no user map says who there is: [main] unknown. Store thread.
 *
 * Known is who is named by an alias, has a session, or has an identifier already. With accept, one
 * who is not costs nothing on the disk unless a message must be remembered, so that it is told
 * once; and that is done for so many of them ([main] unknown_users) and no more. Whoever is not
 * remembered has nobody who waits, and gets identifiers with the first session.
 */
#include "notify/dispatch_internal.h"

#include <syslog.h>

#include <talloc.h>

/* Read again when the registry has changed, once a second at most, since all sessions are gone
 * through: a session without a subscription may be overlooked for so long. 1, 0, -1. */
static int unknown_has_session(struct resolve *resolve, const char *user)
{
	struct ocs_dispatch *dispatch = resolve->dispatch;

	if (dispatch->sessions == NULL ||
	    (ocs_dispatch_sessions_old(dispatch->sessions, dispatch->registry))) {
		struct dispatch_sessions *fresh =
		        ocs_dispatch_sessions_read(dispatch->registry, &resolve->error);

		if (fresh == NULL)
			return -1;
		ocs_dispatch_unknown_free(dispatch);
		dispatch->sessions = fresh;
	}
	return ocs_dispatch_sessions_have(dispatch->sessions, user);
}

void ocs_dispatch_unknown_free(struct ocs_dispatch *dispatch)
{
	TALLOC_FREE(dispatch->sessions);
}

/* 1, 0, or -1 with resolve->error. */
static int unknown_is_known(struct resolve *resolve, const char *user)
{
	struct ocs_dispatch *dispatch = resolve->dispatch;
	const struct ocs_folder_name root = {user, "", "", ""};
	struct dispatch_snapshot *snapshot;
	struct ocs_index_folder folder;
	bool waits;
	int ret;

	if (ocs_usermap_names(resolve->config->map, user))
		return 1;
	snapshot = ocs_dispatch_snapshot_read(dispatch, user, &resolve->error);
	if (snapshot == NULL)
		return -1;
	waits = snapshot->n_queues > 0;
	ocs_dispatch_snapshot_put(dispatch, snapshot);
	if (waits)
		return 1;
	ret = ocs_index_folder(dispatch->index, &root, false, &folder, &resolve->error);
	if (ret == OCS_STORE_OK)
		return 1;
	if (ret != OCS_STORE_MISSING)
		return -1;
	/* Where all are accepted, one who waits for nothing is as good as none. */
	return resolve->config->settings.refuse_unknown ? unknown_has_session(resolve, user) : 0;
}

static bool unknown_remembers(const struct ocs_notification *notification)
{
	return notification->message_id != NULL &&
	       (notification->category == OCS_NEWMAIL || notification->category == OCS_CREATED ||
	        notification->category == OCS_MOVED || notification->category == OCS_COPIED);
}

/* Whether there is room for one more; it is taken. -1: the index failed. */
static int unknown_take_room(struct resolve *resolve)
{
	struct ocs_dispatch *dispatch = resolve->dispatch;
	uint64_t n;

	if (ocs_index_unknown(dispatch->index, &n, &resolve->error) != OCS_STORE_OK)
		return -1;
	if (n >= resolve->config->settings.unknown_users) {
		if (!dispatch->unknown_full)
			ocs_dispatch_log(dispatch, LOG_NOTICE,
			                 "%llu users who never had a session are remembered: mail "
			                 "of further ones is accepted and not remembered ([main] "
			                 "unknown_users)",
			                 (unsigned long long)n);
		dispatch->unknown_full = true;
		return 0;
	}
	dispatch->unknown_full = false;
	/* Past [main] index_limit it is refused, in the same way as for others. */
	if (ocs_index_full(dispatch->index))
		return 1;
	if (ocs_dispatch_need_transaction(resolve) != 0 ||
	    ocs_index_set_unknown(dispatch->index, n + 1, &resolve->error) != OCS_STORE_OK)
		return -1;
	return 1;
}

int ocs_dispatch_unknown(struct resolve *resolve, const struct ocs_notification *notification,
                         struct ocs_result *result)
{
	const char *user = notification->backend_user;
	int ret = unknown_is_known(resolve, user);

	if (ret != 0)
		return ret < 0 ? -1 : 0;
	if (resolve->config->settings.refuse_unknown) {
		ocs_result_refuse(result, 422, "UNKNOWN_USER",
		                  "'%.60s' has no session and no identifier here ([main] unknown)",
		                  user);
		return 1;
	}
	ret = unknown_remembers(notification) ? unknown_take_room(resolve) : 0;
	if (ret != 0)
		return ret < 0 ? -1 : 0;
	return 1;
}
