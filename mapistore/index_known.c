/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The records I: what identifiers name; and keys as people are shown them. Reads the open index. */
#include "mapistore/index_internal.h"

#include <stdio.h>
#include <string.h>

#include <talloc.h>

#include "base/bytes.h"

/* Each step is a node that gave one; more are a circle, which damage alone can make. */
#define ALIASES_MAX 256

/* Splits data[from..len) at its NULs into n parts; -1 if there are fewer. */
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

/* Nobody has an empty name: such a record is not ours. */
static int take_store(const char *const part[3], struct ocs_index_known *out)
{
	out->user = part[0];
	out->backend = part[1];
	out->backend_user = part[2];
	return out->user[0] != '\0' ? 0 : -1;
}

int ocs_index_known_parse(const uint8_t *data, size_t len, struct ocs_index_known *out)
{
	const char *part[4];

	*out = (struct ocs_index_known){.kind = len > 0 ? (char)data[0] : '\0'};
	if (out->kind == OCS_KIND_PLACE_GONE || out->kind == OCS_KIND_FOLDER_GONE) {
		out->gone = true;
		out->kind = out->kind == OCS_KIND_PLACE_GONE ? OCS_KIND_PLACE : OCS_KIND_FOLDER;
	}
	switch (out->kind) {
	case OCS_KIND_ROOT:
		out->user = (const char *)data + 1;
		return out->user[0] != '\0' ? 0 : -1;
	case OCS_KIND_TOP:
		return split(data, 1, len, part, 3) == 0 ? take_store(part, out) : -1;
	case OCS_KIND_PLACE:
		if (len < 17)
			return -1;
		out->parent = ocs_get64(data + 1);
		out->top = ocs_get64(data + 9);
		out->name = (const char *)data + 17;
		return out->name[0] != '\0' ? 0 : -1;
	case OCS_KIND_FOLDER:
		if (len < 9 || split(data, 9, len, part, 4) != 0)
			return -1;
		out->parent = ocs_get64(data + 1);
		out->name = part[3];
		return out->name[0] != '\0' ? take_store(part, out) : -1;
	case OCS_KIND_MESSAGE:
		if (len <= 9)
			return -1;
		out->series = ocs_get64(data + 1);
		out->name = (const char *)data + 9;
		return out->name[0] != '\0' ? 0 : -1;
	case OCS_KIND_ALIAS:
		if (len != 9)
			return -1;
		out->parent = ocs_get64(data + 1);
		return 0;
	default:
		return -1;
	}
}

int ocs_index_name_get(struct ocs_index *index, const void *mem_ctx, uint64_t id, uint8_t **data_r,
                       size_t *len_r, struct ocs_error *error)
{
	uint8_t key[9];

	key[0] = 'I';
	ocs_put64(key + 1, id);
	return ocs_index_fetch(index, mem_ctx, key, sizeof(key), data_r, len_r, error);
}

uint64_t ocs_index_follow(struct ocs_index *index, uint64_t id)
{
	for (int i = 0; i < ALIASES_MAX; i++) {
		uint64_t next = 0;
		uint8_t *data = NULL;
		size_t len;

		if (ocs_index_name_get(index, index, id, &data, &len, NULL) == OCS_STORE_OK &&
		    len == 9 && data[0] == OCS_KIND_ALIAS)
			next = ocs_get64(data + 1);
		talloc_free(data);
		if (next == 0)
			return id;
		id = next;
	}
	return id;
}

int ocs_index_known(struct ocs_index *index, uint64_t id, uint8_t **data_r,
                    struct ocs_index_known *out, struct ocs_error *error)
{
	size_t len;
	int ret =
	        ocs_index_name_get(index, index, ocs_index_follow(index, id), data_r, &len, error);

	if (ret == OCS_STORE_OK && ocs_index_known_parse(*data_r, len, out) != 0) {
		TALLOC_FREE(*data_r);
		ret = OCS_STORE_MISSING;
	}
	if (ret != OCS_STORE_OK)
		*out = (struct ocs_index_known){.kind = '\0'};
	return ret;
}

/* F and M: the number and a name; I and S: the number; R and N: names. */
const char *ocs_index_key_show(const uint8_t *key, size_t key_len, char out[OCS_INDEX_KEY_SHOWN])
{
	char name[OCS_NAME_SHOWN_SIZE] = "", text[3 * (OCS_NAME_MAX + 2)];
	bool numbered = strchr("FIMS", key[0]) != NULL && key_len >= 9;
	char letter = key[0] > ' ' && key[0] < 0x7f ? (char)key[0] : '?';
	size_t n = 0;

	for (size_t i = numbered ? 9 : 1; i < key_len && n + 1 < sizeof(text); i++)
		text[n++] = key[i] != '\0' ? (char)key[i] : ' ';
	text[n] = '\0';
	if (n != 0)
		ocs_name_show(text, name, sizeof(name));
	if (numbered)
		snprintf(out, OCS_INDEX_KEY_SHOWN, "%c %016llx%s%s", letter,
		         (unsigned long long)ocs_get64(key + 1), n != 0 ? " " : "", name);
	else
		snprintf(out, OCS_INDEX_KEY_SHOWN, "%c%s%s", letter, n != 0 ? " " : "", name);
	return out;
}
