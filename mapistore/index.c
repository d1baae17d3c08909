/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The identifier index as a whole: opened, looked at, closed; see index.h. Its counter and its
 * transactions are in index_counter.c, folders in index_folder.c, messages in index_message.c.
 * Touches index*.tdb and replica_ids; the owner's thread.
 */
#include "mapistore/index_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <talloc.h>

#include "base/shared_file.h"

#define HASH_SIZE OCS_INDEX_HASH

/* ---- the list of replica ids in use: identifiers never repeat, even if the index is lost ---- */

static int replicas_path(const char *folder, char *path, size_t size)
{
	int n = snprintf(path, size, "%s/replica_ids", folder);

	return n < 0 || (size_t)n >= size ? -1 : 0;
}

/* 1: listed, 0: not, -1: cannot be read. */
static int replica_listed(const char *path, uint16_t replica_id, struct ocs_error *error)
{
	int fd, ret = ocs_shared_open(path, O_RDONLY, &fd), listed = 0;
	char line[64];
	FILE *file;

	if (ret != 0)
		return ret == -ENOENT || ocs_shared_is_junk(path)
		               ? 0
		               : ocs_shared_refuse(path, ret, error);
	file = fdopen(fd, "r");
	if (file == NULL) {
		close(fd);
		return ocs_error_set(error, "%s: %s", path, strerror(errno));
	}
	while (fgets(line, sizeof(line), file) != NULL)
		if (strtoul(line, NULL, 10) == replica_id)
			listed = 1;
	if (ferror(file))
		listed = ocs_error_set(error, "%s: cannot read", path);
	fclose(file);
	return listed;
}

static int replica_add(const char *path, uint16_t replica_id, struct ocs_error *error)
{
	char line[16];
	int fd, len, failed, ret;

	if (ocs_shared_is_junk(path))
		(void)ocs_shared_remove(path);
	ret = ocs_shared_open(path, O_WRONLY | O_APPEND, &fd);
	if (ret == -ENOENT) {
		fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0640);
		ret = fd < 0 ? -errno : 0;
	}
	if (ret != 0)
		return ocs_shared_refuse(path, ret, error);
	len = snprintf(line, sizeof(line), "%u\n", replica_id);
	failed = write(fd, line, (size_t)len) != len || fsync(fd) != 0;
	close(fd);
	return failed ? ocs_error_set(error, "%s: cannot write: %s", path, strerror(errno)) : 0;
}

static int index_destroy(struct ocs_index *index)
{
	/* In a forked child it is the parent's: not released, only closed. */
	if (index->names_lock >= 0)
		close(index->names_lock);
	ocs_store_close(index->store);
	for (unsigned i = 0; i < index->n_sealed; i++)
		ocs_store_close(index->sealed[i]);
	return 0;
}

static int index_is_gone(const char *why, uint16_t replica_id, const char *replicas,
                         struct ocs_error *error)
{
	ocs_error_set(error,
	              "%.180s; identifiers of replica id %u were given from it and must never "
	              "be given again: `ocsctl index restore` puts a backup in place, or with "
	              "--empty a new one that goes on above them; or move it away and set [main] "
	              "replica_id to a number that is not in %.100s",
	              why, replica_id, replicas);
	return OCS_STORE_CORRUPT;
}

static bool is_readable(const char *path)
{
	struct ocs_store *store;
	bool readable;

	if (ocs_store_open(path, 0, OCS_STORE_READ_ONLY, 0, (gid_t)-1, &store, NULL, NULL) !=
	    OCS_STORE_OK)
		return false;
	readable = ocs_index_readable(store);
	ocs_store_close(store);
	return readable;
}

/* The file is there. counted: so is the mark beside it. */
static int look_inside(const char *path, uint16_t replica_id, const char *replicas, bool counted,
                       struct ocs_error *error)
{
	enum ocs_store_result mark = OCS_STORE_OK;
	struct ocs_error why;
	int ret = ocs_store_look(path, ocs_index_key_high_water, sizeof(ocs_index_key_high_water),
	                         &mark, &why);

	if (ret == OCS_STORE_BUSY || ret == OCS_STORE_MISSING)
		return 0;
	if (ret == OCS_STORE_ERROR)
		return ocs_error_pass(error, &why);
	if (ret != OCS_STORE_CORRUPT && mark != OCS_STORE_OK &&
	    (counted || mark == OCS_STORE_DAMAGED || access(replicas, F_OK) == 0)) {
		ocs_error_set(&why, "%s: damaged, its high-water mark %s", path,
		              mark == OCS_STORE_DAMAGED ? "does not verify" : "is lost");
		ret = counted && (mark == OCS_STORE_MISSING || is_readable(path))
		              ? OCS_STORE_DAMAGED
		              : OCS_STORE_CORRUPT;
	}
	if (ret == OCS_STORE_CORRUPT) {
		index_is_gone(why.text, replica_id, replicas, error);
		return -1;
	}
	if (ret == OCS_STORE_OK)
		return 0;
	ocs_error_wrap(error, &why, "%.400s: the daemon keeps its intact records when it starts",
	               why.text);
	return 1;
}

/* The files that follow the first one, whose path that is: as look_inside(). A sealed file is not
 * checked by a start either, but must have a next one. */
static int look_at_later(const char *folder, char *path, size_t size, struct ocs_error *error)
{
	enum ocs_store_result seal = OCS_STORE_OK;
	enum ocs_shared_kind kind;
	struct ocs_error why;
	int ret = ocs_store_look(path, ocs_index_key_seal, sizeof(ocs_index_key_seal), &seal, &why),
	    found = 0;

	for (unsigned n = 1; n < OCS_INDEX_FILES_MAX; n++) {
		bool sealed = (ret == OCS_STORE_OK || ret == OCS_STORE_DAMAGED) &&
		              seal != OCS_STORE_MISSING;

		if (snprintf(path, size, "%s/index.%u.tdb", folder, n) >= (int)size)
			return ocs_error_set(error, "%s: the path is too long", folder);
		kind = ocs_shared_look(path, NULL);
		if (!sealed && (kind == OCS_SHARED_MISSING || kind == OCS_SHARED_FOREIGN))
			break;
		ret = ocs_store_look(path, ocs_index_key_seal, sizeof(ocs_index_key_seal), &seal,
		                     &why);
		if (ret == OCS_STORE_MISSING || ret == OCS_STORE_CORRUPT)
			return ocs_error_wrap(error, &why, "%.300s; %s", why.text,
			                      ocs_index_goes_on);
		if (ret == OCS_STORE_ERROR)
			return ocs_error_pass(error, &why);
		if (ret == OCS_STORE_DAMAGED && seal == OCS_STORE_MISSING) {
			ocs_error_wrap(error, &why,
			               "%.400s: the daemon keeps its intact records when it starts",
			               why.text);
			found = 1;
		}
	}
	return found;
}

/* What the mark says, before anything is touched: OK with an ocs_index_place, whose text is in
 * moved; CORRUPT: the registry is not to be used here. */
static int look_at_mark(const char *folder, uint16_t replica_id, struct ocs_index_mark *mark,
                        int *place_r, struct ocs_error *moved, struct ocs_error *error)
{
	char path[PATH_MAX];

	if (ocs_index_mark_path(folder, replica_id, path, error) != 0 ||
	    ocs_index_mark_read(path, replica_id, mark, error) == OCS_STORE_ERROR)
		return OCS_STORE_ERROR;
	*place_r = ocs_index_place_judge(folder, mark, moved);
	if (*place_r >= 0)
		return OCS_STORE_OK;
	ocs_error_set(error, "%s", moved->text);
	return OCS_STORE_CORRUPT;
}

/* The mark against the newest file; what the start would say. */
static int look_behind(const char *folder, const struct ocs_index_mark *mark,
                       struct ocs_error *error)
{
	char path[PATH_MAX];
	uint64_t high_water = mark->counted ? ocs_index_newest(folder, path) : 0;

	return high_water != 0 && ocs_index_behind(mark, path, high_water, error);
}

/* Both are there: 0, or 1 with the reason. */
static int look_at_both(const char *folder, uint16_t replica_id, const struct ocs_index_mark *mark,
                        struct ocs_error *error)
{
	char path[PATH_MAX];

	if (ocs_index_mark_path(folder, replica_id, path, error) == 0 && access(path, F_OK) == 0 &&
	    !(mark->counted && mark->placed)) {
		ocs_error_set(error, "%.300s: damaged; the daemon makes it again when it starts",
		              path);
		return 1;
	}
	return look_behind(folder, mark, error);
}

/* index.tdb is not there; the mark does not matter then. */
static int look_at_nothing(const char *path, const char *replicas, uint16_t replica_id,
                           struct ocs_error *error)
{
	char why[4200];

	if (errno != ENOENT)
		return 0;
	snprintf(why, sizeof(why), "%s: %s", path, strerror(errno));
	switch (replica_listed(replicas, replica_id, error)) {
	case 0:
		return 0;
	case 1:
		index_is_gone(why, replica_id, replicas, error);
	}
	return -1;
}

int ocs_index_look(const char *folder, uint16_t replica_id, bool read, struct ocs_error *error)
{
	char path[4096], replicas[4096];
	struct ocs_index_mark mark;
	struct ocs_error moved = {.text = ""};
	int place, found = 0;

	if (replicas_path(folder, replicas, sizeof(replicas)) != 0 ||
	    snprintf(path, sizeof(path), "%s/index.tdb", folder) >= (int)sizeof(path))
		return ocs_error_set(error, "%s: the path is too long", folder);
	if (look_at_mark(folder, replica_id, &mark, &place, &moved, error) != OCS_STORE_OK)
		return -1;
	if (access(path, F_OK) != 0)
		return look_at_nothing(path, replicas, replica_id, error);
	if (read) {
		int inside = look_inside(path, replica_id, replicas, mark.counted, error);

		found = inside < 0 ? inside : look_at_later(folder, path, sizeof(path), error);
		if (found == 0)
			found = inside;
		if (found == 0)
			found = look_at_both(folder, replica_id, &mark, error);
	}
	if (found == 0 && place == OCS_PLACE_MOVED) {
		ocs_error_set(error, "%s", moved.text);
		return 1;
	}
	return found;
}

/* One without a high-water mark of its own goes on by the mark beside it, if that is there. */
static int open_existing(struct ocs_index *index, const char *path, gid_t gid, const char *replicas,
                         bool counted, struct ocs_error *error)
{
	uint64_t high_water;
	int ret = ocs_index_open_file(index, path, gid, &index->store, error);

	if (ret != OCS_STORE_OK || counted ||
	    ocs_index_high_water(index->store, &high_water, NULL) != OCS_STORE_MISSING)
		return ret;
	/* Without the list of replica ids its maker was killed before the first mark: nothing was
	 * given from it. */
	if (!index->salvaged && access(replicas, F_OK) != 0)
		return ocs_index_counter_set(index, 1, error);
	ocs_error_set(error, "%s: damaged, its high-water mark is lost", path);
	return OCS_STORE_CORRUPT;
}

static int open_store(struct ocs_index *index, const char *path, bool counted,
                      struct ocs_error *error)
{
	const char *folder = index->folder;
	char replicas[4096];
	struct ocs_error why;
	struct stat st;
	int listed, ret;

	if (!index->owner)
		return ocs_index_open_file(index, path, (gid_t)-1, &index->store, error);
	if (stat(folder, &st) != 0)
		return ocs_error_set(error, "%s: %s", folder, strerror(errno));
	if (replicas_path(folder, replicas, sizeof(replicas)) != 0)
		return ocs_error_set(error, "%s: the path is too long", folder);
	listed = replica_listed(replicas, index->replica_id, error);
	if (listed < 0)
		return OCS_STORE_ERROR;
	ret = open_existing(index, path, st.st_gid, replicas, counted, &why);
	if (ret == OCS_STORE_CORRUPT || (ret == OCS_STORE_MISSING && listed == 1))
		return index_is_gone(why.text, index->replica_id, replicas, error);
	if (ret == OCS_STORE_MISSING) {
		ret = ocs_store_open(path, HASH_SIZE, OCS_STORE_CREATE, 0660, st.st_gid,
		                     &index->store, NULL, &why);
		if (ret == OCS_STORE_OK)
			ret = ocs_index_counter_set(index, 1, &why);
		if (ret == OCS_STORE_OK)
			ocs_index_anchor(index->store);
	}
	if (ret == OCS_STORE_OK && listed == 0 &&
	    replica_add(replicas, index->replica_id, &why) != 0)
		ret = OCS_STORE_ERROR;
	if (ret != OCS_STORE_OK)
		ocs_error_pass(error, &why);
	return ret;
}

static int open_files(struct ocs_index *index, const char *path, struct ocs_error *error)
{
	struct ocs_index_mark mark = {.counted = false};
	struct ocs_error moved = {.text = ""};
	int place = OCS_PLACE_SAME, ret = OCS_STORE_OK;

	if (index->owner)
		ret = look_at_mark(index->folder, index->replica_id, &mark, &place, &moved, error);
	if (ret == OCS_STORE_OK && place == OCS_PLACE_MOVED)
		ocs_index_note_move(index, &moved);
	if (ret == OCS_STORE_OK)
		ret = open_store(index, path, mark.counted, error);
	if (ret == OCS_STORE_OK)
		ret = ocs_index_open_others(index, (gid_t)-1, error);
	if (ret == OCS_STORE_OK && index->owner)
		ret = ocs_index_counter_open(index, place, error);
	if (ret == OCS_STORE_OK && index->owner)
		ret = ocs_index_keep_replicas(index, error);
	return ret;
}

int ocs_index_open(const char *folder, uint16_t replica_id, bool create, struct ocs_index **index_r,
                   struct ocs_error *error)
{
	struct ocs_index *index = talloc_zero(NULL, struct ocs_index);
	char *path;
	int ret;

	*index_r = NULL;
	if (index == NULL)
		return ocs_error_memory(error);
	talloc_set_destructor(index, index_destroy);
	index->replica_id = replica_id;
	index->owner = create;
	index->boot = ocs_index_boot();
	index->file_max = OCS_INDEX_FILE_MAX;
	index->names_lock = -1;
	atomic_init(&index->size_max, OCS_INDEX_SIZE_MAX);
	index->folder = talloc_strdup(index, folder);
	path = index->folder == NULL ? NULL : talloc_asprintf(index, "%s/index.tdb", folder);
	ret = path == NULL ? ocs_error_memory(error) : open_files(index, path, error);
	if (ret != OCS_STORE_OK) {
		talloc_free(index);
		return ret;
	}
	talloc_free(path);
	*index_r = index;
	return OCS_STORE_OK;
}

void ocs_index_close(struct ocs_index *index)
{
	talloc_free(index);
}

bool ocs_index_salvaged(const struct ocs_index *index)
{
	return index->salvaged;
}

struct ocs_store *ocs_index_store(struct ocs_index *index)
{
	return __atomic_load_n(&index->store, __ATOMIC_ACQUIRE);
}

void ocs_index_set_fold(struct ocs_index *index, bool fold)
{
	index->fold = fold;
}

void ocs_index_set_fixed(struct ocs_index *index, ocs_index_fixed_fn *fixed, void *arg)
{
	index->fixed = fixed;
	index->fixed_arg = arg;
}
