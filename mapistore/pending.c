/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Messages on their way to the index: see pending.h. Reads messages/log. */
#include "mapistore/pending.h"

#include <string.h>

#include <talloc.h>
#include <uthash.h>

#include "base/bytes.h"
#include "store/journal_reader.h"

/* ---- records: state 8, flags 8, MID 64, with FLAG_CONTENT the content 64, then the key ---- */

#define HEADER         10
#define CONTENT        8
#define FLAG_ANNOUNCED 1
#define FLAG_STALE     2
#define FLAG_CONTENT   4

size_t ocs_pending_key(uint8_t key[OCS_PENDING_KEY_MAX], uint64_t series, const char *message_id)
{
	size_t len = strnlen(message_id, OCS_NAME_MAX);

	ocs_put64(key, series);
	memcpy(key + 8, message_id, len);
	return 8 + len;
}

size_t ocs_pending_encode(uint8_t record[OCS_PENDING_RECORD_MAX],
                          const struct ocs_pending_message *what, const uint8_t *key,
                          size_t key_len)
{
	size_t head = HEADER;

	record[0] = (uint8_t)what->state;
	record[1] =
	        (uint8_t)((what->announced ? FLAG_ANNOUNCED : 0) | (what->stale ? FLAG_STALE : 0) |
	                  (what->content != 0 ? FLAG_CONTENT : 0));
	ocs_put64(record + 2, what->mid);
	if (what->content != 0) {
		ocs_put64(record + head, what->content);
		head += CONTENT;
	}
	memcpy(record + head, key, key_len);
	return head + key_len;
}

int ocs_pending_decode(const uint8_t *data, size_t len, struct ocs_pending_message *what,
                       const uint8_t **key_r, size_t *key_len_r)
{
	size_t head = HEADER;

	if (len <= HEADER + 8 || data[0] < OCS_PENDING_ASSIGNED || data[0] > OCS_PENDING_DELETED)
		return -1;
	if ((data[1] & FLAG_CONTENT) != 0)
		head += CONTENT;
	if (len <= head + 8 || len > head + OCS_PENDING_KEY_MAX)
		return -1;
	what->state = (enum ocs_pending_state)data[0];
	what->announced = (data[1] & FLAG_ANNOUNCED) != 0;
	what->stale = (data[1] & FLAG_STALE) != 0;
	what->mid = ocs_get64(data + 2);
	what->content = head > HEADER ? ocs_get64(data + HEADER) : 0;
	*key_r = data + head;
	*key_len_r = len - head;
	return 0;
}

/* ---- reading along ---- */

struct named {
	struct ocs_pending_message message;
	UT_hash_handle hh;
	size_t key_len;
	uint8_t key[]; /* and a NUL */
};

struct identified {
	uint64_t mid;
	const struct named *named;
	UT_hash_handle hh;
};

struct ocs_pending {
	struct ocs_journal_reader *reader;
	struct named *names;
	struct identified *ids; /* also those of a name that has another one by now */
	void *mem_ctx;          /* of both */
};

static void forget(struct ocs_pending *pending)
{
	HASH_CLEAR(hh, pending->names);
	HASH_CLEAR(hh, pending->ids);
	talloc_free_children(pending->mem_ctx);
}

static int pending_destroy(struct ocs_pending *pending)
{
	forget(pending);
	return 0;
}

struct ocs_pending *ocs_pending_new(const void *mem_ctx, const char *registry_folder)
{
	struct ocs_pending *pending = talloc_zero(mem_ctx, struct ocs_pending);
	char *path = talloc_asprintf(pending, "%s/" OCS_PENDING_FILE, registry_folder);

	if (pending != NULL && path != NULL) {
		pending->mem_ctx = talloc_new(pending);
		pending->reader = ocs_journal_reader_new(pending, path);
	}
	if (pending == NULL || pending->mem_ctx == NULL || pending->reader == NULL) {
		talloc_free(pending);
		return NULL;
	}
	talloc_free(path);
	talloc_set_destructor(pending, pending_destroy);
	return pending;
}

static struct named *named_for(struct ocs_pending *pending, const uint8_t *key, size_t key_len)
{
	struct named *named;

	HASH_FIND(hh, pending->names, key, key_len, named);
	if (named != NULL)
		return named;
	named = talloc_zero_size(pending->mem_ctx, sizeof(*named) + key_len + 1);
	if (named == NULL)
		return NULL;
	memcpy(named->key, key, key_len);
	named->key_len = key_len;
	HASH_ADD_KEYPTR(hh, pending->names, named->key, key_len, named);
	return named->hh.tbl != NULL ? named : NULL;
}

static int note_mid(struct ocs_pending *pending, uint64_t mid, const struct named *named)
{
	struct identified *id;

	HASH_FIND(hh, pending->ids, &mid, sizeof(mid), id);
	if (mid == 0 || id != NULL)
		return 0;
	id = talloc_zero(pending->mem_ctx, struct identified);
	if (id == NULL)
		return -1;
	id->mid = mid;
	id->named = named;
	HASH_ADD(hh, pending->ids, mid, sizeof(id->mid), id);
	return id->hh.tbl != NULL ? 0 : -1;
}

/* What cannot be a record of ours is passed over, as the daemon says so. */
static int pending_take(void *arg, const uint8_t *data, size_t len)
{
	struct ocs_pending *pending = arg;
	struct ocs_pending_message what;
	struct named *named;
	const uint8_t *key;
	size_t key_len;

	if (ocs_pending_decode(data, len, &what, &key, &key_len) != 0)
		return 0;
	named = named_for(pending, key, key_len);
	if (named == NULL)
		return -1;
	named->message = what;
	return note_mid(pending, what.mid, named);
}

int ocs_pending_refresh(struct ocs_pending *pending, struct ocs_error *error)
{
	if (ocs_journal_reader_moved(pending->reader))
		forget(pending);
	return ocs_journal_reader_read(pending->reader, pending_take, pending, error);
}

const struct ocs_pending_message *ocs_pending_find(struct ocs_pending *pending, uint64_t series,
                                                   const char *message_id)
{
	uint8_t key[OCS_PENDING_KEY_MAX];
	size_t key_len = ocs_pending_key(key, series, message_id);
	const struct named *named;

	HASH_FIND(hh, pending->names, key, key_len, named);
	return named != NULL ? &named->message : NULL;
}

bool ocs_pending_name(struct ocs_pending *pending, uint64_t mid, uint64_t *series_r,
                      const char **message_id_r)
{
	const struct identified *id;

	HASH_FIND(hh, pending->ids, &mid, sizeof(mid), id);
	if (id == NULL)
		return false;
	*series_r = ocs_get64(id->named->key);
	*message_id_r = (const char *)id->named->key + 8;
	return true;
}

int ocs_pending_each(struct ocs_pending *pending, ocs_pending_each_fn *each, void *arg)
{
	struct identified *id, *next;
	int ret = 0;

	HASH_ITER(hh, pending->ids, id, next)
	{
		ret = each(id->mid, ocs_get64(id->named->key), (const char *)id->named->key + 8,
		           arg);
		if (ret != 0)
			break;
	}
	return ret;
}
