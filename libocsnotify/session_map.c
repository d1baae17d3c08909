/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The mail stores that a session's user sees, as the host said at logon. Touches the registry.
 */
#include "libocsnotify/internal.h"

#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "mapistore/names.h"
#include "registry/bind_request.h"

static struct libocsnotify_store *store_new(const char *backend, const char *backend_user)
{
	struct libocsnotify_store *store = calloc(1, sizeof(*store));

	if (store == NULL)
		return NULL;
	store->backend = strdup(backend);
	store->backend_user = strdup(backend_user);
	if (store->backend == NULL || store->backend_user == NULL) {
		libocsnotify_store_free(store);
		return NULL;
	}
	ocs_index_canonical_backend(store->backend);
	return store;
}

void libocsnotify_store_free(struct libocsnotify_store *store)
{
	free(store->backend);
	free(store->backend_user);
	free(store);
}

static bool is_known(const struct ocsnotify_session *session,
                     const struct libocsnotify_store *store)
{
	const struct libocsnotify_store *known;

	LL_FOREACH(session->stores, known)
	{
		if (strcmp(known->backend, store->backend) == 0 &&
		    strcmp(known->backend_user, store->backend_user) == 0)
			return true;
	}
	return false;
}

static int write_store(struct ocsnotify_session *session, const struct libocsnotify_store *store)
{
	struct ocsnotify *context = session->context;
	struct ocs_error error = {.text = ""};
	int code = libocsnotify_enter(context), ret;

	if (code != OCSNOTIFY_OK)
		return code;
	ret = libocsnotify_registration_begin(context, &error);
	if (ret == OCS_STORE_OK)
		ret = libocsnotify_registration_map(session, store, &error);
	ret = libocsnotify_registration_end(context, ret, &error);
	return libocsnotify_leave(context, ret, &error);
}

/* The names that notifications have. */
static int make_store(struct ocsnotify *context, const char *backend, const char *backend_user,
                      struct libocsnotify_store **store_r)
{
	struct ocs_error error = {.text = ""};
	char name[OCS_NAME_MAX + 1];
	const char *fault = ocs_name_fault(backend);
	int ret;

	if (fault == NULL)
		fault = ocs_name_fault(backend_user);
	if (fault != NULL)
		return libocsnotify_fail(context, OCSNOTIFY_E_INVALID, "a name %s", fault);
	libocsnotify_settings(context);
	libocsnotify_lock();
	ret = libocsnotify_shared_user(context->shared, &context->settings, backend_user, name,
	                               &error);
	libocsnotify_unlock();
	if (ret != 0)
		libocsnotify_warn(context, "aliases of users may be missed: %s", error.text);
	*store_r = store_new(backend, name);
	return *store_r != NULL ? OCSNOTIFY_OK
	                        : libocsnotify_fail(context, OCSNOTIFY_E_NOMEM, "out of memory");
}

int ocsnotify_session_map(struct ocsnotify_session *session, const char *backend,
                          const char *backend_user)
{
	struct ocsnotify *context = session->context;
	struct libocsnotify_store *store;
	int code;

	if (libocsnotify_forked(context))
		return OCSNOTIFY_E_FORKED;
	code = make_store(context, backend, backend_user, &store);
	if (code != OCSNOTIFY_OK)
		return code;
	if (is_known(session, store)) {
		libocsnotify_store_free(store);
		return OCSNOTIFY_OK;
	}
	code = write_store(session, store);
	if (code != OCSNOTIFY_OK) {
		libocsnotify_store_free(store);
		return code;
	}
	LL_APPEND(session->stores, store);
	libocsnotify_request_store(session, store);
	return OCSNOTIFY_OK;
}
