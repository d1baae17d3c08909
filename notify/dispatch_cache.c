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

#define FOLDERS_MAX  65536
#define MESSAGES_MAX 65536
#define KEY_MAX      (4 * (OCS_NAME_MAX + 1))

struct cache_folder {
	struct ocs_index_folder record;
	UT_hash_handle hh;
	char key[];
};

struct cache_message {
	uint64_t mid;
	UT_hash_handle hh;
	char key[];
};

/* The four names with their NULs; 0 if one is too long. */
static size_t folder_key(char key[KEY_MAX], const struct ocs_folder_name *name)
{
	const char *parts[] = {name->user, name->backend, name->backend_user, name->folder};
	size_t len = 0;

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

bool ocs_dispatch_cache_folder(struct ocs_dispatch *dispatch, const struct ocs_folder_name *name,
                               struct ocs_index_folder *out)
{
	struct cache_folder *found = NULL;
	char key[KEY_MAX];
	size_t len = folder_key(key, name);

	if (len == 0)
		return false;
	pthread_mutex_lock(&dispatch->cache_lock);
	HASH_FIND(hh, dispatch->cache_folders, key, len, found);
	if (found != NULL)
		*out = found->record;
	pthread_mutex_unlock(&dispatch->cache_lock);
	return found != NULL;
}

bool ocs_dispatch_cache_message(struct ocs_dispatch *dispatch, uint64_t series,
                                const char *message_id, uint64_t *mid)
{
	struct cache_message *found = NULL;
	char key[8 + OCS_NAME_MAX];
	size_t len = message_key(key, series, message_id);

	pthread_mutex_lock(&dispatch->cache_lock);
	HASH_FIND(hh, dispatch->cache_messages, key, len, found);
	if (found != NULL)
		*mid = found->mid;
	pthread_mutex_unlock(&dispatch->cache_lock);
	return found != NULL;
}

static void clear_folders(struct ocs_dispatch *dispatch)
{
	struct cache_folder *entry, *next;

	HASH_ITER(hh, dispatch->cache_folders, entry, next)
	{
		HASH_DEL(dispatch->cache_folders, entry);
		free(entry);
	}
}

static void clear_messages(struct ocs_dispatch *dispatch)
{
	struct cache_message *entry, *next;

	HASH_ITER(hh, dispatch->cache_messages, entry, next)
	{
		HASH_DEL(dispatch->cache_messages, entry);
		free(entry);
	}
}

void ocs_dispatch_cache_folder_add(struct ocs_dispatch *dispatch,
                                   const struct ocs_folder_name *name,
                                   const struct ocs_index_folder *record)
{
	struct cache_folder *entry;
	char key[KEY_MAX];
	size_t len = folder_key(key, name);

	if (len == 0)
		return;
	pthread_mutex_lock(&dispatch->cache_lock);
	HASH_FIND(hh, dispatch->cache_folders, key, len, entry);
	if (entry == NULL) {
		if (HASH_COUNT(dispatch->cache_folders) >= FOLDERS_MAX)
			clear_folders(dispatch);
		entry = malloc(sizeof(*entry) + len);
		if (entry != NULL) {
			memcpy(entry->key, key, len);
			HASH_ADD_KEYPTR(hh, dispatch->cache_folders, entry->key, len, entry);
			if (entry->hh.tbl == NULL) {
				free(entry);
				entry = NULL;
			}
		}
	}
	if (entry != NULL)
		entry->record = *record;
	pthread_mutex_unlock(&dispatch->cache_lock);
}

void ocs_dispatch_cache_folder_drop(struct ocs_dispatch *dispatch,
                                    const struct ocs_folder_name *name)
{
	struct cache_folder *entry;
	char key[KEY_MAX];
	size_t len = folder_key(key, name);

	if (len == 0)
		return;
	pthread_mutex_lock(&dispatch->cache_lock);
	HASH_FIND(hh, dispatch->cache_folders, key, len, entry);
	if (entry != NULL) {
		HASH_DEL(dispatch->cache_folders, entry);
		free(entry);
	}
	pthread_mutex_unlock(&dispatch->cache_lock);
}

void ocs_dispatch_cache_message_add(struct ocs_dispatch *dispatch, uint64_t series,
                                    const char *message_id, uint64_t mid)
{
	struct cache_message *entry;
	char key[8 + OCS_NAME_MAX];
	size_t len = message_key(key, series, message_id);

	pthread_mutex_lock(&dispatch->cache_lock);
	HASH_FIND(hh, dispatch->cache_messages, key, len, entry);
	if (entry == NULL) {
		if (HASH_COUNT(dispatch->cache_messages) >= MESSAGES_MAX)
			clear_messages(dispatch);
		entry = malloc(sizeof(*entry) + len);
		if (entry != NULL) {
			memcpy(entry->key, key, len);
			HASH_ADD_KEYPTR(hh, dispatch->cache_messages, entry->key, len, entry);
			if (entry->hh.tbl == NULL) {
				free(entry);
				entry = NULL;
			}
		}
	}
	if (entry != NULL)
		entry->mid = mid;
	pthread_mutex_unlock(&dispatch->cache_lock);
}

void ocs_dispatch_cache_message_drop(struct ocs_dispatch *dispatch, uint64_t series,
                                     const char *message_id)
{
	struct cache_message *entry;
	char key[8 + OCS_NAME_MAX];
	size_t len = message_key(key, series, message_id);

	pthread_mutex_lock(&dispatch->cache_lock);
	HASH_FIND(hh, dispatch->cache_messages, key, len, entry);
	if (entry != NULL) {
		HASH_DEL(dispatch->cache_messages, entry);
		free(entry);
	}
	pthread_mutex_unlock(&dispatch->cache_lock);
}

void ocs_dispatch_cache_folders_clear(struct ocs_dispatch *dispatch)
{
	pthread_mutex_lock(&dispatch->cache_lock);
	clear_folders(dispatch);
	pthread_mutex_unlock(&dispatch->cache_lock);
}

void ocs_dispatch_cache_free(struct ocs_dispatch *dispatch)
{
	pthread_mutex_lock(&dispatch->cache_lock);
	clear_folders(dispatch);
	clear_messages(dispatch);
	pthread_mutex_unlock(&dispatch->cache_lock);
}
