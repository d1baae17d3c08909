/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Spill lists: what a full or missing kernel queue could not take, in the registry, in order.
 *
 *   P<queue>      head 64, tail 64, dropped 64, collapsed 8
 *   E<queue><n>   the entry number n; head <= n < tail
 *   T             entries over all lists, 64
 *
 * Appending and taking cost the same at any length of the list. Touches the open registry.
 */
#include "registry/internal.h"

#include <string.h>

#include <talloc.h>

#include "base/bytes.h"
#include "ocsnotify.h"

#define HEAD_SIZE      25
#define ENTRY_KEY_SIZE 17

/* An entry's record takes more than that of the file; and more than that many of one queue no
 * transaction adds, which the file's size does not show yet. */
#define ENTRY_ROOM 48
#define ADDED_MAX  100000

struct spill_head {
	uint64_t head, tail, dropped;
	bool collapsed;
};

static const char key_total[] = {'T'};

static void entry_key(uint8_t key[ENTRY_KEY_SIZE], uint64_t queue, uint64_t n)
{
	ocs_registry_id_key(key, 'E', queue);
	ocs_put64(key + 9, n);
}

/* A count of what cannot be there would be gone through for ages. */
static bool head_decode(const struct ocs_registry *registry, const uint8_t *data, size_t len,
                        struct spill_head *out)
{
	if (len != HEAD_SIZE)
		return false;
	out->head = ocs_get64(data);
	out->tail = ocs_get64(data + 8);
	out->dropped = ocs_get64(data + 16);
	out->collapsed = data[24] != 0;
	return out->head <= out->tail &&
	       out->tail - out->head <= ocs_store_size(registry->store) / ENTRY_ROOM + ADDED_MAX;
}

static int head_get(struct ocs_registry *registry, uint64_t queue, struct spill_head *out,
                    struct ocs_error *error)
{
	uint8_t key[OCS_ID_KEY_SIZE], *data;
	size_t len;
	int ret;

	memset(out, 0, sizeof(*out));
	ocs_registry_id_key(key, 'P', queue);
	ret = ocs_registry_fetch(registry, registry, key, sizeof(key), &data, &len, error);
	if (ret != OCS_STORE_OK)
		return ret == OCS_STORE_MISSING ? OCS_STORE_OK : ret;
	if (!head_decode(registry, data, len, out)) {
		memset(out, 0, sizeof(*out));
		ret = ocs_registry_reject(registry, key, sizeof(key), error);
	}
	talloc_free(data);
	return ret == OCS_STORE_MISSING ? OCS_STORE_OK : ret;
}

static int head_put(struct ocs_registry *registry, uint64_t queue, const struct spill_head *head,
                    struct ocs_error *error)
{
	uint8_t key[OCS_ID_KEY_SIZE], data[HEAD_SIZE];

	ocs_registry_id_key(key, 'P', queue);
	ocs_put64(data, head->head);
	ocs_put64(data + 8, head->tail);
	ocs_put64(data + 16, head->dropped);
	data[24] = head->collapsed;
	return ocs_store_put(registry->store, key, sizeof(key), data, sizeof(data), error);
}

int ocs_registry_spill_total(struct ocs_registry *registry, uint64_t *total_r,
                             struct ocs_error *error)
{
	uint8_t *data;
	size_t len;
	int ret;

	*total_r = 0;
	ret = ocs_registry_fetch(registry, registry, key_total, sizeof(key_total), &data, &len,
	                         error);
	if (ret != OCS_STORE_OK)
		return ret == OCS_STORE_MISSING ? OCS_STORE_OK : ret;
	if (len == 8)
		*total_r = ocs_get64(data);
	talloc_free(data);
	return OCS_STORE_OK;
}

static int total_add(struct ocs_registry *registry, uint64_t total, int64_t change,
                     struct ocs_error *error)
{
	uint8_t data[8];

	if (change < 0 && (uint64_t)-change > total)
		total = 0;
	else
		total += (uint64_t)change;
	ocs_put64(data, total);
	return ocs_store_put(registry->store, key_total, sizeof(key_total), data, sizeof(data),
	                     error);
}

static int delete_entries(struct ocs_registry *registry, uint64_t queue, uint64_t from, uint64_t to,
                          struct ocs_error *error)
{
	uint8_t key[ENTRY_KEY_SIZE];
	int ret = OCS_STORE_OK;

	for (uint64_t n = from; n < to && ret == OCS_STORE_OK; n++) {
		entry_key(key, queue, n);
		ret = ocs_store_delete(registry->store, key, sizeof(key), error);
	}
	return ret;
}

/* What is left of a table queue that overflowed: read the whole table again. */
static size_t table_changed(const uint8_t *entry, size_t len, uint8_t out[OCS_ENTRY_SIZE_MAX])
{
	struct ocs_entry decoded;

	if (ocs_entry_decode(entry, len, &decoded) != 0)
		return 0;
	decoded.table_event = OCSNOTIFY_TABLE_CHANGED;
	return ocs_entry_encode(&decoded, out);
}

int ocs_registry_spill_append(struct ocs_registry *registry, uint64_t queue, enum ocs_table table,
                              const uint8_t *entry, size_t len, uint32_t max, uint32_t total_max,
                              enum ocs_spill_outcome *outcome_r, struct ocs_error *error)
{
	bool is_table = table == OCS_TABLE_CONTENTS || table == OCS_TABLE_HIERARCHY;
	uint8_t key[ENTRY_KEY_SIZE], changed[OCS_ENTRY_SIZE_MAX];
	struct spill_head head;
	uint64_t total, count;
	int64_t change = 1;
	int ret = head_get(registry, queue, &head, error);

	*outcome_r = OCS_SPILL_APPENDED;
	if (ret == OCS_STORE_OK)
		ret = ocs_registry_spill_total(registry, &total, error);
	if (ret != OCS_STORE_OK)
		return ret;
	count = head.tail - head.head;
	if (head.collapsed && count > 0) {
		*outcome_r = OCS_SPILL_COLLAPSED;
		return OCS_STORE_OK;
	}
	/* The first entry of a list is taken whatever the total: dropping another queue's entry
	 * would not be this one's to decide, and there are no more such entries than queues. */
	if (count > 0 && (count >= max || total >= total_max)) {
		if (is_table) {
			size_t changed_len = table_changed(entry, len, changed);

			if (changed_len == 0)
				return ocs_error_set(error, "an entry does not decode");
			ret = delete_entries(registry, queue, head.head, head.tail, error);
			head.head = head.tail;
			head.collapsed = true;
			entry = changed;
			len = changed_len;
			change -= (int64_t)count;
			*outcome_r = OCS_SPILL_COLLAPSED;
		} else {
			ret = delete_entries(registry, queue, head.head, head.head + 1, error);
			head.head++;
			head.dropped++;
			change = 0;
			*outcome_r = OCS_SPILL_DROPPED_OLDEST;
		}
		if (ret != OCS_STORE_OK)
			return ret;
	}
	entry_key(key, queue, head.tail++);
	ret = ocs_store_put(registry->store, key, sizeof(key), entry, len, error);
	if (ret == OCS_STORE_OK)
		ret = head_put(registry, queue, &head, error);
	if (ret == OCS_STORE_OK && change != 0)
		ret = total_add(registry, total, change, error);
	return ret;
}

int ocs_registry_spill_state(struct ocs_registry *registry, uint64_t queue,
                             struct ocs_spill_state *out, struct ocs_error *error)
{
	struct spill_head head;
	int ret = head_get(registry, queue, &head, error);

	out->count = head.tail - head.head;
	out->dropped = head.dropped;
	out->collapsed = head.collapsed && out->count > 0;
	return ret;
}

int ocs_registry_spill_each(struct ocs_registry *registry, uint64_t queue, ocs_spill_each_fn *each,
                            void *arg, struct ocs_error *error)
{
	uint8_t key[ENTRY_KEY_SIZE], *data;
	struct spill_head head;
	size_t len;
	int ret = head_get(registry, queue, &head, error);

	for (uint64_t n = head.head; n < head.tail && ret == OCS_STORE_OK; n++) {
		entry_key(key, queue, n);
		ret = ocs_registry_fetch(registry, registry, key, sizeof(key), &data, &len, error);
		if (ret == OCS_STORE_MISSING) {
			ret = OCS_STORE_OK;
			continue;
		}
		if (ret == OCS_STORE_OK) {
			ret = each(data, len, arg);
			talloc_free(data);
		}
	}
	return ret;
}

static int empty_list(struct ocs_registry *registry, uint64_t queue, bool forget,
                      struct ocs_error *error)
{
	uint8_t key[OCS_ID_KEY_SIZE];
	struct spill_head head;
	uint64_t total;
	int ret = head_get(registry, queue, &head, error);

	if (ret != OCS_STORE_OK)
		return ret;
	if (head.tail != head.head) {
		ret = ocs_registry_spill_total(registry, &total, error);
		if (ret == OCS_STORE_OK)
			ret = delete_entries(registry, queue, head.head, head.tail, error);
		if (ret == OCS_STORE_OK)
			ret = total_add(registry, total, -(int64_t)(head.tail - head.head), error);
		head.head = head.tail;
		head.collapsed = false;
		if (ret == OCS_STORE_OK && !forget)
			ret = head_put(registry, queue, &head, error);
	}
	if (ret == OCS_STORE_OK && forget) {
		ocs_registry_id_key(key, 'P', queue);
		ret = ocs_store_delete(registry->store, key, sizeof(key), error);
	}
	return ret;
}

int ocs_registry_spill_clear(struct ocs_registry *registry, uint64_t queue, struct ocs_error *error)
{
	return empty_list(registry, queue, false, error);
}

int ocs_registry_spill_forget(struct ocs_registry *registry, uint64_t queue,
                              struct ocs_error *error)
{
	return empty_list(registry, queue, true, error);
}
