/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Draining: events and RopNotify responses out of a session's backlog. Touches the session; calls
 * the host for rows.
 */
#include "libocsnotify/internal.h"

#include <string.h>

#include <talloc.h>

#include "ropnotify/ropnotify.h"
#include "base/sized.h"

/* A payload is at most 32 KB (MS-OXCRPC 3.1.4.2.1), RopSize among them. */
#define RESPONSE_MAX (32 * 1024 - 2)

static const char *event_word(uint16_t flags)
{
	switch (flags & OCSNOTIFY_FLAG_TYPE) {
	case OCSNOTIFY_NEWMAIL:
		return "newmail";
	case OCSNOTIFY_OBJECT_CREATED:
		return "created";
	case OCSNOTIFY_OBJECT_DELETED:
		return "deleted";
	case OCSNOTIFY_OBJECT_MODIFIED:
		return "modified";
	case OCSNOTIFY_OBJECT_MOVED:
		return "moved";
	case OCSNOTIFY_OBJECT_COPIED:
		return "copied";
	case OCSNOTIFY_SEARCH_COMPLETED:
		return "search";
	default:
		return "table";
	}
}

static void event_fill(struct ocsnotify_session *session, const struct libocsnotify_item *item,
                       const struct libocsnotify_handle *handle, struct ocsnotify_event *event)
{
	const struct ocs_entry *entry = &item->entry;
	bool about_message = (entry->flags & OCSNOTIFY_FLAG_MESSAGE) != 0;

	*event = (struct ocsnotify_event){
	        .handle = handle->handle,
	        .logon_id = handle->logon_id,
	        .event = event_word(entry->flags),
	        .flags = entry->flags,
	        .table_event = entry->table_event,
	        .folder_id = entry->fid,
	        .message_id = entry->mid,
	        .old_folder_id = entry->old_fid,
	        /* An entry has one place for what a folder and a message need in turn. */
	        .old_message_id = about_message ? entry->old_mid : 0,
	        .old_parent_folder_id = about_message ? 0 : entry->old_mid,
	        .parent_folder_id = entry->parent_fid,
	        .total = entry->total,
	        .unread = entry->unread,
	        .message_flags = entry->message_flags,
	        .accepted_at = entry->accepted_at,
	        .sequence = entry->sequence,
	};
	memcpy(event->id_hash, entry->id_hash, sizeof(event->id_hash));
	memcpy(session->event_queue, item->queue->r.name, sizeof(session->event_queue));
	memcpy(session->event_class, entry->message_class, sizeof(session->event_class));
	event->queue = session->event_queue;
	event->message_class = session->event_class;
}

/* (locked) What the index knows of one message or folder, the former if there is one. */
static bool find_names(struct ocsnotify_session *session, uint64_t message_id, uint64_t folder_id,
                       struct libocsnotify_named *out)
{
	struct ocs_error error;

	return libocsnotify_name(session->context, session->event_names, message_id, out, &error) ==
	               OCS_STORE_OK ||
	       libocsnotify_name(session->context, session->event_names, folder_id, out, &error) ==
	               OCS_STORE_OK;
}

/* What cannot be found is left out: an event is not worth less for it. */
static void event_name(struct ocsnotify_session *session, struct ocsnotify_event *event)
{
	bool has_old = event->old_message_id != 0 ||
	               (event->old_folder_id != 0 && event->old_folder_id != event->folder_id);
	struct libocsnotify_named found;

	talloc_free_children(session->event_names);
	libocsnotify_settings(session->context);
	if (libocsnotify_enter(session->context) != OCSNOTIFY_OK)
		return;
	if (find_names(session, event->message_id, event->folder_id, &found)) {
		event->user = found.name.user;
		event->backend = found.name.backend;
		event->backend_user = found.name.backend_user;
		event->folder = found.name.folder;
		event->message = found.name.message_id;
		event->uri = found.uri;
	}
	if (has_old && find_names(session, event->old_message_id, event->old_folder_id, &found)) {
		event->old_folder = found.name.folder;
		event->old_message = found.name.message_id;
	}
	libocsnotify_unlock();
	libocsnotify_warn_damaged(session->context);
}

/* The next item, without taking it; takes in when the backlog is used up. NULL: there is none, or
 * *code_r says why not. */
static const struct libocsnotify_item *peek_item(struct ocsnotify_session *session,
                                                 const struct libocsnotify_handle **handle_r,
                                                 int *code_r)
{
	const struct libocsnotify_item *item = libocsnotify_backlog_peek(session, handle_r);

	*code_r = OCSNOTIFY_OK;
	if (item != NULL)
		return item;
	*code_r = libocsnotify_backlog_take(session);
	/* What could be taken is given out; the trouble shows again at its end. */
	return libocsnotify_backlog_peek(session, handle_r);
}

/* The next event that can be told, without taking it: 1, 0 or an error. */
static int drain_peek(struct ocsnotify_session *session, struct ocsnotify_event *event,
                      const struct libocsnotify_handle **handle_r)
{
	const struct libocsnotify_item *item;
	int code, ret;

	session->held = false;
	while ((item = peek_item(session, handle_r, &code)) != NULL) {
		event_fill(session, item, *handle_r, event);
		if (session->event_names != NULL)
			event_name(session, event);
		if (!(*handle_r)->host)
			return 1;
		ret = libocsnotify_host_event(session, *handle_r, item, event);
		switch (ret) {
		case LIBOCSNOTIFY_READY:
			return 1;
		case LIBOCSNOTIFY_HOLD:
			session->held = true;
			return 0;
		case LIBOCSNOTIFY_SKIP:
			libocsnotify_backlog_next(session, *handle_r);
			break;
		default:
			return ret;
		}
	}
	return code;
}

int libocsnotify_session_pending(struct ocsnotify_session *session)
{
	const struct libocsnotify_handle *handle;
	struct ocsnotify_event event;

	/* Whether it can be told is for the host to say. */
	if (session->host)
		return drain_peek(session, &event, &handle);
	if (libocsnotify_backlog_peek(session, &handle) != NULL)
		return 1;
	return libocsnotify_backlog_waiting(session);
}

int ocsnotify_pending(struct ocsnotify_session *session)
{
	if (libocsnotify_forked(session->context))
		return OCSNOTIFY_E_FORKED;
	libocsnotify_wakes_read(session->context);
	return libocsnotify_session_pending(session);
}

int ocsnotify_next_event_sized(struct ocsnotify_session *session, struct ocsnotify_event *event,
                               size_t event_size)
{
	const struct libocsnotify_handle *handle;
	struct ocsnotify_event ours;
	int ret;

	if (libocsnotify_forked(session->context))
		return OCSNOTIFY_E_FORKED;
	libocsnotify_look(session->context);
	libocsnotify_request_binding_again(session);
	ret = drain_peek(session, &ours, &handle);
	if (ret == 1) {
		ocs_sized_give(event, event_size, &ours, sizeof(ours));
		libocsnotify_backlog_next(session, handle);
	}
	libocsnotify_settle(session, ret == 0);
	return ret;
}

static void table_changed(struct ocs_ropnotify *notify)
{
	notify->table_event = OCSNOTIFY_TABLE_CHANGED;
	notify->row_data_len = 0;
	notify->row_data = NULL;
}

/* The row of the table as the host has it, if it can give it. */
static void add_row(const struct ocsnotify_session *session, const struct ocsnotify_event *event,
                    struct ocs_ropnotify *notify)
{
	struct ocsnotify_row row = {.size = sizeof(row)};

	if (session->row_provider == NULL ||
	    !session->row_provider((struct ocsnotify_session *)(uintptr_t)session, event, &row,
	                           session->row_arg)) {
		table_changed(notify);
		return;
	}
	notify->row_instance = row.instance;
	notify->after_fid = row.after_folder_id;
	notify->after_mid = row.after_message_id;
	notify->after_instance = row.after_instance;
	notify->row_data = row.data;
	notify->row_data_len = row.data_len;
	if (ocs_ropnotify_size(notify) > RESPONSE_MAX)
		table_changed(notify);
}

static void to_response(const struct ocsnotify_session *session,
                        const struct ocsnotify_event *event, struct ocs_ropnotify *notify)
{
	*notify = (struct ocs_ropnotify){
	        .handle = event->handle,
	        .logon_id = event->logon_id,
	        .flags = event->flags,
	        .table_event = event->table_event,
	        .row_fid = event->folder_id,
	        .row_mid = event->message_id,
	        .fid = event->folder_id,
	        .mid = event->message_id,
	        .parent_fid = event->parent_folder_id,
	        .old_fid = event->old_folder_id,
	        .old_mid = event->old_message_id,
	        .old_parent_fid = event->old_parent_folder_id,
	        .total = event->total,
	        .unread = event->unread,
	        .message_flags = event->message_flags,
	        .unicode = session->unicode,
	        .message_class = event->message_class,
	};
	if (event->table_event == OCSNOTIFY_TABLE_ROW_ADDED ||
	    event->table_event == OCSNOTIFY_TABLE_ROW_MODIFIED)
		add_row(session, event, notify);
}

size_t ocsnotify_encode_sized(const struct ocsnotify_session *session,
                              const struct ocsnotify_event *event, size_t event_size,
                              uint8_t *buffer, size_t size)
{
	struct ocs_ropnotify notify;
	struct ocsnotify_event ours;

	if (libocsnotify_forked(session->context) ||
	    !ocs_sized_take(&ours, sizeof(ours), event, event_size))
		return 0;
	to_response(session, &ours, &notify);
	return ocs_ropnotify_encode(&notify, buffer, size);
}

/* Appends one response. Bytes written, 0 if it does not fit; *valid_r: whether it is one at all. */
static size_t drain_append(struct ocsnotify_session *session, const struct ocsnotify_event *event,
                           uint8_t *buffer, size_t size, bool *valid_r)
{
	struct ocs_ropnotify notify;

	to_response(session, event, &notify);
	*valid_r = ocs_ropnotify_size(&notify) != 0;
	return ocs_ropnotify_encode(&notify, buffer, size);
}

int ocsnotify_drain(struct ocsnotify_session *session, uint8_t *buffer, size_t size, size_t *used_r,
                    bool *more_r)
{
	const struct libocsnotify_handle *handle;
	struct ocsnotify_event event;
	int ret;

	*used_r = 0;
	*more_r = false;
	if (libocsnotify_forked(session->context))
		return OCSNOTIFY_E_FORKED;
	libocsnotify_look(session->context);
	libocsnotify_request_binding_again(session);
	while ((ret = drain_peek(session, &event, &handle)) == 1) {
		bool valid;
		size_t n = drain_append(session, &event, buffer + *used_r, size - *used_r, &valid);

		if (n == 0 && valid) {
			*more_r = true;
			break;
		}
		if (!valid)
			libocsnotify_warn(
			        session->context,
			        "an event of flags 0x%04x in %s has no RopNotify form; skipped",
			        event.flags, event.queue);
		*used_r += n;
		libocsnotify_backlog_next(session, handle);
	}
	libocsnotify_settle(session, ret == 0);
	/* What was written is the client's; the trouble shows in the next call. */
	return ret < 0 && *used_r == 0 ? ret : OCSNOTIFY_OK;
}
