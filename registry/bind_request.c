/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The address and packets of bind requests, and the library's side of them. Touches one
 * socket for the length of a call.
 */
#include "registry/bind_request.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "registry/socket_address.h"

#define VERSION 1
#define BIND    'B'

int ocs_bind_request_address(const char *folder, struct sockaddr_un *address, int *folder_fd_r)
{
	return ocs_registry_socket_address(folder, OCS_BIND_FILE, address, folder_fd_r);
}

/* ---- names ---- */

int ocs_bind_store_name(char out[OCS_USER_MAX + 1], const char *backend, const char *backend_user)
{
	int n = snprintf(out, OCS_USER_MAX + 1, "%c%s%c%s", OCS_BIND_STORE, backend, OCS_BIND_STORE,
	                 backend_user);

	return n > 0 && n <= OCS_USER_MAX ? 0 : -1;
}

int ocs_bind_store_get(const char *name, char backend[OCS_USER_MAX + 1],
                       char backend_user[OCS_USER_MAX + 1])
{
	const char *second = name[0] == OCS_BIND_STORE ? strchr(name + 1, OCS_BIND_STORE) : NULL;
	size_t len;

	if (second == NULL || strlen(name) > OCS_USER_MAX)
		return -1;
	len = (size_t)(second - name - 1);
	memcpy(backend, name + 1, len);
	backend[len] = '\0';
	strcpy(backend_user, second + 1);
	return 0;
}

/* ---- packets ---- */

size_t ocs_bind_request_put(uint8_t packet[OCS_BIND_REQUEST_MAX], const char *user)
{
	size_t len = strlen(user);

	if (len == 0 || len > OCS_USER_MAX)
		return 0;
	packet[0] = VERSION;
	packet[1] = BIND;
	memcpy(packet + 2, user, len);
	return 2 + len;
}

int ocs_bind_request_get(const uint8_t *packet, size_t len, char user[OCS_USER_MAX + 1])
{
	if (len < 3 || len > OCS_BIND_REQUEST_MAX || packet[0] != VERSION || packet[1] != BIND ||
	    memchr(packet + 2, '\0', len - 2) != NULL)
		return -1;
	memcpy(user, packet + 2, len - 2);
	user[len - 2] = '\0';
	return 0;
}

size_t ocs_bind_reply_put(uint8_t packet[OCS_BIND_REPLY_MAX], const struct ocs_bind_reply *reply)
{
	size_t len = strnlen(reply->text, OCS_BIND_TEXT_MAX - 1);

	packet[0] = VERSION;
	packet[1] = (uint8_t)reply->status;
	memcpy(packet + 2, reply->text, len);
	return 2 + len;
}

int ocs_bind_reply_get(const uint8_t *packet, size_t len, struct ocs_bind_reply *reply)
{
	if (len < 2 || len > OCS_BIND_REPLY_MAX || packet[0] != VERSION || packet[1] > 1)
		return -1;
	reply->status = (enum ocs_bind_status)packet[1];
	memcpy(reply->text, packet + 2, len - 2);
	reply->text[len - 2] = '\0';
	return 0;
}

/* ---- the library's side ---- */

int ocs_bind_request_send(const char *folder, const char *user, int timeout_ms)
{
	uint8_t packet[OCS_BIND_REQUEST_MAX];
	size_t len = ocs_bind_request_put(packet, user);
	struct sockaddr_un address;
	int folder_fd, fd, ret;

	if (len == 0)
		return -EINVAL;
	ret = ocs_bind_request_address(folder, &address, &folder_fd);
	if (ret != 0)
		return ret;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | (timeout_ms > 0 ? 0 : SOCK_NONBLOCK),
	            0);
	ret = fd < 0 ? -errno : ocs_registry_socket_connect(fd, &address, timeout_ms);
	if (folder_fd >= 0)
		close(folder_fd);
	if (ret == 0 && send(fd, packet, len, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)len)
		ret = -errno;
	if (ret == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return ret;
}

int ocs_bind_reply_read(int fd, int timeout_ms, struct ocs_bind_reply *reply)
{
	int64_t end = (int64_t)ocs_clock_ms() + timeout_ms;
	uint8_t packet[OCS_BIND_REPLY_MAX + 1];
	struct pollfd readable = {.fd = fd, .events = POLLIN};
	ssize_t n;
	int ret;

	do {
		int64_t left = end - (int64_t)ocs_clock_ms();

		ret = poll(&readable, 1, left > 0 ? (int)left : 0);
	} while (ret < 0 && errno == EINTR);
	if (ret <= 0)
		return ret;
	n = recv(fd, packet, sizeof(packet), MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	return n > 0 && ocs_bind_reply_get(packet, (size_t)n, reply) == 0 ? 1 : -1;
}
