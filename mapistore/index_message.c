/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Messages in the identifier index, and from an identifier back to the name. Touches the open
 * index; the owner's thread. */
#include "mapistore/index_internal.h"

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

int ocs_index_message(struct ocs_index *index, uint64_t series, const char *message_id,
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

int ocs_index_message_put(struct ocs_index *index, const struct ocs_index_folder *folder,
                          const char *message_id, const struct ocs_index_message *message,
                          struct ocs_error *error)
{
	uint8_t key[9 + NAME_MAX_], data[MESSAGE_SIZE + CONTENT_SIZE], name[8 + NAME_MAX_];
	size_t len = strnlen(message_id, NAME_MAX_);
	int ret;

	ocs_put64(data, message->mid);
	data[8] = message->announced;
	ocs_put64(data + MESSAGE_SIZE, message->content);
	ret = ocs_index_put(index, key, message_key(key, folder->series, message_id), data,
	                    MESSAGE_SIZE + (message->content != 0 ? CONTENT_SIZE : 0), error);
	if (ret != OCS_STORE_OK)
		return ret;
	ocs_put64(name, folder->series);
	memcpy(name + 8, message_id, len);
	return ocs_index_name_put(index, message->mid, OCS_KIND_MESSAGE, name, 8 + len, error);
}

int ocs_index_message_delete(struct ocs_index *index, uint64_t series, const char *message_id,
                             struct ocs_error *error)
{
	struct ocs_index_message message;
	uint8_t key[9 + NAME_MAX_];
	int ret = ocs_index_message(index, series, message_id, &message, error);

	if (ret != OCS_STORE_OK)
		return ret == OCS_STORE_MISSING ? OCS_STORE_OK : ret;
	ret = ocs_index_name_delete(index, message.mid, error);
	if (ret != OCS_STORE_OK)
		return ret;
	return ocs_index_delete(index, key, message_key(key, series, message_id), error);
}

/* ---- names ---- */

int ocs_index_series_put(struct ocs_index *index, uint64_t series, uint64_t fid,
                         struct ocs_error *error)
{
	uint8_t key[9], data[8];

	key[0] = 'S';
	ocs_put64(key + 1, series);
	ocs_put64(data, fid);
	return ocs_index_put(index, key, sizeof(key), data, sizeof(data), error);
}

int ocs_index_series_get(struct ocs_index *index, uint64_t series, uint64_t *fid_r,
                         struct ocs_error *error)
{
	uint8_t key[9], *data;
	size_t len;
	int ret;

	key[0] = 'S';
	ocs_put64(key + 1, series);
	ret = ocs_index_fetch(index, index, key, sizeof(key), &data, &len, error);
	if (ret == OCS_STORE_OK && len != 8)
		ret = OCS_STORE_MISSING;
	if (ret == OCS_STORE_OK)
		*fid_r = ocs_get64(data);
	talloc_free(data);
	return ret;
}

static void name_key(uint8_t key[9], uint64_t id)
{
	key[0] = 'I';
	ocs_put64(key + 1, id);
}

int ocs_index_name_put(struct ocs_index *index, uint64_t id, char kind, const void *data,
                       size_t len, struct ocs_error *error)
{
	uint8_t key[9], *record = talloc_size(index, len + 1);
	int ret;

	if (record == NULL)
		return ocs_error_set(error, "out of memory");
	name_key(key, id);
	record[0] = (uint8_t)kind;
	memcpy(record + 1, data, len);
	ret = ocs_index_put(index, key, sizeof(key), record, len + 1, error);
	talloc_free(record);
	return ret;
}

int ocs_index_name_delete(struct ocs_index *index, uint64_t id, struct ocs_error *error)
{
	uint8_t key[9];

	name_key(key, id);
	return ocs_index_delete(index, key, sizeof(key), error);
}

bool ocs_index_name_known(struct ocs_index *index, uint64_t id)
{
	uint8_t key[9], *data;
	size_t len;
	int ret;

	name_key(key, id);
	ret = ocs_index_fetch(index, index, key, sizeof(key), &data, &len, NULL);
	talloc_free(data);
	return ret == OCS_STORE_OK;
}

/* Splits data[from..len) at its NULs into n parts; -1 if there are fewer. fetch has put a NUL
 * behind the data. */
static int split(const uint8_t *data, size_t from, size_t len, const char **part, size_t n)
{
	const char *p = (const char *)data + from, *end = (const char *)data + len;

	for (size_t i = 0; i < n; i++) {
		if (p > end)
			return -1;
		part[i] = p;
		p += strlen(p) + 1;
	}
	return 0;
}

static int fetch_name(struct ocs_index *index, uint64_t id, uint8_t **data_r, size_t *len_r,
                      struct ocs_error *error)
{
	uint8_t key[9];

	name_key(key, id);
	return ocs_index_fetch(index, index, key, sizeof(key), data_r, len_r, error);
}

static int set_store(const void *mem_ctx, const char *const part[3], struct ocs_index_name *out,
                     struct ocs_error *error)
{
	out->user = talloc_strdup(mem_ctx, part[0]);
	out->backend = talloc_strdup(mem_ctx, part[1]);
	out->backend_user = talloc_strdup(mem_ctx, part[2]);
	return out->user == NULL || out->backend == NULL || out->backend_user == NULL
	               ? ocs_error_set(error, "out of memory")
	               : OCS_STORE_OK;
}

static int top_names(struct ocs_index *index, const void *mem_ctx, uint64_t top,
                     struct ocs_index_name *out, struct ocs_error *error)
{
	const char *part[3];
	uint8_t *data;
	size_t len;
	int ret = fetch_name(index, top, &data, &len, error);

	if (ret != OCS_STORE_OK)
		return ret;
	if (len < 1 || data[0] != OCS_KIND_TOP || split(data, 1, len, part, 3) != 0)
		ret = OCS_STORE_MISSING;
	else
		ret = set_store(mem_ctx, part, out, error);
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
	return longer == NULL ? ocs_error_set(error, "out of memory") : OCS_STORE_OK;
}

/* One step up: prepends the folder's name to out->folder and returns its parent. */
static int folder_step(struct ocs_index *index, const void *mem_ctx, uint64_t fid, uint64_t *parent,
                       struct ocs_index_name *out, struct ocs_error *error)
{
	bool first = out->folder == NULL;
	const char *part[4];
	uint8_t *data;
	size_t len;
	int ret = fetch_name(index, fid, &data, &len, error);

	if (ret != OCS_STORE_OK)
		return ret;
	*parent = len >= 9 ? ocs_get64(data + 1) : 0;
	if (len >= 1 && data[0] == OCS_KIND_ROOT && first) {
		part[0] = talloc_strndup(data, (const char *)data + 1, len - 1);
		part[1] = part[2] = "";
		*parent = 0;
		ret = part[0] == NULL ? ocs_error_set(error, "out of memory")
		                      : set_store(mem_ctx, part, out, error);
		if (ret == OCS_STORE_OK)
			ret = prepend(mem_ctx, "", out, error);
	} else if (len >= 17 && data[0] == OCS_KIND_PLACE) {
		if (first)
			ret = top_names(index, mem_ctx, ocs_get64(data + 9), out, error);
		if (ret == OCS_STORE_OK)
			ret = prepend(mem_ctx, (const char *)data + 17, out, error);
	} else if (len >= 9 && data[0] == OCS_KIND_FOLDER && split(data, 9, len, part, 4) == 0) {
		if (first)
			ret = set_store(mem_ctx, part, out, error);
		if (ret == OCS_STORE_OK)
			ret = prepend(mem_ctx, part[3], out, error);
	} else {
		ret = OCS_STORE_MISSING;
	}
	talloc_free(data);
	return ret;
}

int ocs_index_lookup(struct ocs_index *index, const void *mem_ctx, uint64_t id,
                     struct ocs_index_name *out, struct ocs_error *error)
{
	struct ocs_index_message message;
	uint8_t *data;
	uint64_t fid = id;
	size_t len;
	int ret;

	memset(out, 0, sizeof(*out));
	ocs_index_refresh(index);
	ret = fetch_name(index, id, &data, &len, error);
	if (ret != OCS_STORE_OK)
		return ret;
	if (len > 9 && data[0] == OCS_KIND_MESSAGE) {
		const char *message_id = (const char *)data + 9;
		uint64_t series = ocs_get64(data + 1);

		out->message_id = talloc_strdup(mem_ctx, message_id);
		/* A retired message leads nowhere. */
		ret = ocs_index_message(index, series, message_id, &message, error);
		if (ret == OCS_STORE_OK && message.mid != id)
			ret = OCS_STORE_MISSING;
		if (ret == OCS_STORE_OK)
			ret = ocs_index_series_get(index, series, &fid, error);
	}
	talloc_free(data);
	for (int depth = 0; ret == OCS_STORE_OK && fid != 0 && depth < DEPTH_MAX; depth++)
		ret = folder_step(index, mem_ctx, fid, &fid, out, error);
	return ret;
}
