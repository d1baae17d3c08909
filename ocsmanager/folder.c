/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Making, checking and locking the registry folder. Touches that folder, `private` and
 * `ocsmanager.lock` in it, nothing else.
 */
#include "ocsmanager/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <talloc.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"

#define FOLDER_MODE 03770
#define LOCK_MODE   0640
#define PATIENCE    100 /* times 20 ms, for a lock on the folder */

/* A folder of ours is opened before it is looked at, so that what was checked is what is used. */
static int open_folder(const char *path, struct stat *st, struct ocs_error *error)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return ocs_error_set(error, "%s: %s", path, strerror(errno));
	if (fstat(fd, st) < 0) {
		ocs_error_set(error, "%s: %s", path, strerror(errno));
		close(fd);
		return -1;
	}
	return fd;
}

static int judge(const char *folder, const struct stat *st, uid_t uid, struct ocs_error *error)
{
	if (st->st_uid != uid)
		return ocs_error_set(error,
		                     "%s belongs to uid %u, the daemon is uid %u: chown it, with "
		                     "all that is in it",
		                     folder, (unsigned)st->st_uid, (unsigned)uid);
	if ((st->st_mode & S_IWOTH) != 0)
		return ocs_error_set(error, "every user can write to %s: chmod %o it", folder,
		                     FOLDER_MODE);
	return 0;
}

int ocs_folder_look(const char *folder, uid_t uid, struct ocs_error *error)
{
	struct stat st;
	int fd = open_folder(folder, &st, error);

	if (fd < 0)
		return -1;
	close(fd);
	return judge(folder, &st, uid, error);
}

bool ocs_folder_locked(const char *folder)
{
	char path[PATH_MAX], line[200];
	struct stat st;
	FILE *locks;
	bool found = false;

	if (snprintf(path, sizeof(path), "%s/ocsmanager.lock", folder) >= (int)sizeof(path) ||
	    stat(path, &st) < 0)
		return false;
	locks = fopen("/proc/locks", "re");
	while (locks != NULL && !found && fgets(line, sizeof(line), locks) != NULL) {
		unsigned long long inode;

		/* "1: FLOCK  ADVISORY  WRITE 4711 08:01:1234 0 EOF" */
		found = sscanf(line, "%*s FLOCK %*s %*s %*d %*[0-9a-f]:%*[0-9a-f]:%llu", &inode) ==
		                1 &&
		        inode == st.st_ino;
	}
	if (locks != NULL)
		fclose(locks);
	return found;
}

int ocs_folder_prepare(const char *folder, uid_t uid, gid_t gid, struct ocs_error *error)
{
	bool made = mkdir(folder, 0700) == 0;
	struct ocs_error why;
	struct stat st;
	int fd, result = 0;

	if (!made && errno != EEXIST)
		return ocs_error_set(error, "[main] registry: cannot create %s: %s", folder,
		                     strerror(errno));
	fd = open_folder(folder, &st, error);
	if (fd < 0)
		return -1;
	/* Group first: chown() clears setgid. */
	if (made &&
	    ((st.st_uid != uid && fchown(fd, uid, (gid_t)-1) < 0) ||
	     (st.st_gid != gid && fchown(fd, (uid_t)-1, gid) < 0) || fchmod(fd, FOLDER_MODE) < 0))
		result = ocs_error_set(error, "[main] registry: %s: owner and mode: %s", folder,
		                       strerror(errno));
	else if (!made && judge(folder, &st, uid, &why) < 0)
		result = ocs_error_wrap(error, &why, "[main] registry: %s", why.text);
	if (made && result < 0)
		rmdir(folder);
	close(fd);
	return result;
}

int ocs_folder_private(const char *folder, const void *mem_ctx, const char **path_r,
                       struct ocs_error *error)
{
	char *path = talloc_asprintf(mem_ctx, "%s/private", folder);
	struct stat st;
	int fd, result = 0;

	if (path == NULL)
		return ocs_error_memory(error);
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return ocs_error_set(error, "cannot create %s: %s", path, strerror(errno));
	fd = open_folder(path, &st, error);
	if (fd < 0)
		return -1;
	if (st.st_uid != geteuid())
		result = ocs_error_set(error, "%s belongs to uid %u, not to the daemon", path,
		                       (unsigned)st.st_uid);
	/* Also takes off the setgid bit that it has from the folder above. */
	else if ((st.st_mode & 07777) != 0700 && fchmod(fd, 0700) < 0)
		result = ocs_error_set(error, "%s: %s", path, strerror(errno));
	close(fd);
	*path_r = path;
	return result;
}

static int locked_error(const char *path, int fd, struct ocs_error *error)
{
	char holder[32] = "";
	ssize_t n = pread(fd, holder, sizeof(holder) - 1, 0);

	holder[n > 0 ? n : 0] = '\0';
	holder[strspn(holder, "0123456789")] = '\0';
	return ocs_error_set(error, "%s: another ocsmanager (pid %s) serves this registry", path,
	                     holder[0] != '\0' ? holder : "unknown");
}

static int open_file(const char *path, const char *text, int *fd_r, struct ocs_error *error)
{
	size_t len = strlen(text);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, LOCK_MODE);

	if (fd < 0)
		return ocs_error_set(error, "%s: %s", path, strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno == EWOULDBLOCK)
			locked_error(path, fd, error);
		else
			ocs_error_set(error, "%s: %s", path, strerror(errno));
		close(fd);
		return -1;
	}
	if (ftruncate(fd, 0) < 0 || pwrite(fd, text, len, 0) != (ssize_t)len) {
		ocs_error_set(error, "%s: %s", path, strerror(errno));
		close(fd);
		return -1;
	}
	*fd_r = fd;
	return 0;
}

/* systemd-tmpfiles holds such a lock for as long as it looks through the folder. */
static int lock_folder(const char *folder, struct ocs_folder_lock *lock, struct ocs_error *error)
{
	const struct timespec step = {.tv_nsec = 20000000};
	int ret = -1;

	lock->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (lock->folder < 0)
		return ocs_error_set(error, "%s: %s", folder, strerror(errno));
	for (int i = 0; i < PATIENCE && ret < 0; i++) {
		ret = flock(lock->folder, LOCK_EX | LOCK_NB);
		if (ret < 0 && errno != EWOULDBLOCK)
			return 0; /* file systems that cannot: the lock of the file must do */
		if (ret < 0)
			nanosleep(&step, NULL);
	}
	return ret == 0 ? 0
	                : ocs_error_set(error,
	                                "%s: another ocsmanager serves this registry, or "
	                                "another process has it locked",
	                                folder);
}

int ocs_folder_lock(const char *folder, struct ocs_folder_lock *lock, struct ocs_error *error)
{
	*lock = (struct ocs_folder_lock){.folder = -1, .file = -1};
	lock->path = talloc_asprintf(NULL, "%s/ocsmanager.lock", folder);
	lock->text = talloc_asprintf(NULL, "%ld\n", (long)getpid());
	if (lock->path == NULL || lock->text == NULL)
		ocs_error_memory(error);
	/* The file first: it says which process it is. */
	else if (open_file(lock->path, lock->text, &lock->file, error) == 0 &&
	         lock_folder(folder, lock, error) == 0)
		return 0;
	ocs_folder_unlock(lock);
	return -1;
}

void ocs_folder_unlock(struct ocs_folder_lock *lock)
{
	if (lock->path == NULL)
		return;
	if (lock->file >= 0)
		close(lock->file);
	if (lock->folder >= 0)
		close(lock->folder);
	talloc_free(lock->path);
	talloc_free(lock->text);
	*lock = (struct ocs_folder_lock){.folder = -1, .file = -1};
}

int ocs_folder_publish(struct ocs_folder_lock *lock, const char *text)
{
	char *whole = talloc_asprintf(NULL, "%s%s", lock->text, text);
	size_t len = whole != NULL ? strlen(whole) : 0;

	if (whole == NULL)
		return -1;
	talloc_free(lock->text);
	lock->text = whole;
	return pwrite(lock->file, whole, len, 0) == (ssize_t)len ? 0 : -1;
}

int ocs_folder_look_lock(void *arg, struct ocs_error *error)
{
	struct ocs_folder_lock *lock = arg;
	struct ocs_error why;
	int fd;

	if (ocs_file_present(lock->file, lock->path, error) == 0)
		return 0;
	if (open_file(lock->path, lock->text, &fd, &why) != 0)
		return ocs_error_pass(error, &why);
	close(lock->file);
	lock->file = fd;
	return 1;
}
