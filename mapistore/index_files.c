/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The files of the identifier index: index.tdb, and when that is as large as a file of so many
 * hash chains may be, index.1.tdb and so on.
 *
 * Only the newest file is ever written, so that a transaction is one file's and whole or not at
 * all. What an older file says holds until a newer one has a record of the same key; a deletion of
 * what an older file has is an empty record. An older file ends with a seal, the record Z: whoever
 * begins a transaction and finds one goes on to the next file, so that daemon and libraries follow
 * each other. The daemon alone begins a file: it carries the high-water mark over, and only then
 * seals the one before. Killed in between, it leaves a file that the next start takes up.
 */
#include "mapistore/index_internal.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <talloc.h>

#include "base/bytes.h"
#include "base/shared_file.h"

const char ocs_index_key_high_water[1] = {'H'};
const char ocs_index_key_seal[1] = {'Z'};
const char ocs_index_goes_on[] =
        "the index goes on in this file: put a backup of all in place with `ocsctl index restore`";

/* ---- records ---- */

/* What a file has of a record; 1: it was deleted there. */
static int fetch_from(struct ocs_store *store, const void *mem_ctx, const void *key, size_t key_len,
                      uint8_t **data_r, size_t *len_r, struct ocs_error *error)
{
	int ret = ocs_store_fetch(store, mem_ctx, key, key_len, data_r, len_r, error);

	if (ret == OCS_STORE_OK && *len_r == 0) {
		TALLOC_FREE(*data_r);
		return 1;
	}
	return ret;
}

int ocs_index_fetch(struct ocs_index *index, const void *mem_ctx, const void *key, size_t key_len,
                    uint8_t **data_r, size_t *len_r, struct ocs_error *error)
{
	int ret = fetch_from(index->store, mem_ctx, key, key_len, data_r, len_r, error);

	if (ret == OCS_STORE_DAMAGED && ocs_store_in_transaction(index->store) &&
	    ocs_store_quarantine(index->store, key, key_len, error) != 0)
		return OCS_STORE_ERROR;
	for (unsigned i = index->n_sealed; i > 0 && ret == OCS_STORE_MISSING; i--)
		ret = fetch_from(index->sealed[i - 1], mem_ctx, key, key_len, data_r, len_r, error);
	return ret == 1 || ret == OCS_STORE_DAMAGED ? OCS_STORE_MISSING : ret;
}

int ocs_index_fetch_whole(struct ocs_index *index, const void *mem_ctx, const void *key,
                          size_t key_len, uint8_t **data_r, size_t *len_r, struct ocs_error *error)
{
	int ret = fetch_from(index->store, mem_ctx, key, key_len, data_r, len_r, error);

	for (unsigned i = index->n_sealed; i > 0 && ret == OCS_STORE_MISSING; i--)
		ret = fetch_from(index->sealed[i - 1], mem_ctx, key, key_len, data_r, len_r, error);
	return ret == 1 ? OCS_STORE_MISSING : ret;
}

int ocs_index_put(struct ocs_index *index, const void *key, size_t key_len, const void *data,
                  size_t len, struct ocs_error *error)
{
	return ocs_store_put(index->store, key, key_len, data, len, error);
}

int ocs_index_delete(struct ocs_index *index, const void *key, size_t key_len,
                     struct ocs_error *error)
{
	int ret = OCS_STORE_MISSING;
	uint8_t *data = NULL;
	size_t len;

	for (unsigned i = index->n_sealed; i > 0 && ret == OCS_STORE_MISSING; i--) {
		ret = fetch_from(index->sealed[i - 1], index, key, key_len, &data, &len, error);
		talloc_free(data);
	}
	if (ret == OCS_STORE_MISSING || ret == 1)
		return ocs_store_delete(index->store, key, key_len, error);
	if (ret != OCS_STORE_OK && ret != OCS_STORE_DAMAGED)
		return ret;
	return ocs_store_put(index->store, key, key_len, "", 0, error);
}

void ocs_index_hold(struct ocs_index *index)
{
	ocs_store_hold(index->store);
	for (unsigned i = 0; i < index->n_sealed; i++)
		ocs_store_hold(index->sealed[i]);
}

int ocs_index_release(struct ocs_index *index, struct ocs_error *error)
{
	int ret = ocs_store_release(index->store, error);

	for (unsigned i = 0; i < index->n_sealed; i++) {
		int sealed =
		        ocs_store_release(index->sealed[i], ret == OCS_STORE_OK ? error : NULL);

		ret = ret == OCS_STORE_OK ? sealed : ret;
	}
	return ret;
}

/* ---- the seal and the mark ---- */

/* A seal that does not verify is one: nothing else has its key. */
bool ocs_index_sealed(struct ocs_store *store)
{
	uint8_t *data;
	size_t len;
	int ret = ocs_store_fetch(store, NULL, ocs_index_key_seal, sizeof(ocs_index_key_seal),
	                          &data, &len, NULL);

	talloc_free(data);
	return ret == OCS_STORE_OK || ret == OCS_STORE_DAMAGED;
}

int ocs_index_high_water(struct ocs_store *store, uint64_t *counter_r, struct ocs_error *error)
{
	uint8_t *data;
	size_t len;
	int ret = ocs_store_fetch(store, NULL, ocs_index_key_high_water,
	                          sizeof(ocs_index_key_high_water), &data, &len, error);

	*counter_r = 0;
	if (ret == OCS_STORE_OK && len == sizeof(*counter_r))
		*counter_r = ocs_get64(data);
	else if (ret == OCS_STORE_OK)
		ret = OCS_STORE_DAMAGED;
	talloc_free(data);
	return ret;
}

/* First bytes of records that are made from the others. */
static const char derived[] = "L"; /* index_layer.h */

bool ocs_index_derived(uint8_t prefix)
{
	return prefix != '\0' && strchr(derived, prefix) != NULL;
}

bool ocs_index_beside(const uint8_t *key, size_t key_len)
{
	return ocs_index_derived(key[0]) || key[0] == (uint8_t)ocs_index_key_seal[0] ||
	       (key_len == strlen(OCS_INDEX_KEY_TRY) &&
	        memcmp(key, OCS_INDEX_KEY_TRY, key_len) == 0);
}

static int index_files_readable(const void *key, size_t key_len, const uint8_t *data, size_t len,
                                void *arg)
{
	(void)len;
	(void)arg;
	return data != NULL && !ocs_index_derived(*(const uint8_t *)key) &&
	       !(key_len == sizeof(ocs_index_key_high_water) &&
	         memcmp(key, ocs_index_key_high_water, key_len) == 0);
}

bool ocs_index_readable(struct ocs_store *store)
{
	return ocs_store_each(store, -1, index_files_readable, NULL, NULL) == 1;
}

int ocs_index_put_high_water(struct ocs_store *store, uint64_t counter, struct ocs_error *error)
{
	uint8_t data[8];

	ocs_put64(data, counter);
	return ocs_store_put(store, ocs_index_key_high_water, sizeof(ocs_index_key_high_water),
	                     data, sizeof(data), error);
}

void ocs_index_anchor(struct ocs_store *store)
{
	(void)ocs_store_set_anchor(store, ocs_index_key_high_water,
	                           sizeof(ocs_index_key_high_water));
}

/* 0 where there is none that verifies. */
static uint64_t mark_of(struct ocs_store *store)
{
	uint64_t mark;

	(void)ocs_index_high_water(store, &mark, NULL);
	return mark;
}

/* Never lowers it: a library may have raised it a moment ago. */
static int raise_mark(struct ocs_store *store, uint64_t mark, struct ocs_error *error)
{
	int ret = ocs_store_begin(store, error);

	if (ret == OCS_STORE_OK && mark_of(store) < mark)
		ret = ocs_index_put_high_water(store, mark, error);
	if (ret == OCS_STORE_OK)
		return ocs_store_commit(store, true, error);
	ocs_store_cancel(store);
	return ret;
}

/* ---- one file after the other ---- */

int ocs_index_file_path(const char *folder, unsigned n, char path[PATH_MAX])
{
	int len = n == 0 ? snprintf(path, PATH_MAX, "%s/index.tdb", folder)
	                 : snprintf(path, PATH_MAX, "%s/index.%u.tdb", folder, n);

	return len > 0 && len < PATH_MAX ? 0 : -1;
}

static char *file_path(struct ocs_index *index, unsigned n)
{
	char path[PATH_MAX];

	return ocs_index_file_path(index->folder, n, path) == 0 ? talloc_strdup(index, path) : NULL;
}

uint64_t ocs_index_newest(const char *folder, char path[PATH_MAX])
{
	struct ocs_store *store;
	char next[PATH_MAX];
	uint64_t mark;

	if (ocs_index_file_path(folder, 0, path) != 0)
		return 0;
	for (unsigned n = 1; n < OCS_INDEX_FILES_MAX; n++) {
		if (ocs_index_file_path(folder, n, next) != 0 ||
		    ocs_shared_look(next, NULL) != OCS_SHARED_FILE)
			break;
		strcpy(path, next);
	}
	if (ocs_store_open(path, 0, OCS_STORE_READ_ONLY, 0, (gid_t)-1, &store, NULL, NULL) !=
	    OCS_STORE_OK)
		return 0;
	mark = mark_of(store);
	ocs_store_close(store);
	return mark;
}

unsigned ocs_index_chains(const struct ocs_index *index, unsigned n)
{
	static const unsigned chains[] = {OCS_INDEX_HASH, 1048573, 2097143}; /* primes */
	unsigned i = n < 2 ? n : 2;

	while (i > 0 && index->file_max <= (uint64_t)chains[i - 1] * OCS_INDEX_CHAIN_MAX)
		i--;
	return chains[i];
}

/* A sealed file is never written, so what was whole once is whole; its records have checksums. The
 * others are checked, which takes the longer the larger they are. */
int ocs_index_open_file(struct ocs_index *index, const char *path, gid_t gid,
                        struct ocs_store **store_r, struct ocs_error *error)
{
	unsigned chains = ocs_index_chains(index, index->store != NULL ? index->n_sealed + 1 : 0);
	bool salvaged = false;
	int ret = ocs_store_open(path, chains, 0, 0, (gid_t)-1, store_r, NULL, error);

	if (index->owner &&
	    (ret == OCS_STORE_CORRUPT || (ret == OCS_STORE_OK && !ocs_index_sealed(*store_r)))) {
		ocs_store_close(*store_r);
		ret = ocs_store_open(path, chains, OCS_STORE_CHECK | OCS_STORE_SALVAGE, 0660, gid,
		                     store_r, &salvaged, error);
		index->salvaged = index->salvaged || salvaged;
	}
	if (ret == OCS_STORE_OK)
		ocs_index_anchor(*store_r);
	return ret;
}

static void add_file(struct ocs_index *index, struct ocs_store *store)
{
	index->sealed_bytes += ocs_store_size(index->store);
	index->sealed[index->n_sealed] = index->store;
	__atomic_store_n(&index->store, store, __ATOMIC_RELEASE);
	__atomic_store_n(&index->n_sealed, index->n_sealed + 1, __ATOMIC_RELEASE);
}

/* The newest file is sealed: the next one. */
static int follow_rename(struct ocs_index *index, gid_t gid, struct ocs_error *error)
{
	char *path = file_path(index, index->n_sealed + 1);
	struct ocs_store *store = NULL;
	struct ocs_error why = {.text = ""};
	int ret;

	if (path == NULL)
		return ocs_error_memory(error);
	ret = index->n_sealed + 1 == OCS_INDEX_FILES_MAX
	              ? ocs_error_set(&why, "%s: too many files", path)
	              : ocs_index_open_file(index, path, gid, &store, &why);
	if (ret == OCS_STORE_OK)
		add_file(index, store);
	else if (ret == OCS_STORE_MISSING || ret == OCS_STORE_CORRUPT)
		ret = OCS_STORE_CORRUPT;
	if (ret != OCS_STORE_OK)
		ocs_error_wrap(error, &why, "%.300s; %s", why.text, ocs_index_goes_on);
	talloc_free(path);
	return ret;
}

/* Seals the newest file, whose transaction is open, and goes on to a new one. On failure the
 * transaction is cancelled and all is as before. */
static int begin_file(struct ocs_index *index, struct ocs_error *error)
{
	char *path = file_path(index, index->n_sealed + 1);
	struct ocs_store *next = NULL;
	uint64_t mark = mark_of(index->store);
	struct stat st;
	uint8_t seal[8];
	int ret;

	if (path == NULL)
		ret = ocs_error_memory(error);
	else if (stat(index->folder, &st) != 0)
		ret = ocs_error_set(error, "%s: %s", index->folder, strerror(errno));
	else
		ret = ocs_store_open(path, ocs_index_chains(index, index->n_sealed + 1),
		                     OCS_STORE_CREATE, 0660, st.st_gid, &next, NULL, error);
	talloc_free(path);
	if (ret == OCS_STORE_OK && mark == 0)
		ret = ocs_error_set(error, "the high-water mark is damaged");
	if (ret == OCS_STORE_OK)
		ret = raise_mark(next, mark, error);
	ocs_put64(seal, index->n_sealed + 1);
	if (ret == OCS_STORE_OK)
		ret = ocs_store_put(index->store, ocs_index_key_seal, sizeof(ocs_index_key_seal),
		                    seal, sizeof(seal), error);
	if (ret == OCS_STORE_OK)
		ret = ocs_store_commit(index->store, true, error);
	if (ret == OCS_STORE_OK) {
		ocs_index_anchor(next);
		add_file(index, next);
		return ret;
	}
	ocs_store_cancel(index->store);
	ocs_store_close(next);
	return ret;
}

/* Bytes of a file that has no record yet: heads of chains, and what it is recovered from. */
#define NEXT_MAX (32ULL << 20)

bool ocs_index_wants_file(const struct ocs_index *index)
{
	uint64_t most = (uint64_t)ocs_store_chains(index->store) * OCS_INDEX_CHAIN_MAX;
	uint64_t size = ocs_store_size(index->store);

	/* From the third on they are as large as may be, or there could be too many. And what the
	 * next one has from its beginning must be allowed. */
	if (index->n_sealed >= 2 || most > index->file_max ||
	    index->sealed_bytes + size + NEXT_MAX >= atomic_load(&index->size_max))
		most = index->file_max;
	return index->owner && index->n_sealed + 1 < OCS_INDEX_FILES_MAX && size >= most;
}

/* In the open transaction of the newest file. Tried once a second where it fails. */
static bool wants_new_file(struct ocs_index *index)
{
	time_t now = time(NULL);

	if (!ocs_index_wants_file(index) || now == index->tried)
		return false;
	index->tried = now;
	return true;
}

int ocs_index_begin(struct ocs_index *index, struct ocs_error *error)
{
	struct ocs_error why;
	int ret;

	for (;;) {
		ret = ocs_store_begin(index->store, error);
		if (ret != OCS_STORE_OK)
			return ret;
		if (ocs_index_sealed(index->store)) {
			ocs_store_cancel(index->store);
			ret = follow_rename(index, (gid_t)-1, error);
			if (ret != OCS_STORE_OK)
				return ret;
		} else if (wants_new_file(index)) {
			/* If there can be none, this one has room: see index_file_max. */
			ret = begin_file(index, &why);
			atomic_store(&index->no_new_file, ret != OCS_STORE_OK);
		} else {
			return OCS_STORE_OK;
		}
	}
}

void ocs_index_refresh(struct ocs_index *index)
{
	uint32_t seqnum;

	if (index->owner || ocs_store_in_transaction(index->store))
		return;
	seqnum = ocs_store_seqnum(index->store);
	if (seqnum == index->seqnum_seen)
		return;
	/* What cannot be followed is said by the next transaction. */
	while (ocs_index_sealed(index->store) &&
	       follow_rename(index, (gid_t)-1, NULL) == OCS_STORE_OK)
		;
	index->seqnum_seen = ocs_store_seqnum(index->store);
}

/* Seals a file that is not the last one. Libraries give identifiers from it until then, so that its
 * mark counts as it is at that moment. */
static int seal_late(struct ocs_store *store, uint64_t *mark, struct ocs_error *error)
{
	int ret = ocs_store_begin(store, error);

	if (ret != OCS_STORE_OK)
		return ret;
	if (mark_of(store) > *mark)
		*mark = mark_of(store);
	ret = ocs_store_put(store, ocs_index_key_seal, sizeof(ocs_index_key_seal),
	                    ocs_index_key_seal, sizeof(ocs_index_key_seal), error);
	if (ret == OCS_STORE_OK)
		return ocs_store_commit(store, true, error);
	ocs_store_cancel(store);
	return ret;
}

/* Whether the file after the newest is there, and the daemon's. */
static bool next_is_there(struct ocs_index *index)
{
	char *path = file_path(index, index->n_sealed + 1);
	enum ocs_shared_kind kind = path != NULL ? ocs_shared_look(path, NULL) : OCS_SHARED_UNKNOWN;

	talloc_free(path);
	return kind != OCS_SHARED_MISSING && kind != OCS_SHARED_FOREIGN;
}

/* OCS_STORE_OK also where there is none that verifies, which has the mark 0. */
static int read_mark(struct ocs_store *store, uint64_t *mark_r, struct ocs_error *error)
{
	int ret = ocs_index_high_water(store, mark_r, error);

	return ret == OCS_STORE_MISSING || ret == OCS_STORE_DAMAGED ? OCS_STORE_OK : ret;
}

/* After the first file is open: the others. A file that is there although the one before has no
 * seal was begun by a process that was killed, or that one is older than it: an old copy. Its marks
 * count all the same. */
int ocs_index_open_others(struct ocs_index *index, gid_t gid, struct ocs_error *error)
{
	uint64_t mark, found;
	int ret = read_mark(index->store, &mark, error);

	while (ret == OCS_STORE_OK) {
		bool sealed = ocs_index_sealed(index->store);

		if (!sealed && (!index->owner || !next_is_there(index)))
			break;
		ret = follow_rename(index, gid, error);
		if (ret == OCS_STORE_OK)
			ret = read_mark(index->store, &found, error);
		if (ret == OCS_STORE_OK && found > mark)
			mark = found;
		if (ret != OCS_STORE_OK || sealed)
			continue;
		ret = seal_late(index->sealed[index->n_sealed - 1], &mark, error);
	}
	if (ret == OCS_STORE_OK && index->owner && index->n_sealed > 0) {
		ret = read_mark(index->store, &found, error);
		if (ret == OCS_STORE_OK && found < mark)
			ret = raise_mark(index->store, mark, error);
	}
	return ret;
}

/* ---- sizes ---- */

void ocs_index_set_limits(struct ocs_index *index, uint64_t file_max, uint64_t size_max)
{
	if (file_max != 0)
		index->file_max = file_max;
	if (size_max != 0)
		atomic_store(&index->size_max, size_max);
}

void ocs_index_sizes(const struct ocs_index *index, struct ocs_index_sizes *out)
{
	unsigned n = __atomic_load_n(&index->n_sealed, __ATOMIC_ACQUIRE);

	out->bytes = ocs_store_size(__atomic_load_n(&index->store, __ATOMIC_ACQUIRE));
	for (unsigned i = 0; i < n; i++)
		out->bytes += ocs_store_size(index->sealed[i]);
	out->limit = atomic_load(&index->size_max);
	out->files = n + 1;
	out->no_new_file = atomic_load(&index->no_new_file);
	out->behind = atomic_load(&index->behind);
}

bool ocs_index_full(const struct ocs_index *index)
{
	return index->sealed_bytes + ocs_store_size(index->store) >= atomic_load(&index->size_max);
}
