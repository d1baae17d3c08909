/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The daemon's lock on the registry folder, for what is done while it is stopped. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "ocsctl/ocsctl.h"

#define PATIENCE 2000 /* ms, for who has the folder locked for a moment */

int ocsctl_lock_registry(struct ocsctl *ctl)
{
	const char *folder = ctl->config->main.registry;
	struct ocsctl_daemon daemon;
	char path[PATH_MAX];
	int fd;

	ocsctl_daemon_find(ctl->config, &daemon);
	if (daemon.pid != 0) {
		ocsctl_error("the daemon runs (pid %d): stop it first, and the MAPI servers",
		             daemon.pid);
		return -1;
	}
	if (daemon.why[0] != '\0') {
		ocsctl_error("cannot see whether the daemon runs: %s", daemon.why);
		return -1;
	}
	if (snprintf(path, sizeof(path), "%s/private", folder) >= (int)sizeof(path)) {
		ocsctl_error("%s: path too long", folder);
		return -1;
	}
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	/* No daemon has used the folder yet. */
	if (fd < 0 && errno == ENOENT)
		fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT) {
		ocsctl_error(
		        "there is no registry in %s: it is made when ocsmanager starts for the "
		        "first time",
		        folder);
		return -1;
	}
	if (fd < 0) {
		ocsctl_error("%s: %s", path, strerror(errno));
		return -1;
	}
	if (ocs_file_lock(fd, PATIENCE) == 0 || errno != EWOULDBLOCK)
		return fd; /* also on file systems that cannot */
	ocsctl_error("%s: a daemon, or another process, has it locked", folder);
	close(fd);
	return -1;
}
