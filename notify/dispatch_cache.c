/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Identifiers in memory, so that a notification about what is known needs no look at the index.
 * Only the daemon changes or retires what the index has given, so what is found here is true until
 * the store thread says otherwise. Bounded: a full table is emptied.
 */
#include "notify/dispatch_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

#define FOLDERS_MAX  262144
#define MESSAGES_MAX 262144
#define KEY_MAX      (4 * (OCS_NAME_MAX + 1))

struct ocs_dispatch_cached {
	union {
		struct ocs_index_folder folder;
		uint64_t mid;
	};
	UT_hash_handle hh;
	char key[];
};

/* The four names with their NULs, users canonical already; 0 if one is too long. */
static size_t folder_key(const struct ocs_dispatch *dispatch, char key[KEY_MAX],
                         const struct ocs_folder_name *name)
{
	const struct ocs_name_rule rule = {.fold = ocs_dispatch_folds(dispatch)};
	char folder[OCS_NAME_MAX + 1];
	const char *parts[] = {name->user, name->backend, name->backend_user, name->folder};
	size_t len = 0;

	if (rule.fold)
		parts[3] = ocs_name_folder_key(&rule, name->folder, folder);

	for (size_t i = 0; i < 4; i++) {
		size_t n = strlen(parts[i]) + 1;

		if (n > OCS_NAME_MAX + 1)
			return 0;
		memcpy(key + len, parts[i], n);
		len += n;
	}
	return len;
}

static size_t message_key(char key[8 + OCS_NAME_MAX], uint64_t series, const char *message_id)
{
	size_t n = strnlen(message_id, OCS_NAME_MAX);

	ocs_put64((uint8_t *)key, series);
	memcpy(key + 8, message_id, n);
	return 8 + n;
}

/* ---- tables of both kinds, with the lock ---- */

static struct ocs_dispatch_cached *find(struct ocs_dispatch_cached *table, const char *key,
                                        size_t len)
{
	struct ocs_dispatch_cached *found;

	HASH_FIND(hh, table, key, len, found);
	return found;
}

static void clear(struct ocs_dispatch_cached **table)
{
	struct ocs_dispatch_cached *entry, *next;

	HASH_ITER(hh, *table, entry, next)
	{
		HASH_DEL(*table, entry);
		free(entry);
	}
}

/* The entry of this key, made where there is none; NULL: out of memory, which costs a look at the
 * index later. */
static struct ocs_dispatch_cached *find_or_add(struct ocs_dispatch_cached **table, size_t most,
                                               const char *key, size_t len)
{
	struct ocs_dispatch_cached *entry = find(*table, key, len);

	if (entry != NULL)
		return entry;
	if (HASH_COUNT(*table) >= most)
		clear(table);
	entry = malloc(sizeof(*entry) + len);
	if (entry == NULL)
		return NULL;
	memcpy(entry->key, key, len);
	HASH_ADD_KEYPTR(hh, *table, entry->key, len, entry);
	if (entry->hh.tbl != NULL)
		return entry;
	free(entry);
	return NULL;
}

static void drop(struct ocs_dispatch_cached **table, const char *key, size_t len)
{
	struct ocs_dispatch_cached *entry = find(*table, key, len);

	if (entry != NULL) {
		HASH_DEL(*table, entry);
		free(entry);
	}
}

/* ---- folders ---- */

bool ocs_dispatch_cache_folder(struct ocs_dispatch *dispatch, const struct ocs_folder_name *name,
                               struct ocs_index_folder *out)
{
	const struct ocs_dispatch_cached *found;
	char key[KEY_MAX];
	size_t len = folder_key(dispatch, key, name);

	if (len == 0)
		return false;
	pthread_mutex_lock(&dispatch->cache_lock);
	found = find(dispatch->cache_folders, key, len);
	if (found != NULL)
		*out = found->folder;
	pthread_mutex_unlock(&dispatch->cache_lock);
	return found != NULL;
}

void ocs_dispatch_cache_folder_add(struct ocs_dispatch *dispatch,
                                   const struct ocs_folder_name *name,
                                   const struct ocs_index_folder *record)
{
	struct ocs_dispatch_cached *entry;
	char key[KEY_MAX];
	size_t len = folder_key(dispatch, key, name);

	if (len == 0)
		return;
	pthread_mutex_lock(&dispatch->cache_lock);
	entry = find_or_add(&dispatch->cache_folders, FOLDERS_MAX, key, len);
	if (entry != NULL)
		entry->folder = *record;
	pthread_mutex_unlock(&dispatch->cache_lock);
}

void ocs_dispatch_cache_folder_drop(struct ocs_dispatch *dispatch,
                                    const struct ocs_folder_name *name)
{
	char key[KEY_MAX];
	size_t len = folder_key(dispatch, key, name);

	if (len == 0)
		return;
	pthread_mutex_lock(&dispatch->cache_lock);
	drop(&dispatch->cache_folders, key, len);
	pthread_mutex_unlock(&dispatch->cache_lock);
}

void ocs_dispatch_cache_folders_clear(struct ocs_dispatch *dispatch)
{
	pthread_mutex_lock(&dispatch->cache_lock);
	clear(&dispatch->cache_folders);
	pthread_mutex_unlock(&dispatch->cache_lock);
}

/* ---- messages ---- */

bool ocs_dispatch_cache_message(struct ocs_dispatch *dispatch, uint64_t series,
                                const char *message_id, uint64_t *mid)
{
	const struct ocs_dispatch_cached *found;
	char key[8 + OCS_NAME_MAX];
	size_t len = message_key(key, series, message_id);

	pthread_mutex_lock(&dispatch->cache_lock);
	found = find(dispatch->cache_messages, key, len);
	if (found != NULL)
		*mid = found->mid;
	pthread_mutex_unlock(&dispatch->cache_lock);
	return found != NULL;
}

void ocs_dispatch_cache_message_add(struct ocs_dispatch *dispatch, uint64_t series,
                                    const char *message_id, uint64_t mid)
{
	struct ocs_dispatch_cached *entry;
	char key[8 + OCS_NAME_MAX];
	size_t len = message_key(key, series, message_id);

	pthread_mutex_lock(&dispatch->cache_lock);
	entry = find_or_add(&dispatch->cache_messages, MESSAGES_MAX, key, len);
	if (entry != NULL)
		entry->mid = mid;
	pthread_mutex_unlock(&dispatch->cache_lock);
}

void ocs_dispatch_cache_message_drop(struct ocs_dispatch *dispatch, uint64_t series,
                                     const char *message_id)
{
	char key[8 + OCS_NAME_MAX];
	size_t len = message_key(key, series, message_id);

	pthread_mutex_lock(&dispatch->cache_lock);
	drop(&dispatch->cache_messages, key, len);
	pthread_mutex_unlock(&dispatch->cache_lock);
}

void ocs_dispatch_cache_free(struct ocs_dispatch *dispatch)
{
	pthread_mutex_lock(&dispatch->cache_lock);
	clear(&dispatch->cache_folders);
	clear(&dispatch->cache_messages);
	pthread_mutex_unlock(&dispatch->cache_lock);
}
