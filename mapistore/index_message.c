/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Messages in the identifier index, and from an identifier back to the name. Touches the open
 * index; whoever has it open serialises the calls. */
#include "mapistore/index_layer.h"

#include <string.h>

#include <talloc.h>

#include "base/bytes.h"

#define NAME_MAX_    1024
#define MESSAGE_SIZE 9   /* MID 64, announced 8; then, where it is known: */
#define CONTENT_SIZE 8   /* which mail it is, 64 */
#define DEPTH_MAX    512 /* more components do not fit into a folder's name */

/* ---- messages ---- */

static size_t message_key(uint8_t key[9 + NAME_MAX_], uint64_t series, const char *message_id)
{
	size_t len = strnlen(message_id, NAME_MAX_);

	key[0] = 'M';
	ocs_put64(key + 1, series);
	memcpy(key + 9, message_id, len);
	return 9 + len;
}

static void name_key(uint8_t key[9], uint64_t id)
{
	key[0] = 'I';
	ocs_put64(key + 1, id);
}

static int recorded_message(struct ocs_index *index, uint64_t series, const char *message_id,
                            struct ocs_index_message *out, struct ocs_error *error)
{
	uint8_t key[9 + NAME_MAX_], *data;
	size_t len;
	int ret = ocs_index_fetch(index, index, key, message_key(key, series, message_id), &data,
	                          &len, error);

	if (ret != OCS_STORE_OK)
		return ret;
	if (len == MESSAGE_SIZE || len == MESSAGE_SIZE + CONTENT_SIZE) {
		out->mid = ocs_get64(data);
		out->announced = data[8] != 0;
		out->content = len > MESSAGE_SIZE ? ocs_get64(data + MESSAGE_SIZE) : 0;
	} else {
		ret = OCS_STORE_MISSING;
	}
	talloc_free(data);
	return ret;
}

int ocs_index_message_after(struct ocs_index *index, uint64_t series, const char *message_id,
                            const struct ocs_pending_message *deleted,
                            struct ocs_index_message *out, struct ocs_error *error)
{
	int ret = recorded_message(index, series, message_id, out, error);

	return ret == OCS_STORE_OK &&
	                       (deleted->stale || deleted->mid == 0 || out->mid == deleted->mid)
	               ? OCS_STORE_MISSING
	               : ret;
}

bool ocs_index_message_leaves(struct ocs_index *index, uint64_t series, const char *message_id)
{
	const struct ocs_pending_message *found =
	        index->pending != NULL ? ocs_pending_find(index->pending, series, message_id)
	                               : NULL;

	return found != NULL && found->state == OCS_PENDING_DELETED &&
	       (found->stale || found->mid == 0);
}

/* What the daemon has not brought into the index yet; NULL without any. */
static struct ocs_pending *pending_of(struct ocs_index *index)
{
	if (index->owner || index->frozen)
		return index->pending;
	if (index->pending == NULL)
		index->pending = ocs_pending_new(index, index->folder);
	/* What cannot be read is as if there were none: it comes into the index all the same. */
	return index->pending != NULL && ocs_pending_refresh(index->pending, NULL) == 0
	               ? index->pending
	               : NULL;
}

int ocs_index_freeze(struct ocs_index *index, struct ocs_error *error)
{
	index->pending = ocs_pending_new(index, index->folder);
	index->frozen = true;
	if (index->pending == NULL)
		return ocs_error_memory(error);
	return ocs_pending_refresh(index->pending, error) == 0 ? OCS_STORE_OK : OCS_STORE_ERROR;
}

void ocs_index_each_pending(struct ocs_index *index, ocs_pending_each_fn *each, void *arg)
{
	struct ocs_pending *pending = pending_of(index);

	if (pending != NULL)
		(void)ocs_pending_each(pending, each, arg);
}

bool ocs_index_pending_name(struct ocs_index *index, uint64_t mid, uint64_t *series_r,
                            const char **message_id_r)
{
	return index->pending != NULL &&
	       ocs_pending_name(index->pending, mid, series_r, message_id_r);
}

int ocs_index_message(struct ocs_index *index, uint64_t series, const char *message_id,
                      struct ocs_index_message *out, struct ocs_error *error)
{
	struct ocs_pending *pending = pending_of(index); /* before the index is looked at */
	const struct ocs_pending_message *found =
	        pending != NULL ? ocs_pending_find(pending, series, message_id) : NULL;

	if (found == NULL)
		return recorded_message(index, series, message_id, out, error);
	if (found->state == OCS_PENDING_DELETED)
		return ocs_index_message_after(index, series, message_id, found, out, error);
	*out = (struct ocs_index_message){
	        .mid = found->mid,
	        .announced = found->announced,
	        .content = found->content,
	};
	return OCS_STORE_OK;
}

/* The way back, which stays when the message goes. What was there is not looked up: nearly always
 * nothing, and the search may hear of a name twice. */
static int message_name_put(struct ocs_index *index, uint64_t series, const char *message_id,
                            uint64_t mid, struct ocs_error *error)
{
	uint8_t key[9], record[9 + NAME_MAX_];
	size_t len = strnlen(message_id, NAME_MAX_);

	name_key(key, mid);
	record[0] = OCS_KIND_MESSAGE;
	ocs_put64(record + 1, series);
	memcpy(record + 9, message_id, len);
	if (ocs_layer_note_message(index, mid, series, message_id) != 0)
		return ocs_error_memory(error);
	return ocs_index_put(index, key, sizeof(key), record, 9 + len, error);
}

int ocs_index_message_put(struct ocs_index *index, const struct ocs_index_folder *folder,
                          const char *message_id, const struct ocs_index_message *message,
                          struct ocs_error *error)
{
	uint8_t key[9 + NAME_MAX_], data[MESSAGE_SIZE + CONTENT_SIZE];
	int ret;

	ocs_put64(data, message->mid);
	data[8] = message->announced;
	ocs_put64(data + MESSAGE_SIZE, message->content);
	ret = ocs_index_put(index, key, message_key(key, folder->series, message_id), data,
	                    MESSAGE_SIZE + (message->content != 0 ? CONTENT_SIZE : 0), error);
	if (ret != OCS_STORE_OK)
		return ret;
	return message_name_put(index, folder->series, message_id, message->mid, error);
}

int ocs_index_message_gone(struct ocs_index *index, uint64_t series, const char *message_id,
                           uint64_t mid, struct ocs_error *error)
{
	return ocs_index_name_known(index, mid)
	               ? OCS_STORE_OK
	               : message_name_put(index, series, message_id, mid, error);
}

int ocs_index_message_delete(struct ocs_index *index, uint64_t series, const char *message_id,
                             uint64_t mid, struct ocs_error *error)
{
	struct ocs_index_message message;
	uint8_t key[9 + NAME_MAX_];
	int ret = OCS_STORE_OK;

	if (mid != 0)
		ret = ocs_index_message_gone(index, series, message_id, mid, error);
	if (ret == OCS_STORE_OK)
		ret = recorded_message(index, series, message_id, &message, error);
	if (ret != OCS_STORE_OK)
		return ret == OCS_STORE_MISSING ? OCS_STORE_OK : ret;
	if (mid != 0 && message.mid != mid)
		return OCS_STORE_OK;
	return ocs_index_delete(index, key, message_key(key, series, message_id), error);
}

/* ---- names ---- */

int ocs_index_series_put(struct ocs_index *index, uint64_t series, uint64_t fid,
                         struct ocs_error *error)
{
	uint8_t key[9], data[8];
	uint64_t was;
	bool retired;

	/* Its messages are found by their folder. */
	if (ocs_index_series_get(index, series, &was, &retired, NULL) == OCS_STORE_OK &&
	    was != fid && ocs_layer_note_moved(index, was, fid) != 0)
		return ocs_error_memory(error);
	key[0] = 'S';
	ocs_put64(key + 1, series);
	ocs_put64(data, fid);
	return ocs_index_put(index, key, sizeof(key), data, sizeof(data), error);
}

/* One whose folder has begun another series has a byte more. */
int ocs_index_series_retire(struct ocs_index *index, uint64_t series, uint64_t fid,
                            struct ocs_error *error)
{
	uint8_t key[9], data[9];

	key[0] = 'S';
	ocs_put64(key + 1, series);
	ocs_put64(data, fid);
	data[8] = 1;
	return ocs_index_put(index, key, sizeof(key), data, sizeof(data), error);
}

int ocs_index_series_get(struct ocs_index *index, uint64_t series, uint64_t *fid_r, bool *retired_r,
                         struct ocs_error *error)
{
	uint8_t key[9], *data;
	size_t len;
	int ret;

	key[0] = 'S';
	ocs_put64(key + 1, series);
	ret = ocs_index_fetch(index, index, key, sizeof(key), &data, &len, error);
	if (ret == OCS_STORE_OK && len != 8 && len != 9)
		ret = OCS_STORE_MISSING;
	if (ret == OCS_STORE_OK) {
		*fid_r = ocs_get64(data);
		*retired_r = len == 9;
	}
	talloc_free(data);
	return ret;
}

bool ocs_index_series_unknown(struct ocs_index *index, uint64_t series)
{
	uint64_t fid;
	bool retired;

	return ocs_index_series_get(index, series, &fid, &retired, NULL) == OCS_STORE_MISSING;
}

/* What the search must know of a folder's new name, or another one. */
static int note_name(struct ocs_index *index, uint64_t id, const uint8_t *record, size_t len,
                     const uint8_t *old, size_t old_len)
{
	bool known = old != NULL && old_len == len && memcmp(old + 1, record + 1, len - 1) == 0;
	uint8_t kind = record[0];

	if (known || kind == OCS_KIND_ROOT || kind == OCS_KIND_TOP || kind == OCS_KIND_ALIAS)
		return 0;
	/* What was an alias is called as before, and so is what lies below it. */
	return ocs_layer_note_folder(index, id, old != NULL && old[0] != OCS_KIND_ALIAS);
}

int ocs_index_name_put(struct ocs_index *index, uint64_t id, char kind, const void *data,
                       size_t len, struct ocs_error *error)
{
	uint8_t key[9], *record = talloc_size(index, len + 1), *old = NULL;
	size_t old_len = 0;
	int ret;

	if (record == NULL)
		return ocs_error_memory(error);
	name_key(key, id);
	record[0] = (uint8_t)kind;
	memcpy(record + 1, data, len);
	ret = ocs_index_name_get(index, index, id, &old, &old_len, error);
	if ((ret == OCS_STORE_OK || ret == OCS_STORE_MISSING) &&
	    note_name(index, id, record, len + 1, old, old_len) != 0)
		ret = ocs_error_memory(error);
	if (ret == OCS_STORE_OK || ret == OCS_STORE_MISSING)
		ret = ocs_index_put(index, key, sizeof(key), record, len + 1, error);
	talloc_free(old);
	talloc_free(record);
	return ret;
}

/* The kind of a folder that is deleted, and of one that is not. */
static uint8_t gone_kind(uint8_t kind)
{
	return kind == OCS_KIND_PLACE    ? OCS_KIND_PLACE_GONE
	       : kind == OCS_KIND_FOLDER ? OCS_KIND_FOLDER_GONE
	                                 : kind;
}

static bool is_gone_kind(uint8_t kind)
{
	return kind == OCS_KIND_PLACE_GONE || kind == OCS_KIND_FOLDER_GONE;
}

int ocs_index_name_gone(struct ocs_index *index, uint64_t id, struct ocs_error *error)
{
	uint8_t *data;
	size_t len;
	int ret = ocs_index_name_get(index, index, id, &data, &len, error);

	if (ret != OCS_STORE_OK)
		return ret == OCS_STORE_MISSING ? OCS_STORE_OK : ret;
	ret = ocs_index_name_put(index, id, (char)gone_kind(data[0]), data + 1, len - 1, error);
	talloc_free(data);
	return ret;
}

bool ocs_index_name_known(struct ocs_index *index, uint64_t id)
{
	uint8_t *data;
	size_t len;
	bool known = ocs_index_name_get(index, index, id, &data, &len, NULL) == OCS_STORE_OK &&
	             !is_gone_kind(data[0]);

	talloc_free(data);
	return known;
}

static int set_store(const void *mem_ctx, const struct ocs_index_known *known,
                     struct ocs_index_name *out, struct ocs_error *error)
{
	out->user = talloc_strdup(mem_ctx, known->user);
	out->backend = talloc_strdup(mem_ctx, known->backend != NULL ? known->backend : "");
	out->backend_user =
	        talloc_strdup(mem_ctx, known->backend_user != NULL ? known->backend_user : "");
	return out->user == NULL || out->backend == NULL || out->backend_user == NULL
	               ? ocs_error_memory(error)
	               : OCS_STORE_OK;
}

static int top_names(struct ocs_index *index, const void *mem_ctx, uint64_t top,
                     struct ocs_index_name *out, struct ocs_error *error)
{
	struct ocs_index_known known;
	uint8_t *data;
	int ret = ocs_index_known(index, top, &data, &known, error);

	if (ret == OCS_STORE_OK)
		ret = known.kind == OCS_KIND_TOP ? set_store(mem_ctx, &known, out, error)
		                                 : OCS_STORE_MISSING;
	talloc_free(data);
	return ret;
}

static int prepend(const void *mem_ctx, const char *name, struct ocs_index_name *out,
                   struct ocs_error *error)
{
	char *longer = out->folder == NULL ? talloc_strdup(mem_ctx, name)
	                                   : talloc_asprintf(mem_ctx, "%s/%s", name, out->folder);

	talloc_free(out->folder);
	out->folder = longer;
	return longer == NULL ? ocs_error_memory(error) : OCS_STORE_OK;
}

/* One step up: prepends the folder's name to out->folder and returns its parent. */
static int folder_step(struct ocs_index *index, const void *mem_ctx, uint64_t fid, uint64_t *parent,
                       struct ocs_index_name *out, struct ocs_error *error)
{
	bool first = out->folder == NULL;
	struct ocs_index_known known;
	uint8_t *data;
	int ret = ocs_index_known(index, ocs_index_follow(index, fid), &data, &known, error);

	if (ret != OCS_STORE_OK)
		return ret;
	out->deleted = out->deleted || known.gone;
	*parent = known.parent;
	switch (known.kind) {
	case OCS_KIND_ROOT:
		known.name = "";
		ret = first ? set_store(mem_ctx, &known, out, error) : OCS_STORE_MISSING;
		break;
	case OCS_KIND_PLACE:
		ret = first ? top_names(index, mem_ctx, known.top, out, error) : OCS_STORE_OK;
		break;
	case OCS_KIND_FOLDER:
		ret = first ? set_store(mem_ctx, &known, out, error) : OCS_STORE_OK;
		break;
	default:
		ret = OCS_STORE_MISSING;
	}
	if (ret == OCS_STORE_OK)
		ret = prepend(mem_ctx, known.name, out, error);
	talloc_free(data);
	return ret;
}

/* A message of that name: its folder, and whether it is still there under it. */
static int message_step(struct ocs_index *index, const void *mem_ctx, uint64_t id, uint64_t series,
                        const char *message_id, uint64_t *fid_r, struct ocs_index_name *out,
                        struct ocs_error *error)
{
	struct ocs_index_message message;
	bool retired;
	int ret;

	/* Pending names are the index's until it looks again, which the next step does. */
	out->message_id = talloc_strdup(mem_ctx, message_id);
	if (out->message_id == NULL)
		return ocs_error_memory(error);
	ret = ocs_index_message(index, series, out->message_id, &message, error);
	if (ret != OCS_STORE_OK && ret != OCS_STORE_MISSING)
		return ret;
	out->deleted = ret == OCS_STORE_MISSING || message.mid != id;
	ret = ocs_index_series_get(index, series, fid_r, &retired, error);
	if (ret != OCS_STORE_OK)
		return ret;
	out->deleted = out->deleted || retired;
	return OCS_STORE_OK;
}

int ocs_index_lookup(struct ocs_index *index, const void *mem_ctx, uint64_t id,
                     struct ocs_index_name *out, struct ocs_error *error)
{
	struct ocs_pending *pending;
	const char *message_id;
	uint64_t fid, series;
	uint8_t *data;
	size_t len;
	int ret;

	memset(out, 0, sizeof(*out));
	ocs_index_refresh(index);
	pending = pending_of(index); /* before the index is looked at */
	id = fid = ocs_index_follow(index, id);
	ret = ocs_index_name_get(index, index, id, &data, &len, error);
	if (ret == OCS_STORE_MISSING && pending != NULL &&
	    ocs_pending_name(pending, id, &series, &message_id))
		ret = message_step(index, mem_ctx, id, series, message_id, &fid, out, error);
	else if (ret == OCS_STORE_OK && len > 9 && data[0] == OCS_KIND_MESSAGE && data[9] != '\0')
		ret = message_step(index, mem_ctx, id, ocs_get64(data + 1), (const char *)data + 9,
		                   &fid, out, error);
	talloc_free(data);
	for (int depth = 0; ret == OCS_STORE_OK && fid != 0 && depth < DEPTH_MAX; depth++)
		ret = folder_step(index, mem_ctx, fid, &fid, out, error);
	return ret;
}
