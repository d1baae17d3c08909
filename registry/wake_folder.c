/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The folder wake/ beside the registry, with the sockets and queue lists of the libraries: made,
 * made again, and the names in it. Touches that folder, nothing in it.
 */
#include "registry/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <talloc.h>

#include "base/shared_file.h"

/* Whose folder it is may remove what is in it, so it is the daemon's, or not used. */
static int open_folder(struct ocs_registry *registry, const char *path, const struct stat *folder,
                       struct ocs_error *error)
{
	struct stat st;
	int fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT)
		return ocs_error_set(error, "%s: is missing: the daemon makes it", path);
	if (fd < 0 || fstat(fd, &st) != 0)
		ocs_error_set(error, "%s: %s", path, strerror(errno));
	else if (st.st_uid != folder->st_uid && st.st_uid != 0)
		ocs_error_set(error, "%s: belongs to uid %u, not to the daemon, which replaces it",
		              path, (unsigned)st.st_uid);
	else {
		registry->wake_fd = fd;
		return OCS_STORE_OK;
	}
	if (fd >= 0)
		close(fd);
	return OCS_STORE_ERROR;
}

/* Where the library's wake-up sockets are: as open as the registry folder itself. */
int ocs_registry_wake_make(struct ocs_registry *registry, const struct stat *folder,
                           struct ocs_error *error)
{
	char *path = talloc_asprintf(registry, "%s/wake", registry->folder);
	int ret = 0;

	if (path == NULL)
		return ocs_error_memory(error);
	if (registry->daemon)
		ret = ocs_shared_folder(path, folder->st_gid, 01770, NULL);
	if (ret != 0)
		ret = ocs_error_set(error, "%s: cannot create: %s", path, strerror(-ret));
	else
		ret = open_folder(registry, path, folder, error);
	talloc_free(path);
	return ret;
}

int ocs_registry_wake_folder(struct ocs_registry *registry, struct ocs_error *error)
{
	struct stat folder, used, named;
	char path[PATH_MAX];
	int old = registry->wake_fd, ret;

	if (snprintf(path, sizeof(path), "%s/wake", registry->folder) >= (int)sizeof(path))
		return ocs_error_set(error, "%s: path too long", registry->folder);
	if (lstat(path, &named) == 0 && fstat(old, &used) == 0 && named.st_dev == used.st_dev &&
	    named.st_ino == used.st_ino)
		return OCS_STORE_OK;
	if (stat(registry->folder, &folder) != 0)
		return ocs_error_set(error, "%s: %s", registry->folder, strerror(errno));
	ret = ocs_registry_wake_make(registry, &folder, error);
	/* Under the number that other threads may be about to use. */
	if (ret == OCS_STORE_OK && dup3(registry->wake_fd, old, O_CLOEXEC) < 0)
		ret = ocs_error_set(error, "%s: %s", path, strerror(errno));
	if (registry->wake_fd != old)
		close(registry->wake_fd);
	registry->wake_fd = old;
	return ret;
}

int ocs_registry_wake_address(const struct ocs_registry *registry, uint64_t context,
                              struct sockaddr_un *address)
{
	int n;

	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	n = snprintf(address->sun_path, sizeof(address->sun_path), "%s/wake/%016llx.sock",
	             registry->folder, (unsigned long long)context);
	/* A deep folder: the same place by the descriptor, as socket addresses hold 107 bytes. */
	if (n < 0 || (size_t)n >= sizeof(address->sun_path))
		n = snprintf(address->sun_path, sizeof(address->sun_path),
		             "/proc/self/fd/%d/%016llx.sock", registry->wake_fd,
		             (unsigned long long)context);
	return n < 0 || (size_t)n >= sizeof(address->sun_path) ? -1 : 0;
}

/* By a descriptor of the socket itself: members of the group may put a link to any other socket
 * there. 0 or an errno. */
static int connect_to(int fd, int file)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct stat st;

	if (fstat(file, &st) != 0)
		return errno;
	if (!S_ISSOCK(st.st_mode))
		return ECONNREFUSED;
	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d", file);
	return connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 ? 0 : errno;
}

int ocs_registry_wake_connect(const struct ocs_registry *registry, uint64_t context)
{
	char name[32];
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), file, error;

	if (fd < 0)
		return -errno;
	snprintf(name, sizeof(name), "%016llx.sock", (unsigned long long)context);
	file = openat(registry->wake_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	error = file < 0 ? errno : connect_to(fd, file);
	if (file >= 0)
		close(file);
	if (error == 0)
		return fd;
	close(fd);
	return -error;
}

int ocs_registry_queue_list_path(const struct ocs_registry *registry, uint64_t context, char *path,
                                 size_t size)
{
	int n = snprintf(path, size, "%s/wake/%016llx.queues", registry->folder,
	                 (unsigned long long)context);

	return n < 0 || (size_t)n >= size ? -1 : 0;
}
