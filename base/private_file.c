/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Reading and replacing files that hold secrets. Touches the named file and a temporary one beside
 * it, whose name ends in six random letters.
 */
#include "base/private_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

static int check_secrecy(int fd, const char *path, bool group_reads, size_t max, size_t *size_r,
                         struct ocs_error *error)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return ocs_error_set(error, "%s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return ocs_error_set(error, "%s: %s", path,
		                     S_ISDIR(st.st_mode) ? strerror(EISDIR) : "not a regular file");
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return ocs_error_set(error, "%s: belongs to uid %u, must belong to root or uid %u",
		                     path, (unsigned)st.st_uid, (unsigned)geteuid());
	if (st.st_mode & (group_reads ? 037 : 077))
		return ocs_error_set(error, "%s: mode %04o is too open, must be %s", path,
		                     (unsigned)st.st_mode & 07777,
		                     group_reads ? "0600 or 0640" : "0600");
	if (st.st_size < 0 || (size_t)st.st_size > max)
		return ocs_error_set(error, "%s: larger than %zu bytes", path, max);
	*size_r = (size_t)st.st_size;
	return 0;
}

static int read_all(int fd, const char *path, size_t size, char **data_r, size_t *len_r,
                    struct ocs_error *error)
{
	size_t len = 0;
	char *data = malloc(size + 1);

	if (!data)
		return ocs_error_memory_of(error, path);
	while (len < size) {
		ssize_t n = read(fd, data + len, size - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			ocs_error_set(error, "%s: %s", path, strerror(errno));
			ocs_privfile_wipe(data, len);
			return -1;
		}
		if (n == 0)
			break;
		len += (size_t)n;
	}
	data[len] = '\0';
	*data_r = data;
	*len_r = len;
	return 0;
}

int ocs_privfile_read(const char *path, bool group_reads, size_t max, char **data_r, size_t *len_r,
                      struct ocs_error *error)
{
	size_t size = 0;
	/* O_NONBLOCK: a FIFO in its place must not hang the start */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0) {
		int missing = errno == ENOENT;

		ocs_error_set(error, "%s: %s", path, strerror(errno));
		return missing ? OCS_PRIVFILE_MISSING : OCS_PRIVFILE_ERROR;
	}
	int rc = check_secrecy(fd, path, group_reads, max, &size, error);
	if (rc == 0)
		rc = read_all(fd, path, size, data_r, len_r, error);
	close(fd);
	return rc;
}

static int sync_folder(const char *path, struct ocs_error *error)
{
	if (ocs_file_sync_folder(path) == 0)
		return 0;
	return ocs_error_set(error, "%s: cannot sync the folder it is in: %s", path,
	                     strerror(errno));
}

static int fill_file(int fd, const void *data, size_t len, mode_t mode, uid_t uid, gid_t gid)
{
	const char *p = data;

	while (len > 0) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		p += n;
		len -= (size_t)n;
	}
	if (ocs_file_set_owner(fd, "", uid, gid) < 0)
		return -1;
	/* after fchown, so that the mode never opens the file to a group it does not have yet */
	if (fchmod(fd, mode) < 0 || fsync(fd) < 0)
		return -1;
	return 0;
}

static int write_new(const char *path, const void *data, size_t len, mode_t mode, uid_t uid,
                     gid_t gid, bool replace, struct ocs_error *error)
{
	char temporary[PATH_MAX];

	if (snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path) >= (int)sizeof(temporary))
		return ocs_error_set(error, "%s: path too long", path);
	int fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0)
		return ocs_error_set(error, "%s: %s", temporary, strerror(errno));

	int rc = fill_file(fd, data, len, mode, uid, gid), failed = errno;
	if (close(fd) < 0 && rc == 0) {
		rc = -1;
		failed = errno;
	}
	if (rc == 0) {
		/* link() refuses to replace, rename() replaces in one step */
		rc = replace ? rename(temporary, path) : link(temporary, path);
		failed = errno;
	}
	if (rc < 0 || !replace)
		unlink(temporary);
	if (rc < 0) {
		ocs_error_set(error, "%s: %s", path, strerror(failed));
		errno = failed;
		return -1;
	}
	return sync_folder(path, error);
}

int ocs_privfile_replace(const char *path, const void *data, size_t len, mode_t mode, uid_t uid,
                         gid_t gid, struct ocs_error *error)
{
	return write_new(path, data, len, mode, uid, gid, true, error);
}

int ocs_privfile_create(const char *path, const void *data, size_t len, mode_t mode,
                        struct ocs_error *error)
{
	return write_new(path, data, len, mode, (uid_t)-1, (gid_t)-1, false, error);
}

void ocs_privfile_wipe(char *data, size_t len)
{
	if (data)
		explicit_bzero(data, len);
	free(data);
}
