/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The spool's records and walking along them: see spool_internal.h. Reads segment files, changes
 * none. The lock of the spool is held, or nobody else has it yet.
 */
#include "cluster/spool_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <tdb.h>

#include "base/bytes.h"
#include "base/file.h"

/* Two bytes that UTF-8 never has, so that no text in a record looks like the next one. */
static const uint8_t magic[4] = {0xf5, 'O', 'S', 0xff};

uint32_t ocs_spool_checksum(const uint8_t *data, size_t len)
{
	TDB_DATA d = {.dptr = (unsigned char *)(uintptr_t)data, .dsize = len};

	return tdb_jenkins_hash(&d) ^ (uint32_t)len;
}

void ocs_spool_segment_name(uint64_t first, char name[OCS_SPOOL_NAME_SIZE])
{
	snprintf(name, OCS_SPOOL_NAME_SIZE, "%020" PRIu64, first);
}

void ocs_spool_encode(uint8_t header[OCS_SPOOL_HEADER], size_t len, uint64_t number, uint64_t when,
                      const uint8_t *data)
{
	memcpy(header, magic, sizeof(magic));
	ocs_put32(header + 8, ocs_spool_checksum(data, len));
	ocs_put32(header + 12, (uint32_t)len);
	ocs_put64(header + 16, number);
	ocs_put64(header + 24, when);
	ocs_put32(header + 4, ocs_spool_checksum(header + 8, OCS_SPOOL_HEADER - 8));
}

static bool decode(const uint8_t header[OCS_SPOOL_HEADER], struct ocs_spool_record *record)
{
	if (memcmp(header, magic, sizeof(magic)) != 0 ||
	    ocs_get32(header + 4) != ocs_spool_checksum(header + 8, OCS_SPOOL_HEADER - 8))
		return false;
	record->check = ocs_get32(header + 8);
	record->len = ocs_get32(header + 12);
	record->number = ocs_get64(header + 16);
	record->when = ocs_get64(header + 24);
	return true;
}

void ocs_spool_cursor_init(struct ocs_spool_cursor *cursor)
{
	cursor->fd = -1;
	ocs_spool_cursor_set(cursor, NULL, 0, 1);
}

void ocs_spool_cursor_set(struct ocs_spool_cursor *cursor, struct ocs_spool_segment *segment,
                          uint64_t offset, uint64_t next)
{
	if (segment != cursor->segment || segment == NULL) {
		if (cursor->fd >= 0)
			close(cursor->fd);
		cursor->fd = -1;
		cursor->window_len = 0;
	}
	cursor->segment = segment;
	cursor->offset = offset;
	cursor->next = next;
}

static int open_segment(struct ocs_spool *spool, struct ocs_spool_cursor *cursor,
                        struct ocs_error *error)
{
	char name[OCS_SPOOL_NAME_SIZE];

	if (cursor->fd >= 0)
		return 0;
	ocs_spool_segment_name(cursor->segment->first, name);
	cursor->fd = openat(spool->folder_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (cursor->fd < 0)
		return ocs_error_set(error, "%s/%s: cannot open: %s", spool->folder, name,
		                     strerror(errno));
	return 0;
}

/* The flushed bytes from `at` on, at least `len` of them unless the segment ends before. They stay
 * as they are until the next call. */
static const uint8_t *look(struct ocs_spool_cursor *cursor, uint64_t at, size_t len, size_t *len_r)
{
	uint64_t rest = cursor->segment->size > at ? cursor->segment->size - at : 0;
	size_t skip;

	if (len > rest)
		len = (size_t)rest;
	if (at < cursor->window_at || at + len > cursor->window_at + cursor->window_len) {
		ssize_t read;
		size_t wanted =
		        rest < sizeof(cursor->window) ? (size_t)rest : sizeof(cursor->window);

		read = ocs_file_read(cursor->fd, cursor->window, wanted, at);
		cursor->unreadable = read < 0;
		cursor->window_at = at;
		cursor->window_len = read > 0 ? (size_t)read : 0;
	}
	skip = (size_t)(at - cursor->window_at);
	*len_r = cursor->window_len > skip ? cursor->window_len - skip : 0;
	return cursor->window + skip;
}

/* Trouble of the disk may pass: nothing is taken for damaged or missing because of it. */
static int cannot_read(const struct ocs_spool *spool, const struct ocs_spool_cursor *cursor,
                       struct ocs_error *error)
{
	char name[OCS_SPOOL_NAME_SIZE];
	int why = errno;

	ocs_spool_segment_name(cursor->segment->first, name);
	return ocs_error_set(error, "%s/%s: cannot read: %s", spool->folder, name, strerror(why));
}

/* A record with a sound header that lies within its segment. */
static bool record_at(struct ocs_spool_cursor *cursor, uint64_t at, struct ocs_spool_record *record)
{
	const struct ocs_spool_segment *segment = cursor->segment;
	const uint8_t *bytes;
	size_t there;

	bytes = look(cursor, at, OCS_SPOOL_HEADER, &there);
	return there >= OCS_SPOOL_HEADER && decode(bytes, record) && record->len > 0 &&
	       record->len <= OCS_SPOOL_RECORD_MAX &&
	       record->len <= segment->size - at - OCS_SPOOL_HEADER &&
	       record->number >= segment->first && record->number < segment->end;
}

/* Where the next magic stands from `at` on; the segment's end if none does. */
static uint64_t find_magic(struct ocs_spool_cursor *cursor, uint64_t at)
{
	const uint8_t *bytes, *found;
	size_t there;

	for (;;) {
		bytes = look(cursor, at, sizeof(magic), &there);
		if (there < sizeof(magic))
			return cursor->segment->size;
		found = memmem(bytes, there, magic, sizeof(magic));
		if (found != NULL)
			return at + (uint64_t)(found - bytes);
		at += there - (sizeof(magic) - 1);
	}
}

int ocs_spool_cursor_find(struct ocs_spool *spool, struct ocs_spool_cursor *cursor,
                          struct ocs_spool_record *record, struct ocs_error *error)
{
	if (cursor->segment == NULL && spool->segments != NULL)
		ocs_spool_cursor_set(cursor, spool->segments, 0, cursor->next);
	while (cursor->segment != NULL) {
		const struct ocs_spool_segment *segment = cursor->segment;

		if (cursor->offset >= segment->size) {
			if (segment->next == NULL)
				return 0;
			ocs_spool_cursor_set(cursor, segment->next, 0, cursor->next);
			continue;
		}
		if (open_segment(spool, cursor, error) != 0)
			return -1;
		cursor->unreadable = false;
		if (!record_at(cursor, cursor->offset, record)) {
			uint64_t next =
			        cursor->unreadable ? 0 : find_magic(cursor, cursor->offset + 1);

			if (cursor->unreadable)
				return cannot_read(spool, cursor, error);
			cursor->offset = next;
		} else if (record->number < cursor->next)
			ocs_spool_cursor_step(cursor, record);
		else
			return 1;
	}
	return 0;
}

int ocs_spool_cursor_data(struct ocs_spool *spool, struct ocs_spool_cursor *cursor,
                          const struct ocs_spool_record *record, uint8_t *out,
                          struct ocs_error *error)
{
	uint64_t at = cursor->offset + OCS_SPOOL_HEADER;
	size_t there = 0;

	cursor->unreadable = false;
	if (record->len > sizeof(cursor->window)) {
		ssize_t read = ocs_file_read(cursor->fd, out, record->len, at);

		cursor->unreadable = read < 0;
		there = read > 0 ? (size_t)read : 0;
	} else {
		const uint8_t *bytes = look(cursor, at, record->len, &there);

		if (there >= record->len)
			memcpy(out, bytes, record->len);
	}
	if (cursor->unreadable)
		return cannot_read(spool, cursor, error);
	return there >= record->len && ocs_spool_checksum(out, record->len) == record->check;
}

void ocs_spool_cursor_step(struct ocs_spool_cursor *cursor, const struct ocs_spool_record *record)
{
	cursor->offset += OCS_SPOOL_HEADER + record->len;
}
