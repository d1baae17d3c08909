/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Whole reads and writes at an offset of a file that the caller has open, whether it is still where
 * its path says, its owner and lock, and syncing the folder of a path. No state. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"

ssize_t ocs_file_read(int fd, uint8_t *out, size_t len, uint64_t at)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pread(fd, out + done, len - done, (off_t)(at + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

int ocs_file_write(int fd, const uint8_t *data, size_t len, uint64_t at)
{
	while (len > 0) {
		ssize_t n = pwrite(fd, data, len, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		data += n;
		at += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

int ocs_file_append(int fd, const void *data, size_t len)
{
	for (const char *p = data; len > 0;) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno != EINTR)
			return -1;
		if (n > 0) {
			p += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

int ocs_file_sync_folder(const char *path)
{
	char folder[PATH_MAX];
	int fd, ret;

	if (strlen(path) >= sizeof(folder)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(folder, path);
	fd = open(dirname(folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	ret = fsync(fd);
	close(fd);
	return ret;
}

bool (*ocs_file_interrupted)(void);

int ocs_file_lock(int fd, unsigned wait_ms)
{
	const struct timespec step = {.tv_nsec = 1000000};

	for (unsigned i = 0;; i++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return 0;
		if ((errno != EWOULDBLOCK && errno != EINTR) || i >= wait_ms)
			return -1;
		if (ocs_file_interrupted != NULL && ocs_file_interrupted()) {
			errno = EWOULDBLOCK;
			return -1;
		}
		nanosleep(&step, NULL);
	}
}

long ocs_file_lock_holder(ino_t wanted)
{
	FILE *locks = fopen("/proc/locks", "re");
	char line[200];
	long holder = 0;

	while (locks != NULL && holder == 0 && fgets(line, sizeof(line), locks) != NULL) {
		unsigned long long inode;
		long pid;

		/* "1: FLOCK  ADVISORY  WRITE 4711 08:01:1234 0 EOF" */
		if (sscanf(line, "%*s FLOCK %*s %*s %ld %*[0-9a-f]:%*[0-9a-f]:%llu", &pid,
		           &inode) == 2 &&
		    inode == wanted)
			holder = pid;
	}
	if (locks != NULL)
		fclose(locks);
	return holder;
}

int ocs_file_lock_error(int fd, const char *path, struct ocs_error *error)
{
	int why = errno;
	struct stat st;
	long holder =
	        why == EWOULDBLOCK && fstat(fd, &st) == 0 ? ocs_file_lock_holder(st.st_ino) : 0;

	if (holder > 0)
		ocs_error_set(error, "%s: locked by process %ld", path, holder);
	else if (why == EWOULDBLOCK)
		ocs_error_set(error, "%s: locked by another process", path);
	else
		ocs_error_set(error, "%s: cannot lock: %s", path, strerror(why));
	errno = why;
	return -1;
}

int ocs_file_set_owner(int fd, const char *path, uid_t uid, gid_t gid)
{
	const int flags = AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW;
	struct stat st;

	if (fstatat(fd, path, &st, flags) != 0)
		return -1;
	if ((uid == (uid_t)-1 || uid == st.st_uid) && (gid == (gid_t)-1 || gid == st.st_gid))
		return 0;
	return fchownat(fd, path, uid, gid, flags);
}

int ocs_file_present(int fd, const char *path, struct ocs_error *error)
{
	struct stat named, opened;

	if (stat(path, &named) != 0)
		return ocs_error_set(error, "%s: %s", path,
		                     errno == ENOENT ? "is gone" : strerror(errno));
	if (fstat(fd, &opened) != 0)
		return ocs_error_set(error, "%s: %s", path, strerror(errno));
	if (named.st_dev != opened.st_dev || named.st_ino != opened.st_ino)
		return ocs_error_set(error, "%s: is not the file in use", path);
	return 0;
}
