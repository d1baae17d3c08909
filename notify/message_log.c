/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The message log: what happened to messages and is not in the index yet. Store thread; touches
 * private/messages.log and the index.
 */
#include "notify/message_log.h"

#include <string.h>

#include <talloc.h>
#include <uthash.h>

#include "base/bytes.h"

#define NAME_MAX_ 1024
#define KEY_MAX   (8 + NAME_MAX_)

enum state {
	ASSIGNED = 1, /* an identifier, nothing announced yet: stays in the journal */
	RECORDED,
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

struct message {
	enum state state;
	bool announced;
	bool stale;            /* ASSIGNED over what the index must not know any more */
	uint64_t mid, content; /* content 0: not known */
	UT_hash_handle hh;
	size_t key_len;
	uint8_t key[];
};

struct ocs_message_log {
	struct ocs_index *index;
	char *path;
	struct ocs_journal *journal;
	struct message *table;
	unsigned waiting; /* of them for the index */
	bool broken;      /* the table is not what the file says */
};

static bool waits(const struct message *entry)
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

static struct message *message_log_find(struct ocs_message_log *log, uint64_t series,
                                        const char *message_id)
{
	struct message *found;
	uint8_t key[KEY_MAX];
	size_t key_len = make_key(key, series, message_id);

	HASH_FIND(hh, log->table, key, key_len, found);
	return found;
}

static int message_log_remember(struct ocs_message_log *log, const uint8_t *key, size_t key_len,
                                const struct message *what)
{
	struct message *entry;

	HASH_FIND(hh, log->table, key, key_len, entry);
	if (entry == NULL) {
		entry = talloc_zero_size(log, sizeof(*entry) + key_len);
		if (entry == NULL)
			return -1;
		memcpy(entry->key, key, key_len);
		entry->key_len = key_len;
		HASH_ADD_KEYPTR(hh, log->table, entry->key, key_len, entry);
		if (entry->hh.tbl == NULL) {
			talloc_free(entry);
			return -1;
		}
	} else if (waits(entry)) {
		log->waiting--;
	}
	entry->state = what->state;
	entry->announced = what->announced;
	entry->stale = what->stale;
	entry->mid = what->mid;
	entry->content = what->content;
	if (waits(entry))
		log->waiting++;
	return 0;
}

static int message_log_replay(void *arg, const uint8_t *data, size_t len)
{
	struct message what;
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
	return message_log_remember(arg, data + head, len - head, &what);
}

static size_t encode(uint8_t record[RECORD_MAX], const struct message *what, const uint8_t *key,
                     size_t key_len)
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

static int message_log_change(struct ocs_message_log *log, uint64_t series, const char *message_id,
                              const struct message *what, struct ocs_error *error)
{
	uint8_t record[RECORD_MAX], key[KEY_MAX];
	size_t key_len = make_key(key, series, message_id);
	size_t len = encode(record, what, key, key_len);

	if (ocs_journal_add(log->journal, record, len, error) != 0)
		return -1;
	if (message_log_remember(log, key, key_len, what) != 0)
		return ocs_error_set(error, "out of memory");
	return 0;
}

static void forget_all(struct ocs_message_log *log)
{
	struct message *entry, *next;

	HASH_ITER(hh, log->table, entry, next)
	{
		HASH_DEL(log->table, entry);
		talloc_free(entry);
	}
	log->waiting = 0;
}

static int message_log_destroy(struct ocs_message_log *log)
{
	forget_all(log);
	ocs_journal_close(log->journal);
	return 0;
}

int ocs_message_log_open(const char *folder, struct ocs_index *index, struct ocs_message_log **out,
                         struct ocs_journal_damage *damage, struct ocs_error *error)
{
	struct ocs_message_log *log = talloc_zero(NULL, struct ocs_message_log);

	*out = NULL;
	if (log == NULL)
		return ocs_error_set(error, "out of memory");
	talloc_set_destructor(log, message_log_destroy);
	log->index = index;
	log->path = talloc_asprintf(log, "%s/messages.log", folder);
	if (log->path == NULL)
		ocs_error_set(error, "out of memory");
	if (log->path == NULL ||
	    ocs_journal_open(log->path, message_log_replay, log, &log->journal, damage, error) !=
	            0 ||
	    ocs_message_log_apply(log, error) != 0) {
		talloc_free(log);
		return -1;
	}
	*out = log;
	return 0;
}

void ocs_message_log_close(struct ocs_message_log *log)
{
	if (log == NULL)
		return;
	/* If this fails, the journal has them and the next start applies them. */
	(void)ocs_message_log_apply(log, NULL);
	talloc_free(log);
}

int ocs_message_log_get(struct ocs_message_log *log, uint64_t series, const char *message_id,
                        struct ocs_index_message *out, struct ocs_error *error)
{
	const struct message *found;

	if (log->broken)
		ocs_message_log_revert(log);
	if (log->broken)
		return ocs_error_set(error, "%s: cannot be read", log->path);
	found = message_log_find(log, series, message_id);
	if (found == NULL)
		return ocs_index_message(log->index, series, message_id, out, error);
	if (found->state != RECORDED)
		return OCS_STORE_MISSING;
	out->mid = found->mid;
	out->announced = found->announced;
	out->content = found->content;
	return OCS_STORE_OK;
}

uint64_t ocs_message_log_assigned(struct ocs_message_log *log, uint64_t series,
                                  const char *message_id, uint64_t content)
{
	const struct message *found = message_log_find(log, series, message_id);

	if (found == NULL || found->state != ASSIGNED)
		return 0;
	return content == 0 || found->content == 0 || found->content == content ? found->mid : 0;
}

int ocs_message_log_assign(struct ocs_message_log *log, uint64_t series, const char *message_id,
                           const struct ocs_index_message *message, bool recorded,
                           struct ocs_error *error)
{
	const struct message *found = message_log_find(log, series, message_id);
	const struct message what = {
	        .state = ASSIGNED,
	        .mid = message->mid,
	        .content = message->content,
	        .stale = recorded || (found != NULL && waits(found)),
	};

	return message_log_change(log, series, message_id, &what, error);
}

int ocs_message_log_put(struct ocs_message_log *log, uint64_t series, const char *message_id,
                        const struct ocs_index_message *message, struct ocs_error *error)
{
	const struct message what = {
	        .state = RECORDED,
	        .announced = message->announced,
	        .mid = message->mid,
	        .content = message->content,
	};

	return message_log_change(log, series, message_id, &what, error);
}

int ocs_message_log_delete(struct ocs_message_log *log, uint64_t series, const char *message_id,
                           struct ocs_error *error)
{
	const struct message what = {.state = DELETED};

	return message_log_change(log, series, message_id, &what, error);
}

int ocs_message_log_flush(struct ocs_message_log *log, bool sync, struct ocs_error *error)
{
	return ocs_journal_write(log->journal, sync, error);
}

void ocs_message_log_revert(struct ocs_message_log *log)
{
	struct ocs_journal *journal;

	forget_all(log);
	/* Without the table nothing is looked up, added or applied: the next apply would take what
	 * the file alone knows out of it. */
	log->broken =
	        ocs_journal_discard(log->journal) != 0 ||
	        ocs_journal_open(log->path, message_log_replay, log, &journal, NULL, NULL) != 0;
	if (log->broken)
		return;
	ocs_journal_close(log->journal);
	log->journal = journal;
}

unsigned ocs_message_log_waiting(const struct ocs_message_log *log)
{
	return log->waiting;
}

static int apply_one(struct ocs_message_log *log, const struct message *entry,
                     struct ocs_error *error)
{
	struct ocs_index_folder folder = {.series = ocs_get64(entry->key)};
	struct ocs_index_message message = {
	        .mid = entry->mid, .announced = entry->announced, .content = entry->content};
	char message_id[NAME_MAX_ + 1];
	size_t len = entry->key_len - 8;

	memcpy(message_id, entry->key + 8, len);
	message_id[len] = '\0';
	if (entry->state == RECORDED)
		return ocs_index_message_put(log->index, &folder, message_id, &message, error);
	return ocs_index_message_delete(log->index, folder.series, message_id, error);
}

/* The journal then holds what is assigned only, and so does the table. */
static int restart(struct ocs_message_log *log, struct ocs_error *error)
{
	uint8_t record[RECORD_MAX];
	struct message *entry, *next;

	HASH_ITER(hh, log->table, entry, next)
	{
		struct message fresh = *entry;

		fresh.stale = false;
		if (entry->state == ASSIGNED &&
		    ocs_journal_add(log->journal, record,
		                    encode(record, &fresh, entry->key, entry->key_len), error) != 0)
			return -1;
	}
	if (ocs_journal_restart(log->journal, error) != 0)
		return -1;
	HASH_ITER(hh, log->table, entry, next)
	{
		entry->stale = false;
		if (entry->state == ASSIGNED)
			continue;
		HASH_DEL(log->table, entry);
		talloc_free(entry);
	}
	log->waiting = 0;
	return 0;
}

static int to_index(struct ocs_message_log *log, struct ocs_error *error)
{
	struct message *entry, *next;
	int ret = ocs_index_begin(log->index, error);

	HASH_ITER(hh, log->table, entry, next)
	if (ret == OCS_STORE_OK && waits(entry))
		ret = apply_one(log, entry, error);
	if (ret == OCS_STORE_OK)
		ret = ocs_index_commit(log->index, error);
	if (ret == OCS_STORE_OK)
		return 0;
	ocs_index_cancel(log->index);
	return -1;
}

int ocs_message_log_apply(struct ocs_message_log *log, struct ocs_error *error)
{
	int ret;

	if (log->waiting == 0 || log->broken)
		return 0;
	if (to_index(log, error) != 0)
		return -1;
	/* If the journal stays as it is, its records are applied once more, to the same end; the
	 * table must then be that of the file. */
	ret = restart(log, error);
	if (ret != 0)
		ocs_message_log_revert(log);
	return ret;
}

int ocs_message_log_look(struct ocs_message_log *log, struct ocs_error *error)
{
	if (ocs_journal_present(log->journal, error) == 0)
		return 0;
	if (log->broken)
		return -1;
	(void)ocs_journal_discard(log->journal); /* the file is gone or not ours */
	if (log->waiting > 0 && to_index(log, NULL) != 0)
		return -1;
	return restart(log, NULL) == 0 ? 1 : -1;
}
