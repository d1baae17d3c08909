/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The records of the registry as such: read, checked, set aside where they are damaged, in
 * transactions; keys and lists of ids; random ids and the clock. Touches the open file only, knows
 * no kind of record.
 */
#include "registry/internal.h"

#include <string.h>
#include <sys/random.h>
#include <time.h>

#include <talloc.h>

#include "base/bytes.h"
#include "base/fault_point.h"

/* ---- transactions and records ---- */

int ocs_registry_begin(struct ocs_registry *registry, struct ocs_error *error)
{
	return ocs_store_begin(registry->store, error);
}

int ocs_registry_commit(struct ocs_registry *registry, bool sync, struct ocs_error *error)
{
	return ocs_store_commit(registry->store, sync, error);
}

void ocs_registry_cancel(struct ocs_registry *registry)
{
	ocs_store_cancel(registry->store);
}

int ocs_registry_reject(struct ocs_registry *registry, const void *key, size_t key_len,
                        struct ocs_error *error)
{
	__atomic_add_fetch(&registry->damaged, 1, __ATOMIC_RELAXED);
	if (ocs_store_in_transaction(registry->store) &&
	    ocs_store_quarantine(registry->store, key, key_len, error) != 0)
		return OCS_STORE_ERROR;
	return OCS_STORE_MISSING;
}

int ocs_registry_fetch(struct ocs_registry *registry, const void *mem_ctx, const void *key,
                       size_t key_len, uint8_t **data_r, size_t *len_r, struct ocs_error *error)
{
	int ret = ocs_store_fetch(registry->store, mem_ctx, key, key_len, data_r, len_r, error);

	return ret == OCS_STORE_DAMAGED ? ocs_registry_reject(registry, key, key_len, error) : ret;
}

void ocs_registry_id_key(uint8_t key[OCS_ID_KEY_SIZE], char prefix, uint64_t id)
{
	key[0] = (uint8_t)prefix;
	ocs_put64(key + 1, id);
}

/* ---- lists of 64-bit ids: the contexts, and the sessions of one ---- */

int ocs_registry_ids_fetch(struct ocs_registry *registry, const void *mem_ctx, const void *key,
                           size_t key_len, size_t skip, uint8_t **data_r, size_t *len_r,
                           struct ocs_error *error)
{
	int ret = ocs_registry_fetch(registry, mem_ctx, key, key_len, data_r, len_r, error);

	if (ret == OCS_STORE_OK && (*len_r < skip || (*len_r - skip) % 8 != 0)) {
		talloc_free(*data_r);
		ret = ocs_registry_reject(registry, key, key_len, error);
	}
	return ret;
}

/* Adds or removes an id after the first `skip` bytes of a record that may be missing if skip is 0.
 */
int ocs_registry_ids_change(struct ocs_registry *registry, const void *key, size_t key_len,
                            size_t skip, uint64_t id, bool add, struct ocs_error *error)
{
	uint8_t *data;
	size_t len, i;
	int ret =
	        ocs_registry_ids_fetch(registry, registry, key, key_len, skip, &data, &len, error);

	if (ret == OCS_STORE_MISSING && skip == 0) {
		data = talloc_size(registry, 8);
		len = 0;
	} else if (ret != OCS_STORE_OK) {
		return ret == OCS_STORE_MISSING && !add ? OCS_STORE_OK : ret;
	} else {
		data = talloc_realloc_size(registry, data, len + 8);
	}
	if (data == NULL)
		return ocs_error_memory(error);
	for (i = skip; i < len && ocs_get64(data + i) != id; i += 8)
		;
	if (add && i == len) {
		ocs_put64(data + len, id);
		len += 8;
	} else if (!add && i < len) {
		memmove(data + i, data + i + 8, len - i - 8);
		len -= 8;
	}
	ret = len == 0 ? ocs_store_delete(registry->store, key, key_len, error)
	               : ocs_store_put(registry->store, key, key_len, data, len, error);
	talloc_free(data);
	return ret;
}

/* ---- ids and the clock ---- */

uint64_t ocs_random_id(void)
{
	uint64_t id = 0;

	while (id == 0) {
		/* 8 bytes come whole or not at all once the pool is ready. */
		if (getrandom(&id, sizeof(id), 0) != sizeof(id))
			id = 0;
	}
	return id;
}

uint64_t ocs_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)(now.tv_sec + ocs_fault_clock()) * 1000000 + (uint64_t)now.tv_nsec / 1000;
}
