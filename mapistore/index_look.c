/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Whether the files of the index are where they were; the list of replica ids is written again
 * where it is not. Touches only that list. The owner's thread.
 */
#include "mapistore/index_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <talloc.h>

#include "base/shared_file.h"

#define LIST_MAX (512 * 1024) /* all ids that there can be have 382 KB */

int ocs_index_present(struct ocs_index *index, const struct ocs_store **missing_r,
                      struct ocs_error *error)
{
	*missing_r = index->store;
	if (ocs_store_present(index->store, error) != 0)
		return -1;
	for (unsigned i = 0; i < index->n_sealed; i++) {
		*missing_r = index->sealed[i];
		if (ocs_store_present(index->sealed[i], error) != 0)
			return -1;
	}
	return 0;
}

static bool is_replaced(const struct ocs_store *store)
{
	struct stat open, there;

	return fstat(ocs_store_descriptor(store), &open) == 0 &&
	       stat(ocs_store_path(store), &there) == 0 &&
	       (open.st_dev != there.st_dev || open.st_ino != there.st_ino);
}

/* The first one is among those that a backup replaces, the newest one is what is written. */
bool ocs_index_replaced(const struct ocs_index *index)
{
	return is_replaced(index->store) || (index->n_sealed > 0 && is_replaced(index->sealed[0]));
}

static char *list_path(const struct ocs_index *index)
{
	return talloc_asprintf(NULL, "%s/replica_ids", index->folder);
}

int ocs_index_keep_replicas(struct ocs_index *index, struct ocs_error *error)
{
	char *path = list_path(index);
	ssize_t n = -1;
	int fd = -1;

	if (path != NULL && ocs_shared_open(path, O_RDONLY, &fd) != 0)
		fd = -1;

	index->replicas = talloc_array(index, char, LIST_MAX);
	if (fd >= 0 && index->replicas != NULL)
		n = read(fd, index->replicas, LIST_MAX);
	if (n < 0)
		ocs_error_set(error, "%s/replica_ids: cannot read: %s", index->folder,
		              strerror(errno));
	if (fd >= 0)
		close(fd);
	talloc_free(path);
	index->replicas_len = n > 0 ? (size_t)n : 0;
	if (n >= 0)
		index->replicas = talloc_realloc(index, index->replicas, char, n + 1);
	return n >= 0 && index->replicas != NULL ? 0 : -1;
}

/* Under another name first, so that it is never seen half written. */
static int write_list(const struct ocs_index *index, const char *fresh, const char *path)
{
	bool written;
	int fd;

	if (ocs_shared_clear(fresh) < 0)
		return -1;
	fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0640);
	if (fd < 0)
		return -1;
	written = write(fd, index->replicas, index->replicas_len) == (ssize_t)index->replicas_len &&
	          fsync(fd) == 0;
	if (close(fd) == 0 && written && rename(fresh, path) == 0)
		return 0;
	unlink(fresh);
	return -1;
}

int ocs_index_look_replicas(struct ocs_index *index, struct ocs_error *error)
{
	char *path = list_path(index), fresh[PATH_MAX];
	int ret = 0;

	if (path != NULL && access(path, F_OK) != 0 && errno == ENOENT) {
		ocs_error_set(error, "%s: is gone", path);
		ret = ocs_shared_temporary(path, ".new", fresh) == 0 &&
		                      write_list(index, fresh, path) == 0
		              ? 1
		              : -1;
	}
	talloc_free(path);
	return ret;
}
