/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The end of a transaction: what it noted for the search layer goes into it; see index_layer.h.
 * Touches the open index.
 */
#include "mapistore/index_layer.h"

#include <talloc.h>
#include <uthash.h>

#include "base/bytes.h"

#define DEPTH_MAX 512 /* levels of folders */

struct commit {
	struct ocs_index *index;
	struct ocs_layer *layer;
	struct ocs_layer_head head;
	struct ocs_layer_names names;
	struct ocs_error *error;
};

/* The folder of a series, as it was looked up: messages of many folders come in any order. */
struct known_series {
	UT_hash_handle hh;
	uint64_t series, fid;
};

/* fid 0: the series leads nowhere, and its messages are found under no folder. NULL with the error.
 */
static const struct known_series *series_find(struct commit *commit, const void *mem_ctx,
                                              struct known_series **known, uint64_t series,
                                              int *ret_r)
{
	struct known_series *found;
	uint64_t fid = 0;
	bool retired;

	HASH_FIND(hh, *known, &series, sizeof(series), found);
	if (found != NULL)
		return found;
	*ret_r = ocs_index_series_get(commit->index, series, &fid, &retired, commit->error);
	if (*ret_r != OCS_STORE_OK && *ret_r != OCS_STORE_MISSING)
		return NULL;
	found = talloc_zero(mem_ctx, struct known_series);
	if (found != NULL) {
		found->series = series;
		found->fid = *ret_r == OCS_STORE_OK ? fid : 0;
		HASH_ADD(hh, *known, series, sizeof(found->series), found);
	}
	if (found == NULL || found->hh.tbl == NULL) {
		*ret_r = ocs_error_memory(commit->error);
		return NULL;
	}
	return found;
}

/* Messages get the FID of their folder for the series that they have. */
static int resolve_messages(struct commit *commit)
{
	const struct ocs_layer_names *messages = &commit->layer->messages;
	void *mem_ctx = talloc_new(commit->layer);
	struct known_series *known = NULL;
	struct ocs_layer_name name;
	size_t at = 0, begin = 0;
	int ret = mem_ctx != NULL ? OCS_STORE_OK : ocs_error_memory(commit->error);

	for (; ret == OCS_STORE_OK && ocs_layer_names_next(messages, &at, &name) == 1; begin = at) {
		const struct known_series *of =
		        series_find(commit, mem_ctx, &known, name.key, &ret);

		if (of == NULL)
			break;
		ret = OCS_STORE_OK;
		ocs_put64(messages->data + begin + 9, ocs_postings_number(of->fid));
	}
	HASH_CLEAR(hh, known);
	talloc_free(mem_ctx);
	return ret;
}

static int add_folder(struct commit *commit, uint64_t fid)
{
	struct ocs_search_grams grams;
	struct ocs_index_name name;
	void *mem_ctx = talloc_new(commit->layer);
	int ret = mem_ctx != NULL
	                  ? ocs_index_lookup(commit->index, mem_ctx, fid, &name, commit->error)
	                  : ocs_error_memory(commit->error);

	if (ret == OCS_STORE_OK && name.message_id == NULL && name.folder != NULL &&
	    name.folder[0] != '\0' &&
	    (ocs_search_folder_grams(name.backend, name.backend_user, name.folder, &grams) != 0 ||
	     ocs_layer_names_add(commit->layer, &commit->names, 'f', ocs_postings_number(fid),
	                         ocs_layer_user(name.user), &grams) != 0))
		ret = ocs_error_memory(commit->error);
	talloc_free(mem_ctx);
	return ret == OCS_STORE_MISSING ? OCS_STORE_OK : ret;
}

/* Whether a folder is somewhere below another one. */
static bool is_below(struct ocs_index *index, uint64_t fid, uint64_t above)
{
	for (int depth = 0; fid != 0 && depth < DEPTH_MAX; depth++) {
		uint8_t *data;
		size_t len;

		if (ocs_index_name_get(index, index, fid, &data, &len, NULL) != OCS_STORE_OK)
			return false;
		fid = len >= 9 && data[0] != OCS_KIND_MESSAGE ? ocs_get64(data + 1) : 0;
		talloc_free(data);
		if (fid == above)
			return true;
	}
	return false;
}

/* The folders below one that was renamed have new names too: all of its user are looked at. */
static int add_below(struct commit *commit, uint64_t above, const struct ocs_layer_names *tail)
{
	struct ocs_list_key key = {commit->head.generation, 'u', 0};
	void *mem_ctx = talloc_new(commit->layer);
	struct ocs_layer_name name;
	struct ocs_index_name whose;
	struct ocs_list *list = NULL;
	uint64_t number = 0;
	size_t at = 0;
	int ret = mem_ctx != NULL
	                  ? ocs_index_lookup(commit->index, mem_ctx, above, &whose, commit->error)
	                  : ocs_error_memory(commit->error);

	if (ret == OCS_STORE_OK) {
		key.number = ocs_layer_user(whose.user);
		ret = ocs_list_open(commit->index, mem_ctx, &key, &list, commit->error);
	}
	while (ret == OCS_STORE_OK) {
		ret = ocs_list_seek(list, number, &number, commit->error);
		if (ret == OCS_STORE_OK && is_below(commit->index, ocs_postings_id(number), above))
			ret = add_folder(commit, ocs_postings_id(number));
		number++;
	}
	if (ret == OCS_STORE_MISSING)
		ret = OCS_STORE_OK;
	while (ret == OCS_STORE_OK && ocs_layer_names_next(tail, &at, &name) == 1)
		if (name.kind == 'f' && name.key == key.number &&
		    is_below(commit->index, ocs_postings_id(name.number), above))
			ret = add_folder(commit, ocs_postings_id(name.number));
	talloc_free(mem_ctx);
	return ret;
}

/* The messages of one folder are another's: also those that it had from others before. */
static int add_moved(struct commit *commit, const struct ocs_layer_moved *moved)
{
	const struct ocs_list_key to = {commit->head.generation, 'o',
	                                ocs_postings_number(moved->to)},
	                          from = {commit->head.generation, 'o',
	                                  ocs_postings_number(moved->from)};
	struct ocs_list *before;
	uint64_t number = from.number;
	int ret = ocs_list_add(commit->index, &to, &number, 1, commit->error);

	if (ret == OCS_STORE_OK)
		ret = ocs_list_open(commit->index, commit->layer, &from, &before, commit->error);
	if (ret != OCS_STORE_OK)
		return ret;
	for (number = 0; ret == OCS_STORE_OK; number++) {
		ret = ocs_list_seek(before, number, &number, commit->error);
		if (ret == OCS_STORE_OK && number != to.number)
			ret = ocs_list_add(commit->index, &to, &number, 1, commit->error);
	}
	talloc_free(before);
	return ret == OCS_STORE_MISSING ? OCS_STORE_OK : ret;
}

static int add_folders(struct commit *commit)
{
	const struct ocs_layer *layer = commit->layer;
	struct ocs_layer_names tail = {.data = NULL};
	int ret = OCS_STORE_OK;

	for (unsigned i = 0; i < layer->n_folders && ret == OCS_STORE_OK; i++)
		ret = add_folder(commit, layer->folders[i]);
	if (layer->n_renamed > 0 && ret == OCS_STORE_OK)
		ret = ocs_layer_tail_read(commit->index, layer, &commit->head, &tail,
		                          commit->error);
	for (unsigned i = 0; i < layer->n_renamed && ret == OCS_STORE_OK; i++)
		ret = add_below(commit, layer->renamed[i], &tail);
	for (unsigned i = 0; i < layer->n_moved && ret == OCS_STORE_OK; i++)
		ret = add_moved(commit, &layer->moved[i]);
	return ret;
}

static int write_notes(struct commit *commit)
{
	struct ocs_layer_names *messages = &commit->layer->messages;
	int ret = resolve_messages(commit);

	if (ret == OCS_STORE_OK)
		ret = add_folders(commit);
	if (ret == OCS_STORE_OK && messages->len > 0)
		ret = ocs_layer_tail_write(commit->index, &commit->head, messages, commit->error);
	if (ret == OCS_STORE_OK && commit->names.len > 0)
		ret = ocs_layer_tail_write(commit->index, &commit->head, &commit->names,
		                           commit->error);
	return ret;
}

int ocs_layer_commit(struct ocs_index *index, struct ocs_error *error)
{
	struct commit commit = {.index = index, .layer = index->layer, .error = error};
	uint64_t mark;
	int ret;

	if ((index->layer == NULL || index->layer->off) && index->next_mark == 0) {
		ocs_layer_cancel(index);
		return OCS_STORE_OK;
	}
	ret = ocs_layer_head_get(index, &commit.head, error);
	if (ret == OCS_STORE_OK && commit.head.state != OCS_LAYER_NONE) {
		if (index->layer != NULL && !index->layer->off)
			ret = write_notes(&commit);
		if (ret == OCS_STORE_DAMAGED) {
			ret = ocs_layer_drop(index, error);
		} else if (ret == OCS_STORE_OK) {
			(void)ocs_index_high_water(index->store, &mark, NULL);
			commit.head.mark = mark;
			ret = ocs_layer_head_put(index, &commit.head, error);
		}
	}
	ocs_layer_cancel(index);
	return ret == OCS_STORE_MISSING ? OCS_STORE_OK : ret;
}
