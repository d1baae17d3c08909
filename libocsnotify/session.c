/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Sessions: one client connection of one user, with its push target. Touches the
 * registry through registration.c.
 */
#include "libocsnotify/internal.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include <talloc.h>

#define EC_ERROR 0x80004005u
/* Of one user in one context, whatever the host allows. */
#define USER_SESSIONS_MAX 1024

/* UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing past U+10FFFF; and no control
 * characters, which no user name has. */
static bool is_name(const char *text, size_t max)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t len = strlen(text);

	if (len == 0 || len > max)
		return false;
	while (*p != '\0') {
		unsigned char low = 0x80, high = 0xbf;
		int more;

		if (*p < 0x20 || *p == 0x7f)
			return false;
		if (*p < 0x80) {
			p++;
			continue;
		}
		if (*p >= 0xc2 && *p <= 0xdf) {
			more = 1;
		} else if (*p >= 0xe0 && *p <= 0xef) {
			more = 2;
			low = *p == 0xe0 ? 0xa0 : 0x80;
			high = *p == 0xed ? 0x9f : 0xbf;
		} else if (*p >= 0xf0 && *p <= 0xf4) {
			more = 3;
			low = *p == 0xf0 ? 0x90 : 0x80;
			high = *p == 0xf4 ? 0x8f : 0xbf;
		} else {
			return false;
		}
		for (p++; more > 0; more--, p++) {
			if (*p < low || *p > high)
				return false;
			low = 0x80;
			high = 0xbf;
		}
	}
	return true;
}

/* Writes the session's record; record replaces the one in memory only after it is committed. */
static int write_record(struct ocsnotify_session *session,
                        const struct ocs_registry_session *record)
{
	struct ocsnotify *context = session->context;
	struct ocs_error error = {.text = ""};
	int code = libocsnotify_enter(context), ret;

	if (code != OCSNOTIFY_OK)
		return code;
	ret = libocsnotify_registration_begin(context, &error);
	if (ret == OCS_STORE_OK)
		ret = libocsnotify_registration_session(session, record, &error);
	ret = libocsnotify_registration_end(context, ret, &error);
	return libocsnotify_leave(context, ret, &error);
}

static unsigned count_sessions(const struct ocsnotify *context, const char *user)
{
	const struct ocsnotify_session *session;
	unsigned n = 0;

	for (session = context->sessions; session != NULL; session = session->next)
		n += strcmp(session->r.user, user) == 0;
	return n;
}

/* The name that notifications have, too. */
static void one_name(struct ocsnotify *context, const char *user, char out[OCS_NAME_MAX + 1])
{
	struct ocs_error error = {.text = ""};
	int ret;

	libocsnotify_settings(context);
	libocsnotify_lock();
	ret = libocsnotify_shared_user(context->shared, &context->settings, user, out, &error);
	libocsnotify_unlock();
	if (ret != 0)
		libocsnotify_warn(context, "aliases of users may be missed: %s", error.text);
}

int ocsnotify_session_open(struct ocsnotify *context, const char *user, void *data,
                           struct ocsnotify_session **session_r)
{
	struct ocsnotify_session *session;
	char name[OCS_NAME_MAX + 1];
	int code;

	*session_r = NULL;
	if (libocsnotify_forked(context))
		return OCSNOTIFY_E_FORKED;
	if (!is_name(user, OCS_USER_MAX))
		return libocsnotify_fail(context, OCSNOTIFY_E_INVALID,
		                         "a user name must be 1 to %d bytes of UTF-8",
		                         OCS_USER_MAX);
	one_name(context, user, name);
	if (count_sessions(context, name) >= USER_SESSIONS_MAX)
		return libocsnotify_fail(context, OCSNOTIFY_E_LIMIT, "the user has %d sessions",
		                         USER_SESSIONS_MAX);
	session = calloc(1, sizeof(*session));
	if (session == NULL)
		return libocsnotify_fail(context, OCSNOTIFY_E_NOMEM, "out of memory");
	session->context = context;
	session->data = data;
	session->next_order = 1;
	session->r.id = ocs_random_id();
	session->r.context = context->r.id;
	session->r.opened = ocs_now_us();
	strcpy(session->r.user, name);
	code = write_record(session, &session->r);
	if (code != OCSNOTIFY_OK) {
		free(session);
		return code;
	}
	DL_PREPEND(context->sessions, session);
	*session_r = session;
	return OCSNOTIFY_OK;
}

void libocsnotify_session_free(struct ocsnotify_session *session, bool unlink)
{
	struct libocsnotify_handle *handle, *next;
	struct libocsnotify_store *store, *next_store;

	libocsnotify_unlist(session);
	libocsnotify_drop_bind_request(session);
	while (session->queues != NULL)
		libocsnotify_queue_free(session->queues, unlink);
	LL_FOREACH_SAFE(session->handles, handle, next)
	{
		free(handle);
	}
	LL_FOREACH_SAFE(session->stores, store, next_store)
	{
		libocsnotify_store_free(store);
	}
	DL_DELETE(session->context->sessions, session);
	free(session->items);
	talloc_free(session->event_names);
	free(session);
}

/* The registry could not be written: tried again with the next thing that is. */
static void remember_unremoved(struct ocsnotify *context, uint64_t id)
{
	uint64_t *ids = realloc(context->unremoved, (context->n_unremoved + 1) * sizeof(*ids));

	if (ids == NULL)
		return; /* the context's end removes it */
	context->unremoved = ids;
	ids[context->n_unremoved++] = id;
}

void ocsnotify_session_close(struct ocsnotify_session *session)
{
	struct ocs_error error = {.text = ""};
	struct ocsnotify *context;
	int code, ret;

	if (session == NULL || libocsnotify_forked(session->context))
		return;
	context = session->context;
	code = libocsnotify_enter(context);
	if (code == OCSNOTIFY_OK) {
		ret = libocsnotify_registration_begin(context, &error);
		if (ret == OCS_STORE_OK)
			ret = ocs_registry_session_remove(context->shared->registry, session->r.id,
			                                  &error);
		ret = libocsnotify_registration_end(context, ret, &error);
		code = libocsnotify_leave(context, ret, &error);
	}
	if (code != OCSNOTIFY_OK) {
		remember_unremoved(context, session->r.id);
		libocsnotify_warn(context, "cannot remove a session from the registry yet: %s",
		                  context->error);
	}
	libocsnotify_session_free(session, true);
	libocsnotify_arm(context);
}

void *ocsnotify_session_data(const struct ocsnotify_session *session)
{
	return session->data;
}

void ocsnotify_session_set_unicode(struct ocsnotify_session *session, bool unicode)
{
	session->unicode = unicode;
}

int ocsnotify_session_set_names(struct ocsnotify_session *session, bool names)
{
	if (libocsnotify_forked(session->context))
		return OCSNOTIFY_E_FORKED;
	if (!names)
		TALLOC_FREE(session->event_names);
	else if (session->event_names == NULL)
		session->event_names = talloc_new(NULL);
	return !names || session->event_names != NULL
	               ? OCSNOTIFY_OK
	               : libocsnotify_fail(session->context, OCSNOTIFY_E_NOMEM, "out of memory");
}

void ocsnotify_set_row_provider(struct ocsnotify_session *session, ocsnotify_row_fn *provider,
                                void *arg)
{
	session->row_provider = provider;
	session->row_arg = arg;
}

uint32_t ocsnotify_set_push(struct ocsnotify_session *session, const uint8_t *context,
                            size_t context_len, const uint8_t *address, size_t address_len)
{
	struct ocs_registry_session record;
	uint32_t result;

	if (libocsnotify_forked(session->context))
		return EC_ERROR;
	record = session->r;
	result = ocs_push_parse(context, context_len, address, address_len, &record.push);
	if (result != OCS_EC_SUCCESS) {
		libocsnotify_fail(session->context, OCSNOTIFY_E_INVALID,
		                  "the client's push address or context is not acceptable");
		return result;
	}
	if (write_record(session, &record) != OCSNOTIFY_OK)
		return EC_ERROR;
	session->r = record;
	session->push_error = 0;
	if (session->pending)
		libocsnotify_push_now(session);
	libocsnotify_arm(session->context);
	return OCS_EC_SUCCESS;
}
