/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Names of ours in a folder where others can make files too: the registry folder and those in it
 * are open to its group. What has the name may be anything, a FIFO that stops who opens it, a
 * folder, a link, another member's file; so it is looked at before it is used. Such a folder is
 * sticky: what belongs to its owner stays what it is. Any thread, no state.
 */
#ifndef OCS_BASE_SHARED_FILE_H
#define OCS_BASE_SHARED_FILE_H

#include <limits.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/error.h"

enum ocs_shared_kind {
	OCS_SHARED_MISSING,
	OCS_SHARED_FILE,   /* a regular file of ours */
	OCS_SHARED_FOLDER, /* a folder of ours */
	OCS_SHARED_OTHER,  /* ours, and neither: a link, a socket, a FIFO */
	/* Not ours: it belongs to neither this process' user, nor root, nor the owner of the folder
	 * that it is in. */
	OCS_SHARED_FOREIGN,
	OCS_SHARED_UNKNOWN, /* errno says why */
};

/* What has that name; a link is not followed. st_r may be NULL; filled unless missing or unknown.
 */
enum ocs_shared_kind ocs_shared_look(const char *path, struct stat *st_r);

/* Opens a regular file of ours: never waits, follows no link in the last part of the path. 0, or a
 * negative errno; -ELOOP: what has the name is no file, -EPERM: it is not ours. */
int ocs_shared_open(const char *path, int flags, int *fd_r);
/* Whether what has that name is foreign and no regular file: nothing of ours was ever lost by its
 * going, so it counts as not there. */
bool ocs_shared_is_junk(const char *path);
/* The text for what that returned, or for what ocs_shared_look() found in the place of a file or
 * folder. -1. */
int ocs_shared_refuse(const char *path, int result, struct ocs_error *error);

/* Makes room for what is ours: what is foreign there goes, what cannot be removed, as a folder that
 * is not empty, aside (NAME.not-ours.<16 hex digits>). What is ours stays. 0: the name is free or
 * ours, 1: something foreign was there, or a negative errno. */
int ocs_shared_clear(const char *path);
/* The same of anything that has the name. */
int ocs_shared_remove(const char *path);

/* A name for what is to be renamed to path: in the folder `private` beside it if there is one of
 * ours, since nobody else can take it there, else beside it. 0, or -1 with errno. */
int ocs_shared_temporary(const char *path, const char *suffix, char out[PATH_MAX]);

/* Makes a folder of ours with exactly that group and mode, if it is missing or foreign; corrects
 * one of our own. The mode has no S_ISGID, which a service of systemd may not set. *fd_r (NULL: not
 * wanted): open for reading. 0, or a negative errno. */
int ocs_shared_folder(const char *path, gid_t gid, mode_t mode, int *fd_r);

#endif
