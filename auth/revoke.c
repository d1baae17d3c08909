/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Revoked tokens. Touches auth.tdb, in the private folder, through the store.
 *
 * Record: key 'R' and the token's id, value the expiry (8 bytes). 'Q' keys are the store's
 * quarantine.
 */
#include "auth/revoke.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

#include <talloc.h>
#include <uthash.h>

#include "base/bytes.h"
#include "store/store.h"

#define HASH_SIZE   10007
#define PRUNE_EVERY 60000 /* ms between two looks for expired ones */
#define KEY_LEN     (1 + OCS_TOKEN_ID)

struct revocation {
	uint8_t id[OCS_TOKEN_ID];
	int64_t expires;
	UT_hash_handle hh;
};

struct ocs_revoked {
	pthread_rwlock_t lock; /* of the table; held for moments only */
	struct revocation *table;
	_Atomic size_t
	        count; /* of the table: mostly nobody has logged out, and no lock is needed */
	pthread_mutex_t writer; /* of the store, and of changing the table; held over a commit */
	struct ocs_store *store;
	size_t most;
	int64_t next_prune;
};

static void make_key(const uint8_t id[OCS_TOKEN_ID], uint8_t key[KEY_LEN])
{
	key[0] = 'R';
	memcpy(key + 1, id, OCS_TOKEN_ID);
}

static int remember(struct ocs_revoked *revoked, const uint8_t id[OCS_TOKEN_ID], int64_t expires)
{
	struct revocation *r = calloc(1, sizeof(*r));

	if (!r)
		return -1;
	memcpy(r->id, id, OCS_TOKEN_ID);
	r->expires = expires;
	pthread_rwlock_wrlock(&revoked->lock);
	HASH_ADD(hh, revoked->table, id, OCS_TOKEN_ID, r);
	bool in = r->hh.tbl != NULL;
	atomic_store(&revoked->count, HASH_COUNT(revoked->table));
	pthread_rwlock_unlock(&revoked->lock);
	if (!in)
		free(r);
	return in ? 0 : -1;
}

static void forget(struct ocs_revoked *revoked, struct revocation *r)
{
	pthread_rwlock_wrlock(&revoked->lock);
	HASH_DEL(revoked->table, r);
	atomic_store(&revoked->count, HASH_COUNT(revoked->table));
	pthread_rwlock_unlock(&revoked->lock);
	free(r);
}

struct damaged_key {
	struct damaged_key *next;
	size_t len;
	uint8_t bytes[];
};

struct loading {
	struct ocs_revoked *revoked;
	void *mem_ctx;
	struct damaged_key *damaged;
	bool out_of_memory;
};

static int revoke_load_one(const void *key, size_t key_len, const uint8_t *data, size_t len,
                           void *arg)
{
	struct loading *loading = arg;
	const uint8_t *bytes = key;

	if (key_len > 0 && bytes[0] == 'Q')
		return 0;
	if (key_len == KEY_LEN && bytes[0] == 'R' && data && len == 8) {
		if (remember(loading->revoked, bytes + 1, (int64_t)ocs_get64(data)) < 0)
			loading->out_of_memory = true;
		return 0;
	}
	struct damaged_key *damaged = talloc_size(loading->mem_ctx, sizeof(*damaged) + key_len);
	if (!damaged) {
		loading->out_of_memory = true;
		return 0;
	}
	damaged->len = key_len;
	memcpy(damaged->bytes, key, key_len);
	LL_PREPEND(loading->damaged, damaged);
	return 0;
}

static int set_aside(struct ocs_store *store, const struct damaged_key *damaged,
                     struct ocs_error *error)
{
	if (ocs_store_begin(store, error) != OCS_STORE_OK)
		return -1;
	for (; damaged; damaged = damaged->next) {
		if (ocs_store_quarantine(store, damaged->bytes, damaged->len, error) !=
		    OCS_STORE_OK) {
			ocs_store_cancel(store);
			return -1;
		}
	}
	return ocs_store_commit(store, true, error) == OCS_STORE_OK ? 0 : -1;
}

static enum ocs_revoked_open load(struct ocs_revoked *revoked, bool accept_damage,
                                  struct ocs_error *error)
{
	struct loading loading = {.revoked = revoked, .mem_ctx = talloc_new(NULL)};
	enum ocs_revoked_open result = OCS_REVOKED_OK;
	int read = OCS_STORE_OK;

	if (loading.mem_ctx)
		read = ocs_store_each(revoked->store, -1, revoke_load_one, &loading, error);
	else
		loading.out_of_memory = true;
	/* Damage ends all tokens: nothing else may be taken for it. */
	if (read != OCS_STORE_OK) {
		result = read == OCS_STORE_CORRUPT || ocs_store_damaged(revoked->store)
		                 ? OCS_REVOKED_DAMAGED
		                 : OCS_REVOKED_ERROR;
	} else if (loading.out_of_memory) {
		result = OCS_REVOKED_ERROR;
		ocs_error_memory_of(error, ocs_store_path(revoked->store));
	} else if (loading.damaged && !accept_damage) {
		result = OCS_REVOKED_DAMAGED;
		ocs_error_set(error, "%s: a record is damaged", ocs_store_path(revoked->store));
	} else if (loading.damaged && set_aside(revoked->store, loading.damaged, error) < 0) {
		result = OCS_REVOKED_ERROR;
	}
	talloc_free(loading.mem_ctx);
	return result;
}

/* Takes what has expired out of table and open transaction. */
static int prune(struct ocs_revoked *revoked, int64_t wall_now, struct ocs_error *error)
{
	struct revocation *r, *next;
	uint8_t key[KEY_LEN];

	HASH_ITER(hh, revoked->table, r, next)
	{
		if (r->expires > wall_now)
			continue;
		make_key(r->id, key);
		if (ocs_store_delete(revoked->store, key, sizeof(key), error) != OCS_STORE_OK)
			return -1;
		forget(revoked, r);
	}
	revoked->next_prune = wall_now + PRUNE_EVERY;
	return 0;
}

static int prune_at_start(struct ocs_revoked *revoked, int64_t wall_now, struct ocs_error *error)
{
	if (ocs_store_begin(revoked->store, error) != OCS_STORE_OK)
		return -1;
	if (prune(revoked, wall_now, error) < 0) {
		ocs_store_cancel(revoked->store);
		return -1;
	}
	return ocs_store_commit(revoked->store, false, error) == OCS_STORE_OK ? 0 : -1;
}

static int init_locks(struct ocs_revoked *revoked)
{
	pthread_rwlockattr_t attr;

	if (pthread_rwlockattr_init(&attr) != 0)
		return -1;
	/* readers come without a pause; a logout must get in between them */
	pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	int rc = pthread_rwlock_init(&revoked->lock, &attr);
	pthread_rwlockattr_destroy(&attr);
	if (rc == 0 && pthread_mutex_init(&revoked->writer, NULL) != 0) {
		pthread_rwlock_destroy(&revoked->lock);
		rc = -1;
	}
	return rc == 0 ? 0 : -1;
}

enum ocs_revoked_open ocs_revoked_open(const char *path, bool create, bool accept_damage,
                                       size_t most, int64_t wall_now,
                                       struct ocs_revoked **revoked_r, struct ocs_error *error)
{
	struct ocs_store *store;
	int flags = OCS_STORE_CHECK | (create ? OCS_STORE_CREATE : 0) |
	            (accept_damage ? OCS_STORE_MOVE_CORRUPT | OCS_STORE_CREATE : 0);
	int rc = ocs_store_open(path, HASH_SIZE, flags, 0600, (gid_t)-1, &store, NULL, error);

	if (rc == OCS_STORE_MISSING)
		return OCS_REVOKED_MISSING;
	if (rc == OCS_STORE_CORRUPT || rc == OCS_STORE_DAMAGED)
		return OCS_REVOKED_DAMAGED;
	if (rc != OCS_STORE_OK)
		return OCS_REVOKED_ERROR;

	struct ocs_revoked *revoked = calloc(1, sizeof(*revoked));
	if (!revoked || init_locks(revoked) < 0) {
		free(revoked);
		ocs_store_close(store);
		ocs_error_memory_of(error, path);
		return OCS_REVOKED_ERROR;
	}
	revoked->store = store;
	revoked->most = most;
	enum ocs_revoked_open result = load(revoked, accept_damage, error);
	if (result == OCS_REVOKED_OK && prune_at_start(revoked, wall_now, error) < 0)
		result = OCS_REVOKED_ERROR;
	if (result != OCS_REVOKED_OK) {
		ocs_revoked_close(revoked);
		return result;
	}
	*revoked_r = revoked;
	return OCS_REVOKED_OK;
}

void ocs_revoked_close(struct ocs_revoked *revoked)
{
	if (!revoked)
		return;
	while (revoked->table)
		forget(revoked, revoked->table);
	ocs_store_close(revoked->store);
	pthread_mutex_destroy(&revoked->writer);
	pthread_rwlock_destroy(&revoked->lock);
	free(revoked);
}

static struct revocation *find(struct ocs_revoked *revoked, const uint8_t id[OCS_TOKEN_ID])
{
	struct revocation *r;

	HASH_FIND(hh, revoked->table, id, OCS_TOKEN_ID, r);
	return r;
}

bool ocs_revoked_has(struct ocs_revoked *revoked, const uint8_t id[OCS_TOKEN_ID])
{
	if (atomic_load(&revoked->count) == 0)
		return false;
	pthread_rwlock_rdlock(&revoked->lock);
	bool has = find(revoked, id) != NULL;
	pthread_rwlock_unlock(&revoked->lock);
	return has;
}

static enum ocs_auth_result write_one(struct ocs_revoked *revoked, const uint8_t id[OCS_TOKEN_ID],
                                      int64_t expires, int64_t wall_now, struct ocs_error *error)
{
	uint8_t key[KEY_LEN], value[8];

	if (ocs_store_begin(revoked->store, error) != OCS_STORE_OK)
		return OCS_AUTH_INTERNAL;
	make_key(id, key);
	ocs_put64(value, (uint64_t)expires);
	if ((wall_now >= revoked->next_prune && prune(revoked, wall_now, error) < 0) ||
	    ocs_store_put(revoked->store, key, sizeof(key), value, sizeof(value), error) !=
	            OCS_STORE_OK) {
		ocs_store_cancel(revoked->store);
		return OCS_AUTH_INTERNAL;
	}
	return ocs_store_commit(revoked->store, true, error) == OCS_STORE_OK ? OCS_AUTH_OK
	                                                                     : OCS_AUTH_INTERNAL;
}

enum ocs_auth_result ocs_revoked_add(struct ocs_revoked *revoked, const uint8_t id[OCS_TOKEN_ID],
                                     int64_t expires, int64_t wall_now, struct ocs_error *error)
{
	enum ocs_auth_result result = OCS_AUTH_OK;

	pthread_mutex_lock(&revoked->writer);
	/* only the writer changes the table, so it may look without the lock */
	if (!find(revoked, id)) {
		if (HASH_COUNT(revoked->table) >= revoked->most)
			result = OCS_AUTH_OVERLOADED;
		else
			result = write_one(revoked, id, expires, wall_now, error);
		if (result == OCS_AUTH_OK && remember(revoked, id, expires) < 0)
			result = OCS_AUTH_INTERNAL;
	}
	pthread_mutex_unlock(&revoked->writer);
	return result;
}

size_t ocs_revoked_count(struct ocs_revoked *revoked)
{
	return atomic_load(&revoked->count);
}

static int write_all(struct ocs_revoked *revoked, struct ocs_store *store)
{
	struct revocation *r, *next;
	uint8_t key[KEY_LEN], value[8];

	if (ocs_store_begin(store, NULL) != OCS_STORE_OK)
		return -1;
	HASH_ITER(hh, revoked->table, r, next)
	{
		make_key(r->id, key);
		ocs_put64(value, (uint64_t)r->expires);
		if (ocs_store_put(store, key, sizeof(key), value, sizeof(value), NULL) !=
		    OCS_STORE_OK) {
			ocs_store_cancel(store);
			return -1;
		}
	}
	return ocs_store_commit(store, true, NULL) == OCS_STORE_OK ? 0 : -1;
}

/* Under another name first, so that a killed process leaves a whole one or none. */
static int write_again(struct ocs_revoked *revoked)
{
	char *path = talloc_strdup(NULL, ocs_store_path(revoked->store)), *fresh;
	struct ocs_store *store = NULL;
	int ret = -1;

	fresh = path != NULL ? talloc_asprintf(path, "%s.fresh", path) : NULL;
	if (fresh != NULL && (unlink(fresh) == 0 || errno == ENOENT) &&
	    ocs_store_open(fresh, HASH_SIZE, OCS_STORE_CREATE, 0600, (gid_t)-1, &store, NULL,
	                   NULL) == OCS_STORE_OK) {
		ret = write_all(revoked, store);
		ocs_store_close(store);
		store = NULL;
		if (ret == 0 && rename(fresh, path) != 0)
			ret = -1;
		if (ret != 0)
			unlink(fresh);
	}
	if (ret == 0 &&
	    ocs_store_open(path, HASH_SIZE, 0, 0600, (gid_t)-1, &store, NULL, NULL) != OCS_STORE_OK)
		ret = -1;
	if (ret == 0) {
		ocs_store_close(revoked->store);
		revoked->store = store;
	}
	talloc_free(path);
	return ret;
}

int ocs_revoked_look(struct ocs_revoked *revoked, struct ocs_error *error)
{
	int ret = 0;

	/* Who holds it commits, and is not to be waited for. */
	if (pthread_mutex_trylock(&revoked->writer) != 0)
		return 0;
	if (ocs_store_present(revoked->store, error) != 0 ||
	    ocs_store_usable(revoked->store, error) != OCS_STORE_OK)
		ret = write_again(revoked) == 0 ? 1 : -1;
	pthread_mutex_unlock(&revoked->writer);
	return ret;
}
