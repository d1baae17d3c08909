/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * OpenChange's index of a user taken in: see index_import.h. It is read whole, its URIs by the
 * templates of the backends; then folders, outer ones first, and then messages. Reads that file.
 */
#include "mapistore/index_import.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>

#include <talloc.h>
#include <tdb.h>

#include "mapistore/openchange_index.h"
#include "mapistore/uri.h"
#include "mapistore/usermap.h"

struct entry {
	struct ocs_openchange_record record;
	const struct ocs_index_backend *backend;
	struct ocs_uri_names names; /* the user by its one name */
	unsigned order;             /* live folders by their levels, deleted ones, messages */
};

#define ORDER_DELETED  100
#define ORDER_MESSAGES 101

/* A folder that is deleted, by its names. */
struct gone {
	UT_hash_handle hh;
	uint64_t fid;
	char key[];
};

struct reader {
	struct ocs_import *import;
	const char *user;
	struct entry *entries;
	size_t n, room;
	struct gone *gone;
	bool failed; /* with the error set */
};

/* ---- records ---- */

static char *one_name(const struct reader *reader, const char *user)
{
	char key[OCS_NAME_MAX + 1];

	return talloc_strdup(reader->import->mem_ctx,
	                     ocs_usermap_user(reader->import->source->map,
	                                      &reader->import->source->names, user, key));
}

static struct entry *add_entry(struct reader *reader)
{
	if (reader->n == reader->room) {
		size_t room = reader->room != 0 ? 2 * reader->room : 256;
		struct entry *grown = talloc_realloc(reader->import->mem_ctx, reader->entries,
		                                     struct entry, room);

		if (grown == NULL)
			return NULL;
		reader->entries = grown;
		reader->room = room;
	}
	reader->entries[reader->n] = (struct entry){.backend = NULL};
	return &reader->entries[reader->n];
}

/* By the first template that fits. */
static const struct ocs_index_backend *read_uri(struct reader *reader, const char *uri,
                                                struct ocs_uri_names *names)
{
	const struct ocs_index_source *source = reader->import->source;

	for (size_t i = 0; i < source->n_backends; i++)
		if (ocs_uri_parse(reader->import->mem_ctx, source->backends[i].uri, uri, names) ==
		            0 &&
		    names->folder != NULL)
			return &source->backends[i];
	return NULL;
}

/* Whether the template writes another URI for the names than OpenChange had. */
static bool is_respelt(const struct entry *entry)
{
	void *ctx = talloc_new(NULL);
	const char *made = ctx == NULL ? NULL
	                               : ocs_uri_format(ctx, entry->backend->uri, entry->names.user,
	                                                entry->names.folder, entry->names.message);
	const char *ours = made != NULL ? ocs_uri_normalise(ctx, made) : NULL;
	const char *theirs = ours != NULL ? ocs_uri_normalise(ctx, entry->record.uri) : NULL;
	bool same = theirs != NULL && strcmp(ours, theirs) == 0;

	talloc_free(ctx);
	return !same;
}

/* What no template reads: refused, or left out. It may hold a password. */
static int cannot_read(struct reader *reader, const char *where, const char *uri)
{
	char shown[OCS_NAME_SHOWN_SIZE];
	char *plain;

	if (reader->import->source->leave_out) {
		reader->import->out->left_out++;
		return 0;
	}
	plain = ocs_uri_show(reader->import->mem_ctx, uri);
	ocs_import_refuse(reader->import, where,
	                  "no [backend:NAME] uri reads %s: add one that does, or --leave-out",
	                  plain != NULL ? ocs_name_show(plain, shown, sizeof(shown)) : "its URI");
	talloc_free(plain);
	return 0;
}

/* 0, or -1: out of memory. */
static int take_entry(struct reader *reader, const char *where, struct entry *entry)
{
	char *user;

	entry->backend = read_uri(reader, entry->record.uri, &entry->names);
	if (entry->backend == NULL)
		return cannot_read(reader, where, entry->record.uri);
	user = one_name(reader, entry->names.user != NULL ? entry->names.user : reader->user);
	if (user == NULL)
		return -1;
	entry->names.user = user;
	if (entry->names.message != NULL)
		entry->order = ORDER_MESSAGES;
	else
		entry->order = entry->record.deleted ? ORDER_DELETED
		                                     : ocs_folder_levels(entry->names.folder);
	ocs_index_canonical_folder(entry->names.folder);
	if (is_respelt(entry))
		reader->import->out->respelt++;
	reader->n++;
	return 0;
}

/* The key as it is told. */
static const char *where_of(const struct reader *reader, const void *key, size_t len,
                            char out[PATH_MAX + OCS_NAME_SHOWN_SIZE])
{
	char text[OCS_NAME_MAX + 1], shown[OCS_NAME_SHOWN_SIZE];
	size_t n = len < OCS_NAME_MAX ? len : OCS_NAME_MAX;

	memcpy(text, key, n);
	text[n] = '\0';
	snprintf(out, PATH_MAX + OCS_NAME_SHOWN_SIZE, "%s: %s", reader->import->source->path,
	         ocs_name_show(text, shown, sizeof(shown)));
	return out;
}

static int read_record(struct tdb_context *tdb, TDB_DATA key, TDB_DATA value, void *arg)
{
	char where[PATH_MAX + OCS_NAME_SHOWN_SIZE];
	struct reader *reader = arg;
	struct ocs_import *import = reader->import;
	struct entry *entry = add_entry(reader);
	const char *wrong;

	(void)tdb;
	if (entry == NULL) {
		reader->failed = true;
		return ocs_error_memory(import->error);
	}
	wrong = ocs_openchange_record(import->mem_ctx, key.dptr, key.dsize, value.dptr, value.dsize,
	                              &entry->record);
	where_of(reader, key.dptr, key.dsize, where);
	if (wrong != NULL)
		return ocs_import_refuse(import, where, "%s", wrong);
	if (entry->record.id == 0) {
		if (import->index->replica_id == OCS_OPENCHANGE_REPLICA)
			ocs_index_raise_to(&import->least, entry->record.counter);
		return 0;
	}
	ocs_import_count(import, entry->record.id);
	if (take_entry(reader, where, entry) == 0)
		return 0;
	reader->failed = true;
	return ocs_error_memory(import->error);
}

/* ---- into the index ---- */

static int goes_before(const void *a, const void *b)
{
	const struct entry *left = a, *right = b;

	if (left->order != right->order)
		return left->order < right->order ? -1 : 1;
	if (left->record.deleted != right->record.deleted)
		return left->record.deleted ? 1 : -1;
	return left->record.id < right->record.id ? -1 : left->record.id > right->record.id;
}

static struct ocs_index_line line_of(const struct reader *reader, const struct entry *entry)
{
	return (struct ocs_index_line){
	        .kind = entry->names.message != NULL ? OCS_LINE_MESSAGE : OCS_LINE_FOLDER,
	        .id = entry->record.id,
	        .state = entry->record.deleted ? OCS_STATE_DELETED : OCS_STATE_LIVE,
	        .user = reader->user,
	        .backend = entry->backend->name,
	        .backend_user = entry->names.user,
	        .name = entry->names.message != NULL ? entry->names.message : entry->names.folder,
	};
}

static char *gone_key(const struct reader *reader, const struct entry *entry)
{
	return talloc_asprintf(reader->import->mem_ctx, "%s\n%s\n%s", entry->backend->name,
	                       entry->names.user, entry->names.folder);
}

static int keep_gone(struct reader *reader, const struct entry *entry, uint64_t fid)
{
	char *key = gone_key(reader, entry);
	struct gone *gone = key == NULL ? NULL
	                                : talloc_zero_size(reader->import->mem_ctx,
	                                                   sizeof(*gone) + strlen(key) + 1);

	if (gone == NULL)
		return ocs_error_memory(reader->import->error);
	strcpy(gone->key, key);
	gone->fid = fid;
	HASH_ADD_STR(reader->gone, key, gone);
	return gone->hh.tbl != NULL ? 0 : ocs_error_memory(reader->import->error);
}

/* A message whose folder is not among the folders: one is made; of a deleted one, a deleted one. */
static int make_folder(struct reader *reader, const char *where, const struct entry *entry,
                       uint64_t *fid_r)
{
	struct ocs_import *import = reader->import;
	struct ocs_index_line line = line_of(reader, entry);

	line.kind = OCS_LINE_FOLDER;
	line.name = entry->names.folder;
	import->out->made++;
	if (ocs_index_reserve(import->index, 1, &line.id, import->error) != OCS_STORE_OK)
		return -1;
	*fid_r = line.id;
	if (ocs_import_folder(import, where, &line) != 0)
		return -1;
	if (!entry->record.deleted) {
		import->out->folders--;
		return 0;
	}
	import->out->deleted--;
	return keep_gone(reader, entry, line.id);
}

static int find_folder(struct reader *reader, const char *where, const struct entry *entry,
                       uint64_t *fid_r)
{
	const struct ocs_folder_name name = {reader->user, entry->backend->name, entry->names.user,
	                                     entry->names.folder};
	struct ocs_index_folder folder;
	struct gone *gone;
	char *key;
	int ret = ocs_index_folder(reader->import->index, &name, false, &folder,
	                           reader->import->error);

	*fid_r = folder.fid;
	if (ret == OCS_STORE_OK)
		return 0;
	if (ret != OCS_STORE_MISSING)
		return -1;
	key = gone_key(reader, entry);
	if (key == NULL)
		return ocs_error_memory(reader->import->error);
	HASH_FIND_STR(reader->gone, key, gone);
	talloc_free(key);
	if (gone == NULL)
		return make_folder(reader, where, entry, fid_r);
	*fid_r = gone->fid;
	return 0;
}

static int put_entry(struct reader *reader, const struct entry *entry)
{
	char key[40], where[PATH_MAX + OCS_NAME_SHOWN_SIZE];
	struct ocs_index_line line = line_of(reader, entry);

	snprintf(key, sizeof(key), "%s0x%016" PRIx64, entry->record.deleted ? "SOFT_DELETED:" : "",
	         entry->record.id);
	where_of(reader, key, strlen(key), where);
	if (line.kind == OCS_LINE_MESSAGE)
		return find_folder(reader, where, entry, &line.fid) == 0
		               ? ocs_import_message(reader->import, where, &line)
		               : -1;
	if (ocs_import_folder(reader->import, where, &line) != 0)
		return -1;
	return entry->record.deleted ? keep_gone(reader, entry, entry->record.id) : 0;
}

static int put_entries(struct reader *reader)
{
	struct ocs_import *import = reader->import;
	int ret;

	/* Those of public folders are in no user's file. */
	if (import->index->replica_id == OCS_OPENCHANGE_REPLICA)
		ocs_index_raise_to(&import->least, OCS_OPENCHANGE_PUBLIC + 1);
	if (reader->n != 0)
		qsort(reader->entries, reader->n, sizeof(*reader->entries), goes_before);
	ret = ocs_import_begin(import);
	for (size_t i = 0; i < reader->n && ret == 0; i++)
		ret = put_entry(reader, &reader->entries[i]);
	return ret == 0 ? ocs_import_end(import) : -1;
}

/* ---- the file ---- */

static int find_user(struct reader *reader)
{
	const struct ocs_index_source *source = reader->import->source;
	char path[PATH_MAX];
	const char *user = source->user;

	if (user == NULL && realpath(source->path, path) == NULL)
		return ocs_error_set(reader->import->error, "%s: %s", source->path,
		                     strerror(errno));
	if (user == NULL)
		user = basename(dirname(path));
	if (ocs_name_fault(user) != NULL)
		return ocs_error_set(reader->import->error, "the user's name %s",
		                     ocs_name_fault(user));
	reader->user = one_name(reader, user);
	return reader->user != NULL ? 0 : ocs_error_memory(reader->import->error);
}

/* Not mapped: a file that is cut short meanwhile would kill us. */
static int read_file(struct reader *reader)
{
	const char *path = reader->import->source->path;
	struct tdb_context *tdb = tdb_open(path, 0, TDB_NOMMAP, O_RDONLY | O_CLOEXEC, 0);
	int ret = 0;

	if (tdb == NULL)
		return ocs_error_set(reader->import->error,
		                     "%s: cannot be opened as a TDB file: %s", path,
		                     strerror(errno));
	if (tdb_check(tdb, NULL, NULL) != 0 || tdb_traverse_read(tdb, read_record, reader) < 0)
		ret = reader->failed ? -1
		                     : ocs_error_set(reader->import->error,
		                                     "%s: damaged: `tdbtool %s check` says more",
		                                     path, path);
	tdb_close(tdb);
	return reader->failed ? -1 : ret;
}

int ocs_import_openchange(struct ocs_import *import)
{
	struct reader reader = {.import = import};
	int ret = find_user(&reader);

	if (ret == 0)
		ret = read_file(&reader);
	if (ret == 0 && import->out->refused == 0)
		ret = put_entries(&reader);
	HASH_CLEAR(hh, reader.gone);
	return ret;
}
