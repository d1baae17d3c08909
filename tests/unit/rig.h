/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What tests of many modules share: a temporary folder, children that are known to have started,
 * and bytes flipped in a file.
 */
#ifndef OCS_UNIT_RIG_H
#define OCS_UNIT_RIG_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <talloc.h>

#include "base/bytes.h"
#include "base/error.h"
#include "store/store.h"
#include "tests/unit/unit.h"

#define RIG_FOLDER_SIZE 64

/* Below $TMPDIR: the runner removes that with all that a failed test left in it. */
extern char rig_folder[RIG_FOLDER_SIZE];
extern struct ocs_error rig_error;

/* Fails with the text of the error. */
#define ck_assert_ok(expression)                                                                   \
	do {                                                                                       \
		rig_error.text[0] = '\0';                                                          \
		int rig_ret = (expression);                                                        \
		ck_assert_msg(rig_ret == 0, "%s: %d (%s)", #expression, rig_ret, rig_error.text);  \
	} while (0)

/* Or the program ends: nothing can be tested without it. */
void rig_make_folder(void);
void rig_remove_folder(void);

/* Of a file in it, until the next call. */
const char *rig_path(const char *name);

/* The whole file, malloc'd. */
uint8_t *rig_read_file(const char *path, size_t *len_r);

/* Flips the first byte of every place where `bytes` stands in the file; the file must be closed. */
void rig_flip(const char *path, const void *bytes, size_t n);

/* A child that runs fn(pipe) once rig_child_go() is called: it can be forked before the parent
 * opens a file, since an open one does not survive a fork. What it writes to the pipe the parent
 * reads from child->from. It ends with fn's result as exit status. */
struct rig_child {
	pid_t pid;
	int go, from;
};

void rig_child_fork(struct rig_child *child, int (*fn)(int to_parent));
void rig_child_go(struct rig_child *child);

/* The exit status; -signal if one ended it. */
int rig_child_wait(struct rig_child *child);

/* Until condition() holds, of which nothing tells but looking; false if it did not in 150 seconds,
 * more than a busy machine pauses. */
bool rig_wait_for(bool (*condition)(void *arg), void *arg);

#endif
