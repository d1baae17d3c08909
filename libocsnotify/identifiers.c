/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Identifiers of folders and messages, as the daemon gives them, and what they name. Touches the
 * index in the registry folder.
 */
#include "libocsnotify/internal.h"

#include <stdlib.h>
#include <string.h>

#include <talloc.h>

#include "mapistore/names.h"
#include "base/sized.h"

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

/* ---- one call ---- */

struct request {
	struct ocs_folder_name name;
	const char *message; /* NULL: the folder */
	bool create;
	uint64_t id;
	char *backend, *folder; /* canonical, ours */
	char user[OCS_NAME_MAX + 1], backend_user[OCS_NAME_MAX + 1];
};

/* Copies what has to be brought into one spelling. A library code. */
static int begin_request(struct ocsnotify *context, struct request *request)
{
	const char *fault;

	request->id = 0;
	if (libocsnotify_forked(context))
		return OCSNOTIFY_E_FORKED;
	fault = fault_of(&request->name);
	if (fault == NULL && request->message != NULL)
		fault = request->name.folder[0] == '\0' ? "of the folder is empty"
		                                        : ocs_name_fault(request->message);
	if (fault != NULL)
		return libocsnotify_fail(context, OCSNOTIFY_E_INVALID, "a name %s", fault);
	request->backend = strdup(request->name.backend);
	request->folder = strdup(request->name.folder);
	if (request->backend == NULL || request->folder == NULL) {
		free(request->backend);
		free(request->folder);
		return libocsnotify_fail(context, OCSNOTIFY_E_NOMEM, "out of memory");
	}
	ocs_index_canonical_backend(request->backend);
	ocs_index_canonical_folder(request->folder);
	request->name.backend = request->backend;
	request->name.folder = request->folder;
	return OCSNOTIFY_OK;
}

/* As libocsnotify_leave(), where a missing record is an answer. */
static int leave(struct ocsnotify *context, int ret, const struct ocs_error *error)
{
	int code =
	        libocsnotify_leave(context, ret == OCS_STORE_MISSING ? OCS_STORE_OK : ret, error);

	return code == OCSNOTIFY_OK && ret == OCS_STORE_MISSING
	               ? libocsnotify_fail(context, OCSNOTIFY_E_NOT_FOUND, "not known here")
	               : code;
}

/* ---- (locked) the index ---- */

/* The names that the user map and the settings give the two users. */
static void one_name(struct ocsnotify *context, struct request *request)
{
	const struct ocs_usermap *map = context->shared->usermap;
	const struct ocs_name_rule *rule = &context->settings.names;

	request->name.user = ocs_usermap_user(map, rule, request->name.user, request->user);
	request->name.backend_user =
	        ocs_usermap_user(map, rule, request->name.backend_user, request->backend_user);
}

static int find(struct ocs_index *index, struct request *request, struct ocs_error *error)
{
	struct ocs_index_folder folder = {0};
	struct ocs_index_message message = {0};
	int ret = ocs_index_folder(index, &request->name, false, &folder, error);

	if (ret == OCS_STORE_OK && request->message != NULL)
		ret = ocs_index_message(index, folder.series, request->message, &message, error);
	if (ret == OCS_STORE_OK)
		request->id = request->message != NULL ? message.mid : folder.fid;
	return ret;
}

/* (transaction) It may be there by now. */
static int make(struct ocs_index *index, struct request *request, struct ocs_error *error)
{
	struct ocs_index_folder folder = {0};
	struct ocs_index_message message = {0};
	int ret = ocs_index_folder(index, &request->name, true, &folder, error);

	if (ret == OCS_STORE_OK && request->message != NULL) {
		ret = ocs_index_message(index, folder.series, request->message, &message, error);
		if (ret == OCS_STORE_MISSING &&
		    ocs_index_message_leaves(index, folder.series, request->message)) {
			ocs_error_set(error, "another message of that name is being deleted");
			ret = OCS_STORE_BUSY;
		} else if (ret == OCS_STORE_MISSING) {
			message = (struct ocs_index_message){0};
			ret = ocs_index_reserve(index, 1, &message.mid, error);
			if (ret == OCS_STORE_OK)
				ret = ocs_index_message_put(index, &folder, request->message,
				                            &message, error);
		}
	}
	if (ret == OCS_STORE_OK)
		request->id = request->message != NULL ? message.mid : folder.fid;
	return ret;
}

/* The commit puts it on the disk: it is never given again. */
static int make_in_transaction(struct ocs_index *index, struct request *request,
                               struct ocs_error *error)
{
	int ret = ocs_index_begin(index, error);

	if (ret != OCS_STORE_OK)
		return ret;
	ret = make(index, request, error);
	if (ret == OCS_STORE_OK)
		return ocs_index_commit(index, error);
	ocs_index_cancel(index);
	return ret;
}

static int find_or_make(struct ocs_index *index, struct request *request, struct ocs_error *error)
{
	int ret = find(index, request, error);

	if (ret != OCS_STORE_MISSING || !request->create)
		return ret;
	if (ocs_index_full(index)) {
		ocs_error_set(error, "%s: full: see [main] index_limit of the daemon",
		              ocs_store_path(ocs_index_store(index)));
		return OCS_STORE_FULL;
	}
	if (request->message == NULL)
		return make_in_transaction(index, request, error);
	ret = ocs_index_lock_names(index, error);
	if (ret == OCS_STORE_OK)
		ret = make_in_transaction(index, request, error);
	else if (ret == OCS_STORE_MISSING)
		ret = OCS_STORE_ERROR;
	ocs_index_unlock_names(index);
	return ret;
}

static int ask(struct ocsnotify *context, struct request *request, uint64_t *id_r)
{
	struct ocs_error error = {.text = ""};
	int code, ret;

	*id_r = 0;
	code = begin_request(context, request);
	if (code != OCSNOTIFY_OK)
		return code;
	libocsnotify_settings(context);
	code = libocsnotify_enter(context);
	if (code == OCSNOTIFY_OK) {
		ret = libocsnotify_shared_index(context->shared, &context->settings, &error);
		/* An index that is not there is no answer. */
		if (ret == OCS_STORE_OK) {
			one_name(context, request);
			ret = find_or_make(context->shared->index, request, &error);
		} else if (ret == OCS_STORE_MISSING) {
			ret = OCS_STORE_ERROR;
		}
		code = leave(context, ret, &error);
	}
	free(request->backend);
	free(request->folder);
	if (code == OCSNOTIFY_OK)
		*id_r = request->id;
	return code;
}

/* ---- what hosts call ---- */

int ocsnotify_folder_fid(struct ocsnotify *context, const char *user, const char *backend,
                         const char *backend_user, const char *folder, uint64_t *folder_id_r)
{
	struct request request = {.name = {user, backend, backend_user, folder}, .create = true};

	return ask(context, &request, folder_id_r);
}

int ocsnotify_find_folder(struct ocsnotify *context, const char *user, const char *backend,
                          const char *backend_user, const char *folder, uint64_t *folder_id_r)
{
	struct request request = {.name = {user, backend, backend_user, folder}};

	return ask(context, &request, folder_id_r);
}

int ocsnotify_message_mid(struct ocsnotify *context, const char *user, const char *backend,
                          const char *backend_user, const char *folder, const char *message,
                          bool create, uint64_t *message_id_r)
{
	struct request request = {.name = {user, backend, backend_user, folder},
	                          .message = message != NULL ? message : "",
	                          .create = create};

	return ask(context, &request, message_id_r);
}

int ocsnotify_lookup_sized(struct ocsnotify *context, uint64_t id, struct ocsnotify_object *object,
                           size_t object_size)
{
	struct ocsnotify_object ours = {0};
	struct libocsnotify_named named;
	struct ocs_error error = {.text = ""};
	int code, ret;

	ocs_sized_give(object, object_size, &ours, sizeof(ours));
	if (libocsnotify_forked(context))
		return OCSNOTIFY_E_FORKED;
	talloc_free(context->looked_up);
	context->looked_up = talloc_new(NULL);
	if (context->looked_up == NULL)
		return libocsnotify_fail(context, OCSNOTIFY_E_NOMEM, "out of memory");
	libocsnotify_settings(context);
	code = libocsnotify_enter(context);
	if (code != OCSNOTIFY_OK)
		return code;
	ret = libocsnotify_name(context, context->looked_up, id, &named, &error);
	code = leave(context, ret, &error);
	if (code == OCSNOTIFY_OK) {
		libocsnotify_to_object(&named, &ours);
		ocs_sized_give(object, object_size, &ours, sizeof(ours));
	}
	return code;
}

/* (locked) */
static int reserve(struct ocs_index *index, unsigned count, uint64_t *first_id_r,
                   struct ocs_error *error)
{
	int ret = ocs_index_begin(index, error);

	if (ret != OCS_STORE_OK)
		return ret;
	ret = ocs_index_reserve(index, count, first_id_r, error);
	if (ret == OCS_STORE_OK)
		return ocs_index_commit(index, error);
	ocs_index_cancel(index);
	return ret;
}

int ocsnotify_reserve_ids(struct ocsnotify *context, unsigned count, uint64_t *first_id_r)
{
	struct ocs_error error = {.text = ""};
	uint64_t first = 0;
	int code, ret;

	*first_id_r = 0;
	if (libocsnotify_forked(context))
		return OCSNOTIFY_E_FORKED;
	if (count == 0 || count > OCSNOTIFY_RESERVE_MAX)
		return libocsnotify_fail(context, OCSNOTIFY_E_INVALID,
		                         "cannot reserve %u identifiers: 1 to %d at once", count,
		                         OCSNOTIFY_RESERVE_MAX);
	libocsnotify_settings(context);
	code = libocsnotify_enter(context);
	if (code != OCSNOTIFY_OK)
		return code;
	ret = libocsnotify_shared_index(context->shared, &context->settings, &error);
	if (ret == OCS_STORE_OK)
		ret = reserve(context->shared->index, count, &first, &error);
	code = libocsnotify_leave(context, ret, &error);
	if (code == OCSNOTIFY_OK)
		*first_id_r = first;
	return code;
}
