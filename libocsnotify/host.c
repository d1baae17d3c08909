/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * A server with identifiers of its own ([main] identifiers = host): queues and entries have ours,
 * subscriptions and events the host's, and names lead from one to the other. Reads the index; calls
 * the host, with no lock held.
 */
#include "libocsnotify/internal.h"

#include <string.h>

#include <talloc.h>

/* What the host does not know is asked for again for so long, from when it was taken in; a look
 * every LIBOCSNOTIFY_LOOK_MS is among the occasions. */
#define HOLD_MS (OCSNOTIFY_HOLD_SECONDS * 1000)

void ocsnotify_set_identifiers(struct ocsnotify *context, ocsnotify_identify_fn *identify,
                               ocsnotify_name_fn *name, void *arg)
{
	bool both = identify != NULL && name != NULL;

	context->identify = both ? identify : NULL;
	context->name = both ? name : NULL;
	context->identify_arg = arg;
}

/* ---- subscribing: from the host's identifiers to ours ---- */

static int name_of(struct ocsnotify_session *session, uint64_t folder_id, uint64_t message_id,
                   struct ocsnotify_object *object)
{
	struct ocsnotify *context = session->context;

	*object = (struct ocsnotify_object){.kind = OCSNOTIFY_FOLDER};
	if (!context->name(session, folder_id, message_id, object, context->identify_arg))
		return libocsnotify_fail(
		        context, OCSNOTIFY_E_NOT_FOUND,
		        "the server has no name for its %s 0x%016llx",
		        message_id != 0 ? "message" : "folder",
		        (unsigned long long)(message_id != 0 ? message_id : folder_id));
	if (object->kind == OCSNOTIFY_ROOT)
		object->backend = object->backend_user = object->folder = "";
	if (object->backend == NULL || object->backend_user == NULL || object->folder == NULL ||
	    (message_id != 0 && object->message == NULL))
		return libocsnotify_fail(context, OCSNOTIFY_E_INVALID,
		                         "the server's name for 0x%016llx lacks a part",
		                         (unsigned long long)folder_id);
	return OCSNOTIFY_OK;
}

int libocsnotify_host_subscribe(struct ocsnotify_session *session,
                                struct libocsnotify_handle *handle)
{
	struct ocsnotify *context = session->context;
	struct ocsnotify_object object;
	uint64_t folder = handle->folder, message = handle->mid;
	int code;

	libocsnotify_settings(context);
	if (!context->settings.host_identifiers)
		return OCSNOTIFY_OK;
	if (context->identify == NULL) {
		if ((context->host_troubles & LIBOCSNOTIFY_NO_CALLBACK) == 0)
			libocsnotify_warn(context,
			                  "[main] identifiers = host, but this server gives none: "
			                  "its clients get those of the index");
		context->host_troubles |= LIBOCSNOTIFY_NO_CALLBACK;
		return OCSNOTIFY_OK;
	}
	handle->host = session->host = true;
	if (folder == OCS_FOLDER_STORE)
		return OCSNOTIFY_OK;
	code = name_of(session, folder, message, &object);
	if (code == OCSNOTIFY_OK)
		code = ocsnotify_folder_fid(context, session->r.user, object.backend,
		                            object.backend_user, object.folder, &handle->folder);
	if (code == OCSNOTIFY_OK && message != 0)
		code = ocsnotify_message_mid(context, session->r.user, object.backend,
		                             object.backend_user, object.folder, object.message,
		                             true, &handle->mid);
	return code;
}

/* ---- draining: from ours to the host's ---- */

/* The host's: 1, 0 if it knows none, or an OCSNOTIFY_E_* code. None of none. */
static int identify(struct ocsnotify *context, uint64_t ours, uint64_t *id_r)
{
	void *memory = ours != 0 ? talloc_new(NULL) : NULL;
	struct libocsnotify_named named;
	struct ocsnotify_object object;
	struct ocs_error error = {.text = ""};
	int code, ret;

	*id_r = 0;
	if (ours == 0)
		return 1;
	if (memory == NULL)
		return libocsnotify_fail(context, OCSNOTIFY_E_NOMEM, "out of memory");
	libocsnotify_settings(context);
	code = libocsnotify_enter(context);
	if (code == OCSNOTIFY_OK) {
		ret = libocsnotify_name(context, memory, ours, &named, &error);
		code = libocsnotify_leave(context, ret == OCS_STORE_MISSING ? OCS_STORE_OK : ret,
		                          &error);
		if (code == OCSNOTIFY_OK && ret == OCS_STORE_OK) {
			libocsnotify_to_object(&named, &object);
			code = context->identify(&object, id_r, context->identify_arg) &&
			       *id_r != 0;
		}
	}
	if (code != 1)
		*id_r = 0;
	talloc_free(memory);
	return code;
}

/* Which of an event's identifiers the host knows. */
struct known {
	bool now, old; /* what it is about and where; what it was and where */
};

/* 0 or an OCSNOTIFY_E_* code. What is not known becomes 0. */
static int translate(struct ocsnotify *context, struct ocsnotify_event *event, struct known *known)
{
	const struct {
		uint64_t *id;
		bool *known;
	} ids[] = {
	        {&event->folder_id, &known->now},
	        {&event->message_id, &known->now},
	        {&event->parent_folder_id, &known->now},
	        {&event->old_folder_id, &known->old},
	        {&event->old_message_id, &known->old},
	        {&event->old_parent_folder_id, &known->old},
	};

	*known = (struct known){true, true};
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		int ret = identify(context, *ids[i].id, ids[i].id);

		if (ret < 0)
			return ret;
		if (ret == 0)
			*ids[i].known = false;
	}
	return 0;
}

/* Whether the handle would have been told of that, in that folder. */
static bool wants(const struct libocsnotify_handle *handle, uint16_t type, uint64_t folder,
                  uint64_t message)
{
	return (handle->types & type) != 0 &&
	       (handle->folder == OCS_FOLDER_STORE || handle->folder == folder) &&
	       (handle->mid == 0 || handle->mid == message);
}

static void become(struct ocsnotify_event *event, uint16_t type, const char *word)
{
	event->flags = (uint16_t)((event->flags & ~OCSNOTIFY_FLAG_TYPE) | type);
	event->event = word;
	event->old_folder_id = event->old_message_id = event->old_parent_folder_id = 0;
}

/* Of a move or copy the host knows one end: to its clients something came, or went. */
static bool half_a_move(const struct libocsnotify_handle *handle,
                        const struct libocsnotify_item *item, const struct known *known,
                        struct ocsnotify_event *event)
{
	const struct ocs_entry *entry = &item->entry;
	bool message = (entry->flags & OCSNOTIFY_FLAG_MESSAGE) != 0;
	uint16_t type = entry->flags & OCSNOTIFY_FLAG_TYPE;

	if (known->now) {
		become(event, OCSNOTIFY_OBJECT_CREATED, "created");
		return wants(handle, OCSNOTIFY_OBJECT_CREATED, entry->fid,
		             message ? entry->mid : 0);
	}
	if (type != OCSNOTIFY_OBJECT_MOVED || !known->old)
		return false;
	event->folder_id = event->old_folder_id;
	event->message_id = event->old_message_id;
	event->parent_folder_id = event->old_parent_folder_id;
	become(event, OCSNOTIFY_OBJECT_DELETED, "deleted");
	return wants(handle, OCSNOTIFY_OBJECT_DELETED, entry->old_fid,
	             message ? entry->old_mid : 0);
}

/* Whether it was waited for in vain already: then events about it do not keep others waiting. */
static bool given_up(const struct ocsnotify *context, uint64_t id)
{
	for (size_t i = 0; i < LIBOCSNOTIFY_GIVEN_UP; i++)
		if (context->given_up[i] == id)
			return true;
	return false;
}

static void give_up(struct ocsnotify *context, const struct ocs_entry *entry)
{
	uint64_t id = entry->mid != 0 ? entry->mid : entry->fid;

	if (given_up(context, id))
		return;
	context->given_up[context->next_given_up++ % LIBOCSNOTIFY_GIVEN_UP] = id;
	if ((context->host_troubles & LIBOCSNOTIFY_NO_IDENTIFIER) != 0)
		return;
	context->host_troubles |= LIBOCSNOTIFY_NO_IDENTIFIER;
	libocsnotify_warn(context,
	                  "the server has no identifier for what is 0x%016llx here: its events do "
	                  "not reach clients (told for the first one only)",
	                  (unsigned long long)id);
}

static bool may_wait(const struct ocsnotify *context, const struct libocsnotify_item *item)
{
	const struct ocs_entry *entry = &item->entry;

	/* A client cannot have seen what its server never knew. */
	return (entry->flags & OCSNOTIFY_FLAG_TYPE) != OCSNOTIFY_OBJECT_DELETED &&
	       libocsnotify_now_ms() - item->taken_at < HOLD_MS &&
	       !given_up(context, entry->mid != 0 ? entry->mid : entry->fid);
}

int libocsnotify_host_event(struct ocsnotify_session *session,
                            const struct libocsnotify_handle *handle,
                            const struct libocsnotify_item *item, struct ocsnotify_event *event)
{
	struct ocsnotify *context = session->context;
	struct known known;
	int ret = translate(context, event, &known);

	if (ret < 0)
		return ret;
	if (known.now && known.old)
		return LIBOCSNOTIFY_READY;
	if ((item->entry.flags & OCSNOTIFY_FLAG_TYPE) == OCSNOTIFY_TABLE_MODIFIED) {
		event->table_event = OCSNOTIFY_TABLE_CHANGED;
		return LIBOCSNOTIFY_READY;
	}
	if (!known.now && may_wait(context, item))
		return LIBOCSNOTIFY_HOLD;
	if (half_a_move(handle, item, &known, event))
		return LIBOCSNOTIFY_READY;
	if (!known.now)
		give_up(context, &item->entry);
	return LIBOCSNOTIFY_SKIP;
}
