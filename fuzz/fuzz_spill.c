/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Covers: mqueue/spill.c mqueue/spill_file.c mqueue/spill_read.c */
/*
 * Fuzz target: the file of a spill list, which every MAPI server may write. The input: a byte of
 * bits; with bit 0 six numbers of 8 bytes for a header, with bit 1 how far it was read and with bit
 * 2 the number of one slot, all with their checksums; then bytes that are written over the file,
 * each piece after its offset and length. Whatever it says, it is looked at, read, opened by a
 * daemon, appended to and read again.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "fuzz/folder.h"
#include "mqueue/spill_file.h"

#define SLOTS 9

const struct fuzz_blob fuzz_blobs[] = {
        FUZZ_BLOB("\0"),
        FUZZ_BLOB("\1"
                  "\1\0\0\0\0\0\0\0"
                  "\1\0\0\0\0\0\0\0"
                  "\3\0\0\0\0\0\0\0"
                  "\2\0\0\0\0\0\0\0"
                  "\0\0\0\0\0\0\0\0"
                  "\5\0\0\0\0\0\0\0"),
        FUZZ_BLOB("\2"
                  "\4\0\0\0\0\0\0\0"
                  "\0\3\5xxxxx"),
        FUZZ_BLOB("\4"
                  "\7\0\0\0\0\0\0\0"),
        FUZZ_BLOB("\0"
                  "\0\1\4OCSX"
                  "\0\0\4abcd"),
        {NULL, 0},
};

struct input {
	const uint8_t *data;
	size_t size;
};

static uint64_t number(struct input *in)
{
	uint8_t bytes[8] = {0};
	size_t n = in->size < 8 ? in->size : 8;

	memcpy(bytes, in->data, n);
	in->data += n;
	in->size -= n;
	return ocs_get64(bytes);
}

static void write_at(int fd, const void *data, size_t len, uint64_t at)
{
	FUZZ_CHECK(pwrite(fd, data, len, (off_t)at) == (ssize_t)len);
}

static void change(int fd, struct input *in)
{
	uint8_t bits = in->size > 0 ? in->data[0] : 0, data[OCS_SPILL_SLOT_SIZE];
	struct ocs_spill_header header;

	if (in->size > 0) {
		in->data++;
		in->size--;
	}
	if (bits & 1) {
		header.id = number(in);
		header.base = number(in);
		header.first = number(in);
		header.dropped = number(in);
		header.changed = number(in);
		header.slots = (uint32_t)(number(in) % 64);
		ocs_spill_header_put(data, &header);
		write_at(fd, data, OCS_SPILL_HEADER_SIZE, OCS_SPILL_HEADER_AT);
	}
	if (bits & 2) {
		ocs_spill_read_put(data, number(in));
		write_at(fd, data, OCS_SPILL_READ_SIZE, 0);
	}
	if (bits & 4) {
		ocs_spill_slot_put(data, number(in), (const uint8_t *)"entry", 5);
		write_at(fd, data, ocs_spill_slot_len(5), OCS_SPILL_SLOTS_AT + OCS_SPILL_SLOT_SIZE);
	}
	while (in->size > 3) {
		size_t at = (size_t)in->data[0] << 8 | in->data[1], len = in->data[2];

		in->data += 3;
		in->size -= 3;
		len = len < in->size ? len : in->size;
		write_at(fd, in->data, len,
		         at % (OCS_SPILL_SLOTS_AT + SLOTS * OCS_SPILL_SLOT_SIZE));
		in->data += len;
		in->size -= len;
	}
}

static int each(const uint8_t *entry, size_t len, void *arg)
{
	FUZZ_CHECK(entry != NULL && len <= OCS_ENTRY_SIZE_MAX);
	++*(uint64_t *)arg;
	return 0;
}

static void append(struct ocs_spill *spill)
{
	enum ocs_spill_outcome outcome;
	bool wake;

	FUZZ_CHECK(ocs_spill_append(spill, OCS_TABLE_NEWMAIL, (const uint8_t *)"entry", 5,
	                            SLOTS - 1, false, &outcome, &wake) == 0);
	FUZZ_CHECK(ocs_spill_count(spill) > 0 && ocs_spill_count(spill) <= 64);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct ocs_spill_name name = {fuzz_folder(), 1, 2};
	struct input in = {data, size};
	struct ocs_spill_reader reader;
	struct ocs_spill_state state;
	struct ocs_spill spill;
	uint64_t seen = 0, taken = 0;
	char path[PATH_MAX];
	int fd;

	ocs_spill_remove(&name);
	ocs_spill_init(&spill);
	ocs_spill_reader_init(&reader);
	FUZZ_CHECK(ocs_spill_open(&spill, &name, true, (gid_t)-1) == 0);
	for (int i = 0; i < 5; i++)
		append(&spill);
	ocs_spill_close(&spill);
	FUZZ_CHECK(ocs_spill_path(&name, path, sizeof(path)) == 0);
	fd = open(path, O_RDWR | O_CLOEXEC);
	FUZZ_CHECK(fd >= 0);
	change(fd, &in);
	close(fd);
	FUZZ_CHECK(ocs_spill_state(&name, &state) == 0);
	FUZZ_CHECK(ocs_spill_each(&name, each, &seen) == 0);
	FUZZ_CHECK(seen <= state.count);
	FUZZ_CHECK(ocs_spill_take(&reader, &name, each, &taken) >= 0);
	ocs_spill_init(&spill);
	FUZZ_CHECK(ocs_spill_open(&spill, &name, true, (gid_t)-1) == 0);
	for (int i = 0; i < 2 * SLOTS; i++)
		append(&spill);
	taken = 0;
	FUZZ_CHECK(ocs_spill_take(&reader, &name, each, &taken) >= 0);
	FUZZ_CHECK(taken <= 64);
	FUZZ_CHECK(ocs_spill_clear(&name) == 0);
	FUZZ_CHECK(ocs_spill_state(&name, &state) == 0 && state.count == 0);
	ocs_spill_close(&spill);
	ocs_spill_reader_close(&reader);
	return 0;
}
