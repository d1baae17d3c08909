/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * registry.tdb replaced under a running daemon, with what the open one holds or empty, and put in
 * its place. Touches registry.tdb and what is made beside it or in private/.
 */
#include "registry/internal.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/shared_file.h"

static int remake_copy_one(const void *key, size_t key_len, const uint8_t *data, size_t len,
                           void *arg)
{
	return data == NULL ? 0 : ocs_store_put(arg, key, key_len, data, len, NULL);
}

/* All that verifies, or nothing but the boot id: a half would be sessions without queues. */
static int remake_fill(struct ocs_registry *registry, struct ocs_store *fresh, bool *whole_r,
                       struct ocs_error *error)
{
	int ret = ocs_store_begin(fresh, error);

	if (ret != OCS_STORE_OK)
		return ret;
	*whole_r = ocs_store_usable(registry->store, NULL) == OCS_STORE_OK &&
	           !ocs_store_damaged(registry->store) &&
	           ocs_store_each(registry->store, -1, remake_copy_one, fresh, NULL) == 0;
	if (!*whole_r)
		ret = ocs_store_wipe(fresh, error);
	if (ret == OCS_STORE_OK)
		ret = ocs_registry_boot_put(fresh, error);
	if (ret == OCS_STORE_OK)
		return ocs_store_commit(fresh, false, error);
	ocs_store_cancel(fresh);
	return ret;
}

static int take_place(const char *fresh, const char *path, struct ocs_error *error)
{
	char aside[PATH_MAX];
	int ret;

	/* The latest one for who wants to know what happened; many would fill the disk. What is not
	 * ours tells nothing. */
	if (snprintf(aside, sizeof(aside), "%s.other", path) >= (int)sizeof(aside))
		return ocs_error_set(error, "%s: %s", path, strerror(ENAMETOOLONG));
	ret = ocs_shared_clear(path);
	if (ret >= 0)
		ret = ocs_shared_clear(aside);
	if (ret < 0)
		errno = -ret;
	if (ret < 0 || (rename(path, aside) != 0 && errno != ENOENT) || rename(fresh, path) != 0)
		return ocs_error_set(error, "%s: cannot put it in place: %s", fresh,
		                     strerror(errno));
	return OCS_STORE_OK;
}

int ocs_registry_remake(struct ocs_registry *registry, struct ocs_store **fresh_r, bool *whole_r,
                        struct ocs_error *error)
{
	const char *path = ocs_store_path(registry->store);
	char temporary[PATH_MAX];
	struct ocs_store *fresh = NULL;
	struct stat st;
	bool locked;
	int ret;

	*fresh_r = NULL;
	if (ocs_shared_temporary(path, ".fresh", temporary) != 0)
		return ocs_error_set(error, "%s: %s", path, strerror(errno));
	if (stat(registry->folder, &st) != 0)
		return ocs_error_set(error, "%s: %s", registry->folder, strerror(errno));
	unlink(temporary);
	/* Others wait, and find the new file when they are let in. */
	ret = ocs_store_try_begin(registry->store, error);
	locked = ret == OCS_STORE_OK;
	if (ret == OCS_STORE_BUSY)
		return ret;
	ret = ocs_store_open(temporary, OCS_REGISTRY_HASH_SIZE, OCS_STORE_CREATE, 0660, st.st_gid,
	                     &fresh, NULL, error);
	if (ret == OCS_STORE_OK)
		ret = remake_fill(registry, fresh, whole_r, error);
	ocs_store_close(fresh);
	if (ret == OCS_STORE_OK)
		ret = take_place(temporary, path, error);
	if (ret == OCS_STORE_OK)
		ret = ocs_store_open(path, OCS_REGISTRY_HASH_SIZE, 0, 0660, st.st_gid, fresh_r,
		                     NULL, error);
	else
		unlink(temporary);
	if (*fresh_r != NULL)
		ocs_registry_boot_anchor(*fresh_r);
	if (locked)
		ocs_store_cancel(registry->store);
	return ret;
}

struct ocs_store *ocs_registry_exchange(struct ocs_registry *registry, struct ocs_store *fresh)
{
	struct ocs_store *old = registry->store;

	registry->store = fresh;
	return old;
}
