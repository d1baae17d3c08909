/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The contexts of libraries: C<id> is pid, uid, started, then the ids of its sessions; L lists them
 * all. What is removed takes its sessions, their queues and spill lists along. Touches the
 * registry; asks the wake folder who owns a context's files.
 */
#include "registry/internal.h"

#include <limits.h>
#include <sys/stat.h>

#include <talloc.h>

#include "base/bytes.h"

/* That are listed: who can write the registry can write a list of any length. */
#define CONTEXTS_MAX 65536
#define SESSIONS_MAX 100000 /* of one */

static const char key_contexts[] = {'L'};

int ocs_registry_context_add(struct ocs_registry *registry,
                             const struct ocs_registry_context *context, struct ocs_error *error)
{
	uint8_t key[OCS_ID_KEY_SIZE], data[OCS_CONTEXT_HEADER];
	int ret;

	ocs_registry_id_key(key, 'C', context->id);
	ocs_put32(data, (uint32_t)context->pid);
	ocs_put32(data + 4, context->uid);
	ocs_put64(data + 8, context->started);
	ret = ocs_store_put(registry->store, key, sizeof(key), data, sizeof(data), error);
	if (ret == OCS_STORE_OK)
		ret = ocs_registry_ids_change(registry, key_contexts, sizeof(key_contexts), 0,
		                              context->id, true, error);
	return ret;
}

int ocs_registry_context_remove(struct ocs_registry *registry, uint64_t id, const void *mem_ctx,
                                char ***queues_r, size_t *n_queues_r, struct ocs_error *error)
{
	uint8_t key[OCS_ID_KEY_SIZE], *data;
	bool damaged = false;
	size_t len, i;
	int ret;

	if (queues_r != NULL) {
		*queues_r = NULL;
		*n_queues_r = 0;
	}
	ocs_registry_id_key(key, 'C', id);
	ret = ocs_registry_ids_fetch(registry, registry, key, sizeof(key), OCS_CONTEXT_HEADER,
	                             &data, &len, error);
	if (ret == OCS_STORE_OK) {
		/* What is behind them is found by looking at all. */
		if (len > OCS_CONTEXT_HEADER + SESSIONS_MAX * 8) {
			len = OCS_CONTEXT_HEADER + SESSIONS_MAX * 8;
			damaged = true;
		}
		for (i = OCS_CONTEXT_HEADER; i < len && ret == OCS_STORE_OK; i += 8) {
			uint64_t session = ocs_get64(data + i);
			struct ocs_registry_session unused;

			if (ocs_registry_session_get(registry, session, &unused, error) !=
			    OCS_STORE_OK)
				damaged = true;
			if (queues_r != NULL)
				ret = ocs_registry_session_queues(registry, session, mem_ctx,
				                                  queues_r, n_queues_r, error);
			if (ret == OCS_STORE_OK)
				ret = ocs_registry_session_remove(registry, session, error);
		}
		talloc_free(data);
		if (ret == OCS_STORE_OK)
			ret = ocs_store_delete(registry->store, key, sizeof(key), error);
	} else if (ret == OCS_STORE_MISSING) {
		ret = OCS_STORE_OK;
		damaged = true;
	}
	if (ret == OCS_STORE_OK && damaged)
		ret = ocs_registry_sweep_context(registry, id, mem_ctx, queues_r, n_queues_r,
		                                 error);
	if (ret == OCS_STORE_OK)
		ret = ocs_registry_ids_change(registry, key_contexts, sizeof(key_contexts), 0, id,
		                              false, error);
	return ret;
}

int ocs_registry_context_get(struct ocs_registry *registry, uint64_t id,
                             struct ocs_registry_context *out, struct ocs_error *error)
{
	uint8_t key[OCS_ID_KEY_SIZE], *data;
	size_t len;
	int ret;

	ocs_registry_id_key(key, 'C', id);
	ret = ocs_registry_ids_fetch(registry, registry, key, sizeof(key), OCS_CONTEXT_HEADER,
	                             &data, &len, error);
	if (ret != OCS_STORE_OK)
		return ret;
	*out = (struct ocs_registry_context){
	        .id = id,
	        .pid = (pid_t)ocs_get32(data),
	        .uid = ocs_get32(data + 4),
	        .started = ocs_get64(data + 8),
	        .sessions = (uint32_t)((len - OCS_CONTEXT_HEADER) / 8),
	};
	talloc_free(data);
	return OCS_STORE_OK;
}

int ocs_registry_context_list(struct ocs_registry *registry, const void *mem_ctx,
                              struct ocs_registry_context **list_r, size_t *n_r,
                              struct ocs_error *error)
{
	uint8_t key[OCS_ID_KEY_SIZE], *ids, *data;
	size_t ids_len, len, i;
	int ret;

	*list_r = NULL;
	*n_r = 0;
	ret = ocs_registry_ids_fetch(registry, registry, key_contexts, sizeof(key_contexts), 0,
	                             &ids, &ids_len, error);
	if (ret == OCS_STORE_MISSING)
		return OCS_STORE_OK;
	if (ret != OCS_STORE_OK)
		return ret;
	if (ids_len / 8 > CONTEXTS_MAX)
		ids_len = CONTEXTS_MAX * 8;
	*list_r = talloc_zero_array(mem_ctx, struct ocs_registry_context, ids_len / 8 + 1);
	if (*list_r == NULL) {
		talloc_free(ids);
		return ocs_error_memory(error);
	}
	for (i = 0; i < ids_len; i += 8) {
		struct ocs_registry_context *context = &(*list_r)[*n_r];

		/* One whose record is gone or damaged is listed all the same: the janitor ends it.
		 */
		context->id = ocs_get64(ids + i);
		(*n_r)++;
		ocs_registry_id_key(key, 'C', context->id);
		ret = ocs_registry_ids_fetch(registry, registry, key, sizeof(key),
		                             OCS_CONTEXT_HEADER, &data, &len, error);
		if (ret == OCS_STORE_MISSING)
			continue;
		if (ret != OCS_STORE_OK)
			break;
		context->pid = (pid_t)ocs_get32(data);
		context->uid = ocs_get32(data + 4);
		context->started = ocs_get64(data + 8);
		context->sessions = (uint32_t)((len - OCS_CONTEXT_HEADER) / 8);
		talloc_free(data);
	}
	talloc_free(ids);
	if (ret != OCS_STORE_OK && ret != OCS_STORE_MISSING) {
		TALLOC_FREE(*list_r);
		*n_r = 0;
		return ret;
	}
	return OCS_STORE_OK;
}

/* The owner of a context's socket or, where that was removed, of its queue list. */
static bool file_owner(const struct ocs_registry *registry, uint64_t id, uid_t *uid)
{
	struct sockaddr_un address;
	char path[PATH_MAX];
	struct stat st;

	if ((ocs_registry_wake_address(registry, id, &address) == 0 &&
	     lstat(address.sun_path, &st) == 0 && S_ISSOCK(st.st_mode)) ||
	    (ocs_registry_queue_list_path(registry, id, path, sizeof(path)) == 0 &&
	     lstat(path, &st) == 0 && S_ISREG(st.st_mode))) {
		*uid = st.st_uid;
		return true;
	}
	return false;
}

int ocs_registry_context_uid(struct ocs_registry *registry, uint64_t id, uid_t *uid_r,
                             struct ocs_error *error)
{
	uint8_t key[OCS_ID_KEY_SIZE], *data;
	uid_t of_files = 0, recorded;
	bool has_files = file_owner(registry, id, &of_files);
	size_t len;
	int ret;

	ocs_registry_id_key(key, 'C', id);
	ret = ocs_registry_ids_fetch(registry, registry, key, sizeof(key), OCS_CONTEXT_HEADER,
	                             &data, &len, error);
	if (ret == OCS_STORE_MISSING) {
		*uid_r = of_files;
		return has_files ? OCS_STORE_OK : OCS_STORE_MISSING;
	}
	if (ret != OCS_STORE_OK)
		return ret;
	recorded = ocs_get32(data + 4);
	talloc_free(data);
	*uid_r = recorded;
	if (!has_files || of_files == recorded)
		return OCS_STORE_OK;
	ocs_error_set(error, "its record says uid %u, its files belong to uid %u",
	              (unsigned)recorded, (unsigned)of_files);
	return OCS_STORE_MISSING;
}
