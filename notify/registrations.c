/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What happened to messages and is not in the index yet: in memory, and in a journal until it is
 * applied. Store thread; touches private/messages.log and the index.
 */
#include "notify/registrations.h"

#include <string.h>

#include <talloc.h>
#include <uthash.h>

#include "base/bytes.h"

#define NAME_MAX_ 1024
#define KEY_MAX   (8 + NAME_MAX_)

enum state {
	ASSIGNED = 1, /* an identifier, nothing announced yet: stays in the journal */
	REGISTERED,
	DELETED,
};

/* Record: state 8, flags 8, MID 64, with FLAG_CONTENT the content 64, then the key: series 64,
 * message id. */
#define RECORD_HEADER  10
#define RECORD_CONTENT 8
#define RECORD_MAX     (RECORD_HEADER + RECORD_CONTENT + KEY_MAX)
#define FLAG_ANNOUNCED 1
#define FLAG_STALE     2
#define FLAG_CONTENT   4

struct registration {
	enum state state;
	bool announced;
	bool stale;            /* ASSIGNED over what the index must not know any more */
	uint64_t mid, content; /* content 0: not known */
	UT_hash_handle hh;
	size_t key_len;
	uint8_t key[];
};

struct ocs_registrations {
	struct ocs_index *index;
	char *path;
	struct ocs_journal *journal;
	struct registration *table;
	unsigned waiting; /* of them for the index */
	bool broken;      /* the table is not what the file says */
};

static bool waits(const struct registration *entry)
{
	return entry->state != ASSIGNED || entry->stale;
}

static size_t make_key(uint8_t key[KEY_MAX], uint64_t series, const char *message_id)
{
	size_t len = strnlen(message_id, NAME_MAX_);

	ocs_put64(key, series);
	memcpy(key + 8, message_id, len);
	return 8 + len;
}

static struct registration *find(struct ocs_registrations *registrations, uint64_t series,
                                 const char *message_id)
{
	struct registration *found;
	uint8_t key[KEY_MAX];
	size_t key_len = make_key(key, series, message_id);

	HASH_FIND(hh, registrations->table, key, key_len, found);
	return found;
}

static int remember(struct ocs_registrations *registrations, const uint8_t *key, size_t key_len,
                    const struct registration *what)
{
	struct registration *entry;

	HASH_FIND(hh, registrations->table, key, key_len, entry);
	if (entry == NULL) {
		entry = talloc_zero_size(registrations, sizeof(*entry) + key_len);
		if (entry == NULL)
			return -1;
		memcpy(entry->key, key, key_len);
		entry->key_len = key_len;
		HASH_ADD_KEYPTR(hh, registrations->table, entry->key, key_len, entry);
		if (entry->hh.tbl == NULL) {
			talloc_free(entry);
			return -1;
		}
	} else if (waits(entry)) {
		registrations->waiting--;
	}
	entry->state = what->state;
	entry->announced = what->announced;
	entry->stale = what->stale;
	entry->mid = what->mid;
	entry->content = what->content;
	if (waits(entry))
		registrations->waiting++;
	return 0;
}

static int replay(void *arg, const uint8_t *data, size_t len)
{
	struct registration what;
	size_t head = RECORD_HEADER;

	if (len <= RECORD_HEADER + 8 || data[0] < ASSIGNED || data[0] > DELETED)
		return -1;
	if ((data[1] & FLAG_CONTENT) != 0)
		head += RECORD_CONTENT;
	if (len <= head + 8 || len > head + KEY_MAX)
		return -1;
	what.state = (enum state)data[0];
	what.announced = (data[1] & FLAG_ANNOUNCED) != 0;
	what.stale = (data[1] & FLAG_STALE) != 0;
	what.mid = ocs_get64(data + 2);
	what.content = head > RECORD_HEADER ? ocs_get64(data + RECORD_HEADER) : 0;
	return remember(arg, data + head, len - head, &what);
}

static size_t encode(uint8_t record[RECORD_MAX], const struct registration *what,
                     const uint8_t *key, size_t key_len)
{
	size_t head = RECORD_HEADER;

	record[0] = (uint8_t)what->state;
	record[1] =
	        (uint8_t)((what->announced ? FLAG_ANNOUNCED : 0) | (what->stale ? FLAG_STALE : 0) |
	                  (what->content != 0 ? FLAG_CONTENT : 0));
	ocs_put64(record + 2, what->mid);
	if (what->content != 0) {
		ocs_put64(record + head, what->content);
		head += RECORD_CONTENT;
	}
	memcpy(record + head, key, key_len);
	return head + key_len;
}

static int change(struct ocs_registrations *registrations, uint64_t series, const char *message_id,
                  const struct registration *what, struct ocs_error *error)
{
	uint8_t record[RECORD_MAX], key[KEY_MAX];
	size_t key_len = make_key(key, series, message_id);
	size_t len = encode(record, what, key, key_len);

	if (ocs_journal_add(registrations->journal, record, len, error) != 0)
		return -1;
	if (remember(registrations, key, key_len, what) != 0)
		return ocs_error_set(error, "out of memory");
	return 0;
}

static void forget_all(struct ocs_registrations *registrations)
{
	struct registration *entry, *next;

	HASH_ITER(hh, registrations->table, entry, next)
	{
		HASH_DEL(registrations->table, entry);
		talloc_free(entry);
	}
	registrations->waiting = 0;
}

static int registrations_destroy(struct ocs_registrations *registrations)
{
	forget_all(registrations);
	ocs_journal_close(registrations->journal);
	return 0;
}

int ocs_registrations_open(const char *folder, struct ocs_index *index,
                           struct ocs_registrations **out, struct ocs_journal_damage *damage,
                           struct ocs_error *error)
{
	struct ocs_registrations *registrations = talloc_zero(NULL, struct ocs_registrations);

	*out = NULL;
	if (registrations == NULL)
		return ocs_error_set(error, "out of memory");
	talloc_set_destructor(registrations, registrations_destroy);
	registrations->index = index;
	registrations->path = talloc_asprintf(registrations, "%s/messages.log", folder);
	if (registrations->path == NULL)
		ocs_error_set(error, "out of memory");
	if (registrations->path == NULL ||
	    ocs_journal_open(registrations->path, replay, registrations, &registrations->journal,
	                     damage, error) != 0 ||
	    ocs_registrations_apply(registrations, error) != 0) {
		talloc_free(registrations);
		return -1;
	}
	*out = registrations;
	return 0;
}

void ocs_registrations_close(struct ocs_registrations *registrations)
{
	if (registrations == NULL)
		return;
	/* If this fails, the journal has them and the next start applies them. */
	(void)ocs_registrations_apply(registrations, NULL);
	talloc_free(registrations);
}

int ocs_registrations_get(struct ocs_registrations *registrations, uint64_t series,
                          const char *message_id, struct ocs_index_message *out,
                          struct ocs_error *error)
{
	const struct registration *found;

	if (registrations->broken)
		ocs_registrations_revert(registrations);
	if (registrations->broken)
		return ocs_error_set(error, "%s: cannot be read", registrations->path);
	found = find(registrations, series, message_id);
	if (found == NULL)
		return ocs_index_message(registrations->index, series, message_id, out, error);
	if (found->state != REGISTERED)
		return OCS_STORE_MISSING;
	out->mid = found->mid;
	out->announced = found->announced;
	out->content = found->content;
	return OCS_STORE_OK;
}

uint64_t ocs_registrations_assigned(struct ocs_registrations *registrations, uint64_t series,
                                    const char *message_id, uint64_t content)
{
	const struct registration *found = find(registrations, series, message_id);

	if (found == NULL || found->state != ASSIGNED)
		return 0;
	return content == 0 || found->content == 0 || found->content == content ? found->mid : 0;
}

int ocs_registrations_assign(struct ocs_registrations *registrations, uint64_t series,
                             const char *message_id, const struct ocs_index_message *message,
                             bool registered, struct ocs_error *error)
{
	const struct registration *found = find(registrations, series, message_id);
	const struct registration what = {
	        .state = ASSIGNED,
	        .mid = message->mid,
	        .content = message->content,
	        .stale = registered || (found != NULL && waits(found)),
	};

	return change(registrations, series, message_id, &what, error);
}

int ocs_registrations_put(struct ocs_registrations *registrations, uint64_t series,
                          const char *message_id, const struct ocs_index_message *message,
                          struct ocs_error *error)
{
	const struct registration what = {
	        .state = REGISTERED,
	        .announced = message->announced,
	        .mid = message->mid,
	        .content = message->content,
	};

	return change(registrations, series, message_id, &what, error);
}

int ocs_registrations_delete(struct ocs_registrations *registrations, uint64_t series,
                             const char *message_id, struct ocs_error *error)
{
	const struct registration what = {.state = DELETED};

	return change(registrations, series, message_id, &what, error);
}

int ocs_registrations_flush(struct ocs_registrations *registrations, bool sync,
                            struct ocs_error *error)
{
	return ocs_journal_write(registrations->journal, sync, error);
}

void ocs_registrations_revert(struct ocs_registrations *registrations)
{
	struct ocs_journal *journal;

	ocs_journal_discard(registrations->journal);
	forget_all(registrations);
	/* Without the table nothing is looked up, added or applied: the next apply would take what
	 * the file alone knows out of it. */
	registrations->broken = ocs_journal_open(registrations->path, replay, registrations,
	                                         &journal, NULL, NULL) != 0;
	if (registrations->broken)
		return;
	ocs_journal_close(registrations->journal);
	registrations->journal = journal;
}

unsigned ocs_registrations_waiting(const struct ocs_registrations *registrations)
{
	return registrations->waiting;
}

static int apply_one(struct ocs_registrations *registrations, const struct registration *entry,
                     struct ocs_error *error)
{
	struct ocs_index_folder folder = {.series = ocs_get64(entry->key)};
	struct ocs_index_message message = {
	        .mid = entry->mid, .announced = entry->announced, .content = entry->content};
	char message_id[NAME_MAX_ + 1];
	size_t len = entry->key_len - 8;

	memcpy(message_id, entry->key + 8, len);
	message_id[len] = '\0';
	if (entry->state == REGISTERED)
		return ocs_index_message_put(registrations->index, &folder, message_id, &message,
		                             error);
	return ocs_index_message_delete(registrations->index, folder.series, message_id, error);
}

/* The journal then holds what is assigned only, and so does the table. */
static int restart(struct ocs_registrations *registrations, struct ocs_error *error)
{
	uint8_t record[RECORD_MAX];
	struct registration *entry, *next;

	HASH_ITER(hh, registrations->table, entry, next)
	{
		struct registration fresh = *entry;

		fresh.stale = false;
		if (entry->state == ASSIGNED &&
		    ocs_journal_add(registrations->journal, record,
		                    encode(record, &fresh, entry->key, entry->key_len), error) != 0)
			return -1;
	}
	if (ocs_journal_restart(registrations->journal, error) != 0)
		return -1;
	HASH_ITER(hh, registrations->table, entry, next)
	{
		entry->stale = false;
		if (entry->state == ASSIGNED)
			continue;
		HASH_DEL(registrations->table, entry);
		talloc_free(entry);
	}
	registrations->waiting = 0;
	return 0;
}

static int to_index(struct ocs_registrations *registrations, struct ocs_error *error)
{
	struct registration *entry, *next;
	int ret = ocs_index_begin(registrations->index, error);

	HASH_ITER(hh, registrations->table, entry, next)
	if (ret == OCS_STORE_OK && waits(entry))
		ret = apply_one(registrations, entry, error);
	if (ret == OCS_STORE_OK)
		ret = ocs_index_commit(registrations->index, error);
	if (ret == OCS_STORE_OK)
		return 0;
	ocs_index_cancel(registrations->index);
	return -1;
}

int ocs_registrations_apply(struct ocs_registrations *registrations, struct ocs_error *error)
{
	int ret;

	if (registrations->waiting == 0 || registrations->broken)
		return 0;
	if (to_index(registrations, error) != 0)
		return -1;
	/* If the journal stays as it is, its records are applied once more, to the same end; the
	 * table must then be that of the file. */
	ret = restart(registrations, error);
	if (ret != 0)
		ocs_registrations_revert(registrations);
	return ret;
}

int ocs_registrations_look(struct ocs_registrations *registrations, struct ocs_error *error)
{
	if (ocs_journal_present(registrations->journal, error) == 0)
		return 0;
	if (registrations->broken)
		return -1;
	ocs_journal_discard(registrations->journal);
	if (registrations->waiting > 0 && to_index(registrations, NULL) != 0)
		return -1;
	return restart(registrations, NULL) == 0 ? 1 : -1;
}
