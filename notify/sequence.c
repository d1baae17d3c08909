/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Numbers in the order of acceptance, which no restart repeats. Taken by any thread, reserved by
 * the store thread; touches private/sequence.log.
 */
#include "notify/sequence.h"

#include <stdatomic.h>

#include <talloc.h>

#include "base/bytes.h"
#include "store/journal.h"

#define STEP     ((uint64_t)1 << 32)
#define MARK_MAX (UINT64_MAX / 2) /* none is near it in 200 years */

struct ocs_sequence {
	struct ocs_journal *journal; /* one record: the mark */
	uint64_t mark;
	atomic_uint_fast64_t next;
};

static int sequence_replay(void *arg, const uint8_t *data, size_t len)
{
	struct ocs_sequence *sequence = arg;

	if (len == 8 && ocs_get64(data) > sequence->mark && ocs_get64(data) <= MARK_MAX)
		sequence->mark = ocs_get64(data);
	return 0;
}

static int set_mark(struct ocs_sequence *sequence, uint64_t mark, struct ocs_error *error)
{
	uint8_t record[8];

	ocs_put64(record, mark);
	if (ocs_journal_add(sequence->journal, record, sizeof(record), error) != 0 ||
	    ocs_journal_restart(sequence->journal, error) != 0)
		return -1;
	sequence->mark = mark;
	return 0;
}

int ocs_sequence_open(const char *folder, uint64_t at_least, struct ocs_sequence **sequence_r,
                      struct ocs_error *error)
{
	struct ocs_sequence *sequence = talloc_zero(NULL, struct ocs_sequence);
	char *path = talloc_asprintf(sequence, "%s/sequence.log", folder);
	uint64_t start;

	*sequence_r = NULL;
	if (sequence == NULL || path == NULL) {
		talloc_free(sequence);
		return ocs_error_memory(error);
	}
	if (ocs_journal_open(path, sequence_replay, sequence, &sequence->journal, NULL, error) !=
	    0) {
		talloc_free(sequence);
		return -1;
	}
	start = sequence->mark > at_least ? sequence->mark : at_least;
	atomic_store(&sequence->next, start);
	if (set_mark(sequence, start + STEP, error) != 0) {
		ocs_sequence_close(sequence);
		return -1;
	}
	*sequence_r = sequence;
	return 0;
}

void ocs_sequence_close(struct ocs_sequence *sequence)
{
	if (sequence == NULL)
		return;
	ocs_journal_close(sequence->journal);
	talloc_free(sequence);
}

uint64_t ocs_sequence_take(struct ocs_sequence *sequence, uint64_t n)
{
	return atomic_fetch_add(&sequence->next, n);
}

int ocs_sequence_reserve(struct ocs_sequence *sequence, struct ocs_error *error)
{
	uint64_t next = atomic_load(&sequence->next);

	if (sequence->mark - next >= STEP / 2 && next <= sequence->mark)
		return 0;
	return set_mark(sequence, next + STEP, error);
}

int ocs_sequence_look(struct ocs_sequence *sequence, struct ocs_error *error)
{
	if (ocs_journal_present(sequence->journal, error) == 0)
		return 0;
	return set_mark(sequence, atomic_load(&sequence->next) + STEP, NULL) == 0 ? 1 : -1;
}
