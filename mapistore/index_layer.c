/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The head of the search layer, and what a transaction notes for it until its end
 * (index_layer_commit.c): see index_layer.h. Touches the open index.
 */
#include "mapistore/index_layer.h"

#include <string.h>

#include <talloc.h>

#include "base/bytes.h"
#include "base/fnv.h"

#define HEAD_VERSION 1
#define HEAD_SIZE    30 /* version, state, generation, mark, tail 2 x 32, file, chain */

static const char key_head[2] = {'L', 'H'};

/* ---- the head ---- */

int ocs_layer_head_get(struct ocs_index *index, struct ocs_layer_head *out, struct ocs_error *error)
{
	uint8_t *p;
	size_t len;
	int ret = ocs_index_fetch_whole(index, index, key_head, sizeof(key_head), &p, &len, error);

	*out = (struct ocs_layer_head){.state = OCS_LAYER_NONE};
	if (ret == OCS_STORE_OK && len == HEAD_SIZE && p[0] == HEAD_VERSION &&
	    p[1] <= OCS_LAYER_READY)
		*out = (struct ocs_layer_head){
		        .state = (enum ocs_layer_state)p[1],
		        .generation = ocs_get32(p + 2),
		        .mark = ocs_get64(p + 6),
		        .tail_end = ocs_get32(p + 14),
		        .tail_count = ocs_get32(p + 18),
		        .file = ocs_get32(p + 22),
		        .chain = ocs_get32(p + 26),
		};
	else if (ret == OCS_STORE_OK || ret == OCS_STORE_DAMAGED)
		ret = OCS_STORE_MISSING;
	talloc_free(p);
	return ret;
}

int ocs_layer_head_put(struct ocs_index *index, const struct ocs_layer_head *head,
                       struct ocs_error *error)
{
	uint8_t p[HEAD_SIZE] = {HEAD_VERSION, (uint8_t)head->state};

	ocs_put32(p + 2, head->generation);
	ocs_put64(p + 6, head->mark);
	ocs_put32(p + 14, head->tail_end);
	ocs_put32(p + 18, head->tail_count);
	ocs_put32(p + 22, head->file);
	ocs_put32(p + 26, head->chain);
	return ocs_index_put(index, key_head, sizeof(key_head), p, sizeof(p), error);
}

int ocs_layer_begin(struct ocs_index *index, uint64_t mark, struct ocs_error *error)
{
	struct ocs_layer_head head;
	int ret = ocs_layer_head_get(index, &head, error);

	if (ret != OCS_STORE_MISSING)
		return ret;
	head = (struct ocs_layer_head){.state = OCS_LAYER_READY, .generation = 1, .mark = mark};
	return ocs_layer_head_put(index, &head, error);
}

int ocs_layer_drop(struct ocs_index *index, struct ocs_error *error)
{
	struct ocs_layer_head head;
	int ret = ocs_layer_head_get(index, &head, error);

	if (ret == OCS_STORE_ERROR)
		return ret;
	head = (struct ocs_layer_head){.generation = head.generation};
	return ocs_layer_head_put(index, &head, error);
}

int ocs_layer_follow(struct ocs_index *index, uint64_t was, uint64_t is, struct ocs_error *error)
{
	struct ocs_layer_head head;
	int ret = ocs_layer_head_get(index, &head, error);

	if (ret != OCS_STORE_OK || head.state == OCS_LAYER_NONE)
		return ret == OCS_STORE_MISSING ? OCS_STORE_OK : ret;
	if (head.mark != was)
		return ocs_layer_drop(index, error);
	if (head.mark == is)
		return OCS_STORE_OK;
	head.mark = is;
	return ocs_layer_head_put(index, &head, error);
}

/* ---- notes ---- */

uint64_t ocs_layer_user(const char *user)
{
	return ocs_fnv64(OCS_FNV64, user, strlen(user));
}

static struct ocs_layer *layer_of(struct ocs_index *index)
{
	struct ocs_layer_head head;

	if (index->layer != NULL)
		return index->layer;
	index->layer = talloc_zero(index, struct ocs_layer);
	/* What cannot be read is said by the commit. */
	if (index->layer != NULL)
		index->layer->off = ocs_layer_head_get(index, &head, NULL) == OCS_STORE_MISSING ||
		                    head.state == OCS_LAYER_NONE;
	return index->layer;
}

static int note(struct ocs_layer *layer, uint64_t **array, unsigned *n, uint64_t id)
{
	if (*n % 64 == 0) {
		uint64_t *more = talloc_realloc(layer, *array, uint64_t, *n + 64);

		if (more == NULL)
			return -1;
		*array = more;
	}
	(*array)[(*n)++] = id;
	return 0;
}

int ocs_layer_note_message(struct ocs_index *index, uint64_t mid, uint64_t series,
                           const char *message_id)
{
	struct ocs_layer *layer = layer_of(index);
	struct ocs_search_grams grams;

	if (layer != NULL && layer->off)
		return 0;
	return layer != NULL && ocs_search_message_grams(message_id, &grams) == 0
	               ? ocs_layer_names_add(layer, &layer->messages, 'm', ocs_postings_number(mid),
	                                     series, &grams)
	               : -1;
}

int ocs_layer_note_folder(struct ocs_index *index, uint64_t fid, bool renamed)
{
	struct ocs_layer *layer = layer_of(index);

	if (layer != NULL && layer->off)
		return 0;
	if (layer == NULL || note(layer, &layer->folders, &layer->n_folders, fid) != 0)
		return -1;
	return renamed ? note(layer, &layer->renamed, &layer->n_renamed, fid) : 0;
}

int ocs_layer_note_moved(struct ocs_index *index, uint64_t from_fid, uint64_t to_fid)
{
	struct ocs_layer *layer = layer_of(index);
	struct ocs_layer_moved *more;

	if (layer == NULL)
		return -1;
	if (layer->off)
		return 0;
	more = talloc_realloc(layer, layer->moved, struct ocs_layer_moved, layer->n_moved + 1);
	if (more == NULL)
		return -1;
	layer->moved = more;
	more[layer->n_moved++] = (struct ocs_layer_moved){from_fid, to_fid};
	return 0;
}

void ocs_layer_cancel(struct ocs_index *index)
{
	TALLOC_FREE(index->layer);
}
