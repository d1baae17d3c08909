/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The registry folder: made if missing, with its private subfolder, and locked so that there is one
 * daemon to a registry. Called from the main thread while the daemon starts and stops.
 */
#ifndef OCSMANAGER_FOLDER_H
#define OCSMANAGER_FOLDER_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

/* Makes the folder with mode 3770 for that user and group, if it is missing; -1 if it cannot be
 * made, is no folder, or belongs to someone else. One that its group can write to and that is not
 * sticky becomes 3770, which is logged. Before root is dropped. */
int ocs_folder_prepare(const char *folder, uid_t uid, gid_t gid, struct ocs_error *error);

/* What ocs_folder_prepare() says of one that is there; changes nothing. */
int ocs_folder_look(const char *folder, uid_t uid, struct ocs_error *error);

/* Whether somebody, a daemon mostly, holds the lock of that folder now. It is looked up, not tried.
 */
bool ocs_folder_locked(const char *folder);

/* Makes and checks `private` (0700) in it; *path_r is talloc on mem_ctx. After root is dropped. */
int ocs_folder_private(const char *folder, const void *mem_ctx, const char **path_r,
                       struct ocs_error *error);

/* Removes what is not the daemon's under the names of its files in the folder, or puts it aside,
 * and logs it; but no file that could say which identifiers were given. After root is dropped,
 * under the lock. */
void ocs_folder_clear(const char *folder);
/* Whether that would be done to that name; the text says so. */
bool ocs_folder_is_in_the_way(const char *folder, const char *name, struct ocs_error *error);

/* The lock is on the private folder, which nobody else can open; that on the registry folder, where
 * it can be had, tells systemd-tmpfiles(8) to leave it alone; the file ocsmanager.lock, which is
 * not locked, tells others about the daemon. */
struct ocs_folder_lock {
	int folder, private_folder, file; /* descriptors */
	char *path;                       /* of the file */
	char *text;                       /* that stands in it */
};

/* Takes the lock, which lasts until it is released or the process ends. -1: nothing is held; the
 * text says which process holds it. */
int ocs_folder_lock(const char *folder, const char *private_folder, struct ocs_folder_lock *lock,
                    struct ocs_error *error);
void ocs_folder_unlock(struct ocs_folder_lock *lock); /* one that was never taken is allowed */
/* What follows the process id in the file, for ocsctl. Before anybody looks. */
int ocs_folder_publish(struct ocs_folder_lock *lock, const char *text);
/* Where the file is gone or another one it is made and filled again: 1 with the error
 * saying what was; 0: it is there; -1: it cannot be. arg is the lock; one thread. */
int ocs_folder_look_lock(void *arg, struct ocs_error *error);

#endif
