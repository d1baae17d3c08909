/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Covers: plugins/dovecot/spool_record.c */
/*
 * Fuzz target: a file of the Dovecot plugin's spool, and its lock file. The first byte chooses what
 * the rest is:
 *
 *   `0`  a file
 *   `1`  the same, but the checksums of what looks like a record are made to hold
 *   `2`  what the lock file says
 *
 * Whatever a file holds, a record that is added behind it is read, and read last.
 */
#include <string.h>

#include "fuzz/fuzz.h"
#include "plugins/dovecot/spool_record.h"

#define INPUT_MAX  4096
#define RECORD_MAX 256 /* small, so that mutations are longer */
#define ADDED      "<added/>"
#define NOW        1000000000000LL

const struct fuzz_blob fuzz_blobs[] = {
        FUZZ_BLOB("0\n+3b8fb0a6 <a/>\n\n-3b8fb0a6 <a/>\n"),
        FUZZ_BLOB("1\n+00000000 <a/>\n\n-00000000 <b/>\n\n+00000000 <c>\n+0000"),
        FUZZ_BLOB("1\n+00000000 torn\n+00000000 <whole/>\n\n\n+0000000g x\n"),
        FUZZ_BLOB("1\n+00000000 a\0b\n+\n+00000000 \n"),
        FUZZ_BLOB("2away 999999999000 1000000001000 400\n"),
        FUZZ_BLOB("2away 0 0 0\n"),
        {NULL, 0},
};

static uint32_t crc32(const void *data, size_t size)
{
	const uint8_t *bytes = data;
	uint32_t crc = 0xffffffff;

	for (size_t i = 0; i < size; i++) {
		crc ^= bytes[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (0xedb88320 & -(crc & 1));
	}
	return ~crc;
}

static void mend_checksums(char *file, size_t size)
{
	for (size_t at = 0, len; at < size; at += len + 1) {
		const char *end = memchr(file + at, '\n', size - at);
		char digits[9];

		len = end != NULL ? (size_t)(end - file) - at : size - at;
		if (len <= OCS_SPOOL_HEAD || file[at + OCS_SPOOL_HEAD - 1] != ' ')
			continue;
		snprintf(digits, sizeof(digits), "%08x",
		         crc32(file + at + OCS_SPOOL_HEAD, len - OCS_SPOOL_HEAD));
		memcpy(file + at + 1, digits, 8);
	}
}

/* As spool_read.c does; the last record, in last. */
static unsigned read_file(const char *file, size_t size, char last[RECORD_MAX + 16])
{
	unsigned records = 0;

	for (size_t at = 0, taken;; at += taken) {
		char text[RECORD_MAX + OCS_SPOOL_HEAD + 3];
		size_t n = size - at < sizeof(text) - 1 ? size - at : sizeof(text) - 1;
		const char *xml = NULL;
		enum ocs_spool_line line;

		memcpy(text, file + at, n);
		text[n] = '\0';
		line = ocs_spool_line_read(text, n, RECORD_MAX, crc32, &taken, &xml);
		FUZZ_CHECK(taken <= n);
		if (line == OCS_SPOOL_LINE_END)
			return records;
		FUZZ_CHECK(taken > 0);
		if (line != OCS_SPOOL_LINE_RECORD)
			continue;
		FUZZ_CHECK(file[at] == '+' && file[at + taken - 1] == '\n');
		FUZZ_CHECK(xml == text + OCS_SPOOL_HEAD && xml[0] != '\0');
		FUZZ_CHECK(strlen(xml) == taken - 1 - OCS_SPOOL_HEAD);
		FUZZ_CHECK(memcmp(xml, file + at + OCS_SPOOL_HEAD, strlen(xml)) == 0);
		strcpy(last, xml);
		records++;
	}
}

static void check_file(const char *data, size_t size, bool mend)
{
	char file[INPUT_MAX + 64], last[RECORD_MAX + 16];
	unsigned before;

	memcpy(file, data, size);
	if (mend)
		mend_checksums(file, size);
	before = read_file(file, size, last);
	size += (size_t)snprintf(file + size, sizeof(file) - size, OCS_SPOOL_HEAD_FORMAT "%s\n",
	                         crc32(ADDED, strlen(ADDED)), ADDED);
	/* The end of what was there is a line now, and may be a record. */
	FUZZ_CHECK(read_file(file, size, last) - before - 1 <= 1);
	FUZZ_CHECK(strcmp(last, ADDED) == 0);
}

static void check_away(const char *data, size_t size)
{
	struct ocs_spool_away away;
	char text[INPUT_MAX + 1];

	memcpy(text, data, size);
	text[size] = '\0';
	ocs_spool_away_parse(text, NOW, &away);
	FUZZ_CHECK(away.since_msecs <= NOW && away.until_msecs <= NOW + OCS_SPOOL_AWAY_MAX_MSECS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0 || size > INPUT_MAX)
		return 0;
	if (data[0] == '2')
		check_away((const char *)data + 1, size - 1);
	else
		check_file((const char *)data + 1, size - 1, data[0] == '1');
	return 0;
}
