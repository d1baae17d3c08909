/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Names of ours in folders that others can write to: see shared_file.h. Touches what has the name,
 * and asks who owns the folder that it is in. */
#include "base/shared_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/file.h"

/* ---- whose it is ---- */

/* The folder that the path is in. 0, or -1 with errno. */
static int stat_folder(const char *path, struct stat *st)
{
	char folder[PATH_MAX];

	if (strlen(path) >= sizeof(folder)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(folder, path);
	return stat(dirname(folder), st);
}

static bool is_ours(const struct stat *st, const struct stat *folder)
{
	return st->st_uid == geteuid() || st->st_uid == 0 || st->st_uid == folder->st_uid;
}

enum ocs_shared_kind ocs_shared_look(const char *path, struct stat *st_r)
{
	struct stat st, folder;

	if (lstat(path, &st) != 0)
		return errno == ENOENT ? OCS_SHARED_MISSING : OCS_SHARED_UNKNOWN;
	if (stat_folder(path, &folder) != 0)
		return OCS_SHARED_UNKNOWN;
	if (st_r != NULL)
		*st_r = st;
	if (!is_ours(&st, &folder))
		return OCS_SHARED_FOREIGN;
	return S_ISREG(st.st_mode)   ? OCS_SHARED_FILE
	       : S_ISDIR(st.st_mode) ? OCS_SHARED_FOLDER
	                             : OCS_SHARED_OTHER;
}

static int check_open(int fd, const char *path)
{
	struct stat st, folder;

	if (fstat(fd, &st) != 0 || stat_folder(path, &folder) != 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -ELOOP;
	return is_ours(&st, &folder) ? 0 : -EPERM;
}

int ocs_shared_open(const char *path, int flags, int *fd_r)
{
	/* A FIFO would stop us, a terminal become ours. */
	int fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY), ret;

	if (fd < 0)
		return errno == EISDIR || errno == ENXIO ? -ELOOP : -errno;
	ret = check_open(fd, path);
	if (ret == 0)
		*fd_r = fd;
	else
		close(fd);
	return ret;
}

bool ocs_shared_is_junk(const char *path)
{
	struct stat st;

	return ocs_shared_look(path, &st) == OCS_SHARED_FOREIGN && !S_ISREG(st.st_mode);
}

int ocs_shared_refuse(const char *path, int result, struct ocs_error *error)
{
	struct stat st;

	if (result != -EPERM && result != -ELOOP)
		return ocs_error_set(error, "%s: cannot open: %s", path, strerror(-result));
	if (ocs_shared_look(path, &st) == OCS_SHARED_FOREIGN)
		return ocs_error_set(error,
		                     "%s: belongs to uid %u, not to the owner of the folder: chown "
		                     "it if it is the daemon's, else remove it",
		                     path, (unsigned)st.st_uid);
	return ocs_error_set(error, "%s: is in the place of a file of the daemon: remove it", path);
}

/* ---- made room for ---- */

static int move_aside(const char *path)
{
	char aside[PATH_MAX];
	uint64_t id;

	if (getrandom(&id, sizeof(id), 0) != sizeof(id))
		return -EIO;
	if (snprintf(aside, sizeof(aside), "%s.not-ours.%016llx", path, (unsigned long long)id) >=
	    (int)sizeof(aside))
		return -ENAMETOOLONG;
	return rename(path, aside) != 0 && errno != ENOENT ? -errno : 0;
}

int ocs_shared_remove(const char *path)
{
	if (unlink(path) == 0 || errno == ENOENT)
		return 0;
	/* No folder, so it can be removed where it is, if not now: nobody would find it aside. */
	if (errno != EISDIR && errno != EPERM)
		return -errno;
	if (rmdir(path) == 0 || errno == ENOENT)
		return 0;
	return move_aside(path);
}

int ocs_shared_clear(const char *path)
{
	int ret;

	switch (ocs_shared_look(path, NULL)) {
	case OCS_SHARED_FOREIGN:
		ret = ocs_shared_remove(path);
		return ret == 0 ? 1 : ret;
	case OCS_SHARED_UNKNOWN:
		return -errno;
	default:
		return 0;
	}
}

int ocs_shared_temporary(const char *path, const char *suffix, char out[PATH_MAX])
{
	const char *slash = strrchr(path, '/');
	int dir = slash != NULL ? (int)(slash + 1 - path) : 0;
	struct stat folder, st;
	int n = snprintf(out, PATH_MAX, "%.*sprivate", dir, path);

	if (n > 0 && n < PATH_MAX && stat_folder(path, &folder) == 0 && lstat(out, &st) == 0 &&
	    S_ISDIR(st.st_mode) && st.st_uid == geteuid() && st.st_dev == folder.st_dev)
		n = snprintf(out, PATH_MAX, "%.*sprivate/%s%s", dir, path, path + dir, suffix);
	else
		n = snprintf(out, PATH_MAX, "%s%s", path, suffix);
	if (n > 0 && n < PATH_MAX)
		return 0;
	errno = ENAMETOOLONG;
	return -1;
}

/* One that was not finished, or opened too far: nobody but us changes what is ours. */
static int correct(int fd, gid_t gid, mode_t mode)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return -errno;
	if (st.st_uid != geteuid() || ((st.st_mode & 07777) == mode && st.st_gid == gid))
		return 0;
	return ocs_file_set_owner(fd, "", (uid_t)-1, gid) != 0 || fchmod(fd, mode) != 0 ? -errno
	                                                                                : 0;
}

/* Ours, so that it stays. */
static bool is_no_folder(const char *path)
{
	enum ocs_shared_kind kind = ocs_shared_look(path, NULL);

	return kind == OCS_SHARED_OTHER || kind == OCS_SHARED_FILE;
}

int ocs_shared_folder(const char *path, gid_t gid, mode_t mode, int *fd_r)
{
	struct stat st, above;
	int fd, ret;

	/* Another member may be there first, more than once. */
	for (int tries = 0; tries < 16; tries++) {
		if (mkdir(path, 0700) != 0 && errno != EEXIST)
			return -errno;
		fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0 && errno != ENOTDIR && errno != ELOOP && errno != EACCES &&
		    errno != ENOENT)
			return -errno;
		if (fd >= 0 && fstat(fd, &st) == 0 && stat_folder(path, &above) == 0 &&
		    is_ours(&st, &above)) {
			ret = correct(fd, gid, mode);
			if (ret == 0 && fd_r != NULL)
				*fd_r = fd;
			else
				close(fd);
			return ret;
		}
		if (fd >= 0)
			close(fd);
		ret = ocs_shared_clear(path);
		if (ret < 0)
			return ret;
		if (ret == 0 && is_no_folder(path))
			return -ENOTDIR;
	}
	return -EEXIST;
}
