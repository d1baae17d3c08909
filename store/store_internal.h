/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Shared by the files of the store only. From the roof to the floor; a file calls those below it:
 *
 *   store_open.c  the file opened, made, saved from damage
 *   store_each.c  all records, at once or a hash chain at a time
 *   store.c       transactions and records
 *   store_lock.c  its locks, waited for within a time
 *   store_file.c  what libtdb says, and whether the file is still the one that was opened
 *
 * store_look.c reads a file that others use, without them; store_copy.c copies one. Apart, no TDB
 * file: journal.c, which calls record.c.
 */
#ifndef OCS_STORE_STORE_INTERNAL_H
#define OCS_STORE_STORE_INTERNAL_H

#include <stdatomic.h>
#include <sys/types.h>

#include <tdb.h>

#include "store/store.h"

/* The part of a TDB header that says which file this is: magic, version, hash size, and after two
 * words that change (recovery area, sequence number) the check of the hash and the features. */
#define OCS_STORE_HEADER 68
/* All of it: the hash table follows. */
#define OCS_STORE_HEADER_ALL 168
#define OCS_VERSION_OFFSET   32
#define OCS_STORE_VERSION    (0x26011967U + 6)
#define OCS_SEQNUM_OFFSET    48
#define OCS_CHANGES_OFFSET   44
#define OCS_CHANGES_SIZE     8
/* What stands before the data of a record: version, checksum. */
#define OCS_STORE_RECORD 5

struct ocs_store {
	struct tdb_context *tdb;
	char *path;
	bool in_transaction;
	bool alone;                       /* OCS_STORE_ALONE: it stays what it is */
	bool together;                    /* ocs_store_hold() */
	bool held;                        /* the lock of all records is held for it */
	bool missed;                      /* under that a record was not found */
	uint8_t header[OCS_STORE_HEADER]; /* as it was at open */
	atomic_uint_fast64_t size;        /* of the file when last looked at: it never shrinks */
	atomic_bool damaged;              /* libtdb has met what cannot be */
	uint64_t size_max;
	uint8_t anchor[OCS_STORE_ANCHOR_MAX]; /* the key of a record that is always there */
	size_t anchor_len;                    /* 0: none is known */
	int os_error;                         /* why libtdb failed last, 0: not known */
	char log[160];                        /* what it said */
};

/* libtdb's words are kept for ocs_store_error(). */
void ocs_store_log(struct tdb_context *tdb, enum tdb_debug_level level, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
/* For the header: 0, or -1 with errno (EPROTO: it is another file's). */
int ocs_store_header(const struct ocs_store *store, uint32_t *seqnum_r);
/* The text of what libtdb failed at last; returns OCS_STORE_ERROR, or OCS_STORE_CORRUPT if the file
 * is not what it was. */
int ocs_store_error(struct ocs_store *store, const char *what, struct ocs_error *error);
/* The text alone. */
void ocs_store_explain(const struct ocs_store *store, const char *what, struct ocs_error *error);
/* Whether that was for want of memory or an error of the system: it says nothing about the file. */
bool ocs_store_failed_by_system(const struct ocs_store *store, struct tdb_context *tdb);
void ocs_store_forget_error(struct ocs_store *store);
/* Whether a file that begins so is a database of this machine. */
bool ocs_store_is_header(const uint8_t header[OCS_STORE_HEADER]);
/* After what was not found: `missing` if the file is whole, else an error. */
int ocs_store_check_missing(struct ocs_store *store, int missing, struct ocs_error *error);
/* A copy of the file in memory, for who reads it through: to be closed with tdb_close(). NULL where
 * that cannot be had: the file is larger than max or needs a recovery, /proc or the memory is
 * missing. OCS_STORE_OK, or OCS_STORE_BUSY. locks: as below. */
#define OCS_STORE_COPIED_MAX (32 * 1024 * 1024)
int ocs_store_copy_mapped(struct tdb_context *tdb, bool locks, off_t max,
                          const struct tdb_logging_context *logging, struct tdb_context **copy_r,
                          struct ocs_error *error);
/* Whether others may write to it, so that it has to be locked to be read as one. */
bool ocs_store_has_locks(const struct ocs_store *store);
/* tdb_parse_record(), with the lock for it: OCS_STORE_BUSY; or that the lock could not be had for
 * another reason, which is no -1, as that is libtdb's; or what that gives. */
#define OCS_STORE_NO_LOCK (-101)
int ocs_store_parse(struct ocs_store *store, TDB_DATA key,
                    int (*parser)(TDB_DATA key, TDB_DATA record, void *arg), void *arg,
                    struct ocs_error *error);
/* The whole-file check: OK, CORRUPT, and what is wrong went to the log function, or BUSY. locks:
 * the file may be written meanwhile, so it is locked for reading (what was opened read-only cannot
 * be).
 */
int ocs_store_check(struct tdb_context *tdb, bool locks, const struct tdb_logging_context *logging,
                    struct ocs_error *error);

/* ---- store_lock.c ---- */

/* All wait for ocs_store_wait_ms at most: OCS_STORE_OK, or OCS_STORE_BUSY with who holds the lock,
 * or OCS_STORE_ERROR, or OCS_STORE_CORRUPT where what the file is to be recovered from is wrong, as
 * somebody may have written it. Outside a transaction, but for the commit's. */

/* Whether the next lock of libtdb's undoes what the last commit did. */
bool ocs_store_needs_recovery(const struct ocs_store *store);
/* What tdb_open_ex() locks. fd: of the file, open for writing; closing it gives the lock back.
 * OCS_STORE_CORRUPT: locked, but libtdb must not see it, which would recover it. */
int ocs_store_lock_open(int fd, const char *path, struct ocs_error *error);
/* What tdb_transaction_start_nonblock() locks, which then does not wait. */
int ocs_store_lock_begin(struct ocs_store *store, unsigned wait_ms, struct ocs_error *error);
/* What tdb_transaction_commit() locks besides; if not, cancel. After either: _end(). */
int ocs_store_lock_commit(struct ocs_store *store, struct ocs_error *error);
void ocs_store_lock_end(struct ocs_store *store);
/* libtdb did not take over what was locked for it: all of the file is let go. */
void ocs_store_lock_lost(struct ocs_store *store);
/* For looking the key up; tdb_chainunlock_read() gives it back. */
int ocs_store_lock_key(struct ocs_store *store, TDB_DATA key, struct ocs_error *error);
/* For tdb_traverse_chain(). */
int ocs_store_lock_chain(struct ocs_store *store, unsigned n, struct ocs_error *error);
void ocs_store_unlock_chain(struct ocs_store *store, unsigned n);
/* tdb_lockall_read(); tdb_unlockall_read() gives it back. */
int ocs_store_lock_all(struct tdb_context *tdb, const char *path, struct ocs_error *error);
/* The same for reading records: what a killed process left undone is mended before. */
int ocs_store_lock_records(struct ocs_store *store, struct ocs_error *error);

bool ocs_store_verify(const void *key, size_t key_len, const uint8_t *record, size_t size);

#endif
