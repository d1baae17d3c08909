/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What ocsctl does with an index as a whole: looks at all of it as it was at one moment, checks it,
 * writes it as text and takes such a text in, or the index of an OpenChange.
 *
 * One thread.
 */
#ifndef OCS_MAPISTORE_INDEX_TOOLS_H
#define OCS_MAPISTORE_INDEX_TOOLS_H

#include <stdio.h>

#include "mapistore/index.h"

/* What is told on the way. */
struct ocs_index_watch {
	/* Something is wrong: where (a key, or FILE:LINE), and what. */
	void (*fault)(void *arg, const char *where, const char *what);
	void (*progress)(void *arg, uint64_t records); /* done so far */
	void *arg;
};

/* The index as it is at one moment, with the messages on their way to it: to be read only, and
 * closed as any other. Others wait while the newest file is copied (into $TMPDIR or /var/tmp, where
 * the copy has no name); the older ones never change. */
int ocs_index_snapshot(const char *folder, uint16_t replica_id, bool fold,
                       struct ocs_index **index_r, struct ocs_error *error);

/* Calls each() for every record that counts, of all files: data NULL if it is damaged. There is a
 * NUL behind key and data. Prefix and return value as of ocs_store_each(). */
int ocs_index_each(struct ocs_index *index, int prefix, ocs_store_each_fn *each, void *arg,
                   struct ocs_error *error);

/* Whether a record says what the identifier of a folder names. */
bool ocs_index_names_folder(const void *key, size_t key_len, const uint8_t *data, size_t len,
                            uint64_t *id_r);

/* ---- check: index_check.c ---- */

struct ocs_index_checked {
	uint64_t records, users, folders, messages; /* deleted ones too */
	uint64_t aside;                             /* damaged ones that were set aside before */
	uint64_t faults;
	unsigned files; /* of those: files that are not whole, as a killed process leaves them */
};

/* Whether each record of a snapshot verifies, names lead to identifiers and back, folders and
 * messages agree, no number is used twice and none of this replica id is above the mark. -1: it
 * cannot be said. */
int ocs_index_check(struct ocs_index *snapshot, const struct ocs_index_watch *watch,
                    struct ocs_index_checked *out, struct ocs_error *error);

/* ---- export: index_export.c ---- */

struct ocs_index_exported {
	uint64_t users, folders, messages, left_out; /* left out: damaged */
};

/* A snapshot as text: see index_text.h. -1: it cannot be read, or not be written. */
int ocs_index_export(struct ocs_index *snapshot, FILE *out, const struct ocs_index_watch *watch,
                     struct ocs_index_exported *exported, struct ocs_error *error);

/* ---- import: index_import.c ---- */

struct ocs_index_imported {
	uint64_t users, folders, messages,
	        deleted;   /* taken in; deleted ones of both, not in them */
	uint64_t known;    /* that were there */
	uint64_t made;     /* folders that had to be there as well */
	uint64_t left_out; /* that no backend's template reads */
	uint64_t respelt;  /* whose URI is now spelt in another way, which means the same */
	uint64_t refused;  /* then nothing was changed */
	uint64_t counter;  /* where identifiers go on */
};

struct ocs_usermap;

struct ocs_index_backend {
	const char *name; /* canonical */
	const char *uri;  /* template */
};

struct ocs_index_source {
	const char *path;
	bool dry_run; /* changes nothing */
	struct ocs_name_rule names;
	const struct ocs_usermap *map; /* with the aliases; NULL: none */
	/* Of OpenChange's alone: */
	const char *user; /* whose it is; NULL: as its folder is called */
	bool leave_out;   /* what no template reads, instead of refusing it */
	const struct ocs_index_backend *backends;
	size_t n_backends;
};

/* Takes in a file of either kind, all of it or nothing: refused > 0, or -1. The index is one that
 * was opened without create, with no daemon about. Identifiers go on above all that came. */
int ocs_index_import(struct ocs_index *index, const struct ocs_index_source *source,
                     const struct ocs_index_watch *watch, struct ocs_index_imported *out,
                     struct ocs_error *error);

#endif
