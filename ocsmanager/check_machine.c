/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What `ocsmanager -t` and the start check on this machine: folders, sockets and addresses. Looks
 * with stat(), access(), bind() (never listen) and connect().
 */
#include "ocsmanager/check_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include <linux/magic.h>

#include "base/peer.h"
#include "base/private_file.h"
#include "auth/secret.h"
#include "mapistore/index.h"
#include "ocsmanager/folder.h"
#include "ocsmanager/service.h"
#include "store/store.h"

/* Below REGISTRY/wake; see ocs_registry_wake_address(). */
#define WAKE_NAME "/wake/0123456789abcdef.sock"

static bool may(const char *path, int what)
{
	return faccessat(AT_FDCWD, path, what, AT_EACCESS) == 0;
}

/* access() says yes to root in folders of the kernel where nobody can make a thing. 0, or why
 * nothing can be made in it. */
static const char *no_room(const char *folder)
{
	static const long kernels[] = {
	        PROC_SUPER_MAGIC,   SYSFS_MAGIC,   CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC,
	        DEVPTS_SUPER_MAGIC, DEBUGFS_MAGIC, TRACEFS_MAGIC,      SECURITYFS_MAGIC,
	        BPF_FS_MAGIC,       SELINUX_MAGIC, EFIVARFS_MAGIC,     PSTOREFS_MAGIC,
	        BINFMTFS_MAGIC,     NSFS_MAGIC,    0x19800202 /* mqueue */};
	struct statfs fs;

	if (!may(folder, W_OK | X_OK))
		return strerror(errno);
	if (statfs(folder, &fs) != 0)
		return strerror(errno);
	for (size_t i = 0; i < sizeof(kernels) / sizeof(kernels[0]); i++)
		if ((long)fs.f_type == kernels[i])
			return "a file system of the kernel, which cannot hold ordinary files";
	return NULL;
}

/* The folder a path is in; "/" for what is in it. */
static void parent_of(const char *path, char out[PATH_MAX])
{
	size_t len = strlen(path);

	while (len > 1 && path[len - 1] == '/')
		len--;
	while (len > 1 && path[len - 1] != '/')
		len--;
	while (len > 1 && path[len - 1] == '/')
		len--;
	snprintf(out, PATH_MAX, "%.*s", (int)len, path);
}

/* A folder is there, or can be made in one that is. */
static void check_registry(struct ocs_check *check)
{
	const char *folder = check->config->main.registry, *why;
	struct ocs_error error;
	char parent[PATH_MAX];
	struct stat st;

	if (strlen(folder) + sizeof(WAKE_NAME) > sizeof(((struct sockaddr_un *)0)->sun_path))
		ocs_check_report(check, LOG_WARNING, "main", "registry",
		                 "the path is too long for the sockets in it, so that MAPI servers "
		                 "cannot use it: at most %zu bytes",
		                 sizeof(((struct sockaddr_un *)0)->sun_path) - sizeof(WAKE_NAME));
	if (stat(folder, &st) == 0) {
		if (ocs_folder_look(folder, check->identity.uid, &error) < 0)
			ocs_check_report(check, LOG_ERR, "main", "registry", "%s", error.text);
		else if (check->identity.uid == geteuid() && (why = no_room(folder)) != NULL)
			ocs_check_report(check, LOG_ERR, "main", "registry", "%s: %s", folder, why);
		return;
	}
	parent_of(folder, parent);
	if (errno != ENOENT)
		ocs_check_report(check, LOG_ERR, "main", "registry", "%s: %s", folder,
		                 strerror(errno));
	else if (lstat(folder, &st) == 0)
		ocs_check_report(
		        check, LOG_ERR, "main", "registry",
		        "%s is a symbolic link whose target does not exist: create the target",
		        folder);
	else if (stat(parent, &st) != 0)
		ocs_check_report(check, LOG_ERR, "main", "registry",
		                 "cannot create %s: %s: %s (only the last level is created)",
		                 folder, parent, strerror(errno));
	else if ((why = no_room(parent)) != NULL)
		ocs_check_report(check, LOG_ERR, "main", "registry", "cannot create %s: %s: %s",
		                 folder, parent, why);
}

static bool in_group(gid_t gid)
{
	gid_t groups[1024];
	int n = getgroups((int)(sizeof(groups) / sizeof(groups[0])), groups);

	for (int i = 0; i < n; i++) {
		if (groups[i] == gid)
			return true;
	}
	return gid == getegid();
}

static bool somebody_listens(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool listens = false;

	if (fd < 0 || strlen(path) >= sizeof(address.sun_path))
		goto out;
	strcpy(address.sun_path, path);
	listens = connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 ||
	          errno == EAGAIN;
out:
	if (fd >= 0)
		close(fd);
	return listens;
}

/* That its folder can be made, and that no other file is there, config/check.c has seen. */
static void check_socket(struct ocs_check *check)
{
	const char *path = check->config->server.socket;
	const char *name = check->config->server.socket_group;
	const struct group *group = name != NULL ? getgrnam(name) : NULL;
	char folder[PATH_MAX], above[PATH_MAX];
	const char *why;
	struct stat st;

	if (path == NULL)
		return;
	parent_of(path, folder);
	if (stat(folder, &st) != 0) {
		parent_of(folder, above);
		strcpy(folder, above);
	}
	why = no_room(folder);
	if (why != NULL)
		ocs_check_report(check, LOG_ERR, "server:main", "socket",
		                 "cannot listen on %s: %s: %s", path, folder, why);
	if (!check->running && somebody_listens(path))
		ocs_check_report(check, LOG_ERR, "server:main", "socket",
		                 "another process listens on %s", path);
	if (group != NULL && geteuid() != 0 && !in_group(group->gr_gid))
		ocs_check_report(check, LOG_ERR, "server:main", "socket_group",
		                 "%s cannot be given to group %s: only root, or a member of the "
		                 "group, can",
		                 path, name);
}

void ocs_check_as_starter(struct ocs_check *check)
{
	check_registry(check);
	check_socket(check);
}

/* Bound like the daemon's own, but nobody is listened to. 0, or why not. */
static int try_to_bind(const struct addrinfo *address)
{
	const int on = 1, off = 0;
	int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0), why = 0;

	if (fd < 0)
		return errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
	    (address->ai_family == AF_INET6 &&
	     setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) != 0) ||
	    bind(fd, address->ai_addr, address->ai_addrlen) != 0)
		why = errno;
	close(fd);
	return why;
}

static void check_address(struct ocs_check *check, const char *section, const char *host,
                          unsigned port, bool guarded)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
	struct addrinfo *addresses = NULL;
	char service[12];
	int result, why;

	snprintf(service, sizeof(service), "%u", port);
	result = getaddrinfo(host, service, &hints, &addresses);
	if (result != 0) {
		ocs_check_report(check, LOG_ERR, section, "host", "%s: %s", host,
		                 gai_strerror(result));
		return;
	}
	why = try_to_bind(addresses);
	if (!guarded && !ocs_peer_is_loopback(addresses->ai_addr))
		ocs_check_report(check, LOG_ERR, section, "host", "%s: " OCS_SERVICE_NOT_PLAIN,
		                 host);
	freeaddrinfo(addresses);
	if (why == 0 || (why == EADDRINUSE && check->running))
		return;
	ocs_check_report(check, LOG_ERR, section,
	                 why == EADDRINUSE || why == EACCES ? "port" : "host",
	                 "cannot listen on %s port %u: %s%s", host, port, strerror(why),
	                 why == EACCES ? ": ports below 1024 are root's" : "");
}

static void check_database(struct ocs_check *check, const char *name, const char *then)
{
	char path[PATH_MAX];
	struct ocs_error error;
	int found;

	if (snprintf(path, sizeof(path), "%s/%s", check->config->main.registry, name) >=
	    (int)sizeof(path))
		return;
	found = ocs_store_look(path, NULL, 0, NULL, &error);
	if (found == OCS_STORE_ERROR)
		ocs_check_report(check, LOG_ERR, "main", "registry", "%s", error.text);
	else if (found == OCS_STORE_CORRUPT || found == OCS_STORE_DAMAGED)
		ocs_check_report(check, LOG_WARNING, "main", "registry", "%s: %s", error.text,
		                 then);
}

/* What is in the registry from earlier; what is missing is made. */
static void check_registry_files(struct ocs_check *check)
{
	static const char *const names[] = {"registry.tdb", "index.tdb", "ocsmanager.lock",
	                                    "private", "messages"}; /* the last two the daemon's */
	const char *folder = check->config->main.registry;
	struct ocs_error error;
	char path[PATH_MAX];
	struct stat st;

	if (stat(folder, &st) != 0 || check->errors != 0)
		return;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (snprintf(path, sizeof(path), "%s/%s", folder, names[i]) >= (int)sizeof(path))
			return;
		if (ocs_folder_is_in_the_way(folder, names[i], &error))
			ocs_check_report(check, LOG_WARNING, "main", "registry", "%s", error.text);
		else if (!may(path, R_OK | W_OK) && errno != ENOENT)
			ocs_check_report(check, LOG_ERR, "main", "registry", "%s: %s", path,
			                 strerror(errno));
		else if (i >= 3 && stat(path, &st) == 0 && st.st_uid != geteuid())
			ocs_check_report(check, LOG_ERR, "main", "registry",
			                 "%s belongs to uid %u, not to the daemon", path,
			                 (unsigned)st.st_uid);
	}
	/* Whole files are read for -t alone, and not while a daemon of theirs would say it. */
	bool read = !check->starts && !check->running;
	int found = ocs_index_look(folder, (uint16_t)check->config->main.replica_id, read, &error);

	if (found < 0)
		ocs_check_report(check, LOG_ERR, "main", "replica_id", "%s", error.text);
	else if (found > 0)
		ocs_check_report(check, LOG_WARNING, "main", "registry", "%s", error.text);
	if (read) {
		check_database(check, "registry.tdb",
		               "the daemon keeps its intact records when it starts, and clients "
		               "register the rest again");
		check_database(check, "private/auth.tdb",
		               "the daemon makes a new one and a new secret when it starts: all "
		               "clients log in again");
	}
}

/* Made by a start where it is missing. */
static void check_secret(struct ocs_check *check)
{
	const char *path = check->config->main.secret_file;
	char folder[PATH_MAX], registry[PATH_MAX];
	struct ocs_error error;
	const char *why;
	int found;

	found = ocs_auth_secret_look(path, &error);
	if (found == OCS_PRIVFILE_ERROR)
		ocs_check_report(check, LOG_ERR, "main", "secret_file", "%s", error.text);
	if (found != OCS_PRIVFILE_MISSING)
		return;
	/* the default is in a folder that is made with the registry */
	snprintf(registry, sizeof(registry), "%s/", check->config->main.registry);
	if (strncmp(path, registry, strlen(registry)) == 0)
		return;
	parent_of(path, folder);
	why = no_room(folder);
	if (why != NULL)
		ocs_check_report(check, LOG_ERR, "main", "secret_file", "cannot create %s: %s: %s",
		                 path, folder, why);
}

/* A start reads it before root is dropped, a reload after. */
static void check_ini(struct ocs_check *check)
{
	const char *path = check->config->path;
	const struct group *group = getgrgid(check->identity.gid);

	if (may(path, R_OK))
		return;
	ocs_check_report(check, LOG_WARNING, "main", "user",
	                 "%s cannot be read by that user (%s), so that SIGHUP will fail: "
	                 "chgrp %s %s && chmod 640 %s",
	                 path, strerror(errno), group != NULL ? group->gr_name : "GROUP", path,
	                 path);
}

void ocs_check_as_user(struct ocs_check *check)
{
	const struct ocs_config *config = check->config;

	check_ini(check);
	check_registry_files(check);
	check_secret(check);
	check_address(check, "server:main", config->server.host, config->server.port,
	              config->server.tls_cert != NULL || config->server.plain_http);
	check_address(check, "operations", config->operations.host, config->operations.port,
	              config->operations.tls_cert != NULL || config->operations.plain_http);
}
