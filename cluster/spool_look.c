/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Opens, and makes, the spool's folder and head; whether they and the segments are where they were.
 * What holds nothing that waits is made again; else nothing more is taken in, as a restart would
 * not find it, until it is back.
 */
#include "cluster/spool_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utlist.h>

#include <talloc.h>

#include "base/file.h"

static bool same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

static bool folder_there(const struct ocs_spool *spool)
{
	struct stat named, used;

	return stat(spool->folder, &named) == 0 && fstat(spool->folder_fd, &used) == 0 &&
	       same(&named, &used);
}

static bool head_there(const struct ocs_spool *spool)
{
	struct stat named, used;

	return fstatat(spool->folder_fd, "head", &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	       fstat(spool->head_fd, &used) == 0 && same(&named, &used);
}

/* The first segment without a file, NULL: they are all there. */
static const struct ocs_spool_segment *segment_gone(const struct ocs_spool *spool)
{
	const struct ocs_spool_segment *segment = spool->segments;
	char name[OCS_SPOOL_NAME_SIZE];

	for (; segment != NULL; segment = segment->next) {
		ocs_spool_segment_name(segment->first, name);
		if (faccessat(spool->folder_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) != 0 &&
		    errno == ENOENT)
			return segment;
	}
	return NULL;
}

static int whole(const struct ocs_spool *spool, struct ocs_error *error)
{
	const struct ocs_spool_segment *segment;
	char name[OCS_SPOOL_NAME_SIZE];

	if (!folder_there(spool))
		return ocs_error_set(error, "%s: is gone, or is another folder", spool->folder);
	segment = segment_gone(spool);
	if (segment == NULL)
		return 0;
	ocs_spool_segment_name(segment->first, name);
	return ocs_error_set(error, "%s/%s: is gone", spool->folder, name);
}

static int open_head(const char *folder, int folder_fd, struct ocs_error *error)
{
	int fd = openat(folder_fd, "head", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return ocs_error_set(error, "%s/head: cannot open: %s", folder, strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return fd;
	ocs_error_set(error, "%s: %s", folder,
	              errno == EWOULDBLOCK ? "another process has this spool open"
	                                   : strerror(errno));
	close(fd);
	return -1;
}

int ocs_spool_open_folder(const char *folder, int *folder_fd_r, int *head_fd_r,
                          struct ocs_error *error)
{
	int fd;

	if (mkdir(folder, 0700) == 0) {
		if (ocs_file_sync_folder(folder) != 0)
			return ocs_error_set(error, "%s: cannot sync the folder it is in: %s",
			                     folder, strerror(errno));
	} else if (errno != EEXIST) {
		return ocs_error_set(error, "%s: cannot create the folder: %s", folder,
		                     strerror(errno));
	}
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return ocs_error_set(error, "%s: cannot open: %s", folder, strerror(errno));
	*head_fd_r = open_head(folder, fd, error);
	if (*head_fd_r < 0) {
		close(fd);
		return -1;
	}
	*folder_fd_r = fd;
	return 0;
}

/* The folder and head under their names: those that are there, or new ones. */
static int open_again(struct ocs_spool *spool)
{
	int folder, head;

	if (ocs_spool_open_folder(spool->folder, &folder, &head, NULL) != 0)
		return -1;
	close(spool->folder_fd);
	close(spool->head_fd);
	spool->folder_fd = folder;
	spool->head_fd = head;
	return 0;
}

/* Both locks are held, and nothing that was flushed waits. */
static int make_again(struct ocs_spool *spool)
{
	if (open_again(spool) != 0)
		return -1;
	if (spool->write_fd >= 0)
		close(spool->write_fd);
	spool->write_fd = -1;
	spool->torn = false;
	ocs_spool_cursor_set(&spool->oldest, NULL, 0, spool->confirmed + 1);
	ocs_spool_cursor_set(&spool->reader, NULL, 0, spool->confirmed + 1);
	while (spool->segments != NULL) {
		struct ocs_spool_segment *segment = spool->segments;
		char name[OCS_SPOOL_NAME_SIZE];

		ocs_spool_segment_name(segment->first, name);
		unlinkat(spool->folder_fd, name, 0);
		DL_DELETE(spool->segments, segment);
		spool->bytes -= segment->size;
		talloc_free(segment);
	}
	ocs_spool_write_head(spool);
	return 0;
}

static int make_head(struct ocs_spool *spool)
{
	int fd;

	/* One of somebody else in its place is none. */
	unlinkat(spool->folder_fd, "head", 0);
	fd = open_head(spool->folder, spool->folder_fd, NULL);
	if (fd < 0)
		return -1;
	close(spool->head_fd);
	spool->head_fd = fd;
	ocs_spool_write_head(spool);
	return 0;
}

int ocs_spool_mend(struct ocs_spool *spool, struct ocs_error *error)
{
	struct ocs_error why = {.text = ""};
	int ret = 0;

	if (whole(spool, &why) != 0) {
		ret = spool->last == spool->confirmed && make_again(spool) == 0 ? 1 : -1;
	} else if (!head_there(spool)) {
		ocs_error_set(&why, "%s/head: is gone", spool->folder);
		ret = make_head(spool) == 0 ? 1 : -1;
	}
	if (ret > 0)
		spool->mended = why;
	if (ret != 0)
		ocs_error_pass(error, &why);
	return ret;
}

int ocs_spool_look(struct ocs_spool *spool, struct ocs_error *error)
{
	int ret;

	/* Who holds it writes; the next look is soon enough. */
	if (pthread_mutex_trylock(&spool->writer) != 0)
		return 0;
	pthread_mutex_lock(&spool->lock);
	ret = ocs_spool_mend(spool, error);
	/* By a flush, perhaps. */
	if (ret >= 0 && spool->mended.text[0] != '\0') {
		ocs_error_pass(error, &spool->mended);
		spool->mended.text[0] = '\0';
		ret = 1;
	}
	pthread_mutex_unlock(&spool->lock);
	pthread_mutex_unlock(&spool->writer);
	return ret;
}
