/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The server object handles of the built-in mailbox. Touches the session only. */
#include "libocsemsmdb/mailbox.h"

#include <stdlib.h>

uint32_t emsmdb_mailbox_add(struct emsmdb_mailbox_call *call, enum emsmdb_mailbox_kind kind,
                            uint64_t folder_id)
{
	struct ocsemsmdb_session *session = call->session;
	struct emsmdb_mailbox *mailbox = session->mailbox;
	struct emsmdb_mailbox_object *object;

	/* Handles are not given twice, so that a released one is known as such. */
	if (HASH_CNT(hh, mailbox->objects) >= session->server->settings.handles_max ||
	    mailbox->next_handle == EMSMDB_NO_HANDLE)
		return OCSEMSMDB_EC_SERVER_OOM;
	object = calloc(1, sizeof(*object));
	if (object == NULL)
		return OCSEMSMDB_EC_SERVER_OOM;
	object->handle = mailbox->next_handle;
	object->kind = kind;
	object->logon_id = call->request->logon_id;
	object->folder_id = folder_id;
	HASH_ADD(hh, mailbox->objects, handle, sizeof(object->handle), object);
	if (object->hh.tbl == NULL) {
		free(object);
		return OCSEMSMDB_EC_SERVER_OOM;
	}
	call->new_handle = mailbox->next_handle++;
	return OCSEMSMDB_EC_NONE;
}

uint32_t emsmdb_mailbox_find(const struct ocsemsmdb_session *session, uint32_t handle,
                             uint8_t logon_id, struct emsmdb_mailbox_object **object_r)
{
	const struct emsmdb_mailbox *mailbox = session->mailbox;

	HASH_FIND(hh, mailbox->objects, &handle, sizeof(handle), *object_r);
	if (*object_r == NULL)
		return handle != 0 && handle < mailbox->next_handle ? OCSEMSMDB_EC_INVALID_OBJECT
		                                                    : OCSEMSMDB_EC_NULL_OBJECT;
	return (*object_r)->logon_id == logon_id ? OCSEMSMDB_EC_NONE : OCSEMSMDB_EC_ACCESS_DENIED;
}

void emsmdb_mailbox_release(struct ocsemsmdb_session *session, struct emsmdb_mailbox_object *object)
{
	if (object->kind == EMSMDB_MAILBOX_LOGON) {
		emsmdb_mailbox_end_logon(session, object->logon_id);
		return;
	}
	ocsemsmdb_rop_release(session, object->handle);
	HASH_DELETE(hh, session->mailbox->objects, object);
	free(object);
}

void emsmdb_mailbox_end_logon(struct ocsemsmdb_session *session, uint8_t logon_id)
{
	struct emsmdb_mailbox_object *object, *next;

	ocsemsmdb_logon_ended(session, logon_id);
	HASH_ITER(hh, session->mailbox->objects, object, next)
	{
		if (object->logon_id != logon_id)
			continue;
		HASH_DELETE(hh, session->mailbox->objects, object);
		free(object);
	}
}

void emsmdb_mailbox_free(struct ocsemsmdb_session *session)
{
	struct emsmdb_mailbox_object *object, *next;

	if (session->mailbox == NULL)
		return;
	HASH_ITER(hh, session->mailbox->objects, object, next)
	{
		HASH_DELETE(hh, session->mailbox->objects, object);
		free(object);
	}
	free(session->mailbox);
	session->mailbox = NULL;
}
