/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The file that the users of a directory are written to. Inside users/; touches that file and one
 * beside it.
 */
#ifndef OCS_USERS_DIRECTORY_FILE_H
#define OCS_USERS_DIRECTORY_FILE_H

#include <pthread.h>
#include <stdbool.h>

#include "base/error.h"

/* Under which a writer prepares what becomes the file: no other writer of this process has it. A
 * talloc object; NULL: out of memory. Any thread. */
char *ocs_users_directory_new_name(const void *mem_ctx, const char *file);

/* Writes the text under the new name and makes it the file, unless *ending, which is looked at
 * under the lock, together with the renaming: whoever has set it there may rely on the file. -1:
 * nothing was changed. Takes the lock for the renaming alone. */
int ocs_users_directory_write(const char *file, const char *new_name, const char *text,
                              pthread_mutex_t *lock, const bool *ending, struct ocs_error *error);

#endif
