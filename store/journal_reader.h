/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Reading along in a journal (store/journal.h) that another process writes: what it has written
 * whole, again and again, and the next file when it has started the journal anew. Changes nothing.
 *
 * Threads: not thread-safe.
 */
#ifndef OCS_STORE_JOURNAL_READER_H
#define OCS_STORE_JOURNAL_READER_H

#include <stdbool.h>

#include "store/journal.h"

struct ocs_journal_reader;

/* NULL: out of memory. The file need not be there. A talloc object on mem_ctx. */
struct ocs_journal_reader *ocs_journal_reader_new(const void *mem_ctx, const char *path);

/* Whether its name leads to another file than at the last look, or to one no more: then what was
 * read is void, and reading begins anew. */
bool ocs_journal_reader_moved(struct ocs_journal_reader *reader);
/* Calls fn for what was added since. 0, or -1 if fn said so or the file cannot be read. */
int ocs_journal_reader_read(struct ocs_journal_reader *reader, ocs_journal_replay_fn *fn, void *arg,
                            struct ocs_error *error);

#endif
