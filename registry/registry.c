/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The registry's file, settings and contexts: see registry.h. The sessions are in
 * sessions.c, the queues of a user in users.c, the spill lists in spill.c.
 */
#include "registry/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <netinet/in.h>
#include <talloc.h>

#include "base/fault_point.h"
#include "base/bytes.h"

/* The default of 131 makes a fetch 23 times slower at 100,000 records. */
#define HASH_SIZE    131071
#define BOOT_ID_SIZE OCS_BOOT_ID_SIZE

static const char key_meta[] = {'M'};
static const char key_settings[] = {'M', 's'};
static const char key_contexts[] = {'L'};

/* ---- file ---- */

static int read_boot_id(char out[BOOT_ID_SIZE], struct ocs_error *error)
{
	static const char path[] = "/proc/sys/kernel/random/boot_id";
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return ocs_error_set(error, "%s: %s", path, strerror(errno));
	n = read(fd, out, BOOT_ID_SIZE);
	close(fd);
	if (n != BOOT_ID_SIZE)
		return ocs_error_set(error, "%s: cut short", path);
	return 0;
}

/* Soft state does not outlive the kernel that holds the queues. create: a file without a boot id is
 * a fresh one; else it is damaged, and the daemon's to mend. */
static int check_boot_id(struct ocs_registry *registry, bool create, struct ocs_error *error)
{
	char boot_id[BOOT_ID_SIZE];
	uint8_t *data;
	size_t len;
	int ret;

	if (read_boot_id(boot_id, error) != 0)
		return OCS_STORE_ERROR;
	memcpy(registry->boot_id, boot_id, BOOT_ID_SIZE);
	ret = ocs_registry_fetch(registry, registry, key_meta, sizeof(key_meta), &data, &len,
	                         error);
	if (ret == OCS_STORE_OK) {
		bool same = len == BOOT_ID_SIZE && memcmp(data, boot_id, BOOT_ID_SIZE) == 0;

		talloc_free(data);
		if (same)
			return OCS_STORE_OK;
	} else if (ret != OCS_STORE_MISSING) {
		return ret;
	} else if (!create) {
		ocs_error_set(error, "%s: damaged: a running daemon makes it anew within seconds",
		              ocs_store_path(registry->store));
		return OCS_STORE_CORRUPT;
	}
	ret = ocs_registry_begin(registry, error);
	if (ret != OCS_STORE_OK)
		return ret;
	ret = ocs_store_wipe(registry->store, error);
	if (ret == OCS_STORE_OK)
		ret = ocs_store_put(registry->store, key_meta, sizeof(key_meta), boot_id,
		                    BOOT_ID_SIZE, error);
	if (ret != OCS_STORE_OK) {
		ocs_registry_cancel(registry);
		return ret;
	}
	return ocs_registry_commit(registry, false, error);
}

/* Where the library's wake-up sockets are: as open as the registry folder itself. */
static int make_wake_folder(struct ocs_registry *registry, const struct stat *folder, bool create,
                            struct ocs_error *error)
{
	char *path = talloc_asprintf(registry, "%s/wake", registry->folder);

	if (path == NULL)
		return ocs_error_set(error, "out of memory");
	if (create && mkdir(path, 0700) == 0) {
		if (chown(path, (uid_t)-1, folder->st_gid) != 0 || chmod(path, 03770) != 0)
			return ocs_error_set(error, "%s: cannot set group and mode: %s", path,
			                     strerror(errno));
	} else if (create && errno != EEXIST) {
		return ocs_error_set(error, "%s: cannot create: %s", path, strerror(errno));
	}
	registry->wake_fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (registry->wake_fd < 0)
		return ocs_error_set(error, "%s: %s", path, strerror(errno));
	talloc_free(path);
	return OCS_STORE_OK;
}

int ocs_registry_wake_folder(struct ocs_registry *registry, struct ocs_error *error)
{
	struct stat folder, used, named;
	char path[PATH_MAX];
	int old = registry->wake_fd, ret;

	if (snprintf(path, sizeof(path), "%s/wake", registry->folder) >= (int)sizeof(path))
		return ocs_error_set(error, "%s: path too long", registry->folder);
	if (stat(path, &named) == 0 && fstat(old, &used) == 0 && named.st_dev == used.st_dev &&
	    named.st_ino == used.st_ino)
		return OCS_STORE_OK;
	if (stat(registry->folder, &folder) != 0)
		return ocs_error_set(error, "%s: %s", registry->folder, strerror(errno));
	ret = make_wake_folder(registry, &folder, true, error);
	if (ret == OCS_STORE_OK)
		close(old);
	else
		registry->wake_fd = old;
	return ret;
}

static int registry_destroy(struct ocs_registry *registry)
{
	ocs_store_close(registry->store);
	if (registry->wake_fd >= 0)
		close(registry->wake_fd);
	return 0;
}

int ocs_registry_open(const char *folder, bool create, struct ocs_registry **registry_r,
                      bool *moved_r, struct ocs_error *error)
{
	struct ocs_registry *registry = talloc_zero(NULL, struct ocs_registry);
	struct stat st;
	char *path;
	int ret;

	*registry_r = NULL;
	if (registry == NULL)
		return ocs_error_set(error, "out of memory");
	registry->wake_fd = -1;
	talloc_set_destructor(registry, registry_destroy);
	registry->folder = talloc_strdup(registry, folder);
	path = talloc_asprintf(registry, "%s/registry.tdb", folder);
	if (registry->folder == NULL || path == NULL) {
		ret = ocs_error_set(error, "out of memory");
	} else if (stat(folder, &st) != 0) {
		ocs_error_set(error, "%s: %s", folder, strerror(errno));
		ret = errno == ENOENT ? OCS_STORE_MISSING : OCS_STORE_ERROR;
	} else {
		ret = ocs_store_open(path, HASH_SIZE,
		                     create ? OCS_STORE_CREATE | OCS_STORE_CHECK |
		                                      OCS_STORE_SALVAGE | OCS_STORE_MOVE_CORRUPT
		                            : 0,
		                     0660, st.st_gid, &registry->store, moved_r, error);
	}
	if (ret == OCS_STORE_OK)
		ret = make_wake_folder(registry, &st, create, error);
	if (ret == OCS_STORE_OK)
		ret = check_boot_id(registry, create, error);
	if (ret != OCS_STORE_OK) {
		talloc_free(registry);
		return ret;
	}
	talloc_free(path);
	*registry_r = registry;
	return OCS_STORE_OK;
}

/* ---- the file made anew under a running daemon ---- */

static int copy_one(const void *key, size_t key_len, const uint8_t *data, size_t len, void *arg)
{
	return data == NULL ? 0 : ocs_store_put(arg, key, key_len, data, len, NULL);
}

int ocs_registry_intact(struct ocs_registry *registry, struct ocs_error *error)
{
	uint8_t *data;
	size_t len;
	int ret = ocs_store_fetch(registry->store, registry, key_meta, sizeof(key_meta), &data,
	                          &len, NULL);
	bool good = true;

	if (ret == OCS_STORE_OK) {
		good = len == BOOT_ID_SIZE && memcmp(data, registry->boot_id, BOOT_ID_SIZE) == 0;
		talloc_free(data);
	} else if (ret == OCS_STORE_MISSING || ret == OCS_STORE_DAMAGED) {
		good = false;
	}
	if (good && !ocs_store_damaged(registry->store))
		return OCS_STORE_OK;
	ocs_error_set(error, "%s: damaged while in use", ocs_store_path(registry->store));
	return OCS_STORE_CORRUPT;
}

/* All that verifies, or nothing but the boot id: a half would be sessions without queues. */
static int fill(struct ocs_registry *registry, struct ocs_store *fresh, bool *whole_r,
                struct ocs_error *error)
{
	char boot_id[BOOT_ID_SIZE];
	int ret = ocs_store_begin(fresh, error);

	if (ret != OCS_STORE_OK)
		return ret;
	*whole_r = ocs_store_usable(registry->store, NULL) == OCS_STORE_OK &&
	           !ocs_store_damaged(registry->store) &&
	           ocs_store_each(registry->store, -1, copy_one, fresh, NULL) == 0;
	if (!*whole_r)
		ret = ocs_store_wipe(fresh, error);
	if (ret == OCS_STORE_OK)
		ret = read_boot_id(boot_id, error);
	if (ret == OCS_STORE_OK)
		ret = ocs_store_put(fresh, key_meta, sizeof(key_meta), boot_id, BOOT_ID_SIZE,
		                    error);
	if (ret == OCS_STORE_OK)
		return ocs_store_commit(fresh, false, error);
	ocs_store_cancel(fresh);
	return ret;
}

static int take_place(const char *fresh, const char *path, struct ocs_error *error)
{
	char aside[PATH_MAX];

	/* The latest one for who wants to know what happened; many would fill the disk. */
	if (snprintf(aside, sizeof(aside), "%s.other", path) >= (int)sizeof(aside) ||
	    (rename(path, aside) != 0 && errno != ENOENT) || rename(fresh, path) != 0)
		return ocs_error_set(error, "%s: cannot be put in place: %s", fresh,
		                     strerror(errno));
	return OCS_STORE_OK;
}

int ocs_registry_remake(struct ocs_registry *registry, struct ocs_store **fresh_r, bool *whole_r,
                        struct ocs_error *error)
{
	const char *path = ocs_store_path(registry->store);
	char *temporary = talloc_asprintf(registry, "%s.fresh", path);
	struct ocs_store *fresh = NULL;
	struct stat st;
	bool locked;
	int ret;

	*fresh_r = NULL;
	if (temporary == NULL)
		return ocs_error_set(error, "out of memory");
	if (stat(registry->folder, &st) != 0)
		return ocs_error_set(error, "%s: %s", registry->folder, strerror(errno));
	unlink(temporary);
	/* Others wait, and find the new file when they are let in. */
	ret = ocs_store_try_begin(registry->store, error);
	locked = ret == OCS_STORE_OK;
	if (ret == OCS_STORE_BUSY) {
		talloc_free(temporary);
		return ret;
	}
	ret = ocs_store_open(temporary, HASH_SIZE, OCS_STORE_CREATE, 0660, st.st_gid, &fresh, NULL,
	                     error);
	if (ret == OCS_STORE_OK)
		ret = fill(registry, fresh, whole_r, error);
	ocs_store_close(fresh);
	if (ret == OCS_STORE_OK)
		ret = take_place(temporary, path, error);
	if (ret == OCS_STORE_OK)
		ret = ocs_store_open(path, HASH_SIZE, 0, 0660, st.st_gid, fresh_r, NULL, error);
	else
		unlink(temporary);
	if (locked)
		ocs_store_cancel(registry->store);
	talloc_free(temporary);
	return ret;
}

struct ocs_store *ocs_registry_exchange(struct ocs_registry *registry, struct ocs_store *fresh)
{
	struct ocs_store *old = registry->store;

	registry->store = fresh;
	return old;
}

void ocs_registry_close(struct ocs_registry *registry)
{
	talloc_free(registry);
}

const char *ocs_registry_folder(const struct ocs_registry *registry)
{
	return registry->folder;
}

struct ocs_store *ocs_registry_store(struct ocs_registry *registry)
{
	return registry->store;
}

uint32_t ocs_registry_seqnum(const struct ocs_registry *registry)
{
	return ocs_store_seqnum(registry->store);
}

uint64_t ocs_registry_damaged(const struct ocs_registry *registry)
{
	return __atomic_load_n(&registry->damaged, __ATOMIC_RELAXED);
}

int ocs_registry_begin(struct ocs_registry *registry, struct ocs_error *error)
{
	return ocs_store_begin(registry->store, error);
}

int ocs_registry_commit(struct ocs_registry *registry, bool sync, struct ocs_error *error)
{
	return ocs_store_commit(registry->store, sync, error);
}

void ocs_registry_cancel(struct ocs_registry *registry)
{
	ocs_store_cancel(registry->store);
}

/* ---- records ---- */

int ocs_registry_reject(struct ocs_registry *registry, const void *key, size_t key_len,
                        struct ocs_error *error)
{
	__atomic_add_fetch(&registry->damaged, 1, __ATOMIC_RELAXED);
	if (ocs_store_in_transaction(registry->store) &&
	    ocs_store_quarantine(registry->store, key, key_len, error) != 0)
		return OCS_STORE_ERROR;
	return OCS_STORE_MISSING;
}

int ocs_registry_fetch(struct ocs_registry *registry, const void *mem_ctx, const void *key,
                       size_t key_len, uint8_t **data_r, size_t *len_r, struct ocs_error *error)
{
	int ret = ocs_store_fetch(registry->store, mem_ctx, key, key_len, data_r, len_r, error);

	return ret == OCS_STORE_DAMAGED ? ocs_registry_reject(registry, key, key_len, error) : ret;
}

void ocs_registry_id_key(uint8_t key[OCS_ID_KEY_SIZE], char prefix, uint64_t id)
{
	key[0] = (uint8_t)prefix;
	ocs_put64(key + 1, id);
}

/* ---- settings ---- */

#define SETTINGS_HEADER 22
#define SETTINGS_LINKED 1

/* What follows the header: the path, since there are links a NUL and a byte of flags, since the
 * index has a limit that. */
static void settings_tail(const uint8_t *data, size_t len, struct ocs_registry_settings *out)
{
	size_t path_len = strnlen((const char *)data, len);

	if (path_len >= sizeof(out->usermap))
		return;
	memcpy(out->usermap, data, path_len);
	out->linked = len > path_len + 1 && (data[path_len + 1] & SETTINGS_LINKED) != 0;
	if (len >= path_len + 2 + 8)
		out->index_limit = ocs_get64(data + path_len + 2);
}

int ocs_registry_settings_get(struct ocs_registry *registry, struct ocs_registry_settings *out,
                              struct ocs_error *error)
{
	uint8_t *data;
	size_t len;
	int ret;

	*out = (struct ocs_registry_settings){
	        .max_messages = 10,
	        .message_size = 256,
	        .spill_max = 10000,
	        .spill_total = 1000000,
	        .push_interval = 60,
	        .replica_id = 1,
	};
	ret = ocs_registry_fetch(registry, registry, key_settings, sizeof(key_settings), &data,
	                         &len, error);
	if (ret == OCS_STORE_MISSING)
		return OCS_STORE_OK;
	if (ret != OCS_STORE_OK)
		return ret;
	if (len >= SETTINGS_HEADER) {
		out->max_messages = ocs_get32(data);
		out->message_size = ocs_get32(data + 4);
		out->spill_max = ocs_get32(data + 8);
		out->spill_total = ocs_get32(data + 12);
		out->push_interval = ocs_get32(data + 16);
		out->replica_id = ocs_get16(data + 20);
		settings_tail(data + SETTINGS_HEADER, len - SETTINGS_HEADER, out);
	}
	talloc_free(data);
	return OCS_STORE_OK;
}

int ocs_registry_settings_put(struct ocs_registry *registry,
                              const struct ocs_registry_settings *settings, struct ocs_error *error)
{
	uint8_t data[SETTINGS_HEADER + sizeof(settings->usermap) + 1 + 8];
	size_t path_len = strlen(settings->usermap);

	ocs_put32(data, settings->max_messages);
	ocs_put32(data + 4, settings->message_size);
	ocs_put32(data + 8, settings->spill_max);
	ocs_put32(data + 12, settings->spill_total);
	ocs_put32(data + 16, settings->push_interval);
	ocs_put16(data + 20, settings->replica_id);
	memcpy(data + SETTINGS_HEADER, settings->usermap, path_len + 1);
	data[SETTINGS_HEADER + path_len + 1] = settings->linked ? SETTINGS_LINKED : 0;
	ocs_put64(data + SETTINGS_HEADER + path_len + 2, settings->index_limit);
	return ocs_store_put(registry->store, key_settings, sizeof(key_settings), data,
	                     SETTINGS_HEADER + path_len + 2 + 8, error);
}

/* ---- lists of 64-bit ids: the contexts, and the sessions of one ---- */

static int ids_fetch(struct ocs_registry *registry, const void *mem_ctx, const void *key,
                     size_t key_len, size_t skip, uint8_t **data_r, size_t *len_r,
                     struct ocs_error *error)
{
	int ret = ocs_registry_fetch(registry, mem_ctx, key, key_len, data_r, len_r, error);

	if (ret == OCS_STORE_OK && (*len_r < skip || (*len_r - skip) % 8 != 0)) {
		talloc_free(*data_r);
		ret = ocs_registry_reject(registry, key, key_len, error);
	}
	return ret;
}

/* Adds or removes an id after the first `skip` bytes of a record that may be missing if skip is 0.
 */
int ocs_registry_ids_change(struct ocs_registry *registry, const void *key, size_t key_len,
                            size_t skip, uint64_t id, bool add, struct ocs_error *error)
{
	uint8_t *data;
	size_t len, i;
	int ret = ids_fetch(registry, registry, key, key_len, skip, &data, &len, error);

	if (ret == OCS_STORE_MISSING && skip == 0) {
		data = talloc_size(registry, 8);
		len = 0;
	} else if (ret != OCS_STORE_OK) {
		return ret == OCS_STORE_MISSING && !add ? OCS_STORE_OK : ret;
	} else {
		data = talloc_realloc_size(registry, data, len + 8);
	}
	if (data == NULL)
		return ocs_error_set(error, "out of memory");
	for (i = skip; i < len && ocs_get64(data + i) != id; i += 8)
		;
	if (add && i == len) {
		ocs_put64(data + len, id);
		len += 8;
	} else if (!add && i < len) {
		memmove(data + i, data + i + 8, len - i - 8);
		len -= 8;
	}
	ret = len == 0 ? ocs_store_delete(registry->store, key, key_len, error)
	               : ocs_store_put(registry->store, key, key_len, data, len, error);
	talloc_free(data);
	return ret;
}

/* ---- contexts: C<id> is pid, uid, started, then the ids of its sessions ---- */

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
	ret = ids_fetch(registry, registry, key, sizeof(key), OCS_CONTEXT_HEADER, &data, &len,
	                error);
	if (ret == OCS_STORE_OK) {
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
	ret = ids_fetch(registry, registry, key, sizeof(key), OCS_CONTEXT_HEADER, &data, &len,
	                error);
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
	ret = ids_fetch(registry, registry, key_contexts, sizeof(key_contexts), 0, &ids, &ids_len,
	                error);
	if (ret == OCS_STORE_MISSING)
		return OCS_STORE_OK;
	if (ret != OCS_STORE_OK)
		return ret;
	*list_r = talloc_zero_array(mem_ctx, struct ocs_registry_context, ids_len / 8 + 1);
	if (*list_r == NULL) {
		talloc_free(ids);
		return ocs_error_set(error, "out of memory");
	}
	for (i = 0; i < ids_len; i += 8) {
		struct ocs_registry_context *context = &(*list_r)[*n_r];

		/* One whose record is gone or damaged is listed all the same: the janitor ends it.
		 */
		context->id = ocs_get64(ids + i);
		(*n_r)++;
		ocs_registry_id_key(key, 'C', context->id);
		ret = ids_fetch(registry, registry, key, sizeof(key), OCS_CONTEXT_HEADER, &data,
		                &len, error);
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

/* The owner of a context's socket or, where that was removed, of its journal. */
static bool file_owner(const struct ocs_registry *registry, uint64_t id, uid_t *uid)
{
	struct sockaddr_un address;
	char path[PATH_MAX];
	struct stat st;

	if ((ocs_registry_wake_address(registry, id, &address) == 0 &&
	     lstat(address.sun_path, &st) == 0 && S_ISSOCK(st.st_mode)) ||
	    (ocs_registry_journal_path(registry, id, path, sizeof(path)) == 0 &&
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
	ret = ids_fetch(registry, registry, key, sizeof(key), OCS_CONTEXT_HEADER, &data, &len,
	                error);
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
	ocs_error_set(error, "it says uid %u and its files belong to uid %u", (unsigned)recorded,
	              (unsigned)of_files);
	return OCS_STORE_MISSING;
}

/* ---- wake-up sockets ---- */

int ocs_registry_wake_address(const struct ocs_registry *registry, uint64_t context,
                              struct sockaddr_un *address)
{
	int n;

	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	n = snprintf(address->sun_path, sizeof(address->sun_path), "%s/wake/%016llx.sock",
	             registry->folder, (unsigned long long)context);
	/* A deep folder: the same place by the descriptor, as socket addresses hold 107 bytes. */
	if (n < 0 || (size_t)n >= sizeof(address->sun_path))
		n = snprintf(address->sun_path, sizeof(address->sun_path),
		             "/proc/self/fd/%d/%016llx.sock", registry->wake_fd,
		             (unsigned long long)context);
	return n < 0 || (size_t)n >= sizeof(address->sun_path) ? -1 : 0;
}

int ocs_registry_journal_path(const struct ocs_registry *registry, uint64_t context, char *path,
                              size_t size)
{
	int n = snprintf(path, size, "%s/wake/%016llx.queues", registry->folder,
	                 (unsigned long long)context);

	return n < 0 || (size_t)n >= size ? -1 : 0;
}

/* ---- small things ---- */

uint64_t ocs_random_id(void)
{
	uint64_t id = 0;

	while (id == 0) {
		/* 8 bytes come whole or not at all once the pool is ready. */
		if (getrandom(&id, sizeof(id), 0) != sizeof(id))
			id = 0;
	}
	return id;
}

uint64_t ocs_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)(now.tv_sec + ocs_fault_clock()) * 1000000 + (uint64_t)now.tv_nsec / 1000;
}
