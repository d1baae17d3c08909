/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The queue list: the names of a context's queues, written before each queue is made, so that
 * nothing is left behind by a process that dies at any point: reap.c reads it. Touches the wake
 * folder of the registry.
 */
#include "libocsnotify/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/shield.h"

#include "registry/reap.h"

/* A queue list is written anew when it has this many more names than there are queues. */
#define SLACK 4096

static int queue_list_create(const char *path, gid_t gid, struct ocs_error *error)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return ocs_error_set(error, "%s: cannot create: %s", path, strerror(errno));
	/* Tells that we live, should the socket be lost. Nobody else waits for it. */
	(void)flock(fd, LOCK_EX | LOCK_NB);
	if (ocs_file_set_owner(fd, "", (uid_t)-1, gid) != 0 || fchmod(fd, 0640) != 0) {
		ocs_error_set(error, "%s: cannot set group and mode: %s", path, strerror(errno));
		close(fd);
		unlink(path);
		return -1;
	}
	return fd;
}

static int queue_list_append(int fd, const char *name)
{
	char line[OCS_QUEUE_NAME_MAX + 1];
	size_t len = (size_t)snprintf(line, sizeof(line), "%s\n", name);
	struct ocs_shield shield;
	ssize_t written;
	struct stat st;

	ocs_shield_up(&shield);
	written = write(fd, line, len);
	/* What there was room for would be one line with the next name, so that nobody found that
	 * queue by it. */
	if (written > 0 && written != (ssize_t)len &&
	    (fstat(fd, &st) != 0 || ftruncate(fd, st.st_size - written) != 0))
		(void)!write(fd, "\n", 1);
	ocs_shield_down(&shield);
	return written == (ssize_t)len ? 0 : -1;
}

int libocsnotify_queue_list_open(struct ocsnotify *context, struct ocs_error *error)
{
	char path[PATH_MAX];

	if (ocs_registry_queue_list_path(context->shared->registry, context->r.id, path,
	                                 sizeof(path)) != 0)
		return ocs_error_set(error, "%s: path too long", context->shared->path);
	context->queue_list = queue_list_create(path, context->shared->gid, error);
	return context->queue_list < 0 ? -1 : 0;
}

/* Only the queues there are now; the old list stays until the new one is complete. */
static int queue_list_compact(struct ocsnotify *context)
{
	char path[PATH_MAX], fresh[PATH_MAX];
	size_t lines = 0;
	int fd, ret = 0;

	if (ocs_registry_queue_list_path(context->shared->registry, context->r.id, path,
	                                 sizeof(path)) != 0 ||
	    snprintf(fresh, sizeof(fresh), "%s.new", path) >= (int)sizeof(fresh))
		return -1;
	unlink(fresh);
	fd = queue_list_create(fresh, context->shared->gid, NULL);
	if (fd < 0)
		return -1;
	for (struct ocsnotify_session *s = context->sessions; s != NULL; s = s->next)
		for (struct libocsnotify_queue *q = s->queues; q != NULL && ret == 0; q = q->next) {
			if (q->mq == LIBOCSNOTIFY_NO_QUEUE)
				continue;
			ret = queue_list_append(fd, q->r.name);
			lines++;
		}
	if (ret != 0 || rename(fresh, path) != 0) {
		close(fd);
		unlink(fresh);
		return -1;
	}
	close(context->queue_list);
	context->queue_list = fd;
	context->listed_queues = lines;
	return 0;
}

int libocsnotify_queue_list_add(struct ocsnotify *context, const char *name)
{
	if (context->listed_queues > 2 * context->live_queues + SLACK &&
	    queue_list_compact(context) != 0)
		return -1;
	if (queue_list_append(context->queue_list, name) != 0)
		return -1;
	context->listed_queues++;
	return 0;
}

void libocsnotify_sweep(struct ocsnotify *context)
{
	struct ocs_error error = {.text = ""};
	int ret;

	libocsnotify_lock();
	ret = ocs_reap(context->shared->registry, geteuid(), NULL, NULL, NULL, &error);
	libocsnotify_unlock();
	if (ret != OCS_STORE_OK)
		libocsnotify_warn(context, "cannot remove what dead processes left: %s",
		                  error.text);
}
