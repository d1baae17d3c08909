/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Appending numbered records to a file and reading them back. Touches only the file it was given,
 * and NAME.new while it restarts. */
#include "store/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <talloc.h>

#include "base/bytes.h"
#include "base/file.h"
#include "store/record.h"

struct ocs_journal {
	char *path;
	int fd;
	uint64_t size;   /* to the end of the last record */
	uint64_t next;   /* its number in the file, which begins with 1 */
	bool torn;       /* bytes of a failed write may follow */
	uint8_t *buffer; /* collected records */
	size_t len;
};

/* ---- reading ---- */

struct replay {
	ocs_journal_replay_fn *fn;
	void *arg;
	uint8_t *data; /* room for a record */
	struct ocs_journal_damage *damage;
	struct ocs_error *error;
};

static int take_in(const struct ocs_journal *journal, const struct replay *replay, size_t len)
{
	return replay->fn(replay->arg, replay->data, len) == 0
	               ? 0
	               : ocs_error_set(replay->error, "%s: cannot use a record", journal->path);
}

static int cannot_read(const struct ocs_journal *journal, struct ocs_error *error)
{
	return ocs_error_set(error, "%s: cannot read: %s", journal->path, strerror(errno));
}

/* Sets size to the end of the last record whose header is sound: what follows was torn. */
static int read_records(struct ocs_journal *journal, const struct replay *replay,
                        struct ocs_record_window *window, uint64_t size)
{
	const struct ocs_record_bounds bounds = {
	        .size = size,
	        .first = 1,
	        .end = UINT64_MAX,
	        .len_max = OCS_JOURNAL_RECORD_MAX,
	};
	uint64_t at = 0, passed = 1; /* passed: past the highest number of a header */
	struct ocs_record record;
	int found, sound;

	while ((found = ocs_record_find(window, &bounds, &at, &record)) == 1) {
		sound = ocs_record_data(window, &bounds, at, &record, replay->data);
		if (sound < 0)
			return cannot_read(journal, replay->error);
		at += OCS_RECORD_HEADER + record.len;
		if (record.number < journal->next)
			continue;
		journal->size = at;
		if (record.number >= passed)
			passed = record.number + 1;
		if (sound == 0)
			continue;
		replay->damage->skipped += (unsigned)(record.number - journal->next);
		journal->next = record.number + 1;
		if (take_in(journal, replay, record.len) != 0)
			return -1;
	}
	if (found < 0)
		return cannot_read(journal, replay->error);
	if (passed > journal->next) {
		replay->damage->skipped += (unsigned)(passed - journal->next);
		journal->next = passed;
	}
	return 0;
}

/* ---- files of before records had a magic: length 32, checksum 32, data. One is read to the first
 * record that is not whole, and written again as it is now: what it holds must survive an update,
 * and only an opening need know of it. ---- */

#define OLD_HEADER 8

/* Collects what it takes in. *end_r: of the last record. */
static int read_old(struct ocs_journal *journal, const struct replay *replay, uint64_t *end_r)
{
	uint8_t header[OLD_HEADER], *data = replay->data;

	for (*end_r = 0;;) {
		ssize_t n = ocs_file_read(journal->fd, header, sizeof(header), *end_r);
		size_t len = n == sizeof(header) ? ocs_get32(header) : 0;

		if (n >= 0 && (len == 0 || len > OCS_JOURNAL_RECORD_MAX))
			return 0;
		if (n >= 0)
			n = ocs_file_read(journal->fd, data, len, *end_r + OLD_HEADER);
		if (n < 0)
			return cannot_read(journal, replay->error);
		if ((size_t)n != len)
			return 0;
		*end_r += OLD_HEADER + len;
		if (ocs_get32(header + 4) != ocs_record_checksum(data, len))
			replay->damage->skipped++;
		else if (take_in(journal, replay, len) != 0 ||
		         ocs_journal_add(journal, data, len, replay->error) != 0)
			return -1;
	}
}

/* ---- open and close ---- */

static int journal_destroy(struct ocs_journal *journal)
{
	if (journal->fd >= 0)
		close(journal->fd);
	return 0;
}

static int cut_end(struct ocs_journal *journal, const struct replay *replay, uint64_t size)
{
	if (size == journal->size)
		return 0;
	replay->damage->cut += size - journal->size;
	if (ftruncate(journal->fd, (off_t)journal->size) != 0)
		return ocs_error_set(replay->error, "%s: cannot cut off its torn end: %s",
		                     journal->path, strerror(errno));
	return 0;
}

static int replay_file(struct ocs_journal *journal, struct replay *replay, uint64_t size)
{
	struct ocs_record_window *window = talloc(journal, struct ocs_record_window);
	uint64_t end = 0;
	int ret;

	replay->data = window != NULL ? talloc_size(window, OCS_JOURNAL_RECORD_MAX) : NULL;
	if (replay->data == NULL) {
		talloc_free(window);
		return ocs_error_memory(replay->error);
	}
	ocs_record_window_set(window, journal->fd);
	ret = read_records(journal, replay, window, size);
	if (ret == 0 && journal->size == 0)
		ret = read_old(journal, replay, &end);
	talloc_free(window);
	if (ret != 0)
		return -1;
	if (journal->len == 0)
		return cut_end(journal, replay, size);
	replay->damage->cut += size - end;
	return ocs_journal_restart(journal, replay->error);
}

int ocs_journal_open(const char *path, ocs_journal_replay_fn *replay, void *arg,
                     struct ocs_journal **journal_r, struct ocs_journal_damage *damage,
                     struct ocs_error *error)
{
	struct ocs_journal_damage ignored = {0};
	struct replay how = {.fn = replay,
	                     .arg = arg,
	                     .damage = damage != NULL ? damage : &ignored,
	                     .error = error};
	struct ocs_journal *journal = talloc_zero(NULL, struct ocs_journal);
	struct stat st;

	*journal_r = NULL;
	if (journal == NULL)
		return ocs_error_memory(error);
	journal->fd = -1;
	journal->next = 1;
	talloc_set_destructor(journal, journal_destroy);
	journal->path = talloc_strdup(journal, path);
	if (journal->path == NULL) {
		ocs_error_memory(error);
		goto failed;
	}
	journal->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (journal->fd < 0 || fstat(journal->fd, &st) != 0) {
		ocs_error_set(error, "%s: cannot open: %s", path, strerror(errno));
		goto failed;
	}
	if (replay_file(journal, &how, (uint64_t)st.st_size) != 0)
		goto failed;
	*journal_r = journal;
	return 0;
failed:
	talloc_free(journal);
	return -1;
}

void ocs_journal_close(struct ocs_journal *journal)
{
	talloc_free(journal);
}

/* ---- writing ---- */

int ocs_journal_add(struct ocs_journal *journal, const void *data, size_t len,
                    struct ocs_error *error)
{
	size_t room = talloc_get_size(journal->buffer);

	if (len == 0 || len > OCS_JOURNAL_RECORD_MAX)
		return ocs_error_set(error, "%s: cannot write a record of %zu bytes", journal->path,
		                     len);
	if (journal->len + OCS_RECORD_HEADER + len > room) {
		size_t wanted = 2 * room + OCS_RECORD_HEADER + len;
		uint8_t *grown = talloc_realloc(journal, journal->buffer, uint8_t, wanted);

		if (grown == NULL)
			return ocs_error_memory(error);
		journal->buffer = grown;
	}
	ocs_record_put(journal->buffer + journal->len, data, len);
	journal->len += OCS_RECORD_HEADER + len;
	return 0;
}

int ocs_journal_write(struct ocs_journal *journal, bool sync, struct ocs_error *error)
{
	size_t len = journal->len;
	uint64_t next;

	journal->len = 0;
	if (len == 0)
		return 0;
	next = ocs_record_number(journal->buffer, len, journal->next);
	/* What a failed write left behind its place would be taken for records by a later open. */
	if ((journal->torn && ftruncate(journal->fd, (off_t)journal->size) != 0) ||
	    ocs_file_write(journal->fd, journal->buffer, len, journal->size) != 0 ||
	    (sync && fdatasync(journal->fd) != 0)) {
		ocs_error_set(error, "%s: cannot write: %s", journal->path, strerror(errno));
		journal->torn = ftruncate(journal->fd, (off_t)journal->size) != 0;
		return -1;
	}
	journal->torn = false;
	journal->size += len;
	journal->next = next;
	return 0;
}

int ocs_journal_discard(struct ocs_journal *journal, struct ocs_error *error)
{
	journal->len = 0;
	if (journal->torn)
		journal->torn = ftruncate(journal->fd, (off_t)journal->size) != 0;
	return journal->torn ? ocs_error_set(error, "%s: cannot take back what is half written: %s",
	                                     journal->path, strerror(errno))
	                     : 0;
}

int ocs_journal_restart(struct ocs_journal *journal, struct ocs_error *error)
{
	char *fresh = talloc_asprintf(journal, "%s.new", journal->path);
	size_t len = journal->len;
	uint64_t next = ocs_record_number(journal->buffer, len, 1);
	int fd = -1;

	journal->len = 0;
	if (fresh == NULL)
		return ocs_error_memory(error);
	fd = open(fresh, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || ocs_file_write(fd, journal->buffer, len, 0) != 0 || fdatasync(fd) != 0 ||
	    rename(fresh, journal->path) != 0) {
		ocs_error_set(error, "%s: cannot replace: %s", journal->path, strerror(errno));
		if (fd >= 0) {
			close(fd);
			unlink(fresh); /* a full disk needs the room */
		}
		talloc_free(fresh);
		return -1;
	}
	/* From here on the new file is the one that a later open finds. */
	close(journal->fd);
	journal->fd = fd;
	journal->size = len;
	journal->next = next;
	journal->torn = false;
	talloc_free(fresh);
	/* So that the rename is on the disk too. */
	if (ocs_file_sync_folder(journal->path) != 0)
		return ocs_error_set(error, "%s: cannot sync its folder: %s", journal->path,
		                     strerror(errno));
	return 0;
}

int ocs_journal_rewrite(struct ocs_journal *journal, ocs_journal_records_fn *records, void *arg,
                        struct ocs_error *error)
{
	journal->len = 0;
	if (records(arg, journal, error) == 0)
		return ocs_journal_restart(journal, error);
	journal->len = 0;
	return -1;
}

uint64_t ocs_journal_size(const struct ocs_journal *journal)
{
	return journal->size;
}

int ocs_journal_present(const struct ocs_journal *journal, struct ocs_error *error)
{
	return ocs_file_present(journal->fd, journal->path, error);
}
