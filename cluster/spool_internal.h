/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What the files of the spool share. Everything in struct ocs_spool is under its lock unless it
 * says otherwise.
 *
 * A segment file is called by the 20 digits of the number of its first record, and is made of
 * records (store/record.h); their time is that of the flush.
 */
#ifndef OCS_CLUSTER_SPOOL_INTERNAL_H
#define OCS_CLUSTER_SPOOL_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "cluster/spool.h"
#include "store/record.h"

#define OCS_SPOOL_NAME_SIZE 32

struct ocs_spool_segment {
	struct ocs_spool_segment *prev, *next;
	uint64_t first, end; /* numbers: of its first record, and past its last one */
	uint64_t size;       /* bytes that hold flushed records */
};

/* A place in the spool: before the record `next`, or what is there instead of it. */
struct ocs_spool_cursor {
	struct ocs_spool_segment *segment; /* NULL: the first one, once there is one */
	uint64_t offset, next;
	struct ocs_record_window window; /* its fd is the segment's, -1: not open */
};

struct ocs_spool {
	char *folder; /* for error texts; never changes, nor do these */
	int folder_fd, head_fd;
	uint64_t max, segment_size;

	pthread_mutex_t writer; /* one flush at a time; held for a sync, and taken before lock */
	bool torn; /* under writer: bytes of a failed flush may follow the last segment */

	pthread_mutex_t lock;
	struct ocs_spool_segment *segments; /* oldest first */
	uint64_t bytes;                     /* of all segments */
	uint64_t last, confirmed;           /* numbers */
	_Atomic bool empty;                 /* last == confirmed */

	uint8_t *buffer; /* appended: records without a header yet */
	size_t buffer_len;
	uint64_t appended; /* bytes appended and not yet in bytes, those being flushed too */
	bool flushing;     /* the last segment must stay */
	int write_fd;      /* of the last segment, -1: not open; used by the flush without lock */

	struct ocs_spool_cursor oldest, reader; /* the first unconfirmed record; the next to read */
	uint64_t returned;                      /* by ocs_spool_read(), since opening or rewind */
	uint64_t read_at, returned_before; /* where that record begins; what was returned then */
	uint64_t given_up; /* no record up to this one is there past `returned`; 0: not so */
	uint64_t passed;   /* the highest number that the reader ever came past */
	uint64_t damaged;
	struct ocs_error mended; /* what was gone and is there again, until it is told */
};

/* ---- spool_cursor.c ---- */

void ocs_spool_segment_name(uint64_t first, char name[OCS_SPOOL_NAME_SIZE]);
void ocs_spool_cursor_init(struct ocs_spool_cursor *cursor);
void ocs_spool_cursor_set(struct ocs_spool_cursor *cursor, struct ocs_spool_segment *segment,
                          uint64_t offset, uint64_t next);
/* Moves to the header of the first record from `next` on: 1; 0: there is none; -1: error. Its
 * number is above `next` where records are lost. */
int ocs_spool_cursor_find(struct ocs_spool *spool, struct ocs_spool_cursor *cursor,
                          struct ocs_record *record, struct ocs_error *error);
/* The data of the record found, into record->len bytes: 1; 0: they do not verify; -1: they cannot
 * be read now. */
int ocs_spool_cursor_data(struct ocs_spool *spool, struct ocs_spool_cursor *cursor,
                          const struct ocs_record *record, uint8_t *out, struct ocs_error *error);
/* Past the record found; `next` stays. */
void ocs_spool_cursor_step(struct ocs_spool_cursor *cursor, const struct ocs_record *record);

/* ---- spool_look.c; both locks are held, or nobody else has the spool yet ---- */

/* The folder and its head, made where they are not there; the head is locked. -1: neither is open.
 */
int ocs_spool_open_folder(const char *folder, int *folder_fd_r, int *head_fd_r,
                          struct ocs_error *error);
/* Folder, head and segments are where a restart would find them: 0; they are again, and the error
 * says what was gone: 1; they are not: -1. */
int ocs_spool_mend(struct ocs_spool *spool, struct ocs_error *error);

/* ---- spool_read.c; the lock is held ---- */

/* Removes the segments that are confirmed from the first to the last record. */
void ocs_spool_remove_confirmed(struct ocs_spool *spool);
/* So that a restart knows. Without a sync: a lost one costs sending again, which is harmless. */
void ocs_spool_write_head(struct ocs_spool *spool);

#endif
