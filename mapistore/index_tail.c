/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The tail of the search layer: names that wait until they go into the lists together; see
 * index_layer.h. Touches the open index.
 */
#include "mapistore/index_layer.h"

#include <stdlib.h>
#include <string.h>

#include <talloc.h>

#include "base/bytes.h"

#define NAME_HEAD  19    /* kind, number, key, number of grams */
#define BLOCK_SIZE 4096  /* bytes of a block of the tail, unless a single name has more */
#define AT_ONCE    16384 /* names that go into the lists in one pass */

unsigned ocs_layer_tail_max = OCS_LAYER_TAIL;

/* ---- names as bytes ---- */

int ocs_layer_names_add(const void *mem_ctx, struct ocs_layer_names *names, char kind,
                        uint64_t number, uint64_t key, const struct ocs_search_grams *grams)
{
	unsigned n = ocs_search_grams_count(grams);
	size_t len = names->len + NAME_HEAD + 2 * (size_t)n;
	uint8_t *p;

	/* No list can have it. It is refused as an identifier; an index may have it from before. */
	if (number == OCS_POSTINGS_END)
		return 0;
	if (names->data == NULL || len > talloc_get_size(names->data)) {
		uint8_t *more = talloc_realloc_size(mem_ctx, names->data, 2 * len + BLOCK_SIZE);

		if (more == NULL)
			return -1;
		names->data = more;
	}
	p = names->data + names->len;
	p[0] = (uint8_t)kind;
	ocs_put64(p + 1, number);
	ocs_put64(p + 9, key);
	ocs_put16(p + 17, (uint16_t)n);
	p += NAME_HEAD;
	for (unsigned i = 0; i < OCS_SEARCH_GRAMS / 64; i++)
		for (uint64_t bits = grams->bits[i]; bits != 0; bits &= bits - 1) {
			ocs_put16(p, (uint16_t)(64 * i + (unsigned)__builtin_ctzll(bits)));
			p += 2;
		}
	names->len = len;
	names->n++;
	return 0;
}

int ocs_layer_names_next(const struct ocs_layer_names *names, size_t *at,
                         struct ocs_layer_name *out)
{
	const uint8_t *p = names->data + *at;
	size_t left = names->len - *at;

	if (left == 0)
		return 0;
	if (left < NAME_HEAD)
		return -1;
	*out = (struct ocs_layer_name){
	        .kind = (char)p[0],
	        .number = ocs_get64(p + 1),
	        .key = ocs_get64(p + 9),
	        .n = ocs_get16(p + 17),
	        .grams = p + NAME_HEAD,
	};
	if ((out->kind != 'm' && out->kind != 'f') || out->n > OCS_SEARCH_GRAMS ||
	    out->number == OCS_POSTINGS_END || left - NAME_HEAD < 2 * (size_t)out->n)
		return -1;
	for (unsigned i = 0; i < out->n; i++)
		if (ocs_get16(out->grams + 2 * i) >= OCS_SEARCH_GRAMS)
			return -1;
	*at += NAME_HEAD + 2 * (size_t)out->n;
	return 1;
}

static int append(const void *mem_ctx, struct ocs_layer_names *names, const uint8_t *data,
                  size_t len)
{
	if (names->data == NULL || names->len + len > talloc_get_size(names->data)) {
		uint8_t *more = talloc_realloc_size(mem_ctx, names->data,
		                                    2 * (names->len + len) + BLOCK_SIZE);

		if (more == NULL)
			return -1;
		names->data = more;
	}
	memcpy(names->data + names->len, data, len);
	names->len += len;
	return 0;
}

int ocs_layer_names_append(const void *mem_ctx, struct ocs_layer_names *names,
                           const struct ocs_layer_names *more)
{
	if (append(mem_ctx, names, more->data, more->len) != 0)
		return -1;
	names->n += more->n;
	return 0;
}

/* ---- blocks of the tail ---- */

#define TAIL_KEY 10

static void tail_key(uint8_t key[TAIL_KEY], uint32_t generation, uint32_t n)
{
	key[0] = 'L';
	key[1] = 't';
	ocs_put32(key + 2, generation);
	ocs_put32(key + 6, n);
}

/* The names in a block, behind those that are there. */
static int block_get(struct ocs_index *index, const struct ocs_layer_head *head, uint32_t n,
                     const void *mem_ctx, struct ocs_layer_names *names, struct ocs_error *error)
{
	uint8_t key[TAIL_KEY], *data;
	size_t size, len;
	int ret;

	tail_key(key, head->generation, n);
	ret = ocs_index_fetch_whole(index, index, key, sizeof(key), &data, &size, error);
	if (ret != OCS_STORE_OK)
		return ret == OCS_STORE_MISSING ? OCS_STORE_DAMAGED : ret;
	len = size >= 2 ? ocs_get16(data) : 0;
	if (size < 2 || len > size - 2)
		ret = OCS_STORE_DAMAGED;
	else if (append(mem_ctx, names, data + 2, len) != 0)
		ret = ocs_error_memory(error);
	talloc_free(data);
	return ret;
}

int ocs_layer_tail_read(struct ocs_index *index, const void *mem_ctx,
                        const struct ocs_layer_head *head, struct ocs_layer_names *names,
                        struct ocs_error *error)
{
	struct ocs_layer_name name;
	size_t at = names->len, n = names->n;
	int ret = OCS_STORE_OK, next;

	for (uint32_t i = 0; i < head->tail_end && ret == OCS_STORE_OK; i++)
		ret = block_get(index, head, i, mem_ctx, names, error);
	if (ret != OCS_STORE_OK)
		return ret;
	while ((next = ocs_layer_names_next(names, &at, &name)) == 1)
		n++;
	names->n = n;
	return next == 0 ? OCS_STORE_OK : OCS_STORE_DAMAGED;
}

/* As many names as fit go into block n, behind what is in it; *at moves on. */
static int fill_block(struct ocs_index *index, const struct ocs_layer_head *head, uint32_t n,
                      const struct ocs_layer_names *names, size_t *at, struct ocs_error *error)
{
	struct ocs_layer_names block = {.data = NULL};
	struct ocs_layer_name name;
	uint8_t key[TAIL_KEY], length[2] = {0}, room[BLOCK_SIZE] = {0};
	size_t end = *at, next = *at;
	int ret = append(index, &block, length, sizeof(length)) != 0 ? ocs_error_memory(error)
	                                                             : OCS_STORE_OK;

	if (ret == OCS_STORE_OK && n != head->tail_end)
		ret = block_get(index, head, n, index, &block, error);
	while (ret == OCS_STORE_OK && ocs_layer_names_next(names, &next, &name) == 1) {
		if (block.len + (next - *at) > BLOCK_SIZE && (block.len > 2 || end > *at))
			break;
		end = next;
	}
	if (ret == OCS_STORE_OK && end > *at) {
		if (append(index, &block, names->data + *at, end - *at) != 0)
			ret = ocs_error_memory(error);
		if (ret == OCS_STORE_OK)
			ocs_put16(block.data, (uint16_t)(block.len - 2));
		if (ret == OCS_STORE_OK && block.len < BLOCK_SIZE &&
		    append(index, &block, room, BLOCK_SIZE - block.len) != 0)
			ret = ocs_error_memory(error);
		tail_key(key, head->generation, n);
		if (ret == OCS_STORE_OK)
			ret = ocs_index_put(index, key, sizeof(key), block.data, block.len, error);
	}
	*at = end;
	talloc_free(block.data);
	return ret;
}

static int append_to_tail(struct ocs_index *index, struct ocs_layer_head *head,
                          const struct ocs_layer_names *names, struct ocs_error *error)
{
	size_t at = 0;
	int ret = OCS_STORE_OK;

	if (head->tail_end > 0)
		ret = fill_block(index, head, head->tail_end - 1, names, &at, error);
	while (ret == OCS_STORE_OK && at < names->len) {
		size_t before = at;

		ret = fill_block(index, head, head->tail_end, names, &at, error);
		if (ret == OCS_STORE_OK && at == before)
			ret = ocs_error_set(error, "a name for searches cannot be read");
		head->tail_end++;
	}
	head->tail_count += (uint32_t)names->n;
	return ret;
}

/* ---- into the lists ---- */

struct posting {
	uint64_t list, number;
	char kind;
};

struct postings {
	struct posting *all;
	size_t n, room;
};

static int compare_postings(const void *a, const void *b)
{
	const struct posting *x = a, *y = b;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	if (x->list != y->list)
		return x->list < y->list ? -1 : 1;
	return x->number < y->number ? -1 : x->number > y->number;
}

static int add_posting(struct postings *postings, char kind, uint64_t list, uint64_t number)
{
	if (postings->n == postings->room) {
		size_t room = postings->room * 2 + 4096;
		struct posting *more = reallocarray(postings->all, room, sizeof(*more));

		if (more == NULL)
			return -1;
		postings->all = more;
		postings->room = room;
	}
	postings->all[postings->n++] = (struct posting){list, number, kind};
	return 0;
}

static int add_name(struct postings *postings, const struct ocs_layer_name *name)
{
	int ret = 0;

	for (unsigned i = 0; i < name->n && ret == 0; i++)
		ret = add_posting(postings, name->kind, ocs_get16(name->grams + 2 * i),
		                  name->number);
	if (ret == 0)
		ret = add_posting(postings, name->kind == 'm' ? 's' : 'u', name->key, name->number);
	if (ret == 0 && name->kind == 'f')
		ret = add_posting(postings, 'a', 0, name->number);
	return ret;
}

/* List after list. */
static int put_postings(struct ocs_index *index, uint32_t generation,
                        const struct postings *postings, struct ocs_error *error)
{
	uint64_t *numbers = malloc((postings->n + 1) * sizeof(*numbers));
	int ret = numbers != NULL ? OCS_STORE_OK : ocs_error_memory(error);

	for (size_t i = 0, n; i < postings->n && ret == OCS_STORE_OK; i += n) {
		const struct posting *first = &postings->all[i];
		struct ocs_list_key key = {generation, first->kind, first->list};

		for (n = 0; i + n < postings->n && first[n].kind == first->kind &&
		            first[n].list == first->list;
		     n++)
			numbers[n] = first[n].number;
		ret = ocs_list_add(index, &key, numbers, n, error);
	}
	free(numbers);
	return ret;
}

static int into_lists(struct ocs_index *index, uint32_t generation,
                      const struct ocs_layer_names *names, struct ocs_error *error)
{
	struct ocs_layer_name name;
	size_t at = 0;
	int ret = OCS_STORE_OK, next = 1;

	while (ret == OCS_STORE_OK && next == 1) {
		struct postings postings = {.all = NULL};
		size_t n = 0;

		while (ret == OCS_STORE_OK && n++ < AT_ONCE &&
		       (next = ocs_layer_names_next(names, &at, &name)) == 1)
			if (add_name(&postings, &name) != 0)
				ret = ocs_error_memory(error);
		if (next < 0)
			ret = OCS_STORE_DAMAGED;
		if (ret == OCS_STORE_OK && postings.n > 0) {
			qsort(postings.all, postings.n, sizeof(*postings.all), compare_postings);
			ret = put_postings(index, generation, &postings, error);
		}
		free(postings.all);
	}
	return ret;
}

int ocs_layer_tail_write(struct ocs_index *index, struct ocs_layer_head *head,
                         const struct ocs_layer_names *names, struct ocs_error *error)
{
	struct ocs_layer_names all = {.data = NULL};
	int ret;

	if (head->tail_count + names->n < ocs_layer_tail_max)
		return append_to_tail(index, head, names, error);
	ret = ocs_layer_tail_read(index, index, head, &all, error);
	if (ret == OCS_STORE_OK && names->len > 0 &&
	    append(index, &all, names->data, names->len) != 0)
		ret = ocs_error_memory(error);
	if (ret == OCS_STORE_OK)
		ret = into_lists(index, head->generation, &all, error);
	if (ret == OCS_STORE_OK)
		head->tail_end = head->tail_count = 0; /* its blocks are used again */
	talloc_free(all.data);
	return ret;
}
