/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * A store read through: at once, or one hash chain after the other, so that others commit in
 * between. Touches the open file.
 */
#include "store/store_internal.h"

struct each {
	int prefix; /* negative: all */
	ocs_store_each_fn *each;
	void *arg;
	int ret;
	enum TDB_ERROR error; /* of the copy that was read */
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
	each->ret = each->each(key.dptr, key.dsize, good ? record.dptr + OCS_STORE_RECORD : NULL,
	                       good ? record.dsize - OCS_STORE_RECORD : 0, each->arg);
	return each->ret;
}

static int read_chain(struct ocs_store *store, unsigned n, struct each *each,
                      struct ocs_error *error)
{
	bool locks = !store->in_transaction && !store->held && ocs_store_has_locks(store);
	int ret;

	if (locks && ocs_store_lock_chain(store, n, error) != OCS_STORE_OK)
		return each->ret = OCS_STORE_BUSY;
	ret = tdb_traverse_chain(store->tdb, n, store_each_record, each);
	if (locks)
		ocs_store_unlock_chain(store, n);
	return ret;
}

/* Of a file that is too large to be copied; others write to it meanwhile. */
static int read_chains(struct ocs_store *store, struct each *each, struct ocs_error *error)
{
	int ret = 0;

	for (unsigned n = 0; n < ocs_store_chains(store) && ret >= 0 && each->ret == 0; n++)
		ret = read_chain(store, n, each, error);
	return ret;
}

/* As a copy in memory (store_check.c), whose records are those of one moment; but what is in the
 * open transaction is in memory already, and not in the file. */
static int read_all(struct ocs_store *store, struct each *each, struct ocs_error *error)
{
	struct tdb_logging_context logging = {.log_fn = ocs_store_log, .log_private = store};
	bool locks = !store->in_transaction && ocs_store_has_locks(store);
	struct tdb_context *copy = NULL;
	int ret;

	if (!store->in_transaction && !store->alone &&
	    ocs_store_copy_mapped(store->tdb, locks, OCS_STORE_COPIED_MAX, &logging, &copy,
	                          error) != OCS_STORE_OK)
		return each->ret = OCS_STORE_BUSY;
	if (copy == NULL)
		return locks ? read_chains(store, each, error)
		             : tdb_traverse_read(store->tdb, store_each_record, each);
	ret = tdb_traverse_read(copy, store_each_record, each);
	each->error = tdb_error(copy);
	if (ret < 0 && each->error == TDB_ERR_CORRUPT)
		atomic_store(&store->damaged, true);
	tdb_close(copy);
	return ret;
}

/* n negative: all chains. */
static int read_through(struct ocs_store *store, int n, struct each *each, struct ocs_error *error)
{
	int ret = ocs_store_usable(store, error);

	if (ret != OCS_STORE_OK)
		return ret;
	ocs_store_forget_error(store);
	ret = n < 0 ? read_all(store, each, error) : read_chain(store, (unsigned)n, each, error);
	if (ret < 0 && each->ret == 0 && each->error == TDB_ERR_OOM)
		return ocs_error_memory_of(error, store->path);
	if (ret < 0 && each->ret == 0)
		return ocs_store_error(store, "read through", error);
	return each->ret != 0 ? each->ret : ocs_store_check_missing(store, OCS_STORE_OK, error);
}

int ocs_store_each(struct ocs_store *store, int prefix, ocs_store_each_fn *each_fn, void *arg,
                   struct ocs_error *error)
{
	struct each each = {.prefix = prefix, .each = each_fn, .arg = arg};

	return read_through(store, -1, &each, error);
}

unsigned ocs_store_chains(const struct ocs_store *store)
{
	int n = tdb_hash_size(store->tdb);

	return n > 0 ? (unsigned)n : 0;
}

int ocs_store_each_in_chain(struct ocs_store *store, unsigned n, ocs_store_each_fn *each_fn,
                            void *arg, struct ocs_error *error)
{
	struct each each = {.prefix = -1, .each = each_fn, .arg = arg};

	return read_through(store, (int)n, &each, error);
}
