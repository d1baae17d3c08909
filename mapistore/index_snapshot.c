/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The index at one moment: see index_tools.h. Of its files only the newest one is ever written, so
 * that alone is copied. Touches the copy.
 */
#include "mapistore/index_tools.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <talloc.h>

#include "base/bytes.h"
#include "mapistore/index_internal.h"

/* ---- the copy ---- */

static int copy_newest(struct ocs_index *index, struct ocs_store **copy_r, struct ocs_error *error)
{
	const char *top = getenv("TMPDIR");
	char *path = talloc_asprintf(index, "%s/ocsctl-index.XXXXXX",
	                             top != NULL && top[0] != '\0' ? top : "/var/tmp");
	struct ocs_error why = {.text = ""};
	int fd, ret;

	if (path == NULL)
		return ocs_error_memory(error);
	fd = mkstemp(path); /* for this user alone */
	if (fd < 0) {
		ret = ocs_error_set(error, "cannot create %s: %s", path, strerror(errno));
		talloc_free(path);
		return ret;
	}
	ret = ocs_store_copy(index->store, fd, &why);
	if (close(fd) != 0 && ret == OCS_STORE_OK)
		ret = ocs_error_set(&why, "cannot write %s: %s", path, strerror(errno));
	if (ret == OCS_STORE_OK)
		ret = ocs_store_open(path, 0, OCS_STORE_READ_ONLY | OCS_STORE_ALONE, 0, (gid_t)-1,
		                     copy_r, NULL, &why);
	(void)unlink(path);
	if (ret != OCS_STORE_OK)
		ocs_error_wrap(error, &why, "%.400s (the copy is made in %.60s: TMPDIR says where)",
		               why.text, top != NULL && top[0] != '\0' ? top : "/var/tmp");
	talloc_free(path);
	return ret;
}

/* A file that was sealed meanwhile is not the newest one any more. */
static int take_copy(struct ocs_index *index, struct ocs_error *error)
{
	for (unsigned tries = 0; tries < OCS_INDEX_FILES_MAX; tries++) {
		struct ocs_store *copy = NULL;
		int ret;

		ocs_index_refresh(index);
		ret = copy_newest(index, &copy, error);
		if (ret != OCS_STORE_OK)
			return ret;
		if (!ocs_index_sealed(copy)) {
			ocs_store_close(index->store);
			index->store = copy;
			return OCS_STORE_OK;
		}
		ocs_store_close(copy);
	}
	ocs_error_set(error, "%s: cannot read the file that follows it; %s",
	              ocs_store_path(index->store), ocs_index_goes_on);
	return OCS_STORE_CORRUPT;
}

int ocs_index_snapshot(const char *folder, uint16_t replica_id, bool fold,
                       struct ocs_index **index_r, struct ocs_error *error)
{
	struct ocs_index *index;
	int ret = ocs_index_open(folder, replica_id, false, &index, error);

	*index_r = NULL;
	if (ret != OCS_STORE_OK)
		return ret;
	ocs_index_set_fold(index, fold);
	/* What is pending then and the copy afterwards is everything. */
	ret = ocs_index_freeze(index, error);
	if (ret == OCS_STORE_OK)
		ret = take_copy(index, error);
	if (ret == OCS_STORE_OK)
		*index_r = index;
	else
		ocs_index_close(index);
	return ret;
}

/* ---- all records ---- */

bool ocs_index_names_folder(const void *key, size_t key_len, const uint8_t *data, size_t len,
                            uint64_t *id_r)
{
	struct ocs_index_known known;

	if (key_len != 9 || ((const uint8_t *)key)[0] != 'I' ||
	    ocs_index_known_parse(data, len, &known) != 0 ||
	    (known.kind != OCS_KIND_PLACE && known.kind != OCS_KIND_FOLDER))
		return false;
	*id_r = ocs_get64((const uint8_t *)key + 1);
	return true;
}

struct walk {
	struct ocs_index *index;
	unsigned file; /* n_sealed: the newest */
	ocs_store_each_fn *each;
	void *arg;
	struct ocs_error *error;
};

/* What a newer file has, also that it was deleted, counts. 1, 0, or -1. */
static int newer_has(const struct walk *walk, const void *key, size_t key_len)
{
	struct ocs_index *index = walk->index;

	for (unsigned n = walk->file + 1; n <= index->n_sealed; n++) {
		struct ocs_store *store = n < index->n_sealed ? index->sealed[n] : index->store;
		uint8_t *data;
		size_t len;
		int ret = ocs_store_fetch(store, NULL, key, key_len, &data, &len, walk->error);

		talloc_free(data);
		if (ret == OCS_STORE_OK || ret == OCS_STORE_DAMAGED)
			return 1;
		if (ret != OCS_STORE_MISSING)
			return -1;
	}
	return 0;
}

static int each_of_file(const void *key, size_t key_len, const uint8_t *data, size_t len, void *arg)
{
	const struct walk *walk = arg;
	int ret = data != NULL && len == 0 ? 1 : newer_has(walk, key, key_len);
	char *copy;

	if (ret != 0)
		return ret < 0 ? OCS_STORE_ERROR : 0;
	copy = talloc_size(NULL, key_len + 1 + len + 1);
	if (copy == NULL)
		return ocs_error_memory(walk->error);
	memcpy(copy, key, key_len);
	copy[key_len] = '\0';
	if (data != NULL)
		memcpy(copy + key_len + 1, data, len);
	copy[key_len + 1 + len] = '\0';
	ret = walk->each(copy, key_len, data != NULL ? (uint8_t *)copy + key_len + 1 : NULL, len,
	                 walk->arg);
	talloc_free(copy);
	return ret;
}

int ocs_index_each(struct ocs_index *index, int prefix, ocs_store_each_fn *each, void *arg,
                   struct ocs_error *error)
{
	struct walk walk = {.index = index, .each = each, .arg = arg, .error = error};
	int ret = 0;

	for (walk.file = 0; walk.file <= index->n_sealed && ret == 0; walk.file++)
		ret = ocs_store_each(walk.file < index->n_sealed ? index->sealed[walk.file]
		                                                 : index->store,
		                     prefix, each_of_file, &walk, error);
	return ret;
}
