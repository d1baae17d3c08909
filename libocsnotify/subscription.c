/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Subscriptions: handles, and the queues they need. A call changes everything or
 * nothing: the queues are made first, then one transaction registers them, and whatever fails is
 * undone. Touches the session and the registry.
 */
#include "libocsnotify/internal.h"

#include <stdlib.h>
#include <utlist.h>

#include "registry/match.h"

#define NO_HANDLE 0xffffffffu
/* Of one session: what a mailbox full of open tables takes, and no more than can be looked through.
 */
#define HANDLES_MAX 4096

/* NotificationTypes: the eight events, and the extended bit, which asks for nothing. */
#define KNOWN_TYPES 0x05fe

static struct libocsnotify_handle *find_handle(const struct ocsnotify_session *session,
                                               uint32_t handle)
{
	struct libocsnotify_handle *h;

	LL_SEARCH_SCALAR(session->handles, h, handle, handle);
	return h;
}

static void detach_handle(struct ocsnotify_session *session,
                          const struct libocsnotify_handle *handle)
{
	for (struct libocsnotify_queue *queue = session->queues; queue != NULL; queue = queue->next)
		libocsnotify_queue_remove_user(queue, handle);
}

/* Ends the queues that nobody uses any more. */
static void reap_queues(struct ocsnotify_session *session)
{
	struct libocsnotify_queue *queue, *next;

	DL_FOREACH_SAFE(session->queues, queue, next)
	{
		if (queue->n_users == 0)
			libocsnotify_queue_free(queue, true);
	}
}

/* Works the matchers of all queues out; whether the registry has to know. */
static bool rematch_queues(struct ocsnotify_session *session)
{
	bool changed = false;

	for (struct libocsnotify_queue *queue = session->queues; queue != NULL; queue = queue->next)
		if (libocsnotify_queue_match(queue))
			changed = true;
	return changed;
}

/* The handle's place in each of the tables' queues (a bit of 1 << table each). */
static int attach_handle(struct ocsnotify_session *session, struct libocsnotify_handle *handle,
                         unsigned tables)
{
	for (int table = 0; table < OCS_TABLE_COUNT; table++) {
		struct libocsnotify_queue *queue;

		if ((tables & 1u << table) == 0)
			continue;
		queue = libocsnotify_queue_find(session, handle->folder, (enum ocs_table)table);
		if (queue == NULL)
			queue = libocsnotify_queue_new(session, &session->context->settings,
			                               handle->folder, (enum ocs_table)table);
		if (queue == NULL || libocsnotify_queue_add_user(queue, handle) != 0)
			return libocsnotify_fail(session->context, OCSNOTIFY_E_NOMEM,
			                         "out of memory");
	}
	return OCSNOTIFY_OK;
}

static int write_queues(struct ocsnotify_session *session)
{
	struct ocsnotify *context = session->context;
	struct ocs_error error = {.text = ""};
	int code = libocsnotify_enter(context), ret;

	if (code != OCSNOTIFY_OK)
		return code;
	ret = libocsnotify_registration_begin(context, &error);
	if (ret == OCS_STORE_OK)
		ret = libocsnotify_registration_store(session, &error);
	ret = libocsnotify_registration_end(context, ret, &error);
	return libocsnotify_leave(context, ret, &error);
}

static bool shares_a_queue(struct ocsnotify_session *session, uint64_t folder, unsigned tables)
{
	for (int table = 0; table < OCS_TABLE_COUNT; table++)
		if ((tables & 1u << table) != 0 &&
		    libocsnotify_queue_find(session, folder, (enum ocs_table)table) != NULL)
			return true;
	return false;
}

static int subscribe_handle(struct ocsnotify_session *session, struct libocsnotify_handle *wanted,
                            unsigned tables)
{
	struct ocsnotify *context = session->context;
	struct libocsnotify_handle *handle;
	int code;

	if (wanted->handle == NO_HANDLE)
		return libocsnotify_fail(context, OCSNOTIFY_E_INVALID,
		                         "0xffffffff is not a handle");
	if (find_handle(session, wanted->handle) != NULL)
		return libocsnotify_fail(context, OCSNOTIFY_E_EXISTS,
		                         "handle 0x%08x is subscribed already", wanted->handle);
	if (session->n_handles >= HANDLES_MAX)
		return libocsnotify_fail(context, OCSNOTIFY_E_LIMIT,
		                         "the session has %d subscriptions", HANDLES_MAX);
	libocsnotify_look(context);
	code = libocsnotify_host_subscribe(session, wanted);
	if (code != OCSNOTIFY_OK)
		return code;
	libocsnotify_settings(context);
	if (shares_a_queue(session, wanted->folder, tables)) {
		/* What waits there now came before this handle. */
		code = libocsnotify_backlog_take(session);
		libocsnotify_settle(session, session->n_items == session->head);
		if (code != OCSNOTIFY_OK)
			return code;
	}
	handle = malloc(sizeof(*handle));
	if (handle == NULL)
		return libocsnotify_fail(context, OCSNOTIFY_E_NOMEM, "out of memory");
	*handle = *wanted;
	handle->order = session->next_order++;
	handle->since = session->next_serial;
	LL_PREPEND(session->handles, handle);
	session->n_handles++;
	code = attach_handle(session, handle, tables);
	if (code == OCSNOTIFY_OK && rematch_queues(session))
		code = write_queues(session);
	if (code == OCSNOTIFY_OK) {
		libocsnotify_request_binding(session);
		return OCSNOTIFY_OK;
	}
	LL_DELETE(session->handles, handle);
	session->n_handles--;
	detach_handle(session, handle);
	reap_queues(session);
	rematch_queues(session);
	free(handle);
	return code;
}

int ocsnotify_subscribe(struct ocsnotify_session *session, uint32_t handle, uint8_t logon_id,
                        uint16_t types, bool whole_store, uint64_t folder_id, uint64_t message_id)
{
	struct libocsnotify_handle wanted = {
	        .handle = handle,
	        .logon_id = logon_id,
	        .types = types,
	        .folder = whole_store ? OCS_FOLDER_STORE : folder_id,
	        .mid = whole_store ? 0 : message_id,
	};

	if (libocsnotify_forked(session->context))
		return OCSNOTIFY_E_FORKED;
	if ((types & ~KNOWN_TYPES) != 0)
		return libocsnotify_fail(session->context, OCSNOTIFY_E_INVALID,
		                         "notification types 0x%04x have unknown bits", types);
	if (!whole_store && folder_id == 0)
		return libocsnotify_fail(session->context, OCSNOTIFY_E_INVALID,
		                         "a subscription to a folder needs its FID");
	return subscribe_handle(session, &wanted, ocs_match_tables(types));
}

int ocsnotify_subscribe_table(struct ocsnotify_session *session, uint32_t handle, uint8_t logon_id,
                              enum ocsnotify_table table, uint64_t folder_id)
{
	struct libocsnotify_handle wanted = {
	        .handle = handle,
	        .logon_id = logon_id,
	        .types = OCSNOTIFY_TABLE_MODIFIED,
	        .folder = folder_id,
	};

	if (libocsnotify_forked(session->context))
		return OCSNOTIFY_E_FORKED;
	switch (table) {
	case OCSNOTIFY_CONTENTS_TABLE:
		return subscribe_handle(session, &wanted, 1u << OCS_TABLE_CONTENTS);
	case OCSNOTIFY_HIERARCHY_TABLE:
		return subscribe_handle(session, &wanted, 1u << OCS_TABLE_HIERARCHY);
	default:
		return libocsnotify_fail(session->context, OCSNOTIFY_E_INVALID,
		                         "no such kind of table: %d", (int)table);
	}
}

int ocsnotify_unsubscribe(struct ocsnotify_session *session, uint32_t handle)
{
	struct libocsnotify_handle *gone;
	unsigned char used[OCS_TABLE_COUNT];
	int code = OCSNOTIFY_OK;

	if (libocsnotify_forked(session->context))
		return OCSNOTIFY_E_FORKED;
	gone = find_handle(session, handle);
	if (gone == NULL)
		return libocsnotify_fail(session->context, OCSNOTIFY_E_NOT_FOUND,
		                         "handle 0x%08x is not subscribed", handle);
	for (int table = 0; table < OCS_TABLE_COUNT; table++) {
		struct libocsnotify_queue *queue =
		        libocsnotify_queue_find(session, gone->folder, (enum ocs_table)table);

		used[table] = queue != NULL && libocsnotify_queue_has_user(queue, gone);
	}
	detach_handle(session, gone);
	if (rematch_queues(session))
		code = write_queues(session);
	if (code != OCSNOTIFY_OK) {
		/* There is room where it was. */
		for (int table = 0; table < OCS_TABLE_COUNT; table++)
			if (used[table] != 0)
				(void)libocsnotify_queue_add_user(
				        libocsnotify_queue_find(session, gone->folder,
				                                (enum ocs_table)table),
				        gone);
		rematch_queues(session);
		return code;
	}
	LL_DELETE(session->handles, gone);
	session->n_handles--;
	reap_queues(session);
	free(gone);
	/* From now on the daemon may unbind the user. */
	if (session->queues == NULL)
		session->bound = false;
	return OCSNOTIFY_OK;
}
