/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The spool: folder, lock and writing. Touches that folder only. */
#include "lib.h"
#include "crc32.h"
#include "str.h"
#include "strfuncs.h"
#include "time-util.h"

#include "spool.h"
#include "spool_internal.h"
#include "spool_record.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_LENGTH 16
#define TRIES       5

static struct {
	char *parent, *folder;
	uid_t uid; /* the descriptors below are of this one's folder */
	int dir, lock, file;
	bool locked, tried, complained;
} spool = {.dir = -1, .lock = -1, .file = -1};

void ocs_spool_init(const char *folder)
{
	spool.parent = *folder == '\0' ? NULL : i_strdup(folder);
	spool.tried = spool.complained = FALSE;
}

void ocs_spool_deinit(void)
{
	ocs_spool_read_close();
	i_close_fd(&spool.file);
	i_close_fd(&spool.lock);
	i_close_fd(&spool.dir);
	spool.locked = FALSE;
	i_free(spool.parent);
	i_free(spool.folder);
}

void ocs_spool_give_up(void)
{
	ocs_spool_unlock();
	i_close_fd(&spool.file);
	i_close_fd(&spool.lock);
	i_close_fd(&spool.dir);
}

void ocs_spool_error(const char *function, const char *name)
{
	if (!spool.complained)
		i_error("ocsmanager: %s(%s%s%s) failed: %m", function, spool.folder,
		        *name == '\0' ? "" : "/", name);
	spool.complained = TRUE;
}

/* A folder of this user's that is not there is no mistake: a hint is given when it is missed. */
static int open_folder(void)
{
	struct stat st;
	int fd = open(spool.folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd == -1 && errno == ENOENT && spool.uid == 0) {
		/* whatever the umask is: others may have folders in it */
		if (mkdir(spool.parent, 0755) == 0)
			(void)chmod(spool.parent, 0755);
		if (mkdir(spool.folder, 0700) < 0 && errno != EEXIST) {
			ocs_spool_error("mkdir", "");
			return -1;
		}
		fd = open(spool.folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	}
	if (fd == -1) {
		if (errno != ENOENT && errno != EACCES)
			ocs_spool_error("open", "");
		return -1;
	}
	if (fstat(fd, &st) < 0) {
		ocs_spool_error("fstat", "");
	} else if (st.st_uid != spool.uid || (st.st_mode & 077) != 0) {
		i_error("ocsmanager: %s is not used: it must belong to uid %s and have mode 700",
		        spool.folder, dec2str(spool.uid));
	} else {
		return fd;
	}
	i_close_fd(&fd);
	return -1;
}

bool ocs_spool_usable(void)
{
	if (spool.parent == NULL)
		return FALSE;
	if (!spool.tried) {
		spool.tried = TRUE;
		spool.uid = geteuid();
		spool.folder = i_strdup_printf("%s/%s", spool.parent, dec2str(spool.uid));
		spool.dir = open_folder();
		if (spool.dir != -1) {
			spool.lock = openat(spool.dir, "lock",
			                    O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
			if (spool.lock == -1) {
				ocs_spool_error("open", "lock");
				i_close_fd(&spool.dir);
			}
		}
	}
	return spool.dir != -1 && geteuid() == spool.uid;
}

int ocs_spool_dir(void)
{
	return ocs_spool_usable() ? spool.dir : -1;
}

const char *ocs_spool_folder(void)
{
	return spool.folder;
}

const char *ocs_spool_hint(void)
{
	if (spool.parent == NULL || spool.dir != -1 || spool.folder == NULL)
		return "";
	return t_strdup_printf("; a folder %s of uid %s, mode 700, would keep them", spool.folder,
	                       dec2str(spool.uid));
}

const char *ocs_spool_name(uint64_t number)
{
	return t_strdup_printf("%016llx", (unsigned long long)number);
}

int ocs_spool_range(int dir, struct ocs_spool_range *range_r)
{
	/* one of its own: the position belongs to the open file */
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *names = fd == -1 ? NULL : fdopendir(fd);
	struct dirent *entry;

	i_zero(range_r);
	if (names == NULL) {
		ocs_spool_error("opendir", "");
		i_close_fd(&fd);
		return -1;
	}
	while ((errno = 0, entry = readdir(names)) != NULL) {
		uint64_t number;

		if (strlen(entry->d_name) != NAME_LENGTH ||
		    str_to_uint64_hex(entry->d_name, &number) < 0 || number == 0)
			continue;
		if (range_r->first == 0 || number < range_r->first)
			range_r->first = number;
		if (number > range_r->last)
			range_r->last = number;
		range_r->count++;
	}
	if (errno != 0) {
		ocs_spool_error("readdir", "");
		(void)closedir(names);
		return -1;
	}
	(void)closedir(names);
	return 0;
}

bool ocs_spool_waiting(void)
{
	struct ocs_spool_range range;
	int dir = ocs_spool_dir();

	return dir != -1 && ocs_spool_range(dir, &range) == 0 && range.count > 0;
}

/* -- writing */

/* Whether the file that is open for writing can take a record; then it has a shared lock. */
static bool file_ready(void)
{
	struct stat st;

	if (spool.file == -1)
		return FALSE;
	/* who has it exclusively has read all of it and is about to remove it */
	if (flock(spool.file, LOCK_SH | LOCK_NB) == 0) {
		if (fstat(spool.file, &st) == 0 && st.st_nlink > 0 &&
		    st.st_size < OCS_SPOOL_FILE_MAX)
			return TRUE;
		(void)flock(spool.file, LOCK_UN);
	}
	i_close_fd(&spool.file);
	return FALSE;
}

static bool open_for_writing(int dir)
{
	struct ocs_spool_range range;
	unsigned int i;

	if (file_ready())
		return TRUE;
	for (i = 0; i < TRIES; i++) {
		uint64_t number;

		if (ocs_spool_range(dir, &range) < 0)
			return FALSE;
		/* the first try is the newest file, each one after it a newer one */
		number = range.last + (range.last == 0 || i > 0 ? 1 : 0);
		if (number != range.last && range.count >= OCS_SPOOL_FILES_MAX) {
			errno = EDQUOT;
			return FALSE;
		}
		spool.file = openat(dir, ocs_spool_name(number),
		                    O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (spool.file == -1)
			return FALSE;
		if (file_ready())
			return TRUE;
	}
	errno = EAGAIN;
	return FALSE;
}

bool ocs_spool_append(const char *xml)
{
	int dir = ocs_spool_dir();
	size_t length = strcspn(xml, "\n");
	string_t *record;
	ssize_t ret;

	if (dir == -1 || length == 0 || length > OCS_SPOOL_RECORD_MAX)
		return FALSE;
	if (!open_for_writing(dir)) {
		ocs_spool_error("open", "file");
		return FALSE;
	}
	record = t_str_new(length + 16);
	str_printfa(record, OCS_SPOOL_HEAD_FORMAT, crc32_data(xml, length));
	str_append_data(record, xml, length);
	str_append_c(record, '\n');
	ret = write(spool.file, str_data(record), str_len(record));
	if (ret >= 0 && (size_t)ret < str_len(record))
		errno = ENOSPC;
	if (ret < 0 || (size_t)ret < str_len(record)) {
		ocs_spool_error("write", "file");
		ret = -1;
	}
	(void)flock(spool.file, LOCK_UN);
	return ret >= 0;
}

/* -- who sends, and when */

bool ocs_spool_lock(void)
{
	if (ocs_spool_dir() == -1)
		return FALSE;
	if (!spool.locked)
		spool.locked = flock(spool.lock, LOCK_EX | LOCK_NB) == 0;
	return spool.locked;
}

void ocs_spool_unlock(void)
{
	if (spool.locked)
		(void)flock(spool.lock, LOCK_UN);
	spool.locked = FALSE;
	ocs_spool_read_close();
}

void ocs_spool_away_get(struct ocs_spool_away *away_r)
{
	char text[128];
	ssize_t size;
	struct timeval now;

	i_zero(away_r);
	if (ocs_spool_dir() == -1 || (size = pread(spool.lock, text, sizeof(text) - 1, 0)) <= 0)
		return;
	text[size] = '\0';
	i_gettimeofday(&now);
	ocs_spool_away_parse(text, (long long)now.tv_sec * 1000 + now.tv_usec / 1000, away_r);
}

void ocs_spool_away_set(const struct ocs_spool_away *away)
{
	const char *text = away->since_msecs == 0
	                           ? ""
	                           : t_strdup_printf("away %lld %lld %u\n", away->since_msecs,
	                                             away->until_msecs, away->backoff_msecs);

	i_assert(spool.locked);
	if (ftruncate(spool.lock, 0) < 0 ||
	    pwrite(spool.lock, text, strlen(text), 0) != (ssize_t)strlen(text))
		ocs_spool_error("write", "lock");
}
