/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Appending checksummed records to a file and reading them back. Touches only the file it was
 * given, and NAME.new while it restarts. */
#include "store/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <talloc.h>
#include <tdb.h>

#include "base/bytes.h"
#include "base/file.h"

/* length 32, checksum 32 */
#define RECORD_HEADER 8

struct ocs_journal {
	char *path;
	int fd;
	uint64_t size;
	uint8_t *buffer; /* collected records */
	size_t len;
};

static uint32_t checksum(const uint8_t *data, size_t len)
{
	TDB_DATA d = {.dptr = (unsigned char *)(uintptr_t)data, .dsize = len};

	return tdb_jenkins_hash(&d) ^ (uint32_t)len;
}

static int journal_destroy(struct ocs_journal *journal)
{
	if (journal->fd >= 0)
		close(journal->fd);
	return 0;
}

/* Stops, without an error, at the first record that is not whole. Where a length is damaged, all
 * that follows is taken for a torn end. */
static int replay_file(struct ocs_journal *journal, ocs_journal_replay_fn *replay, void *arg,
                       struct ocs_journal_damage *damage, struct ocs_error *error)
{
	uint8_t header[RECORD_HEADER], *data = talloc_size(journal, OCS_JOURNAL_RECORD_MAX);
	int ret = 0;

	if (data == NULL)
		return ocs_error_set(error, "out of memory");
	while (ret == 0) {
		ssize_t n = ocs_file_read(journal->fd, header, sizeof(header), journal->size);
		size_t len = n == sizeof(header) ? ocs_get32(header) : 0;

		if (n >= 0 && (len == 0 || len > OCS_JOURNAL_RECORD_MAX))
			break;
		if (n >= 0)
			n = ocs_file_read(journal->fd, data, len, journal->size + RECORD_HEADER);
		if (n < 0) {
			ret = ocs_error_set(error, "%s: cannot read: %s", journal->path,
			                    strerror(errno));
			break;
		}
		if ((size_t)n != len)
			break;
		if (ocs_get32(header + 4) != checksum(data, len)) {
			damage->skipped++;
		} else {
			ret = replay(arg, data, len);
			if (ret != 0)
				ocs_error_set(error, "%s: cannot use a record", journal->path);
		}
		journal->size += RECORD_HEADER + len;
	}
	talloc_free(data);
	return ret == 0 ? 0 : -1;
}

int ocs_journal_open(const char *path, ocs_journal_replay_fn *replay, void *arg,
                     struct ocs_journal **journal_r, struct ocs_journal_damage *damage,
                     struct ocs_error *error)
{
	struct ocs_journal_damage ignored = {0};
	struct ocs_journal *journal = talloc_zero(NULL, struct ocs_journal);
	struct stat st;

	*journal_r = NULL;
	if (damage == NULL)
		damage = &ignored;
	if (journal == NULL)
		return ocs_error_set(error, "out of memory");
	journal->fd = -1;
	talloc_set_destructor(journal, journal_destroy);
	journal->path = talloc_strdup(journal, path);
	if (journal->path == NULL) {
		ocs_error_set(error, "out of memory");
		goto failed;
	}
	journal->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (journal->fd < 0 || fstat(journal->fd, &st) != 0) {
		ocs_error_set(error, "%s: cannot open: %s", path, strerror(errno));
		goto failed;
	}
	if (replay_file(journal, replay, arg, damage, error) != 0)
		goto failed;
	if ((uint64_t)st.st_size > journal->size) {
		damage->cut += (uint64_t)st.st_size - journal->size;
		if (ftruncate(journal->fd, (off_t)journal->size) != 0) {
			ocs_error_set(error, "%s: cannot cut off its torn end: %s", path,
			              strerror(errno));
			goto failed;
		}
	}
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

int ocs_journal_add(struct ocs_journal *journal, const void *data, size_t len,
                    struct ocs_error *error)
{
	size_t room = talloc_get_size(journal->buffer);

	if (len == 0 || len > OCS_JOURNAL_RECORD_MAX)
		return ocs_error_set(error, "%s: cannot write a record of %zu bytes", journal->path,
		                     len);
	if (journal->len + RECORD_HEADER + len > room) {
		size_t wanted = 2 * room + RECORD_HEADER + len;
		uint8_t *grown = talloc_realloc(journal, journal->buffer, uint8_t, wanted);

		if (grown == NULL)
			return ocs_error_set(error, "out of memory");
		journal->buffer = grown;
	}
	ocs_put32(journal->buffer + journal->len, (uint32_t)len);
	ocs_put32(journal->buffer + journal->len + 4, checksum(data, len));
	memcpy(journal->buffer + journal->len + RECORD_HEADER, data, len);
	journal->len += RECORD_HEADER + len;
	return 0;
}

int ocs_journal_write(struct ocs_journal *journal, bool sync, struct ocs_error *error)
{
	size_t len = journal->len;

	journal->len = 0;
	if (len == 0)
		return 0;
	if (ocs_file_write(journal->fd, journal->buffer, len, journal->size) != 0 ||
	    (sync && fdatasync(journal->fd) != 0)) {
		ocs_error_set(error, "%s: cannot write: %s", journal->path, strerror(errno));
		/* If this fails too, the next write goes over it: its place is still size. */
		if (ftruncate(journal->fd, (off_t)journal->size) != 0)
			errno = 0;
		return -1;
	}
	journal->size += len;
	return 0;
}

void ocs_journal_discard(struct ocs_journal *journal)
{
	journal->len = 0;
}

/* So that the rename is on the disk too. */
static int sync_folder(const char *path)
{
	char folder[4096];
	int fd, ret;

	if (strlen(path) >= sizeof(folder))
		return -1;
	strcpy(folder, path);
	fd = open(dirname(folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	ret = fsync(fd);
	close(fd);
	return ret;
}

int ocs_journal_restart(struct ocs_journal *journal, struct ocs_error *error)
{
	char *fresh = talloc_asprintf(journal, "%s.new", journal->path);
	size_t len = journal->len;
	int fd = -1;

	journal->len = 0;
	if (fresh == NULL)
		return ocs_error_set(error, "out of memory");
	fd = open(fresh, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || ocs_file_write(fd, journal->buffer, len, 0) != 0 || fdatasync(fd) != 0 ||
	    rename(fresh, journal->path) != 0) {
		ocs_error_set(error, "%s: cannot replace: %s", journal->path, strerror(errno));
		if (fd >= 0)
			close(fd);
		talloc_free(fresh);
		return -1;
	}
	/* From here on the new file is the one that a later open finds. */
	close(journal->fd);
	journal->fd = fd;
	journal->size = len;
	talloc_free(fresh);
	if (sync_folder(journal->path) != 0)
		return ocs_error_set(error, "%s: cannot sync its folder: %s", journal->path,
		                     strerror(errno));
	return 0;
}

uint64_t ocs_journal_size(const struct ocs_journal *journal)
{
	return journal->size;
}

int ocs_journal_present(const struct ocs_journal *journal, struct ocs_error *error)
{
	return ocs_file_present(journal->fd, journal->path, error);
}
