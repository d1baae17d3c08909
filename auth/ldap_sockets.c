/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Connecting and cutting: see ldap_sockets.h. Touches the network and the resolver. */
#include "auth/ldap_sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"

void ocs_ldap_sockets_init(struct ocs_ldap_sockets *sockets)
{
	memset(sockets, 0, sizeof(*sockets));
	pthread_mutex_init(&sockets->lock, NULL);
	atomic_init(&sockets->first, 0);
	for (int i = 0; i < OCS_LDAP_SOCKETS_MAX; i++)
		sockets->kept[i] = -1;
}

void ocs_ldap_sockets_destroy(struct ocs_ldap_sockets *sockets)
{
	pthread_mutex_destroy(&sockets->lock);
}

/* -1: with *number_r, an error number. */
static int sockets_keep(struct ocs_ldap_sockets *sockets, int fd, int *number_r)
{
	int kept = -1;

	pthread_mutex_lock(&sockets->lock);
	*number_r = sockets->cut ? ECANCELED : EMFILE;
	for (int i = 0; i < OCS_LDAP_SOCKETS_MAX && kept < 0 && !sockets->cut; i++) {
		if (sockets->kept[i] >= 0)
			continue;
		kept = fcntl(fd, F_DUPFD_CLOEXEC, 3);
		*number_r = kept < 0 ? errno : 0;
		if (kept < 0)
			break;
		sockets->kept[i] = kept;
	}
	pthread_mutex_unlock(&sockets->lock);
	return kept;
}

void ocs_ldap_sockets_end(struct ocs_ldap_sockets *sockets, int kept)
{
	if (kept < 0)
		return;
	pthread_mutex_lock(&sockets->lock);
	for (int i = 0; i < OCS_LDAP_SOCKETS_MAX; i++)
		if (sockets->kept[i] == kept)
			sockets->kept[i] = -1;
	close(kept);
	pthread_mutex_unlock(&sockets->lock);
}

void ocs_ldap_sockets_cut(struct ocs_ldap_sockets *sockets)
{
	pthread_mutex_lock(&sockets->lock);
	sockets->cut = true;
	for (int i = 0; i < OCS_LDAP_SOCKETS_MAX; i++)
		if (sockets->kept[i] >= 0)
			shutdown(sockets->kept[i], SHUT_RDWR);
	pthread_mutex_unlock(&sockets->lock);
}

/* 0, or an error number. */
static int wait_connected(int fd, int64_t deadline)
{
	struct pollfd wait = {.fd = fd, .events = POLLOUT};
	int64_t left = deadline - (int64_t)ocs_clock_ms();
	int number = 0, rc;
	socklen_t len = sizeof(number);

	do
		rc = poll(&wait, 1, left > 0 ? (int)left : 0);
	while (rc < 0 && errno == EINTR);
	if (rc <= 0)
		return rc == 0 ? ETIMEDOUT : errno;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &number, &len) < 0)
		return errno;
	return number;
}

static int connect_to(struct ocs_ldap_sockets *sockets, const struct sockaddr *address,
                      socklen_t len, int64_t deadline, int *kept_r, int *number_r)
{
	int on = 1, fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	*number_r = errno;
	if (fd < 0)
		return -1;
	/* a question is several small writes to TLS */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	*kept_r = sockets_keep(sockets, fd, number_r);
	if (*kept_r >= 0 && connect(fd, address, len) < 0)
		*number_r = errno == EINPROGRESS ? wait_connected(fd, deadline) : errno;
	if (*number_r == 0)
		return fd;
	ocs_ldap_sockets_end(sockets, *kept_r);
	*kept_r = -1;
	close(fd);
	return -1;
}

static int connect_local(struct ocs_ldap_sockets *sockets, const char *path, int64_t deadline,
                         int *kept_r, int *number_r)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	memcpy(address.sun_path, path, strlen(path) + 1);
	return connect_to(sockets, (const struct sockaddr *)&address, sizeof(address), deadline,
	                  kept_r, number_r);
}

/* Every address of the name gets its part of the time. */
static int connect_name(struct ocs_ldap_sockets *sockets, const struct ocs_ldap_server *server,
                        int64_t deadline, int *kept_r, int *number_r, const char **why_r)
{
	const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	struct addrinfo *found = NULL;
	int fd = -1, left = 0, rc = getaddrinfo(server->host, server->port, &hints, &found);

	if (rc != 0) {
		*why_r = rc == EAI_SYSTEM ? strerror(errno) : gai_strerror(rc);
		return -1;
	}
	for (const struct addrinfo *one = found; one; one = one->ai_next)
		left++;
	for (const struct addrinfo *one = found; one && fd < 0; one = one->ai_next) {
		int64_t now = (int64_t)ocs_clock_ms();

		fd = connect_to(sockets, one->ai_addr, one->ai_addrlen,
		                now + (deadline > now ? deadline - now : 0) / left--, kept_r,
		                number_r);
	}
	freeaddrinfo(found);
	return fd;
}

int ocs_ldap_sockets_connect(struct ocs_ldap_sockets *sockets, const struct ocs_ldap_server *server,
                             int64_t deadline, int *kept_r, struct ocs_error *error)
{
	const char *why = NULL;
	int number = 0, fd;

	*kept_r = -1;
	fd = server->path[0] ? connect_local(sockets, server->path, deadline, kept_r, &number)
	                     : connect_name(sockets, server, deadline, kept_r, &number, &why);
	if (fd < 0)
		ocs_error_set(error, "%s: %s", server->url,
		              why                   ? why
		              : number == ETIMEDOUT ? "no answer to a connection"
		                                    : strerror(number));
	return fd;
}
