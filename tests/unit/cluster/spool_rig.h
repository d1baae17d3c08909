/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * For the tests of the spool: one in a temporary folder, records that say their number, its segment
 * files, and a disk whose syncs fail or hang as a test wants.
 */
#ifndef OCS_UNIT_SPOOL_RIG_H
#define OCS_UNIT_SPOOL_RIG_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>

#include "cluster/spool.h"
#include "tests/unit/rig.h"

#define SPOOL_ROOM   (64U << 20)
#define SPOOL_HEADER 32

extern struct ocs_spool *spool;
extern char spool_folder[128];
extern uint64_t spool_damaged;

/* ---- the disk, as a test wants it ---- */

extern _Atomic int spool_syncs, spool_failing_syncs;
extern _Atomic int spool_failing_reads;
/* Syncs stay in the disk until it is called with false. */
void spool_hold_sync(bool hold);
/* Until one is there. */
void spool_wait_for_sync(void);

void spool_reopen_with(uint64_t max);
void spool_reopen(void);
void spool_setup(void);
void spool_teardown(void);
void spool_append(const char *text);
void spool_flush(void);
void spool_put(const char *text);

/* Of the record that was read last. */
extern uint64_t spool_number;

void spool_expect(const char *text);
void spool_expect_nothing(void);
struct ocs_spool_state spool_state(void);

/* The segments' paths in order; their bytes. */
extern char spool_segments[256][192];
extern off_t spool_segment_bytes;

size_t spool_list_segments(void);
void spool_overwrite(const char *path, off_t at, const char *bytes, size_t len);

/* Records of one size that say their number: "record 000017 ....". */
void spool_numbered_text(char *text, size_t len, unsigned n);
void spool_fill(unsigned first, unsigned last, size_t len, unsigned a_flush);

/* The next record is the nth of those: its number, 0 if there is none. */
unsigned spool_get_numbered(size_t len);

#endif
