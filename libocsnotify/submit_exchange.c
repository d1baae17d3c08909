/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * A request to the daemon and its answer, over report.sock, within a time. Touches one socket for
 * the length of a call; no lock is held, for it waits.
 */
#include "libocsnotify/internal.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "registry/socket_address.h"

#define FIRST_SIZE 4096

/* Until the descriptor is ready: 0, or -EAGAIN when the time is over. */
static int wait_for(int fd, short events, uint64_t end)
{
	struct pollfd ready = {.fd = fd, .events = events};
	int ret;

	do {
		uint64_t now = libocsnotify_now_ms();

		ret = poll(&ready, 1, now < end ? (int)(end - now) : 0);
	} while (ret < 0 && errno == EINTR);
	return ret > 0 ? 0 : ret < 0 ? -errno : -EAGAIN;
}

static int send_all(int fd, const char *data, size_t len, uint64_t end)
{
	while (len > 0) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n >= 0) {
			data += n;
			len -= (size_t)n;
		} else if (errno == EAGAIN) {
			int ret = wait_for(fd, POLLOUT, end);

			if (ret != 0)
				return ret;
		} else if (errno == EPIPE || errno == ECONNRESET) {
			return 0; /* it may have answered before it hung up */
		} else if (errno != EINTR) {
			return -errno;
		}
	}
	return 0;
}

/* Appends what there is. 0, or -errno; -ECONNRESET: nothing more comes. */
static int receive_some(int fd, char **data, size_t *used, size_t *size, uint64_t end)
{
	ssize_t n;
	int ret = wait_for(fd, POLLIN, end);

	if (ret != 0)
		return ret;
	if (*used == *size) {
		size_t larger = *size == 0 ? FIRST_SIZE : *size * 2;
		char *grown = larger > 2 * LIBOCSNOTIFY_ANSWER_MAX ? NULL : realloc(*data, larger);

		if (grown == NULL)
			return -ENOMEM;
		*data = grown;
		*size = larger;
	}
	n = recv(fd, *data + *used, *size - *used, MSG_DONTWAIT);
	if (n > 0)
		*used += (size_t)n;
	if (n == 0)
		return -ECONNRESET;
	return n > 0 || errno == EINTR || errno == EAGAIN ? 0 : -errno;
}

static int receive_answer(int fd, struct libocsnotify_answer *answer, uint64_t end)
{
	size_t used = 0, size = 0;
	char *data = NULL;
	int ret;

	do {
		ret = receive_some(fd, &data, &used, &size, end);
		if (ret == 0)
			ret = libocsnotify_answer_read(data, used, answer);
	} while (ret == 0);
	if (ret == 1) {
		answer->memory = data;
		return 0;
	}
	free(data);
	return ret == -1 ? -EBADMSG : ret;
}

static int connect_to(const char *folder, uint64_t end, int *fd_r)
{
	struct sockaddr_un address;
	uint64_t now = libocsnotify_now_ms();
	int folder_fd, ret;

	*fd_r = -1;
	if (now >= end)
		return -EAGAIN;
	ret = ocs_registry_socket_address(folder, OCS_REPORT_FILE, &address, &folder_fd);
	if (ret != 0)
		return ret;
	*fd_r = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ret = *fd_r < 0 ? -errno : ocs_registry_socket_connect(*fd_r, &address, (int)(end - now));
	if (folder_fd >= 0)
		close(folder_fd);
	return ret;
}

int libocsnotify_exchange(const char *folder, const char *body, size_t len, uint64_t end,
                          struct libocsnotify_answer *answer)
{
	char head[200];
	int head_len, fd, ret = connect_to(folder, end, &fd);

	answer->memory = NULL;
	head_len =
	        snprintf(head, sizeof(head),
	                 "PUT /notification HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml; "
	                 "charset=utf-8\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n",
	                 len);
	if (ret == 0)
		ret = send_all(fd, head, (size_t)head_len, end);
	if (ret == 0)
		ret = send_all(fd, body, len, end);
	if (ret == 0)
		ret = receive_answer(fd, answer, end);
	if (fd >= 0)
		close(fd);
	return ret;
}
