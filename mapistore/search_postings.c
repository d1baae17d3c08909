/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The lists of the search layer as bytes: see search_postings.h. Pure functions. */
#include "mapistore/search_postings.h"

#include <string.h>

#include <talloc.h>

#include "base/bytes.h"

#define BLOCK_HEAD   18 /* end, number, the first one */
#define HEAD_SIZE    13 /* flags, number, number of blocks */
#define FLAG_COMMON  1
#define DISTANCE_MAX 10 /* bytes */

static size_t put_distance(uint8_t *out, uint64_t v)
{
	size_t n = 0;

	while (v >= 0x80) {
		out[n++] = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	out[n++] = (uint8_t)v;
	return n;
}

/* Its length; 0: there is none, or it is not what put_distance() writes. */
static size_t get_distance(const uint8_t *p, size_t len, uint64_t *v_r)
{
	uint64_t v = 0;

	for (size_t i = 0; i < len && i < DISTANCE_MAX; i++) {
		if (i == DISTANCE_MAX - 1 && p[i] > 1)
			return 0;
		v |= (uint64_t)(p[i] & 0x7f) << (7 * i);
		if (p[i] < 0x80) {
			*v_r = v;
			return i > 0 && p[i] == 0 ? 0 : i + 1;
		}
	}
	return 0;
}

/* Moves *value up by a distance that is read at *at. */
static int step(const uint8_t *data, size_t len, size_t *at, uint64_t *value)
{
	uint64_t distance;
	size_t n = get_distance(data + *at, len - *at, &distance);

	if (n == 0 || distance == 0 || distance > OCS_POSTINGS_END - *value)
		return -1;
	*at += n;
	*value += distance;
	return 0;
}

size_t ocs_postings_write(uint8_t *out, size_t size, const uint64_t *ids, size_t n, uint64_t end,
                          size_t *written_r)
{
	size_t len = BLOCK_HEAD, i;

	ocs_put64(out, end);
	ocs_put64(out + 10, n > 0 ? ids[0] : 0);
	for (i = 1; i < n && i < OCS_POSTINGS_MAX; i++) {
		uint8_t distance[DISTANCE_MAX];
		size_t more = put_distance(distance, ids[i] - ids[i - 1]);

		if (len + more > size)
			break;
		memcpy(out + len, distance, more);
		len += more;
	}
	*written_r = i < n ? i : n;
	ocs_put16(out + 8, (uint16_t)*written_r);
	return len;
}

int ocs_postings_read(const uint8_t *data, size_t len, struct ocs_postings *out)
{
	size_t at = BLOCK_HEAD;
	uint64_t id;

	if (len < BLOCK_HEAD)
		return -1;
	out->end = ocs_get64(data);
	out->n = ocs_get16(data + 8);
	id = ocs_get64(data + 10);
	if (out->n > OCS_POSTINGS_MAX)
		return -1;
	for (size_t i = 0; i < out->n; i++) {
		if (i > 0 && step(data, len, &at, &id) != 0)
			return -1;
		if (id >= out->end)
			return -1;
		out->ids[i] = id;
	}
	return 0;
}

int ocs_postings_head_read(const void *mem_ctx, const uint8_t *data, size_t len,
                           struct ocs_postings_head *out)
{
	size_t at = HEAD_SIZE;
	uint64_t low = 0;

	*out = (struct ocs_postings_head){.common = false};
	if (len < HEAD_SIZE || data[0] > FLAG_COMMON)
		return -1;
	out->common = (data[0] & FLAG_COMMON) != 0;
	out->count = ocs_get64(data + 1);
	out->blocks = ocs_get32(data + 9);
	if (out->blocks == 0) {
		out->inside = data + HEAD_SIZE;
		out->inside_len = len - HEAD_SIZE;
		return 0;
	}
	if (out->blocks - 1 > len - HEAD_SIZE)
		return -1;
	out->lows = talloc_array(mem_ctx, uint64_t, out->blocks);
	if (out->lows == NULL)
		return -1;
	out->lows[0] = 0;
	for (uint32_t i = 1; i < out->blocks; i++) {
		if (step(data, len, &at, &low) != 0) {
			TALLOC_FREE(out->lows);
			return -1;
		}
		out->lows[i] = low;
	}
	return 0;
}

uint8_t *ocs_postings_head_write(const void *mem_ctx, const struct ocs_postings_head *head,
                                 size_t *len_r)
{
	size_t size = HEAD_SIZE + head->inside_len + (size_t)head->blocks * DISTANCE_MAX;
	uint8_t *out = talloc_array(mem_ctx, uint8_t, size);

	*len_r = HEAD_SIZE;
	if (out == NULL)
		return NULL;
	out[0] = head->common ? FLAG_COMMON : 0;
	ocs_put64(out + 1, head->count);
	ocs_put32(out + 9, head->blocks);
	if (head->blocks == 0 && head->inside_len > 0) {
		memcpy(out + HEAD_SIZE, head->inside, head->inside_len);
		*len_r += head->inside_len;
	}
	for (uint32_t i = 1; i < head->blocks; i++)
		*len_r += put_distance(out + *len_r, head->lows[i] - head->lows[i - 1]);
	return out;
}
