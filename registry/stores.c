/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Which sessions see a mail store, as their server said: X<backend> NUL <backend user>, which holds
 * the session 64, the length of the user 16 and the user, of each; and Y<session>, which holds the
 * keys of the former without the X, each behind its length 16, for the end of the session. Touches
 * the open registry.
 *
 * An older daemon or library ends sessions without knowing of these records: a session that is not
 * there counts for nothing.
 */
#include "registry/internal.h"

#include <string.h>

#include <talloc.h>

#include "base/bytes.h"

#define ENTRY_HEADER 10
#define KEY_MAX      (1 + 2 * OCS_USER_MAX + 1)

struct record {
	uint8_t key[KEY_MAX];
	size_t key_len, len;
	uint8_t *data; /* talloc, with room for `more` bytes behind it */
};

/* 0: a name is too long. */
static size_t store_key(uint8_t key[KEY_MAX], const char *backend, const char *backend_user)
{
	size_t a = strlen(backend), b = strlen(backend_user);

	if (a == 0 || a > OCS_USER_MAX || b == 0 || b > OCS_USER_MAX)
		return 0;
	key[0] = 'X';
	memcpy(key + 1, backend, a + 1);
	memcpy(key + a + 2, backend_user, b);
	return a + b + 2;
}

/* One that is not there has no bytes. */
static int read_record(struct ocs_registry *registry, struct record *record, size_t more,
                       struct ocs_error *error)
{
	uint8_t *data = NULL;
	int ret = ocs_registry_fetch(registry, registry, record->key, record->key_len, &data,
	                             &record->len, error);

	if (ret != OCS_STORE_OK && ret != OCS_STORE_MISSING)
		return ret;
	if (ret == OCS_STORE_MISSING)
		record->len = 0;
	record->data = talloc_realloc_size(registry, data, record->len + more + 1);
	if (record->data == NULL) {
		talloc_free(data);
		return ocs_error_memory(error);
	}
	return OCS_STORE_OK;
}

static int write_record(struct ocs_registry *registry, const struct record *record,
                        struct ocs_error *error)
{
	return record->len > 0
	               ? ocs_store_put(registry->store, record->key, record->key_len, record->data,
	                               record->len, error)
	               : ocs_store_delete(registry->store, record->key, record->key_len, error);
}

/* The length of the entry at `at` of a list of sessions; 0: there is none, or it is damaged. */
static size_t entry_at(const struct record *record, size_t at)
{
	size_t len;

	if (record->len - at < ENTRY_HEADER)
		return 0;
	len = ocs_get16(record->data + at + 8);
	return len > 0 && len <= OCS_USER_MAX && len <= record->len - at - ENTRY_HEADER
	               ? ENTRY_HEADER + len
	               : 0;
}

/* The same of a list of stores. */
static size_t key_at(const struct record *record, size_t at)
{
	size_t len;

	if (record->len - at < 2)
		return 0;
	len = ocs_get16(record->data + at);
	return len > 0 && len < KEY_MAX && len <= record->len - at - 2 ? 2 + len : 0;
}

/* Takes a session out of the list of a store. What is behind damage goes with it. */
static void drop_session(struct record *record, uint64_t session)
{
	size_t at = 0, kept = 0, n;

	for (; (n = entry_at(record, at)) > 0; at += n) {
		if (ocs_get64(record->data + at) == session)
			continue;
		memmove(record->data + kept, record->data + at, n);
		kept += n;
	}
	record->len = kept;
}

/* ---- of a session ---- */

/* Whether it has that store already; how many it has. */
static bool has_store(const struct record *record, const struct record *store, size_t *n_r)
{
	size_t at = 0, n;

	for (*n_r = 0; (n = key_at(record, at)) > 0; at += n, (*n_r)++)
		if (n - 2 == store->key_len - 1 &&
		    memcmp(record->data + at + 2, store->key + 1, n - 2) == 0)
			return true;
	return false;
}

static int add_to_session(struct ocs_registry *registry, const struct record *store,
                          uint64_t session, struct ocs_error *error)
{
	struct record record = {.key_len = OCS_ID_KEY_SIZE};
	size_t len = store->key_len - 1, n;
	int ret;

	ocs_registry_id_key(record.key, 'Y', session);
	ret = read_record(registry, &record, 2 + len, error);
	if (ret != OCS_STORE_OK)
		return ret;
	if (!has_store(&record, store, &n)) {
		if (n >= OCS_SESSION_STORES_MAX) {
			ocs_error_set(error, "a session sees %d mail stores at most",
			              OCS_SESSION_STORES_MAX);
			ret = OCS_STORE_FULL;
		} else {
			ocs_put16(record.data + record.len, (uint16_t)len);
			memcpy(record.data + record.len + 2, store->key + 1, len);
			record.len += 2 + len;
			ret = write_record(registry, &record, error);
		}
	}
	talloc_free(record.data);
	return ret;
}

static size_t count_entries(const struct record *record)
{
	size_t at = 0, n, count = 0;

	for (; (n = entry_at(record, at)) > 0; at += n)
		count++;
	return count;
}

int ocs_registry_store_add(struct ocs_registry *registry,
                           const struct ocs_registry_session *session, const char *backend,
                           const char *backend_user, struct ocs_error *error)
{
	size_t user_len = strlen(session->user);
	struct record record = {.data = NULL};
	int ret;

	record.key_len = store_key(record.key, backend, backend_user);
	if (record.key_len == 0)
		return ocs_error_set(error, "the name of a mail store is empty or too long");
	ret = add_to_session(registry, &record, session->id, error);
	if (ret == OCS_STORE_OK)
		ret = read_record(registry, &record, ENTRY_HEADER + user_len, error);
	if (ret != OCS_STORE_OK)
		return ret;
	drop_session(&record, session->id);
	if (count_entries(&record) >= OCS_STORE_SESSIONS_MAX) {
		ocs_error_set(error, "a mail store is seen by %d sessions at most",
		              OCS_STORE_SESSIONS_MAX);
		ret = OCS_STORE_FULL;
	} else {
		ocs_put64(record.data + record.len, session->id);
		ocs_put16(record.data + record.len + 8, (uint16_t)user_len);
		memcpy(record.data + record.len + ENTRY_HEADER, session->user, user_len);
		record.len += ENTRY_HEADER + user_len;
		ret = write_record(registry, &record, error);
	}
	talloc_free(record.data);
	return ret;
}

static int leave_store(struct ocs_registry *registry, const uint8_t *key, size_t len,
                       uint64_t session, struct ocs_error *error)
{
	struct record record = {.key_len = 1 + len};
	int ret;

	record.key[0] = 'X';
	memcpy(record.key + 1, key, len);
	ret = read_record(registry, &record, 0, error);
	if (ret != OCS_STORE_OK)
		return ret;
	if (record.len > 0) {
		drop_session(&record, session);
		ret = write_record(registry, &record, error);
	}
	talloc_free(record.data);
	return ret;
}

int ocs_registry_stores_remove(struct ocs_registry *registry, uint64_t session,
                               struct ocs_error *error)
{
	struct record record = {.key_len = OCS_ID_KEY_SIZE};
	size_t at = 0, n;
	int ret;

	ocs_registry_id_key(record.key, 'Y', session);
	ret = read_record(registry, &record, 0, error);
	if (ret != OCS_STORE_OK)
		return ret;
	for (unsigned i = 0;
	     i < OCS_SESSION_STORES_MAX && ret == OCS_STORE_OK && (n = key_at(&record, at)) > 0;
	     at += n, i++)
		ret = leave_store(registry, record.data + at + 2, n - 2, session, error);
	if (ret == OCS_STORE_OK && record.len > 0) {
		record.len = 0;
		ret = write_record(registry, &record, error);
	}
	talloc_free(record.data);
	return ret;
}

/* ---- of a store ---- */

static bool session_is_there(struct ocs_registry *registry, uint64_t session)
{
	uint8_t key[OCS_ID_KEY_SIZE], *data = NULL;
	size_t len;
	int ret;

	ocs_registry_id_key(key, 'S', session);
	ret = ocs_registry_fetch(registry, registry, key, sizeof(key), &data, &len, NULL);
	talloc_free(data);
	return ret == OCS_STORE_OK;
}

static bool is_listed(char *const *users, size_t n, const uint8_t *user, size_t len)
{
	for (size_t i = 0; i < n; i++)
		if (strlen(users[i]) == len && memcmp(users[i], user, len) == 0)
			return true;
	return false;
}

int ocs_registry_store_users(struct ocs_registry *registry, const void *mem_ctx,
                             const char *backend, const char *backend_user, char ***users_r,
                             size_t *n_r, struct ocs_error *error)
{
	struct record record = {.data = NULL};
	char **users;
	size_t at = 0, max, n;
	int ret = OCS_STORE_OK;

	*users_r = NULL;
	*n_r = 0;
	record.key_len = store_key(record.key, backend, backend_user);
	if (record.key_len == 0)
		return OCS_STORE_OK;
	ret = read_record(registry, &record, 0, error);
	if (ret != OCS_STORE_OK || record.len == 0) {
		talloc_free(record.data);
		return ret;
	}
	/* No more than a library adds: each is compared with all before it. */
	max = count_entries(&record);
	if (max > OCS_STORE_SESSIONS_MAX)
		max = OCS_STORE_SESSIONS_MAX;
	users = talloc_array(mem_ctx, char *, max + 1);
	for (size_t i = 0; i < max && users != NULL && (n = entry_at(&record, at)) > 0;
	     at += n, i++) {
		const uint8_t *user = record.data + at + ENTRY_HEADER;
		size_t len = n - ENTRY_HEADER;

		if (is_listed(users, *n_r, user, len) ||
		    !session_is_there(registry, ocs_get64(record.data + at)))
			continue;
		users[*n_r] = talloc_strndup(users, (const char *)user, len);
		if (users[*n_r] == NULL)
			TALLOC_FREE(users);
		else
			(*n_r)++;
	}
	talloc_free(record.data);
	*users_r = users;
	return users != NULL ? OCS_STORE_OK : ocs_error_memory(error);
}

struct walk {
	ocs_registry_store_fn *each;
	void *arg;
};

static int store_record(const void *key, size_t key_len, const uint8_t *data, size_t len, void *arg)
{
	const struct walk *walk = arg;
	char names[KEY_MAX + 1];
	const char *end;

	(void)len;
	if (data == NULL || key_len < 4 || key_len > KEY_MAX)
		return 0;
	memcpy(names, (const char *)key + 1, key_len - 1);
	names[key_len - 1] = '\0';
	end = memchr(names, '\0', key_len - 1);
	return end != NULL ? walk->each(names, end + 1, walk->arg) : 0;
}

int ocs_registry_store_each(struct ocs_registry *registry, ocs_registry_store_fn *each, void *arg,
                            struct ocs_error *error)
{
	struct walk walk = {each, arg};

	return ocs_store_each(registry->store, 'X', store_record, &walk, error);
}
