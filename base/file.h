/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Reading and writing at an offset of a file, whole: short counts and interrupted calls are taken
 * care of; whether a path leads to it; locks; syncing the folder that a path is in. Any thread.
 */
#ifndef OCS_BASE_FILE_H
#define OCS_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Bytes read, fewer than len only at the end of the file; -1 with errno. */
ssize_t ocs_file_read(int fd, uint8_t *out, size_t len, uint64_t at);
/* 0, or -1 with errno: some of it may have been written. */
int ocs_file_write(int fd, const uint8_t *data, size_t len, uint64_t at);

/* The same where the file stands. */
int ocs_file_append(int fd, const void *data, size_t len);

/* Syncs the folder that path is in, so that a new name there outlives a power cut: 0, or -1 with
 * errno. */
int ocs_file_sync_folder(const char *path);

/* Whether this process is to end, so that nobody's lock is waited for any longer, here and in a
 * store; NULL: never. Set before there are threads. */
extern bool (*ocs_file_interrupted)(void);

/* Locks the open file or folder (flock) against other processes and descriptors, or waits so long
 * for who has it: 0, or -1 with errno, EWOULDBLOCK if it is still locked then. */
int ocs_file_lock(int fd, unsigned wait_ms);
/* The process that has it locked so, looked up by the number of the file: some file systems show
 * another device in /proc/locks than stat() does. 0: none. */
long ocs_file_lock_holder(ino_t inode);
/* The text for a lock that failed with the errno of now, and who has it; errno stays. -1. */
struct ocs_error;
int ocs_file_lock_error(int fd, const char *path, struct ocs_error *error);

/* Gives a file away, unless it is theirs: as a service of systemd we may not, nor have to. The open
 * file with path "", else what stands at path from fd on, links not followed. -1: whoever has it.
 * 0, or -1 with errno. */
int ocs_file_set_owner(int fd, const char *path, uid_t uid, gid_t gid);

/* Whether that name still leads to the open file: 0, or -1 and whether it is gone or another one.
 */
int ocs_file_present(int fd, const char *path, struct ocs_error *error);

#endif
