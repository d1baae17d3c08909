/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* What the files of the identifier index share: its struct, its keys, the helpers behind index.h.
 * Nobody else may use it. */
#ifndef OCS_MAPISTORE_INDEX_INTERNAL_H
#define OCS_MAPISTORE_INDEX_INTERNAL_H

#include <stdatomic.h>
#include <time.h>

#include "mapistore/index.h"

/* Chains of the first file, and of the later ones, which come only when there is much. A
 * transaction reads the heads of all of them. */
#define OCS_INDEX_HASH       131071
#define OCS_INDEX_LATER_HASH 524287
#define OCS_INDEX_FILES_MAX  64

struct ocs_index {
	struct ocs_store *store;                       /* the newest file */
	struct ocs_store *sealed[OCS_INDEX_FILES_MAX]; /* the others, oldest first */
	unsigned n_sealed;
	uint64_t sealed_bytes;
	char *folder;
	bool owner; /* the daemon: makes files, checks them */
	uint64_t file_max;
	atomic_uint_fast64_t size_max;
	atomic_bool no_new_file; /* one was wanted and cannot be made */
	time_t tried;            /* when it was tried last */
	uint32_t seqnum_seen;
	uint64_t mark, next_mark; /* of the identifiers: committed, and in the transaction */
	atomic_bool behind;       /* the file has a lower one than this process has seen */
	uint16_t replica_id;
	bool salvaged;
	char *replicas; /* the owner: what stands in replica_ids */
	size_t replicas_len;
	ocs_index_fixed_fn *fixed;
	void *fixed_arg;
};

/* The record that seals a file: another one follows. */
extern const char ocs_index_key_seal[1];
/* What is said of a missing or damaged one. */
extern const char ocs_index_goes_on[];

/* Kinds of I<id>: what follows the first byte. */
#define OCS_KIND_ROOT  'R' /* user */
#define OCS_KIND_TOP   'T' /* a top node: user NUL backend NUL b.user */
#define OCS_KIND_PLACE 'f' /* a folder: parent FID 64 (0: top level), top node 64, name */
/* The same as it was once, with the names in each folder: */
#define OCS_KIND_FOLDER                                                                            \
	'F' /* parent FID 64 (0: top level), then user NUL backend NUL b.user NUL name */
#define OCS_KIND_MESSAGE 'M' /* series 64, message id */

/* index_files.c: records over all files. A record that does not verify reads as missing:
 * identifiers are then given anew, never reused. put and delete: (transaction). */
int ocs_index_fetch(struct ocs_index *index, const void *mem_ctx, const void *key, size_t key_len,
                    uint8_t **data_r, size_t *len_r, struct ocs_error *error);

int ocs_index_put(struct ocs_index *index, const void *key, size_t key_len, const void *data,
                  size_t len, struct ocs_error *error);
int ocs_index_delete(struct ocs_index *index, const void *key, size_t key_len,
                     struct ocs_error *error);
/* Opens a file; the owner has it checked, and salvaged if need be. */
int ocs_index_open_file(struct ocs_index *index, const char *path, gid_t gid,
                        struct ocs_store **store_r, struct ocs_error *error);
/* After the first one is open. */
int ocs_index_open_others(struct ocs_index *index, gid_t gid, struct ocs_error *error);
/* index_look.c: remembers the list of replica ids. 0 or -1. */
int ocs_index_keep_replicas(struct ocs_index *index, struct ocs_error *error);
/* Before reading outside a transaction: follows the daemon to a file it has begun. */
void ocs_index_refresh(struct ocs_index *index);

int ocs_index_name_put(struct ocs_index *index, uint64_t id, char kind, const void *data,
                       size_t len, struct ocs_error *error);
int ocs_index_name_delete(struct ocs_index *index, uint64_t id, struct ocs_error *error);
/* Which folder a series belongs to, as its FID. */
int ocs_index_series_put(struct ocs_index *index, uint64_t series, uint64_t fid,
                         struct ocs_error *error);
int ocs_index_series_get(struct ocs_index *index, uint64_t series, uint64_t *fid_r,
                         struct ocs_error *error);
bool ocs_index_name_known(struct ocs_index *index, uint64_t id);

#endif
