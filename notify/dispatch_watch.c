/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Whether the files can be written, and are still the ones that were opened: looked at before each
 * group of notifications, every second, and while something is wrong twice a second, with a write
 * of the kind that failed. So that what refuses is known before anybody is refused where that is
 * possible, and that it is over is known without a request. Store thread.
 */
#include "notify/dispatch_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/shared_file.h"

#define LOOK_NS OCS_CLOCK_SECOND
#define TRY_NS  (OCS_CLOCK_SECOND / 2)
#define SPACE_NS                                                                                   \
	(5 * OCS_CLOCK_SECOND) /* while all is well, so often it is tried whether there is room    \
	                        */

#define SPACE_SMALL (64 * 1024)
#define SPACE_MOST  (64 * 1024 * 1024)

struct dispatch_watch {
	dev_t folder_device, private_device;
	ino_t folder_inode, private_inode;
	uint64_t last_look, last_try, last_space;
	uint64_t tries;
	bool lost; /* registry.tdb is not the one in use, and cannot be made anew */
};

static const char *private_path(const struct ocs_dispatch *dispatch, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/private", dispatch->folder);
	return path;
}

int ocs_dispatch_watch_start(struct ocs_dispatch *dispatch, struct ocs_error *error)
{
	struct dispatch_watch *watch = calloc(1, sizeof(*watch));
	char path[PATH_MAX];
	struct stat st;

	if (watch == NULL)
		return ocs_error_memory(error);
	dispatch->watch = watch;
	if (stat(dispatch->folder, &st) != 0)
		return ocs_error_set(error, "%s: %s", dispatch->folder, strerror(errno));
	watch->folder_device = st.st_dev;
	watch->folder_inode = st.st_ino;
	if (stat(private_path(dispatch, path), &st) != 0)
		return ocs_error_set(error, "%s: %s", path, strerror(errno));
	watch->private_device = st.st_dev;
	watch->private_inode = st.st_ino;
	return 0;
}

void ocs_dispatch_watch_free(struct ocs_dispatch *dispatch)
{
	free(dispatch->watch);
}

/* ---- are they still there? ---- */

/* The folder under that path is the one it was: 0, or -1 and what it is now. */
static int same_folder(const char *path, dev_t device, ino_t inode, struct ocs_error *error)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return ocs_error_set(error, "%s: %s", path,
		                     errno == ENOENT ? "is gone" : strerror(errno));
	if (st.st_dev != device || st.st_ino != inode)
		return ocs_error_set(error, "%s: is not the folder in use", path);
	return 0;
}

static int look_at(struct ocs_dispatch *dispatch, enum ocs_health_source source,
                   const struct ocs_error *why, const char *what_to_do)
{
	if (why == NULL) {
		ocs_health_set(dispatch->health, source, OCS_HEALTH_WELL, NULL);
		return 0;
	}
	ocs_health_set(dispatch->health, source, OCS_HEALTH_UNWELL, "%.350s: %s", why->text,
	               what_to_do);
	return -1;
}

static int look_at_folder(struct ocs_dispatch *dispatch)
{
	const struct dispatch_watch *watch = dispatch->watch;
	struct ocs_error why;
	int ret = same_folder(dispatch->folder, watch->folder_device, watch->folder_inode, &why);

	/* mend_registry() has said what is wrong, or who is waited for. */
	if (ret == 0 && (watch->lost || ocs_dispatch_anew_waits(dispatch)))
		return -1;
	return look_at(dispatch, OCS_HEALTH_REGISTRY, ret != 0 ? &why : NULL,
	               "put it back, with index.tdb and private/, and restart");
}

static int look_at_private(struct ocs_dispatch *dispatch)
{
	const struct dispatch_watch *watch = dispatch->watch;
	char path[PATH_MAX];
	struct ocs_error why;
	int ret = same_folder(private_path(dispatch, path), watch->private_device,
	                      watch->private_inode, &why);

	return look_at(
	        dispatch, OCS_HEALTH_PRIVATE, ret != 0 ? &why : NULL,
	        "what is accepted now would be forgotten at a restart; put it back, or restart "
	        "(senders then log in again, and a repeated report may be delivered twice)");
}

/* The identifiers given since the last backup are in the open files only. */
static int look_at_index(struct ocs_dispatch *dispatch)
{
	const struct ocs_store *missing;
	struct ocs_error why;
	char advice[260];
	int ret = ocs_index_present(dispatch->index, &missing, &why);

	if (ret == 0)
		return look_at(dispatch, OCS_HEALTH_INDEX, NULL, NULL);
	snprintf(advice, sizeof(advice),
	         "identifiers must not repeat, so none are given; as long as this process runs, "
	         "stop the MAPI servers and cp /proc/%d/fd/%d over it, then restart; else stop the "
	         "daemon and put a backup in place with `ocsctl index restore`",
	         (int)getpid(), ocs_store_descriptor(missing));
	return look_at(dispatch, OCS_HEALTH_INDEX, &why, advice);
}

/* Soft state: it is in the open file still, and where it is not, sessions register again. sound: of
 * the open file, which only has no name any more. */
static void mend_registry(struct ocs_dispatch *dispatch, bool sound, const char *why)
{
	struct ocs_store *fresh;
	struct ocs_error error;
	bool whole = false;
	int ret = ocs_registry_remake(dispatch->registry, &fresh, &whole, &error);

	/* A library is at work in the one that is open: the next look is soon enough, if what is
	 * read of it holds. */
	if (ret == OCS_STORE_BUSY && sound)
		return;
	dispatch->watch->lost = ret != OCS_STORE_OK;
	if (ret != OCS_STORE_OK && error.no_memory)
		ocs_health_no_memory(dispatch->health);
	if (ret != OCS_STORE_OK) {
		ocs_health_set(dispatch->health, OCS_HEALTH_REGISTRY, OCS_HEALTH_UNWELL,
		               "%.200s, and cannot be made anew: %.250s", why, error.text);
		return;
	}
	ocs_store_close(ocs_dispatch_exchange(dispatch, fresh));
	ocs_dispatch_log(dispatch, LOG_WARNING, "%s: made anew %s", why,
	                 whole ? "with all that it held"
	                       : "and empty: MAPI servers register their sessions again");
	if (!whole && ocs_dispatch_anew_begin(dispatch) == 0)
		(void)ocs_dispatch_anew_waits(dispatch);
	if (ocs_dispatch_publish(dispatch, &error) != 0)
		ocs_dispatch_store_failed(dispatch, &error);
}

static void look_at_registry(struct ocs_dispatch *dispatch)
{
	const struct ocs_store *store = ocs_registry_store(dispatch->registry);
	struct ocs_error why, gone;
	bool present = ocs_store_present(store, &gone) == 0,
	     sound = ocs_store_usable(store, &why) == OCS_STORE_OK &&
	             ocs_registry_intact(dispatch->registry, &why) == OCS_STORE_OK;

	if (present && sound)
		dispatch->watch->lost = false;
	else
		mend_registry(dispatch, sound, present ? why.text : gone.text);
}

/* all: every file of the table. */
static int look(struct ocs_dispatch *dispatch, bool all, struct ocs_error *error)
{
	static const enum ocs_health_source sources[] = {OCS_HEALTH_REGISTRY, OCS_HEALTH_PRIVATE,
	                                                 OCS_HEALTH_INDEX, OCS_HEALTH_FILES};
	struct ocs_health_report report;
	bool folder, private, well;

	/* A folder that is away holds no file to mend. */
	if (same_folder(dispatch->folder, dispatch->watch->folder_device,
	                dispatch->watch->folder_inode, NULL) == 0)
		look_at_registry(dispatch);
	folder = look_at_folder(dispatch) == 0;
	private = look_at_private(dispatch) == 0;
	well = look_at_index(dispatch) == 0 && folder && private;
	if (private && ocs_dispatch_files_look(dispatch, all) != 0)
		well = false;
	for (size_t i = 0; !well && i < sizeof(sources) / sizeof(sources[0]); i++) {
		ocs_health_copy(dispatch->health, sources[i], &report);
		if (report.state == OCS_HEALTH_UNWELL)
			return ocs_error_set(error, "%s", report.text);
	}
	return 0;
}

int ocs_dispatch_watch_before(struct ocs_dispatch *dispatch, struct ocs_error *error)
{
	return look(dispatch, false, error);
}

/* ---- can they be written? ---- */

/* Whether a file of that size could be made in the folder; it is never seen there. */
static int try_space(const char *folder, uint64_t size, struct ocs_error *error)
{
	int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600), failure;

	if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT)) {
		char path[PATH_MAX];

		if (snprintf(path, sizeof(path), "%s/.room", folder) >= (int)sizeof(path))
			return 0;
		failure = ocs_shared_remove(path);
		if (failure == 0)
			fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		else
			errno = -failure;
		if (fd >= 0)
			unlink(path);
	}
	if (fd < 0)
		return ocs_error_set(error, "%s: cannot create a file: %s", folder,
		                     strerror(errno));
	failure = posix_fallocate(fd, 0, (off_t)size);
	close(fd);
	if (failure == 0 || failure == EOPNOTSUPP || failure == EINVAL)
		return 0;
	return ocs_error_set(error, "%s: no room: %s", folder, strerror(failure));
}

static int try_store(struct ocs_dispatch *dispatch, struct ocs_store *store,
                     struct ocs_error *error)
{
	uint8_t data[8];
	int ret = ocs_store_try_begin(store, error);

	if (ret != OCS_STORE_OK)
		return ret;
	/* Another record each time: libtdb does not write what is there already. */
	ocs_put64(data, ++dispatch->watch->tries);
	ret = ocs_store_put(store, OCS_INDEX_KEY_TRY, strlen(OCS_INDEX_KEY_TRY), data, sizeof(data),
	                    error);
	if (ret != OCS_STORE_OK) {
		ocs_store_cancel(store);
		return ret;
	}
	return ocs_store_commit(store, true, error);
}

/* libtdb grows a file by up to a quarter at once. */
static uint64_t space_wanted(const struct ocs_dispatch *dispatch)
{
	uint64_t a = ocs_store_size(ocs_registry_store(dispatch->registry)),
	         b = ocs_store_size(ocs_index_store(dispatch->index));
	uint64_t wanted = (a > b ? a : b) / 4;

	return wanted < SPACE_SMALL ? SPACE_SMALL : wanted > SPACE_MOST ? SPACE_MOST : wanted;
}

static void try_again(struct ocs_dispatch *dispatch)
{
	uint64_t wanted = space_wanted(dispatch);
	struct ocs_error why = {.text = ""};
	char path[PATH_MAX];

	if (try_space(dispatch->folder, wanted, &why) == 0 &&
	    try_space(private_path(dispatch, path), wanted, &why) == 0 &&
	    try_store(dispatch, ocs_registry_store(dispatch->registry), &why) == OCS_STORE_OK &&
	    try_store(dispatch, ocs_index_store(dispatch->index), &why) == OCS_STORE_OK)
		ocs_health_set(dispatch->health, OCS_HEALTH_STORE, OCS_HEALTH_WELL, NULL);
	else
		ocs_dispatch_store_failed(dispatch, &why);
}

static void try_room(struct ocs_dispatch *dispatch)
{
	struct ocs_error why = {.text = ""};
	char path[PATH_MAX];

	if (try_space(dispatch->folder, SPACE_SMALL, &why) != 0 ||
	    try_space(private_path(dispatch, path), SPACE_SMALL, &why) != 0)
		ocs_dispatch_store_failed(dispatch, &why);
}

void ocs_dispatch_store_failed(struct ocs_dispatch *dispatch, const struct ocs_error *why)
{
	if (why->no_memory)
		ocs_health_no_memory(dispatch->health);
	ocs_health_set(dispatch->health, OCS_HEALTH_STORE, OCS_HEALTH_UNWELL, "%s", why->text);
}

void ocs_dispatch_watch(struct ocs_dispatch *dispatch, uint64_t now)
{
	struct dispatch_watch *watch = dispatch->watch;
	struct ocs_error ignored;

	if (now - watch->last_look >= LOOK_NS || ocs_dispatch_anew_waits(dispatch)) {
		watch->last_look = now;
		if (look(dispatch, true, &ignored) == 0)
			ocs_dispatch_anew_note(dispatch);
	}
	if (ocs_health_state(dispatch->health, OCS_HEALTH_STORE) == OCS_HEALTH_UNWELL) {
		if (now - watch->last_try >= TRY_NS) {
			watch->last_try = now;
			try_again(dispatch);
		}
	} else if (now - watch->last_space >= SPACE_NS) {
		watch->last_space = now;
		/* A folder that is gone has said so itself. */
		if (ocs_health_state(dispatch->health, OCS_HEALTH_REGISTRY) == OCS_HEALTH_WELL &&
		    ocs_health_state(dispatch->health, OCS_HEALTH_PRIVATE) == OCS_HEALTH_WELL)
			try_room(dispatch);
	}
}
