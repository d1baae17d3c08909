/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Where a search goes on, as text: for mapistore/index_search.c. Pure functions. */
#ifndef OCS_MAPISTORE_SEARCH_CURSOR_H
#define OCS_MAPISTORE_SEARCH_CURSOR_H

#include <stdint.h>

#include "mapistore/index_search.h"

struct ocs_search_position {
	uint32_t backend; /* hash of its name; 0: the first one */
	unsigned way;
	char plan;                   /* m or f; 0: not decided */
	uint64_t folder, list, name; /* the next ones to be looked at; list 0: the folder's own */
};

/* Of a text, after others or OCS_FNV32; never 0. */
uint32_t ocs_search_hash(uint32_t hash, const char *text);

/* check: a hash of what is searched for, so that a cursor is used with no other search. */
void ocs_search_cursor_write(const struct ocs_search_position *at, uint32_t check,
                             char out[OCS_INDEX_CURSOR_SIZE]);
/* NULL or "": the beginning. -1: it is none of this search. */
int ocs_search_cursor_read(const char *text, uint32_t check, struct ocs_search_position *out);

#endif
