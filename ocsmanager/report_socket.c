/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The socket that MAPI servers report over: made, looked for, removed. Touches its file in the
 * private folder and the link in the registry folder. */
#include "ocsmanager/report_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <talloc.h>
#include <unistd.h>

#include "base/file.h"
#include "registry/socket_address.h"

#define BACKLOG     1024
#define SOCKET_MODE 0660

struct ocs_report_socket {
	int fd;            /* -1: taken */
	char *path, *link; /* in the private folder; in the registry folder */
	struct stat st;    /* of the file */
	pthread_mutex_t lock;
	bool made; /* under lock: the names are there, or should be */
};

static int fault(const char *path, const char *what, struct ocs_error *error)
{
	return ocs_error_set(error, "%s: cannot %s: %s", path, what, strerror(errno));
}

/* Nobody can connect before listen(), and by then mode and group are right. */
static int listen_there(struct ocs_report_socket *s, const char *private_folder, gid_t gid,
                        struct ocs_error *error)
{
	struct sockaddr_un address;
	int folder_fd, ret = ocs_registry_socket_address(private_folder, OCS_REPORT_FILE, &address,
	                                                 &folder_fd);

	if (ret != 0)
		return ocs_error_set(error, "%s: %s", private_folder, strerror(-ret));
	s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->fd < 0)
		ret = ocs_error_set(error, "cannot create a socket: %s", strerror(errno));
	else if (unlink(s->path) != 0 && errno != ENOENT)
		ret = fault(s->path, "remove", error);
	else if (bind(s->fd, (const struct sockaddr *)&address, sizeof(address)) != 0)
		ret = fault(s->path, "bind", error);
	else if (ocs_file_set_owner(AT_FDCWD, s->path, (uid_t)-1, gid) != 0 ||
	         chmod(s->path, SOCKET_MODE) != 0 || lstat(s->path, &s->st) != 0 ||
	         listen(s->fd, BACKLOG) != 0)
		ret = fault(s->path, "set up", error);
	if (folder_fd >= 0)
		close(folder_fd);
	return ret;
}

static int make_link(const struct ocs_report_socket *s, struct ocs_error *error)
{
	if (unlink(s->link) != 0 && errno != ENOENT)
		return fault(s->link, "remove", error);
	if (link(s->path, s->link) != 0)
		return fault(s->link, "create", error);
	return 0;
}

static bool is_linked(const struct ocs_report_socket *s)
{
	struct stat st;

	return lstat(s->link, &st) == 0 && st.st_dev == s->st.st_dev && st.st_ino == s->st.st_ino;
}

int ocs_report_socket_open(const char *folder, const char *private_folder,
                           struct ocs_report_socket **socket_r, struct ocs_error *error)
{
	struct ocs_report_socket *s = talloc_zero(NULL, struct ocs_report_socket);
	struct stat st;

	*socket_r = NULL;
	if (s == NULL)
		return ocs_error_memory(error);
	s->fd = -1;
	pthread_mutex_init(&s->lock, NULL);
	s->path = talloc_asprintf(s, "%s/" OCS_REPORT_FILE, private_folder);
	s->link = talloc_asprintf(s, "%s/" OCS_REPORT_FILE, folder);
	if (s->path == NULL || s->link == NULL) {
		ocs_error_memory(error);
	} else if (stat(folder, &st) != 0) {
		ocs_error_set(error, "%s: %s", folder, strerror(errno));
	} else {
		s->made = true;
		if (listen_there(s, private_folder, st.st_gid, error) == 0 &&
		    make_link(s, error) == 0) {
			*socket_r = s;
			return 0;
		}
	}
	ocs_report_socket_close(s);
	return -1;
}

const char *ocs_report_socket_path(const struct ocs_report_socket *report_socket)
{
	return report_socket->link;
}

int ocs_report_socket_take(struct ocs_report_socket *report_socket)
{
	int fd = report_socket->fd;

	report_socket->fd = -1;
	return fd;
}

int ocs_report_socket_look(void *arg, struct ocs_error *error)
{
	struct ocs_report_socket *s = arg;
	int ret = 0;

	pthread_mutex_lock(&s->lock);
	if (s->made && !is_linked(s)) {
		ret = make_link(s, error);
		if (ret == 0) {
			ocs_error_set(error, "%s was gone", s->link);
			ret = 1;
		}
	}
	pthread_mutex_unlock(&s->lock);
	return ret;
}

void ocs_report_socket_remove(struct ocs_report_socket *report_socket)
{
	pthread_mutex_lock(&report_socket->lock);
	if (report_socket->made) {
		report_socket->made = false;
		/* The next start replaces what cannot be removed. */
		if (is_linked(report_socket))
			(void)unlink(report_socket->link);
		(void)unlink(report_socket->path);
	}
	pthread_mutex_unlock(&report_socket->lock);
}

void ocs_report_socket_close(struct ocs_report_socket *report_socket)
{
	if (report_socket == NULL)
		return;
	ocs_report_socket_remove(report_socket);
	if (report_socket->fd >= 0)
		close(report_socket->fd);
	pthread_mutex_destroy(&report_socket->lock);
	talloc_free(report_socket);
}
