/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Covers: notify/message_log.c notify/recent.c notify/sequence.c mapistore/pending.c */
/*
 * Fuzz target: the records of the message log, ids and the mark in their journals. The first byte
 * chooses the journal (of a text: `0` the message log, `1` ids, `2` mark), then come the records,
 * each behind its length (16 bits). What was taken in once is taken in again.
 */
#include <string.h>
#include <sys/stat.h>

#include <talloc.h>

#include "base/bytes.h"
#include "fuzz/folder.h"
#include "mapistore/pending.h"
#include "notify/recent.h"
#include "notify/message_log.h"
#include "notify/sequence.h"

#define INDEX_MAX (64U << 20) /* past it a new one is made */
#define KEY       "\1\0\0\0\0\0\0\0"
#define MID       "\1\0\0\0\0\0\1\0"

const struct fuzz_blob fuzz_blobs[] = {
        /* assigned; recorded and announced, with its content; deleted */
        FUZZ_BLOB("0\x13\0\1\0" MID KEY "1"
                  "\x1b\0\2\5" MID "\xaa\0\0\0\0\0\0\0" KEY "2"
                  "\x13\0\3\0" MID KEY "1"),
        /* assigned over what the index knows */
        FUZZ_BLOB("0\x14\0\1\2" MID KEY "ab"),
        FUZZ_BLOB("1\x18\0"
                  "0123456789abcdef\0\x10\0\0\0\0\0\0\x18\0"
                  "0123456789abcdeg\1\x10\0\0\0\0\0\0"),
        FUZZ_BLOB("2\x08\0\0\0\0\0\1\0\0\0"),
        {NULL, 0},
};

static int ignore(void *arg, const uint8_t *data, size_t len)
{
	(void)arg;
	(void)data;
	(void)len;
	return 0;
}

static void write_journal(const char *path, const uint8_t *data, size_t size)
{
	struct ocs_journal *journal;

	(void)unlink(path);
	FUZZ_CHECK(ocs_journal_open(path, ignore, NULL, &journal, NULL, NULL) == 0);
	while (size >= 2) {
		size_t len = ocs_get16(data);

		data += 2;
		size -= 2;
		if (len > size)
			len = size;
		if (len > 0)
			FUZZ_CHECK(ocs_journal_add(journal, data, len, NULL) == 0);
		data += len;
		size -= len;
	}
	FUZZ_CHECK(ocs_journal_write(journal, false, NULL) == 0);
	ocs_journal_close(journal);
}

static struct ocs_index *make_index(void)
{
	struct ocs_index *index;

	(void)unlink(fuzz_path("replica_ids"));
	(void)unlink(fuzz_path("index.tdb"));
	FUZZ_CHECK(ocs_index_open(fuzz_folder(), 1, true, &index, NULL) == 0);
	return index;
}

/* As a library reads along. */
static void try_pending(void)
{
	char log[256], link_path[256];
	struct ocs_pending *pending;
	const char *message_id;
	uint64_t series;

	FUZZ_CHECK(snprintf(log, sizeof(log), "%s", fuzz_path("messages.log")) > 0);
	FUZZ_CHECK(snprintf(link_path, sizeof(link_path), "%s", fuzz_path(OCS_PENDING_FILE)) > 0);
	(void)mkdir(fuzz_path(OCS_PENDING_FOLDER), 0700);
	(void)unlink(link_path);
	FUZZ_CHECK(link(log, link_path) == 0);
	pending = ocs_pending_new(NULL, fuzz_folder());
	FUZZ_CHECK(pending != NULL);
	for (int i = 0; i < 2; i++) {
		FUZZ_CHECK(ocs_pending_refresh(pending, NULL) == 0);
		if (ocs_pending_name(pending, ocs_get64((const uint8_t *)MID), &series,
		                     &message_id))
			FUZZ_CHECK(strlen(message_id) <= OCS_NAME_MAX);
		(void)ocs_pending_find(pending, 1, "1");
	}
	talloc_free(pending);
}

static void try_message_log(void)
{
	static struct ocs_index *index;
	struct ocs_message_log *log;
	struct ocs_journal_damage damage = {0};
	struct stat st;

	try_pending();
	if (index != NULL && stat(fuzz_path("index.tdb"), &st) == 0 && st.st_size > INDEX_MAX) {
		ocs_index_close(index);
		index = NULL;
	}
	if (index == NULL)
		index = make_index();
	if (ocs_message_log_open(fuzz_folder(), index, &log, &damage, NULL) != 0)
		return;
	FUZZ_CHECK(ocs_message_log_waiting(log) == 0);
	ocs_message_log_revert(log);
	FUZZ_CHECK(ocs_message_log_waiting(log) == 0);
	ocs_message_log_close(log);
	FUZZ_CHECK(damage.cut == 0 && damage.skipped == 0);
}

static void try_recent(const uint8_t *data, size_t size)
{
	struct ocs_journal_damage damage = {0};
	struct ocs_recent *recent;
	uint8_t id[16] = {0};

	if (ocs_recent_open(fuzz_folder(), &recent, &damage, NULL) != 0)
		return;
	FUZZ_CHECK(damage.cut == 0 && damage.skipped == 0);
	if (size >= 2 + sizeof(id) + 8 && ocs_get16(data) == sizeof(id) + 8) {
		memcpy(id, data + 2, sizeof(id));
		FUZZ_CHECK(ocs_recent_done(recent, id, 0, 1)); /* a clock set back keeps it */
	}
	memset(id, 0xee, sizeof(id));
	FUZZ_CHECK(ocs_recent_add(recent, id, 1, NULL) == 0);
	FUZZ_CHECK(ocs_recent_flush(recent, 1, 60, NULL) == 0);
	ocs_recent_revert(recent);
	FUZZ_CHECK(ocs_recent_done(recent, id, 1, 60));
	ocs_recent_close(recent);
}

static void try_sequence(void)
{
	struct ocs_sequence *sequence;
	uint64_t first;

	FUZZ_CHECK(ocs_sequence_open(fuzz_folder(), 1, &sequence, NULL) == 0);
	first = ocs_sequence_take(sequence, 1);
	ocs_sequence_close(sequence);
	FUZZ_CHECK(ocs_sequence_open(fuzz_folder(), 1, &sequence, NULL) == 0);
	FUZZ_CHECK(ocs_sequence_take(sequence, 1) > first);
	ocs_sequence_close(sequence);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = {"messages.log", "recent.log", "sequence.log"};
	unsigned which;

	if (size < 1)
		return 0;
	which = data[0] % 3;
	write_journal(fuzz_path(names[which]), data + 1, size - 1);
	if (which == 0)
		try_message_log();
	else if (which == 1)
		try_recent(data + 1, size - 1);
	else
		try_sequence();
	return 0;
}
