/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The identifier index: index.tdb in the registry folder, and index.1.tdb and so on once that is
 * full (index_files.c), shared by daemon and library.
 *
 * Gives folders and messages their 64-bit identifiers (16-bit replica id, 48-bit counter: unique in
 * the whole system, never used twice) at first sight and keeps them both ways.
 *
 *   H                          the high-water mark of the counter
 *   R<user>                    the user's root: FID
 *   N<user><backend><b.user>   the node under which that mail store's top-level folders hang
 *   F<node><name>              a folder under a node: FID, own node, message series, uid validity
 *   S<series>                  the folder whose messages that series has: FID
 *   M<series><message id>      a message of a folder: MID, whether it was announced, and
 *                              where it is known which mail it was
 *   I<id>                      back: what an identifier names; of a folder its parent, its top
 *                              node and its own name; of a top node user, backend, b.user
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
 * although identifiers of this replica id were given: they could repeat. The text says what to do.
 */
int ocs_index_open(const char *folder, uint16_t replica_id, bool create, struct ocs_index **index_r,
                   struct ocs_error *error);
/* What ocs_index_open() would say, which changes nothing: -1 with what to do, where it would refuse
 * or no identifier could be given; 1 with the reason, where it would salvage. read: the file is
 * read too, not only looked for. */
int ocs_index_look(const char *folder, uint16_t replica_id, bool read, struct ocs_error *error);

/* Whether every file is still there under its name: 0, or -1 with which is not. For the owner. */
int ocs_index_present(struct ocs_index *index, const struct ocs_store **missing_r,
                      struct ocs_error *error);
/* Where the list of replica ids is gone, it is written again: 1 with the error saying so; 0: it is
 * there; -1: it cannot be. For the owner. */
int ocs_index_look_replicas(struct ocs_index *index, struct ocs_error *error);
void ocs_index_close(struct ocs_index *index);
/* Whether open found it damaged and kept what verified, the high-water mark included. */
bool ocs_index_salvaged(const struct ocs_index *index);
struct ocs_store *ocs_index_store(struct ocs_index *index); /* its newest file */

/* A file that is larger than this is followed by a new one: far enough from the 3 GiB that the
 * store refuses at for what a single transaction can hold, and still quick to check at start. */
#define OCS_INDEX_FILE_MAX (1ULL << 30)
/* All files together, until ocs_index_set_limits(). */
#define OCS_INDEX_SIZE_MAX (16ULL << 30)

struct ocs_index_sizes {
	uint64_t bytes, limit; /* of all files */
	unsigned files;
	bool no_new_file; /* the newest is too large, and another one cannot be made */
	bool behind;      /* an older copy took its place; identifiers were skipped */
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

/* Gives a FID fixed by the user map, 0 if none. */
typedef uint64_t ocs_index_fixed_fn(void *arg, const struct ocs_folder_name *name);
void ocs_index_set_fixed(struct ocs_index *index, ocs_index_fixed_fn *fixed, void *arg);

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

int ocs_index_message(struct ocs_index *index, uint64_t series, const char *message_id,
                      struct ocs_index_message *out, struct ocs_error *error);
/* (transaction) */
int ocs_index_message_put(struct ocs_index *index, const struct ocs_index_folder *folder,
                          const char *message_id, const struct ocs_index_message *message,
                          struct ocs_error *error);
int ocs_index_message_delete(struct ocs_index *index, uint64_t series, const char *message_id,
                             struct ocs_error *error);

/* (transaction) n identifiers at once, the first in *first_r, the others by ocs_index_id_next. The
 * mark is on the disk when the transaction is; what a killed process had taken is never given
 * again. */
int ocs_index_reserve(struct ocs_index *index, unsigned n, uint64_t *first_r,
                      struct ocs_error *error);
uint64_t ocs_index_id_next(uint64_t id);

/* What an identifier names: path components joined by `/`, allocated on mem_ctx. message_id NULL
 * for a folder. */
struct ocs_index_name {
	char *user, *backend, *backend_user, *folder, *message_id;
};
int ocs_index_lookup(struct ocs_index *index, const void *mem_ctx, uint64_t id,
                     struct ocs_index_name *out, struct ocs_error *error);

#endif
