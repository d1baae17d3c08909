/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What the tests of store, index, registry and dispatch share: a temporary folder, children that
 * are known to have started, and bytes flipped in a file.
 */
#ifndef OCS_UNIT_TEST_RIG_H
#define OCS_UNIT_TEST_RIG_H

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
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
#include "tests/unit/folder.h"
#include "tests/unit/unit.h"

#define RIG_UNUSED __attribute__((unused))

RIG_UNUSED static char rig_folder[TEST_FOLDER_SIZE];
RIG_UNUSED static struct ocs_error rig_error;

/* Fails with the text of the error. */
#define ck_assert_ok(expression)                                                                   \
	do {                                                                                       \
		rig_error.text[0] = '\0';                                                          \
		int rig_ret = (expression);                                                        \
		ck_assert_msg(rig_ret == 0, "%s: %d (%s)", #expression, rig_ret, rig_error.text);  \
	} while (0)

RIG_UNUSED static void rig_make_folder(void)
{
	test_folder(rig_folder, "core");
}

static int rig_remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	(void)remove(path); /* what goes by itself meanwhile is no reason to leave the rest */
	return 0;
}

RIG_UNUSED static void rig_remove_folder(void)
{
	for (int i = 0; i < 3 && access(rig_folder, F_OK) == 0; i++)
		nftw(rig_folder, rig_remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

RIG_UNUSED static const char *rig_path(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", rig_folder, name);
	return path;
}

/* The whole file, malloc'd. */
RIG_UNUSED static uint8_t *rig_read_file(const char *path, size_t *len_r)
{
	struct stat st;
	uint8_t *data;
	int fd = open(path, O_RDONLY);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fstat(fd, &st), 0);
	data = malloc((size_t)st.st_size + 1);
	ck_assert_int_eq(read(fd, data, (size_t)st.st_size), st.st_size);
	close(fd);
	*len_r = (size_t)st.st_size;
	return data;
}

/* Flips the first byte of every place where `bytes` stands in the file; the file must be closed. */
RIG_UNUSED static void rig_flip(const char *path, const void *bytes, size_t n)
{
	size_t len, found = 0;
	uint8_t *data = rig_read_file(path, &len), *p = data;
	int fd = open(path, O_WRONLY);

	ck_assert_int_ge(fd, 0);
	while ((p = memmem(p, len - (size_t)(p - data), bytes, n)) != NULL) {
		uint8_t other = *p ^ 0x40;

		ck_assert_int_eq(pwrite(fd, &other, 1, p - data), 1);
		p++;
		found++;
	}
	close(fd);
	free(data);
	ck_assert_uint_gt(found, 0);
}

/* A child that runs fn(pipe) once rig_child_go() is called: it can be forked before the parent
 * opens a file, since an open one does not survive a fork. What it writes to the pipe the parent
 * reads from child->from. It ends with fn's result as exit status. */
struct rig_child {
	pid_t pid;
	int go, from;
};

RIG_UNUSED static void rig_child_fork(struct rig_child *child, int (*fn)(int to_parent))
{
	int go[2], from[2];
	char byte;

	ck_assert_int_eq(pipe2(go, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(from, O_CLOEXEC), 0);
	child->pid = fork();
	ck_assert_int_ge(child->pid, 0);
	if (child->pid == 0) {
		close(go[1]);
		close(from[0]);
		alarm(120);
		if (read(go[0], &byte, 1) != 1)
			_exit(99);
		_exit(fn(from[1]));
	}
	close(go[0]);
	close(from[1]);
	child->go = go[1];
	child->from = from[0];
}

RIG_UNUSED static void rig_child_go(struct rig_child *child)
{
	ck_assert_int_eq(write(child->go, "g", 1), 1);
}

/* The exit status; -signal if one ended it. */
RIG_UNUSED static int rig_child_wait(struct rig_child *child)
{
	int status;

	close(child->go);
	close(child->from);
	ck_assert_int_eq(waitpid(child->pid, &status, 0), child->pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* Until condition() holds, at most that many seconds. */
RIG_UNUSED static bool rig_wait_for(bool (*condition)(void *arg), void *arg, int seconds)
{
	struct timespec step = {.tv_nsec = 5000000};

	for (int i = 0; i < seconds * 200; i++) {
		if (condition(arg))
			return true;
		nanosleep(&step, NULL);
	}
	return condition(arg);
}

#endif
