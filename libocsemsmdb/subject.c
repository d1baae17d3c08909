/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What a session may be notified about: subscriptions and tables, MS-OXCNOTIF 3.1.4. See
 * ocsemsmdb.h. A table is subscribed in libocsnotify only while it may tell something, so that
 * nothing is queued for one that has no view.
 */
#include "libocsemsmdb/internal.h"

#include <stdlib.h>
#include <string.h>

#include "libocsemsmdb/request.h"
#include "base/bytes.h"

#define TABLE_DEPTH 0x04

uint32_t emsmdb_mapi_error(int code)
{
	switch (code) {
	case OCSNOTIFY_OK:
		return OCSEMSMDB_EC_NONE;
	case OCSNOTIFY_E_INVALID:
	case OCSNOTIFY_E_EXISTS:
		return OCSEMSMDB_EC_INVALID_PARAM;
	case OCSNOTIFY_E_NOMEM:
	case OCSNOTIFY_E_LIMIT:
		return OCSEMSMDB_EC_SERVER_OOM;
	default:
		return OCSEMSMDB_EC_ERROR;
	}
}

static struct emsmdb_subject *subject_find(const struct ocsemsmdb_session *session, uint32_t handle)
{
	struct emsmdb_subject *subject;

	HASH_FIND(hh, session->subjects, &handle, sizeof(handle), subject);
	return subject;
}

bool emsmdb_subject_is_open(const struct ocsemsmdb_session *session, uint32_t handle)
{
	return subject_find(session, handle) != NULL;
}

static void remove_subject(struct ocsemsmdb_session *session, struct emsmdb_subject *subject)
{
	if (subject->subscribed)
		(void)ocsnotify_unsubscribe(session->notify, subject->handle);
	HASH_DELETE(hh, session->subjects, subject);
	free(subject);
}

/* Only the memory: the end of libocsnotify's session ends the subscriptions, all at once. */
void emsmdb_subjects_free(struct ocsemsmdb_session *session)
{
	struct emsmdb_subject *subject, *next;

	HASH_ITER(hh, session->subjects, subject, next)
	{
		HASH_DELETE(hh, session->subjects, subject);
		free(subject);
	}
}

static unsigned subjects_max(const struct ocsemsmdb_settings *settings)
{
	return settings->subscriptions_max != 0 &&
	                       settings->subscriptions_max < settings->handles_max
	               ? settings->subscriptions_max
	               : settings->handles_max;
}

static uint32_t subject_add(struct ocsemsmdb_session *session, const struct emsmdb_subject *wanted,
                            struct emsmdb_subject **added_r)
{
	struct emsmdb_subject *subject;

	if (wanted->handle == EMSMDB_NO_HANDLE || subject_find(session, wanted->handle) != NULL)
		return OCSEMSMDB_EC_INVALID_PARAM;
	if (HASH_CNT(hh, session->subjects) >= subjects_max(&session->server->settings))
		return OCSEMSMDB_EC_SERVER_OOM;
	subject = malloc(sizeof(*subject));
	if (subject == NULL)
		return OCSEMSMDB_EC_SERVER_OOM;
	*subject = *wanted;
	HASH_ADD(hh, session->subjects, handle, sizeof(subject->handle), subject);
	if (subject->hh.tbl == NULL) {
		free(subject);
		return OCSEMSMDB_EC_SERVER_OOM;
	}
	*added_r = subject;
	return OCSEMSMDB_EC_NONE;
}

static uint32_t subject_subscribe(struct ocsemsmdb_session *session,
                                  const struct ocs_rop_register *rop, uint32_t handle)
{
	const struct emsmdb_subject wanted = {
	        .handle = handle, .logon_id = rop->logon_id, .subscribed = true};
	struct emsmdb_subject *subject;
	uint32_t result;

	if (rop->reserved != 0 || (!rop->whole_store && rop->folder_id == 0))
		return OCSEMSMDB_EC_INVALID_PARAM;
	result = subject_add(session, &wanted, &subject);
	if (result != OCSEMSMDB_EC_NONE)
		return result;
	result = emsmdb_mapi_error(ocsnotify_subscribe(session->notify, handle, rop->logon_id,
	                                               rop->types, rop->whole_store, rop->folder_id,
	                                               rop->message_id));
	if (result != OCSEMSMDB_EC_NONE) {
		subject->subscribed = false;
		remove_subject(session, subject);
	}
	return result;
}

uint32_t ocsemsmdb_rop_register(struct ocsemsmdb_session *session, const uint8_t *request,
                                size_t request_len, uint32_t handle, size_t *used_r,
                                uint8_t response[OCSEMSMDB_REGISTER_RESPONSE])
{
	struct ocs_rop_register rop;
	uint32_t result;

	*used_r = ocs_rop_register_read(request, request_len, &rop);
	if (*used_r == 0)
		return OCSEMSMDB_EC_RPC_FORMAT;
	result = subject_subscribe(session, &rop, handle);
	response[0] = OCS_ROP_REGISTER_NOTIFICATION;
	response[1] = rop.output;
	ocs_put32(response + 2, result);
	return result;
}

static uint32_t table_start(struct ocsemsmdb_session *session, struct emsmdb_subject *subject)
{
	uint32_t result;

	if (subject->subscribed)
		return OCSEMSMDB_EC_NONE;
	result = emsmdb_mapi_error(ocsnotify_subscribe_table(session->notify, subject->handle,
	                                                     subject->logon_id, subject->table,
	                                                     subject->folder_id));
	subject->subscribed = result == OCSEMSMDB_EC_NONE;
	return result;
}

uint32_t ocsemsmdb_table_opened(struct ocsemsmdb_session *session, uint32_t handle,
                                uint8_t logon_id, enum ocsnotify_table table, uint64_t folder_id,
                                uint8_t table_flags)
{
	struct emsmdb_subject wanted = {
	        .handle = handle,
	        .logon_id = logon_id,
	        .is_table = true,
	        .table = table,
	        .folder_id = folder_id,
	};
	struct emsmdb_subject *subject;
	uint32_t result;

	if ((table_flags & OCSEMSMDB_TABLE_NO_NOTIFICATIONS) != 0)
		return OCSEMSMDB_EC_NONE;
	/* It shows folders at any depth; libocsnotify knows children or all. */
	if (table == OCSNOTIFY_HIERARCHY_TABLE && (table_flags & TABLE_DEPTH) != 0)
		wanted.folder_id = 0;
	result = subject_add(session, &wanted, &subject);
	if (result != OCSEMSMDB_EC_NONE || session->server->settings.view_needed)
		return result;
	result = table_start(session, subject);
	if (result != OCSEMSMDB_EC_NONE)
		remove_subject(session, subject);
	return result;
}

uint32_t ocsemsmdb_table_viewed(struct ocsemsmdb_session *session, uint32_t handle)
{
	struct emsmdb_subject *subject = subject_find(session, handle);

	if (subject == NULL || !subject->is_table)
		return OCSEMSMDB_EC_NONE;
	return table_start(session, subject);
}

uint32_t ocsemsmdb_table_reset(struct ocsemsmdb_session *session, uint32_t handle)
{
	struct emsmdb_subject *subject = subject_find(session, handle);

	if (subject == NULL || !subject->is_table || !subject->subscribed ||
	    !session->server->settings.view_needed)
		return OCSEMSMDB_EC_NONE;
	subject->subscribed = false;
	return emsmdb_mapi_error(ocsnotify_unsubscribe(session->notify, handle));
}

void ocsemsmdb_rop_release(struct ocsemsmdb_session *session, uint32_t handle)
{
	struct emsmdb_subject *subject = subject_find(session, handle);

	if (subject != NULL)
		remove_subject(session, subject);
}

void ocsemsmdb_logon_ended(struct ocsemsmdb_session *session, uint8_t logon_id)
{
	struct emsmdb_subject *subject, *next;

	HASH_ITER(hh, session->subjects, subject, next)
	if (subject->logon_id == logon_id)
		remove_subject(session, subject);
}
