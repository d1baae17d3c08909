/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What the registry holds of a context: itself, its sessions, their queues. Also puts it there
 * again when the daemon had to set a damaged registry aside and start a new one.
 * Touches the registry, with the lock held.
 */
#include "libocsnotify/internal.h"

#include <talloc.h>

/* The user's record without what it held of this session. */
static int user_without_session(struct ocsnotify_session *session, size_t room,
                                struct ocs_registry_user **user_r, struct ocs_error *error)
{
	struct ocs_registry_user *user;
	struct ocs_registry_queue *queues;
	size_t kept = 0;
	int ret = ocs_registry_user_get(session->context->shared->registry, NULL, session->r.user,
	                                &user, error);

	if (ret != OCS_STORE_OK)
		return ret;
	for (size_t i = 0; i < user->n_queues; i++)
		if (user->queues[i].session != session->r.id)
			user->queues[kept++] = user->queues[i];
	user->n_queues = kept;
	queues = talloc_realloc(user, user->queues, struct ocs_registry_queue, kept + room);
	if (queues == NULL && kept + room > 0) {
		talloc_free(user);
		return ocs_error_memory(error);
	}
	user->queues = queues;
	*user_r = user;
	return OCS_STORE_OK;
}

int libocsnotify_registration_store(struct ocsnotify_session *session, struct ocs_error *error)
{
	struct ocs_registry *registry = session->context->shared->registry;
	struct ocs_registry_user *user = NULL;
	struct libocsnotify_queue *queue;
	size_t n = 0;
	int ret;

	for (queue = session->queues; queue != NULL; queue = queue->next)
		n++;
	ret = user_without_session(session, n, &user, error);
	for (queue = session->queues; queue != NULL && ret == OCS_STORE_OK; queue = queue->next) {
		if (queue->n_users > 0)
			user->queues[user->n_queues++] = queue->r;
		else
			ocs_registry_spill_forget(registry, queue->r.context, queue->r.id);
	}
	if (ret == OCS_STORE_OK && user->n_queues > OCS_USER_QUEUES_MAX) {
		ocs_error_set(error, "user '%s' would have %zu queues, %d is the limit",
		              session->r.user, user->n_queues, OCS_USER_QUEUES_MAX);
		ret = LIBOCSNOTIFY_STORE_FULL;
	}
	if (ret == OCS_STORE_OK)
		ret = ocs_registry_user_put(registry, user, error);
	talloc_free(user);
	return ret;
}

int libocsnotify_registration_map(const struct ocsnotify_session *session,
                                  const struct libocsnotify_store *store, struct ocs_error *error)
{
	int ret = ocs_registry_store_add(session->context->shared->registry, &session->r,
	                                 store->backend, store->backend_user, error);

	return ret == OCS_STORE_FULL ? LIBOCSNOTIFY_STORE_FULL : ret;
}

static int put_stores(const struct ocsnotify_session *session, struct ocs_error *error)
{
	const struct libocsnotify_store *store;
	int ret = OCS_STORE_OK;

	for (store = session->stores; store != NULL && ret == OCS_STORE_OK; store = store->next)
		ret = libocsnotify_registration_map(session, store, error);
	return ret;
}

int libocsnotify_registration_begin(struct ocsnotify *context, struct ocs_error *error)
{
	struct ocs_registry *registry = context->shared->registry;
	int ret = ocs_registry_begin(registry, error);

	/* The daemon made it anew while we waited; who comes next is let into the new one. */
	if (ret == OCS_STORE_OK && libocsnotify_shared_exchanged(context->shared)) {
		ocs_registry_cancel(registry);
		ocs_error_set(error, "%s: the registry was just replaced: try again",
		              context->shared->path);
		return OCS_STORE_BUSY;
	}
	for (size_t i = 0; i < context->n_unremoved && ret == OCS_STORE_OK; i++)
		ret = ocs_registry_session_remove(registry, context->unremoved[i], error);
	return ret;
}

int libocsnotify_registration_end(struct ocsnotify *context, int ret, struct ocs_error *error)
{
	struct ocs_registry *registry = context->shared->registry;

	if (ret != OCS_STORE_OK) {
		ocs_registry_cancel(registry);
		return ret;
	}
	/* Soft state: what a crash of the machine takes is not needed after it. */
	ret = ocs_registry_commit(registry, false, error);
	if (ret == OCS_STORE_OK)
		context->n_unremoved = 0;
	return ret;
}

int libocsnotify_registration_session(struct ocsnotify_session *session,
                                      const struct ocs_registry_session *record,
                                      struct ocs_error *error)
{
	struct ocsnotify *context = session->context;
	struct ocs_registry *registry = context->shared->registry;
	int ret = ocs_registry_session_put(registry, record, error);

	if (ret != OCS_STORE_MISSING)
		return ret;
	/* The context's own record was damaged and set aside. */
	ret = ocs_registry_context_add(registry, &context->r, error);
	for (struct ocsnotify_session *s = context->sessions; s != NULL && ret == OCS_STORE_OK;
	     s = s->next)
		ret = ocs_registry_session_put(registry, &s->r, error);
	return ret == OCS_STORE_OK ? ocs_registry_session_put(registry, record, error) : ret;
}

int libocsnotify_registration_all(struct ocsnotify *context, struct ocs_error *error)
{
	struct ocs_registry *registry = context->shared->registry;
	int ret = libocsnotify_registration_begin(context, error);

	if (ret == OCS_STORE_OK)
		ret = ocs_registry_context_add(registry, &context->r, error);
	for (struct ocsnotify_session *s = context->sessions; s != NULL && ret == OCS_STORE_OK;
	     s = s->next) {
		ret = ocs_registry_session_put(registry, &s->r, error);
		if (ret == OCS_STORE_OK)
			ret = put_stores(s, error);
		if (ret == OCS_STORE_OK)
			ret = libocsnotify_registration_store(s, error);
	}
	ret = libocsnotify_registration_end(context, ret, error);
	if (ret == OCS_STORE_OK)
		context->generation = context->shared->generation;
	return ret;
}
