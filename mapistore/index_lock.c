/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Who may name messages: one process at a time, by a lock on the folder messages/ in the registry
 * folder. The daemon's message log is read and added to under it, so that daemon and libraries
 * never give two identifiers to one message. Touches that folder.
 */
#include "mapistore/index_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/file.h"

#define WAIT_MS 2000

int ocs_index_lock_names(struct ocs_index *index, struct ocs_error *error)
{
	char path[4096];
	int fd;

	if (snprintf(path, sizeof(path), "%s/" OCS_PENDING_FOLDER, index->folder) >=
	    (int)sizeof(path))
		return ocs_error_set(error, "%s: the path is too long", index->folder);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0) {
		ocs_error_set(error, "%s: cannot open: %s", path, strerror(errno));
		return errno == ENOENT ? OCS_STORE_MISSING : OCS_STORE_ERROR;
	}
	if (ocs_file_lock(fd, WAIT_MS) != 0) {
		int why = errno;

		ocs_file_lock_error(fd, path, error);
		close(fd);
		return why == EWOULDBLOCK ? OCS_STORE_BUSY : OCS_STORE_ERROR;
	}
	index->names_lock = fd;
	return OCS_STORE_OK;
}

/* Closing alone would leave it with a child that was forked meanwhile. */
void ocs_index_unlock_names(struct ocs_index *index)
{
	if (index->names_lock < 0)
		return;
	(void)flock(index->names_lock, LOCK_UN);
	close(index->names_lock);
	index->names_lock = -1;
}
