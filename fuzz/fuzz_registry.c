/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Covers:
 * registry/record.c registry/contexts.c registry/sessions.c registry/users.c registry/settings.c */
/*
 * Fuzz target: records of the registry, which every MAPI server may write. The input is records:
 * kind (a letter of registry.h; `s` for the settings), length 16, data; all are of one context, one
 * session, one user, one queue. Whatever they say, they are read, changed and removed, in a
 * transaction that is then cancelled.
 */
#include <string.h>

#include <talloc.h>

#include "base/bytes.h"
#include "fuzz/folder.h"
#include "registry/internal.h"

#define ID   1
#define ID_  "\1\0\0\0\0\0\0\0"
#define TIME "\0\x10\xa5\xd4\xe8\0\0\0"
#define NONE "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"

const struct fuzz_blob fuzz_blobs[] = {
        /* a context with a session of a user with a queue */
        FUZZ_BLOB("L\x08\0" ID_ "C\x18\0\x10\0\0\0\xe8\3\0\0" TIME ID_ "S\x3c\0" ID_ TIME
                  "\4\x39\x30\x7f\0\0\1" NONE "\4abcd" NONE "jdoe"
                  "U\x3b\0\1\0" ID_ ID_ ID_ "\0\0\0\0\0\0\0\0\0\0\1\0\x09\0\x04\0" ID_ "/ocs.jdoe"),
        FUZZ_BLOB("s\x22\0\x0a\0\0\0\0\1\0\0\x10\x27\0\0\x40\x42\x0f\0\x3c\0\0\0\1\0/m\0\1" ID_),
        {NULL, 0},
};

static struct ocs_registry *open_registry(void)
{
	struct ocs_registry *registry = talloc_zero(NULL, struct ocs_registry);

	FUZZ_CHECK(registry != NULL);
	registry->folder = talloc_strdup(registry, fuzz_folder());
	registry->wake_fd = -1;
	/* A small table: the size of the real one makes every look at all records slow. */
	FUZZ_CHECK(ocs_store_open(fuzz_path("registry.tdb"), 131, OCS_STORE_CREATE, 0600, (gid_t)-1,
	                          &registry->store, NULL, NULL) == OCS_STORE_OK);
	return registry;
}

/* The record's key; its length, 0: no such kind. */
static size_t key_of(uint8_t kind, const uint8_t *data, size_t len, uint8_t key[32])
{
	switch (kind) {
	case 'C':
	case 'S':
	case 'P':
		ocs_registry_id_key(key, (char)kind, ID);
		return OCS_ID_KEY_SIZE;
	case 'E': /* the number is what its data begin with */
		ocs_registry_id_key(key, 'E', ID);
		ocs_put64(key + OCS_ID_KEY_SIZE, len > 0 ? data[0] : 0);
		return OCS_ID_KEY_SIZE + 8;
	case 'U':
		memcpy(key, "Ujdoe", 5);
		return 5;
	case 's':
		memcpy(key, "Ms", 2);
		return 2;
	case 'L':
	case 'T':
		key[0] = kind;
		return 1;
	default:
		return 0;
	}
}

static void put_records(struct ocs_registry *registry, const uint8_t *data, size_t size)
{
	uint8_t key[32];

	while (size >= 3) {
		uint8_t kind = data[0];
		size_t len = ocs_get16(data + 1), key_len;

		data += 3;
		size -= 3;
		if (len > size)
			len = size;
		key_len = key_of(kind, data, len, key);
		if (key_len > 0)
			FUZZ_CHECK(ocs_store_put(registry->store, key, key_len, data, len, NULL) ==
			           OCS_STORE_OK);
		data += len;
		size -= len;
	}
}

/* What decodes is what would be written. */
static void check_user(struct ocs_registry *registry, const void *mem_ctx)
{
	struct ocs_registry_user *user;
	uint8_t *before, *after;
	size_t before_len, after_len;
	struct ocs_store *store = registry->store;

	if (ocs_store_fetch(store, mem_ctx, "Ujdoe", 5, &before, &before_len, NULL) != OCS_STORE_OK)
		return;
	FUZZ_CHECK(ocs_registry_user_get(registry, mem_ctx, "jdoe", &user, NULL) == OCS_STORE_OK);
	for (size_t i = 0; i < user->n_queues; i++) {
		const struct ocs_registry_queue *queue = &user->queues[i];

		FUZZ_CHECK(queue->id != 0 && queue->table < OCS_TABLE_COUNT);
		FUZZ_CHECK(queue->n_matchers >= 1 && queue->n_matchers <= OCS_MATCHERS_MAX);
		FUZZ_CHECK(queue->name[0] != '\0' && strlen(queue->name) < OCS_QUEUE_NAME_MAX);
	}
	if (user->n_queues == 0)
		return;
	FUZZ_CHECK(ocs_registry_user_put(registry, user, NULL) == OCS_STORE_OK);
	FUZZ_CHECK(ocs_store_fetch(store, mem_ctx, "Ujdoe", 5, &after, &after_len, NULL) ==
	           OCS_STORE_OK);
	FUZZ_CHECK(after_len == before_len && memcmp(after, before, after_len) == 0);
}

static void check_sessions(struct ocs_registry *registry, const void *mem_ctx)
{
	struct ocs_registry_session session, *sessions;
	struct ocs_registry_context *contexts;
	char **queues = NULL;
	size_t n, n_queues = 0;

	FUZZ_CHECK(ocs_registry_context_list(registry, mem_ctx, &contexts, &n, NULL) ==
	           OCS_STORE_OK);
	FUZZ_CHECK(ocs_registry_session_list(registry, mem_ctx, &sessions, &n, NULL) ==
	           OCS_STORE_OK);
	FUZZ_CHECK(n <= 1);
	if (ocs_registry_session_get(registry, ID, &session, NULL) == OCS_STORE_OK) {
		FUZZ_CHECK(n == 1 && session.user[0] != '\0');
		FUZZ_CHECK(session.push.context_len <= OCS_PUSH_CONTEXT_MAX);
	}
	FUZZ_CHECK(ocs_registry_session_queues(registry, ID, mem_ctx, &queues, &n_queues, NULL) ==
	           OCS_STORE_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ocs_registry *registry;
	struct ocs_registry_settings settings;
	struct ocs_registry_session session;
	char **queues, *template;
	size_t n_queues;
	void *mem_ctx = talloc_new(NULL);

	if (registry == NULL)
		registry = open_registry();
	FUZZ_CHECK(mem_ctx != NULL && ocs_registry_begin(registry, NULL) == OCS_STORE_OK);
	put_records(registry, data, size);
	FUZZ_CHECK(ocs_registry_settings_get(registry, &settings, NULL) == OCS_STORE_OK);
	FUZZ_CHECK(memchr(settings.usermap, '\0', sizeof(settings.usermap)) != NULL);
	FUZZ_CHECK(settings.push_interval >= 1 && settings.push_interval <= 86400);
	FUZZ_CHECK(settings.max_messages >= 1 && settings.message_size >= OCS_ENTRY_SIZE_MAX);
	if (ocs_registry_template_get(registry, mem_ctx, "sogo", &template, NULL) == OCS_STORE_OK)
		FUZZ_CHECK(template[0] != '\0');
	check_user(registry, mem_ctx);
	check_sessions(registry, mem_ctx);
	put_records(registry, data, size);
	FUZZ_CHECK(ocs_registry_context_remove(registry, ID, mem_ctx, &queues, &n_queues, NULL) ==
	           OCS_STORE_OK);
	FUZZ_CHECK(ocs_registry_session_get(registry, ID, &session, NULL) != OCS_STORE_OK ||
	           session.context != ID);
	ocs_registry_cancel(registry);
	talloc_free(mem_ctx);
	return 0;
}
