/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The identifier index as a whole: opened, closed, its counter, its transactions; see index.h.
 * Folders are in index_folder.c, messages in index_message.c. Touches index*.tdb and replica_ids;
 * the owner's thread.
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

#include "base/bytes.h"

#define HASH_SIZE   OCS_INDEX_HASH
#define COUNTER_MAX 0xffffffffffffULL /* 48 bits */

static const char key_high_water[] = {'H'};

/* ---- identifiers: replica id little-endian, then the counter with its first byte first ---- */

static uint64_t make_id(uint16_t replica_id, uint64_t counter)
{
	return replica_id | __builtin_bswap64(counter);
}

uint64_t ocs_index_id_next(uint64_t id)
{
	uint64_t counter = __builtin_bswap64(id & ~0xffffULL);

	return make_id((uint16_t)id, counter + 1);
}

int ocs_index_reserve(struct ocs_index *index, unsigned n, uint64_t *first_r,
                      struct ocs_error *error)
{
	uint8_t *data, next[8];
	uint64_t counter;
	size_t len;
	int ret = ocs_store_fetch(index->store, index, key_high_water, sizeof(key_high_water),
	                          &data, &len, error);

	if (ret == OCS_STORE_ERROR)
		return ret;
	if (ret != OCS_STORE_OK || len != 8) {
		talloc_free(data);
		ocs_error_set(
		        error,
		        "%s: the high-water mark of the identifiers is damaged, so none can be "
		        "given: restore the file from a backup, or move it away and set [main] "
		        "replica_id to a number never used here",
		        ocs_store_path(index->store));
		return OCS_STORE_CORRUPT;
	}
	counter = ocs_get64(data);
	talloc_free(data);
	/* An older copy of the file in its place: what was given since is not given again. */
	if (counter < index->mark) {
		atomic_store(&index->behind, true);
		counter = index->mark;
	}
	if (counter == 0 || counter > COUNTER_MAX - n)
		return ocs_error_set(error, "%s: all identifiers of this replica id are given",
		                     ocs_store_path(index->store));
	ocs_put64(next, counter + n);
	ret = ocs_store_put(index->store, key_high_water, sizeof(key_high_water), next,
	                    sizeof(next), error);
	if (ret == OCS_STORE_OK)
		*first_r = make_id(index->replica_id, counter);
	if (ret == OCS_STORE_OK)
		index->next_mark = counter + n;
	return ret;
}

/* ---- the list of replica ids in use: identifiers never repeat, even if the index is lost ---- */

static int replicas_path(const char *folder, char *path, size_t size)
{
	int n = snprintf(path, size, "%s/replica_ids", folder);

	return n < 0 || (size_t)n >= size ? -1 : 0;
}

/* 1: listed, 0: not, -1: cannot be read. */
static int replica_listed(const char *path, uint16_t replica_id, struct ocs_error *error)
{
	FILE *file = fopen(path, "re");
	char line[64];
	int listed = 0;

	if (file == NULL)
		return errno == ENOENT ? 0 : ocs_error_set(error, "%s: %s", path, strerror(errno));
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
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);
	char line[16];
	int len, failed;

	if (fd < 0)
		return ocs_error_set(error, "%s: %s", path, strerror(errno));
	len = snprintf(line, sizeof(line), "%u\n", replica_id);
	failed = write(fd, line, (size_t)len) != len || fsync(fd) != 0;
	close(fd);
	return failed ? ocs_error_set(error, "%s: cannot write: %s", path, strerror(errno)) : 0;
}

static int index_destroy(struct ocs_index *index)
{
	ocs_store_close(index->store);
	for (unsigned i = 0; i < index->n_sealed; i++)
		ocs_store_close(index->sealed[i]);
	return 0;
}

/* A new file starts its counter at 1; an old one must have one. */
static int start_counter(struct ocs_index *index, struct ocs_error *error)
{
	uint8_t *data, first[8];
	size_t len;
	int ret = ocs_store_fetch(index->store, index, key_high_water, sizeof(key_high_water),
	                          &data, &len, error);

	talloc_free(data);
	if (ret != OCS_STORE_MISSING)
		return ret == OCS_STORE_DAMAGED ? OCS_STORE_OK : ret; /* reserve explains */
	ocs_put64(first, 1);
	ret = ocs_index_begin(index, error);
	if (ret != OCS_STORE_OK)
		return ret;
	ret = ocs_store_put(index->store, key_high_water, sizeof(key_high_water), first,
	                    sizeof(first), error);
	if (ret != OCS_STORE_OK) {
		ocs_index_cancel(index);
		return ret;
	}
	return ocs_index_commit(index, error);
}

/* One that is there and damaged counts too: reserve explains. */
static bool has_high_water(struct ocs_index *index)
{
	uint8_t *data;
	size_t len;
	int ret = ocs_store_fetch(index->store, index, key_high_water, sizeof(key_high_water),
	                          &data, &len, NULL);

	talloc_free(data);
	return ret != OCS_STORE_MISSING;
}

static int index_is_gone(const char *why, uint16_t replica_id, const char *replicas,
                         struct ocs_error *error)
{
	ocs_error_set(error,
	              "%.200s; identifiers of replica id %u were given from it and must never "
	              "be given again: restore it from a backup, or move it away and set [main] "
	              "replica_id to a number that is not in %.100s",
	              why, replica_id, replicas);
	return OCS_STORE_CORRUPT;
}

/* The file is there. */
static int look_inside(const char *path, uint16_t replica_id, const char *replicas,
                       struct ocs_error *error)
{
	enum ocs_store_result mark = OCS_STORE_OK;
	struct ocs_error why;
	int ret = ocs_store_look(path, key_high_water, sizeof(key_high_water), &mark, &why);

	if (ret == OCS_STORE_BUSY || ret == OCS_STORE_MISSING)
		return 0;
	if (ret == OCS_STORE_ERROR)
		return ocs_error_set(error, "%s", why.text);
	if (ret != OCS_STORE_CORRUPT && mark != OCS_STORE_OK &&
	    (mark == OCS_STORE_DAMAGED || access(replicas, F_OK) == 0)) {
		ocs_error_set(&why, "%s: damaged, its high-water mark %s", path,
		              mark == OCS_STORE_DAMAGED ? "does not verify" : "is lost");
		ret = OCS_STORE_CORRUPT;
	}
	if (ret == OCS_STORE_CORRUPT) {
		index_is_gone(why.text, replica_id, replicas, error);
		return -1;
	}
	if (ret == OCS_STORE_OK)
		return 0;
	ocs_error_set(error, "%s", why.text);
	return 1;
}

/* The files that follow the first one, whose path that is: as look_inside(). A sealed file is not
 * checked by a start either, but must have a next one. */
static int look_at_later(const char *folder, char *path, size_t size, struct ocs_error *error)
{
	enum ocs_store_result seal = OCS_STORE_OK;
	struct ocs_error why;
	int ret = ocs_store_look(path, ocs_index_key_seal, sizeof(ocs_index_key_seal), &seal, &why),
	    found = 0;

	for (unsigned n = 1; n < OCS_INDEX_FILES_MAX; n++) {
		bool sealed = (ret == OCS_STORE_OK || ret == OCS_STORE_DAMAGED) &&
		              seal != OCS_STORE_MISSING;

		if (snprintf(path, size, "%s/index.%u.tdb", folder, n) >= (int)size)
			return ocs_error_set(error, "%s: the path is too long", folder);
		if (!sealed && access(path, F_OK) != 0)
			break;
		ret = ocs_store_look(path, ocs_index_key_seal, sizeof(ocs_index_key_seal), &seal,
		                     &why);
		if (ret == OCS_STORE_MISSING || ret == OCS_STORE_CORRUPT)
			return ocs_error_set(error, "%.300s; %s", why.text, ocs_index_goes_on);
		if (ret == OCS_STORE_ERROR)
			return ocs_error_set(error, "%s", why.text);
		if (ret == OCS_STORE_DAMAGED && seal == OCS_STORE_MISSING) {
			ocs_error_set(error, "%s", why.text);
			found = 1;
		}
	}
	return found;
}

int ocs_index_look(const char *folder, uint16_t replica_id, bool read, struct ocs_error *error)
{
	char path[4096], replicas[4096], why[4200];

	if (replicas_path(folder, replicas, sizeof(replicas)) != 0 ||
	    snprintf(path, sizeof(path), "%s/index.tdb", folder) >= (int)sizeof(path))
		return ocs_error_set(error, "%s: the path is too long", folder);
	if (access(path, F_OK) == 0 && read) {
		int found = look_inside(path, replica_id, replicas, error);
		int later = found < 0 ? found : look_at_later(folder, path, sizeof(path), error);

		return later != 0 ? later : found;
	}
	if (access(path, F_OK) == 0)
		return 0;
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

static int open_store(struct ocs_index *index, const char *folder, const char *path, bool create,
                      struct ocs_error *error)
{
	char replicas[4096];
	struct ocs_error why;
	struct stat st;
	int listed, ret;

	if (!create)
		return ocs_index_open_file(index, path, (gid_t)-1, &index->store, error);
	if (stat(folder, &st) != 0)
		return ocs_error_set(error, "%s: %s", folder, strerror(errno));
	if (replicas_path(folder, replicas, sizeof(replicas)) != 0)
		return ocs_error_set(error, "%s: the path is too long", folder);
	listed = replica_listed(replicas, index->replica_id, error);
	if (listed < 0)
		return OCS_STORE_ERROR;
	ret = ocs_index_open_file(index, path, st.st_gid, &index->store, &why);
	/* Without the list of replica ids its maker was killed before the first mark. */
	if (ret == OCS_STORE_OK && (index->salvaged || access(replicas, F_OK) == 0) &&
	    !has_high_water(index)) {
		ocs_error_set(&why, "%s: damaged, its high-water mark is lost", path);
		ret = OCS_STORE_CORRUPT;
	}
	if (ret == OCS_STORE_CORRUPT || (ret == OCS_STORE_MISSING && listed == 1))
		return index_is_gone(why.text, index->replica_id, replicas, error);
	if (ret == OCS_STORE_MISSING) {
		ret = ocs_store_open(path, HASH_SIZE, OCS_STORE_CREATE, 0660, st.st_gid,
		                     &index->store, NULL, &why);
		if (ret == OCS_STORE_OK)
			ret = start_counter(index, &why);
	} else if (ret == OCS_STORE_OK && access(replicas, F_OK) != 0) {
		/* Its maker was killed before the first mark: nothing was given from it. */
		ret = start_counter(index, &why);
	}
	if (ret == OCS_STORE_OK && listed == 0 &&
	    replica_add(replicas, index->replica_id, &why) != 0)
		ret = OCS_STORE_ERROR;
	if (ret != OCS_STORE_OK)
		ocs_error_set(error, "%s", why.text);
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
		return ocs_error_set(error, "out of memory");
	talloc_set_destructor(index, index_destroy);
	index->replica_id = replica_id;
	index->owner = create;
	index->file_max = OCS_INDEX_FILE_MAX;
	atomic_init(&index->size_max, OCS_INDEX_SIZE_MAX);
	index->folder = talloc_strdup(index, folder);
	path = index->folder == NULL ? NULL : talloc_asprintf(index, "%s/index.tdb", folder);
	ret = path == NULL ? ocs_error_set(error, "out of memory")
	                   : open_store(index, folder, path, create, error);
	if (ret == OCS_STORE_OK)
		ret = ocs_index_open_others(index, (gid_t)-1, error);
	if (ret == OCS_STORE_OK && create)
		ret = ocs_index_keep_replicas(index, error);
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

int ocs_index_commit(struct ocs_index *index, struct ocs_error *error)
{
	int ret = ocs_store_commit(index->store, true, error);

	if (ret == OCS_STORE_OK && index->next_mark > index->mark)
		index->mark = index->next_mark;
	index->next_mark = 0;
	return ret;
}

void ocs_index_cancel(struct ocs_index *index)
{
	ocs_store_cancel(index->store);
	index->next_mark = 0;
}

void ocs_index_set_fixed(struct ocs_index *index, ocs_index_fixed_fn *fixed, void *arg)
{
	index->fixed = fixed;
	index->fixed_arg = arg;
}
