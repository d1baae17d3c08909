/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Checked records in a TDB file, in transactions: a version and a checksum over key and data stand
 * before each. Touches the open file; opening it is store_open.c's.
 */
#include "store/store_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <talloc.h>

#include "base/bytes.h"
#include "store/fault.h"
#include "base/file.h"
#include "base/shield.h"

#define RECORD_VERSION 1
#define RECORD_HEADER  5 /* version, checksum */

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

/* Nothing may be written into a file that is no longer what it was. */
static int check_before_write(struct ocs_store *store, struct ocs_error *error)
{
	int ret = ocs_store_usable(store, error);

	if (ret == OCS_STORE_OK)
		atomic_store(&store->size, ocs_store_size(store));
	return ret;
}

static int store_begin(struct ocs_store *store, int (*start)(struct tdb_context *tdb),
                       struct ocs_error *error)
{
	struct ocs_shield shield;
	int ret = check_before_write(store, error);

	if (ret != OCS_STORE_OK)
		return ret;
	ocs_store_forget_error(store);
	ocs_shield_up(&shield);
	ret = start(store->tdb);
	ocs_shield_down(&shield);
	if (ret != 0 &&
	    (tdb_error(store->tdb) == TDB_ERR_NOLOCK || tdb_error(store->tdb) == TDB_ERR_LOCK) &&
	    start == tdb_transaction_start_nonblock) {
		ocs_error_set(error, "%s: locked by process %d", store->path,
		              (int)ocs_store_lock_holder(store));
		return OCS_STORE_BUSY;
	}
	if (ret != 0)
		return ocs_store_error(store, "begin a transaction", error);
	store->in_transaction = true;
	return OCS_STORE_OK;
}

int ocs_store_begin(struct ocs_store *store, struct ocs_error *error)
{
	return store_begin(store, tdb_transaction_start, error);
}

int ocs_store_try_begin(struct ocs_store *store, struct ocs_error *error)
{
	return store_begin(store, tdb_transaction_start_nonblock, error);
}

int ocs_store_commit(struct ocs_store *store, bool sync, struct ocs_error *error)
{
	struct ocs_shield shield;
	int ret = check_before_write(store, error);

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
	ocs_shield_down(&shield);
	return ret == 0 ? OCS_STORE_OK : ocs_store_error(store, "commit", error);
}

void ocs_store_cancel(struct ocs_store *store)
{
	struct ocs_shield shield;

	if (!store->in_transaction)
		return;
	store->in_transaction = false;
	ocs_shield_up(&shield);
	tdb_transaction_cancel(store->tdb);
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
	/* A hole where the file was cut short and written again looks like an empty one. */
	if (ocs_store_header(store, &seqnum) != 0)
		return ocs_store_error(store, "read", error);
	ret = tdb_parse_record(store->tdb, k, store_fetch_parse, &fetch);
	if (ret == -1 && tdb_error(store->tdb) == TDB_ERR_NOEXIST)
		return OCS_STORE_MISSING;
	if (ret == NO_MEMORY)
		return ocs_error_set(error, "%s: cannot read: out of memory", store->path);
	if (ret == OCS_STORE_DAMAGED)
		ocs_error_set(error, "%s: a record is damaged", store->path);
	else if (ret != 0)
		return ocs_store_error(store, "read", error);
	return ret;
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

	if (!store->in_transaction)
		return ocs_error_set(error, "%s: write outside a transaction", store->path);
	ocs_put32(header + 1, checksum(key, key_len, data, len));
	ocs_store_forget_error(store);
	if (tdb_storev(store->tdb, k, parts, 2, TDB_REPLACE) != 0)
		return ocs_store_error(store, "write", error);
	return check_size(store, error);
}

int ocs_store_delete(struct ocs_store *store, const void *key, size_t key_len,
                     struct ocs_error *error)
{
	TDB_DATA k = {.dptr = (unsigned char *)(uintptr_t)key, .dsize = key_len};

	if (!store->in_transaction)
		return ocs_error_set(error, "%s: write outside a transaction", store->path);
	if (tdb_delete(store->tdb, k) != 0 && tdb_error(store->tdb) != TDB_ERR_NOEXIST)
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
	record = tdb_fetch(store->tdb, k);
	if (record.dptr == NULL)
		return OCS_STORE_OK;
	aside.dsize = key_len + 1;
	aside.dptr = malloc(aside.dsize);
	if (aside.dptr == NULL) {
		free(record.dptr);
		return ocs_error_set(error, "out of memory");
	}
	aside.dptr[0] = 'Q';
	memcpy(aside.dptr + 1, key, key_len);
	ret = tdb_store(store->tdb, aside, record, TDB_REPLACE);
	free(record.dptr);
	free(aside.dptr);
	if (ret != 0)
		return ocs_store_error(store, "set a damaged record aside", error);
	return ocs_store_delete(store, key, key_len, error);
}

struct each {
	int prefix;
	ocs_store_each_fn *each;
	void *arg;
	int ret;
};

static int store_each_record(struct tdb_context *tdb, TDB_DATA key, TDB_DATA record,
                             void *private_data)
{
	struct each *each = private_data;
	bool good;

	(void)tdb;
	if (key.dsize == 0 || (each->prefix >= 0 && key.dptr[0] != each->prefix))
		return 0;
	good = ocs_store_verify(key.dptr, key.dsize, record.dptr, record.dsize);
	each->ret = each->each(key.dptr, key.dsize, good ? record.dptr + RECORD_HEADER : NULL,
	                       good ? record.dsize - RECORD_HEADER : 0, each->arg);
	return each->ret;
}

int ocs_store_each(struct ocs_store *store, int prefix, ocs_store_each_fn *each_fn, void *arg,
                   struct ocs_error *error)
{
	struct each each = {.prefix = prefix, .each = each_fn, .arg = arg, .ret = 0};
	int ret = ocs_store_usable(store, error);

	if (ret != OCS_STORE_OK)
		return ret;
	ocs_store_forget_error(store);
	if (tdb_traverse_read(store->tdb, store_each_record, &each) < 0 && each.ret == 0)
		return ocs_store_error(store, "read through", error);
	return each.ret;
}

pid_t ocs_store_lock_holder(const struct ocs_store *store)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 0};

	if (fcntl(tdb_fd(store->tdb), F_GETLK, &lock) != 0 || lock.l_type == F_UNLCK)
		return 0;
	return lock.l_pid;
}
