/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The double fork. Touches the process, its session, working directory and standard streams.
 */
#include "base/background.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int ready_fd = -1;

/* In the process that was started: 0 once the daemon says so, 1 when it ends before. */
static void wait_for_daemon(int fd, pid_t child)
{
	char byte;
	ssize_t n;

	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
	do {
		n = read(fd, &byte, 1);
	} while (n < 0 && errno == EINTR);
	_exit(n == 1 ? 0 : 1);
}

int ocs_background_enter(struct ocs_error *error)
{
	int fds[2];
	pid_t child;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return ocs_error_set(error, "pipe: %s", strerror(errno));
	child = fork();
	if (child < 0) {
		ocs_error_set(error, "fork: %s", strerror(errno));
		close(fds[0]);
		close(fds[1]);
		return -1;
	}
	if (child > 0) {
		close(fds[1]);
		wait_for_daemon(fds[0], child);
	}
	close(fds[0]);
	ready_fd = fds[1];
	if (setsid() < 0 || chdir("/") < 0)
		return ocs_error_set(error, "cannot start a session: %s", strerror(errno));
	/* The second fork: no session leader, so that no terminal can become ours again. */
	child = fork();
	if (child < 0)
		return ocs_error_set(error, "fork: %s", strerror(errno));
	if (child > 0)
		_exit(0);
	return 0;
}

void ocs_background_ready(void)
{
	int null;
	ssize_t n;

	if (ready_fd < 0)
		return;
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int fd = STDIN_FILENO; null >= 0 && fd <= STDERR_FILENO; fd++)
		dup2(null, fd);
	if (null > STDERR_FILENO)
		close(null);
	do {
		n = write(ready_fd, "", 1);
	} while (n < 0 && errno == EINTR);
	close(ready_fd);
	ready_fd = -1;
}
