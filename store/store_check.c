/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The whole-file check of a store. Touches nothing but the file, reading.
 *
 * Without a map libtdb reads each of 131,071 chain heads by a system call: a fifth of a second of
 * every start, on an empty file. So a file that is small enough is checked as a copy in memory,
 * which can be mapped: nobody else can cut it short.
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

/* NULL where that cannot be had: the file is too large, /proc or the memory is missing. */
static struct tdb_context *open_copy(struct tdb_context *tdb, bool locks)
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
	return copy;
}

int ocs_store_check(struct tdb_context *tdb, bool locks, const struct tdb_logging_context *logging)
{
	struct tdb_context *copy = open_copy(tdb, locks);
	int ret;

	if (copy == NULL)
		return tdb_check(tdb, NULL, NULL);
	tdb_set_logging_function(copy, logging);
	ret = tdb_check(copy, NULL, NULL);
	tdb_close(copy);
	return ret;
}
