/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Checked records in a TDB file, in transactions: a version and a checksum over key and data stand
 * before each. Touches the open file; opening it is store_open.c's.
 */
#include "store/store_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <talloc.h>

#include "base/bytes.h"
#include "store/fault.h"
#include "base/file.h"
#include "base/shield.h"

#define RECORD_VERSION 1
#define RECORD_HEADER  OCS_STORE_RECORD

int (*ocs_store_tdb_commit)(struct tdb_context *tdb) = tdb_transaction_commit;

const char *ocs_store_path(const struct ocs_store *store)
{
	return store->path;
}

/* A file that cannot be read gets a new number each time, so that nobody uses what they cached. */
uint32_t ocs_store_seqnum(const struct ocs_store *store)
{
	static atomic_uint_least32_t unknown = 0x80000000;
	uint32_t seqnum;

	return ocs_store_header(store, &seqnum) == 0 ? seqnum : atomic_fetch_add(&unknown, 1);
}

int ocs_store_present(const struct ocs_store *store, struct ocs_error *error)
{
	return ocs_file_present(tdb_fd(store->tdb), store->path, error);
}

int ocs_store_descriptor(const struct ocs_store *store)
{
	return tdb_fd(store->tdb);
}

void ocs_store_set_limit(struct ocs_store *store, uint64_t size_max)
{
	store->size_max = size_max;
}

/* In a transaction libtdb knows how large the file will be. */
static int check_size(struct ocs_store *store, struct ocs_error *error)
{
	if (tdb_map_size(store->tdb) <= store->size_max)
		return OCS_STORE_OK;
	ocs_error_set(error, "%s: full: it may not be larger than %llu bytes", store->path,
	              (unsigned long long)store->size_max);
	return OCS_STORE_FULL;
}

/* A call that libtdb had to complain in has failed, whatever it returned. */
static bool complained(const struct ocs_store *store)
{
	return store->log[0] != '\0';
}

/* Nothing may be written into a file that is no longer what it was. */
static int check_before_write(struct ocs_store *store, struct ocs_error *error)
{
	int ret = ocs_store_usable(store, error);

	if (ret == OCS_STORE_OK)
		atomic_store(&store->size, ocs_store_size(store));
	return ret;
}

static int store_begin(struct ocs_store *store, unsigned wait_ms, struct ocs_error *error)
{
	struct ocs_shield shield;
	int ret = ocs_store_release(store, error);

	if (ret == OCS_STORE_OK)
		ret = check_before_write(store, error);
	if (ret == OCS_STORE_OK)
		ret = ocs_store_lock_begin(store, wait_ms, error);
	if (ret != OCS_STORE_OK)
		return ret;
	ocs_store_forget_error(store);
	ocs_shield_up(&shield);
	ret = tdb_transaction_start_nonblock(store->tdb);
	ocs_shield_down(&shield);
	if (ret != 0) {
		ret = ocs_store_error(store, "begin a transaction", error);
		ocs_store_lock_lost(store);
		return ret;
	}
	store->in_transaction = true;
	return OCS_STORE_OK;
}

int ocs_store_begin(struct ocs_store *store, struct ocs_error *error)
{
	return store_begin(store, ocs_store_wait_ms, error);
}

int ocs_store_try_begin(struct ocs_store *store, struct ocs_error *error)
{
	return store_begin(store, 0, error);
}

/* libtdb calls a commit done too of which it could not take the mark of a recovery away: with the
 * next lock that anybody takes the file is what it was before. */
static bool will_be_undone(const struct ocs_store *store, uint32_t seqnum_before)
{
	uint32_t seqnum;

	return ocs_store_needs_recovery(store) || ocs_store_header(store, &seqnum) != 0 ||
	       seqnum == seqnum_before;
}

int ocs_store_commit(struct ocs_store *store, bool sync, struct ocs_error *error)
{
	struct ocs_shield shield;
	uint32_t before = 0;
	int ret = check_before_write(store, error);

	if (ret == OCS_STORE_OK && ocs_store_header(store, &before) != 0)
		ret = ocs_error_set(error, "%s: cannot read: %s", store->path, strerror(errno));
	if (ret == OCS_STORE_OK && store->in_transaction)
		ret = ocs_store_lock_commit(store, error);
	if (ret != OCS_STORE_OK) {
		ocs_store_cancel(store);
		return ret;
	}
	store->in_transaction = false;
	if (sync)
		tdb_remove_flags(store->tdb, TDB_NOSYNC);
	else
		tdb_add_flags(store->tdb, TDB_NOSYNC);
	ocs_store_forget_error(store);
	ocs_shield_up(&shield);
	ret = ocs_store_tdb_commit(store->tdb);
	if (ret == 0 && complained(store) && will_be_undone(store, before))
		ret = -1;
	if (ret != 0) {
		ret = ocs_store_error(store, "commit", error);
		/* libtdb keeps it open when the last sync fails, and begins no other one then. What
		 * it has written by then stays. */
		(void)tdb_transaction_cancel(store->tdb);
	}
	ocs_store_lock_end(store);
	ocs_shield_down(&shield);
	return ret;
}

void ocs_store_cancel(struct ocs_store *store)
{
	struct ocs_shield shield;

	if (!store->in_transaction)
		return;
	store->in_transaction = false;
	ocs_shield_up(&shield);
	tdb_transaction_cancel(store->tdb);
	ocs_store_lock_end(store);
	ocs_shield_down(&shield);
}

bool ocs_store_in_transaction(const struct ocs_store *store)
{
	return store->in_transaction;
}

int ocs_store_sync(struct ocs_store *store, struct ocs_error *error)
{
	if (fdatasync(tdb_fd(store->tdb)) != 0)
		return ocs_error_set(error, "%s: cannot sync: %s", store->path, strerror(errno));
	return OCS_STORE_OK;
}

/* The checksum covers the key too: a record under another's key does not verify. */
static uint32_t checksum(const void *key, size_t key_len, const uint8_t *data, size_t len)
{
	TDB_DATA k = {.dptr = (unsigned char *)(uintptr_t)key, .dsize = key_len};
	TDB_DATA d = {.dptr = (unsigned char *)(uintptr_t)data, .dsize = len};
	uint32_t h = tdb_jenkins_hash(&k);

	return (h << 7 | h >> 25) ^ tdb_jenkins_hash(&d);
}

bool ocs_store_verify(const void *key, size_t key_len, const uint8_t *record, size_t size)
{
	return size >= RECORD_HEADER && record[0] == RECORD_VERSION &&
	       ocs_get32(record + 1) ==
	               checksum(key, key_len, record + RECORD_HEADER, size - RECORD_HEADER);
}

/* Not -1, which is libtdb's own: with the error of an earlier call it would read as missing. */
#define NO_MEMORY (-100)

struct fetch {
	const void *mem_ctx;
	const void *key;
	size_t key_len;
	uint8_t **data_r;
	size_t *len_r;
};

static int store_fetch_parse(TDB_DATA key, TDB_DATA record, void *private_data)
{
	struct fetch *fetch = private_data;

	(void)key;
	if (!ocs_store_verify(fetch->key, fetch->key_len, record.dptr, record.dsize))
		return OCS_STORE_DAMAGED;
	*fetch->len_r = record.dsize - RECORD_HEADER;
	/* One byte more, so that an empty record is an allocation and text can be terminated. */
	*fetch->data_r = talloc_size(fetch->mem_ctx, *fetch->len_r + 1);
	if (*fetch->data_r == NULL)
		return NO_MEMORY;
	memcpy(*fetch->data_r, record.dptr + RECORD_HEADER, *fetch->len_r);
	(*fetch->data_r)[*fetch->len_r] = '\0';
	return OCS_STORE_OK;
}

int ocs_store_parse(struct ocs_store *store, TDB_DATA key,
                    int (*parser)(TDB_DATA key, TDB_DATA record, void *arg), void *arg,
                    struct ocs_error *error)
{
	bool lock = !store->in_transaction && !store->held && ocs_store_has_locks(store);
	int ret = lock ? ocs_store_lock_key(store, key, error) : OCS_STORE_OK;

	if (ret != OCS_STORE_OK)
		return ret == OCS_STORE_ERROR ? OCS_STORE_NO_LOCK : OCS_STORE_BUSY;
	ret = tdb_parse_record(store->tdb, key, parser, arg);
	if (lock)
		tdb_chainunlock_read(store->tdb, key);
	return ret;
}

static int store_anchor_parse(TDB_DATA key, TDB_DATA record, void *private_data)
{
	(void)key;
	(void)record;
	(void)private_data;
	return 0;
}

/* 0: it is there; OCS_STORE_BUSY: that cannot be told. */
static int find_anchor(struct ocs_store *store, struct ocs_error *error)
{
	TDB_DATA k = {.dptr = store->anchor, .dsize = store->anchor_len};

	return ocs_store_parse(store, k, store_anchor_parse, NULL, error);
}

bool ocs_store_set_anchor(struct ocs_store *store, const void *key, size_t key_len)
{
	memcpy(store->anchor, key, key_len);
	store->anchor_len = key_len;
	if (find_anchor(store, NULL) != 0)
		store->anchor_len = 0;
	ocs_store_forget_error(store);
	return store->anchor_len > 0;
}

/* After what was not found: it is missing only from a file that is whole. Heads of chains come
 * before all records in the file, so that a cut which spares the anchor spares the heads. */
int ocs_store_check_missing(struct ocs_store *store, int missing, struct ocs_error *error)
{
	int found;

	/* libtdb calls a record missing also when it could not read its chain. */
	if (complained(store))
		return ocs_store_error(store, "read", error);
	found = store->anchor_len == 0 ? 0 : find_anchor(store, error);
	if (found == 0)
		return missing;
	if (found == OCS_STORE_BUSY)
		return found;
	if (found == OCS_STORE_NO_LOCK)
		return OCS_STORE_ERROR;
	if (complained(store))
		return ocs_store_error(store, "read", error);
	atomic_store(&store->damaged, true);
	ocs_error_set(error, "%s: damaged while in use", store->path);
	return OCS_STORE_CORRUPT;
}

/* ---- many fetches with one lock ---- */

void ocs_store_hold(struct ocs_store *store)
{
	store->together = ocs_store_has_locks(store);
}

static int take_hold(struct ocs_store *store, struct ocs_error *error)
{
	int ret = ocs_store_lock_records(store, error);

	store->held = ret == OCS_STORE_OK;
	return ret;
}

/* What the first fetch would have looked at, and each that found nothing. */
int ocs_store_release(struct ocs_store *store, struct ocs_error *error)
{
	int ret = OCS_STORE_OK;
	uint32_t seqnum;

	store->together = false;
	if (!store->held)
		return OCS_STORE_OK;
	if (store->missed) {
		ocs_store_forget_error(store);
		ret = ocs_store_header(store, &seqnum) != 0
		              ? ocs_store_error(store, "read", error)
		              : ocs_store_check_missing(store, OCS_STORE_OK, error);
	}
	store->held = store->missed = false;
	tdb_unlockall_read(store->tdb);
	return ret;
}

static int missing(struct ocs_store *store, struct ocs_error *error)
{
	if (!store->held || complained(store))
		return ocs_store_check_missing(store, OCS_STORE_MISSING, error);
	store->missed = true;
	return OCS_STORE_MISSING;
}

int ocs_store_fetch(struct ocs_store *store, const void *mem_ctx, const void *key, size_t key_len,
                    uint8_t **data_r, size_t *len_r, struct ocs_error *error)
{
	TDB_DATA k = {.dptr = (unsigned char *)(uintptr_t)key, .dsize = key_len};
	struct fetch fetch = {mem_ctx, key, key_len, data_r, len_r};
	uint32_t seqnum;
	int ret;

	*data_r = NULL;
	*len_r = 0;
	ocs_store_forget_error(store);
	if (store->together && !store->held && !store->in_transaction) {
		ret = take_hold(store, error);
		if (ret != OCS_STORE_OK)
			return ret;
	}
	/* A hole where the file was cut short and written again looks like an empty one. */
	if (!store->alone && !store->held && ocs_store_header(store, &seqnum) != 0)
		return ocs_store_error(store, "read", error);
	ret = ocs_store_parse(store, k, store_fetch_parse, &fetch, error);
	if (ret == OCS_STORE_BUSY)
		return ret;
	if (ret == OCS_STORE_NO_LOCK)
		return OCS_STORE_ERROR;
	if (ret == -1 && tdb_error(store->tdb) == TDB_ERR_NOEXIST)
		return missing(store, error);
	if (ret == NO_MEMORY)
		return ocs_error_memory_of(error, store->path);
	if (ret == OCS_STORE_DAMAGED)
		ocs_error_set(error, "%s: a record is damaged", store->path);
	else if (ret != 0)
		return ocs_store_error(store, "read", error);
	return ret;
}

static int store_pass_by(struct tdb_context *tdb, TDB_DATA key, TDB_DATA record, void *arg)
{
	(void)tdb;
	(void)key;
	(void)record;
	(void)arg;
	return 0;
}

/* Before a record goes: libtdb frees what is dead in its chain, without an end where the chain
 * leads back to itself, and with the lock that all others wait for. */
static int check_chain(struct ocs_store *store, TDB_DATA key, struct ocs_error *error)
{
	ocs_store_forget_error(store);
	if (tdb_traverse_key_chain(store->tdb, key, store_pass_by, NULL) >= 0 && !complained(store))
		return OCS_STORE_OK;
	return ocs_store_error(store, "read", error);
}

/* In place of what is there, if anything is. A larger one takes another place: the one before goes.
 * To replace what is not there libtdb looks for it twice, through the whole chain; to insert it, it
 * purges what is dead in the chain even where looking for it has met that leading back. */
static int replace(struct ocs_store *store, TDB_DATA key, const TDB_DATA *parts, int n,
                   const char *what, struct ocs_error *error)
{
	bool there;

	ocs_store_forget_error(store);
	there = tdb_exists(store->tdb, key);
	if (!there && complained(store))
		return ocs_store_error(store, what, error);
	if (there && check_chain(store, key, error) != OCS_STORE_OK)
		return OCS_STORE_ERROR;
	ocs_store_forget_error(store);
	if (tdb_storev(store->tdb, key, parts, n, there ? TDB_REPLACE : TDB_INSERT) != 0 ||
	    complained(store))
		return ocs_store_error(store, what, error);
	return OCS_STORE_OK;
}

int ocs_store_put(struct ocs_store *store, const void *key, size_t key_len, const void *data,
                  size_t len, struct ocs_error *error)
{
	TDB_DATA k = {.dptr = (unsigned char *)(uintptr_t)key, .dsize = key_len};
	uint8_t header[RECORD_HEADER] = {RECORD_VERSION};
	TDB_DATA parts[2] = {
	        {.dptr = header, .dsize = sizeof(header)},
	        {.dptr = (unsigned char *)(uintptr_t)data, .dsize = len},
	};
	int ret;

	if (!store->in_transaction)
		return ocs_error_set(error, "%s: write outside a transaction", store->path);
	ocs_put32(header + 1, checksum(key, key_len, data, len));
	ret = replace(store, k, parts, 2, "write", error);
	return ret == OCS_STORE_OK ? check_size(store, error) : ret;
}

int ocs_store_delete(struct ocs_store *store, const void *key, size_t key_len,
                     struct ocs_error *error)
{
	TDB_DATA k = {.dptr = (unsigned char *)(uintptr_t)key, .dsize = key_len};

	if (!store->in_transaction)
		return ocs_error_set(error, "%s: write outside a transaction", store->path);
	if (check_chain(store, k, error) != OCS_STORE_OK)
		return OCS_STORE_ERROR;
	ocs_store_forget_error(store);
	if ((tdb_delete(store->tdb, k) != 0 && tdb_error(store->tdb) != TDB_ERR_NOEXIST) ||
	    complained(store))
		return ocs_store_error(store, "delete", error);
	return OCS_STORE_OK;
}

int ocs_store_wipe(struct ocs_store *store, struct ocs_error *error)
{
	if (!store->in_transaction)
		return ocs_error_set(error, "%s: write outside a transaction", store->path);
	if (tdb_wipe_all(store->tdb) != 0)
		return ocs_store_error(store, "empty it", error);
	return OCS_STORE_OK;
}

int ocs_store_quarantine(struct ocs_store *store, const void *key, size_t key_len,
                         struct ocs_error *error)
{
	TDB_DATA k = {.dptr = (unsigned char *)(uintptr_t)key, .dsize = key_len};
	TDB_DATA record, aside;
	int ret;

	if (!store->in_transaction)
		return ocs_error_set(error, "%s: write outside a transaction", store->path);
	ocs_store_forget_error(store);
	record = tdb_fetch(store->tdb, k);
	if (record.dptr == NULL)
		return complained(store) ? ocs_store_error(store, "read", error) : OCS_STORE_OK;
	aside.dsize = key_len + 1;
	aside.dptr = malloc(aside.dsize);
	if (aside.dptr == NULL) {
		free(record.dptr);
		return ocs_error_memory(error);
	}
	aside.dptr[0] = 'Q';
	memcpy(aside.dptr + 1, key, key_len);
	ret = replace(store, aside, &record, 1, "set a damaged record aside", error);
	free(record.dptr);
	free(aside.dptr);
	return ret == OCS_STORE_OK ? ocs_store_delete(store, key, key_len, error) : ret;
}
