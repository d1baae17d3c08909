/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The search layer built from the records of an index, in steps between which others commit: a file
 * after the other, a hash chain after the other. On the way the records of the layer before are
 * removed. Touches the open index.
 */
#include "mapistore/index_layer.h"
#include "mapistore/index_search.h"

#include <string.h>

#include <talloc.h>

#include "base/bytes.h"

#define CHAINS_A_STEP 4096
#define KEY_MAX       32

struct old_key {
	uint8_t bytes[KEY_MAX];
	uint8_t len;
};

/* What a chain has. */
struct chain {
	void *mem_ctx;
	uint32_t generation; /* of the layer that is built */
	uint64_t *ids;
	struct old_key *old;
	unsigned n, n_old;
	bool no_memory;
};

static int build_see(const void *key, size_t key_len, const uint8_t *data, size_t len, void *arg)
{
	const uint8_t *bytes = key;
	struct chain *chain = arg;

	(void)data;
	(void)len;
	if (bytes[0] == 'I' && key_len == 9) {
		if (chain->n % 64 == 0)
			chain->ids =
			        talloc_realloc(chain->mem_ctx, chain->ids, uint64_t, chain->n + 64);
		if (chain->ids != NULL)
			chain->ids[chain->n++] = ocs_get64(bytes + 1);
		chain->no_memory = chain->ids == NULL;
	} else if (bytes[0] == 'L' && key_len >= 6 && key_len <= KEY_MAX &&
	           ocs_get32(bytes + 2) != chain->generation) {
		if (chain->n_old % 64 == 0)
			chain->old = talloc_realloc(chain->mem_ctx, chain->old, struct old_key,
			                            chain->n_old + 64);
		chain->no_memory = chain->old == NULL;
		if (chain->old != NULL) {
			memcpy(chain->old[chain->n_old].bytes, bytes, key_len);
			chain->old[chain->n_old++].len = (uint8_t)key_len;
		}
	}
	return chain->no_memory ? OCS_STORE_ERROR : 0;
}

/* Of the record as it is now, which may be another file's. */
static int note_id(struct ocs_index *index, uint64_t id, struct ocs_error *error)
{
	char message_id[OCS_NAME_MAX + 1];
	uint8_t *data, kind;
	size_t len;
	int ret = ocs_index_name_get(index, index, id, &data, &len, error);

	if (ret != OCS_STORE_OK)
		return ret == OCS_STORE_MISSING ? OCS_STORE_OK : ret;
	kind = len > 0 ? data[0] : 0;
	if (kind == OCS_KIND_MESSAGE && len > 9 && len - 9 <= OCS_NAME_MAX) {
		memcpy(message_id, data + 9, len - 9);
		message_id[len - 9] = '\0';
		if (ocs_layer_note_message(index, id, ocs_get64(data + 1), message_id) != 0)
			ret = ocs_error_memory(error);
	} else if (kind == OCS_KIND_PLACE || kind == OCS_KIND_FOLDER ||
	           kind == OCS_KIND_PLACE_GONE || kind == OCS_KIND_FOLDER_GONE) {
		if (ocs_layer_note_folder(index, id, false) != 0)
			ret = ocs_error_memory(error);
	}
	talloc_free(data);
	return ret;
}

static struct ocs_store *file_of(const struct ocs_index *index, uint32_t n)
{
	return n < index->n_sealed ? index->sealed[n] : n == index->n_sealed ? index->store : NULL;
}

/* (transaction) Returns how many names were noted; -1: error. */
static int take_chain(struct ocs_index *index, struct ocs_store *store,
                      const struct ocs_layer_head *head, struct ocs_error *error)
{
	struct chain chain = {.generation = head->generation};
	int ret;

	chain.mem_ctx = talloc_new(index);
	if (chain.mem_ctx == NULL)
		return ocs_error_memory(error);
	ret = ocs_store_each_in_chain(store, head->chain, build_see, &chain, error);
	if (chain.no_memory)
		ret = ocs_error_memory(error);
	for (unsigned i = 0; i < chain.n && ret == OCS_STORE_OK; i++)
		ret = note_id(index, chain.ids[i], error);
	/* A sealed file is never written. */
	for (unsigned i = 0; i < chain.n_old && ret == OCS_STORE_OK && store == index->store; i++)
		ret = ocs_store_delete(store, chain.old[i].bytes, chain.old[i].len, error);
	talloc_free(chain.mem_ctx);
	return ret == OCS_STORE_OK ? (int)chain.n : -1;
}

/* (transaction) */
static int build_some(struct ocs_index *index, unsigned names, struct ocs_layer_head *head,
                      struct ocs_error *error)
{
	struct ocs_store *store = file_of(index, head->file);
	unsigned noted = 0;

	for (unsigned i = 0; i < CHAINS_A_STEP && noted < names && store != NULL; i++) {
		int n = take_chain(index, store, head, error);

		if (n < 0)
			return OCS_STORE_ERROR;
		noted += (unsigned)n;
		if (++head->chain < ocs_store_chains(store))
			continue;
		head->chain = 0;
		store = file_of(index, ++head->file);
	}
	if (store == NULL)
		head->state = OCS_LAYER_READY;
	return ocs_layer_head_put(index, head, error);
}

int ocs_index_search_build(struct ocs_index *index, unsigned names, struct ocs_error *error)
{
	struct ocs_layer_head head;
	int ret = ocs_index_begin(index, error);

	if (ret != OCS_STORE_OK)
		return ret;
	ret = ocs_layer_head_get(index, &head, error);
	if (ret == OCS_STORE_OK && head.state == OCS_LAYER_READY) {
		ocs_index_cancel(index);
		return 1;
	}
	if (ret == OCS_STORE_MISSING || (ret == OCS_STORE_OK && head.state == OCS_LAYER_NONE)) {
		uint64_t mark;

		(void)ocs_index_high_water(index->store, &mark, NULL);
		head = (struct ocs_layer_head){.state = OCS_LAYER_BUILDING,
		                               .generation = head.generation + 1,
		                               .mark = mark};
		/* From here on names are noted. */
		ret = ocs_layer_head_put(index, &head, error);
	}
	if (ret == OCS_STORE_OK)
		ret = build_some(index, names, &head, error);
	if (ret == OCS_STORE_OK)
		ret = ocs_index_commit(index, error);
	else
		ocs_index_cancel(index);
	/* The commit may have found it damaged, and dropped it. */
	if (ret == OCS_STORE_OK)
		ret = ocs_layer_head_get(index, &head, error);
	if (ret == OCS_STORE_MISSING)
		ret = OCS_STORE_OK;
	return ret == OCS_STORE_OK && head.state == OCS_LAYER_READY ? 1 : ret;
}

int ocs_index_search_drop(struct ocs_index *index, struct ocs_error *error)
{
	int ret = ocs_index_begin(index, error);

	if (ret != OCS_STORE_OK)
		return ret;
	ret = ocs_layer_drop(index, error);
	if (ret == OCS_STORE_OK)
		return ocs_index_commit(index, error);
	ocs_index_cancel(index);
	return ret;
}

int ocs_index_search_built(struct ocs_index *index)
{
	struct ocs_layer_head head;
	struct ocs_store *store;

	ocs_index_refresh(index);
	if (ocs_layer_head_get(index, &head, NULL) != OCS_STORE_OK || head.state == OCS_LAYER_NONE)
		return -1;
	store = file_of(index, head.file);
	if (head.state == OCS_LAYER_READY || store == NULL)
		return head.state == OCS_LAYER_READY ? 1000 : 999;
	return (int)((head.file * 1000ULL + head.chain * 1000ULL / ocs_store_chains(store)) /
	             (index->n_sealed + 1));
}

/* Which list of the layer must have an identifier: OK; MISSING: it names neither a folder nor a
 * message. */
static int list_of(struct ocs_index *index, uint64_t id, struct ocs_list_key *key,
                   struct ocs_error *error)
{
	uint8_t *data;
	uint64_t fid;
	bool retired;
	size_t len;
	int ret = ocs_index_name_get(index, index, id, &data, &len, error);

	if (ret != OCS_STORE_OK)
		return ret;
	if (data[0] == OCS_KIND_MESSAGE && len > 9) {
		ret = ocs_index_series_get(index, ocs_get64(data + 1), &fid, &retired, error);
		key->kind = 's';
		key->number = ret == OCS_STORE_OK ? ocs_postings_number(fid) : 0;
	} else if (data[0] == OCS_KIND_ROOT || data[0] == OCS_KIND_TOP) {
		ret = OCS_STORE_MISSING;
	} else {
		key->kind = 'a';
		key->number = 0;
	}
	talloc_free(data);
	return ret;
}

/* 1, 0, or an error. */
static int tail_has(struct ocs_index *index, const struct ocs_layer_head *head, uint64_t number,
                    struct ocs_error *error)
{
	struct ocs_layer_names tail = {.data = NULL};
	struct ocs_layer_name name;
	size_t at = 0;
	int ret = ocs_layer_tail_read(index, index, head, &tail, error);

	while (ret == OCS_STORE_OK && ocs_layer_names_next(&tail, &at, &name) == 1)
		ret = name.number == number;
	talloc_free(tail.data);
	return ret;
}

int ocs_index_search_has(struct ocs_index *index, uint64_t id, struct ocs_error *error)
{
	uint64_t number = ocs_postings_number(id), found = 0;
	struct ocs_layer_head head;
	struct ocs_list *list = NULL;
	struct ocs_list_key key;
	int ret;

	ocs_index_refresh(index);
	ret = ocs_layer_head_get(index, &head, error);
	if (ret == OCS_STORE_OK && head.state != OCS_LAYER_READY)
		ret = OCS_STORE_MISSING;
	key.generation = head.generation;
	if (ret == OCS_STORE_OK)
		ret = list_of(index, id, &key, error);
	if (ret == OCS_STORE_OK)
		ret = tail_has(index, &head, number, error);
	if (ret != OCS_STORE_OK)
		return ret;
	ret = ocs_list_open(index, index, &key, &list, error);
	if (ret == OCS_STORE_OK)
		ret = ocs_list_seek(list, number, &found, error);
	talloc_free(list);
	if (ret == OCS_STORE_MISSING)
		return 0;
	return ret == OCS_STORE_OK ? found == number : ret;
}
