/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The spool: messages for other nodes that the broker could not take, on disk, in order, up to a
 * bound. Segment files in a folder of their own (private/spool), each a run of checksummed records;
 * a file `head` says how far the broker has confirmed, so that a restart does not send much twice.
 * What was flushed survives a power cut, what was confirmed needs no sync. In memory is only what
 * was appended since the last flush.
 *
 *   spool.c         open, close, state
 *   spool_write.c   append and flush
 *   spool_read.c    read, rewind, confirm
 *   spool_look.c    whether its files are still there
 *   spool_cursor.c  records and segments: walking along them, past damage
 *
 * Threads: any; one mutex inside, held for a read or an unlink but never for a write or a sync of
 * the disk. Processes: one has it open, another is refused.
 */
#ifndef OCS_CLUSTER_SPOOL_H
#define OCS_CLUSTER_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct ocs_spool;

#define OCS_SPOOL_RECORD_MAX (16U << 20) /* bytes of one record */

enum ocs_spool_result { OCS_SPOOL_OK = 0, OCS_SPOOL_ERROR = -1, OCS_SPOOL_FULL = -2 };

/* Opens or creates (folder 0700, files 0600). What is there is found again; *damaged_r (may be
 * NULL): records that did not verify, and are lost. max: bytes of all segments. A smaller max than
 * what is there only refuses more. */
int ocs_spool_open(const char *folder, uint64_t max, struct ocs_spool **spool_r,
                   uint64_t *damaged_r, struct ocs_error *error);
void ocs_spool_close(struct ocs_spool *spool); /* NULL is allowed */

/* Adds a record to those that the next flush writes. FULL: past the bound (nothing changed). */
enum ocs_spool_result ocs_spool_append(struct ocs_spool *spool, const void *data, size_t len,
                                       struct ocs_error *error);
/* Writes and syncs what was appended, with one sync for all of it; only then is it read, and may be
 * acknowledged. On failure none of it is there, and the next flush starts afresh. */
enum ocs_spool_result ocs_spool_flush(struct ocs_spool *spool, struct ocs_error *error);

/* The next record past the reading position: a talloc array on mem_ctx, and its number (they grow
 * by one; the first ever is 1). 1: read; 0: nothing there; -1: error (damage is skipped, not an
 * error).
 */
int ocs_spool_read(struct ocs_spool *spool, const void *mem_ctx, uint8_t **data_r, size_t *len_r,
                   uint64_t *number_r, struct ocs_error *error);
/* The record that was read last comes again: there was no memory to do anything with it. Before
 * anything else is done with the spool by this thread, who alone reads and confirms. */
void ocs_spool_unread(struct ocs_spool *spool);
/* The reading position back to the oldest unconfirmed record: after a lost connection. */
void ocs_spool_rewind(struct ocs_spool *spool);
/* Every record up to this number is confirmed: forgotten, its segment removed once all of it is. */
void ocs_spool_confirm(struct ocs_spool *spool, uint64_t number);

/* Where its folder or a file in it was removed and nothing waits in it, it is made again: 1 with
 * the error saying what was gone; 0: it is there; -1: what waits is gone, or it cannot be made;
 * then flush refuses. */
int ocs_spool_look(struct ocs_spool *spool, struct ocs_error *error);

struct ocs_spool_state {
	uint64_t messages; /* not confirmed; a damaged one counts until what follows is */
	uint64_t bytes;    /* of the segments on disk */
	uint64_t oldest;   /* when the oldest was flushed, CLOCK_REALTIME ms; 0: none */
	uint64_t damaged;  /* records skipped since opening */
};
void ocs_spool_state(struct ocs_spool *spool, struct ocs_spool_state *out);
bool ocs_spool_empty(struct ocs_spool *spool); /* nothing unconfirmed; cheap */

#endif
