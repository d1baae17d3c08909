/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Checked records on disk: libtdb behind a version, a checksum and a quarantine.
 *
 * One store is one TDB file. Every record carries a format version and a checksum; a record that
 * does not verify is never returned: it counts as damaged, and ocs_store_quarantine() moves it
 * aside. All changes are transactions, so a killed process loses nothing it was told is committed.
 *
 * Threads: a store is not thread-safe; whoever owns it serialises the calls (the daemon uses one
 * thread, the library a mutex). Only ocs_store_seqnum() may be called from any thread at any time.
 * Whatever is done to the file while it is open, no call here ends the process or stops it for
 * ever: nothing is mapped, a write past RLIMIT_FSIZE is an error and no signal, and no lock is
 * waited for longer than ocs_store_wait_ms.
 *
 * Processes: POSIX locks belong to the process, so a file may be open once in a process, and an
 * open store must not be used in a forked child.
 */
#ifndef OCS_STORE_STORE_H
#define OCS_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

struct ocs_store;

/* libtdb counts in 32 bits, and grows a file by a tenth or by twice what it needs at once: its last
 * step before 4 GiB gives a file that nobody can open. No store grows past this. */
#define OCS_STORE_SIZE_MAX (3ULL << 30)

/* Results of the functions below that are not simply 0 or -1. */
enum ocs_store_result {
	OCS_STORE_OK = 0,
	OCS_STORE_ERROR = -1,   /* I/O error, lock lost, disk full; error text says which */
	OCS_STORE_MISSING = -2, /* no such record (fetch), no such file (open without create) */
	OCS_STORE_DAMAGED = -3, /* the record is there and does not verify */
	/* The file is not a TDB or fails its check (open), or was cut short or overwritten in place
	 * while it was open (anything else): nothing more is read from it or written to it. */
	OCS_STORE_CORRUPT = -4,
	/* Somebody holds the lock: at once (try_begin), or for too long (anything else); the text
	 * names the process where that is known. */
	OCS_STORE_BUSY = -5,
	OCS_STORE_FULL = -6, /* the file would grow past its limit (put): cancel */
};

enum ocs_store_flags {
	/* create the file if it is missing or not ours (never over an existing one of ours) */
	OCS_STORE_CREATE = 1,
	OCS_STORE_READ_ONLY = 2,
	OCS_STORE_CHECK = 4, /* run the whole-file check (slow on large files) */
	/* A corrupt file is renamed to NAME.corrupt-<time> and made anew, ... */
	OCS_STORE_MOVE_CORRUPT = 8,
	/* ... with all records in it that verify; without the flag above, one that cannot even be
	 * read through stays where it is. */
	OCS_STORE_SALVAGE = 16,
	/* With OCS_STORE_READ_ONLY: nobody else can reach the file, so it is mapped and not locked.
	 */
	OCS_STORE_ALONE = 32,
};

/* The file must be a regular one that belongs to this process' user, to root or to the owner of its
 * folder (base/shared_file.h).
 * mode: of a created file, regardless of umask. gid: of a created file, (gid_t)-1 to leave it.
 * moved_r (may be NULL) is set when a corrupt file was moved aside, salvaged or not. Returns an
 * ocs_store_result. */
int ocs_store_open(const char *path, unsigned hash_size, int flags, mode_t mode, gid_t gid,
                   struct ocs_store **store_r, bool *moved_r, struct ocs_error *error);
void ocs_store_close(struct ocs_store *store);
const char *ocs_store_path(const struct ocs_store *store);

/* Whether the file at path is whole, without a lock, a change, or an open store: OK, MISSING,
 * ERROR; DAMAGED: it fails its check but can be read through; CORRUPT: it cannot; BUSY: it cannot
 * be said, others write to it or a killed process was writing. With a key also whether its record
 * is there and verifies. Reads the whole file. */
int ocs_store_look(const char *path, const void *key, size_t key_len, enum ocs_store_result *key_r,
                   struct ocs_error *error);

/* The same of an open store, as OCS_STORE_CHECK does it: OK, or DAMAGED with what libtdb says. */
int ocs_store_whole(struct ocs_store *store, struct ocs_error *error);

/* Whether the open file is still what it was at open: OCS_STORE_CORRUPT if it has been cut short or
 * overwritten since, with the text for the log. A few system calls; any thread. */
int ocs_store_usable(const struct ocs_store *store, struct ocs_error *error);
/* Whether libtdb has met something in the open file that cannot be, since it was opened. Any
 * thread. */
bool ocs_store_damaged(const struct ocs_store *store);
/* Names a record that is always there. A file that was cut short and has grown again, by what
 * another process was committing, has holes that read as empty chains: from here on a record counts
 * as missing, and ocs_store_each() as through, only if this one is found after that; else the file
 * is OCS_STORE_CORRUPT. At most OCS_STORE_ANCHOR_MAX bytes; false: it is not there, so it says
 * nothing and is not looked for. */
#define OCS_STORE_ANCHOR_MAX 8
bool ocs_store_set_anchor(struct ocs_store *store, const void *key, size_t key_len);
/* Whether its name still leads to the open file: 0, or -1 and whether it is gone or another one. */
int ocs_store_present(const struct ocs_store *store, struct ocs_error *error);
/* Copies the file, as it is between two transactions, into the empty file `to`. Outside a
 * transaction. Others may read meanwhile; commits wait. */
int ocs_store_copy(struct ocs_store *store, int to, struct ocs_error *error);
/* For people who rescue what is in it: the number in /proc/PID/fd. Never used, never closed. */
int ocs_store_descriptor(const struct ocs_store *store);
/* Bytes of the file. Any thread. */
uint64_t ocs_store_size(const struct ocs_store *store);
/* put gives OCS_STORE_FULL past that size, OCS_STORE_SIZE_MAX otherwise. */
void ocs_store_set_limit(struct ocs_store *store, uint64_t size_max);

/* Changes with every commit by any process that changed something. Any thread; takes no lock. One
 * system call. */
uint32_t ocs_store_seqnum(const struct ocs_store *store);

/* How long a lock of a file is waited for, since whoever may write it may keep it locked. Then the
 * call ends with OCS_STORE_BUSY; and at once when ocs_file_interrupted() says that this process is
 * to end (base/file.h). Set before there are threads.
 * Where others change locks and the mark of a recovery at the same time, libtdb may find one to be
 * waited for after all, and waits without an end: for a recovery with the first lock that it takes,
 * and for all records when it repacks a file that a commit has made grow. */
extern unsigned ocs_store_wait_ms;

/* begin waits for the lock; try_begin returns OCS_STORE_BUSY instead. Transactions do not nest.
 * sync in commit: true returns only when the data are on the disk. A failed commit is cancelled;
 * where its last sync failed, what it wrote stays.
 * cancel without a transaction is allowed and does nothing. */
int ocs_store_begin(struct ocs_store *store, struct ocs_error *error);
int ocs_store_try_begin(struct ocs_store *store, struct ocs_error *error);
int ocs_store_commit(struct ocs_store *store, bool sync, struct ocs_error *error);
void ocs_store_cancel(struct ocs_store *store);
bool ocs_store_in_transaction(const struct ocs_store *store);
/* Puts on the disk what commits without sync have left to the kernel. */
int ocs_store_sync(struct ocs_store *store, struct ocs_error *error);

/* Fetch returns a copy of the payload, allocated on mem_ctx (talloc); inside a transaction its own
 * changes are seen. put and delete need a transaction. delete of a missing record is no error. */
int ocs_store_fetch(struct ocs_store *store, const void *mem_ctx, const void *key, size_t key_len,
                    uint8_t **data_r, size_t *len_r, struct ocs_error *error);
int ocs_store_put(struct ocs_store *store, const void *key, size_t key_len, const void *data,
                  size_t len, struct ocs_error *error);
int ocs_store_delete(struct ocs_store *store, const void *key, size_t key_len,
                     struct ocs_error *error);

/* Between them fetches that are not in a transaction share one lock of the file, which the first
 * one takes, so that each costs a fraction. Others may read meanwhile; commits wait, also for what
 * is waited for within: let it be little. What was called missing is so only if release says OK:
 * OCS_STORE_CORRUPT, or ERROR, where the file is not whole. begin() releases before, and fails for
 * the same. Neither nests; release without hold does nothing. */
void ocs_store_hold(struct ocs_store *store);
int ocs_store_release(struct ocs_store *store, struct ocs_error *error);

/* Deletes every record, in the open transaction. */
int ocs_store_wipe(struct ocs_store *store, struct ocs_error *error);

/* Renames a damaged record out of the way of its readers (prefix 'Q'), in the open transaction. */
int ocs_store_quarantine(struct ocs_store *store, const void *key, size_t key_len,
                         struct ocs_error *error);

/* Calls each() for every record whose key starts with the byte `prefix` (-1: all). data is NULL for
 * a damaged record. each() must not change the store; a non-zero return stops and is returned. */
typedef int ocs_store_each_fn(const void *key, size_t key_len, const uint8_t *data, size_t len,
                              void *arg);
int ocs_store_each(struct ocs_store *store, int prefix, ocs_store_each_fn *each, void *arg,
                   struct ocs_error *error);

/* The same in steps, without a prefix: of all records in one of ocs_store_chains() hash chains, in
 * or outside a transaction. A record stays in its chain. */
unsigned ocs_store_chains(const struct ocs_store *store);
int ocs_store_each_in_chain(struct ocs_store *store, unsigned n, ocs_store_each_fn *each, void *arg,
                            struct ocs_error *error);

/* The process that holds a lock on the file that this one waits for, 0 if none. */
pid_t ocs_store_lock_holder(const struct ocs_store *store);

#endif
