/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* See lock_rig.h. */
#include "tests/unit/lock_rig.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/rig.h"

static bool take(const char *path, short type, off_t start, off_t len)
{
	const struct flock lock = {
	        .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};
	int fd = open(path, O_RDWR);

	return fd >= 0 && fcntl(fd, F_SETLK, &lock) == 0;
}

pid_t lock_held(const char *path, short type, off_t start, off_t len)
{
	int ready[2];
	pid_t holder;
	char byte;

	ck_assert_int_eq(pipe(ready), 0);
	holder = fork();
	ck_assert_int_ge(holder, 0);
	if (holder == 0) {
		close(ready[0]);
		if (take(path, type, start, len) && write(ready[1], "x", 1) == 1)
			pause();
		_exit(1);
	}
	close(ready[1]);
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return holder;
}

void lock_let_go(pid_t holder)
{
	ck_assert_int_eq(kill(holder, SIGKILL), 0);
	ck_assert_int_eq(waitpid(holder, NULL, 0), holder);
}

bool lock_is_free(const char *path, short type, off_t start, off_t len)
{
	int status;
	pid_t child = fork();

	ck_assert_int_ge(child, 0);
	if (child == 0)
		_exit(take(path, type, start, len) ? 0 : 1);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status) == 0;
}
