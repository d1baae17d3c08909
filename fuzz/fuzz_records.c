/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Covers:
 * store/journal.c store/journal_reader.c store/record.c cluster/spool.c cluster/spool_cursor.c
 * cluster/spool_read.c cluster/spool_look.c */
/*
 * Fuzz target: files of journals and of the spool. The first byte chooses what the rest is (of a
 * text):
 *
 *   `0`  the file
 *   `1`  the same, but where a magic stands the checksums are made to hold, so that lengths and
 *        numbers can lie
 *   `2`  steps of two bytes that make the file: records are added, bytes overwritten, at last the
 *        end is cut off. Then nothing but what was added is read, and what is written is read
 *        behind it.
 *
 * What is read from a file is read again after it was closed.
 */
#include <string.h>

#include <talloc.h>

#include "base/bytes.h"
#include "cluster/spool.h"
#include "fuzz/folder.h"
#include "store/journal.h"
#include "store/record.h"

#define FILE_MAX 65536
#define READ_MAX 2048
#define ADDED    "added"
#define ROOM     (16U << 20)
#define MAGIC    "\xf5OS\xff"

const struct fuzz_blob fuzz_blobs[] = {
        FUZZ_BLOB("0 no record"),
        /* of a journal of before: two records and a torn one */
        FUZZ_BLOB("0\3\0\0\0\x65\xfc\x7f\x23"
                  "one\3\0\0\0\xf7\x7f\xfe\xaa"
                  "two\x05\0\0\0"),
        FUZZ_BLOB("1" MAGIC "hhhhcccc\3\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0one"
                  "garbage" MAGIC "hhhhcccc\3\0\0\0\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0two" MAGIC
                  "hhhhcccc\5\0\0\0\3\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0th"),
        /* three records; in the second a byte of the data; a fourth that is torn */
        FUZZ_BLOB("2\0\x10\0\x20\0\x30\2\x60\0\x10\3\5"),
        FUZZ_BLOB("2\1\xff\2\3\2\x80\1\xff\2\1\0\x08"),
        {NULL, 0},
};

struct bytes {
	uint8_t data[FILE_MAX];
	size_t len;
};

/* What was read, in order: a checksum for each record. */
struct seen {
	size_t n;
	uint32_t check[READ_MAX];
};

/* ---- files ---- */

static void mend_checksums(struct bytes *file)
{
	for (size_t at = 0; at + OCS_RECORD_HEADER <= file->len; at++) {
		uint8_t *p = file->data + at;
		size_t len;

		if (memcmp(p, MAGIC, 4) != 0)
			continue;
		len = ocs_get32(p + 12);
		if (len <= file->len - at - OCS_RECORD_HEADER)
			ocs_put32(p + 8, ocs_record_checksum(p + OCS_RECORD_HEADER, len));
		ocs_put32(p + 4, ocs_record_checksum(p + 8, OCS_RECORD_HEADER - 8));
	}
}

/* A record's data say which it is. */
static void add_record(struct bytes *file, struct seen *added, size_t len)
{
	uint8_t data[512], *record = file->data + file->len;

	if (added->n == READ_MAX || file->len + OCS_RECORD_HEADER + len > FILE_MAX)
		return;
	memset(data, (int)added->n, len);
	ocs_put32(data, (uint32_t)added->n);
	ocs_record_put(record, data, len);
	added->check[added->n++] = ocs_record_checksum(data, len);
	(void)ocs_record_number(record, OCS_RECORD_HEADER + len, added->n);
	file->len += OCS_RECORD_HEADER + len;
}

static void run_steps(const uint8_t *steps, size_t size, struct bytes *file, struct seen *added)
{
	for (; size >= 2; steps += 2, size -= 2) {
		size_t arg = steps[1];

		switch (steps[0] % 4) {
		case 0:
		case 1:
			add_record(file, added, 4 + arg);
			break;
		case 2:
			if (file->len > 0)
				file->data[arg * file->len / 256] ^= (uint8_t)(1 + steps[0] / 4);
			break;
		default:
			file->len -= arg < file->len ? arg : file->len;
			return;
		}
	}
}

/* ---- the journal ---- */

static int take_in(void *arg, const uint8_t *data, size_t len)
{
	struct seen *seen = arg;

	FUZZ_CHECK(len > 0 && len <= OCS_JOURNAL_RECORD_MAX);
	if (seen->n < READ_MAX)
		seen->check[seen->n++] = ocs_record_checksum(data, len);
	return 0;
}

static void read_journal(const char *path, struct seen *seen, struct ocs_journal_damage *damage,
                         bool add)
{
	struct ocs_journal *journal;
	struct stat st;

	seen->n = 0;
	memset(damage, 0, sizeof(*damage));
	FUZZ_CHECK(ocs_journal_open(path, take_in, seen, &journal, damage, NULL) == 0);
	if (add) {
		FUZZ_CHECK(ocs_journal_add(journal, ADDED, 5, NULL) == 0);
		FUZZ_CHECK(ocs_journal_write(journal, true, NULL) == 0);
	}
	FUZZ_CHECK(stat(path, &st) == 0 && (uint64_t)st.st_size == ocs_journal_size(journal));
	ocs_journal_close(journal);
}

static bool same(const struct seen *a, const struct seen *b, size_t n)
{
	return memcmp(a->check, b->check, n * sizeof(a->check[0])) == 0;
}

static void try_journal(const struct bytes *file, struct seen *seen, bool add)
{
	static struct seen again;
	struct ocs_journal_damage damage;
	const char *path = fuzz_path("test.log");

	fuzz_write_file(path, file->data, file->len);
	read_journal(path, seen, &damage, false);
	FUZZ_CHECK(damage.cut <= file->len && damage.skipped <= file->len / 8);
	read_journal(path, &again, &damage, add);
	FUZZ_CHECK(damage.cut == 0 && again.n == seen->n && same(&again, seen, seen->n));
	if (!add)
		return;
	read_journal(path, &again, &damage, false);
	FUZZ_CHECK(damage.cut == 0 && again.n == seen->n + 1 && same(&again, seen, seen->n));
	FUZZ_CHECK(again.check[seen->n] == ocs_record_checksum((const uint8_t *)ADDED, 5));
}

/* ---- the spool ---- */

static void read_spool(struct seen *seen, bool add)
{
	struct ocs_spool *spool;
	struct ocs_spool_state state;
	uint64_t number, last = 0;
	uint8_t *data;
	size_t len;

	seen->n = 0;
	FUZZ_CHECK(ocs_spool_open(fuzz_path("spool"), ROOM, &spool, NULL, NULL) == 0);
	if (add) {
		FUZZ_CHECK(ocs_spool_append(spool, ADDED, 5, NULL) == OCS_SPOOL_OK);
		FUZZ_CHECK(ocs_spool_flush(spool, NULL) == OCS_SPOOL_OK);
	}
	while (ocs_spool_read(spool, NULL, &data, &len, &number, NULL) == 1) {
		FUZZ_CHECK(number > last);
		last = number;
		(void)take_in(seen, data, len);
		talloc_free(data);
	}
	ocs_spool_state(spool, &state);
	FUZZ_CHECK(state.messages >= seen->n);
	ocs_spool_close(spool);
}

static void try_spool(const struct bytes *file, struct seen *seen, bool add)
{
	static struct seen again;

	if (access(fuzz_path("spool"), F_OK) != 0)
		FUZZ_CHECK(mkdir(fuzz_path("spool"), 0700) == 0);
	(void)unlink(fuzz_path("spool/head"));
	fuzz_write_file(fuzz_path("spool/00000000000000000001"), file->data, file->len);
	read_spool(seen, false);
	read_spool(&again, add);
	FUZZ_CHECK(again.n == seen->n + add && same(&again, seen, seen->n));
	FUZZ_CHECK(!add || again.check[seen->n] == ocs_record_checksum((const uint8_t *)ADDED, 5));
}

/* ---- */

static void check_added(const struct seen *seen, const struct seen *added)
{
	size_t at = 0;

	for (size_t i = 0; i < seen->n; i++, at++) {
		while (at < added->n && added->check[at] != seen->check[i])
			at++;
		FUZZ_CHECK(at < added->n);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct bytes file;
	static struct seen added, of_journal, of_spool;
	bool true_records; /* what they say of themselves is so */

	if (size < 1 || size > FILE_MAX)
		return 0;
	file.len = added.n = 0;
	true_records = data[0] % 3 == 2;
	if (true_records) {
		run_steps(data + 1, size - 1, &file, &added);
	} else {
		memcpy(file.data, data + 1, size - 1);
		file.len = size - 1;
	}
	if (data[0] % 3 == 1)
		mend_checksums(&file);
	try_journal(&file, &of_journal, true_records);
	try_spool(&file, &of_spool, true_records);
	/* Of files of before the journal alone knows. */
	if (of_spool.n > 0)
		FUZZ_CHECK(of_journal.n == of_spool.n && same(&of_journal, &of_spool, of_spool.n));
	if (true_records) {
		check_added(&of_journal, &added);
		check_added(&of_spool, &added);
	}
	return 0;
}
