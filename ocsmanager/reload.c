/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* What came of a reload: see reload.h. Writes private/reload. */
#include "ocsmanager/reload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <talloc.h>

#include "base/log.h"

#define KEPT_MAX 16384 /* bytes; the log has the rest */

struct ocs_reload {
	char *text;
	size_t len;
};

struct ocs_reload *ocs_reload_begin(const void *mem_ctx)
{
	struct ocs_reload *reload = talloc_zero(mem_ctx, struct ocs_reload);

	if (reload != NULL)
		reload->text = talloc_strdup(reload, "");
	return reload;
}

void ocs_reload_report(int priority, const char *text, void *arg)
{
	struct ocs_reload *reload = arg;
	size_t len = strlen(text) + 1;
	char *grown;

	ocs_log_report(priority, text, NULL);
	if (reload == NULL || reload->text == NULL || priority > LOG_WARNING ||
	    reload->len + len > KEPT_MAX)
		return;
	grown = talloc_asprintf_append_buffer(reload->text, "%s\n", text);
	if (grown == NULL)
		return;
	reload->text = grown;
	reload->len += len;
}

static int reload_write(const char *path, const char *new_path, const char *text)
{
	size_t len = strlen(text);
	int fd, why;

	(void)unlink(new_path);
	fd = open(new_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -1;
	if (write(fd, text, len) != (ssize_t)len) {
		why = errno;
		close(fd);
		(void)unlink(new_path);
		errno = why;
		return -1;
	}
	close(fd);
	return rename(new_path, path);
}

void ocs_reload_end(struct ocs_reload *reload, const char *private_folder, bool reloaded)
{
	static unsigned long count;
	char *path, *new_path, *text;

	if (reload == NULL)
		return;
	path = talloc_asprintf(reload, "%s/reload", private_folder);
	new_path = talloc_asprintf(reload, "%s/reload.new", private_folder);
	text = talloc_asprintf(reload, "%ld %lu %s\n%s", (long)getpid(), ++count,
	                       reloaded ? "reloaded" : "refused",
	                       reload->text != NULL ? reload->text : "");
	if (path == NULL || new_path == NULL || text == NULL)
		ocs_log(LOG_WARNING, "out of memory: ocsctl is not told of the reload");
	else if (reload_write(path, new_path, text) != 0)
		ocs_log(LOG_WARNING, "cannot write %s: %s", path, strerror(errno));
	talloc_free(reload);
}
