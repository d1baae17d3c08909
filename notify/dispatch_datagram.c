/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* One wake-up: a datagram to the socket of a context. Any thread. */
#include "notify/dispatch_internal.h"

#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static bool send_wake(int fd, const struct sockaddr_un *address, const uint8_t *data, size_t len)
{
	return sendto(fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL, (const struct sockaddr *)address,
	              sizeof(*address)) == (ssize_t)len;
}

/* Whether it may be our socket that is full, by datagrams that stopped processes have not read:
 * those are charged to the socket that sent them. Else it is the other one's queue. */
static bool is_ours_full(int fd)
{
	int unread, size;
	socklen_t len = sizeof(size);

	return ioctl(fd, SIOCOUTQ, &unread) != 0 ||
	       getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, &len) != 0 || unread >= size / 2;
}

static bool send_by_another(const struct sockaddr_un *address, const uint8_t *data, size_t len)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), error;
	bool sent;

	if (fd < 0) {
		errno = EAGAIN;
		return false;
	}
	sent = send_wake(fd, address, data, len);
	error = errno;
	close(fd);
	errno = error;
	return sent;
}

bool ocs_dispatch_datagram(struct ocs_dispatch *dispatch, uint64_t context, const uint8_t *data,
                           size_t len)
{
	struct sockaddr_un address;
	int file = ocs_registry_wake_open(dispatch->registry, context, &address), error;
	bool sent;

	if (file < 0)
		return file != -EMFILE && file != -ENFILE && file != -ENOMEM;
	sent = send_wake(dispatch->wake_socket, &address, data, len);
	if (!sent && errno == EAGAIN) {
		bool again = is_ours_full(dispatch->wake_socket);

		errno = EAGAIN;
		sent = again && send_by_another(&address, data, len);
	}
	error = errno;
	close(file);
	if (!sent)
		return error != EAGAIN && error != ENOBUFS && error != ENOMEM;
	OCS_COUNT(dispatch, wakeups, 1);
	return true;
}
