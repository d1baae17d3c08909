/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The lists of the search layer, in records of a few hundred bytes to 2 KiB: see index_layer.h.
 * Touches the open index.
 *
 * A record has its full size from the beginning and is changed in place, none is removed: what a
 * record leaves behind that grows or goes is a gap, and libtdb looks through all gaps that are too
 * small before it finds room for any new record.
 *
 * Readers take no lock. A block says where it ends, so that who reads one that was split after the
 * head was read sees it, and reads the head again.
 */
#include "mapistore/index_layer.h"

#include <string.h>

#include <talloc.h>

#include "base/bytes.h"

#define KEY_HEAD   15  /* L, l, generation, kind, number */
#define KEY_BLOCK  23  /* L, b, the same, low */
#define HEAD_MIN   192 /* bytes of a head, a few dozen identifiers or blocks; grows by four */
#define INSIDE_MAX (HEAD_MIN - 13) /* bytes of a block that stays in the head */
#define HEAD_MAX   4096            /* bytes of the head of a list of grams; then it is common */
#define PATIENCE   16              /* times that a list is changed while it is read */

static size_t list_key(uint8_t out[KEY_BLOCK], const struct ocs_list_key *key, const uint64_t *low)
{
	out[0] = 'L';
	out[1] = low == NULL ? 'l' : 'b';
	ocs_put32(out + 2, key->generation);
	out[6] = (uint8_t)key->kind;
	ocs_put64(out + 7, key->number);
	if (low == NULL)
		return KEY_HEAD;
	ocs_put64(out + 15, *low);
	return KEY_BLOCK;
}

/* OK; MISSING, and *out is empty; DAMAGED. What out points to is on mem_ctx. */
static int head_read(struct ocs_index *index, const void *mem_ctx, const struct ocs_list_key *key,
                     struct ocs_postings_head *out, struct ocs_error *error)
{
	uint8_t bytes[KEY_BLOCK], *data;
	size_t len;
	int ret = ocs_index_fetch_whole(index, mem_ctx, bytes, list_key(bytes, key, NULL), &data,
	                                &len, error);

	*out = (struct ocs_postings_head){.common = false};
	if (ret != OCS_STORE_OK)
		return ret;
	return ocs_postings_head_read(mem_ctx, data, len, out) == 0 ? OCS_STORE_OK
	                                                            : OCS_STORE_DAMAGED;
}

static int block_read(struct ocs_index *index, const struct ocs_list_key *key, uint64_t low,
                      struct ocs_postings *out, struct ocs_error *error)
{
	uint8_t bytes[KEY_BLOCK], *data;
	size_t len;
	int ret = ocs_index_fetch_whole(index, index, bytes, list_key(bytes, key, &low), &data,
	                                &len, error);

	if (ret == OCS_STORE_OK &&
	    (ocs_postings_read(data, len, out) != 0 || (out->n > 0 && out->ids[0] < low)))
		ret = OCS_STORE_DAMAGED;
	talloc_free(data);
	return ret == OCS_STORE_MISSING ? OCS_STORE_DAMAGED : ret;
}

/* ---- adding ---- */

struct adding {
	struct ocs_index *index;
	const struct ocs_list_key *key;
	void *mem_ctx;
	struct ocs_postings_head head; /* as it will be */
	struct ocs_postings block;
	uint64_t *merged; /* the block with the new ones */
	size_t n_merged;
	struct ocs_error *error;
};

/* Both without doubles, into merged. */
static int merge(struct adding *adding, const uint64_t *numbers, size_t n)
{
	const struct ocs_postings *block = &adding->block;
	uint64_t *out = talloc_array(adding->mem_ctx, uint64_t, (unsigned)(block->n + n));
	size_t i = 0, j = 0, to = 0;

	talloc_free(adding->merged);
	adding->merged = out;
	if (out == NULL)
		return ocs_error_memory(adding->error);
	while (i < block->n || j < n) {
		bool old = j == n || (i < block->n && block->ids[i] <= numbers[j]);
		uint64_t id = old ? block->ids[i++] : numbers[j++];

		if (to == 0 || out[to - 1] != id)
			out[to++] = id;
	}
	adding->n_merged = to;
	adding->head.count += to - block->n;
	return OCS_STORE_OK;
}

static int add_low(struct adding *adding, uint64_t low)
{
	struct ocs_postings_head *head = &adding->head;
	uint64_t *more = talloc_realloc(adding->mem_ctx, head->lows, uint64_t, head->blocks + 1);

	if (more == NULL)
		return ocs_error_memory(adding->error);
	head->lows = more;
	more[head->blocks++] = low;
	return OCS_STORE_OK;
}

/* What was merged becomes the block at low, and others behind it where it does not fit. New
 * identifiers come behind all others: the last block is filled, one in between gets room. */
static int put_blocks(struct adding *adding, uint64_t low, uint64_t end)
{
	size_t size = end == OCS_POSTINGS_END ? OCS_POSTINGS_SIZE : OCS_POSTINGS_SIZE * 5 / 8;
	size_t at = 0, written;
	int ret = OCS_STORE_OK;

	if (end != OCS_POSTINGS_END) { /* as long as it fits it is one */
		uint8_t whole[OCS_POSTINGS_SIZE];

		ocs_postings_write(whole, sizeof(whole), adding->merged, adding->n_merged, end,
		                   &written);
		if (written == adding->n_merged)
			size = sizeof(whole);
	}
	while (ret == OCS_STORE_OK && at < adding->n_merged) {
		uint8_t data[OCS_POSTINGS_SIZE] = {0}, bytes[KEY_BLOCK];
		uint64_t begins = at == 0 ? low : adding->merged[at];

		ocs_postings_write(data, size, adding->merged + at, adding->n_merged - at, end,
		                   &written);
		at += written;
		if (at < adding->n_merged)
			ocs_put64(data, adding->merged[at]); /* its end */
		ret = add_low(adding, begins);
		if (ret == OCS_STORE_OK)
			ret = ocs_index_put(adding->index, bytes,
			                    list_key(bytes, adding->key, &begins), data,
			                    sizeof(data), adding->error);
	}
	return ret;
}

/* A list that has no blocks, into the head while they are few. */
static int add_inside(struct adding *adding, const struct ocs_postings_head *old,
                      const uint64_t *numbers, size_t n)
{
	uint8_t *inside = talloc_array(adding->mem_ctx, uint8_t, INSIDE_MAX);
	size_t written;
	int ret;

	adding->block.n = 0;
	if (inside == NULL)
		return ocs_error_memory(adding->error);
	if (old->inside_len > 0 &&
	    ocs_postings_read(old->inside, old->inside_len, &adding->block) != 0)
		return OCS_STORE_DAMAGED;
	ret = merge(adding, numbers, n);
	if (ret != OCS_STORE_OK)
		return ret;
	adding->head.inside = inside;
	adding->head.inside_len = ocs_postings_write(inside, INSIDE_MAX, adding->merged,
	                                             adding->n_merged, OCS_POSTINGS_END, &written);
	if (written == adding->n_merged)
		return OCS_STORE_OK;
	adding->head.inside_len = 0;
	return put_blocks(adding, 0, OCS_POSTINGS_END);
}

static int add_to_blocks(struct adding *adding, const struct ocs_postings_head *old,
                         const uint64_t *numbers, size_t n)
{
	int ret = OCS_STORE_OK;

	for (uint32_t i = 0; i < old->blocks && ret == OCS_STORE_OK; i++) {
		uint64_t end = i + 1 < old->blocks ? old->lows[i + 1] : OCS_POSTINGS_END;
		size_t some = 0;

		while (some < n && numbers[some] < end)
			some++;
		if (some == 0) {
			ret = add_low(adding, old->lows[i]);
			continue;
		}
		ret = block_read(adding->index, adding->key, old->lows[i], &adding->block,
		                 adding->error);
		if (ret == OCS_STORE_OK && adding->block.end != end)
			ret = OCS_STORE_DAMAGED;
		if (ret == OCS_STORE_OK)
			ret = merge(adding, numbers, some);
		if (ret == OCS_STORE_OK)
			ret = put_blocks(adding, old->lows[i], end);
		numbers += some;
		n -= some;
	}
	return ret;
}

/* A list of grams that is too long would be read by nobody who has another one to go by. */
static int put_head(struct adding *adding)
{
	bool grams = adding->key->kind == 'm' || adding->key->kind == 'f';
	uint8_t bytes[KEY_BLOCK], *data;
	size_t len, size = HEAD_MIN;

	data = ocs_postings_head_write(adding->mem_ctx, &adding->head, &len);
	if (data != NULL && grams && len > HEAD_MAX) {
		adding->head =
		        (struct ocs_postings_head){.common = true, .count = adding->head.count};
		data = ocs_postings_head_write(adding->mem_ctx, &adding->head, &len);
	}
	while (size < len)
		size *= 4;
	if (data != NULL)
		data = talloc_realloc(adding->mem_ctx, data, uint8_t, (unsigned)size);
	if (data == NULL)
		return ocs_error_memory(adding->error);
	memset(data + len, 0, size - len);
	return ocs_index_put(adding->index, bytes, list_key(bytes, adding->key, NULL), data, size,
	                     adding->error);
}

int ocs_list_add(struct ocs_index *index, const struct ocs_list_key *key, const uint64_t *numbers,
                 size_t n, struct ocs_error *error)
{
	struct adding *adding = talloc(index, struct adding);
	struct ocs_postings_head old;
	int ret;

	if (adding == NULL)
		return ocs_error_memory(error);
	adding->index = index;
	adding->key = key;
	adding->mem_ctx = adding;
	adding->merged = NULL;
	adding->error = error;
	ret = head_read(index, adding, key, &old, error);
	if (ret == OCS_STORE_MISSING)
		ret = OCS_STORE_OK;
	adding->head = (struct ocs_postings_head){.count = old.count};
	if (ret == OCS_STORE_OK && !old.common) {
		ret = old.blocks > 0 ? add_to_blocks(adding, &old, numbers, n)
		                     : add_inside(adding, &old, numbers, n);
		if (ret == OCS_STORE_OK)
			ret = put_head(adding);
	}
	talloc_free(adding);
	return ret;
}

/* ---- reading ---- */

struct ocs_list {
	struct ocs_index *index;
	struct ocs_list_key key;
	void *mem_ctx; /* of the head */
	struct ocs_postings_head head;
	bool loaded; /* block is that one */
	uint32_t at;
	struct ocs_postings block;
};

static int load_head(struct ocs_list *list, struct ocs_error *error)
{
	int ret;

	talloc_free(list->mem_ctx);
	list->loaded = false;
	list->mem_ctx = talloc_new(list);
	if (list->mem_ctx == NULL)
		return ocs_error_memory(error);
	ret = head_read(list->index, list->mem_ctx, &list->key, &list->head, error);
	if (ret == OCS_STORE_MISSING)
		return OCS_STORE_OK;
	if (ret != OCS_STORE_OK || list->head.blocks > 0 || list->head.inside_len == 0)
		return ret;
	list->loaded = true;
	list->at = 0;
	return ocs_postings_read(list->head.inside, list->head.inside_len, &list->block) == 0
	               ? OCS_STORE_OK
	               : OCS_STORE_DAMAGED;
}

int ocs_list_open(struct ocs_index *index, const void *mem_ctx, const struct ocs_list_key *key,
                  struct ocs_list **list_r, struct ocs_error *error)
{
	struct ocs_list *list = talloc(mem_ctx, struct ocs_list);

	*list_r = list;
	if (list == NULL)
		return ocs_error_memory(error);
	list->index = index;
	list->key = *key;
	list->mem_ctx = NULL;
	return load_head(list, error);
}

uint64_t ocs_list_count(const struct ocs_list *list)
{
	return list->head.count;
}

bool ocs_list_is_common(const struct ocs_list *list)
{
	return list->head.common;
}

/* The block that would have the number. */
static uint32_t block_of(const struct ocs_postings_head *head, uint64_t number)
{
	uint32_t low = 0, high = head->blocks; /* lows[low] <= number < lows[high] */

	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;

		if (head->lows[middle] <= number)
			low = middle;
		else
			high = middle;
	}
	return low;
}

static bool find_in(const struct ocs_postings *block, uint64_t at_least, uint64_t *number_r)
{
	size_t low = 0, high = block->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (block->ids[middle] < at_least)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == block->n)
		return false;
	*number_r = block->ids[low];
	return true;
}

/* As the head says; DAMAGED also where it has been split since. */
static int load_block(struct ocs_list *list, uint32_t at, struct ocs_error *error)
{
	const struct ocs_postings_head *head = &list->head;
	int ret;

	if (list->loaded && list->at == at)
		return OCS_STORE_OK;
	list->loaded = false;
	ret = block_read(list->index, &list->key, head->lows[at], &list->block, error);
	if (ret != OCS_STORE_OK)
		return ret;
	if (list->block.end != (at + 1 < head->blocks ? head->lows[at + 1] : OCS_POSTINGS_END))
		return OCS_STORE_DAMAGED;
	list->loaded = true;
	list->at = at;
	return OCS_STORE_OK;
}

static int seek_once(struct ocs_list *list, uint64_t at_least, uint64_t *number_r,
                     struct ocs_error *error)
{
	if (list->head.blocks == 0)
		return list->loaded && find_in(&list->block, at_least, number_r)
		               ? OCS_STORE_OK
		               : OCS_STORE_MISSING;
	for (uint32_t i = block_of(&list->head, at_least); i < list->head.blocks; i++) {
		int ret = load_block(list, i, error);

		if (ret != OCS_STORE_OK)
			return ret;
		if (find_in(&list->block, at_least, number_r))
			return OCS_STORE_OK;
	}
	return OCS_STORE_MISSING;
}

int ocs_list_seek(struct ocs_list *list, uint64_t at_least, uint64_t *number_r,
                  struct ocs_error *error)
{
	int ret = seek_once(list, at_least, number_r, error);

	for (int i = 0; ret == OCS_STORE_DAMAGED && i < PATIENCE; i++) {
		ret = load_head(list, error);
		if (ret == OCS_STORE_OK)
			ret = seek_once(list, at_least, number_r, error);
	}
	return ret;
}
