/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Patterns of URIs, in which `*` is any run of characters, and what a name must have in it so that
 * a URI made of it can match.
 *
 * What is indexed of a name are its grams: each three characters in a row of its percent-encoded
 * form, with a mark before its first and behind its last one. They are told apart by a number of 12
 * bits only, so that there are at most 4,096 lists of them; what the lists lead to is looked at
 * again. A folder has those of its backend user and of its path, in all the spellings that a
 * template may ask for (mapistore/uri.h), and its backend as one.
 *
 * A URI is a head, which the folder decides, and a tail with the message. The ways in which a
 * pattern can match are the places in it where the tail may begin. Pure functions; any thread.
 */
#ifndef OCS_MAPISTORE_SEARCH_PATTERN_H
#define OCS_MAPISTORE_SEARCH_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define OCS_SEARCH_GRAMS       4096
#define OCS_SEARCH_PATTERN_MAX 4096 /* bytes */
#define OCS_SEARCH_STARS_MAX   32

/* Which grams; all zero: none. */
struct ocs_search_grams {
	uint64_t bits[OCS_SEARCH_GRAMS / 64];
};

static inline void ocs_search_gram_set(struct ocs_search_grams *grams, unsigned gram)
{
	grams->bits[gram / 64] |= 1ULL << (gram % 64);
}

static inline bool ocs_search_gram_has(const struct ocs_search_grams *grams, unsigned gram)
{
	return (grams->bits[gram / 64] >> (gram % 64) & 1) != 0;
}

unsigned ocs_search_grams_count(const struct ocs_search_grams *grams);

/* Adds those of len characters in a row of a name: from its first one on, to its last one. */
void ocs_search_grams_add(struct ocs_search_grams *grams, const char *text, size_t len, bool first,
                          bool last);
/* The gram that a folder has for its backend. */
unsigned ocs_search_gram_backend(const char *backend);

/* Those of a message id, and of a folder. -1: out of memory. */
int ocs_search_message_grams(const char *message_id, struct ocs_search_grams *out);
int ocs_search_folder_grams(const char *backend, const char *backend_user, const char *folder,
                            struct ocs_search_grams *out);

/* A pattern in one spelling: one `*` for several, %xx in capitals. Talloc on mem_ctx; NULL with the
 * reason if it is none, or out of memory. */
char *ocs_search_pattern(const void *mem_ctx, const char *text, struct ocs_error *error);
bool ocs_search_matches(const char *pattern, const char *text);

/* One way in which URIs of a backend can match. */
struct ocs_search_way {
	const char *head, *tail; /* patterns; tail NULL: a folder's whole URI is the head */
	/* What the names must have. */
	struct ocs_search_grams folder, message;
};

/* A backend's URIs, by a template as people are shown it: none can match by a password. */
struct ocs_search_form {
	const char *template;
	const char *head, *tail; /* templates: what comes before {message}, and from there on */
	const char *folder;      /* of a folder's URI */
	bool plain; /* head and tail are decided apart; else one way has all messages */
	struct ocs_search_way *ways; /* folders first; each in an order that stays the same */
	size_t n_ways;
};

/* Allocated on mem_ctx; NULL: out of memory. pattern: of ocs_search_pattern(). */
struct ocs_search_form *ocs_search_form(const void *mem_ctx, const char *pattern,
                                        const char *template);

#endif
