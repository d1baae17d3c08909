/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The spool: reading and removing. Touches its folder only. */
#include "lib.h"
#include "crc32.h"
#include "strfuncs.h"

#include "spool.h"
#include "spool_internal.h"
#include "spool_record.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

static struct {
	int fd;
	uint64_t number;
	off_t position;
	bool damage_said;
} file = {.fd = -1};

void ocs_spool_read_close(void)
{
	i_close_fd(&file.fd);
}

void ocs_spool_rewind(void)
{
	ocs_spool_read_close();
}

static int open_oldest(int dir)
{
	struct ocs_spool_range range;

	if (ocs_spool_range(dir, &range) < 0 || range.count == 0)
		return -1;
	file.fd = openat(dir, ocs_spool_name(range.first), O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (file.fd == -1) {
		ocs_spool_error("open", ocs_spool_name(range.first));
		ocs_spool_give_up();
		return -1;
	}
	file.number = range.first;
	file.position = 0;
	return 0;
}

static void say_damage(void)
{
	if (!file.damage_said)
		i_warning("ocsmanager: %s/%s: a record is damaged and left out", ocs_spool_folder(),
		          ocs_spool_name(file.number));
	file.damage_said = TRUE;
}

int ocs_spool_read(const char **xml_r, off_t *place_r)
{
	int dir = ocs_spool_dir();

	if (dir == -1 || (file.fd == -1 && open_oldest(dir) < 0))
		return -1;
	for (;;) {
		char *text = t_malloc_no0(OCS_SPOOL_RECORD_MAX + OCS_SPOOL_HEAD + 3);
		ssize_t size = pread(file.fd, text, OCS_SPOOL_RECORD_MAX + OCS_SPOOL_HEAD + 2,
		                     file.position);
		enum ocs_spool_line line;
		size_t taken;

		if (size < 0) {
			ocs_spool_error("read", ocs_spool_name(file.number));
			ocs_spool_give_up();
			return -1;
		}
		text[size] = '\0';
		line = ocs_spool_line_read(text, size, OCS_SPOOL_RECORD_MAX, crc32_data, &taken,
		                           xml_r);
		*place_r = file.position;
		file.position += taken;
		if (line == OCS_SPOOL_LINE_END)
			return 0;
		if (line == OCS_SPOOL_LINE_RECORD)
			return 1;
		if (line == OCS_SPOOL_LINE_DAMAGED)
			say_damage();
	}
}

void ocs_spool_done(off_t place)
{
	if (file.fd != -1 && pwrite(file.fd, "-", 1, place) != 1)
		ocs_spool_error("write", ocs_spool_name(file.number));
}

void ocs_spool_next(void)
{
	int dir = ocs_spool_dir();
	char *rest;
	ssize_t size;

	if (dir == -1 || file.fd == -1)
		return;
	/* a writer at work has added something, or is about to */
	if (flock(file.fd, LOCK_EX | LOCK_NB) < 0)
		return;
	rest = t_malloc_no0(OCS_SPOOL_RECORD_MAX);
	size = pread(file.fd, rest, OCS_SPOOL_RECORD_MAX, file.position);
	if (size < 0 || memchr(rest, '\n', size) != NULL) {
		(void)flock(file.fd, LOCK_UN);
		return;
	}
	if (unlinkat(dir, ocs_spool_name(file.number), 0) < 0 && errno != ENOENT) {
		ocs_spool_error("unlink", ocs_spool_name(file.number));
		ocs_spool_give_up();
	}
	ocs_spool_read_close();
}
