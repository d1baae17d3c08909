/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Identifiers as they travel between nodes: see ids.h. Pure functions. */
#include "notify/ids.h"

#include <string.h>

#include <talloc.h>

#include "base/bytes.h"

#define VERSION    1
#define HEAD_SIZE  5
#define FIXED_SIZE 21 /* of a user, apart from name and FIDs */
#define LEVELS_MAX (OCS_FOLDER_LEVELS_MAX + 1)

const struct ocs_ids *ocs_ids_of(const struct ocs_ids_list *list, const char *user)
{
	for (size_t i = 0; list != NULL && i < list->n; i++)
		if (strcmp(list->ids[i].user, user) == 0)
			return &list->ids[i];
	return NULL;
}

static const uint64_t *copy_of(const void *mem_ctx, const uint64_t *ids, size_t n)
{
	return talloc_memdup(mem_ctx, ids, n * sizeof(*ids));
}

int ocs_ids_add(const void *mem_ctx, struct ocs_ids_list *list, const struct ocs_ids *ids)
{
	struct ocs_ids *grown = talloc_realloc(mem_ctx, list->ids, struct ocs_ids, list->n + 1),
	               *copy;

	if (grown == NULL)
		return -1;
	list->ids = grown;
	copy = &grown[list->n];
	*copy = *ids;
	copy->user = talloc_strdup(mem_ctx, ids->user);
	if (ids->n_folder > 0)
		copy->folder = copy_of(mem_ctx, ids->folder, ids->n_folder);
	if (ids->n_old > 0)
		copy->old_folder = copy_of(mem_ctx, ids->old_folder, ids->n_old);
	if (copy->user == NULL || (ids->n_folder > 0 && copy->folder == NULL) ||
	    (ids->n_old > 0 && copy->old_folder == NULL))
		return -1;
	list->n++;
	return 0;
}

/* ---- encoding ---- */

static size_t size_of(const struct ocs_ids *ids)
{
	return FIXED_SIZE + strlen(ids->user) + 8 * (ids->n_folder + ids->n_old);
}

static uint8_t *put_ids(uint8_t *p, const uint64_t *ids, size_t n)
{
	for (size_t i = 0; i < n; i++, p += 8)
		ocs_put64(p, ids[i]);
	return p;
}

static uint8_t *put_user(uint8_t *p, const struct ocs_ids *ids)
{
	size_t len = strlen(ids->user);

	ocs_put16(p, (uint16_t)len);
	memcpy(p + 2, ids->user, len);
	p += 2 + len;
	*p++ = ids->category;
	*p++ = (uint8_t)ids->n_folder;
	*p++ = (uint8_t)ids->n_old;
	ocs_put64(p, ids->mid);
	ocs_put64(p + 8, ids->old_mid);
	return put_ids(put_ids(p + 16, ids->folder, ids->n_folder), ids->old_folder, ids->n_old);
}

uint8_t *ocs_ids_encode(const void *mem_ctx, const struct ocs_ids_list *list, size_t *len_r)
{
	size_t size = HEAD_SIZE, n = 0;
	uint8_t *data, *p;

	while (n < list->n && n < UINT16_MAX &&
	       size + size_of(&list->ids[n]) <= OCS_IDS_ENCODED_MAX)
		size += size_of(&list->ids[n++]);
	*len_r = size;
	data = n > 0 ? talloc_array(mem_ctx, uint8_t, size) : NULL;
	if (data == NULL)
		return NULL;
	data[0] = VERSION;
	ocs_put16(data + 1, list->replica_id);
	ocs_put16(data + 3, (uint16_t)n);
	p = data + HEAD_SIZE;
	for (size_t i = 0; i < n; i++)
		p = put_user(p, &list->ids[i]);
	return data;
}

/* ---- decoding ---- */

struct reader {
	const uint8_t *p;
	size_t left;
};

static const uint8_t *take(struct reader *reader, size_t len)
{
	const uint8_t *p = reader->p;

	if (reader->left < len)
		return NULL;
	reader->p += len;
	reader->left -= len;
	return p;
}

static const uint64_t *take_ids(struct reader *reader, const void *mem_ctx, size_t n)
{
	const uint8_t *p = take(reader, 8 * n);
	uint64_t *ids = p != NULL ? talloc_array(mem_ctx, uint64_t, n) : NULL;

	for (size_t i = 0; ids != NULL && i < n; i++)
		ids[i] = ocs_get64(p + 8 * i);
	return ids;
}

static bool take_user(struct reader *reader, const void *mem_ctx, struct ocs_ids *out)
{
	const uint8_t *p = take(reader, 2);
	size_t len = p != NULL ? ocs_get16(p) : 0;

	p = take(reader, len);
	if (len == 0 || len > OCS_NAME_MAX || p == NULL || memchr(p, 0, len) != NULL)
		return false;
	out->user = talloc_strndup(mem_ctx, (const char *)p, len);
	p = take(reader, 19);
	if (out->user == NULL || p == NULL || p[1] > LEVELS_MAX || p[2] > LEVELS_MAX)
		return false;
	out->category = p[0];
	out->n_folder = p[1];
	out->n_old = p[2];
	out->mid = ocs_get64(p + 3);
	out->old_mid = ocs_get64(p + 11);
	out->folder = take_ids(reader, mem_ctx, out->n_folder);
	out->old_folder = take_ids(reader, mem_ctx, out->n_old);
	return out->folder != NULL && out->old_folder != NULL;
}

struct ocs_ids_list *ocs_ids_decode(const void *mem_ctx, const uint8_t *data, size_t len)
{
	struct reader reader = {.p = data, .left = len};
	struct ocs_ids_list *list = talloc_zero(mem_ctx, struct ocs_ids_list);
	const uint8_t *p = take(&reader, HEAD_SIZE);
	size_t n = p != NULL ? ocs_get16(p + 3) : 0;

	/* What a user takes at least: no number makes room for more than came. */
	if (list == NULL || p == NULL || p[0] != VERSION || n == 0 ||
	    n > reader.left / (FIXED_SIZE + 1)) {
		talloc_free(list);
		return NULL;
	}
	list->replica_id = ocs_get16(p + 1);
	list->ids = talloc_zero_array(list, struct ocs_ids, n);
	for (; list->ids != NULL && list->n < n; list->n++)
		if (!take_user(&reader, list, &list->ids[list->n]))
			break;
	if (list->n < n || reader.left != 0)
		TALLOC_FREE(list);
	return list;
}
