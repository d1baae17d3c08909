/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Which names a search has to look at, in the order of their numbers: what is in several lists of
 * the search layer at once, and what is in its tail. For mapistore/index_search.c alone.
 */
#ifndef OCS_MAPISTORE_INDEX_STREAM_H
#define OCS_MAPISTORE_INDEX_STREAM_H

#include "mapistore/index_layer.h"

/* The tail as it was at the beginning of a search, and what is pending (mapistore/pending.h). */
struct ocs_stream_tail;

/* OK, MISSING: the layer is not ready, BUSY: it changes too fast, DAMAGED, ERROR. */
int ocs_stream_tail_read(struct ocs_index *index, const void *mem_ctx,
                         struct ocs_stream_tail **tail_r, struct ocs_error *error);

struct ocs_stream;

/* Names of a kind (m, f) that have the grams, of one list (its kind '\0': none). Without grams and
 * list: all folders. On mem_ctx. */
int ocs_stream_open(struct ocs_index *index, const void *mem_ctx,
                    const struct ocs_stream_tail *tail, char kind,
                    const struct ocs_search_grams *grams, char list, uint64_t number,
                    struct ocs_stream **stream_r, struct ocs_error *error);
/* All its lists are too long to be kept: it knows of the tail only. */
bool ocs_stream_is_blind(const struct ocs_stream *stream);
/* It has at most so many. */
uint64_t ocs_stream_most(const struct ocs_stream *stream);
/* The first one that is not smaller: OK or MISSING. */
int ocs_stream_next(struct ocs_stream *stream, uint64_t at_least, uint64_t *number_r,
                    struct ocs_error *error);
/* The other folders whose messages are some of this one's: as ocs_list_open(). */
int ocs_stream_others(struct ocs_index *index, const void *mem_ctx,
                      const struct ocs_stream_tail *tail, uint64_t fid_number,
                      struct ocs_list **list_r, struct ocs_error *error);

#endif
