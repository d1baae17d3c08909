/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Who sees a mail store since a session said so (ocsnotify_session_map()): read from the registry
 * by the store thread, and known to all until that changes. Touches the registry.
 */
#include "notify/dispatch_internal.h"

#include <string.h>

#include <talloc.h>

#define STORES_MAX 131072
#define KEY_MAX    (2 * OCS_NAME_MAX + 2)

struct dispatch_store {
	UT_hash_handle hh;
	uint32_t seqnum; /* of the registry, when it was read */
	size_t n;
	char **users;
	char key[]; /* backend NUL backend user, with key_len bytes */
};

/* 0: a name is too long to be one. */
static size_t store_key(char key[KEY_MAX], const char *backend, const char *backend_user)
{
	size_t a = strlen(backend), b = strlen(backend_user);

	if (a > OCS_NAME_MAX || b > OCS_NAME_MAX)
		return 0;
	memcpy(key, backend, a + 1);
	memcpy(key + a + 1, backend_user, b);
	return a + 1 + b;
}

static struct dispatch_store *find(struct ocs_dispatch *dispatch, const char *key, size_t len)
{
	struct dispatch_store *store;

	HASH_FIND(hh, dispatch->stores, key, len, store);
	return store;
}

/* queues_lock is held. */
static void forget(struct ocs_dispatch *dispatch, struct dispatch_store *store)
{
	HASH_DEL(dispatch->stores, store);
	talloc_free(store);
}

void ocs_dispatch_stores_clear(struct ocs_dispatch *dispatch)
{
	struct dispatch_store *store, *next;

	HASH_ITER(hh, dispatch->stores, store, next)
	forget(dispatch, store);
}

/* 1: from memory; 0: not known; -1: out of memory. The names are on mem_ctx. */
static int from_memory(struct ocs_dispatch *dispatch, const void *mem_ctx, const char *key,
                       size_t len, uint32_t seqnum, const char ***users_r, size_t *n_r)
{
	const struct dispatch_store *store;
	const char **users = NULL;
	int ret = 0;

	pthread_mutex_lock(&dispatch->queues_lock);
	store = find(dispatch, key, len);
	if (store != NULL && store->seqnum == seqnum) {
		ret = 1;
		*n_r = store->n;
		if (store->n > 0)
			users = talloc_array(mem_ctx, const char *, store->n);
		for (size_t i = 0; users != NULL && i < store->n; i++) {
			users[i] = talloc_strdup(users, store->users[i]);
			if (users[i] == NULL)
				TALLOC_FREE(users);
		}
		if (users == NULL && store->n > 0)
			ret = -1;
	}
	pthread_mutex_unlock(&dispatch->queues_lock);
	*users_r = users;
	return ret;
}

int ocs_dispatch_store_known(struct ocs_dispatch *dispatch, const void *mem_ctx,
                             const char *backend, const char *backend_user, uint32_t seqnum,
                             const char ***users_r, size_t *n_r)
{
	char key[KEY_MAX];
	size_t len = store_key(key, backend, backend_user);

	*n_r = 0;
	*users_r = NULL;
	return len > 0 ? from_memory(dispatch, mem_ctx, key, len, seqnum, users_r, n_r) : 1;
}

/* Takes users over. */
static void remember(struct ocs_dispatch *dispatch, const char *key, size_t len, char **users,
                     size_t n, uint32_t seqnum)
{
	struct dispatch_store *store = talloc_zero_size(NULL, sizeof(*store) + len), *old;

	if (store == NULL) {
		talloc_free(users);
		return;
	}
	memcpy(store->key, key, len);
	store->seqnum = seqnum;
	store->users = talloc_steal(store, users);
	store->n = n;
	pthread_mutex_lock(&dispatch->queues_lock);
	old = find(dispatch, key, len);
	if (old == NULL && HASH_COUNT(dispatch->stores) >= STORES_MAX)
		old = dispatch->stores; /* the first that came */
	if (old != NULL)
		forget(dispatch, old);
	HASH_ADD_KEYPTR(hh, dispatch->stores, store->key, len, store);
	if (store->hh.tbl == NULL)
		talloc_free(store);
	pthread_mutex_unlock(&dispatch->queues_lock);
}

int ocs_dispatch_store_users(struct resolve *resolve, const void *mem_ctx, const char *backend,
                             const char *backend_user, const char ***users_r, size_t *n_r)
{
	struct ocs_dispatch *dispatch = resolve->dispatch;
	char key[KEY_MAX], **users;
	size_t len = store_key(key, backend, backend_user), n;
	/* Read before the record: a commit in between makes it stale, not wrong. */
	uint32_t seqnum = ocs_dispatch_seqnum(dispatch);
	int ret;

	ret = ocs_dispatch_store_known(dispatch, mem_ctx, backend, backend_user, seqnum, users_r,
	                               n_r);
	if (ret != 0)
		return ret > 0 ? 0 : ocs_error_memory(&resolve->error);
	if (ocs_registry_store_users(dispatch->registry, NULL, backend, backend_user, &users, &n,
	                             &resolve->error) != OCS_STORE_OK)
		return -1;
	*n_r = n;
	if (n > 0)
		*users_r = talloc_array(mem_ctx, const char *, n);
	for (size_t i = 0; *users_r != NULL && i < n; i++) {
		(*users_r)[i] = talloc_strdup(*users_r, users[i]);
		if ((*users_r)[i] == NULL)
			TALLOC_FREE(*users_r);
	}
	remember(dispatch, key, len, users, n, seqnum);
	return n == 0 || *users_r != NULL ? 0 : ocs_error_memory(&resolve->error);
}
