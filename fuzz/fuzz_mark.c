/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Covers: mapistore/index_mark.c */
/* Fuzz target: the mark of the identifiers. Any member of the registry's group can write it, so the
 * checksums hold for the input: its first byte says which parts are sealed again. The rest are the
 * two slots, 56 bytes each, and who uses the registry. */
#include <string.h>

#include "base/bytes.h"
#include "fuzz/fuzz.h"
#include "mapistore/index_mark.h"
#include "store/record.h"

#define SLOT  56
#define SPACE 4096

/* magic and checksum are put in; replica id 1, written, seen, next, ceiling, boot */
#define SLOT_OF(written)                                                                           \
	"OCSMARK1....\1\0\0\0" written "\0\0\0\0\0\0\0"                                            \
	"\5\0\0\0\0\0\0\0\7\0\0\0\0\0\0\0\7\0\1\0\0\0\0\0\1\0\0\0\0\0\0\0"

const struct fuzz_blob fuzz_blobs[] = {
        FUZZ_BLOB("\7" SLOT_OF("\2") SLOT_OF("\3") "OCSUSER1....\4\0\11\0abcd/registry"),
        FUZZ_BLOB("\7" SLOT_OF("\2") SLOT_OF("\1") "OCSUSER1....\0\0\1\0/"),
        FUZZ_BLOB("\1" SLOT_OF("\2") SLOT_OF("\3") "OCSUSER1....\100\0\1\0/"),
        {NULL, 0},
};

static void seal(uint8_t *p, size_t len)
{
	if (len > 12)
		ocs_put32(p + 8, ocs_record_checksum(p + 12, len - 12));
}

/* In a buffer of exactly that size, so that a sanitizer sees a byte too far. */
static void check(const uint8_t *data, size_t len)
{
	static uint8_t again[OCS_MARK_SIZE];
	static struct ocs_index_mark mark, same;
	uint8_t *exact = malloc(len + 1);
	size_t n;

	FUZZ_CHECK(exact != NULL);
	memcpy(exact, data, len);
	ocs_index_mark_parse(exact, len, 1, &mark);
	free(exact);
	FUZZ_CHECK(!mark.counted ||
	           (mark.next > 0 && mark.next <= mark.ceiling && mark.ceiling <= OCS_COUNTER_MAX));
	FUZZ_CHECK(ocs_index_mark_free(&mark, 1) <= OCS_COUNTER_MAX);
	FUZZ_CHECK(mark.placed == (mark.place[0] == '/'));
	FUZZ_CHECK(strlen(mark.machine) <= OCS_MACHINE_MAX && strlen(mark.place) < PATH_MAX);
	if (!mark.counted || !mark.placed)
		return;
	n = ocs_index_mark_format(&mark, again);
	FUZZ_CHECK(n > 0 && n <= OCS_MARK_SIZE);
	ocs_index_mark_parse(again, n, 1, &same);
	FUZZ_CHECK(memcmp(&mark, &same, sizeof(mark)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t file[OCS_MARK_SIZE];
	size_t user;

	check(data, size);
	if (size < 1 + 2 * SLOT || size > 1 + 2 * SLOT + OCS_MARK_SIZE - 2 * SPACE)
		return 0;
	memset(file, 0, sizeof(file));
	memcpy(file, data + 1, SLOT);
	memcpy(file + SPACE, data + 1 + SLOT, SLOT);
	user = size - 1 - 2 * SLOT;
	memcpy(file + 2 * SPACE, data + 1 + 2 * SLOT, user);
	for (size_t i = 0; i < 2; i++)
		if ((data[0] & 1 << i) != 0)
			seal(file + i * SPACE, SLOT);
	if ((data[0] & 4) != 0)
		seal(file + 2 * SPACE, user);
	check(file, 2 * SPACE + user);
	return 0;
}
