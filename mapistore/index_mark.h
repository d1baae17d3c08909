/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The mark: id_mark.REPLICA in the registry folder, where the counter of the identifiers stands
 * outside the index, so that an older copy of index.tdb in its place gives none again. It also says
 * who uses the registry: which machine, under which path. For mapistore/index*.c alone.
 *
 *   at 0 and at 4096: a slot each, written in turn, so that a torn one leaves the other
 *       magic 64, checksum 32 of what follows, replica id 16, 0 16, number of the writing 64,
 *       seen 64, next 64, ceiling 64, boot 64
 *   at 8192: who uses it; written with the whole file only
 *       magic 64, checksum 32 of what follows, length 16 of each of the two: machine id, path
 *
 * Integers are little-endian. Whoever gives identifiers, daemon or library, does so under the lock
 * (flock) of the file and writes `next` before they are used: without fsync, which a killed process
 * does not need. What a power failure takes away is covered by `ceiling`, which is raised in
 * blocks, on the disk before an identifier past it is given; it counts when the machine was booted
 * since the last writing.
 *
 * Any process may have the file replaced by the owner at any time: it is opened by its path for
 * each use. Threads: no state.
 */
#ifndef OCS_MAPISTORE_INDEX_MARK_H
#define OCS_MAPISTORE_INDEX_MARK_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

#define OCS_MARK_BLOCK  65536             /* identifiers a raise of the ceiling */
#define OCS_COUNTER_MAX 0xffffffffffffULL /* 48 bits */
#define OCS_MACHINE_MAX 64
#define OCS_MARK_SIZE   (8192 + 16 + OCS_MACHINE_MAX + PATH_MAX)
#define OCS_MARK_NAME   "id_mark"

struct ocs_index_mark {
	uint16_t replica_id;
	/* Both are of a file that is there; false: damaged. */
	bool counted;                      /* a slot verifies: the five below */
	bool placed;                       /* who uses it verifies: the last two */
	uint64_t written;                  /* so many times */
	uint64_t seen;                     /* what the index has committed at least */
	uint64_t next;                     /* none from here on was given */
	uint64_t ceiling;                  /* the same, for certain on the disk; not below next */
	uint64_t boot;                     /* in which next was written: ocs_index_boot() */
	char machine[OCS_MACHINE_MAX + 1]; /* "": not known */
	char place[PATH_MAX];
};

/* Parses a whole file. */
void ocs_index_mark_parse(const uint8_t *data, size_t len, uint16_t replica_id,
                          struct ocs_index_mark *out);
/* Its inverse; returns the length, 0 if it does not fit into OCS_MARK_SIZE. */
size_t ocs_index_mark_format(const struct ocs_index_mark *mark, uint8_t out[OCS_MARK_SIZE]);

int ocs_index_mark_path(const char *folder, uint16_t replica_id, char path[PATH_MAX],
                        struct ocs_error *error);

/* The functions below return an ocs_store_result: OK, MISSING, ERROR, BUSY. A damaged file is OK,
 * with what it has. */
int ocs_index_mark_read(const char *path, uint16_t replica_id, struct ocs_index_mark *out,
                        struct ocs_error *error);
/* The same of the file in place once it is locked; the lock lasts until *fd_r is closed. BUSY:
 * another process has had it for 2 s. */
int ocs_index_mark_lock(const char *path, uint16_t replica_id, int *fd_r,
                        struct ocs_index_mark *out, struct ocs_error *error);
/* Writes the counters of mark into the locked file. sync: they are on the disk then. */
int ocs_index_mark_write(int fd, const char *path, struct ocs_index_mark *mark, bool sync,
                         struct ocs_error *error);
/* Replaces the file or makes it, for the owner of its folder: mode 0660, of the folder's user and
 * group. On the disk. */
int ocs_index_mark_replace(const char *folder, const char *path, const struct ocs_index_mark *mark,
                           struct ocs_error *error);

/* What tells this boot of the machine from others; 0: not known. */
uint64_t ocs_index_boot(void);
/* From where on nothing was given, by the mark: past the ceiling, where what was written after it
 * may be lost. 0: it does not know. */
uint64_t ocs_index_mark_free(const struct ocs_index_mark *mark, uint64_t boot);
/* Raises the counters: none below next is given any more. Whether that raised the ceiling. */
bool ocs_index_mark_raise(struct ocs_index_mark *mark, uint64_t next, uint64_t boot);

/* ---- who uses it: index_place.c ---- */

enum ocs_index_place {
	OCS_PLACE_SAME = 0,
	OCS_PLACE_UNKNOWN = 1, /* it does not say; record who uses it now */
	OCS_PLACE_MOVED = 2,   /* the folder stands elsewhere than it did: record anew */
};

/* Whether the registry folder may be used here by what its mark says: an ocs_index_place; -1: it is
 * a copy, the text says of what and what to do. MOVED fills the text too. */
int ocs_index_place_judge(const char *folder, const struct ocs_index_mark *mark,
                          struct ocs_error *error);
/* Puts who uses the folder now into the mark. */
int ocs_index_place_take(const char *folder, struct ocs_index_mark *mark, struct ocs_error *error);

/* ---- the clock: index_clock.c ---- */

/* The counter that is above all that a registry of this replica id can have given by now:
 * 64 x the milliseconds since 2020. 0: the clock is not to be believed, as the text says. */
uint64_t ocs_index_clock_floor(struct ocs_error *error);

/* For tests: milliseconds since 1970, and where the ids of the machine and of its boot stand. */
extern int64_t (*ocs_index_clock)(void);
extern const char *ocs_index_machine_id, *ocs_index_boot_id;
/* and how many of them a lock is waited for. */
extern unsigned ocs_index_mark_wait;

#endif
