/* Messages of the identifier index, and the way back from an identifier to its name. See index.h.
 */
#include "mapistore/index_internal.h"

#include <string.h>

#include <talloc.h>

#include "store/bytes.h"

#define NAME_MAX_    1024
#define MESSAGE_SIZE 9   /* MID 64, announced 8; then, where it is known: */
#define CONTENT_SIZE 8   /* which mail it is, 64 */
#define DEPTH_MAX    512 /* more components do not fit into a folder's name */

int ocs_index_fetch(struct ocs_index *index, const void *mem_ctx, const void *key, size_t key_len,
                    uint8_t **data_r, size_t *len_r, struct ocs_error *error)
{
	int ret = ocs_store_fetch(index->store, mem_ctx, key, key_len, data_r, len_r, error);

	if (ret != OCS_STORE_DAMAGED)
		return ret;
	if (ocs_store_in_transaction(index->store) &&
	    ocs_store_quarantine(index->store, key, key_len, error) != 0)
		return OCS_STORE_ERROR;
	return OCS_STORE_MISSING;
}

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
	ret = ocs_store_put(index->store, key, message_key(key, folder->series, message_id), data,
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
	return ocs_store_delete(index->store, key, message_key(key, series, message_id), error);
}

/* ---- names ---- */

int ocs_index_series_put(struct ocs_index *index, uint64_t series, uint64_t fid,
                         struct ocs_error *error)
{
	uint8_t key[9], data[8];

	key[0] = 'S';
	ocs_put64(key + 1, series);
	ocs_put64(data, fid);
	return ocs_store_put(index->store, key, sizeof(key), data, sizeof(data), error);
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
	ret = ocs_store_put(index->store, key, sizeof(key), record, len + 1, error);
	talloc_free(record);
	return ret;
}

int ocs_index_name_delete(struct ocs_index *index, uint64_t id, struct ocs_error *error)
{
	uint8_t key[9];

	name_key(key, id);
	return ocs_store_delete(index->store, key, sizeof(key), error);
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

/* One step up: prepends the folder's name to out->folder and returns its parent. */
static int folder_step(struct ocs_index *index, const void *mem_ctx, uint64_t fid, uint64_t *parent,
                       struct ocs_index_name *out, struct ocs_error *error)
{
	const char *part[4], *p, *end;
	uint8_t key[9], *data;
	char *longer;
	size_t len;
	int ret;

	name_key(key, fid);
	ret = ocs_index_fetch(index, index, key, sizeof(key), &data, &len, error);
	if (ret != OCS_STORE_OK)
		return ret;
	if (len >= 1 && data[0] == OCS_KIND_ROOT && out->folder == NULL) {
		out->user = talloc_strndup(mem_ctx, (const char *)data + 1, len - 1);
		out->backend = talloc_strdup(mem_ctx, "");
		out->backend_user = talloc_strdup(mem_ctx, "");
		out->folder = talloc_strdup(mem_ctx, "");
		*parent = 0;
		talloc_free(data);
		return OCS_STORE_OK;
	}
	if (len < 9 || data[0] != OCS_KIND_FOLDER) {
		talloc_free(data);
		return OCS_STORE_MISSING;
	}
	/* fetch has put a NUL behind the data */
	p = (const char *)data + 9;
	end = (const char *)data + len;
	for (size_t i = 0; i < 4; i++) {
		if (p > end) {
			talloc_free(data);
			return OCS_STORE_MISSING;
		}
		part[i] = p;
		p += strlen(p) + 1;
	}
	*parent = ocs_get64(data + 1);
	if (out->folder == NULL) {
		out->user = talloc_strdup(mem_ctx, part[0]);
		out->backend = talloc_strdup(mem_ctx, part[1]);
		out->backend_user = talloc_strdup(mem_ctx, part[2]);
		longer = talloc_strdup(mem_ctx, part[3]);
	} else {
		longer = talloc_asprintf(mem_ctx, "%s/%s", part[3], out->folder);
	}
	talloc_free(out->folder);
	out->folder = longer;
	talloc_free(data);
	return longer == NULL ? ocs_error_set(error, "out of memory") : OCS_STORE_OK;
}

int ocs_index_lookup(struct ocs_index *index, const void *mem_ctx, uint64_t id,
                     struct ocs_index_name *out, struct ocs_error *error)
{
	struct ocs_index_message message;
	uint8_t key[9], *data;
	uint64_t fid = id;
	size_t len;
	int ret;

	memset(out, 0, sizeof(*out));
	name_key(key, id);
	ret = ocs_index_fetch(index, index, key, sizeof(key), &data, &len, error);
	if (ret != OCS_STORE_OK)
		return ret;
	if (len > 9 && data[0] == OCS_KIND_MESSAGE) {
		const char *message_id = (const char *)data + 9;
		uint64_t series = ocs_get64(data + 1);

		out->message_id = talloc_strdup(mem_ctx, message_id);
		/* A retired registration leads nowhere. */
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
