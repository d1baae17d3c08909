/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The registry as a whole: opened and closed. Touches registry.tdb and the folder it is in; what
 * its records are is in the files that internal.h lists.
 */
#include "registry/internal.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <talloc.h>

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
		return ocs_error_memory(error);
	registry->wake_fd = -1;
	registry->daemon = create;
	talloc_set_destructor(registry, registry_destroy);
	registry->folder = talloc_strdup(registry, folder);
	path = talloc_asprintf(registry, "%s/registry.tdb", folder);
	if (registry->folder == NULL || path == NULL) {
		ret = ocs_error_memory(error);
	} else if (stat(folder, &st) != 0) {
		ocs_error_set(error, "%s: %s", folder, strerror(errno));
		ret = errno == ENOENT ? OCS_STORE_MISSING : OCS_STORE_ERROR;
	} else {
		registry->gid = st.st_gid;
		ret = ocs_store_open(path, OCS_REGISTRY_HASH_SIZE,
		                     create ? OCS_STORE_CREATE | OCS_STORE_CHECK |
		                                      OCS_STORE_SALVAGE | OCS_STORE_MOVE_CORRUPT
		                            : 0,
		                     0660, st.st_gid, &registry->store, moved_r, error);
	}
	if (ret == OCS_STORE_OK)
		ret = ocs_registry_wake_make(registry, &st, error);
	if (ret == OCS_STORE_OK)
		ret = ocs_registry_boot_check(registry, create, error);
	if (ret != OCS_STORE_OK) {
		talloc_free(registry);
		return ret;
	}
	ocs_registry_boot_anchor(registry->store);
	talloc_free(path);
	*registry_r = registry;
	return OCS_STORE_OK;
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
