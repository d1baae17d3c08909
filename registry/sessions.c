/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The sessions of the registry: S<id>, and the search for those of a context. Touches
 * the open registry.
 */
#include "registry/internal.h"

#include <netinet/in.h>
#include <string.h>

#include <talloc.h>

#include "base/bytes.h"

/* Appends to a talloc array of names that starts as NULL, 0. */
static int add_name(const void *mem_ctx, const char *name, char ***names_r, size_t *n_r,
                    struct ocs_error *error)
{
	char **names = talloc_realloc(mem_ctx, *names_r, char *, *n_r + 1);

	if (names == NULL)
		return ocs_error_memory(error);
	*names_r = names;
	names[*n_r] = talloc_strdup(names, name);
	if (names[*n_r] == NULL)
		return ocs_error_memory(error);
	(*n_r)++;
	return OCS_STORE_OK;
}

/* ---- sessions: S<id> is context, opened, push target, user ---- */

/* context 8, opened 8, family 1 (0, 4, 6), port 2, address 16, scope 4, context length 1, context
 * 16 */
#define SESSION_HEADER 56

static void push_encode(uint8_t *p, const struct ocs_push_target *push)
{
	memset(p, 0, SESSION_HEADER - 16);
	if (push->context_len == 0 || push->context_len > OCS_PUSH_CONTEXT_MAX)
		return;
	if (push->address.ss_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)&push->address;

		p[0] = 4;
		ocs_put16(p + 1, ntohs(in->sin_port));
		memcpy(p + 3, &in->sin_addr, 4);
	} else if (push->address.ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&push->address;

		p[0] = 6;
		ocs_put16(p + 1, ntohs(in6->sin6_port));
		memcpy(p + 3, &in6->sin6_addr, 16);
		ocs_put32(p + 19, in6->sin6_scope_id);
	} else {
		return;
	}
	p[23] = (uint8_t)push->context_len;
	memcpy(p + 24, push->context, push->context_len);
}

static int push_decode(const uint8_t *p, struct ocs_push_target *push)
{
	memset(push, 0, sizeof(*push));
	if (p[0] == 0)
		return 0;
	if (p[23] == 0 || p[23] > OCS_PUSH_CONTEXT_MAX)
		return -1;
	if (p[0] == 4) {
		struct sockaddr_in *in = (struct sockaddr_in *)&push->address;

		in->sin_family = AF_INET;
		in->sin_port = htons(ocs_get16(p + 1));
		memcpy(&in->sin_addr, p + 3, 4);
		push->address_len = sizeof(*in);
	} else if (p[0] == 6) {
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&push->address;

		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(ocs_get16(p + 1));
		memcpy(&in6->sin6_addr, p + 3, 16);
		in6->sin6_scope_id = ocs_get32(p + 19);
		push->address_len = sizeof(*in6);
	} else {
		return -1;
	}
	push->context_len = p[23];
	memcpy(push->context, p + 24, push->context_len);
	return 0;
}

static int session_decode(uint64_t id, const uint8_t *data, size_t len,
                          struct ocs_registry_session *out)
{
	memset(out, 0, sizeof(*out));
	if (len <= SESSION_HEADER || len - SESSION_HEADER > OCS_USER_MAX ||
	    memchr(data + SESSION_HEADER, '\0', len - SESSION_HEADER) != NULL ||
	    push_decode(data + 16, &out->push) != 0)
		return -1;
	out->id = id;
	out->context = ocs_get64(data);
	out->opened = ocs_get64(data + 8);
	memcpy(out->user, data + SESSION_HEADER, len - SESSION_HEADER);
	return 0;
}

int ocs_registry_session_get(struct ocs_registry *registry, uint64_t id,
                             struct ocs_registry_session *out, struct ocs_error *error)
{
	uint8_t key[OCS_ID_KEY_SIZE], *data;
	size_t len;
	int ret;

	ocs_registry_id_key(key, 'S', id);
	ret = ocs_registry_fetch(registry, registry, key, sizeof(key), &data, &len, error);
	if (ret != OCS_STORE_OK)
		return ret;
	if (session_decode(id, data, len, out) != 0)
		ret = ocs_registry_reject(registry, key, sizeof(key), error);
	talloc_free(data);
	return ret;
}

int ocs_registry_session_put(struct ocs_registry *registry,
                             const struct ocs_registry_session *session, struct ocs_error *error)
{
	uint8_t key[OCS_ID_KEY_SIZE], data[SESSION_HEADER + OCS_USER_MAX];
	size_t user_len = strlen(session->user);
	int ret;

	if (user_len == 0)
		return ocs_error_set(error, "a session without a user");
	ocs_registry_id_key(key, 'S', session->id);
	ocs_put64(data, session->context);
	ocs_put64(data + 8, session->opened);
	push_encode(data + 16, &session->push);
	memcpy(data + SESSION_HEADER, session->user, user_len);
	ret = ocs_store_put(registry->store, key, sizeof(key), data, SESSION_HEADER + user_len,
	                    error);
	if (ret != OCS_STORE_OK)
		return ret;
	ocs_registry_id_key(key, 'C', session->context);
	return ocs_registry_ids_change(registry, key, sizeof(key), OCS_CONTEXT_HEADER, session->id,
	                               true, error);
}

int ocs_registry_session_queues(struct ocs_registry *registry, uint64_t id, const void *mem_ctx,
                                char ***queues_r, size_t *n_queues_r, struct ocs_error *error)
{
	struct ocs_registry_session session;
	struct ocs_registry_user *user;
	int ret = ocs_registry_session_get(registry, id, &session, error);

	if (ret != OCS_STORE_OK)
		return ret == OCS_STORE_MISSING ? OCS_STORE_OK : ret;
	ret = ocs_registry_user_get(registry, mem_ctx, session.user, &user, error);
	if (ret != OCS_STORE_OK)
		return ret;
	for (size_t i = 0; i < user->n_queues && ret == OCS_STORE_OK; i++)
		if (user->queues[i].session == id && !user->queues[i].spill_only)
			ret = add_name(mem_ctx, user->queues[i].name, queues_r, n_queues_r, error);
	talloc_free(user);
	return ret;
}

int ocs_registry_session_remove(struct ocs_registry *registry, uint64_t id, struct ocs_error *error)
{
	struct ocs_registry_session session;
	struct ocs_registry_user *user;
	uint8_t key[OCS_ID_KEY_SIZE];
	size_t kept = 0;
	int ret = ocs_registry_session_get(registry, id, &session, error);

	if (ret != OCS_STORE_OK)
		return ret == OCS_STORE_MISSING ? OCS_STORE_OK : ret;
	ret = ocs_registry_user_get(registry, registry, session.user, &user, error);
	if (ret != OCS_STORE_OK)
		return ret;
	for (size_t i = 0; i < user->n_queues && ret == OCS_STORE_OK; i++) {
		if (user->queues[i].session == id)
			ocs_registry_spill_forget(registry, user->queues[i].context,
			                          user->queues[i].id);
		else
			user->queues[kept++] = user->queues[i];
	}
	if (ret == OCS_STORE_OK && kept != user->n_queues) {
		user->n_queues = kept;
		ret = ocs_registry_user_put(registry, user, error);
	}
	talloc_free(user);
	if (ret != OCS_STORE_OK)
		return ret;
	ret = ocs_registry_stores_remove(registry, id, error);
	if (ret != OCS_STORE_OK)
		return ret;
	ocs_registry_id_key(key, 'C', session.context);
	ret = ocs_registry_ids_change(registry, key, sizeof(key), OCS_CONTEXT_HEADER, id, false,
	                              error);
	if (ret != OCS_STORE_OK)
		return ret;
	ocs_registry_id_key(key, 'S', id);
	return ocs_store_delete(registry->store, key, sizeof(key), error);
}

/* That are listed: each takes eight times the memory of its record. */
#define SESSIONS_MAX 500000

struct session_list {
	struct ocs_registry_session *list;
	size_t n;
};

static int registry_each_session(const void *key, size_t key_len, const uint8_t *data, size_t len,
                                 void *arg);

static int registry_each_session(const void *key, size_t key_len, const uint8_t *data, size_t len,
                                 void *arg)
{
	struct session_list *sessions = arg;
	struct ocs_registry_session *grown;

	if (data == NULL || key_len != OCS_ID_KEY_SIZE || sessions->n >= SESSIONS_MAX)
		return 0;
	grown = talloc_realloc(NULL, sessions->list, struct ocs_registry_session, sessions->n + 1);
	if (grown == NULL)
		return OCS_STORE_ERROR;
	sessions->list = grown;
	if (session_decode(ocs_get64((const uint8_t *)key + 1), data, len, &grown[sessions->n]) ==
	    0)
		sessions->n++;
	return 0;
}

int ocs_registry_session_list(struct ocs_registry *registry, const void *mem_ctx,
                              struct ocs_registry_session **list_r, size_t *n_r,
                              struct ocs_error *error)
{
	struct session_list sessions = {NULL, 0};
	int ret = ocs_store_each(registry->store, 'S', registry_each_session, &sessions, error);

	*list_r = NULL;
	*n_r = 0;
	if (ret != 0) {
		talloc_free(sessions.list);
		return OCS_STORE_ERROR;
	}
	*list_r = talloc_steal(mem_ctx, sessions.list);
	*n_r = sessions.n;
	return OCS_STORE_OK;
}

/* Names of users who have queues of a context. */
struct users_of {
	uint64_t context;
	const void *mem_ctx;
	char **names;
	size_t n;
	struct ocs_error *error;
};

static int registry_note_user(struct ocs_registry_user *user, void *arg)
{
	struct users_of *of = arg;
	size_t q = 0;

	while (q < user->n_queues && user->queues[q].context != of->context)
		q++;
	return q < user->n_queues ? add_name(of->mem_ctx, user->user, &of->names, &of->n, of->error)
	                          : 0;
}

/* Takes the queues of a context from a user. */
static int sweep_user(struct ocs_registry *registry, uint64_t id, const char *name,
                      const void *mem_ctx, char ***queues_r, size_t *n_queues_r,
                      struct ocs_error *error)
{
	struct ocs_registry_user *user;
	int ret = ocs_registry_user_get(registry, registry, name, &user, error);
	size_t kept = 0;

	if (ret != OCS_STORE_OK)
		return ret;
	for (size_t q = 0; q < user->n_queues && ret == OCS_STORE_OK; q++) {
		struct ocs_registry_queue *queue = &user->queues[q];

		if (queue->context != id) {
			user->queues[kept++] = *queue;
			continue;
		}
		ocs_registry_spill_forget(registry, id, queue->id);
		if (queues_r != NULL && !queue->spill_only)
			ret = add_name(mem_ctx, queue->name, queues_r, n_queues_r, error);
	}
	user->n_queues = kept;
	if (ret == OCS_STORE_OK)
		ret = ocs_registry_user_put(registry, user, error);
	talloc_free(user);
	return ret;
}

/* The long way, for when the records that lead to a context's queues are damaged or gone: looks at
 * every session and every user. */
int ocs_registry_sweep_context(struct ocs_registry *registry, uint64_t id, const void *mem_ctx,
                               char ***queues_r, size_t *n_queues_r, struct ocs_error *error)
{
	struct session_list sessions = {NULL, 0};
	struct users_of of = {.context = id, .mem_ctx = registry, .error = error};
	uint8_t key[OCS_ID_KEY_SIZE];
	int ret = ocs_registry_user_each(registry, registry_note_user, &of, error);

	for (size_t u = 0; u < of.n && ret == OCS_STORE_OK; u++)
		ret = sweep_user(registry, id, of.names[u], mem_ctx, queues_r, n_queues_r, error);
	talloc_free(of.names);
	if (ret == OCS_STORE_OK &&
	    ocs_store_each(registry->store, 'S', registry_each_session, &sessions, error) != 0)
		ret = OCS_STORE_ERROR;
	for (size_t i = 0; i < sessions.n && ret == OCS_STORE_OK; i++) {
		if (sessions.list[i].context != id)
			continue;
		ocs_registry_id_key(key, 'S', sessions.list[i].id);
		ret = ocs_registry_stores_remove(registry, sessions.list[i].id, error);
		if (ret == OCS_STORE_OK)
			ret = ocs_store_delete(registry->store, key, sizeof(key), error);
	}
	talloc_free(sessions.list);
	return ret;
}
