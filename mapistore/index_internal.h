/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* What the files of the identifier index share: its struct, its keys, the helpers behind index.h.
 * Nobody else may use it. */
#ifndef OCS_MAPISTORE_INDEX_INTERNAL_H
#define OCS_MAPISTORE_INDEX_INTERNAL_H

#include <stdatomic.h>
#include <time.h>

#include "mapistore/agree.h"
#include "mapistore/index.h"
#include "mapistore/pending.h"
#include "mapistore/index_mark.h"

/* Chains of the first file. Later ones have more, see ocs_index_chains(). */
#define OCS_INDEX_HASH      131071
#define OCS_INDEX_FILES_MAX 64
/* Bytes of a file for each of its chains: two to three records. A record is found by reading
 * through its chain, so that a file with more in it is slow; one with more chains has a cost of its
 * own, since each transaction reads the heads of all. */
#define OCS_INDEX_CHAIN_MAX 256

#define OCS_INDEX_NOTES 6

struct ocs_index_note {
	int priority;
	struct ocs_error text;
};

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
	uint64_t boot;            /* ocs_index_boot() */
	uint64_t floor;           /* the owner: none below is given, as it found at its start */
	atomic_bool behind;       /* the file has a lower one than was given */
	struct ocs_index_note notes[OCS_INDEX_NOTES]; /* the owner's: what its start found */
	unsigned n_notes;
	uint16_t replica_id;
	bool salvaged;
	char *replicas; /* the owner: what stands in replica_ids */
	size_t replicas_len;
	bool fold; /* names of folders are case folded in keys */
	ocs_index_fixed_fn *fixed;
	void *fixed_arg;
	ocs_index_told_fn *told; /* by another node, see agree.h */
	void *told_arg;
	struct ocs_pending *pending; /* not the owner, who has them itself; NULL: not looked yet */
	bool frozen;                 /* it is a snapshot: what is pending stays as it was */
	uint64_t import_next;        /* while importing: the counter of the next one to give */
	int names_lock;              /* a descriptor; -1: not held */
	struct ocs_layer *layer;     /* of the search; NULL: the transaction has nothing for it */
};

/* The high-water mark of the counter. */
extern const char ocs_index_key_high_water[1];
/* The record that seals a file: another one follows. */
extern const char ocs_index_key_seal[1];
/* What is said of a missing or damaged one. */
extern const char ocs_index_goes_on[];

/* An identifier is the replica id, little-endian, then the counter with its first byte first. */
static inline uint64_t ocs_index_id_make(uint16_t replica_id, uint64_t counter)
{
	return replica_id | __builtin_bswap64(counter);
}

static inline uint64_t ocs_index_counter_of(uint64_t id)
{
	return __builtin_bswap64(id & ~0xffffULL);
}

static inline void ocs_index_raise_to(uint64_t *value, uint64_t least)
{
	if (*value < least)
		*value = least;
}

/* Kinds of I<id>: what follows the first byte. */
#define OCS_KIND_ROOT  'R' /* user */
#define OCS_KIND_TOP   'T' /* a top node: user NUL backend NUL b.user */
#define OCS_KIND_PLACE 'f' /* a folder: parent FID 64 (0: top level), top node 64, name */
/* The same as it was once, with the names in each folder: */
#define OCS_KIND_FOLDER                                                                            \
	'F' /* parent FID 64 (0: top level), then user NUL backend NUL b.user NUL name */
#define OCS_KIND_MESSAGE 'M' /* series 64, message id; stays when the message is deleted */
/* The same two of a folder that was deleted, or replaced by another of its name: */
#define OCS_KIND_PLACE_GONE  'd'
#define OCS_KIND_FOLDER_GONE 'D'
/* What another node calls, or this one called once, what has another identifier here: that one, 64
 * bits. See agree.h. */
#define OCS_KIND_ALIAS 'A'

/* index_files.c: records over all files. A record that does not verify reads as missing:
 * identifiers are then given anew, never reused. put and delete: (transaction). */
int ocs_index_fetch(struct ocs_index *index, const void *mem_ctx, const void *key, size_t key_len,
                    uint8_t **data_r, size_t *len_r, struct ocs_error *error);

/* The same, but DAMAGED where it does not verify, and it stays where it is. */
int ocs_index_fetch_whole(struct ocs_index *index, const void *mem_ctx, const void *key,
                          size_t key_len, uint8_t **data_r, size_t *len_r, struct ocs_error *error);

int ocs_index_put(struct ocs_index *index, const void *key, size_t key_len, const void *data,
                  size_t len, struct ocs_error *error);
int ocs_index_delete(struct ocs_index *index, const void *key, size_t key_len,
                     struct ocs_error *error);
/* Of file n in a folder. 0 or -1. */
int ocs_index_file_path(const char *folder, unsigned n, char path[PATH_MAX]);
/* Whether another file follows. */
bool ocs_index_sealed(struct ocs_store *store);
/* The high-water mark of the newest file in a folder that is not open here; 0: none that can be
 * read. Its path all the same. */
uint64_t ocs_index_newest(const char *folder, char path[PATH_MAX]);
/* What the record H of a file says: OK; MISSING, DAMAGED (*counter_r is 0), ERROR. put:
 * (transaction of that file). */
int ocs_index_high_water(struct ocs_store *store, uint64_t *counter_r, struct ocs_error *error);
int ocs_index_put_high_water(struct ocs_store *store, uint64_t counter, struct ocs_error *error);
/* Each file has that record: it tells one that was cut from one that is whole. */
void ocs_index_anchor(struct ocs_store *store);
/* Whether records with that first byte are made from the others by a layer above them, and made
 * again from them: neither checked nor exported. */
bool ocs_index_derived(uint8_t prefix);
/* Whether a record says nothing of names: a derived one, the seal, what was written to try. */
bool ocs_index_beside(const uint8_t *key, size_t key_len);
/* Whether any other record verifies: where the record H does not, this tells damage from a file of
 * another version, which is not to be touched. */
bool ocs_index_readable(struct ocs_store *store);
/* Opens a file; the owner has it checked, and salvaged if need be. */
int ocs_index_open_file(struct ocs_index *index, const char *path, gid_t gid,
                        struct ocs_store **store_r, struct ocs_error *error);
/* How many chains file n is made with: the first are for small indexes. */
unsigned ocs_index_chains(const struct ocs_index *index, unsigned n);
/* After the first one is open. */
int ocs_index_open_others(struct ocs_index *index, gid_t gid, struct ocs_error *error);
/* index_look.c: remembers the list of replica ids. 0 or -1. */
int ocs_index_keep_replicas(struct ocs_index *index, struct ocs_error *error);

/* index_counter.c: the owner's start, once all files are open: from where on the counter goes. What
 * it found is noted. place: an ocs_index_place. */
int ocs_index_counter_open(struct ocs_index *index, int place, struct ocs_error *error);
void ocs_index_note_move(struct ocs_index *index, const struct ocs_error *text);
/* (transaction) From here on identifiers are given as of an import: from least on, and above all
 * that were given; nothing is written for it. fits: whether any are left then. commit, where it
 * fits: the mark is raised, on the disk, and what was done is committed. A failure leaves the
 * transaction to be cancelled. */
int ocs_index_import_count(struct ocs_index *index, uint64_t least, struct ocs_error *error);
int ocs_index_import_fits(const struct ocs_index *index, struct ocs_error *error);
int ocs_index_import_commit(struct ocs_index *index, struct ocs_error *error);
/* Sets the record H, in a transaction of its own. */
int ocs_index_counter_set(struct ocs_index *index, uint64_t counter, struct ocs_error *error);
/* Whether a file with that high-water mark is older than the mark knows; the text says so. */
bool ocs_index_behind(const struct ocs_index_mark *mark, const char *path, uint64_t high_water,
                      struct ocs_error *error);

/* Before reading outside a transaction: follows the daemon to a file it has begun. */
void ocs_index_refresh(struct ocs_index *index);

int ocs_index_name_put(struct ocs_index *index, uint64_t id, char kind, const void *data,
                       size_t len, struct ocs_error *error);

/* index_folder.c: (transaction) The root of a user who has none; a folder that has that FID: to one
 * that is there it is a second one. */
int ocs_index_root_place(struct ocs_index *index, const char *user, uint64_t fid,
                         struct ocs_error *error);
int ocs_index_folder_place(struct ocs_index *index, const struct ocs_folder_name *name,
                           uint64_t fid, struct ocs_index_folder *out, struct ocs_error *error);

/* index_known.c: what I<id> says. The texts are in the record, which has a NUL behind it. */
struct ocs_index_known {
	char kind; /* of what is not deleted: a folder has OCS_KIND_PLACE or _FOLDER */
	bool gone;
	uint64_t parent, top; /* of a folder; top 0: it has the three names itself */
	uint64_t series;      /* of a message */
	const char *user, *backend, *backend_user; /* of a root the first, of a top node all */
	const char *name;                          /* a folder's own, or the message id */
};
int ocs_index_known_parse(const uint8_t *data, size_t len, struct ocs_index_known *out);
/* data_r: to be freed, NULL unless OK. MISSING: also one that cannot be. */
int ocs_index_known(struct ocs_index *index, uint64_t id, uint8_t **data_r,
                    struct ocs_index_known *out, struct ocs_error *error);

/* A key of a record as people are shown it. Returns out. */
#define OCS_INDEX_KEY_SHOWN (OCS_NAME_SHOWN_SIZE + 32)
const char *ocs_index_key_show(const uint8_t *key, size_t key_len, char out[OCS_INDEX_KEY_SHOWN]);

/* What is pending is as it is now from here on. */
int ocs_index_freeze(struct ocs_index *index, struct ocs_error *error);
/* The folder of a series, as its FID; whether it has another series now. */
int ocs_index_series_get(struct ocs_index *index, uint64_t series, uint64_t *fid_r, bool *retired_r,
                         struct ocs_error *error);
/* The folder of that identifier is deleted; what it was stays known. */
int ocs_index_name_gone(struct ocs_index *index, uint64_t id, struct ocs_error *error);
/* Which folder a series belongs to, as its FID; and that it was its series once. */
int ocs_index_series_put(struct ocs_index *index, uint64_t series, uint64_t fid,
                         struct ocs_error *error);
int ocs_index_series_retire(struct ocs_index *index, uint64_t series, uint64_t fid,
                            struct ocs_error *error);
/* The identifier that one leads to; itself where it is no alias. */
uint64_t ocs_index_follow(struct ocs_index *index, uint64_t id);
/* index_agree.c: what another node calls a folder that is about to be made, if it can be taken;
 * else 0. */
uint64_t ocs_index_told_id(struct ocs_index *index, const struct ocs_folder_name *whose,
                           const char *path);
/* Known, and not as deleted. */
bool ocs_index_name_known(struct ocs_index *index, uint64_t id);
/* What the daemon has named and not brought into the index yet, for a library; a non-zero return of
 * each() stops. */
void ocs_index_each_pending(struct ocs_index *index, ocs_pending_each_fn *each, void *arg);
/* The name of one of those: series, and message id, valid until the next look. */
bool ocs_index_pending_name(struct ocs_index *index, uint64_t mid, uint64_t *series_r,
                            const char **message_id_r);
/* The way back from one identifier, the record I<id>: its kind, and what follows it.
 * OCS_STORE_MISSING: none. */
int ocs_index_name_get(struct ocs_index *index, const void *mem_ctx, uint64_t id, uint8_t **data_r,
                       size_t *len_r, struct ocs_error *error);

#endif
