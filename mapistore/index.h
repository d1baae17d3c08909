/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The identifier index: index.tdb in the registry folder, and index.1.tdb and so on once that is
 * full (index_files.c), shared by daemon and library.
 *
 * Gives folders and messages their 64-bit identifiers (16-bit replica id, 48-bit counter: unique in
 * the whole system, never used twice) at first sight and keeps them both ways. So that they are not
 * used twice either where a file was set back to an earlier state, the counter also stands beside
 * the files (index_mark.h), and a start of the owner is never below the clock (index_clock.c).
 *
 *   H                          the high-water mark of the counter: the first one not given
 *   R<user>                    the user's root: FID
 *   N<user><backend><b.user>   the node under which that mail store's top-level folders hang
 *   F<node><name>              a folder under a node: FID, own node, message series, uid validity
 *   S<series>                  the folder whose messages that series has, or had: FID
 *   M<series><message id>      a message of a folder: MID, whether it was announced, and
 *                              where it is known which mail it was
 *   Q                          how many users are in it whom nobody knew
 *   I<id>                      back: what an identifier names; of a folder its parent, its top
 *                              node and its own name; of a top node user, backend, b.user.
 *                              Never removed: what was deleted stays known as that
 *   Z                          this file is full: the next one has what came later
 *
 * Folders hang together as a tree of nodes, so that a rename moves a whole subtree, and deleting a
 * folder (or a changed uid validity) retires all messages below it, in one record each.
 *
 * Threads, transactions: as store/store.h. All names are already canonical (ocs_index_canonical).
 */
#ifndef OCS_MAPISTORE_INDEX_H
#define OCS_MAPISTORE_INDEX_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "mapistore/names.h"
#include "base/error.h"
#include "base/log.h"
#include "store/store.h"

struct ocs_index;

struct ocs_index_folder {
	uint64_t fid, parent_fid;
	uint64_t node;   /* under which its subfolders hang */
	uint64_t series; /* under which its messages are recorded */
	bool has_uid_validity;
	uint32_t uid_validity;
};

struct ocs_index_message {
	uint64_t mid;
	bool announced;   /* a newmail, created, moved or copied for it was done */
	uint64_t content; /* tells the mail from a later one of that name; 0: not known */
};

/* folder: the registry folder. Refuses (OCS_STORE_CORRUPT) an index that is gone or damaged
 * although identifiers of this replica id were given, and with create a registry that is a copy of
 * another one with this replica id: they could repeat. The text says what to do.
 */
int ocs_index_open(const char *folder, uint16_t replica_id, bool create, struct ocs_index **index_r,
                   struct ocs_error *error);
/* What ocs_index_open() would say, which changes nothing: -1 with what to do, where it would refuse
 * or no identifier could be given; 1 with what it would salvage or mend. read: the files are read
 * too, not only looked for. */
int ocs_index_look(const char *folder, uint16_t replica_id, bool read, struct ocs_error *error);

/* Whether every file is still there under its name: 0, or -1 with which is not. For the owner. */
int ocs_index_present(struct ocs_index *index, const struct ocs_store **missing_r,
                      struct ocs_error *error);
/* Whether another file has the name of one by now: a backup was put in place, or the daemon made a
 * new one of a damaged one. Then it is to be opened again. Not where there is none: that passes. */
bool ocs_index_replaced(const struct ocs_index *index);
/* Tells what the owner's open found and mended, a line each: an older copy of the index, a mark
 * that was lost, a registry that was moved. Nothing, mostly. */
void ocs_index_notes(const struct ocs_index *index, ocs_report_fn *report, void *arg);
/* Where the mark is gone or damaged it is made again: as ocs_index_look_replicas(). */
int ocs_index_look_mark(struct ocs_index *index, struct ocs_error *error);
/* Where the list of replica ids is gone, it is written again: 1 with the error saying so; 0: it is
 * there; -1: it cannot be. For the owner. */
int ocs_index_look_replicas(struct ocs_index *index, struct ocs_error *error);
void ocs_index_close(struct ocs_index *index);
/* Whether open found it damaged and kept what verified, the high-water mark included. */
bool ocs_index_salvaged(const struct ocs_index *index);
struct ocs_store *ocs_index_store(struct ocs_index *index); /* its newest file */
/* A record that the daemon writes to see whether the disk has room again; it means nothing. */
#define OCS_INDEX_KEY_TRY "try"

/* A file that is larger than this, or than suits its hash chains, is followed by a new one: far
 * enough from the 3 GiB that the store refuses at for what a single transaction can hold. */
#define OCS_INDEX_FILE_MAX (1ULL << 30)
/* All files together, until ocs_index_set_limits(). */
#define OCS_INDEX_SIZE_MAX (16ULL << 30)

struct ocs_index_sizes {
	uint64_t bytes, limit; /* of all files */
	unsigned files;
	bool no_new_file; /* the newest is too large, and another one cannot be made */
	bool behind;      /* an older copy took its place meanwhile; identifiers were skipped */
};
/* 0: as it is. file_max: before the index is used; size_max: any thread. */
void ocs_index_set_limits(struct ocs_index *index, uint64_t file_max, uint64_t size_max);
void ocs_index_sizes(const struct ocs_index *index, struct ocs_index_sizes *out); /* any thread */
/* Whether the next transaction will begin a new file. */
bool ocs_index_wants_file(const struct ocs_index *index);
/* Whether nothing new may be added any more. The index itself does not refuse: who adds asks. */
bool ocs_index_full(const struct ocs_index *index);

int ocs_index_begin(struct ocs_index *index, struct ocs_error *error);
int ocs_index_commit(struct ocs_index *index, struct ocs_error *error); /* always synced */
void ocs_index_cancel(struct ocs_index *index);

/* Whether a number may be an identifier: nothing of it is 0, and it is not the one that is above
 * all in the lists of searches. */
static inline bool ocs_index_id_possible(uint64_t id)
{
	return (uint16_t)id != 0 && id >> 16 != 0 && id != UINT64_MAX;
}

/* Gives a FID fixed by the user map, 0 if none. */
typedef uint64_t ocs_index_fixed_fn(void *arg, const struct ocs_folder_name *name);
void ocs_index_set_fixed(struct ocs_index *index, ocs_index_fixed_fn *fixed, void *arg);

/* [main] case = fold: folders whose names differ in case alone are one, shown as first said. */
void ocs_index_set_fold(struct ocs_index *index, bool fold);

/* Looks a folder up. Without create a folder that is not there is OCS_STORE_MISSING; with it
 * (transaction) it and its missing parents are made. The empty folder is the user's root (FID
 * only). Returns an ocs_store_result. */
int ocs_index_folder(struct ocs_index *index, const struct ocs_folder_name *name, bool create,
                     struct ocs_index_folder *out, struct ocs_error *error);
/* (transaction) A new uid validity: a new series, so that older records of messages count no more.
 */
int ocs_index_folder_set_uid_validity(struct ocs_index *index, const struct ocs_folder_name *name,
                                      uint32_t uid_validity, struct ocs_index_folder *out,
                                      struct ocs_error *error);
/* (transaction) The folder with all below it is gone; a later one of that name starts afresh. */
int ocs_index_folder_delete(struct ocs_index *index, const struct ocs_folder_name *name,
                            struct ocs_error *error);
/* (transaction) Renames what is called name; keeps the FID. What was recorded under the new name
 * is retired. */
int ocs_index_folder_rename(struct ocs_index *index, const struct ocs_folder_name *name,
                            const char *new_folder, struct ocs_index_folder *out,
                            struct ocs_error *error);

/* How many users are in it who were put there though nobody knew them; a number that its owner
 * keeps. set: (transaction). */
int ocs_index_unknown(struct ocs_index *index, uint64_t *n_r, struct ocs_error *error);
int ocs_index_set_unknown(struct ocs_index *index, uint64_t n, struct ocs_error *error);

int ocs_index_message(struct ocs_index *index, uint64_t series, const char *message_id,
                      struct ocs_index_message *out, struct ocs_error *error);
/* (transaction) */
int ocs_index_message_put(struct ocs_index *index, const struct ocs_index_folder *folder,
                          const char *message_id, const struct ocs_index_message *message,
                          struct ocs_error *error);
/* (transaction) The message of that MID is gone (0: whichever has the name); the MID stays known as
 * that of a deleted message, also one that nothing was recorded of before. */
int ocs_index_message_delete(struct ocs_index *index, uint64_t series, const char *message_id,
                             uint64_t mid, struct ocs_error *error);
/* What the index has of it, other than what this pending deletion takes out: a library may have
 * named another one since. */
struct ocs_pending_message;
int ocs_index_message_after(struct ocs_index *index, uint64_t series, const char *message_id,
                            const struct ocs_pending_message *deleted,
                            struct ocs_index_message *out, struct ocs_error *error);
/* Whether the daemon is about to take whatever has that name out of the index, so that none may be
 * put there now. As of the last look for it, of a library. */
bool ocs_index_message_leaves(struct ocs_index *index, uint64_t series, const char *message_id);
/* Whether no folder has that series, or had: the index is an older copy than where it is from. */
bool ocs_index_series_unknown(struct ocs_index *index, uint64_t series);
/* (transaction) Another message has the name now, or none; this MID was one of it. */
int ocs_index_message_gone(struct ocs_index *index, uint64_t series, const char *message_id,
                           uint64_t mid, struct ocs_error *error);

/* While one process holds it no other names a message: what is looked up under it is so until it is
 * released. Not in a transaction; before one. The owner holds it for each group of notifications,
 * a library to find or create one. Waits 2 s for another process at most: OCS_STORE_BUSY then;
 * OCS_STORE_MISSING where a daemon of before this has made the registry. */
int ocs_index_lock_names(struct ocs_index *index, struct ocs_error *error);
void ocs_index_unlock_names(struct ocs_index *index);

/* Between them what is looked up costs a fraction: see ocs_store_hold(). What was called missing is
 * so only if release says OK. */
void ocs_index_hold(struct ocs_index *index);
int ocs_index_release(struct ocs_index *index, struct ocs_error *error);

/* (transaction) n identifiers at once, the first in *first_r, the others by ocs_index_id_next. What
 * a killed process had taken is never given again, nor is what was taken in a transaction that was
 * cancelled. OCS_STORE_CORRUPT: the high-water mark of the file is damaged. */
int ocs_index_reserve(struct ocs_index *index, unsigned n, uint64_t *first_r,
                      struct ocs_error *error);
uint64_t ocs_index_id_next(uint64_t id);

/* What an identifier names, or named: path components joined by `/`, allocated on mem_ctx.
 * message_id NULL for a folder. Of what is deleted the names are those that it had; where only a
 * folder above it was renamed since, they follow that. OCS_STORE_MISSING: never given. */
struct ocs_index_name {
	char *user, *backend, *backend_user, *folder, *message_id;
	bool deleted; /* or a folder above it, or its folder has another uid validity now */
};
int ocs_index_lookup(struct ocs_index *index, const void *mem_ctx, uint64_t id,
                     struct ocs_index_name *out, struct ocs_error *error);

#endif
