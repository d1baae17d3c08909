/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Reads along in a journal: see journal_reader.h. Touches only that file, reading. */
#include "store/journal_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/shared_file.h"

#include <talloc.h>

#include "store/record.h"

struct ocs_journal_reader {
	char *path;
	int fd; /* -1: there is none */
	dev_t device;
	ino_t inode;
	uint64_t at; /* past the last record that was read */
	struct ocs_record_window window;
	uint8_t data[OCS_JOURNAL_RECORD_MAX];
};

static int journal_reader_destroy(struct ocs_journal_reader *reader)
{
	if (reader->fd >= 0)
		close(reader->fd);
	return 0;
}

struct ocs_journal_reader *ocs_journal_reader_new(const void *mem_ctx, const char *path)
{
	struct ocs_journal_reader *reader = talloc_zero(mem_ctx, struct ocs_journal_reader);

	if (reader == NULL)
		return NULL;
	reader->fd = -1;
	talloc_set_destructor(reader, journal_reader_destroy);
	reader->path = talloc_strdup(reader, path);
	if (reader->path == NULL)
		TALLOC_FREE(reader);
	return reader;
}

bool ocs_journal_reader_moved(struct ocs_journal_reader *reader)
{
	struct stat st;
	bool had = reader->fd >= 0;

	if (had && stat(reader->path, &st) == 0 && st.st_dev == reader->device &&
	    st.st_ino == reader->inode && (uint64_t)st.st_size >= reader->at)
		return false;
	if (had)
		close(reader->fd);
	reader->at = 0;
	if (ocs_shared_open(reader->path, O_RDONLY, &reader->fd) != 0)
		reader->fd = -1;
	if (reader->fd >= 0 && fstat(reader->fd, &st) != 0) {
		close(reader->fd);
		reader->fd = -1;
	}
	if (reader->fd < 0)
		return had;
	reader->device = st.st_dev;
	reader->inode = st.st_ino;
	return true;
}

int ocs_journal_reader_read(struct ocs_journal_reader *reader, ocs_journal_replay_fn *fn, void *arg,
                            struct ocs_error *error)
{
	struct ocs_record_bounds bounds = {
	        .first = 1, .end = UINT64_MAX, .len_max = OCS_JOURNAL_RECORD_MAX};
	struct ocs_record record;
	struct stat st;
	int found = 0;

	if (reader->fd < 0)
		return 0;
	if (fstat(reader->fd, &st) != 0)
		return ocs_error_set(error, "%s: %s", reader->path, strerror(errno));
	bounds.size = (uint64_t)st.st_size;
	if (bounds.size == reader->at)
		return 0;
	ocs_record_window_set(&reader->window, reader->fd);
	for (uint64_t at = reader->at;; reader->at = at) {
		found = ocs_record_find(&reader->window, &bounds, &at, &record);
		if (found == 1)
			found = ocs_record_data(&reader->window, &bounds, at, &record,
			                        reader->data);
		/* Perhaps it is just being written. */
		if (found != 1)
			break;
		at += OCS_RECORD_HEADER + record.len;
		if (fn(arg, reader->data, record.len) != 0)
			return ocs_error_set(error, "%s: cannot use a record", reader->path);
	}
	return found < 0
	               ? ocs_error_set(error, "%s: cannot read: %s", reader->path, strerror(errno))
	               : 0;
}
