/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What an identifier names, and its URI. Reads the index and the registry.
 */
#include "libocsnotify/internal.h"

#include <string.h>

#include <talloc.h>

#include "mapistore/uri.h"

/* Of the user's root, and where the backend has no template, there is none. */
static int make_uri(struct libocsnotify_shared *shared, const void *mem_ctx,
                    struct libocsnotify_named *out, struct ocs_error *error)
{
	char *template;
	int ret;

	out->uri = NULL;
	if (out->name.folder[0] == '\0')
		return OCS_STORE_OK;
	ret = ocs_registry_template_get(shared->registry, mem_ctx, out->name.backend, &template,
	                                error);
	if (ret != OCS_STORE_OK)
		return ret == OCS_STORE_MISSING ? OCS_STORE_OK : ret;
	out->uri = ocs_uri_format(mem_ctx, template, out->name.backend_user, out->name.folder,
	                          out->name.message_id);
	talloc_free(template);
	return OCS_STORE_OK;
}

int libocsnotify_name(struct ocsnotify *context, const void *mem_ctx, uint64_t id,
                      struct libocsnotify_named *out, struct ocs_error *error)
{
	struct libocsnotify_shared *shared = context->shared;
	int ret;

	memset(out, 0, sizeof(*out));
	if (id == 0)
		return OCS_STORE_MISSING;
	ret = libocsnotify_shared_index(shared, &context->settings, error);
	if (ret == OCS_STORE_MISSING) /* the index itself */
		return OCS_STORE_ERROR;
	if (ret == OCS_STORE_OK)
		ret = ocs_index_lookup(shared->index, mem_ctx, id, &out->name, error);
	return ret == OCS_STORE_OK ? make_uri(shared, mem_ctx, out, error) : ret;
}

void libocsnotify_to_object(const struct libocsnotify_named *named, struct ocsnotify_object *object)
{
	bool root = named->name.folder[0] == '\0';

	*object = (struct ocsnotify_object){
	        .kind = named->name.message_id != NULL ? OCSNOTIFY_MESSAGE
	                : root                         ? OCSNOTIFY_ROOT
	                                               : OCSNOTIFY_FOLDER,
	        .deleted = named->name.deleted,
	        .user = named->name.user,
	        .backend = root ? NULL : named->name.backend,
	        .backend_user = root ? NULL : named->name.backend_user,
	        .folder = root ? NULL : named->name.folder,
	        .message = named->name.message_id,
	        .uri = named->uri,
	};
}
