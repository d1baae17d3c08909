/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The file from which libraries have the map: see users.h. Writes it in the registry folder. */
#include "users/users.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <talloc.h>

#include "base/file.h"

struct ocs_users_file {
	char *folder, *path, *new_path;
	pthread_mutex_t lock; /* for what follows: it is looked at by another thread */
	char *text, *coming;  /* what stands in it, and what was prepared (malloc); NULL: no file */
	size_t len, coming_len;
	bool late; /* what stands in it is not what should */
};

static int file_free(struct ocs_users_file *file)
{
	free(file->text);
	free(file->coming);
	pthread_mutex_destroy(&file->lock);
	return 0;
}

struct ocs_users_file *ocs_users_file_new(const void *mem_ctx, const char *folder)
{
	struct ocs_users_file *file = talloc_zero(mem_ctx, struct ocs_users_file);

	if (file == NULL)
		return NULL;
	pthread_mutex_init(&file->lock, NULL);
	talloc_set_destructor(file, file_free);
	file->folder = talloc_strdup(file, folder);
	file->path = talloc_asprintf(file, "%s/users.map", folder);
	file->new_path = talloc_asprintf(file, "%s/users.map.new", folder);
	if (file->folder == NULL || file->path == NULL || file->new_path == NULL)
		TALLOC_FREE(file);
	return file;
}

const char *ocs_users_file_path(const struct ocs_users_file *file)
{
	return file->path;
}

/* Not over a file that is being read: under another name first. Its group is the folder's, as the
 * libraries' is. */
static int write_new(const struct ocs_users_file *file, const char *text, size_t len,
                     struct ocs_error *error)
{
	struct stat folder;
	int fd;

	if (stat(file->folder, &folder) != 0)
		return ocs_error_set(error, "%s: %s", file->folder, strerror(errno));
	if (unlink(file->new_path) != 0 && errno != ENOENT)
		return ocs_error_set(error, "cannot remove %s: %s", file->new_path,
		                     strerror(errno));
	fd = open(file->new_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (fd < 0)
		return ocs_error_set(error, "cannot create %s: %s", file->new_path,
		                     strerror(errno));
	if (ocs_file_append(fd, text, len) != 0 ||
	    ocs_file_set_owner(fd, "", (uid_t)-1, folder.st_gid) != 0 || fchmod(fd, 0640) != 0) {
		ocs_error_set(error, "cannot write %s: %s", file->new_path, strerror(errno));
		close(fd);
		unlink(file->new_path);
		return -1;
	}
	close(fd);
	return 0;
}

/* What was written, or that there is none. */
static int put_in_place(const struct ocs_users_file *file, struct ocs_error *error)
{
	if (file->text == NULL && unlink(file->path) != 0 && errno != ENOENT)
		return ocs_error_set(error, "cannot remove %s: %s", file->path, strerror(errno));
	if (file->text != NULL && rename(file->new_path, file->path) != 0)
		return ocs_error_set(error, "cannot rename %s to %s: %s", file->new_path,
		                     file->path, strerror(errno));
	return 0;
}

/* malloc'd; NULL: out of memory. */
static char *map_text(const struct ocs_usermap *map, size_t *len_r)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, len_r);
	bool failed;

	if (out == NULL)
		return NULL;
	failed = fputs("# Written by ocsmanager for the libraries: what it read, as far as they "
	               "need it.\n",
	               out) < 0 ||
	         ocs_usermap_write_fixed(map, out) != 0;
	if (fclose(out) != 0 || failed) {
		free(text);
		return NULL;
	}
	return text;
}

int ocs_users_file_prepare(struct ocs_users_file *file, const struct ocs_usermap *map,
                           struct ocs_error *error)
{
	char *text = NULL;
	size_t len = 0;
	int ret = 0;

	if (map != NULL) {
		text = map_text(map, &len);
		if (text == NULL)
			return ocs_error_memory(error);
	}
	pthread_mutex_lock(&file->lock);
	if (text != NULL)
		ret = write_new(file, text, len, error);
	if (ret == 0) {
		free(file->coming);
		file->coming = text;
		file->coming_len = len;
		text = NULL;
	}
	pthread_mutex_unlock(&file->lock);
	free(text);
	return ret;
}

void ocs_users_file_cancel(struct ocs_users_file *file)
{
	pthread_mutex_lock(&file->lock);
	if (file->coming != NULL)
		(void)unlink(file->new_path);
	free(file->coming);
	file->coming = NULL;
	pthread_mutex_unlock(&file->lock);
}

int ocs_users_file_commit(struct ocs_users_file *file, struct ocs_error *error)
{
	int ret;

	pthread_mutex_lock(&file->lock);
	free(file->text);
	file->text = file->coming;
	file->len = file->coming_len;
	file->coming = NULL;
	ret = put_in_place(file, error);
	file->late = ret != 0;
	pthread_mutex_unlock(&file->lock);
	return ret;
}

int ocs_users_file_look(struct ocs_users_file *file, struct ocs_error *error)
{
	int ret = 0;

	pthread_mutex_lock(&file->lock);
	/* Between prepare and commit the other name is taken: it is looked at again. */
	bool gone = file->text != NULL && access(file->path, F_OK) != 0 && errno == ENOENT;

	if (file->coming == NULL && (gone || file->late)) {
		ret = (file->text == NULL || write_new(file, file->text, file->len, error) == 0) &&
		                      put_in_place(file, error) == 0
		              ? 1
		              : -1;
		file->late = ret != 1;
		if (ret == 1)
			ocs_error_set(error, "%s was gone or not as it should be: written again",
			              file->path);
	}
	pthread_mutex_unlock(&file->lock);
	return ret;
}
