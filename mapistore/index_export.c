/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* A snapshot of the index as text: see index_tools.h and index_text.h. Writes what it is given. */
#include "mapistore/index_tools.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <talloc.h>

#include "base/bytes.h"
#include "mapistore/index_internal.h"
#include "mapistore/index_text.h"

#define EVERY 4096

struct folder {
	struct ocs_index_line line;
	unsigned levels;
};

struct export
{
	struct ocs_index *index;
	FILE *out;
	const struct ocs_index_watch *watch;
	struct ocs_index_exported *exported;
	struct ocs_error *error;
	struct folder *folders; /* each with its names */
	size_t n_folders, room;
	uint64_t *gone; /* FIDs of deleted ones, sorted */
	size_t n_gone;
	uint64_t lines;
};

static int put_line(struct export *export, const struct ocs_index_line *line)
{
	if (ocs_index_line_write(line, export->out) != 0)
		return ocs_error_set(export->error, "cannot write: %s", strerror(errno));
	if (++export->lines % EVERY == 0)
		export->watch->progress(export->watch->arg, export->lines);
	return 0;
}

/* It is damaged, or leads to what is. */
static int leave_out(struct export *export, const uint8_t *key, size_t key_len)
{
	char where[OCS_INDEX_KEY_SHOWN];

	export->exported->left_out++;
	export->watch->fault(export->watch->arg, ocs_index_key_show(key, key_len, where),
	                     "it is damaged, or leads to what is: left out");
	return 0;
}

/* Also one that would be missed only as what it says of another one. */
static int tell_damaged(const void *key, size_t key_len, const uint8_t *data, size_t len, void *arg)
{
	uint8_t prefix = ((const uint8_t *)key)[0];

	(void)len;
	return data != NULL || prefix == 'Q' || ocs_index_derived(prefix)
	               ? 0
	               : leave_out(arg, key, key_len);
}

/* ---- roots ---- */

static int put_root(const void *key, size_t key_len, const uint8_t *data, size_t len, void *arg)
{
	struct export *export = arg;
	struct ocs_index_line line = {.kind = OCS_LINE_ROOT, .user = (const char *)key + 1};

	if (data == NULL)
		return 0;
	if (len != 8)
		return leave_out(export, key, key_len);
	line.id = ocs_get64(data);
	export->exported->users++;
	return put_line(export, &line);
}

/* ---- folders ---- */

/* In which state the folder of that identifier is: an ocs_store_result. */
static int look_at_folder(struct export *export, struct ocs_index_line *line, bool deleted)
{
	const struct ocs_folder_name name = {line->user, line->backend, line->backend_user,
	                                     line->name};
	struct ocs_index_folder folder;
	int ret;

	line->state = OCS_STATE_DELETED;
	if (deleted)
		return OCS_STORE_OK;
	ret = ocs_index_folder(export->index, &name, false, &folder, export->error);
	line->state = folder.fid == line->id ? OCS_STATE_LIVE : OCS_STATE_SECOND;
	line->has_uid_validity = line->state == OCS_STATE_LIVE && folder.has_uid_validity;
	line->uid_validity = line->has_uid_validity ? folder.uid_validity : 0;
	return ret;
}

static int keep_folder(const void *key, size_t key_len, const uint8_t *data, size_t len, void *arg)
{
	struct export *export = arg;
	struct ocs_index_known known;
	struct ocs_index_name name;
	struct folder *folder;
	int ret;

	if (data == NULL)
		return 0;
	if (key_len != 9 || ocs_index_known_parse(data, len, &known) != 0)
		return leave_out(export, key, key_len);
	if (known.kind != OCS_KIND_PLACE && known.kind != OCS_KIND_FOLDER)
		return 0;
	if (export->n_folders == export->room) {
		size_t room = export->room != 0 ? 2 * export->room : 256;

		folder = talloc_realloc(NULL, export->folders, struct folder, room);
		if (folder == NULL)
			return ocs_error_memory(export->error);
		export->folders = folder;
		export->room = room;
	}
	folder = &export->folders[export->n_folders];
	*folder = (struct folder){
	        .line = {.kind = OCS_LINE_FOLDER, .id = ocs_get64((const uint8_t *)key + 1)}};
	ret = ocs_index_lookup(export->index, export->folders, folder->line.id, &name,
	                       export->error);
	if (ret == OCS_STORE_OK) {
		folder->line.user = name.user;
		folder->line.backend = name.backend;
		folder->line.backend_user = name.backend_user;
		folder->line.name = name.folder;
		folder->levels = ocs_folder_levels(name.folder);
		ret = look_at_folder(export, &folder->line, name.deleted);
	}
	if (ret == OCS_STORE_OK)
		export->n_folders++;
	return ret == OCS_STORE_MISSING ? leave_out(export, key, key_len) : ret;
}

/* A folder's own line before its second one and those in it; what is deleted last. */
static int goes_before(const void *a, const void *b)
{
	const struct folder *left = a, *right = b;
	bool left_gone = left->line.state == OCS_STATE_DELETED,
	     right_gone = right->line.state == OCS_STATE_DELETED;

	if (left_gone != right_gone)
		return left_gone ? 1 : -1;
	if (left->levels != right->levels)
		return left->levels < right->levels ? -1 : 1;
	if (left->line.state != right->line.state)
		return left->line.state < right->line.state ? -1 : 1;
	return left->line.id < right->line.id ? -1 : left->line.id > right->line.id;
}

static int is_before(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return left < right ? -1 : left > right;
}

static int put_folders(struct export *export)
{
	int ret = ocs_index_each(export->index, 'I', keep_folder, export, export->error);

	if (export->n_folders != 0)
		qsort(export->folders, export->n_folders, sizeof(*export->folders), goes_before);
	export->gone = talloc_array(NULL, uint64_t, export->n_folders + 1);
	if (export->gone == NULL)
		return ocs_error_memory(export->error);
	for (size_t i = 0; i < export->n_folders && ret == 0; i++) {
		const struct ocs_index_line *line = &export->folders[i].line;

		if (line->state == OCS_STATE_DELETED)
			export->gone[export->n_gone++] = line->id;
		export->exported->folders++;
		ret = put_line(export, line);
	}
	qsort(export->gone, export->n_gone, sizeof(uint64_t), is_before);
	return ret;
}

/* ---- messages ---- */

/* Under the folder's own FID. */
static int put_message(struct export *export, uint64_t mid, uint64_t series, const char *message_id)
{
	struct ocs_index_line line = {.kind = OCS_LINE_MESSAGE, .id = mid, .name = message_id};
	struct ocs_index_message message = {.mid = 0};
	bool retired;
	int ret = ocs_index_series_get(export->index, series, &line.fid, &retired, export->error);

	if (ret != OCS_STORE_OK)
		return ret;
	line.fid = ocs_index_follow(export->index, line.fid);
	ret = ocs_index_message(export->index, series, message_id, &message, export->error);
	if (ret != OCS_STORE_OK && ret != OCS_STORE_MISSING)
		return ret;
	if (ret == OCS_STORE_MISSING || message.mid != mid || retired ||
	    bsearch(&line.fid, export->gone, export->n_gone, sizeof(uint64_t), is_before) != NULL)
		line.state = OCS_STATE_DELETED;
	else
		line.state = message.announced ? OCS_STATE_LIVE : OCS_STATE_QUIET;
	line.content = line.state != OCS_STATE_DELETED ? message.content : 0;
	export->exported->messages++;
	return put_line(export, &line);
}

static int put_known_message(const void *key, size_t key_len, const uint8_t *data, size_t len,
                             void *arg)
{
	struct export *export = arg;
	struct ocs_index_known known;
	int ret;

	/* What cannot be read was told with the folders. */
	if (data == NULL || key_len != 9 || ocs_index_known_parse(data, len, &known) != 0 ||
	    known.kind != OCS_KIND_MESSAGE)
		return 0;
	ret = put_message(export, ocs_get64((const uint8_t *)key + 1), known.series, known.name);
	return ret == OCS_STORE_MISSING ? leave_out(export, key, key_len) : ret;
}

static int put_pending_message(uint64_t mid, uint64_t series, const char *message_id, void *arg)
{
	struct export *export = arg;
	struct ocs_index_known known;
	uint8_t *data;
	int ret = ocs_index_known(export->index, mid, &data, &known, export->error);

	talloc_free(data);
	if (ret != OCS_STORE_MISSING)
		return ret;
	ret = put_message(export, mid, series, message_id);
	return ret == OCS_STORE_MISSING ? 0 : ret; /* of a folder that is not there (any more) */
}

/* ---- aliases ---- */

static int put_alias(const void *key, size_t key_len, const uint8_t *data, size_t len, void *arg)
{
	struct export *export = arg;
	struct ocs_index_line line = {.kind = OCS_LINE_ALIAS};
	struct ocs_index_known known;

	if (data == NULL || key_len != 9 || ocs_index_known_parse(data, len, &known) != 0 ||
	    known.kind != OCS_KIND_ALIAS)
		return 0;
	line.id = ocs_get64((const uint8_t *)key + 1);
	line.fid = ocs_index_follow(export->index, line.id);
	return put_line(export, &line);
}

/* ---- all ---- */

static int put_header(struct export *export)
{
	struct ocs_index_line line = {.kind = OCS_LINE_HEADER,
	                              .replica_id = export->index->replica_id};
	struct ocs_index_mark mark;
	char path[PATH_MAX];

	if (ocs_index_high_water(export->index->store, &line.number, export->error) ==
	            OCS_STORE_ERROR ||
	    ocs_index_mark_path(export->index->folder, line.replica_id, path, export->error) != 0 ||
	    ocs_index_mark_read(path, line.replica_id, &mark, export->error) == OCS_STORE_ERROR)
		return -1;
	ocs_index_raise_to(&line.number, ocs_index_mark_free(&mark, ocs_index_boot()));
	if (ocs_index_line_write(&line, export->out) != 0)
		return ocs_error_set(export->error, "cannot write: %s", strerror(errno));
	return 0;
}

int ocs_index_export(struct ocs_index *snapshot, FILE *out, const struct ocs_index_watch *watch,
                     struct ocs_index_exported *exported, struct ocs_error *error)
{
	struct export export = {.index = snapshot,
	                        .out = out,
	                        .watch = watch,
	                        .exported = exported,
	                        .error = error};
	struct ocs_index_line end = {.kind = OCS_LINE_END};
	int ret;

	*exported = (struct ocs_index_exported){.users = 0};
	ret = put_header(&export);
	if (ret == 0)
		ret = ocs_index_each(snapshot, -1, tell_damaged, &export, error);
	if (ret == 0)
		ret = ocs_index_each(snapshot, 'R', put_root, &export, error);
	if (ret == 0)
		ret = put_folders(&export);
	if (ret == 0)
		ret = ocs_index_each(snapshot, 'I', put_known_message, &export, error);
	if (ret == 0)
		ret = ocs_pending_each(snapshot->pending, put_pending_message, &export);
	if (ret == 0)
		ret = ocs_index_each(snapshot, 'I', put_alias, &export, error);
	end.number = export.lines;
	if (ret == 0 && (ocs_index_line_write(&end, out) != 0 || fflush(out) != 0))
		ret = ocs_error_set(error, "cannot write: %s", strerror(errno));
	talloc_free(export.folders);
	talloc_free(export.gone);
	return ret == 0 ? 0 : -1;
}
