/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Whether the spool's folder, head and segments are where they were. What holds nothing that waits
 * is made again; else nothing more is taken in, as a restart would not find it, until it is back.
 */
#include "cluster/spool_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <talloc.h>

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

static int open_head(int folder)
{
	int fd = openat(folder, "head", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* The folder and head under their names: those that are there, or new ones. */
static int open_again(struct ocs_spool *spool)
{
	int folder, head;

	if (mkdir(spool->folder, 0700) != 0 && errno != EEXIST)
		return -1;
	folder = open(spool->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (folder < 0)
		return -1;
	head = open_head(folder);
	if (head < 0) {
		close(folder);
		return -1;
	}
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
		spool->segments = segment->next;
		spool->bytes -= segment->size;
		talloc_free(segment);
	}
	spool->tail = NULL;
	ocs_spool_write_head(spool);
	return 0;
}

static int make_head(struct ocs_spool *spool)
{
	int fd;

	/* One of somebody else in its place is none. */
	unlinkat(spool->folder_fd, "head", 0);
	fd = open_head(spool->folder_fd);
	if (fd < 0)
		return -1;
	close(spool->head_fd);
	spool->head_fd = fd;
	ocs_spool_write_head(spool);
	return 0;
}

int ocs_spool_mend(struct ocs_spool *spool, struct ocs_error *error)
{
	int ret = 0;

	if (whole(spool, error) != 0) {
		ret = spool->last == spool->confirmed && make_again(spool) == 0 ? 1 : -1;
	} else if (!head_there(spool)) {
		ocs_error_set(error, "%s/head: is gone", spool->folder);
		ret = make_head(spool) == 0 ? 1 : -1;
	}
	if (ret > 0)
		spool->mended = *error;
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
		*error = spool->mended;
		spool->mended.text[0] = '\0';
		ret = 1;
	}
	pthread_mutex_unlock(&spool->lock);
	pthread_mutex_unlock(&spool->writer);
	return ret;
}
