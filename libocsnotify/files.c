/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The files of a context in the wake folder: the socket by which the daemon wakes it, and its
 * queue list; made, and made again where somebody removed them. Touches these, and the context's
 * epoll set.
 */
#include "libocsnotify/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"

static int socket_open(struct ocsnotify *context, struct ocs_error *error)
{
	const struct libocsnotify_shared *shared = context->shared;
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = &context->wake};
	struct sockaddr_un address;
	struct stat st;
	int fd;

	/* Shut first: a forked child may have it too, and what is sent to it would be lost. And
	 * taken from the set, in which it would stay with the child's, and always be ready. */
	if (context->wake >= 0) {
		(void)epoll_ctl(context->epoll, EPOLL_CTL_DEL, context->wake, NULL);
		(void)shutdown(context->wake, SHUT_RDWR);
		close(context->wake);
	}
	context->wake = -1;
	if (ocs_registry_wake_address(shared->registry, context->r.id, &address) != 0)
		return ocs_error_set(error, "%s: path too long for a socket", shared->path);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return ocs_error_set(error, "cannot create a socket: %s", strerror(errno));
	/* What is there is not ours: the name is random. */
	unlink(address.sun_path);
	if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
		ocs_error_set(error, "%s: cannot bind: %s", address.sun_path, strerror(errno));
		close(fd);
		return -1;
	}
	if (ocs_file_set_owner(AT_FDCWD, address.sun_path, (uid_t)-1, shared->gid) != 0 ||
	    chmod(address.sun_path, 0660) != 0 || lstat(address.sun_path, &st) != 0) {
		ocs_error_set(error, "%s: cannot set group and mode: %s", address.sun_path,
		              strerror(errno));
	} else if (epoll_ctl(context->epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
		ocs_error_set(error, "cannot watch a socket: %s", strerror(errno));
	} else {
		context->wake_device = st.st_dev;
		context->wake_inode = st.st_ino;
		context->wake = fd;
		return 0;
	}
	unlink(address.sun_path);
	close(fd);
	return -1;
}

/* The socket the daemon wakes this context by, and the queue list. (locked) */
int libocsnotify_files_make(struct ocsnotify *context, struct ocs_error *error)
{
	if (socket_open(context, error) != 0)
		return -1;
	/* The caller removes the socket. */
	return libocsnotify_queue_list_open(context, error);
}

static bool same_file(const char *path, dev_t device, ino_t inode)
{
	struct stat st;

	return lstat(path, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

static bool socket_present(const struct ocsnotify *context)
{
	struct sockaddr_un address;

	return ocs_registry_wake_address(context->shared->registry, context->r.id, &address) == 0 &&
	       same_file(address.sun_path, context->wake_device, context->wake_inode);
}

static bool queue_list_present(const struct ocsnotify *context)
{
	char path[PATH_MAX];
	struct stat st;

	return fstat(context->queue_list, &st) == 0 &&
	       ocs_registry_queue_list_path(context->shared->registry, context->r.id, path,
	                                    sizeof(path)) == 0 &&
	       same_file(path, st.st_dev, st.st_ino);
}

static int renew_queue_list(struct ocsnotify *context, struct ocs_error *error)
{
	if (context->queue_list >= 0)
		close(context->queue_list);
	if (libocsnotify_queue_list_open(context, error) != 0)
		return -1;
	context->listed_queues = 0;
	for (struct ocsnotify_session *s = context->sessions; s != NULL; s = s->next)
		for (struct libocsnotify_queue *q = s->queues; q != NULL; q = q->next)
			if (q->mq != LIBOCSNOTIFY_NO_QUEUE &&
			    libocsnotify_queue_list_add(context, q->r.name) != 0)
				return ocs_error_set(error, "cannot write the list of queues");
	return 0;
}

int libocsnotify_files_renew(struct ocsnotify *context, bool *renewed_r, struct ocs_error *error)
{
	char path[PATH_MAX];

	*renewed_r = false;
	if (ocs_registry_wake_folder(context->shared->registry, error) != OCS_STORE_OK)
		return -1;
	if (!socket_present(context)) {
		*renewed_r = true;
		if (socket_open(context, error) != 0)
			return -1;
		/* What was sent to the old one is for nobody: look at all. */
		libocsnotify_wake_all(context);
	}
	if (!queue_list_present(context)) {
		*renewed_r = true;
		if (ocs_registry_queue_list_path(context->shared->registry, context->r.id, path,
		                                 sizeof(path)) == 0)
			unlink(path);
		return renew_queue_list(context, error);
	}
	return 0;
}
