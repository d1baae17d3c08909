/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The whole-file check of a store, and the copy that it reads. Touches nothing but the file,
 * reading.
 *
 * Without a map libtdb reads each of 131,071 chain heads by a system call: a fifth of a second of
 * every start, on an empty file, and seconds where there are a million records. So a file that is
 * small enough is read through as a copy in memory, which can be mapped: nobody else can cut it
 * short.
 */
#include "store/store_internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

/* What is checked at a start may be larger, where that is a small part of the memory there is. */
#define CHECKED_MAX  (320 * 1024 * 1024)
#define CHECKED_PART 8

static off_t checked_max(void)
{
	int64_t part = (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE) / CHECKED_PART;

	return part < OCS_STORE_COPIED_MAX ? OCS_STORE_COPIED_MAX
	       : part < CHECKED_MAX        ? part
	                                   : CHECKED_MAX;
}

/* OCS_STORE_OK, OCS_STORE_BUSY or OCS_STORE_ERROR. */
static int copy_file(struct tdb_context *tdb, bool locks, off_t max, int to,
                     struct ocs_error *error)
{
	struct stat st;
	off_t at = 0;
	int ret = locks ? ocs_store_lock_all(tdb, tdb_name(tdb), error) : OCS_STORE_OK;

	if (ret != OCS_STORE_OK)
		return ret;
	if (fstat(tdb_fd(tdb), &st) != 0 || st.st_size > max)
		ret = -1;
	while (ret == 0 && at < st.st_size)
		if (sendfile(to, tdb_fd(tdb), &at, (size_t)(st.st_size - at)) <= 0)
			ret = -1;
	if (locks)
		tdb_unlockall_read(tdb);
	return ret;
}

int ocs_store_copy_mapped(struct tdb_context *tdb, bool locks, off_t max,
                          const struct tdb_logging_context *logging, struct tdb_context **copy_r,
                          struct ocs_error *error)
{
	const int flags = TDB_SEQNUM | TDB_INCOMPATIBLE_HASH | TDB_NOLOCK;
	int fd = memfd_create("ocsmanager-check", MFD_CLOEXEC);
	char path[32];
	int ret;

	*copy_r = NULL;
	if (fd < 0)
		return OCS_STORE_OK;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ret = copy_file(tdb, locks, max, fd, error);
	if (ret == OCS_STORE_OK)
		*copy_r = tdb_open_ex(path, 0, flags, O_RDONLY, 0, NULL, NULL);
	close(fd);
	if (*copy_r != NULL)
		tdb_set_logging_function(*copy_r, logging);
	return ret == OCS_STORE_BUSY ? ret : OCS_STORE_OK;
}

/* ---- as it is, without a copy ---- */

/* A record in the file: next, length of what follows, of the key, of the data, hash, magic. */
struct head {
	uint32_t next, len, key_len, data_len, hash, magic;
};

#define FIRST_RECORD(tdb) (172 + 4 * (uint64_t)tdb_hash_size(tdb))
#define RECOVERY_AT       44
#define FILL              0x42424242 /* as libtdb fills what it has just added */
/* A killed process leaves less behind the last record. */
#define DEAD_MAX (1024 * 1024)

/* Whether there is nothing from there on for DEAD_MAX bytes. */
static bool is_empty(int fd, uint64_t at)
{
	uint8_t bytes[65536];
	size_t seen = 0;

	while (seen < DEAD_MAX) {
		ssize_t n = ocs_file_read(fd, bytes, sizeof(bytes), at + seen);

		for (ssize_t i = 0; i < n; i++)
			if (bytes[i] != 0 && bytes[i] != (FILL & 0xff))
				return false;
		if (n <= 0)
			return false;
		seen += (size_t)n;
	}
	return true;
}

/* Whether the file has a hole where a record should be. libtdb reads one byte by byte to its end,
 * by a system call each: whoever can make the file longer could stop a start for hours. */
static bool has_hole(struct tdb_context *tdb)
{
	uint64_t at = FIRST_RECORD(tdb);
	uint32_t recovery = 0;
	int fd = tdb_fd(tdb);
	struct head head;

	if (ocs_file_read(fd, (uint8_t *)&recovery, sizeof(recovery), RECOVERY_AT) !=
	    sizeof(recovery))
		return false;
	while (ocs_file_read(fd, (uint8_t *)&head, sizeof(head), at) == sizeof(head)) {
		if ((head.magic == 0 || head.magic == FILL) && at != recovery) {
			if (is_empty(fd, at))
				return true;
			return false; /* the check passes it, or says what is wrong */
		}
		at += sizeof(head) + head.len;
	}
	return false;
}

static int check_in_place(struct tdb_context *tdb, bool locks,
                          const struct tdb_logging_context *logging, struct ocs_error *error)
{
	int ret = locks ? ocs_store_lock_all(tdb, tdb_name(tdb), error) : OCS_STORE_OK;

	if (ret != OCS_STORE_OK)
		return ret;
	if (has_hole(tdb)) {
		logging->log_fn(tdb, TDB_DEBUG_ERROR, "a hole in the place of a record");
		ret = -1;
	} else {
		ret = tdb_check(tdb, NULL, NULL);
	}
	if (locks)
		tdb_unlockall_read(tdb);
	return ret == 0 ? OCS_STORE_OK : OCS_STORE_CORRUPT;
}

int ocs_store_check(struct tdb_context *tdb, bool locks, const struct tdb_logging_context *logging,
                    struct ocs_error *error)
{
	struct tdb_context *copy;
	int ret = ocs_store_copy_mapped(tdb, locks, checked_max(), logging, &copy, error);

	if (ret != OCS_STORE_OK)
		return ret;
	if (copy == NULL)
		return check_in_place(tdb, locks, logging, error);
	if (tdb_check(copy, NULL, NULL) == 0)
		ret = OCS_STORE_OK;
	else if (tdb_error(copy) == TDB_ERR_OOM)
		ret = ocs_error_memory_of(error, tdb_name(tdb));
	else
		ret = OCS_STORE_CORRUPT;
	tdb_close(copy);
	return ret;
}

bool ocs_store_has_locks(const struct ocs_store *store)
{
	return (fcntl(tdb_fd(store->tdb), F_GETFL) & O_ACCMODE) != O_RDONLY;
}

int ocs_store_whole(struct ocs_store *store, struct ocs_error *error)
{
	struct tdb_logging_context logging = {.log_fn = ocs_store_log, .log_private = store};
	int ret;

	ocs_store_forget_error(store);
	ret = ocs_store_check(store->tdb, ocs_store_has_locks(store), &logging, error);
	if (ret != OCS_STORE_CORRUPT)
		return ret;
	if (ocs_store_failed_by_system(store, store->tdb))
		return ocs_store_error(store, "check", error);
	ocs_error_set(error, "the file is damaged (%s)",
	              store->log[0] != '\0' ? store->log : tdb_errorstr(store->tdb));
	ocs_store_forget_error(store);
	return OCS_STORE_DAMAGED;
}
