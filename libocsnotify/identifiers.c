/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Identifiers of folders, as the daemon gives them. Touches the index in the
 * registry folder.
 */
#include "libocsnotify/internal.h"

#include <stdlib.h>
#include <string.h>

#include "mapistore/names.h"

/* What no notification could ever name is no name here either. What is wrong, or NULL. */
static const char *fault_of(const struct ocs_folder_name *name)
{
	const char *fault = ocs_name_fault(name->user);

	/* The user's root: the others do not matter. */
	if (fault == NULL && name->folder[0] == '\0')
		return strlen(name->backend) <= OCS_NAME_MAX &&
		                       strlen(name->backend_user) <= OCS_NAME_MAX
		               ? NULL
		               : "has more than 1024 bytes";
	if (fault == NULL)
		fault = ocs_name_fault(name->backend);
	if (fault == NULL)
		fault = ocs_name_fault(name->backend_user);
	return fault != NULL ? fault : ocs_folder_fault(name->folder);
}

/* (locked) At first sight in a transaction, which puts it on the disk: it is never given again. */
static int look_up(struct libocsnotify_shared *shared, const struct ocs_folder_name *name,
                   struct ocs_index_folder *out, struct ocs_error *error)
{
	int ret = ocs_index_folder(shared->index, name, false, out, error);

	if (ret != OCS_STORE_MISSING)
		return ret;
	if (ocs_index_full(shared->index)) {
		ocs_error_set(error, "%s: full: see [main] index_limit of the daemon",
		              ocs_store_path(ocs_index_store(shared->index)));
		return OCS_STORE_FULL;
	}
	ret = ocs_index_begin(shared->index, error);
	if (ret != OCS_STORE_OK)
		return ret;
	ret = ocs_index_folder(shared->index, name, true, out, error);
	if (ret != OCS_STORE_OK) {
		ocs_index_cancel(shared->index);
		return ret;
	}
	return ocs_index_commit(shared->index, error);
}

int ocsnotify_folder_fid(struct ocsnotify *context, const char *user, const char *backend,
                         const char *backend_user, const char *folder, uint64_t *folder_id_r)
{
	struct ocs_folder_name name = {user, backend, backend_user, folder};
	struct ocs_index_folder found = {0};
	struct ocs_error error = {""};
	char *own_backend, *own_folder;
	const char *fault;
	int code, ret;

	*folder_id_r = 0;
	if (libocsnotify_forked(context))
		return OCSNOTIFY_E_FORKED;
	fault = fault_of(&name);
	if (fault != NULL)
		return libocsnotify_fail(context, OCSNOTIFY_E_INVALID, "a name %s", fault);
	own_backend = strdup(backend);
	own_folder = strdup(folder);
	if (own_backend == NULL || own_folder == NULL) {
		free(own_backend);
		free(own_folder);
		return libocsnotify_fail(context, OCSNOTIFY_E_NOMEM, "out of memory");
	}
	ocs_index_canonical_backend(own_backend);
	ocs_index_canonical_folder(own_folder);
	name.backend = own_backend;
	name.folder = own_folder;
	libocsnotify_settings(context);
	code = libocsnotify_enter(context);
	if (code == OCSNOTIFY_OK) {
		ret = libocsnotify_shared_index(context->shared, &context->settings, &error);
		if (ret == OCS_STORE_OK)
			ret = look_up(context->shared, &name, &found, &error);
		code = libocsnotify_leave(context, ret, &error);
	}
	free(own_backend);
	free(own_folder);
	if (code == OCSNOTIFY_OK)
		*folder_id_r = found.fid;
	return code;
}
