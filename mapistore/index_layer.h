/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The search layer of the identifier index: which identifiers have something in their names
 * (search_pattern.h), in the files of the index, written in the transactions that write the names.
 * For mapistore/index*.c alone; index_search.h is for the others.
 *
 *   LH                        its state, generation and tail, and how far the index had come
 *   Lt<generation><n>         a block of the tail: names that are not in the lists yet
 *   Ll<generation><list>      a list: its head, with the identifiers themselves while they are few
 *   Lb<generation><list><low> a block of it (search_postings.h)
 *
 * A list is a kind and a number:
 *
 *   m<gram>   messages whose id has that gram
 *   f<gram>   folders whose names have it
 *   s<FID>    messages of a folder
 *   o<FID>    folders among whose messages are some of this one: INBOX was renamed to it
 *   u<hash>   folders of a user
 *   a0        all folders
 *
 * Names only come: the layer is never asked whether something is so, only where to look, and what
 * is found there is looked at in the records. So a rename adds names, a deletion changes nothing,
 * and adding twice is harmless. To go into one list after the other for each message would rewrite
 * each of its lists' last blocks; so names wait in the tail, which every search reads through,
 * until there are OCS_LAYER_TAIL of them, and go into the lists together.
 *
 * What does not verify in it is dropped with all the rest: it is built again from the records
 * (index_build.c), under another generation.
 */
#ifndef OCS_MAPISTORE_INDEX_LAYER_H
#define OCS_MAPISTORE_INDEX_LAYER_H

#include "mapistore/index_internal.h"
#include "mapistore/search_pattern.h"
#include "mapistore/search_postings.h"

#define OCS_LAYER_TAIL 4096         /* names */
extern unsigned ocs_layer_tail_max; /* the same; for tests */

enum ocs_layer_state {
	OCS_LAYER_NONE = 0,
	OCS_LAYER_BUILDING = 1, /* names go in; what was there before does, step by step */
	OCS_LAYER_READY = 2,
};

struct ocs_layer_head {
	enum ocs_layer_state state;
	uint32_t generation;
	uint64_t mark; /* the high-water mark of the index when it was written last */
	uint32_t tail_end, tail_count; /* blocks of it, from 0 on, and names in them */
	uint32_t file, chain;          /* BUILDING: the next to be read */
};

/* OK or MISSING, where there is none that can be read: then *out is NONE; ERROR. put:
 * (transaction). */
int ocs_layer_head_get(struct ocs_index *index, struct ocs_layer_head *out,
                       struct ocs_error *error);
int ocs_layer_head_put(struct ocs_index *index, const struct ocs_layer_head *head,
                       struct ocs_error *error);

/* ---- lists: index_list.c. DAMAGED where one does not hold together. ---- */

struct ocs_list_key {
	uint32_t generation;
	char kind;
	uint64_t number;
};

/* (transaction) Adds ascending numbers. */
int ocs_list_add(struct ocs_index *index, const struct ocs_list_key *key, const uint64_t *numbers,
                 size_t n, struct ocs_error *error);

struct ocs_list;
/* OK also where there is none: it is empty then. On mem_ctx. */
int ocs_list_open(struct ocs_index *index, const void *mem_ctx, const struct ocs_list_key *key,
                  struct ocs_list **list_r, struct ocs_error *error);
uint64_t ocs_list_count(const struct ocs_list *list);
/* Whether it is too long for what it says, and not kept. */
bool ocs_list_is_common(const struct ocs_list *list);
/* The first number in it that is not smaller: OK, or MISSING. What others add meanwhile may be seen
 * or not. */
int ocs_list_seek(struct ocs_list *list, uint64_t at_least, uint64_t *number_r,
                  struct ocs_error *error);

/* ---- names on their way into the lists: index_tail.c ---- */

/* Of a message (kind m, key: the number of its folder's FID) or of a folder (kind f, key: the hash
 * of its user). */
struct ocs_layer_name {
	char kind;
	uint64_t number, key;
	uint16_t n;           /* grams */
	const uint8_t *grams; /* 16 each, ascending */
};

/* A run of them as bytes; talloc on what it was begun with. */
struct ocs_layer_names {
	uint8_t *data; /* NULL: none */
	size_t len, n;
};

int ocs_layer_names_add(const void *mem_ctx, struct ocs_layer_names *names, char kind,
                        uint64_t number, uint64_t key, const struct ocs_search_grams *grams);
int ocs_layer_names_append(const void *mem_ctx, struct ocs_layer_names *names,
                           const struct ocs_layer_names *more);
/* The next one at *at, which moves on: 1; 0: there is none; -1: damaged. */
int ocs_layer_names_next(const struct ocs_layer_names *names, size_t *at,
                         struct ocs_layer_name *out);
/* Appends all names of the tail. OK, DAMAGED, ERROR. */
int ocs_layer_tail_read(struct ocs_index *index, const void *mem_ctx,
                        const struct ocs_layer_head *head, struct ocs_layer_names *names,
                        struct ocs_error *error);
/* (transaction) Puts names into the tail, or all of it into the lists. head is changed. */
int ocs_layer_tail_write(struct ocs_index *index, struct ocs_layer_head *head,
                         const struct ocs_layer_names *names, struct ocs_error *error);

/* ---- what a transaction changes: index_layer.c, and its end: index_layer_commit.c ---- */

/* INBOX was renamed to another folder. */
struct ocs_layer_moved {
	uint64_t from, to; /* FIDs */
};

struct ocs_layer {
	bool off;                        /* there is none, so nothing is noted */
	struct ocs_layer_names messages; /* their key is the series, until the commit */
	uint64_t *folders, *renamed;
	struct ocs_layer_moved *moved;
	unsigned n_folders, n_renamed, n_moved;
};

uint64_t ocs_layer_user(const char *user); /* its hash */

/* (transaction) What they say is written by ocs_layer_commit(). -1: out of memory. */
int ocs_layer_note_message(struct ocs_index *index, uint64_t mid, uint64_t series,
                           const char *message_id);
int ocs_layer_note_folder(struct ocs_index *index, uint64_t fid, bool renamed);
int ocs_layer_note_moved(struct ocs_index *index, uint64_t from_fid, uint64_t to_fid);
/* At the end of a transaction of the index. Damage of the layer drops it, and is no error. */
int ocs_layer_commit(struct ocs_index *index, struct ocs_error *error);
void ocs_layer_cancel(struct ocs_index *index);

/* (transaction) Nothing was left out while the high-water mark was this one: then it may be raised
 * to another; else the layer is dropped. For who raises it without giving identifiers. */
int ocs_layer_follow(struct ocs_index *index, uint64_t was, uint64_t is, struct ocs_error *error);
/* (transaction) An empty one for an empty index. */
int ocs_layer_begin(struct ocs_index *index, uint64_t mark, struct ocs_error *error);
/* (transaction) It is built anew. */
int ocs_layer_drop(struct ocs_index *index, struct ocs_error *error);

#endif
