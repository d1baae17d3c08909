/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Records of journals and spool: encoded, verified, found again. Reads the descriptor in a window.
 */
#include "store/record.h"

#include <string.h>
#include <sys/types.h>
#include <time.h>

#include <tdb.h>

#include "base/bytes.h"
#include "base/file.h"

#define AT_HEADER_CHECK 4
#define AT_CHECK        8
#define AT_LEN          12
#define AT_NUMBER       16
#define AT_WHEN         24

/* Two bytes that UTF-8 never has, so that no text in a record looks like the next one. */
static const uint8_t magic[4] = {0xf5, 'O', 'S', 0xff};

uint32_t ocs_record_checksum(const uint8_t *data, size_t len)
{
	TDB_DATA d = {.dptr = (unsigned char *)(uintptr_t)data, .dsize = len};

	return tdb_jenkins_hash(&d) ^ (uint32_t)len;
}

static uint32_t header_checksum(const uint8_t *header)
{
	return ocs_record_checksum(header + AT_CHECK, OCS_RECORD_HEADER - AT_CHECK);
}

/* ---- writing ---- */

void ocs_record_put(uint8_t *out, const void *data, size_t len)
{
	ocs_put32(out + AT_LEN, (uint32_t)len);
	memcpy(out + OCS_RECORD_HEADER, data, len);
}

uint64_t ocs_record_number(uint8_t *buffer, size_t len, uint64_t first)
{
	uint64_t number = first, when;
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	when = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
	for (size_t at = 0; at < len; number++) {
		uint8_t *p = buffer + at;
		uint32_t data_len = ocs_get32(p + AT_LEN);

		memcpy(p, magic, sizeof(magic));
		ocs_put32(p + AT_CHECK, ocs_record_checksum(p + OCS_RECORD_HEADER, data_len));
		ocs_put64(p + AT_NUMBER, number);
		ocs_put64(p + AT_WHEN, when);
		ocs_put32(p + AT_HEADER_CHECK, header_checksum(p));
		at += OCS_RECORD_HEADER + data_len;
	}
	return number;
}

/* ---- reading ---- */

void ocs_record_window_set(struct ocs_record_window *window, int fd)
{
	window->fd = fd;
	window->at = 0;
	window->len = 0;
	window->unreadable = false;
}

/* The bytes from `at` on, at least `len` of them unless the file ends before. They stay as they are
 * until the next call. */
static const uint8_t *look(struct ocs_record_window *window, uint64_t size, uint64_t at, size_t len,
                           size_t *len_r)
{
	uint64_t rest = size > at ? size - at : 0;
	size_t skip;

	if (len > rest)
		len = (size_t)rest;
	if (at < window->at || at + len > window->at + window->len) {
		size_t wanted = rest < sizeof(window->bytes) ? (size_t)rest : sizeof(window->bytes);
		ssize_t n = ocs_file_read(window->fd, window->bytes, wanted, at);

		window->unreadable = n < 0;
		window->at = at;
		window->len = n > 0 ? (size_t)n : 0;
	}
	skip = (size_t)(at - window->at);
	*len_r = window->len > skip ? window->len - skip : 0;
	return window->bytes + skip;
}

static bool decode(const uint8_t *header, struct ocs_record *record)
{
	if (memcmp(header, magic, sizeof(magic)) != 0 ||
	    ocs_get32(header + AT_HEADER_CHECK) != header_checksum(header))
		return false;
	record->check = ocs_get32(header + AT_CHECK);
	record->len = ocs_get32(header + AT_LEN);
	record->number = ocs_get64(header + AT_NUMBER);
	record->when = ocs_get64(header + AT_WHEN);
	return true;
}

/* A record with a sound header that lies within its file, with no more records than fit before it.
 */
static bool record_at(struct ocs_record_window *window, const struct ocs_record_bounds *bounds,
                      uint64_t at, struct ocs_record *record)
{
	const uint8_t *bytes;
	size_t there;

	bytes = look(window, bounds->size, at, OCS_RECORD_HEADER, &there);
	return there >= OCS_RECORD_HEADER && decode(bytes, record) && record->len > 0 &&
	       record->len <= bounds->len_max &&
	       record->len <= bounds->size - at - OCS_RECORD_HEADER &&
	       record->number >= bounds->first && record->number < bounds->end &&
	       record->number - bounds->first <= at / (OCS_RECORD_HEADER + 1);
}

/* Where the next magic stands from `at` on; the end if none does. */
static uint64_t find_magic(struct ocs_record_window *window, uint64_t size, uint64_t at)
{
	const uint8_t *bytes, *found;
	size_t there;

	for (;;) {
		bytes = look(window, size, at, sizeof(magic), &there);
		if (there < sizeof(magic))
			return size;
		found = memmem(bytes, there, magic, sizeof(magic));
		if (found != NULL)
			return at + (uint64_t)(found - bytes);
		at += there - (sizeof(magic) - 1);
	}
}

int ocs_record_find(struct ocs_record_window *window, const struct ocs_record_bounds *bounds,
                    uint64_t *at, struct ocs_record *record)
{
	window->unreadable = false;
	for (uint64_t place = *at; place < bounds->size;) {
		bool sound = record_at(window, bounds, place, record);

		if (!sound && !window->unreadable)
			place = find_magic(window, bounds->size, place + 1);
		if (window->unreadable)
			return -1;
		*at = place;
		if (sound)
			return 1;
	}
	return 0;
}

int ocs_record_data(struct ocs_record_window *window, const struct ocs_record_bounds *bounds,
                    uint64_t at, const struct ocs_record *record, uint8_t *out)
{
	size_t there = 0;

	window->unreadable = false;
	at += OCS_RECORD_HEADER;
	if (record->len > sizeof(window->bytes)) {
		ssize_t n = ocs_file_read(window->fd, out, record->len, at);

		window->unreadable = n < 0;
		there = n > 0 ? (size_t)n : 0;
	} else {
		const uint8_t *bytes = look(window, bounds->size, at, record->len, &there);

		if (there >= record->len)
			memcpy(out, bytes, record->len);
	}
	if (window->unreadable)
		return -1;
	return there >= record->len && ocs_record_checksum(out, record->len) == record->check;
}
