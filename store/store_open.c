/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The file of a store: opened, checked, made, and what verifies of a corrupt one carried over.
 * Touches only the file it was given, NAME.new (in private/, where that is beside it) and
 * NAME.corrupt-<time>.
 *
 * Nothing is ever mapped (TDB_NOMMAP): a file that somebody cuts short or overwrites in place would
 * end every process that has it mapped with SIGBUS, a MAPI server among them. It costs a system
 * call where there was a memory access, and saves the msync of each synced commit. Only a file
 * that nobody else can reach is (OCS_STORE_ALONE).
 */
#include "store/store_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <talloc.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/shared_file.h"
#include "base/shield.h"

/* ---- making a file ---- */

static struct tdb_context *open_tdb(struct ocs_store *store, const char *path, unsigned hash_size,
                                    int open_flags, mode_t mode)
{
	struct tdb_logging_context logging = {.log_fn = ocs_store_log, .log_private = store};

	return tdb_open_ex(path, (int)hash_size,
	                   TDB_SEQNUM | TDB_DISALLOW_NESTING | TDB_INCOMPATIBLE_HASH |
	                           (store->alone ? TDB_NOLOCK : TDB_NOMMAP),
	                   open_flags, mode, &logging, NULL);
}

/* libtdb waits for a lock when it opens a file, for ever where a member of the group holds it. */
static int open_locked(struct ocs_store *store, const char *path, struct tdb_context **tdb_r,
                       struct ocs_error *error)
{
	int fd, ret = ocs_shared_open(path, O_RDWR, &fd), why;

	*tdb_r = NULL;
	if (ret != 0) {
		ocs_shared_refuse(path, ret, error);
		return ret == -ENOENT ? OCS_STORE_MISSING : OCS_STORE_ERROR;
	}
	ret = ocs_store_lock_open(fd, path, error);
	if (ret == OCS_STORE_OK)
		*tdb_r = open_tdb(store, path, 0, O_RDWR, 0);
	why = errno;
	/* With the lock; libtdb holds none by now. */
	close(fd);
	errno = why;
	return ret;
}

/* libtdb allocates the area it recovers from outside of any recovery: killed in that moment, it
 * leaves a file that works and fails the check. So the area is made while nobody can see the file,
 * larger than all but the largest transactions need it: those that fill a table of 131,071 chains
 * touch half a megabyte of it, those of more chains as much more, and the 8,192 messages that the
 * daemon writes at once lie on 600 pages more. The first transaction decides: the area is a hundred
 * times as large as the pages that it changes, and one record changes three at most (its chain, the
 * list of the free, itself). So it needs neither large records nor the free space that they would
 * leave behind. */
#define LARGE_HASH 100000
/* Twice what we ever make. */
#define CHAINS_MAX    (4U << 20)
#define LARGE_RECORDS 6 /* 3.3 MB; and one for so many more chains: */
#define LARGE_MORE    (128 * 1024)
#define LARGE_ROOM    (512 * 1024) /* 1.3 MB */
#define RECORDS       1            /* 0.8 MB */
#define ROOM          (256 * 1024) /* 0.6 MB */
#define AREA_KEY_MAX  16

static TDB_DATA area_key(char text[AREA_KEY_MAX], int i)
{
	int len = snprintf(text, AREA_KEY_MAX, "recovery%d", i);

	return (TDB_DATA){.dptr = (unsigned char *)text, .dsize = (size_t)len};
}

static int make_area(struct tdb_context *tdb, int records)
{
	unsigned char byte = 0;
	TDB_DATA data = {.dptr = &byte, .dsize = sizeof(byte)};
	char text[AREA_KEY_MAX];
	int ret = tdb_transaction_start(tdb);

	if (ret != 0)
		return ret;
	for (int i = 0; i < records && ret == 0; i++)
		ret = tdb_store(tdb, area_key(text, i), data, TDB_REPLACE);
	if (ret == 0)
		ret = tdb_transaction_commit(tdb);
	else
		tdb_transaction_cancel(tdb);
	for (int i = 0; i < records && ret == 0; i++)
		ret = tdb_delete(tdb, area_key(text, i));
	return ret;
}

static int make_room(struct tdb_context *tdb, size_t size)
{
	char text[AREA_KEY_MAX];
	TDB_DATA data = {.dptr = calloc(1, size), .dsize = size};
	int ret = data.dptr == NULL ? -1 : tdb_store(tdb, area_key(text, 0), data, TDB_REPLACE);

	free(data.dptr);
	return ret == 0 ? tdb_delete(tdb, area_key(text, 0)) : ret;
}

static int make_recovery_area(const struct ocs_store *store, struct tdb_context *tdb,
                              unsigned hash_size)
{
	bool large = hash_size >= LARGE_HASH;
	unsigned more = large ? (hash_size - LARGE_HASH) / LARGE_MORE : 0;
	int ret;

	tdb_add_flags(tdb, TDB_NOSYNC);
	ret = make_area(tdb, large ? LARGE_RECORDS + (int)more : RECORDS);
	if (ret == 0)
		ret = make_room(tdb, large ? LARGE_ROOM : ROOM);
	tdb_remove_flags(tdb, TDB_NOSYNC);
	return store->log[0] != '\0' ? -1 : ret;
}

/* Makes an empty file under that name, whatever was there before. */
static int make_file(struct ocs_store *store, const char *path, unsigned hash_size, mode_t mode,
                     gid_t gid, struct ocs_error *error)
{
	struct tdb_context *tdb;
	int fd;

	if (unlink(path) != 0 && errno != ENOENT)
		return ocs_error_set(error, "%s: cannot remove: %s", path, strerror(errno));
	ocs_store_forget_error(store);
	tdb = open_tdb(store, path, hash_size, O_RDWR | O_CREAT | O_EXCL, 0600);
	if (tdb == NULL) {
		ocs_error_set(error, "%s: cannot create: %s", path,
		              strerror(store->os_error != 0 ? store->os_error : errno));
		ocs_store_forget_error(store);
		unlink(path);
		return OCS_STORE_ERROR;
	}
	if (make_recovery_area(store, tdb, hash_size) != 0) {
		/* "Not there" is no reason not to store it: the file could not grow. */
		if (store->os_error == 0 && tdb_error(tdb) == TDB_ERR_NOEXIST)
			store->os_error = ENOSPC;
		ocs_error_set(error, "%s: cannot write: %s", path,
		              store->os_error != 0 ? strerror(store->os_error) : tdb_errorstr(tdb));
		ocs_store_forget_error(store);
		tdb_close(tdb);
		unlink(path);
		return OCS_STORE_ERROR;
	}
	fd = tdb_fd(tdb);
	if (ocs_file_set_owner(fd, "", (uid_t)-1, gid) != 0 || fchmod(fd, mode) != 0 ||
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
	char temporary[PATH_MAX];

	if (ocs_shared_temporary(store->path, ".new", temporary) != 0)
		return ocs_error_set(error, "%s: %s", store->path, strerror(errno));
	if (make_file(store, temporary, hash_size, mode, gid, error) != OCS_STORE_OK)
		return OCS_STORE_ERROR;
	if (rename(temporary, store->path) != 0) {
		ocs_error_set(error, "%s: cannot rename: %s", temporary, strerror(errno));
		unlink(temporary);
		return OCS_STORE_ERROR;
	}
	return OCS_STORE_OK;
}

/* Notes which file this is. The sequence number must be where ocs_store_seqnum() reads it. */
static int take_header(struct ocs_store *store)
{
	uint32_t before, after;

	if (ocs_file_read(tdb_fd(store->tdb), store->header, sizeof(store->header), 0) !=
	    (ssize_t)sizeof(store->header))
		return -1;
	atomic_store(&store->size, ocs_store_size(store));
	do {
		/* Another process may commit between the two reads. */
		if (ocs_store_header(store, &before) != 0)
			return -1;
		if ((uint32_t)tdb_get_seqnum(store->tdb) == before)
			return 0;
		if (ocs_store_header(store, &after) != 0)
			return -1;
	} while (before != after);
	return -1;
}

static int too_large(const struct ocs_store *store, struct ocs_error *error)
{
	ocs_error_set(error, "%s: not a database file (too large)", store->path);
	return OCS_STORE_CORRUPT;
}

/* Whether what has the name can be the file. create: what is not ours gives way to one of ours. */
static int look_at_place(struct ocs_store *store, bool create, struct ocs_error *error)
{
	struct stat st;
	int ret;

	switch (ocs_shared_look(store->path, &st)) {
	case OCS_SHARED_FILE:
		if ((uint64_t)st.st_size <= OCS_STORE_SIZE_MAX)
			return OCS_STORE_OK;
		return too_large(store, error);
	case OCS_SHARED_MISSING:
	case OCS_SHARED_UNKNOWN:
		ocs_error_set(error, "%s: %s", store->path, strerror(errno));
		return errno == ENOENT ? OCS_STORE_MISSING : OCS_STORE_ERROR;
	case OCS_SHARED_FOREIGN:
		if (!create)
			return ocs_shared_refuse(store->path, -EPERM, error);
		ret = ocs_shared_clear(store->path);
		if (ret > 0)
			return OCS_STORE_MISSING;
		return ocs_error_set(error, "%s: cannot remove: %s", store->path,
		                     strerror(ret < 0 ? -ret : EAGAIN)); /* it changes */
	default:
		return ocs_shared_refuse(store->path, -ELOOP, error);
	}
}

static int check_file(struct ocs_store *store, int flags, struct ocs_error *error)
{
	struct tdb_logging_context logging = {.log_fn = ocs_store_log, .log_private = store};
	int ret = ocs_store_check(store->tdb, (flags & OCS_STORE_READ_ONLY) == 0, &logging, error);

	if (ret == OCS_STORE_OK)
		return ret;
	if (ret == OCS_STORE_CORRUPT && ocs_store_failed_by_system(store, store->tdb)) {
		ocs_store_explain(store, "check", error);
		ret = OCS_STORE_ERROR;
	} else if (ret == OCS_STORE_CORRUPT) {
		ocs_error_set(error, "%s: damaged (%s)", store->path,
		              store->log[0] != '\0' ? store->log : tdb_errorstr(store->tdb));
	}
	tdb_close(store->tdb);
	store->tdb = NULL;
	return ret;
}

/* Why libtdb did not open it: a database that cannot be opened now is no garbage, though libtdb may
 * give the same error for both. */
static int open_failed(struct ocs_store *store, int why, struct ocs_error *error)
{
	uint8_t header[OCS_STORE_HEADER_ALL];
	struct stat st = {0};
	bool is_database;
	ssize_t n = -1;
	int fd, ret;

	if (store->os_error != 0)
		why = store->os_error;
	ret = ocs_shared_open(store->path, O_RDONLY, &fd);
	if (ret == 0) {
		n = fstat(fd, &st) != 0 ? -1 : ocs_file_read(fd, header, sizeof(header), 0);
		ret = n < 0 ? -errno : 0;
		close(fd);
	}
	/* libtdb says EIO of a size that it cannot count. */
	if (ret == 0 && (uint64_t)st.st_size > OCS_STORE_SIZE_MAX)
		return too_large(store, error);
	is_database = n == (ssize_t)sizeof(header) && ocs_store_is_header(header);
	if (ret == 0 && !is_database) {
		ocs_error_set(error, "%s: not a database file (%s)", store->path, strerror(why));
		return OCS_STORE_CORRUPT;
	}
	/* With these it tells of what it has read. */
	if (ret == 0 && (why == 0 || why == EINVAL || why == ENOSYS)) {
		ocs_error_set(error, "%s: not a database file of this kind (%s)", store->path,
		              store->log[0] != '\0' ? store->log : strerror(EINVAL));
		return OCS_STORE_CORRUPT;
	}
	if (ret != 0)
		why = -ret;
	if (why == ENOMEM)
		return ocs_error_memory_of(error, store->path);
	return ocs_error_set(error, "%s: cannot open: %s", store->path,
	                     why == EBUSY ? "open in this process already" : strerror(why));
}

static int open_existing(struct ocs_store *store, int flags, struct ocs_error *error)
{
	int ret = look_at_place(store, (flags & OCS_STORE_CREATE) != 0, error);

	if (ret != OCS_STORE_OK)
		return ret;
	/* Without O_CREAT: with it libtdb takes garbage for an empty database and wipes it. */
	if ((flags & OCS_STORE_READ_ONLY) != 0)
		store->tdb = open_tdb(store, store->path, 0, O_RDONLY, 0);
	else
		ret = open_locked(store, store->path, &store->tdb, error);
	if (ret != OCS_STORE_OK)
		return ret;
	if (store->tdb == NULL)
		return open_failed(store, errno, error);
	/* libtdb takes memory for each. */
	if ((unsigned)tdb_hash_size(store->tdb) - 1 >= CHAINS_MAX) {
		ocs_error_set(error, "%s: damaged (its number of hash chains)", store->path);
		tdb_close(store->tdb);
		store->tdb = NULL;
		return OCS_STORE_CORRUPT;
	}
	if ((flags & OCS_STORE_CHECK) != 0)
		ret = check_file(store, flags, error);
	if (ret != OCS_STORE_OK || take_header(store) == 0)
		return ret;
	ocs_error_set(error, "%s: this libtdb keeps its sequence number elsewhere", store->path);
	return OCS_STORE_ERROR;
}

/* ---- of a corrupt file, what verifies ---- */

struct salvage {
	struct tdb_context *into;
	bool failed; /* ending a traversal early is no error of its own */
};

static int store_salvage_record(struct tdb_context *tdb, TDB_DATA key, TDB_DATA record, void *arg)
{
	struct salvage *salvage = arg;

	(void)tdb;
	if (!ocs_store_verify(key.dptr, key.dsize, record.dptr, record.dsize))
		return 0;
	/* Where chains have grown together a record comes by twice. */
	if (tdb_store(salvage->into, key, record, TDB_INSERT) != 0 &&
	    tdb_error(salvage->into) != TDB_ERR_EXISTS)
		salvage->failed = true;
	return salvage->failed;
}

/* Whether it could be read through: OCS_STORE_CORRUPT, not; OCS_STORE_BUSY. salvage->failed: what
 * is returned says nothing about that. */
static int read_through(struct ocs_store *store, struct tdb_context *from, struct salvage *salvage,
                        struct ocs_error *error)
{
	int ret = ocs_store_lock_all(from, store->path, error);

	if (ret != OCS_STORE_OK)
		return ret;
	if (tdb_transaction_start(salvage->into) != 0) {
		salvage->failed = true;
		return OCS_STORE_CORRUPT;
	}
	ocs_store_forget_error(store);
	if (tdb_traverse_read(from, store_salvage_record, salvage) >= 0 && !salvage->failed) {
		/* Of one that it complained in nobody knows whether it will be undone. */
		salvage->failed =
		        tdb_transaction_commit(salvage->into) != 0 || store->log[0] != '\0';
		return OCS_STORE_OK;
	}
	salvage->failed = salvage->failed || ocs_store_failed_by_system(store, from);
	tdb_transaction_cancel(salvage->into);
	return OCS_STORE_CORRUPT;
}

/* Copies every record that verifies from the store's file, which is closed, into another.
 * OCS_STORE_CORRUPT: that cannot be; OCS_STORE_BUSY, OCS_STORE_ERROR: not now. */
static int copy_records(struct ocs_store *store, const char *to, struct ocs_error *error)
{
	struct salvage salvage = {.into = open_tdb(store, to, 0, O_RDWR, 0)};
	struct tdb_context *from = NULL;
	int ret = OCS_STORE_CORRUPT;

	salvage.failed = salvage.into == NULL;
	if (!salvage.failed) {
		ret = open_locked(store, store->path, &from, error);
		if (ret == OCS_STORE_OK && from == NULL)
			ret = open_failed(store, errno, error);
		else if (ret == OCS_STORE_OK && (unsigned)tdb_hash_size(from) - 1 >= CHAINS_MAX)
			ret = OCS_STORE_CORRUPT;
		else if (ret == OCS_STORE_OK)
			ret = read_through(store, from, &salvage, error);
	}
	if (salvage.failed)
		ret = ocs_error_set(
		        error, "%s: damaged, and what is whole of it cannot be copied: %s",
		        store->path,
		        store->os_error != 0 ? strerror(store->os_error) : "out of memory or room");
	ocs_store_forget_error(store);
	if (from != NULL)
		tdb_close(from);
	if (salvage.into != NULL)
		tdb_close(salvage.into);
	return ret;
}

/* What others made of it concerns them no more. */
static void make_private(const char *path)
{
	int fd;

	if (ocs_shared_open(path, O_RDONLY, &fd) != 0)
		return;
	(void)fchmod(fd, 0600);
	close(fd);
}

/* A corrupt file: moved aside, and what verifies of it, or nothing, in a new one. The new one is
 * whole before it takes the name, so that a killed process leaves one or the other there. On
 * failure the file is where it was, as it was. */
static int replace_corrupt(struct ocs_store *store, unsigned hash_size, int flags, mode_t mode,
                           gid_t gid, struct ocs_error *error)
{
	char *aside = talloc_asprintf(store, "%s.corrupt-%lld", store->path, (long long)time(NULL));
	char fresh[PATH_MAX];
	bool salvaged = false;
	int cleared, ret;

	if (aside == NULL)
		return ocs_error_memory(error);
	if (ocs_shared_temporary(store->path, ".new", fresh) != 0)
		return ocs_error_set(error, "%s: %s", store->path, strerror(errno));
	if (make_file(store, fresh, hash_size, mode, gid, error) != OCS_STORE_OK)
		return OCS_STORE_ERROR;
	if ((flags & OCS_STORE_SALVAGE) != 0) {
		ret = copy_records(store, fresh, error);
		if (ret != OCS_STORE_OK && ret != OCS_STORE_CORRUPT) {
			unlink(fresh);
			return ret;
		}
		salvaged = ret == OCS_STORE_OK;
	}
	if (!salvaged && (flags & OCS_STORE_MOVE_CORRUPT) == 0) {
		unlink(fresh);
		return OCS_STORE_CORRUPT;
	}
	cleared = ocs_shared_clear(aside);
	if (cleared < 0)
		errno = -cleared;
	if (cleared < 0 || (link(store->path, aside) != 0 && rename(store->path, aside) != 0) ||
	    rename(fresh, store->path) != 0) {
		ocs_error_set(error, "%s: damaged, and cannot be moved aside: %s", store->path,
		              strerror(errno));
		unlink(fresh);
		return OCS_STORE_ERROR;
	}
	make_private(aside);
	return open_existing(store, 0, error);
}

static int store_destroy(struct ocs_store *store)
{
	if (store->tdb != NULL)
		tdb_close(store->tdb);
	return 0;
}

static int open_or_make(struct ocs_store *store, unsigned hash_size, int flags, mode_t mode,
                        gid_t gid, bool *moved_r, struct ocs_error *error)
{
	int ret = open_existing(store, flags, error);

	if (ret == OCS_STORE_CORRUPT &&
	    (flags & (OCS_STORE_MOVE_CORRUPT | OCS_STORE_SALVAGE)) != 0) {
		ret = replace_corrupt(store, hash_size, flags, mode, gid, error);
		*moved_r = ret == OCS_STORE_OK;
	}
	if (ret == OCS_STORE_MISSING && (flags & OCS_STORE_CREATE) != 0) {
		ret = create_file(store, hash_size, mode, gid, error);
		if (ret == OCS_STORE_OK)
			ret = open_existing(store, flags, error);
	}
	return ret;
}

int ocs_store_open(const char *path, unsigned hash_size, int flags, mode_t mode, gid_t gid,
                   struct ocs_store **store_r, bool *moved_r, struct ocs_error *error)
{
	struct ocs_store *store = talloc_zero(NULL, struct ocs_store);
	struct ocs_shield shield;
	bool moved = false;
	int ret;

	*store_r = NULL;
	if (moved_r != NULL)
		*moved_r = false;
	if (store == NULL || (store->path = talloc_strdup(store, path)) == NULL) {
		talloc_free(store);
		return ocs_error_memory(error);
	}
	talloc_set_destructor(store, store_destroy);
	store->size_max = OCS_STORE_SIZE_MAX;
	store->alone = (flags & OCS_STORE_ALONE) != 0;
	ocs_shield_up(&shield);
	ret = open_or_make(store, hash_size, flags, mode, gid, &moved, error);
	ocs_shield_down(&shield);
	if (moved_r != NULL)
		*moved_r = moved;
	if (ret != OCS_STORE_OK) {
		talloc_free(store);
		return ret;
	}
	ocs_store_forget_error(store);
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
