/* Checked records in a TDB file: see store.h. Touches only the file it was given. */
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <talloc.h>
#include <tdb.h>

#include "store/bytes.h"
#include "store/fault.h"

#define RECORD_VERSION 1
#define RECORD_HEADER  5 /* version, checksum */

/* Of the area that libtdb recovers from, made at creation: for large databases, and for others. */
#define LARGE_HASH          100000
#define LARGE_RECOVERY_SIZE (2 * 1024 * 1024)
#define RECOVERY_SIZE       (256 * 1024)

/* Where the sequence number stands in a TDB file: after the 32-byte magic and four 32-bit words.
 * Reading it there takes no lock and no part in libtdb's remapping, so that any thread may do it;
 * open checks it against tdb_get_seqnum(). */
#define SEQNUM_OFFSET 48

int (*ocs_store_tdb_commit)(struct tdb_context *tdb) = tdb_transaction_commit;

struct ocs_store {
	struct tdb_context *tdb;
	char *path;
	const uint32_t *seqnum;
	void *header;
	bool in_transaction;
	char log[160]; /* what libtdb last complained about */
};

static void store_log(struct tdb_context *tdb, enum tdb_debug_level level, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

static void store_log(struct tdb_context *tdb, enum tdb_debug_level level, const char *format, ...)
{
	struct ocs_store *store = tdb_get_logging_private(tdb);
	va_list args;

	if (store == NULL || level > TDB_DEBUG_WARNING)
		return;
	va_start(args, format);
	if (vsnprintf(store->log, sizeof(store->log), format, args) < 0)
		store->log[0] = '\0';
	va_end(args);
	store->log[strcspn(store->log, "\n")] = '\0';
}

static int store_error(struct ocs_store *store, const char *what, struct ocs_error *error)
{
	ocs_error_set(error, "%s: cannot %s: %s%s%s", store->path, what, tdb_errorstr(store->tdb),
	              store->log[0] != '\0' ? ": " : "", store->log);
	store->log[0] = '\0';
	return OCS_STORE_ERROR;
}

static struct tdb_context *open_tdb(struct ocs_store *store, const char *path, unsigned hash_size,
                                    int open_flags, mode_t mode)
{
	struct tdb_logging_context logging = {.log_fn = store_log, .log_private = store};

	return tdb_open_ex(path, (int)hash_size,
	                   TDB_SEQNUM | TDB_DISALLOW_NESTING | TDB_INCOMPATIBLE_HASH, open_flags,
	                   mode, &logging, NULL);
}

/* libtdb allocates the area it recovers from outside of any recovery: killed in that moment, it
 * leaves a file that works and fails the check. So the area is made while nobody can see the file,
 * larger than all but the largest transactions need it. Written twice: only what was there is
 * recovered. */
static int make_recovery_area(struct tdb_context *tdb, size_t size)
{
	TDB_DATA key = {.dptr = (unsigned char *)(uintptr_t) "recovery", .dsize = 8};
	TDB_DATA data = {.dptr = calloc(1, size), .dsize = size};
	int ret = data.dptr == NULL ? -1 : 0;

	tdb_add_flags(tdb, TDB_NOSYNC);
	for (int i = 1; i <= 2 && ret == 0; i++) {
		memset(data.dptr, i, data.dsize);
		ret = tdb_transaction_start(tdb);
		if (ret == 0 && tdb_store(tdb, key, data, TDB_REPLACE) != 0) {
			tdb_transaction_cancel(tdb);
			ret = -1;
		} else if (ret == 0) {
			ret = tdb_transaction_commit(tdb);
		}
	}
	free(data.dptr);
	if (ret == 0)
		ret = tdb_delete(tdb, key);
	tdb_remove_flags(tdb, TDB_NOSYNC);
	return ret;
}

/* Makes an empty file under that name, whatever was there before. */
static int make_file(struct ocs_store *store, const char *path, unsigned hash_size, mode_t mode,
                     gid_t gid, struct ocs_error *error)
{
	struct tdb_context *tdb;
	int fd;

	if (unlink(path) != 0 && errno != ENOENT)
		return ocs_error_set(error, "%s: cannot remove: %s", path, strerror(errno));
	tdb = open_tdb(store, path, hash_size, O_RDWR | O_CREAT | O_EXCL, 0600);
	if (tdb == NULL)
		return ocs_error_set(error, "%s: cannot create: %s", path, strerror(errno));
	if (make_recovery_area(tdb, hash_size >= LARGE_HASH ? LARGE_RECOVERY_SIZE
	                                                    : RECOVERY_SIZE) != 0) {
		ocs_error_set(error, "%s: cannot write: %s", path, tdb_errorstr(tdb));
		tdb_close(tdb);
		unlink(path);
		return OCS_STORE_ERROR;
	}
	fd = tdb_fd(tdb);
	if ((gid != (gid_t)-1 && fchown(fd, (uid_t)-1, gid) != 0) || fchmod(fd, mode) != 0 ||
	    fsync(fd) != 0) {
		ocs_error_set(error, "%s: cannot set group and mode: %s", path, strerror(errno));
		tdb_close(tdb);
		unlink(path);
		return OCS_STORE_ERROR;
	}
	tdb_close(tdb);
	return OCS_STORE_OK;
}

/* Made under another name and renamed, so that a killed process leaves no half-made file. */
static int create_file(struct ocs_store *store, unsigned hash_size, mode_t mode, gid_t gid,
                       struct ocs_error *error)
{
	char *temporary = talloc_asprintf(store, "%s.new", store->path);

	if (temporary == NULL)
		return ocs_error_set(error, "out of memory");
	if (make_file(store, temporary, hash_size, mode, gid, error) != OCS_STORE_OK)
		return OCS_STORE_ERROR;
	if (rename(temporary, store->path) != 0) {
		ocs_error_set(error, "%s: cannot rename: %s", temporary, strerror(errno));
		unlink(temporary);
		return OCS_STORE_ERROR;
	}
	return OCS_STORE_OK;
}

static int open_existing(struct ocs_store *store, int flags, struct ocs_error *error)
{
	struct stat st;
	uint32_t seqnum;

	if (stat(store->path, &st) != 0) {
		ocs_error_set(error, "%s: %s", store->path, strerror(errno));
		return errno == ENOENT ? OCS_STORE_MISSING : OCS_STORE_ERROR;
	}
	/* Without O_CREAT: with it libtdb takes garbage for an empty database and wipes it. */
	store->tdb = open_tdb(store, store->path, 0,
	                      (flags & OCS_STORE_READ_ONLY) != 0 ? O_RDONLY : O_RDWR, 0);
	if (store->tdb == NULL) {
		int saved = errno;

		if (saved == EACCES || saved == EPERM || saved == EBUSY || saved == ENOMEM ||
		    saved == EMFILE || saved == ENFILE || saved == EROFS) {
			ocs_error_set(error, "%s: cannot open: %s", store->path,
			              saved == EBUSY ? "open in this process already"
			                             : strerror(saved));
			return OCS_STORE_ERROR;
		}
		ocs_error_set(error, "%s: not a database file (%s)", store->path, strerror(saved));
		return OCS_STORE_CORRUPT;
	}
	if ((flags & OCS_STORE_CHECK) != 0 && tdb_check(store->tdb, NULL, NULL) != 0) {
		ocs_error_set(error, "%s: damaged (%s)", store->path,
		              store->log[0] != '\0' ? store->log : tdb_errorstr(store->tdb));
		tdb_close(store->tdb);
		store->tdb = NULL;
		return OCS_STORE_CORRUPT;
	}
	store->header = mmap(NULL, 4096, PROT_READ, MAP_SHARED, tdb_fd(store->tdb), 0);
	if (store->header == MAP_FAILED) {
		store->header = NULL;
		ocs_error_set(error, "%s: cannot map: %s", store->path, strerror(errno));
		return OCS_STORE_ERROR;
	}
	store->seqnum = (const uint32_t *)(void *)((uint8_t *)store->header + SEQNUM_OFFSET);
	do {
		/* Another process may commit between the two reads. */
		seqnum = ocs_store_seqnum(store);
		if ((uint32_t)tdb_get_seqnum(store->tdb) == seqnum)
			return OCS_STORE_OK;
	} while (seqnum != ocs_store_seqnum(store));
	ocs_error_set(error, "%s: this libtdb keeps its sequence number elsewhere", store->path);
	return OCS_STORE_ERROR;
}

static bool verify(const void *key, size_t key_len, const uint8_t *record, size_t size);

struct salvage {
	struct tdb_context *into;
	bool failed; /* ending a traversal early is no error of its own */
};

static int salvage_record(struct tdb_context *tdb, TDB_DATA key, TDB_DATA record, void *arg)
{
	struct salvage *salvage = arg;

	(void)tdb;
	if (!verify(key.dptr, key.dsize, record.dptr, record.dsize))
		return 0;
	/* Where chains have grown together a record comes by twice. */
	if (tdb_store(salvage->into, key, record, TDB_INSERT) != 0 &&
	    tdb_error(salvage->into) != TDB_ERR_EXISTS)
		salvage->failed = true;
	return salvage->failed;
}

/* Copies every record that verifies from the store's file, which is closed, into another. */
static int copy_records(struct ocs_store *store, const char *to)
{
	struct tdb_context *from = open_tdb(store, store->path, 0, O_RDWR, 0);
	struct salvage salvage = {.into = open_tdb(store, to, 0, O_RDWR, 0)};
	int ret = -1;

	if (from != NULL && salvage.into != NULL && tdb_transaction_start(salvage.into) == 0) {
		if (tdb_traverse_read(from, salvage_record, &salvage) >= 0 && !salvage.failed)
			ret = tdb_transaction_commit(salvage.into);
		else
			tdb_transaction_cancel(salvage.into);
	}
	if (from != NULL)
		tdb_close(from);
	if (salvage.into != NULL)
		tdb_close(salvage.into);
	return ret;
}

/* A corrupt file: moved aside, and what verifies of it, or nothing, in a new one. The new one is
 * whole before it takes the name, so that a killed process leaves one or the other there. On
 * failure the file is where it was, as it was. */
static int replace_corrupt(struct ocs_store *store, unsigned hash_size, int flags, mode_t mode,
                           gid_t gid, struct ocs_error *error)
{
	char *aside = talloc_asprintf(store, "%s.corrupt-%lld", store->path, (long long)time(NULL));
	char *fresh = talloc_asprintf(store, "%s.new", store->path);
	bool salvaged = false;

	if (aside == NULL || fresh == NULL)
		return ocs_error_set(error, "out of memory");
	if (make_file(store, fresh, hash_size, mode, gid, error) != OCS_STORE_OK)
		return OCS_STORE_ERROR;
	if ((flags & OCS_STORE_SALVAGE) != 0)
		salvaged = copy_records(store, fresh) == 0;
	if (!salvaged && (flags & OCS_STORE_MOVE_CORRUPT) == 0) {
		unlink(fresh);
		return OCS_STORE_CORRUPT;
	}
	if ((link(store->path, aside) != 0 && rename(store->path, aside) != 0) ||
	    rename(fresh, store->path) != 0) {
		ocs_error_set(error, "%s: damaged, and cannot be moved aside: %s", store->path,
		              strerror(errno));
		unlink(fresh);
		return OCS_STORE_ERROR;
	}
	return open_existing(store, 0, error);
}

static int store_destroy(struct ocs_store *store)
{
	if (store->header != NULL)
		munmap(store->header, 4096);
	if (store->tdb != NULL)
		tdb_close(store->tdb);
	return 0;
}

int ocs_store_open(const char *path, unsigned hash_size, int flags, mode_t mode, gid_t gid,
                   struct ocs_store **store_r, bool *moved_r, struct ocs_error *error)
{
	struct ocs_store *store = talloc_zero(NULL, struct ocs_store);
	int ret;

	*store_r = NULL;
	if (moved_r != NULL)
		*moved_r = false;
	if (store == NULL || (store->path = talloc_strdup(store, path)) == NULL) {
		talloc_free(store);
		return ocs_error_set(error, "out of memory");
	}
	talloc_set_destructor(store, store_destroy);
	ret = open_existing(store, flags, error);
	if (ret == OCS_STORE_CORRUPT &&
	    (flags & (OCS_STORE_MOVE_CORRUPT | OCS_STORE_SALVAGE)) != 0) {
		ret = replace_corrupt(store, hash_size, flags, mode, gid, error);
		if (moved_r != NULL)
			*moved_r = ret == OCS_STORE_OK;
	}
	if (ret == OCS_STORE_MISSING && (flags & OCS_STORE_CREATE) != 0) {
		ret = create_file(store, hash_size, mode, gid, error);
		if (ret == OCS_STORE_OK)
			ret = open_existing(store, flags, error);
	}
	if (ret != OCS_STORE_OK) {
		talloc_free(store);
		return ret;
	}
	*store_r = store;
	return OCS_STORE_OK;
}

void ocs_store_close(struct ocs_store *store)
{
	if (store == NULL)
		return;
	ocs_store_cancel(store);
	talloc_free(store);
}

const char *ocs_store_path(const struct ocs_store *store)
{
	return store->path;
}

uint32_t ocs_store_seqnum(const struct ocs_store *store)
{
	return __atomic_load_n(store->seqnum, __ATOMIC_ACQUIRE);
}

int ocs_store_begin(struct ocs_store *store, struct ocs_error *error)
{
	if (tdb_transaction_start(store->tdb) != 0)
		return store_error(store, "begin a transaction", error);
	store->in_transaction = true;
	return OCS_STORE_OK;
}

int ocs_store_try_begin(struct ocs_store *store, struct ocs_error *error)
{
	if (tdb_transaction_start_nonblock(store->tdb) != 0) {
		if (tdb_error(store->tdb) == TDB_ERR_NOLOCK ||
		    tdb_error(store->tdb) == TDB_ERR_LOCK) {
			ocs_error_set(error, "%s: locked by process %d", store->path,
			              (int)ocs_store_lock_holder(store));
			return OCS_STORE_BUSY;
		}
		return store_error(store, "begin a transaction", error);
	}
	store->in_transaction = true;
	return OCS_STORE_OK;
}

int ocs_store_commit(struct ocs_store *store, bool sync, struct ocs_error *error)
{
	int ret;

	store->in_transaction = false;
	if (sync)
		tdb_remove_flags(store->tdb, TDB_NOSYNC);
	else
		tdb_add_flags(store->tdb, TDB_NOSYNC);
	ret = ocs_store_tdb_commit(store->tdb);
	return ret == 0 ? OCS_STORE_OK : store_error(store, "commit", error);
}

void ocs_store_cancel(struct ocs_store *store)
{
	if (!store->in_transaction)
		return;
	store->in_transaction = false;
	tdb_transaction_cancel(store->tdb);
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

static bool verify(const void *key, size_t key_len, const uint8_t *record, size_t size)
{
	return size >= RECORD_HEADER && record[0] == RECORD_VERSION &&
	       ocs_get32(record + 1) ==
	               checksum(key, key_len, record + RECORD_HEADER, size - RECORD_HEADER);
}

struct fetch {
	const void *mem_ctx;
	const void *key;
	size_t key_len;
	uint8_t **data_r;
	size_t *len_r;
};

static int fetch_parse(TDB_DATA key, TDB_DATA record, void *private_data)
{
	struct fetch *fetch = private_data;

	(void)key;
	if (!verify(fetch->key, fetch->key_len, record.dptr, record.dsize))
		return OCS_STORE_DAMAGED;
	*fetch->len_r = record.dsize - RECORD_HEADER;
	/* One byte more, so that an empty record is an allocation and text can be terminated. */
	*fetch->data_r = talloc_size(fetch->mem_ctx, *fetch->len_r + 1);
	if (*fetch->data_r == NULL)
		return OCS_STORE_ERROR;
	memcpy(*fetch->data_r, record.dptr + RECORD_HEADER, *fetch->len_r);
	(*fetch->data_r)[*fetch->len_r] = '\0';
	return OCS_STORE_OK;
}

int ocs_store_fetch(struct ocs_store *store, const void *mem_ctx, const void *key, size_t key_len,
                    uint8_t **data_r, size_t *len_r, struct ocs_error *error)
{
	TDB_DATA k = {.dptr = (unsigned char *)(uintptr_t)key, .dsize = key_len};
	struct fetch fetch = {mem_ctx, key, key_len, data_r, len_r};
	int ret;

	*data_r = NULL;
	*len_r = 0;
	errno = 0;
	ret = tdb_parse_record(store->tdb, k, fetch_parse, &fetch);
	if (ret == -1 && tdb_error(store->tdb) == TDB_ERR_NOEXIST)
		return OCS_STORE_MISSING;
	if (ret == OCS_STORE_DAMAGED)
		ocs_error_set(error, "%s: a record is damaged", store->path);
	else if (ret != 0)
		return store_error(store, "read", error);
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
	if (tdb_storev(store->tdb, k, parts, 2, TDB_REPLACE) != 0)
		return store_error(store, "write", error);
	return OCS_STORE_OK;
}

int ocs_store_delete(struct ocs_store *store, const void *key, size_t key_len,
                     struct ocs_error *error)
{
	TDB_DATA k = {.dptr = (unsigned char *)(uintptr_t)key, .dsize = key_len};

	if (!store->in_transaction)
		return ocs_error_set(error, "%s: write outside a transaction", store->path);
	if (tdb_delete(store->tdb, k) != 0 && tdb_error(store->tdb) != TDB_ERR_NOEXIST)
		return store_error(store, "delete", error);
	return OCS_STORE_OK;
}

int ocs_store_wipe(struct ocs_store *store, struct ocs_error *error)
{
	if (!store->in_transaction)
		return ocs_error_set(error, "%s: write outside a transaction", store->path);
	if (tdb_wipe_all(store->tdb) != 0)
		return store_error(store, "empty it", error);
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
		return store_error(store, "set a damaged record aside", error);
	return ocs_store_delete(store, key, key_len, error);
}

struct each {
	int prefix;
	ocs_store_each_fn *each;
	void *arg;
	int ret;
};

static int each_record(struct tdb_context *tdb, TDB_DATA key, TDB_DATA record, void *private_data)
{
	struct each *each = private_data;
	bool good;

	(void)tdb;
	if (key.dsize == 0 || (each->prefix >= 0 && key.dptr[0] != each->prefix))
		return 0;
	good = verify(key.dptr, key.dsize, record.dptr, record.dsize);
	each->ret = each->each(key.dptr, key.dsize, good ? record.dptr + RECORD_HEADER : NULL,
	                       good ? record.dsize - RECORD_HEADER : 0, each->arg);
	return each->ret;
}

int ocs_store_each(struct ocs_store *store, int prefix, ocs_store_each_fn *each_fn, void *arg,
                   struct ocs_error *error)
{
	struct each each = {.prefix = prefix, .each = each_fn, .arg = arg, .ret = 0};

	if (tdb_traverse_read(store->tdb, each_record, &each) < 0 && each.ret == 0)
		return store_error(store, "read through", error);
	return each.ret;
}

pid_t ocs_store_lock_holder(const struct ocs_store *store)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 0};

	if (fcntl(tdb_fd(store->tdb), F_GETLK, &lock) != 0 || lock.l_type == F_UNLCK)
		return 0;
	return lock.l_pid;
}
