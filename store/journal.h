/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * A journal: numbered records (store/record.h) appended to one file, many of them with one write
 * and, where asked, one fdatasync. What a killed process had written is there; what was synced
 * survives a power cut. What is damaged costs the records that it hit; a torn end is cut off. A
 * file of the form before this one is read, and written again, when it is opened.
 *
 * Threads: not thread-safe; one process has a journal open at a time (its owner sees to that).
 */
#ifndef OCS_STORE_JOURNAL_H
#define OCS_STORE_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct ocs_journal;

#define OCS_JOURNAL_RECORD_MAX 65536

/* Called for each record of an existing file, oldest first. Non-zero ends the opening with -1. */
typedef int ocs_journal_replay_fn(void *arg, const uint8_t *data, size_t len);

struct ocs_journal_damage {
	uint64_t cut; /* bytes of a torn end: written by nobody to the end, so never acknowledged */
	unsigned skipped; /* records in between, or whole, that did not verify: lost */
};

/* Opens or creates (mode 0600). *damage (may be NULL) is added to. */
int ocs_journal_open(const char *path, ocs_journal_replay_fn *replay, void *arg,
                     struct ocs_journal **journal_r, struct ocs_journal_damage *damage,
                     struct ocs_error *error);
void ocs_journal_close(struct ocs_journal *journal); /* what was not written is dropped */

/* Collects a record; nothing is written yet. */
int ocs_journal_add(struct ocs_journal *journal, const void *data, size_t len,
                    struct ocs_error *error);
/* Writes what was collected; sync: returns only when it is on the disk. On failure the file is as
 * it was before and what was collected is dropped. Nothing collected: costs nothing. */
int ocs_journal_write(struct ocs_journal *journal, bool sync, struct ocs_error *error);
/* Drops what was collected, and of the file what a failed write left behind its end. -1: that
 * cannot be cut off now; who opens the file would take it for records. */
int ocs_journal_discard(struct ocs_journal *journal, struct ocs_error *error);

/* Replaces the file by one that holds only what is collected now, synced: for when the rest is kept
 * elsewhere. On failure either file is there, whole: the old one, or, if only syncing its folder
 * failed, the new one. */
int ocs_journal_restart(struct ocs_journal *journal, struct ocs_error *error);

/* Adds the records of which the file is to consist. -1 ends it. */
typedef int ocs_journal_records_fn(void *arg, struct ocs_journal *journal, struct ocs_error *error);
/* ocs_journal_restart() with those alone; what was collected before is dropped, and after a failure
 * nothing is collected. */
int ocs_journal_rewrite(struct ocs_journal *journal, ocs_journal_records_fn *records, void *arg,
                        struct ocs_error *error);

/* Whether its name still leads to the open file: 0, or -1 and whether it is gone or another one. */
int ocs_journal_present(const struct ocs_journal *journal, struct ocs_error *error);

uint64_t ocs_journal_size(const struct ocs_journal *journal); /* bytes in the file */

#endif
