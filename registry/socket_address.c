/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Addresses of sockets in the registry folder, see socket_address.h. Touches the folder and the
 * caller's socket. */
#include "registry/socket_address.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/clock.h"

int ocs_registry_socket_address(const char *folder, const char *file, struct sockaddr_un *address,
                                int *folder_fd_r)
{
	int n, fd;

	*folder_fd_r = -1;
	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	n = snprintf(address->sun_path, sizeof(address->sun_path), "%s/%s", folder, file);
	if (n >= 0 && (size_t)n < sizeof(address->sun_path))
		return 0;
	fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	snprintf(address->sun_path, sizeof(address->sun_path), "/proc/self/fd/%d/%s", fd, file);
	*folder_fd_r = fd;
	return 0;
}

int ocs_registry_socket_connect(int fd, const struct sockaddr_un *address, int timeout_ms)
{
	int64_t end = (int64_t)ocs_clock_ms() + timeout_ms;

	for (;;) {
		int64_t left = end - (int64_t)ocs_clock_ms();
		struct timeval limit = {.tv_sec = left / 1000, .tv_usec = left % 1000 * 1000};

		if (timeout_ms > 0 && left <= 0)
			return -EAGAIN;
		if (timeout_ms > 0 &&
		    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) != 0)
			return -errno;
		if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0)
			return 0;
		if (errno != EINTR)
			return -errno;
	}
}
