/* See recent.h. */
#include "notify/recent.h"

#include <stdio.h>
#include <string.h>

#include <talloc.h>
#include <uthash.h>

#include "store/bytes.h"
#include "store/store.h"

#define HASH_SIZE        131071
#define DONE_MAX         1000000 /* ids kept at most; past it the oldest go first */
#define NAME_MAX_        1024
#define ASSIGNED_KEY_MAX (9 + NAME_MAX_)

/* D<id hash>: time done, seconds, 64. In memory a hash table that is also a list in order of time.
 */
struct done {
	uint8_t id_hash[16];
	uint64_t at;
	UT_hash_handle hh; /* uthash keeps the order of insertion */
};

/* A<series><message id>: MID. */
struct assigned {
	uint64_t mid;
	UT_hash_handle hh;
	size_t key_len;
	uint8_t key[];
};

struct ocs_recent {
	struct ocs_store *store;
	struct done *done;
	struct assigned *assigned;
};

static size_t assigned_key(uint8_t key[ASSIGNED_KEY_MAX], uint64_t series, const char *message_id)
{
	size_t len = strnlen(message_id, NAME_MAX_);

	key[0] = 'A';
	ocs_put64(key + 1, series);
	memcpy(key + 9, message_id, len);
	return 9 + len;
}

static int remember_done(struct ocs_recent *recent, const uint8_t id_hash[16], uint64_t at)
{
	struct done *done;

	HASH_FIND(hh, recent->done, id_hash, 16, done);
	if (done != NULL) {
		HASH_DELETE(hh, recent->done, done);
	} else {
		done = talloc_zero(recent, struct done);
		if (done == NULL)
			return -1;
		memcpy(done->id_hash, id_hash, 16);
	}
	done->at = at;
	HASH_ADD(hh, recent->done, id_hash, 16, done);
	return 0;
}

static int remember_assigned(struct ocs_recent *recent, const uint8_t *key, size_t key_len,
                             uint64_t mid)
{
	struct assigned *assigned;

	HASH_FIND(hh, recent->assigned, key, key_len, assigned);
	if (assigned == NULL) {
		assigned = talloc_zero_size(recent, sizeof(*assigned) + key_len);
		if (assigned == NULL)
			return -1;
		memcpy(assigned->key, key, key_len);
		assigned->key_len = key_len;
		HASH_ADD_KEYPTR(hh, recent->assigned, assigned->key, key_len, assigned);
	}
	assigned->mid = mid;
	return 0;
}

static int load(const void *key, size_t key_len, const uint8_t *data, size_t len, void *arg)
{
	struct ocs_recent *recent = arg;
	const uint8_t *k = key;

	if (data == NULL || len != 8)
		return 0;
	if (k[0] == 'D' && key_len == 17)
		return remember_done(recent, k + 1, ocs_get64(data));
	if (k[0] == 'A' && key_len > 9 && key_len <= ASSIGNED_KEY_MAX)
		return remember_assigned(recent, k, key_len, ocs_get64(data));
	return 0;
}

static int by_time(const struct done *a, const struct done *b)
{
	return a->at < b->at ? -1 : a->at > b->at;
}

static int recent_destroy(struct ocs_recent *recent)
{
	HASH_CLEAR(hh, recent->done);
	HASH_CLEAR(hh, recent->assigned);
	ocs_store_close(recent->store);
	return 0;
}

int ocs_recent_open(const char *folder, struct ocs_recent **recent_r, bool *moved_r,
                    struct ocs_error *error)
{
	struct ocs_recent *recent = talloc_zero(NULL, struct ocs_recent);
	char *path;
	int ret;

	*recent_r = NULL;
	if (recent == NULL)
		return ocs_error_set(error, "out of memory");
	talloc_set_destructor(recent, recent_destroy);
	path = talloc_asprintf(recent, "%s/recent.tdb", folder);
	ret = path == NULL
	              ? ocs_error_set(error, "out of memory")
	              : ocs_store_open(path, HASH_SIZE,
	                               OCS_STORE_CREATE | OCS_STORE_CHECK | OCS_STORE_MOVE_CORRUPT,
	                               0600, (gid_t)-1, &recent->store, moved_r, error);
	if (ret == OCS_STORE_OK)
		ret = ocs_store_each(recent->store, -1, load, recent, error);
	if (ret != OCS_STORE_OK) {
		talloc_free(recent);
		return -1;
	}
	HASH_SORT(recent->done, by_time);
	*recent_r = recent;
	return 0;
}

void ocs_recent_close(struct ocs_recent *recent)
{
	talloc_free(recent);
}

bool ocs_recent_done(struct ocs_recent *recent, const uint8_t id_hash[16], uint64_t now,
                     unsigned window)
{
	struct done *done;

	HASH_FIND(hh, recent->done, id_hash, 16, done);
	/* A clock set back keeps an id longer, never shorter. */
	return done != NULL && (now < done->at || now - done->at < window);
}

uint64_t ocs_recent_assigned(struct ocs_recent *recent, uint64_t series, const char *message_id)
{
	uint8_t key[ASSIGNED_KEY_MAX];
	size_t key_len = assigned_key(key, series, message_id);
	struct assigned *assigned;

	HASH_FIND(hh, recent->assigned, key, key_len, assigned);
	return assigned != NULL ? assigned->mid : 0;
}

static int begin(struct ocs_recent *recent, struct ocs_error *error)
{
	return ocs_store_in_transaction(recent->store) ? 0 : ocs_store_begin(recent->store, error);
}

int ocs_recent_assign(struct ocs_recent *recent, uint64_t series, const char *message_id,
                      uint64_t mid, struct ocs_error *error)
{
	uint8_t key[ASSIGNED_KEY_MAX], data[8];
	size_t key_len = assigned_key(key, series, message_id);

	ocs_put64(data, mid);
	if (begin(recent, error) != 0 ||
	    ocs_store_put(recent->store, key, key_len, data, sizeof(data), error) != 0)
		return -1;
	return remember_assigned(recent, key, key_len, mid) == 0
	               ? 0
	               : ocs_error_set(error, "out of memory");
}

int ocs_recent_unassign(struct ocs_recent *recent, uint64_t series, const char *message_id,
                        struct ocs_error *error)
{
	uint8_t key[ASSIGNED_KEY_MAX];
	size_t key_len = assigned_key(key, series, message_id);
	struct assigned *assigned;

	HASH_FIND(hh, recent->assigned, key, key_len, assigned);
	if (assigned == NULL)
		return 0;
	HASH_DELETE(hh, recent->assigned, assigned);
	talloc_free(assigned);
	if (begin(recent, error) != 0)
		return -1;
	return ocs_store_delete(recent->store, key, key_len, error) == 0 ? 0 : -1;
}

static void done_key(uint8_t key[17], const uint8_t id_hash[16])
{
	key[0] = 'D';
	memcpy(key + 1, id_hash, 16);
}

int ocs_recent_add(struct ocs_recent *recent, const uint8_t id_hash[16], uint64_t now,
                   struct ocs_error *error)
{
	uint8_t key[17], data[8];

	done_key(key, id_hash);
	ocs_put64(data, now);
	if (begin(recent, error) != 0 ||
	    ocs_store_put(recent->store, key, sizeof(key), data, sizeof(data), error) != 0)
		return -1;
	return remember_done(recent, id_hash, now) == 0 ? 0 : ocs_error_set(error, "out of memory");
}

int ocs_recent_commit(struct ocs_recent *recent, uint64_t now, unsigned window,
                      struct ocs_error *error)
{
	struct done *done, *next;
	uint8_t key[17];

	if (!ocs_store_in_transaction(recent->store))
		return 0;
	HASH_ITER(hh, recent->done, done, next)
	{
		if (HASH_COUNT(recent->done) <= DONE_MAX &&
		    (now < done->at || now - done->at < window))
			break;
		done_key(key, done->id_hash);
		if (ocs_store_delete(recent->store, key, sizeof(key), error) != 0)
			break;
		HASH_DELETE(hh, recent->done, done);
		talloc_free(done);
	}
	return ocs_store_commit(recent->store, false, error) == 0 ? 0 : -1;
}

void ocs_recent_cancel(struct ocs_recent *recent)
{
	ocs_store_cancel(recent->store);
}
