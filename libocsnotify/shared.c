/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The handles of registry and index that all contexts of a process share, and their lock.
 * Touches registry.tdb, the index and the user map; calls no other file.
 *
 * A TDB file may be open once in a process and its locks belong to the process, so the contexts
 * share one handle for each registry folder, counted, behind one mutex. The mutex is held across a
 * fork, so that the child never inherits a handle in the middle of an operation; what it inherits
 * it may only close.
 */
#include "libocsnotify/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utlist.h>

#include <talloc.h>

#include "base/file.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct libocsnotify_shared *all; /* under the mutex */

void libocsnotify_lock(void)
{
	pthread_mutex_lock(&mutex);
}

void libocsnotify_unlock(void)
{
	pthread_mutex_unlock(&mutex);
}

static void shared_watch_forks(void)
{
	pthread_atfork(libocsnotify_lock, libocsnotify_unlock, libocsnotify_unlock);
}

int libocsnotify_store_code(int result)
{
	switch (result) {
	case OCS_STORE_OK:
		return OCSNOTIFY_OK;
	case OCS_STORE_BUSY:
		return OCSNOTIFY_E_BUSY;
	case LIBOCSNOTIFY_STORE_FULL:
	case OCS_STORE_FULL:
		return OCSNOTIFY_E_LIMIT;
	default:
		return OCSNOTIFY_E_REGISTRY;
	}
}

static void close_handles(struct libocsnotify_shared *shared)
{
	if (shared->index != NULL)
		ocs_index_close(shared->index);
	if (shared->registry != NULL)
		ocs_registry_close(shared->registry);
	talloc_free(shared->usermap);
	shared->index = NULL;
	shared->registry = NULL;
	shared->usermap = NULL;
}

static void shared_free(struct libocsnotify_shared *shared)
{
	close_handles(shared);
	free(shared->path);
	free(shared);
}

/* What a folder that is not a registry is missing, for people. */
static int check_folder(const char *folder, struct ocs_error *error)
{
	char file[PATH_MAX];

	if (snprintf(file, sizeof(file), "%s/registry.tdb", folder) >= (int)sizeof(file)) {
		ocs_error_set(error, "%s: path too long", folder);
		return OCSNOTIFY_E_INVALID;
	}
	if (faccessat(AT_FDCWD, folder, R_OK | W_OK | X_OK, AT_EACCESS) == 0 &&
	    faccessat(AT_FDCWD, file, R_OK | W_OK, AT_EACCESS) == 0)
		return OCSNOTIFY_OK;
	if (errno == EACCES || errno == EPERM || errno == EROFS) {
		ocs_error_set(error,
		              "%s: this user may not use the registry: it must be in the group of "
		              "the folder (%s)",
		              folder, strerror(errno));
		return OCSNOTIFY_E_PERMISSION;
	}
	ocs_error_set(error, "%s: no registry here (%s): start ocsmanager, or correct the path",
	              file, strerror(errno));
	return OCSNOTIFY_E_NO_REGISTRY;
}

/* The daemon makes the folder of the sockets; an older or emptied registry may lack it. */
static int make_wake_folder(const char *folder, gid_t gid, struct ocs_error *error)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/wake", folder) >= (int)sizeof(path)) {
		ocs_error_set(error, "%s: path too long", folder);
		return OCSNOTIFY_E_INVALID;
	}
	if (mkdir(path, 0700) != 0) {
		if (errno == EEXIST)
			return OCSNOTIFY_OK;
		ocs_error_set(error, "%s: cannot create: %s", path, strerror(errno));
		return errno == EACCES ? OCSNOTIFY_E_PERMISSION : OCSNOTIFY_E_SYSTEM;
	}
	if (ocs_file_set_owner(AT_FDCWD, path, (uid_t)-1, gid) != 0 || chmod(path, 03770) != 0) {
		ocs_error_set(error, "%s: cannot set group and mode: %s", path, strerror(errno));
		return OCSNOTIFY_E_PERMISSION;
	}
	return OCSNOTIFY_OK;
}

static int open_handles(struct libocsnotify_shared *shared, struct ocs_error *error)
{
	struct stat st;
	char file[PATH_MAX];
	int code = check_folder(shared->path, error), ret;

	if (code != OCSNOTIFY_OK)
		return code;
	if (stat(shared->path, &st) != 0) {
		ocs_error_set(error, "%s: %s", shared->path, strerror(errno));
		return OCSNOTIFY_E_NO_REGISTRY;
	}
	shared->gid = st.st_gid;
	code = make_wake_folder(shared->path, shared->gid, error);
	if (code != OCSNOTIFY_OK)
		return code;
	ret = ocs_registry_open(shared->path, false, &shared->registry, NULL, error);
	if (ret == OCS_STORE_MISSING)
		return OCSNOTIFY_E_NO_REGISTRY;
	if (ret != OCS_STORE_OK)
		return libocsnotify_store_code(ret);
	/* If it was exchanged in between, the next libocsnotify_shared_refresh() finds out. */
	snprintf(file, sizeof(file), "%s/registry.tdb", shared->path);
	if (stat(file, &st) == 0) {
		shared->device = st.st_dev;
		shared->inode = st.st_ino;
	}
	shared->pid = getpid();
	return OCSNOTIFY_OK;
}

/* The daemon sets a damaged file aside, and a folder under /run may be made anew; who keeps the old
 * file open waits there for ever. */
int libocsnotify_shared_refresh(struct libocsnotify_shared *shared, struct ocs_error *error)
{
	struct stat st;
	char file[PATH_MAX];
	int code;

	snprintf(file, sizeof(file), "%s/registry.tdb", shared->path);
	if (shared->registry != NULL &&
	    (stat(file, &st) != 0 || (st.st_dev == shared->device && st.st_ino == shared->inode)))
		return OCSNOTIFY_OK;
	close_handles(shared);
	code = open_handles(shared, error);
	if (code == OCSNOTIFY_OK)
		shared->generation++;
	return code;
}

bool libocsnotify_shared_exchanged(const struct libocsnotify_shared *shared)
{
	struct stat st;
	char file[PATH_MAX];

	return snprintf(file, sizeof(file), "%s/registry.tdb", shared->path) < (int)sizeof(file) &&
	       stat(file, &st) == 0 && (st.st_dev != shared->device || st.st_ino != shared->inode);
}

static struct libocsnotify_shared *shared_find(const char *path, pid_t pid)
{
	struct libocsnotify_shared *shared;

	for (shared = all; shared != NULL; shared = shared->next) {
		if (strcmp(shared->path, path) != 0)
			continue;
		if (shared->pid == pid)
			return shared;
		/* Inherited over a fork: in the way of a handle of our own, and of no use. */
		close_handles(shared);
	}
	return NULL;
}

int libocsnotify_shared_get(const char *folder, struct libocsnotify_shared **shared_r,
                            struct ocs_error *error)
{
	struct libocsnotify_shared *shared;
	char *path;
	int code;

	*shared_r = NULL;
	pthread_once(&once, shared_watch_forks);
	path = realpath(folder, NULL);
	if (path == NULL) {
		ocs_error_set(error, "%s: %s", folder, strerror(errno));
		return errno == EACCES   ? OCSNOTIFY_E_PERMISSION
		       : errno == ENOMEM ? OCSNOTIFY_E_NOMEM
		                         : OCSNOTIFY_E_NO_REGISTRY;
	}
	libocsnotify_lock();
	shared = shared_find(path, getpid());
	if (shared != NULL) {
		shared->refs++;
		libocsnotify_unlock();
		free(path);
		*shared_r = shared;
		return OCSNOTIFY_OK;
	}
	shared = calloc(1, sizeof(*shared));
	if (shared == NULL) {
		libocsnotify_unlock();
		free(path);
		ocs_error_memory(error);
		return OCSNOTIFY_E_NOMEM;
	}
	shared->path = path;
	shared->refs = 1;
	code = open_handles(shared, error);
	if (code != OCSNOTIFY_OK) {
		shared_free(shared);
		libocsnotify_unlock();
		return code;
	}
	LL_PREPEND(all, shared);
	libocsnotify_unlock();
	*shared_r = shared;
	return OCSNOTIFY_OK;
}

void libocsnotify_shared_put(struct libocsnotify_shared *shared)
{
	libocsnotify_lock();
	if (--shared->refs == 0) {
		LL_DELETE(all, shared);
		shared_free(shared);
	}
	libocsnotify_unlock();
}

static uint64_t shared_fixed_fid(void *arg, const struct ocs_folder_name *name)
{
	struct libocsnotify_shared *shared = arg;

	return ocs_usermap_fid(shared->usermap, name);
}

static void shared_first_report(int priority, const char *text, void *arg)
{
	struct ocs_error *error = arg;

	(void)priority;
	if (error->text[0] == '\0')
		ocs_error_set(error, "%s", text);
}

/* Reads the user map again when the file is another one. */
static int refresh_usermap(struct libocsnotify_shared *shared,
                           const struct ocs_registry_settings *settings, struct ocs_error *error)
{
	struct ocs_usermap *map = NULL;
	struct ocs_error first = {.text = ""};
	struct stat st;

	if (settings->usermap[0] == '\0') {
		TALLOC_FREE(shared->usermap);
		shared->usermap_path[0] = '\0';
		return OCS_STORE_OK;
	}
	if (stat(settings->usermap, &st) != 0)
		return ocs_error_set(error, "%s: %s", settings->usermap, strerror(errno));
	if (shared->usermap != NULL && strcmp(shared->usermap_path, settings->usermap) == 0 &&
	    memcmp(&shared->usermap_names, &settings->names, sizeof(settings->names)) == 0 &&
	    shared->usermap_time.tv_sec == st.st_mtim.tv_sec &&
	    shared->usermap_time.tv_nsec == st.st_mtim.tv_nsec)
		return OCS_STORE_OK;
	if (ocs_usermap_load(settings->usermap, &settings->names, NULL, shared_first_report, &first,
	                     &map, error) != 0) {
		if (first.text[0] != '\0')
			ocs_error_pass(error, &first);
		return OCS_STORE_ERROR;
	}
	talloc_free(shared->usermap);
	shared->usermap = map;
	shared->usermap_time = st.st_mtim;
	shared->usermap_names = settings->names;
	snprintf(shared->usermap_path, sizeof(shared->usermap_path), "%s", settings->usermap);
	return OCS_STORE_OK;
}

int libocsnotify_shared_user(struct libocsnotify_shared *shared,
                             const struct ocs_registry_settings *settings, const char *user,
                             char out[OCS_NAME_MAX + 1], struct ocs_error *error)
{
	int ret = refresh_usermap(shared, settings, error);

	ocs_usermap_user(shared->usermap, &settings->names, user, out);
	return ret == OCS_STORE_OK ? 0 : -1;
}

int libocsnotify_shared_index(struct libocsnotify_shared *shared,
                              const struct ocs_registry_settings *settings, struct ocs_error *error)
{
	int ret = refresh_usermap(shared, settings, error);

	if (ret != OCS_STORE_OK)
		return ret;
	if (shared->index != NULL &&
	    (shared->replica_id != settings->replica_id || ocs_index_replaced(shared->index))) {
		ocs_index_close(shared->index);
		shared->index = NULL;
	}
	if (shared->index == NULL)
		ret = ocs_index_open(shared->path, settings->replica_id, false, &shared->index,
		                     error);
	if (ret != OCS_STORE_OK)
		return ret;
	shared->replica_id = settings->replica_id;
	ocs_index_set_limits(shared->index, 0, settings->index_limit);
	ocs_index_set_fold(shared->index, settings->names.fold);
	ocs_index_set_fixed(shared->index, shared_fixed_fid, shared);
	return ret;
}
