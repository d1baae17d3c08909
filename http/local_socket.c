/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The AF_UNIX socket of the web service: opened, handed on, removed. Touches the socket file and,
 * if that is missing, its folder. */
#include "http/local_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"

#define BACKLOG     1024
#define SOCKET_MODE 0660
#define FOLDER_MODE 0755

struct ocs_local_socket {
	int fd; /* -1: taken */
	struct sockaddr_un address;
	dev_t device; /* of the file, until it is removed */
	ino_t inode;
	bool there;
};

static int make_folder(const char *path, const struct ocs_identity *identity,
                       struct ocs_error *error)
{
	char folder[OCS_LOCAL_SOCKET_PATH_MAX + 1];
	char *slash;
	int fd, result = 0;

	strcpy(folder, path);
	slash = strrchr(folder, '/');
	if (slash == NULL || slash == folder)
		return 0;
	*slash = '\0';
	if (mkdir(folder, 0700) != 0)
		return errno == EEXIST
		               ? 0
		               : ocs_error_set(error, "[server:main] socket: cannot create %s: %s",
		                               folder, strerror(errno));
	/* Opened before it is changed, so that what was made is what is given away. */
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || ocs_file_set_owner(fd, "", identity->uid, identity->gid) != 0 ||
	    fchmod(fd, FOLDER_MODE) != 0)
		result = ocs_error_set(error, "[server:main] socket: %s: owner and mode: %s",
		                       folder, strerror(errno));
	if (fd >= 0)
		close(fd);
	if (result != 0)
		rmdir(folder);
	return result;
}

/* What an earlier daemon left, when it was killed. */
static int remove_stale(const struct sockaddr_un *address, struct ocs_error *error)
{
	const char *path = address->sun_path;
	struct stat st;
	int fd, result, why;

	if (lstat(path, &st) != 0)
		return errno == ENOENT ? 0
		                       : ocs_error_set(error, "[server:main] socket: %s: %s", path,
		                                       strerror(errno));
	if (!S_ISSOCK(st.st_mode))
		return ocs_error_set(error, "[server:main] socket: %s exists and is not a socket",
		                     path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return ocs_error_set(error, "cannot create a socket: %s", strerror(errno));
	result = connect(fd, (const struct sockaddr *)address, sizeof(*address));
	why = errno;
	close(fd);
	/* EAGAIN: its backlog is full. */
	if (result == 0 || why == EAGAIN)
		return ocs_error_set(error, "[server:main] socket: another process listens on %s",
		                     path);
	if (why == ENOENT)
		return 0;
	if (why != ECONNREFUSED)
		return ocs_error_set(error, "[server:main] socket: %s: %s", path, strerror(why));
	if (unlink(path) != 0 && errno != ENOENT)
		return ocs_error_set(error, "[server:main] socket: cannot remove the old %s: %s",
		                     path, strerror(errno));
	return 0;
}

/* To whom it belongs. Done to the file that was looked at, not to a name: the folder may be another
 * user's, who must not get root to give away a file of their choice. */
static int give_away(struct ocs_local_socket *local, uid_t uid, gid_t gid, struct ocs_error *error)
{
	const char *path = local->address.sun_path;
	int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	int result = 0;

	if (fd < 0 || fstat(fd, &st) != 0) {
		result =
		        ocs_error_set(error, "[server:main] socket: %s: %s", path, strerror(errno));
	} else if (!S_ISSOCK(st.st_mode) || st.st_nlink != 1 || st.st_uid != geteuid()) {
		result = ocs_error_set(error, "[server:main] socket: %s was replaced", path);
	} else {
		local->device = st.st_dev;
		local->inode = st.st_ino;
		local->there = true;
		if (ocs_file_set_owner(fd, "", uid, gid) != 0)
			result = ocs_error_set(
			        error,
			        "[server:main] socket_group: %s cannot be given to group %u: %s "
			        "(only root, or a member of the group, can)",
			        path, (unsigned)gid, strerror(errno));
	}
	if (fd >= 0)
		close(fd);
	return result;
}

/* Nobody can connect before listen(), and by then mode and group are right. */
static int listen_there(struct ocs_local_socket *local, uid_t uid, gid_t gid,
                        struct ocs_error *error)
{
	const char *path = local->address.sun_path;
	mode_t before;
	int result;

	local->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (local->fd < 0)
		return ocs_error_set(error, "cannot create a socket: %s", strerror(errno));
	before = umask(0777 & ~SOCKET_MODE);
	result = bind(local->fd, (const struct sockaddr *)&local->address, sizeof(local->address));
	umask(before);
	if (result != 0)
		return ocs_error_set(error, "[server:main] socket: cannot listen on %s: %s", path,
		                     strerror(errno));
	if (give_away(local, uid, gid, error) != 0)
		return -1;
	if (listen(local->fd, BACKLOG) != 0)
		return ocs_error_set(error, "[server:main] socket: cannot listen on %s: %s", path,
		                     strerror(errno));
	return 0;
}

int ocs_local_socket_open(const char *path, const char *group_name,
                          const struct ocs_identity *identity, struct ocs_local_socket **socket_r,
                          struct ocs_error *error)
{
	struct ocs_local_socket *local;
	const struct group *group;
	gid_t gid = identity->gid;

	*socket_r = NULL;
	if (path == NULL)
		return 0;
	if (strlen(path) > OCS_LOCAL_SOCKET_PATH_MAX)
		return ocs_error_set(error, "[server:main] socket: longer than %d bytes",
		                     OCS_LOCAL_SOCKET_PATH_MAX);
	if (group_name != NULL) {
		group = getgrnam(group_name);
		if (group == NULL)
			return ocs_error_set(error,
			                     "[server:main] socket_group: unknown group '%s'",
			                     group_name);
		gid = group->gr_gid;
	}
	local = calloc(1, sizeof(*local));
	if (local == NULL)
		return ocs_error_memory(error);
	local->fd = -1;
	local->address.sun_family = AF_UNIX;
	memcpy(local->address.sun_path, path, strlen(path) + 1);
	if (make_folder(local->address.sun_path, identity, error) != 0 ||
	    remove_stale(&local->address, error) != 0 ||
	    listen_there(local, identity->uid, gid, error) != 0) {
		ocs_local_socket_close(local);
		return -1;
	}
	*socket_r = local;
	return 0;
}

const char *ocs_local_socket_path(const struct ocs_local_socket *local)
{
	return local->address.sun_path;
}

int ocs_local_socket_take(struct ocs_local_socket *local)
{
	int fd = local->fd;

	local->fd = -1;
	return fd;
}

void ocs_local_socket_remove(struct ocs_local_socket *local)
{
	const char *path = local->address.sun_path;
	struct stat st;

	if (!local->there)
		return;
	local->there = false;
	if (lstat(path, &st) != 0 || st.st_dev != local->device || st.st_ino != local->inode)
		return;
	if (unlink(path) != 0)
		ocs_log(LOG_INFO, "cannot remove %s (%s); the next start replaces it", path,
		        strerror(errno));
}

void ocs_local_socket_close(struct ocs_local_socket *local)
{
	if (local == NULL)
		return;
	ocs_local_socket_remove(local);
	if (local->fd >= 0)
		close(local->fd);
	free(local);
}
