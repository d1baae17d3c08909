/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The lists that the search layer is made of (index_layer.h), as bytes: which identifiers have
 * something. Identifiers are numbered here so that those of one replica id are neighbours.
 *
 *   block   end 64, number of identifiers 16, the first one 64, then the distance of each from the
 *           one before it; whatever follows is room to grow into
 *   head    flags 8, number of identifiers 64, number of blocks 32, then the lowest number that
 *           each block may have but the first, as distances; without blocks, one block here
 *
 * A block has the numbers from the lowest that it may have up to its end, which is the next one's
 * lowest. Integers are little-endian, distances 7 bits a byte, the lowest first. Pure functions.
 */
#ifndef OCS_MAPISTORE_SEARCH_POSTINGS_H
#define OCS_MAPISTORE_SEARCH_POSTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OCS_POSTINGS_SIZE 2048 /* bytes of a block */
#define OCS_POSTINGS_MAX                                                                           \
	OCS_POSTINGS_SIZE           /* identifiers in one, which take a byte each at least         \
	                             */
#define OCS_POSTINGS_END UINT64_MAX /* of the last block; no identifier has that number */

struct ocs_postings {
	uint64_t end;
	size_t n;
	uint64_t ids[OCS_POSTINGS_MAX]; /* ascending, each once */
};

/* Writes as many of the identifiers as fit into size bytes (at least 32, at most
 * OCS_POSTINGS_SIZE), and how many those are. Returns the length. */
size_t ocs_postings_write(uint8_t *out, size_t size, const uint64_t *ids, size_t n, uint64_t end,
                          size_t *written_r);
/* -1: it is no block. */
int ocs_postings_read(const uint8_t *data, size_t len, struct ocs_postings *out);

struct ocs_postings_head {
	bool common;    /* too long to be of use: nothing is in it */
	uint64_t count; /* identifiers */
	uint32_t blocks;
	uint64_t *lows;        /* of each block, lows[0] is 0; talloc, NULL without any */
	const uint8_t *inside; /* without blocks: the block in the head itself */
	size_t inside_len;
};

/* The lowest numbers are on mem_ctx, inside is in the data. -1: it is none, or out of memory. */
int ocs_postings_head_read(const void *mem_ctx, const uint8_t *data, size_t len,
                           struct ocs_postings_head *out);
/* A talloc array on mem_ctx, or NULL. */
uint8_t *ocs_postings_head_write(const void *mem_ctx, const struct ocs_postings_head *head,
                                 size_t *len_r);

/* The number of an identifier, and back. */
static inline uint64_t ocs_postings_number(uint64_t id)
{
	return (id & 0xffff) << 48 | __builtin_bswap64(id & ~0xffffULL);
}

static inline uint64_t ocs_postings_id(uint64_t number)
{
	return number >> 48 | __builtin_bswap64(number & 0xffffffffffffULL);
}

#endif
