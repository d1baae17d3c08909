/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Records taken into the index: see index_import.h. All in one transaction, which is given up
 * at the end if a single record was refused; until then everything is looked at, so that all that
 * is wrong is told at once. Touches the index and its mark.
 */
#include "mapistore/index_import.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <talloc.h>

#include "base/bytes.h"

#define EVERY 4096
#define SHOWN (3 * OCS_NAME_SHOWN_SIZE + 60)

struct ocs_placed {
	uint64_t fid, series; /* series 0: none yet */
	bool deleted;
	UT_hash_handle hh;
};

/* ---- what is told ---- */

const char *ocs_import_where(const struct ocs_import *import, uint64_t line)
{
	static char where[PATH_MAX + 24];

	snprintf(where, sizeof(where), "%s:%llu", import->source->path, (unsigned long long)line);
	return where;
}

int ocs_import_refuse(struct ocs_import *import, const char *where, const char *format, ...)
{
	char text[SHOWN + 200];
	va_list args;

	va_start(args, format);
	if (vsnprintf(text, sizeof(text), format, args) < 0)
		text[0] = '\0';
	va_end(args);
	import->out->refused++;
	import->watch->fault(import->watch->arg, where, text);
	return 0;
}

void ocs_import_count(struct ocs_import *import, uint64_t id)
{
	if ((uint16_t)id == import->index->replica_id)
		ocs_index_raise_to(&import->least, ocs_index_counter_of(id) + 1);
}

static void went_on(struct ocs_import *import)
{
	if (++import->done % EVERY == 0)
		import->watch->progress(import->watch->arg, import->done);
}

/* What an identifier is here, in words. */
static const char *show(const struct ocs_index_name *name, char out[SHOWN])
{
	char user[OCS_NAME_SHOWN_SIZE], folder[OCS_NAME_SHOWN_SIZE], message[OCS_NAME_SHOWN_SIZE];
	int len;

	ocs_name_show(name->user, user, sizeof(user));
	if (name->folder[0] == '\0') {
		snprintf(out, SHOWN, "the root of %s", user);
		return out;
	}
	ocs_name_show(name->folder, folder, sizeof(folder));
	len = name->message_id != NULL
	              ? snprintf(out, SHOWN, "message %s of ",
	                         ocs_name_show(name->message_id, message, sizeof(message)))
	              : 0;
	if (len >= 0 && len < SHOWN)
		snprintf(out + len, SHOWN - (size_t)len, "folder %s of %s%s", folder, user,
		         name->deleted ? " (deleted)" : "");
	return out;
}

/* ---- the transaction ---- */

static int keep_number(struct ocs_import *import, uint64_t number)
{
	if (import->n_inside == import->room) {
		size_t room = import->room != 0 ? 2 * import->room : 1024;
		uint64_t *grown = talloc_realloc(import->mem_ctx, import->inside, uint64_t, room);

		if (grown == NULL)
			return ocs_error_memory(import->error);
		import->inside = grown;
		import->room = room;
	}
	import->inside[import->n_inside++] = number;
	return 0;
}

/* Nodes of folders, and series. */
static int keep_inside(const void *key, size_t key_len, const uint8_t *data, size_t len, void *arg)
{
	const uint8_t *bytes = key;

	if (bytes[0] == 'S' && key_len == 9)
		return keep_number(arg, ocs_get64(bytes + 1));
	return data != NULL && len >= 16 ? keep_number(arg, ocs_get64(data + 8)) : 0;
}

static int is_before(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return left < right ? -1 : left > right;
}

int ocs_import_begin(struct ocs_import *import)
{
	struct ocs_index *index = import->index;
	int ret;

	ret = ocs_index_lock_names(index, import->error);
	if (ret == OCS_STORE_OK)
		ret = ocs_index_begin(index, import->error);
	if (ret != OCS_STORE_OK)
		return -1;
	if (ocs_index_full(index))
		return ocs_error_set(import->error,
		                     "the index is as large as it may be: see [main] "
		                     "index_limit");
	if (ocs_index_each(index, 'F', keep_inside, import, import->error) != 0 ||
	    ocs_index_each(index, 'S', keep_inside, import, import->error) != 0 ||
	    ocs_index_import_count(index, import->least, import->error) != OCS_STORE_OK)
		return -1;
	if (import->n_inside != 0)
		qsort(import->inside, import->n_inside, sizeof(uint64_t), is_before);
	return 0;
}

int ocs_import_end(struct ocs_import *import)
{
	struct ocs_index *index = import->index;

	import->out->counter = index->import_next;
	if (import->out->refused != 0)
		return 0;
	if (ocs_index_import_fits(index, import->error) != OCS_STORE_OK)
		return -1;
	if (import->source->dry_run)
		return 0;
	return ocs_index_import_commit(index, import->error) == OCS_STORE_OK ? 0 : -1;
}

void ocs_import_done(struct ocs_import *import)
{
	ocs_index_cancel(import->index);
	ocs_index_unlock_names(import->index);
	HASH_CLEAR(hh, import->placed);
	talloc_free(import->mem_ctx);
}

/* ---- records ---- */

enum found { FOUND_NOTHING, FOUND_NAME, FOUND_REFUSED };

/* What has the identifier here: an enum found, with the name on ctx; or -1. */
static int look(struct ocs_import *import, const void *ctx, const char *where, uint64_t id,
                struct ocs_index_name *name)
{
	int ret = ocs_index_lookup(import->index, ctx, id, name, import->error);
	struct ocs_index_known known;
	uint8_t *data;

	if (ret == OCS_STORE_OK)
		return FOUND_NAME;
	if (ret != OCS_STORE_MISSING)
		return -1;
	ret = ocs_index_known(import->index, id, &data, &known, import->error);
	talloc_free(data);
	if (ret != OCS_STORE_OK && ret != OCS_STORE_MISSING)
		return -1;
	if (ret == OCS_STORE_MISSING &&
	    (import->n_inside == 0 ||
	     bsearch(&id, import->inside, import->n_inside, sizeof(uint64_t), is_before) == NULL))
		return FOUND_NOTHING;
	ocs_import_refuse(import, where, "%016llx: the index uses that number for itself",
	                  (unsigned long long)id);
	return FOUND_REFUSED;
}

static int refuse_other(struct ocs_import *import, const char *where, uint64_t id,
                        const struct ocs_index_name *name)
{
	char shown[SHOWN];

	return ocs_import_refuse(import, where, "%016llx is %s here", (unsigned long long)id,
	                         show(name, shown));
}

static bool same_folder(const struct ocs_import *import, const char *a, const char *b)
{
	const struct ocs_name_rule rule = {.fold = import->index->fold};
	char key_a[OCS_NAME_MAX + 1], key_b[OCS_NAME_MAX + 1];

	return strcmp(ocs_name_folder_key(&rule, a, key_a), ocs_name_folder_key(&rule, b, key_b)) ==
	       0;
}

static int put_root(struct ocs_import *import, const char *where, const struct ocs_index_line *line)
{
	const struct ocs_folder_name root = {line->user, "", "", ""};
	struct ocs_index_folder there;
	int ret = ocs_index_folder(import->index, &root, false, &there, import->error);

	if (ret == OCS_STORE_OK)
		return ocs_import_refuse(import, where, "the root of that user is %016llx here",
		                         (unsigned long long)there.fid);
	if (ret != OCS_STORE_MISSING || ocs_index_root_place(import->index, line->user, line->id,
	                                                     import->error) != OCS_STORE_OK)
		return -1;
	import->out->users++;
	return 0;
}

int ocs_import_root(struct ocs_import *import, const char *where, const struct ocs_index_line *line)
{
	void *ctx = talloc_new(import->mem_ctx);
	struct ocs_index_name name;
	int ret;

	went_on(import);
	if (ctx == NULL)
		return ocs_error_memory(import->error);
	ret = look(import, ctx, where, line->id, &name);
	if (ret == FOUND_NAME && name.folder[0] == '\0' && strcmp(name.user, line->user) == 0) {
		import->out->known++;
		ret = 0;
	} else if (ret == FOUND_NAME) {
		ret = refuse_other(import, where, line->id, &name);
	} else if (ret == FOUND_NOTHING) {
		ret = put_root(import, where, line);
	} else if (ret == FOUND_REFUSED) {
		ret = 0;
	}
	talloc_free(ctx);
	return ret;
}

/* With all its names, so that it does not follow what becomes of others. */
static int put_deleted_folder(struct ocs_import *import, const struct ocs_index_line *line)
{
	const char *const parts[] = {line->user, line->backend, line->backend_user, line->name};
	uint8_t data[8 + 4 * (OCS_NAME_MAX + 1)];
	size_t len = 8;

	ocs_put64(data, 0);
	for (size_t i = 0; i < 4; i++) {
		size_t n = strlen(parts[i]) + 1;

		memcpy(data + len, parts[i], n);
		len += n;
	}
	import->out->deleted++;
	return ocs_index_name_put(import->index, line->id, OCS_KIND_FOLDER_GONE, data, len - 1,
	                          import->error) == OCS_STORE_OK
	               ? 0
	               : -1;
}

/* Folders above it that are not there either get identifiers. */
static int count_above(struct ocs_import *import, const struct ocs_folder_name *name)
{
	char path[OCS_NAME_MAX + 1], *slash;

	strcpy(path, name->folder);
	while ((slash = strrchr(path, '/')) != NULL) {
		const struct ocs_folder_name above = {name->user, name->backend, name->backend_user,
		                                      path};
		struct ocs_index_folder folder;
		int ret;

		*slash = '\0';
		ret = ocs_index_folder(import->index, &above, false, &folder, import->error);
		if (ret == OCS_STORE_OK)
			return 0;
		if (ret != OCS_STORE_MISSING)
			return -1;
		import->out->made++;
	}
	return 0;
}

static int put_live_folder(struct ocs_import *import, const char *where,
                           const struct ocs_index_line *line)
{
	const struct ocs_folder_name name = {line->user, line->backend, line->backend_user,
	                                     line->name};
	struct ocs_index_folder folder;
	int ret = ocs_index_folder(import->index, &name, false, &folder, import->error);

	if (ret == OCS_STORE_OK && line->state == OCS_STATE_LIVE)
		return ocs_import_refuse(import, where, "that folder is %016llx here",
		                         (unsigned long long)folder.fid);
	if (ret == OCS_STORE_MISSING && line->state == OCS_STATE_SECOND)
		return ocs_import_refuse(import, where,
		                         "a second identifier of a folder that is not there");
	if ((ret != OCS_STORE_OK && ret != OCS_STORE_MISSING) || count_above(import, &name) != 0)
		return -1;
	ret = ocs_index_folder_place(import->index, &name, line->id, &folder, import->error);
	if (ret == OCS_STORE_OK && line->has_uid_validity && line->state == OCS_STATE_LIVE)
		ret = ocs_index_folder_set_uid_validity(import->index, &name, line->uid_validity,
		                                        &folder, import->error);
	import->out->folders++;
	return ret == OCS_STORE_OK ? 0 : -1;
}

int ocs_import_folder(struct ocs_import *import, const char *where,
                      const struct ocs_index_line *line)
{
	void *ctx = talloc_new(import->mem_ctx);
	struct ocs_index_name name;
	int ret;

	went_on(import);
	if (ctx == NULL)
		return ocs_error_memory(import->error);
	ret = look(import, ctx, where, line->id, &name);
	if (ret == FOUND_NAME && name.message_id == NULL && name.folder[0] != '\0' &&
	    strcmp(name.user, line->user) == 0 && strcmp(name.backend, line->backend) == 0 &&
	    strcmp(name.backend_user, line->backend_user) == 0 &&
	    same_folder(import, name.folder, line->name)) {
		import->out->known++;
		ret = 0;
	} else if (ret == FOUND_NAME) {
		ret = refuse_other(import, where, line->id, &name);
	} else if (ret == FOUND_NOTHING) {
		ret = line->state == OCS_STATE_DELETED ? put_deleted_folder(import, line)
		                                       : put_live_folder(import, where, line);
	} else if (ret == FOUND_REFUSED) {
		ret = 0;
	}
	talloc_free(ctx);
	return ret;
}

/* ---- messages ---- */

/* The folder of that identifier. NULL: refused, or with *ret_r -1 an error. */
static struct ocs_placed *placed_find(struct ocs_import *import, const char *where, uint64_t fid,
                                      int *ret_r)
{
	struct ocs_index_name name;
	struct ocs_placed *placed;
	int ret;

	*ret_r = 0;
	HASH_FIND(hh, import->placed, &fid, sizeof(fid), placed);
	if (placed != NULL)
		return placed;
	placed = talloc_zero(import->mem_ctx, struct ocs_placed);
	if (placed == NULL) {
		*ret_r = ocs_error_memory(import->error);
		return NULL;
	}
	ret = ocs_index_lookup(import->index, placed, fid, &name, import->error);
	if (ret == OCS_STORE_OK && name.message_id == NULL && name.folder[0] != '\0') {
		const struct ocs_folder_name whose = {name.user, name.backend, name.backend_user,
		                                      name.folder};
		struct ocs_index_folder folder;

		placed->fid = fid;
		placed->deleted = name.deleted;
		if (!name.deleted) {
			ret = ocs_index_folder(import->index, &whose, false, &folder,
			                       import->error);
			placed->series = folder.series;
		}
		talloc_free_children(placed);
		HASH_ADD(hh, import->placed, fid, sizeof(fid), placed);
		if (ret == OCS_STORE_OK && placed->hh.tbl != NULL)
			return placed;
	} else if (ret == OCS_STORE_OK || ret == OCS_STORE_MISSING) {
		ocs_import_refuse(import, where, "its folder %016llx is not known",
		                  (unsigned long long)fid);
		return NULL;
	}
	*ret_r = -1;
	return NULL;
}

/* A deleted folder has none but for messages that came this way. */
static int give_series(struct ocs_import *import, struct ocs_placed *placed)
{
	int ret;

	if (placed->series != 0)
		return 0;
	ret = ocs_index_reserve(import->index, 1, &placed->series, import->error);
	if (ret == OCS_STORE_OK)
		ret = ocs_index_series_put(import->index, placed->series, placed->fid,
		                           import->error);
	return ret == OCS_STORE_OK ? 0 : -1;
}

static int put_message(struct ocs_import *import, const char *where,
                       const struct ocs_index_line *line, struct ocs_placed *placed)
{
	bool deleted = placed->deleted || line->state == OCS_STATE_DELETED;
	struct ocs_index_folder folder = {.fid = line->fid};
	struct ocs_index_message message = {.mid = 0};
	int ret = give_series(import, placed);

	folder.series = placed->series;
	if (ret != 0)
		return ret;
	if (deleted) {
		import->out->deleted++;
		ret = ocs_index_message_gone(import->index, placed->series, line->name, line->id,
		                             import->error);
		return ret == OCS_STORE_OK ? 0 : -1;
	}
	ret = ocs_index_message(import->index, placed->series, line->name, &message, import->error);
	if (ret == OCS_STORE_OK)
		return ocs_import_refuse(import, where, "that message is %016llx here",
		                         (unsigned long long)message.mid);
	if (ret != OCS_STORE_MISSING)
		return -1;
	message = (struct ocs_index_message){.mid = line->id,
	                                     .announced = line->state == OCS_STATE_LIVE,
	                                     .content = line->content};
	import->out->messages++;
	ret = ocs_index_message_put(import->index, &folder, line->name, &message, import->error);
	return ret == OCS_STORE_OK ? 0 : -1;
}

/* Whether both are of one folder, by its names; or -1. */
static int in_folder(struct ocs_import *import, const void *ctx, const struct ocs_index_name *name,
                     uint64_t fid)
{
	struct ocs_index_name folder;
	int ret = ocs_index_lookup(import->index, ctx, fid, &folder, import->error);

	if (ret != OCS_STORE_OK)
		return ret == OCS_STORE_MISSING ? 0 : -1;
	return folder.message_id == NULL && strcmp(name->user, folder.user) == 0 &&
	       strcmp(name->backend, folder.backend) == 0 &&
	       strcmp(name->backend_user, folder.backend_user) == 0 &&
	       same_folder(import, name->folder, folder.folder);
}

int ocs_import_message(struct ocs_import *import, const char *where,
                       const struct ocs_index_line *line)
{
	void *ctx = talloc_new(import->mem_ctx);
	struct ocs_index_name name;
	struct ocs_placed *placed;
	int ret, same = 0;

	went_on(import);
	if (ctx == NULL)
		return ocs_error_memory(import->error);
	ret = look(import, ctx, where, line->id, &name);
	if (ret == FOUND_NAME && name.message_id != NULL &&
	    strcmp(name.message_id, line->name) == 0)
		same = in_folder(import, ctx, &name, line->fid);
	if (same < 0) {
		ret = -1;
	} else if (same > 0) {
		import->out->known++;
		ret = 0;
	} else if (ret == FOUND_NAME) {
		ret = refuse_other(import, where, line->id, &name);
	} else if (ret == FOUND_NOTHING) {
		placed = placed_find(import, where, line->fid, &ret);
		if (placed != NULL)
			ret = put_message(import, where, line, placed);
	} else if (ret == FOUND_REFUSED) {
		ret = 0;
	}
	talloc_free(ctx);
	return ret;
}

int ocs_import_alias(struct ocs_import *import, const char *where,
                     const struct ocs_index_line *line)
{
	void *ctx = talloc_new(import->mem_ctx);
	struct ocs_index_known known;
	struct ocs_index_name name;
	uint8_t *data = NULL;
	int ret;

	went_on(import);
	if (ctx == NULL)
		return ocs_error_memory(import->error);
	ret = look(import, ctx, where, line->id, &name);
	if (ret == FOUND_NAME && ocs_index_follow(import->index, line->id) ==
	                                 ocs_index_follow(import->index, line->fid)) {
		import->out->known++;
		ret = 0;
	} else if (ret == FOUND_NAME) {
		ret = refuse_other(import, where, line->id, &name);
	} else if (ret == FOUND_NOTHING) {
		ret = ocs_index_known(import->index, line->fid, &data, &known, import->error);
		if (ret == OCS_STORE_OK)
			ret = ocs_index_alias(import->index, line->id, line->fid, import->error);
		else if (ret == OCS_STORE_MISSING)
			ret = ocs_import_refuse(import, where,
			                        "%016llx, which it stands for, is not known",
			                        (unsigned long long)line->fid);
		ret = ret == OCS_STORE_OK ? 0 : -1;
	} else if (ret == FOUND_REFUSED) {
		ret = 0;
	}
	talloc_free(data);
	talloc_free(ctx);
	return ret;
}
