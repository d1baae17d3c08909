/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * A backup of the index put in place, and a registry taken over: see index_restore.h. Touches
 * index*.tdb, index*.tdb.restore, index*.tdb.before-<time> and id_mark.REPLICA.
 *
 * The mark is raised first, and index.tdb comes last: killed in between, the command leaves an
 * index that the daemon refuses, and can be repeated.
 */
#include "mapistore/index_restore.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/shield.h"
#include "mapistore/index_internal.h"

#define COPY_SIZE 65536

struct restore {
	const char *folder, *from;
	struct stat owner;   /* of the folder */
	bool many;           /* from is a folder */
	unsigned n;          /* files copied */
	uint64_t high_water; /* the highest of them */
	long long now;       /* in names */
};

static int is_too_long(const struct restore *restore, struct ocs_error *error)
{
	return ocs_error_set(error, "%s: the path is too long", restore->folder);
}

/* What a file of the registry has behind its name meanwhile; "" for itself. */
static int name_of(const struct restore *restore, unsigned n, const char *end, char path[PATH_MAX],
                   struct ocs_error *error)
{
	if (ocs_index_file_path(restore->folder, n, path) != 0 ||
	    strlen(path) + strlen(end) >= PATH_MAX)
		return is_too_long(restore, error);
	strcat(path, end);
	return 0;
}

/* ---- the mark ---- */

/* Raises it past all that is known to have been given, and a block more. */
static int raise_mark(const char *folder, uint16_t replica_id, uint64_t high_water, bool adopt,
                      uint64_t *counter_r, struct ocs_error *error)
{
	struct ocs_index_mark mark;
	struct ocs_error clock;
	char path[PATH_MAX];
	int fd = -1, ret, place = OCS_PLACE_UNKNOWN;
	uint64_t least = ocs_index_clock_floor(&clock);

	if (ocs_index_mark_path(folder, replica_id, path, error) != 0)
		return -1;
	ret = ocs_index_mark_lock(path, replica_id, &fd, &mark, error);
	if (ret == OCS_STORE_ERROR || ret == OCS_STORE_BUSY)
		return -1;
	if (adopt)
		mark.machine[0] = '\0';
	else
		place = ocs_index_place_judge(folder, &mark, error);
	/* Without any mark that can be believed there is the clock alone. */
	if (place >= 0 && !mark.counted && high_water == 0 && least == 0)
		place = ocs_error_set(error, "%s", clock.text);
	ocs_index_raise_to(&least, high_water);
	ocs_index_raise_to(&least, mark.ceiling);
	if (place >= 0 && least > OCS_COUNTER_MAX - OCS_MARK_BLOCK)
		place = ocs_error_set(error, "%s: all identifiers of this replica id are given",
		                      path);
	ret = place < 0 ? -1 : 0;
	if (ret == 0) {
		(void)ocs_index_mark_raise(&mark, least + OCS_MARK_BLOCK, ocs_index_boot());
		/* Whichever file is in place then, it is no older copy. */
		if (!adopt)
			mark.seen = 0;
		mark.written++;
		*counter_r = mark.next;
		ret = ocs_index_place_take(folder, &mark, error);
	}
	if (ret == 0)
		ret = ocs_index_mark_replace(folder, path, &mark, error);
	if (fd >= 0)
		close(fd);
	return ret;
}

/* ---- copies ---- */

static int copy_bytes(int from, int to)
{
	uint8_t bytes[COPY_SIZE];
	ssize_t n;

	while ((n = read(from, bytes, sizeof(bytes))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || ocs_file_append(to, bytes, (size_t)n) != 0)
			return -1;
	}
	return 0;
}

/* For the folder's user and group, as the daemon makes them. */
static int give_to_owner(const struct restore *restore, int fd)
{
	if (ocs_file_set_owner(fd, "", restore->owner.st_uid, restore->owner.st_gid) != 0 ||
	    fchmod(fd, 0660) != 0)
		return -1;
	return fsync(fd);
}

static int copy_file(const struct restore *restore, const char *from, const char *to,
                     struct ocs_error *error)
{
	int in = open(from, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), out, ret;
	struct ocs_shield shield;
	struct stat st;

	if (in < 0)
		return ocs_error_set(error, "%s: %s", from, strerror(errno));
	if (fstat(in, &st) != 0 || !S_ISREG(st.st_mode)) {
		close(in);
		return ocs_error_set(error, "%s: not a regular file", from);
	}
	(void)unlink(to);
	out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (out < 0) {
		close(in);
		return ocs_error_set(error, "%s: cannot create: %s", to, strerror(errno));
	}
	ocs_shield_up(&shield);
	ret = copy_bytes(in, out);
	if (ret == 0)
		ret = give_to_owner(restore, out);
	if (ret != 0)
		ocs_error_set(error, "cannot copy %.200s to %.200s: %s", from, to, strerror(errno));
	ocs_shield_down(&shield);
	close(in);
	close(out);
	return ret;
}

/* A copy that is whole; *sealed_r: another follows. */
static int check_copy(struct restore *restore, const char *from, const char *copy, bool *sealed_r,
                      struct ocs_error *error)
{
	struct ocs_store *store;
	struct ocs_error why;
	uint64_t high_water;
	int ret = ocs_store_open(copy, 0, OCS_STORE_CHECK, 0, (gid_t)-1, &store, NULL, &why);

	if (ret != OCS_STORE_OK)
		return ocs_error_set(error, "%.200s cannot be used: %.250s", from, why.text);
	ret = ocs_index_high_water(store, &high_water, NULL);
	*sealed_r = ocs_index_sealed(store);
	if (ret == OCS_STORE_DAMAGED && !ocs_index_readable(store)) {
		ocs_store_close(store);
		return ocs_error_set(error,
		                     "%s cannot be used: none of its records verifies; it may be "
		                     "of another version",
		                     from);
	}
	ocs_store_close(store);
	if (ret == OCS_STORE_MISSING)
		return ocs_error_set(error, "%s cannot be used: not an identifier index", from);
	ocs_index_raise_to(&restore->high_water, high_water);
	return 0;
}

/* The next of the files: 1 if another one follows, 0 for the last, -1. */
static int copy_next(struct restore *restore, struct ocs_error *error)
{
	char from[PATH_MAX], copy[PATH_MAX];
	bool sealed = false;

	if (restore->n == OCS_INDEX_FILES_MAX)
		return ocs_error_set(error, "%s: too many files", restore->from);
	if (name_of(restore, restore->n, ".restore", copy, error) != 0)
		return -1;
	if (restore->many ? ocs_index_file_path(restore->from, restore->n, from) != 0
	                  : snprintf(from, sizeof(from), "%s", restore->from) >= (int)sizeof(from))
		return ocs_error_set(error, "%s: the path is too long", restore->from);
	restore->n++;
	if (copy_file(restore, from, copy, error) != 0 ||
	    check_copy(restore, from, copy, &sealed, error) != 0)
		return -1;
	if (sealed && !restore->many)
		return ocs_error_set(error,
		                     "%s goes on in another file, index.1.tdb or a later one: put "
		                     "all of that backup into one folder and give its name",
		                     from);
	return sealed;
}

static int make_empty(struct restore *restore, struct ocs_error *error)
{
	struct ocs_store *store;
	char copy[PATH_MAX];
	int fd, ret;

	if (name_of(restore, 0, ".restore", copy, error) != 0)
		return -1;
	restore->n = 1;
	(void)unlink(copy);
	ret = ocs_store_open(copy, OCS_INDEX_HASH, OCS_STORE_CREATE, 0660, restore->owner.st_gid,
	                     &store, NULL, error);
	if (ret != OCS_STORE_OK)
		return -1;
	ocs_store_close(store);
	fd = open(copy, O_RDONLY | O_CLOEXEC);
	ret = fd < 0 ? -1 : give_to_owner(restore, fd);
	if (ret != 0)
		ocs_error_set(error, "%s: %s", copy, strerror(errno));
	if (fd >= 0)
		close(fd);
	return ret;
}

/* The newest of the copies counts on from there. */
static int set_counter(const struct restore *restore, uint64_t counter, struct ocs_error *error)
{
	struct ocs_store *store;
	char copy[PATH_MAX];
	int ret;

	if (name_of(restore, restore->n - 1, ".restore", copy, error) != 0 ||
	    ocs_store_open(copy, 0, 0, 0, (gid_t)-1, &store, NULL, error) != OCS_STORE_OK)
		return -1;
	ret = ocs_store_begin(store, error);
	if (ret == OCS_STORE_OK)
		ret = ocs_index_put_high_water(store, counter, error);
	if (ret == OCS_STORE_OK)
		ret = ocs_store_commit(store, true, error);
	ocs_store_close(store);
	return ret;
}

static void drop_copies(const struct restore *restore)
{
	char copy[PATH_MAX];

	for (unsigned n = 0; n < restore->n; n++)
		if (name_of(restore, n, ".restore", copy, NULL) == 0)
			(void)unlink(copy);
}

/* ---- in place ---- */

/* Renames file n, from one end of its name to another. 1: there is none. */
static int move_file(const struct restore *restore, unsigned n, const char *from, const char *to,
                     struct ocs_error *error)
{
	char old[PATH_MAX], new[PATH_MAX];

	if (name_of(restore, n, from, old, error) != 0 || name_of(restore, n, to, new, error) != 0)
		return -1;
	if (rename(old, new) == 0)
		return 0;
	if (errno == ENOENT)
		return 1;
	return ocs_error_set(error, "cannot rename %.200s to %.200s: %s", old, new,
	                     strerror(errno));
}

static int sync_folder(const struct restore *restore, struct ocs_error *error)
{
	int fd = open(restore->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int ret = fd < 0 ? -1 : fsync(fd);

	if (ret != 0)
		ocs_error_set(error, "%s: %s", restore->folder, strerror(errno));
	if (fd >= 0)
		close(fd);
	return ret;
}

/* Whether one of the files is there with that behind its name: 1, 0, -1. */
static int is_taken(const struct restore *restore, const char *before, struct ocs_error *error)
{
	char path[PATH_MAX];
	struct stat st;

	for (unsigned n = 0; n < OCS_INDEX_FILES_MAX; n++) {
		if (name_of(restore, n, before, path, error) != 0)
			return -1;
		if (lstat(path, &st) == 0 || errno != ENOENT)
			return 1;
	}
	return 0;
}

/* What an earlier restore kept, a second ago or before the clock was set back, stays. */
static int free_name(const struct restore *restore, char before[40], struct ocs_error *error)
{
	int taken = 1;

	for (long long at = restore->now; taken == 1; at++) {
		snprintf(before, 40, ".before-%lld", at);
		taken = is_taken(restore, before, error);
	}
	return taken;
}

/* index.tdb leaves first and comes last: without it the daemon does not start. */
static int exchange(const struct restore *restore, char kept[PATH_MAX], struct ocs_error *error)
{
	char before[40];
	int moved = 0;

	if (free_name(restore, before, error) != 0)
		return -1;
	for (unsigned n = 0; n < OCS_INDEX_FILES_MAX && moved >= 0; n++) {
		moved = move_file(restore, n, "", before, error);
		if (n == 0 && moved == 0 && name_of(restore, 0, before, kept, error) != 0)
			moved = -1;
	}
	for (unsigned n = restore->n; n > 0 && moved >= 0; n--)
		moved = move_file(restore, n - 1, ".restore", "", error) == 0 ? 0 : -1;
	return moved < 0 ? -1 : sync_folder(restore, error);
}

int ocs_index_restore(const char *folder, uint16_t replica_id, const char *from,
                      struct ocs_index_restored *out, struct ocs_error *error)
{
	struct restore restore = {.folder = folder, .from = from, .now = (long long)time(NULL)};
	struct stat st;
	char newest[PATH_MAX];
	int ret;

	*out = (struct ocs_index_restored){.counter = 0};
	if (stat(folder, &restore.owner) != 0)
		return ocs_error_set(error, "%s: %s", folder, strerror(errno));
	restore.many = from != NULL && stat(from, &st) == 0 && S_ISDIR(st.st_mode);
	if (from == NULL)
		ret = make_empty(&restore, error);
	else
		while ((ret = copy_next(&restore, error)) == 1)
			;
	if (ret == 0) {
		ocs_index_raise_to(&restore.high_water, ocs_index_newest(folder, newest));
		ret = raise_mark(folder, replica_id, restore.high_water, false, &out->counter,
		                 error);
	}
	if (ret == 0)
		ret = set_counter(&restore, out->counter, error);
	if (ret == 0)
		ret = exchange(&restore, out->kept, error);
	if (ret != 0)
		drop_copies(&restore);
	out->files = restore.n;
	return ret == 0 ? 0 : -1;
}

/* ---- taking a registry over ---- */

int ocs_index_user_look(const char *folder, uint16_t replica_id, struct ocs_index_user *out,
                        struct ocs_error *error)
{
	struct ocs_index_mark mark;
	char path[PATH_MAX];
	int ret;

	*out = (struct ocs_index_user){.counter = 0};
	if (ocs_index_mark_path(folder, replica_id, path, error) != 0)
		return -1;
	ret = ocs_index_mark_read(path, replica_id, &mark, error);
	if (ret != OCS_STORE_OK)
		return ret == OCS_STORE_MISSING ? 0 : -1;
	memcpy(out->machine, mark.machine, sizeof(out->machine));
	memcpy(out->place, mark.place, sizeof(out->place));
	out->counter = ocs_index_mark_free(&mark, ocs_index_boot());
	return ocs_index_place_judge(folder, &mark, error) < 0;
}

int ocs_index_adopt(const char *folder, uint16_t replica_id, struct ocs_index_user *out,
                    struct ocs_error *error)
{
	char newest[PATH_MAX];

	if (raise_mark(folder, replica_id, ocs_index_newest(folder, newest), true, &out->counter,
	               error) != 0)
		return -1;
	return 0;
}
