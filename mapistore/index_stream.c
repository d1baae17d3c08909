/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Candidates of a search: see index_stream.h. Reads the open index. */
#include "mapistore/index_stream.h"

#include <stdlib.h>
#include <string.h>

#include <talloc.h>

#include "base/bytes.h"

#define LISTS_LOOKED 16 /* grams whose lists are looked at, */
#define LISTS_USED   6  /* and how many of them, the shortest ones, are read */
#define LONGER       64 /* times than the shortest one: then looking at names is cheaper */
#define PATIENCE     16 /* times that the tail changes while it is read */

/* ---- the tail ---- */

struct waiting {
	char kind;
	uint64_t key, number;
	const uint8_t *grams;
	uint16_t n;
};

struct ocs_stream_tail {
	struct ocs_layer_head head;
	struct ocs_layer_names names;
	struct waiting *waiting; /* by kind, key, number */
	size_t n;
};

static int compare_waiting(const void *a, const void *b)
{
	const struct waiting *x = a, *y = b;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return x->number < y->number ? -1 : x->number > y->number;
}

/* Of messages that the daemon has named and not brought into the index yet. */
struct pending_names {
	struct ocs_index *index;
	struct ocs_stream_tail *tail;
	uint64_t series, fid; /* the last one */
	int ret;
};

static int stream_add_pending(uint64_t mid, uint64_t series, const char *message_id, void *arg)
{
	struct pending_names *names = arg;
	struct ocs_search_grams grams;
	bool retired;

	if (series != names->series || names->fid == 0) {
		if (ocs_index_series_get(names->index, series, &names->fid, &retired, NULL) !=
		    OCS_STORE_OK)
			names->fid = 0;
		names->series = series;
	}
	names->ret = ocs_search_message_grams(message_id, &grams) != 0
	                     ? -1
	                     : ocs_layer_names_add(names->tail, &names->tail->names, 'm',
	                                           ocs_postings_number(mid),
	                                           ocs_postings_number(names->fid), &grams);
	return names->ret;
}

static int tail_read(struct ocs_index *index, struct ocs_stream_tail *tail, struct ocs_error *error)
{
	int ret = OCS_STORE_DAMAGED;

	for (int i = 0; i < PATIENCE && ret == OCS_STORE_DAMAGED; i++) {
		TALLOC_FREE(tail->names.data);
		tail->names = (struct ocs_layer_names){.data = NULL};
		ret = ocs_layer_head_get(index, &tail->head, error);
		if (ret == OCS_STORE_OK && tail->head.state != OCS_LAYER_READY)
			ret = OCS_STORE_MISSING;
		if (ret == OCS_STORE_OK)
			ret = ocs_layer_tail_read(index, tail, &tail->head, &tail->names, error);
	}
	return ret;
}

int ocs_stream_tail_read(struct ocs_index *index, const void *mem_ctx,
                         struct ocs_stream_tail **tail_r, struct ocs_error *error)
{
	struct ocs_stream_tail *tail = talloc_zero(mem_ctx, struct ocs_stream_tail);
	struct pending_names pending = {.index = index, .tail = tail};
	struct ocs_layer_name name;
	size_t at = 0;
	int ret;

	*tail_r = tail;
	if (tail == NULL)
		return ocs_error_memory(error);
	/* What leaves the pending ones meanwhile is in the tail, which is read afterwards. */
	ocs_index_each_pending(index, stream_add_pending, &pending);
	if (pending.ret != 0)
		return ocs_error_memory(error);
	if (tail->names.n > 0) {
		struct ocs_layer_names first = tail->names;

		tail->names = (struct ocs_layer_names){.data = NULL};
		ret = tail_read(index, tail, error);
		if (ret == OCS_STORE_OK && ocs_layer_names_append(tail, &tail->names, &first) != 0)
			ret = ocs_error_memory(error);
		talloc_free(first.data);
	} else {
		ret = tail_read(index, tail, error);
	}
	if (ret != OCS_STORE_OK)
		return ret;
	tail->waiting = talloc_array(tail, struct waiting, (unsigned)tail->names.n + 1);
	if (tail->waiting == NULL)
		return ocs_error_memory(error);
	while (tail->n < tail->names.n && ocs_layer_names_next(&tail->names, &at, &name) == 1)
		tail->waiting[tail->n++] =
		        (struct waiting){name.kind, name.key, name.number, name.grams, name.n};
	qsort(tail->waiting, tail->n, sizeof(*tail->waiting), compare_waiting);
	return OCS_STORE_OK;
}

/* ---- streams ---- */

struct ocs_stream {
	struct ocs_list *lists[LISTS_LOOKED + 1]; /* the shortest first */
	unsigned n;
	bool none; /* in the lists */
	uint64_t *tail;
	size_t n_tail;
};

static bool has_all(const struct waiting *waiting, const struct ocs_search_grams *grams, unsigned n)
{
	unsigned found = 0;

	for (unsigned i = 0; i < waiting->n && found < n; i++)
		found += ocs_search_gram_has(grams, ocs_get16(waiting->grams + 2 * i));
	return found == n;
}

static int compare_numbers(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* key NULL: whatever it is. */
static int take_tail(struct ocs_stream *stream, const struct ocs_stream_tail *tail, char kind,
                     const struct ocs_search_grams *grams, const uint64_t *key,
                     struct ocs_error *error)
{
	struct waiting first = {.kind = kind, .key = key != NULL ? *key : 0};
	unsigned n_grams = ocs_search_grams_count(grams);
	size_t low = 0, high = tail->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_waiting(&tail->waiting[middle], &first) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < tail->n; low++) {
		const struct waiting *waiting = &tail->waiting[low];

		if (waiting->kind != kind || (key != NULL && waiting->key != *key))
			break;
		if (!has_all(waiting, grams, n_grams))
			continue;
		if (stream->n_tail % 256 == 0) {
			stream->tail = talloc_realloc(stream, stream->tail, uint64_t,
			                              (unsigned)stream->n_tail + 256);
			if (stream->tail == NULL)
				return ocs_error_memory(error);
		}
		stream->tail[stream->n_tail++] = waiting->number;
	}
	if (stream->n_tail > 0)
		qsort(stream->tail, stream->n_tail, sizeof(*stream->tail), compare_numbers);
	return OCS_STORE_OK;
}

static int compare_lists(const void *a, const void *b)
{
	uint64_t x = ocs_list_count(*(struct ocs_list *const *)a),
	         y = ocs_list_count(*(struct ocs_list *const *)b);

	return x < y ? -1 : x > y;
}

/* One that is common says nothing. */
static int add_list(struct ocs_stream *stream, struct ocs_index *index,
                    const struct ocs_list_key *key, struct ocs_error *error)
{
	struct ocs_list *list;
	int ret = ocs_list_open(index, stream, key, &list, error);

	if (ret != OCS_STORE_OK)
		return ret;
	if (ocs_list_is_common(list)) {
		talloc_free(list);
		return OCS_STORE_OK;
	}
	stream->none = stream->none || ocs_list_count(list) == 0;
	stream->lists[stream->n++] = list;
	return OCS_STORE_OK;
}

/* The lists of the grams: some of them, where there are many. */
static int add_grams(struct ocs_stream *stream, struct ocs_index *index, uint32_t generation,
                     char kind, const struct ocs_search_grams *grams, struct ocs_error *error)
{
	unsigned n = ocs_search_grams_count(grams), seen = 0, step = n / LISTS_LOOKED + 1;
	int ret = OCS_STORE_OK;

	for (unsigned gram = 0; gram < OCS_SEARCH_GRAMS && ret == OCS_STORE_OK; gram++) {
		struct ocs_list_key key = {generation, kind, gram};

		if (ocs_search_gram_has(grams, gram) && seen++ % step == 0 && !stream->none)
			ret = add_list(stream, index, &key, error);
	}
	return ret;
}

int ocs_stream_open(struct ocs_index *index, const void *mem_ctx,
                    const struct ocs_stream_tail *tail, char kind,
                    const struct ocs_search_grams *grams, char list, uint64_t number,
                    struct ocs_stream **stream_r, struct ocs_error *error)
{
	struct ocs_stream *stream = talloc_zero(mem_ctx, struct ocs_stream);
	struct ocs_list_key key = {tail->head.generation, list, number};
	unsigned n = 1;
	int ret;

	*stream_r = stream;
	if (stream == NULL)
		return ocs_error_memory(error);
	ret = take_tail(stream, tail, kind, grams, list != '\0' ? &number : NULL, error);
	if (ret == OCS_STORE_OK && list != '\0')
		ret = add_list(stream, index, &key, error);
	if (ret == OCS_STORE_OK && !stream->none)
		ret = add_grams(stream, index, key.generation, kind, grams, error);
	key = (struct ocs_list_key){key.generation, 'a', 0};
	if (ret == OCS_STORE_OK && stream->n == 0 && kind == 'f')
		ret = add_list(stream, index, &key, error);
	if (ret != OCS_STORE_OK)
		return ret;
	qsort(stream->lists, stream->n, sizeof(*stream->lists), compare_lists);
	while (n < stream->n && n < LISTS_USED &&
	       ocs_list_count(stream->lists[n]) / LONGER <= ocs_list_count(stream->lists[0]))
		n++;
	if (n < stream->n)
		stream->n = n;
	return OCS_STORE_OK;
}

bool ocs_stream_is_blind(const struct ocs_stream *stream)
{
	return stream->n == 0;
}

uint64_t ocs_stream_most(const struct ocs_stream *stream)
{
	return stream->n_tail +
	       (stream->n > 0 && !stream->none ? ocs_list_count(stream->lists[0]) : 0);
}

/* The first number that all lists have. */
static int next_in_lists(struct ocs_stream *stream, uint64_t at_least, uint64_t *number_r,
                         struct ocs_error *error)
{
	unsigned agree = 0;

	if (stream->none || stream->n == 0)
		return OCS_STORE_MISSING;
	for (unsigned i = 0; agree < stream->n; i = (i + 1) % stream->n) {
		uint64_t number;
		int ret = ocs_list_seek(stream->lists[i], at_least, &number, error);

		if (ret != OCS_STORE_OK)
			return ret;
		agree = number == at_least ? agree + 1 : 1;
		at_least = number;
	}
	*number_r = at_least;
	return OCS_STORE_OK;
}

int ocs_stream_next(struct ocs_stream *stream, uint64_t at_least, uint64_t *number_r,
                    struct ocs_error *error)
{
	size_t low = 0, high = stream->n_tail;
	int ret = next_in_lists(stream, at_least, number_r, error);

	if (ret != OCS_STORE_OK && ret != OCS_STORE_MISSING)
		return ret;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (stream->tail[middle] < at_least)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < stream->n_tail && (ret == OCS_STORE_MISSING || stream->tail[low] < *number_r)) {
		*number_r = stream->tail[low];
		ret = OCS_STORE_OK;
	}
	return ret;
}

int ocs_stream_others(struct ocs_index *index, const void *mem_ctx,
                      const struct ocs_stream_tail *tail, uint64_t fid_number,
                      struct ocs_list **list_r, struct ocs_error *error)
{
	struct ocs_list_key key = {tail->head.generation, 'o', fid_number};

	return ocs_list_open(index, mem_ctx, &key, list_r, error);
}
