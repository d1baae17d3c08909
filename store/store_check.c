/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The whole-file check of a store, and the copy that it reads. Touches nothing but the file,
 * reading.
 *
 * Without a map libtdb reads each of 131,071 chain heads by a system call: a fifth of a second of
 * every start, on an empty file. So a file that is small enough is read through as a copy in
 * memory, which can be mapped: nobody else can cut it short.
 */
#include "store/store_internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#define COPIED_MAX (32 * 1024 * 1024)

static int copy_file(struct tdb_context *tdb, bool locks, int to)
{
	struct stat st;
	off_t at = 0;
	int ret = 0;

	if (locks && tdb_lockall_read(tdb) != 0)
		return -1;
	if (fstat(tdb_fd(tdb), &st) != 0 || st.st_size > COPIED_MAX)
		ret = -1;
	while (ret == 0 && at < st.st_size)
		if (sendfile(to, tdb_fd(tdb), &at, (size_t)(st.st_size - at)) <= 0)
			ret = -1;
	if (locks)
		tdb_unlockall_read(tdb);
	return ret;
}

struct tdb_context *ocs_store_copy_mapped(struct tdb_context *tdb, bool locks,
                                          const struct tdb_logging_context *logging)
{
	const int flags = TDB_SEQNUM | TDB_INCOMPATIBLE_HASH | TDB_NOLOCK;
	int fd = memfd_create("ocsmanager-check", MFD_CLOEXEC);
	struct tdb_context *copy = NULL;
	char path[32];

	if (fd < 0)
		return NULL;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (copy_file(tdb, locks, fd) == 0)
		copy = tdb_open_ex(path, 0, flags, O_RDONLY, 0, NULL, NULL);
	close(fd);
	if (copy != NULL)
		tdb_set_logging_function(copy, logging);
	return copy;
}

int ocs_store_check(struct tdb_context *tdb, bool locks, const struct tdb_logging_context *logging)
{
	struct tdb_context *copy = ocs_store_copy_mapped(tdb, locks, logging);
	int ret;

	if (copy == NULL)
		return tdb_check(tdb, NULL, NULL);
	ret = tdb_check(copy, NULL, NULL);
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

	ocs_store_forget_error(store);
	if (ocs_store_check(store->tdb, ocs_store_has_locks(store), &logging) == 0)
		return OCS_STORE_OK;
	ocs_error_set(error, "the file is damaged (%s)",
	              store->log[0] != '\0' ? store->log : tdb_errorstr(store->tdb));
	ocs_store_forget_error(store);
	return OCS_STORE_DAMAGED;
}
