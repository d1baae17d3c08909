/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Making, checking and locking the registry folder. Touches that folder, `private` and
 * `ocsmanager.lock` in it, and what is not the daemon's under the names of its files.
 */
#include "ocsmanager/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <syslog.h>
#include <talloc.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/shared_file.h"

#define FOLDER_MODE 03770
#define LOCK_MODE   0640
#define PATIENCE_MS 2000 /* for who has it locked for a moment */

/* A folder of ours is opened before it is looked at, so that what was checked is what is used. */
static int open_folder(const char *path, int flags, struct stat *st, struct ocs_error *error)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | flags);

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
	int fd = open_folder(folder, 0, &st, error);

	if (fd < 0)
		return -1;
	close(fd);
	return judge(folder, &st, uid, error);
}

bool ocs_folder_locked(const char *folder)
{
	char path[PATH_MAX];
	struct stat st;

	return snprintf(path, sizeof(path), "%s/private", folder) < (int)sizeof(path) &&
	       lstat(path, &st) == 0 && ocs_file_lock_holder(st.st_ino) != 0;
}

/* Without the sticky bit a member of the group can put a file in the place of any of ours. What may
 * have happened before is found by those who open the files. */
static int mend_mode(const char *folder, int fd, const struct stat *st, struct ocs_error *error)
{
	if ((st->st_mode & S_IWGRP) == 0 || (st->st_mode & S_ISVTX) != 0)
		return 0;
	if (fchmod(fd, FOLDER_MODE) < 0)
		return ocs_error_set(error, "[main] registry: %s: cannot change its mode to %o: %s",
		                     folder, FOLDER_MODE, strerror(errno));
	ocs_log(LOG_WARNING,
	        "%s had mode %04o, so that MAPI servers could replace the daemon's files: changed "
	        "to %o",
	        folder, (unsigned)st->st_mode & 07777, FOLDER_MODE);
	return 0;
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
	fd = open_folder(folder, 0, &st, error);
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
	else if (!made)
		result = mend_mode(folder, fd, &st, error);
	if (made && result < 0)
		rmdir(folder);
	close(fd);
	return result;
}

/* ---- what others have put in the places of the daemon's files ---- */

/* The name without what the daemon adds where it makes a file that is to take the place of another,
 * or keeps the one before. Exactly that: other people's backups lie here too. */
static size_t plain_length(const char *name)
{
	static const char *const suffixes[] = {".new", ".fresh", ".other"};
	size_t len = strlen(name);

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		size_t n = strlen(suffixes[i]);

		if (len > n && strcmp(name + len - n, suffixes[i]) == 0)
			return len - n;
	}
	return len;
}

static bool is_one_of(const char *name, size_t len, const char *const *names)
{
	for (; *names != NULL; names++)
		if (strlen(*names) == len && memcmp(name, *names, len) == 0)
			return true;
	return false;
}

/* index.tdb, index.1.tdb and so on, id_mark.1, replica_ids. */
static bool tells_identifiers(const char *name, size_t len)
{
	static const char *const names[] = {"index.tdb", "replica_ids", NULL};
	bool index = strncmp(name, "index.", 6) == 0, mark = strncmp(name, "id_mark.", 8) == 0;
	size_t head = index ? 6 : 8, tail = index ? 4 : 0, digits;

	if (is_one_of(name, len, names))
		return true;
	if ((!index && !mark) || len <= head + tail)
		return false;
	digits = strspn(name + head, "0123456789");
	return digits > 0 && head + digits + tail == len &&
	       strncmp(name + head + digits, ".tdb", tail) == 0;
}

/* Whether what is not the daemon's gives way there: no folder `private`, which may be that of a
 * daemon of another user, and no file that may say which identifiers were given. */
static bool gives_way(const char *name, mode_t mode)
{
	static const char *const names[] = {"registry.tdb", "users.map",   "ocsmanager.lock",
	                                    "bind.sock",    "report.sock", "wake",
	                                    "spill",        "messages",    NULL};
	size_t len = plain_length(name);

	if (strcmp(name, "private") == 0)
		return !S_ISDIR(mode);
	if (tells_identifiers(name, len))
		return name[len] != '\0' || !S_ISREG(mode);
	return is_one_of(name, len, names);
}

static bool is_in_the_way(const char *folder, const char *name, char path[PATH_MAX],
                          struct stat *st)
{
	return snprintf(path, PATH_MAX, "%s/%s", folder, name) < PATH_MAX &&
	       ocs_shared_look(path, st) == OCS_SHARED_FOREIGN && gives_way(name, st->st_mode);
}

bool ocs_folder_is_in_the_way(const char *folder, const char *name, struct ocs_error *error)
{
	char path[PATH_MAX];
	struct stat st;

	if (!is_in_the_way(folder, name, path, &st))
		return false;
	ocs_error_set(error, "%s belongs to uid %u, not to the daemon, which removes it", path,
	              (unsigned)st.st_uid);
	return true;
}

static void clear_one(const char *folder, const char *name)
{
	char path[PATH_MAX];
	struct stat st;
	int ret;

	if (!is_in_the_way(folder, name, path, &st))
		return;
	ret = ocs_shared_clear(path);
	if (ret < 0)
		ocs_log(LOG_WARNING, "%s: belongs to uid %u, cannot be removed: %s", path,
		        (unsigned)st.st_uid, strerror(-ret));
	else
		ocs_log(LOG_WARNING,
		        "%s: removed what uid %u had put in the place of a file of the daemon",
		        path, (unsigned)st.st_uid);
}

void ocs_folder_clear(const char *folder)
{
	DIR *dir = opendir(folder);
	const struct dirent *entry;

	while (dir != NULL && (entry = readdir(dir)) != NULL)
		clear_one(folder, entry->d_name);
	if (dir != NULL)
		closedir(dir);
}

int ocs_folder_private(const char *folder, const void *mem_ctx, const char **path_r,
                       struct ocs_error *error)
{
	char *path = talloc_asprintf(mem_ctx, "%s/private", folder);
	struct stat st;
	int fd, result = 0;

	if (path == NULL)
		return ocs_error_memory(error);
	if (ocs_shared_is_junk(path))
		clear_one(folder, "private");
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return ocs_error_set(error, "cannot create %s: %s", path, strerror(errno));
	fd = open_folder(path, O_NOFOLLOW, &st, error);
	if (fd < 0)
		return -1;
	if (st.st_uid != geteuid())
		result = ocs_error_set(error,
		                       "%s belongs to uid %u, not to the daemon: chown it with all "
		                       "that is in it, or remove it if it is not the daemon's",
		                       path, (unsigned)st.st_uid);
	/* Also takes off the setgid bit that it has from the folder above. */
	else if ((st.st_mode & 07777) != 0700 && fchmod(fd, 0700) < 0)
		result = ocs_error_set(error, "%s: %s", path, strerror(errno));
	close(fd);
	*path_r = path;
	return result;
}

/* ---- the lock ---- */

static int open_file(const char *path, const char *text, int *fd_r, struct ocs_error *error)
{
	size_t len = strlen(text);
	int fd = -1, ret = ocs_shared_clear(path);

	if (ret >= 0)
		ret = ocs_shared_open(path, O_RDWR, &fd);
	if (ret == -ENOENT) {
		fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, LOCK_MODE);
		ret = fd < 0 ? -errno : 0;
	}
	if (ret < 0)
		return ocs_shared_refuse(path, ret, error);
	if (ftruncate(fd, 0) < 0 || pwrite(fd, text, len, 0) != (ssize_t)len) {
		ocs_error_set(error, "%s: %s", path, strerror(errno));
		close(fd);
		return -1;
	}
	*fd_r = fd;
	return 0;
}

/* Nobody else can open the private folder, so that nobody else can have it locked but a daemon,
 * ocsctl and root. 0, or -1. */
static int lock_private(const char *path, int *fd_r, struct ocs_error *error)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	long holder;

	if (fd < 0 || fstat(fd, &st) < 0) {
		ocs_error_set(error, "%s: %s", path, strerror(errno));
	} else if (ocs_file_lock(fd, PATIENCE_MS) == 0 || errno != EWOULDBLOCK) {
		*fd_r = fd; /* also on file systems that cannot */
		return 0;
	} else {
		holder = ocs_file_lock_holder(st.st_ino);
		if (holder > 0)
			ocs_error_set(error,
			              "%s: another ocsmanager (pid %ld) serves this registry, or "
			              "has it locked",
			              path, holder);
		else
			ocs_error_set(error,
			              "%s: another ocsmanager serves this registry, or another "
			              "process has it locked",
			              path);
	}
	if (fd >= 0)
		close(fd);
	return -1;
}

/* So that systemd-tmpfiles leaves the folder alone. Members of the group can lock it too, which
 * keeps nobody from serving it. */
static void lock_folder(const char *folder, struct ocs_folder_lock *lock)
{
	lock->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (lock->folder >= 0 && flock(lock->folder, LOCK_EX | LOCK_NB) != 0)
		ocs_log(LOG_INFO, "%s: another process has it locked (flock)", folder);
}

int ocs_folder_lock(const char *folder, const char *private_folder, struct ocs_folder_lock *lock,
                    struct ocs_error *error)
{
	*lock = (struct ocs_folder_lock){.folder = -1, .private_folder = -1, .file = -1};
	lock->path = talloc_asprintf(NULL, "%s/ocsmanager.lock", folder);
	lock->text = talloc_asprintf(NULL, "%ld\n", (long)getpid());
	if (lock->path == NULL || lock->text == NULL) {
		ocs_error_memory(error);
	} else if (lock_private(private_folder, &lock->private_folder, error) == 0 &&
	           open_file(lock->path, lock->text, &lock->file, error) == 0) {
		lock_folder(folder, lock);
		return 0;
	}
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
	if (lock->private_folder >= 0)
		close(lock->private_folder);
	talloc_free(lock->path);
	talloc_free(lock->text);
	*lock = (struct ocs_folder_lock){.folder = -1, .private_folder = -1, .file = -1};
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
