/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Files that hold secrets: checked before they are read, replaced in one step.
 */
#ifndef OCS_BASE_PRIVATE_FILE_H
#define OCS_BASE_PRIVATE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"

enum ocs_privfile_result {
	OCS_PRIVFILE_OK = 0,
	OCS_PRIVFILE_ERROR = -1,
	OCS_PRIVFILE_MISSING = -2,
};

/* Reads a regular file that belongs to root or to this process' user. Others may not touch it; its
 * group may read it only if group_reads. At most max bytes. data_r is malloc()ed, has a NUL behind
 * the len_r bytes, and is the caller's to wipe and free. The check is made on the open file. */
int ocs_privfile_read(const char *path, bool group_reads, size_t max, char **data_r, size_t *len_r,
                      struct ocs_error *error);
/* Writes a temporary file beside path, syncs it, renames it over path, syncs the folder. mode is
 * exact; uid and gid -1 leave those of this process. */
int ocs_privfile_replace(const char *path, const void *data, size_t len, mode_t mode, uid_t uid,
                         gid_t gid, struct ocs_error *error);
/* The same, but an existing file is left alone and is an error (errno EEXIST). */
int ocs_privfile_create(const char *path, const void *data, size_t len, mode_t mode,
                        struct ocs_error *error);

/* Overwrites (also what the compiler thinks nobody reads again) and frees; NULL is fine. */
void ocs_privfile_wipe(char *data, size_t len);

#endif
