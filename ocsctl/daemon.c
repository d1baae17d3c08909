/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The daemon as seen from outside: who holds the registry's lock, and where it answers.
 *
 * The running daemon holds a lock (flock) on FOLDER/private, which nobody else can open, and on
 * FOLDER if nobody else has it, which tells about it where FOLDER/private is away; the first
 * line of FOLDER/ocsmanager.lock is the process, the lines behind it are the addresses really
 * bound, which the ini does not tell where it says port 0. The lock is looked up, not tried: a lock
 * held for a moment could stop a daemon that is just starting.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <talloc.h>

#include "base/shared_file.h"
#include "ocsctl/ocsctl.h"

#define LOCK_FILE "ocsmanager.lock"

/* A listening address as one to connect to. */
static void make_url(char *out, size_t size, const char *host, unsigned port, bool tls)
{
	const char *scheme = tls ? "https" : "http";

	if (port == 0)
		out[0] = '\0';
	else if (strcmp(host, "0.0.0.0") == 0 || strcmp(host, "*") == 0)
		snprintf(out, size, "%s://127.0.0.1:%u", scheme, port);
	else if (strcmp(host, "::") == 0)
		snprintf(out, size, "%s://[::1]:%u", scheme, port);
	else if (strchr(host, ':') != NULL)
		snprintf(out, size, "%s://[%s]:%u", scheme, host, port);
	else
		snprintf(out, size, "%s://%s:%u", scheme, host, port);
}

/* "[::]:5000" or "127.0.0.1:5000", perhaps " with TLS", whatever the ini says by now; the text is
 * changed. */
static void take_address(char *out, size_t size, char *address)
{
	char *secured = strstr(address, " with TLS");
	char *colon = strrchr(address, ':');
	unsigned port;
	size_t len;

	if (colon == NULL || sscanf(colon + 1, "%u", &port) != 1 || port == 0 || port > 65535)
		return;
	*colon = '\0';
	len = strlen(address);
	if (len > 2 && address[0] == '[' && address[len - 1] == ']') {
		address[len - 1] = '\0';
		address++;
	}
	make_url(out, size, address, port, secured != NULL);
}

/* Whether the kernel lists that lock on the file. By number: some file systems show another device
 * in /proc/locks than stat() does. */
static bool holds_lock(int pid, ino_t inode, struct ocsctl_daemon *out)
{
	FILE *stream = fopen("/proc/locks", "re");
	char line[200];
	bool found = false;

	if (stream == NULL) {
		snprintf(out->why, sizeof(out->why), "/proc/locks: %s", strerror(errno));
		return false;
	}
	while (!found && fgets(line, sizeof(line), stream) != NULL) {
		unsigned long long number;
		int holder;

		/* "1: FLOCK  ADVISORY  WRITE 4711 08:01:1234 0 EOF" */
		if (sscanf(line, "%*s FLOCK %*s %*s %d %*[0-9a-f]:%*[0-9a-f]:%llu", &holder,
		           &number) == 2)
			found = holder == pid && number == inode;
	}
	(void)fclose(stream);
	return found;
}

static void read_lock_file(FILE *stream, const char *folder, struct ocsctl_daemon *out)
{
	char line[300], path[PATH_MAX];
	struct stat inner, outer;
	int pid;

	if (snprintf(path, sizeof(path), "%s/private", folder) >= (int)sizeof(path) ||
	    fgets(line, sizeof(line), stream) == NULL || sscanf(line, "%d", &pid) != 1)
		return;
	if (!(lstat(path, &inner) == 0 && holds_lock(pid, inner.st_ino, out)) &&
	    !(stat(folder, &outer) == 0 && holds_lock(pid, outer.st_ino, out)))
		return;
	out->pid = pid;
	while (fgets(line, sizeof(line), stream) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, "listening on ", 13) == 0)
			take_address(out->service, sizeof(out->service), line + 13);
		else if (strncmp(line, "operations on ", 14) == 0)
			take_address(out->operations, sizeof(out->operations), line + 14);
	}
}

void ocsctl_daemon_find(const struct ocs_config *config, struct ocsctl_daemon *out)
{
	char *path = talloc_asprintf(NULL, "%s/" LOCK_FILE, config->main.registry);
	const char *service_cert = config->server.tls_cert;
	const char *operations_cert = config->operations.tls_cert;
	int fd, why = path != NULL ? -ocs_shared_open(path, O_RDONLY, &fd) : ENOMEM;
	FILE *stream = why == 0 ? fdopen(fd, "r") : NULL;

	memset(out, 0, sizeof(*out));
	out->service_cert = service_cert;
	out->operations_cert = operations_cert;
	make_url(out->service, sizeof(out->service), config->server.host, config->server.port,
	         service_cert != NULL);
	make_url(out->operations, sizeof(out->operations), config->operations.host,
	         config->operations.port, operations_cert != NULL);
	if (stream == NULL && why != ENOENT)
		snprintf(out->why, sizeof(out->why), "%.200s: %s", path != NULL ? path : "?",
		         strerror(why));
	if (stream != NULL) {
		read_lock_file(stream, config->main.registry, out);
		(void)fclose(stream);
	}
	talloc_free(path);
}
