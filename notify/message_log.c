/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The message log: what happened to messages and is not in the index yet. Store thread; touches
 * private/messages.log and the index.
 */
#include "notify/message_log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <talloc.h>
#include <uthash.h>
#include <utlist.h>

#include "base/shared_file.h"
#include "base/bytes.h"
#include "base/file.h"
#include "mapistore/pending.h"

struct message {
	struct ocs_pending_message m;
	UT_hash_handle hh;
	size_t key_len;
	uint8_t key[];
};

/* An identifier of a message whose name has another one, or none, before the index knew it. */
struct gone {
	struct gone *next;
	uint64_t mid, series;
	char message_id[];
};

struct ocs_message_log {
	struct ocs_index *index;
	char *path;
	struct ocs_journal *journal;
	struct message *table;
	struct gone *gone;
	unsigned waiting; /* of the table for the index */
	char *shared;     /* the folder where the group reads the journal; NULL: nowhere */
	bool unshared;    /* it reads an older one there, since the newer could not be linked */
	gid_t gid;
	bool broken;          /* the table is not what the file says */
	struct ocs_error why; /* it is */
	bool starts;          /* the file may be a later one than the index */
	unsigned homeless;
};

static bool waits(const struct message *entry)
{
	return entry->m.state != OCS_PENDING_ASSIGNED || entry->m.stale;
}

static struct message *message_log_find(struct ocs_message_log *log, uint64_t series,
                                        const char *message_id)
{
	struct message *found;
	uint8_t key[OCS_PENDING_KEY_MAX];
	size_t key_len = ocs_pending_key(key, series, message_id);

	HASH_FIND(hh, log->table, key, key_len, found);
	return found;
}

/* What an identifier was stays known, however short its life. */
static int note_gone(struct ocs_message_log *log, const struct message *entry)
{
	size_t len = entry->key_len - 8;
	struct gone *gone = talloc_zero_size(log, sizeof(*gone) + len + 1);

	if (gone == NULL)
		return -1;
	gone->mid = entry->m.mid;
	gone->series = ocs_get64(entry->key);
	memcpy(gone->message_id, entry->key + 8, len);
	LL_PREPEND(log->gone, gone);
	return 0;
}

static void forget_gone(struct ocs_message_log *log)
{
	while (log->gone != NULL) {
		struct gone *next = log->gone->next;

		talloc_free(log->gone);
		log->gone = next;
	}
}

static int message_log_remember(struct ocs_message_log *log, const uint8_t *key, size_t key_len,
                                const struct ocs_pending_message *what)
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
	} else {
		if (entry->m.mid != 0 && entry->m.mid != what->mid && note_gone(log, entry) != 0)
			return -1;
		if (waits(entry))
			log->waiting--;
	}
	entry->m = *what;
	if (waits(entry))
		log->waiting++;
	return 0;
}

static int message_log_replay(void *arg, const uint8_t *data, size_t len)
{
	struct ocs_message_log *log = arg;
	struct ocs_pending_message what;
	const uint8_t *key;
	size_t key_len;

	if (ocs_pending_decode(data, len, &what, &key, &key_len) != 0)
		return -1;
	/* A folder is in the index before its messages are here: one that is not leads nowhere, and
	 * never will, since its number is not given again. */
	if (log->starts && ocs_index_series_unknown(log->index, ocs_get64(key))) {
		log->homeless++;
		return 0;
	}
	return message_log_remember(log, key, key_len, &what);
}

static int message_log_change(struct ocs_message_log *log, uint64_t series, const char *message_id,
                              const struct ocs_pending_message *what, struct ocs_error *error)
{
	uint8_t record[OCS_PENDING_RECORD_MAX], key[OCS_PENDING_KEY_MAX];
	size_t key_len = ocs_pending_key(key, series, message_id);
	size_t len = ocs_pending_encode(record, what, key, key_len);

	if (ocs_journal_add(log->journal, record, len, error) != 0)
		return -1;
	if (message_log_remember(log, key, key_len, what) != 0)
		return ocs_error_memory(error);
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
	forget_gone(log);
	log->waiting = 0;
}

static int message_log_destroy(struct ocs_message_log *log)
{
	forget_all(log);
	ocs_journal_close(log->journal);
	return 0;
}

static int restart(struct ocs_message_log *log, struct ocs_error *error);

/* What an earlier process left: to the index what belongs there, the rest out of the file. */
static int take_over(struct ocs_message_log *log, struct ocs_journal_damage *damage,
                     struct ocs_error *error)
{
	int ret;

	log->starts = true;
	ret = ocs_journal_open(log->path, message_log_replay, log, &log->journal, damage, error);
	log->starts = false;
	if (ret != 0)
		return -1;
	return log->homeless > 0 && log->waiting == 0 ? restart(log, error)
	                                              : ocs_message_log_apply(log, error);
}

int ocs_message_log_open(const char *folder, struct ocs_index *index, struct ocs_message_log **out,
                         struct ocs_journal_damage *damage, struct ocs_error *error)
{
	struct ocs_message_log *log = talloc_zero(NULL, struct ocs_message_log);

	*out = NULL;
	if (log == NULL)
		return ocs_error_memory(error);
	talloc_set_destructor(log, message_log_destroy);
	log->index = index;
	log->path = talloc_asprintf(log, "%s/messages.log", folder);
	if (log->path == NULL)
		ocs_error_memory(error);
	if (log->path == NULL || take_over(log, damage, error) != 0) {
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

unsigned ocs_message_log_homeless(const struct ocs_message_log *log)
{
	return log->homeless;
}

int ocs_message_log_get(struct ocs_message_log *log, uint64_t series, const char *message_id,
                        struct ocs_index_message *out, struct ocs_error *error)
{
	const struct message *found;

	if (log->broken)
		ocs_message_log_revert(log);
	if (log->broken)
		return ocs_error_pass(error, &log->why);
	found = message_log_find(log, series, message_id);
	if (found == NULL)
		return ocs_index_message(log->index, series, message_id, out, error);
	if (found->m.state == OCS_PENDING_DELETED)
		return ocs_index_message_after(log->index, series, message_id, &found->m, out,
		                               error);
	if (found->m.state != OCS_PENDING_RECORDED)
		return OCS_STORE_MISSING;
	out->mid = found->m.mid;
	out->announced = found->m.announced;
	out->content = found->m.content;
	return OCS_STORE_OK;
}

uint64_t ocs_message_log_assigned(struct ocs_message_log *log, uint64_t series,
                                  const char *message_id, uint64_t content)
{
	const struct message *found = message_log_find(log, series, message_id);

	if (found == NULL || found->m.state != OCS_PENDING_ASSIGNED)
		return 0;
	return content == 0 || found->m.content == 0 || found->m.content == content ? found->m.mid
	                                                                            : 0;
}

int ocs_message_log_assign(struct ocs_message_log *log, uint64_t series, const char *message_id,
                           const struct ocs_index_message *message, bool recorded,
                           struct ocs_error *error)
{
	const struct message *found = message_log_find(log, series, message_id);
	const struct ocs_pending_message what = {
	        .state = OCS_PENDING_ASSIGNED,
	        .mid = message->mid,
	        .content = message->content,
	        .stale = recorded || (found != NULL && waits(found)),
	};

	return message_log_change(log, series, message_id, &what, error);
}

int ocs_message_log_put(struct ocs_message_log *log, uint64_t series, const char *message_id,
                        const struct ocs_index_message *message, struct ocs_error *error)
{
	const struct ocs_pending_message what = {
	        .state = OCS_PENDING_RECORDED,
	        .announced = message->announced,
	        .mid = message->mid,
	        .content = message->content,
	};

	return message_log_change(log, series, message_id, &what, error);
}

int ocs_message_log_delete(struct ocs_message_log *log, uint64_t series, const char *message_id,
                           uint64_t mid, struct ocs_error *error)
{
	const struct message *found = message_log_find(log, series, message_id);
	/* Over what the index has not heard of it may know yet another one. */
	const struct ocs_pending_message what = {
	        .state = OCS_PENDING_DELETED,
	        .mid = mid,
	        .stale = found != NULL && waits(found),
	};

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
	log->broken = ocs_journal_discard(log->journal, &log->why) != 0 ||
	              ocs_journal_open(log->path, message_log_replay, log, &journal, NULL,
	                               &log->why) != 0;
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
	        .mid = entry->m.mid, .announced = entry->m.announced, .content = entry->m.content};
	char message_id[OCS_NAME_MAX + 1];
	size_t len = entry->key_len - 8;
	uint64_t mid = entry->m.state == OCS_PENDING_DELETED ? entry->m.mid : 0;
	int ret;

	memcpy(message_id, entry->key + 8, len);
	message_id[len] = '\0';
	if (entry->m.state == OCS_PENDING_RECORDED)
		return ocs_index_message_put(log->index, &folder, message_id, &message, error);
	if (mid == 0 || !entry->m.stale)
		return ocs_index_message_delete(log->index, folder.series, message_id, mid, error);
	/* Whichever has the name in the index. */
	ret = ocs_index_message_gone(log->index, folder.series, message_id, mid, error);
	return ret == OCS_STORE_OK
	               ? ocs_index_message_delete(log->index, folder.series, message_id, 0, error)
	               : ret;
}

/* Lets the registry's group read the journal under another name. What is there until then is in the
 * index by now. */
static int share(const struct ocs_message_log *log, struct ocs_error *error)
{
	static const char name[] = "log", fresh[] = "log.new"; /* OCS_PENDING_FILE */
	char *path = talloc_asprintf(log, "%s/" OCS_PENDING_FOLDER, log->shared);
	int folder = -1, ret;

	if (path == NULL)
		return ocs_error_memory(error);
	ret = ocs_shared_folder(path, log->gid, 0750, &folder);
	if (ret != 0)
		ret = ocs_error_set(error, "%s: cannot create: %s", path, strerror(-ret));

	/* Where both names are the same file, a rename does nothing. */
	if (ret == 0 &&
	    (ocs_file_set_owner(AT_FDCWD, log->path, (uid_t)-1, log->gid) != 0 ||
	     chmod(log->path, 0640) != 0 || (unlinkat(folder, fresh, 0) != 0 && errno != ENOENT) ||
	     linkat(AT_FDCWD, log->path, folder, fresh, 0) != 0 ||
	     renameat(folder, fresh, folder, name) != 0 ||
	     (unlinkat(folder, fresh, 0) != 0 && errno != ENOENT)))
		ret = ocs_error_set(error, "%s: cannot link %s there: %s", path, log->path,
		                    strerror(errno));
	if (folder >= 0)
		close(folder);
	talloc_free(path);
	return ret;
}

bool ocs_message_log_unshared(const struct ocs_message_log *log)
{
	return log->unshared;
}

int ocs_message_log_share(struct ocs_message_log *log, const char *registry_folder, gid_t gid,
                          struct ocs_error *error)
{
	if (log->shared == NULL) {
		log->shared = talloc_strdup(log, registry_folder);
		log->gid = gid;
	}
	if (log->shared == NULL)
		return ocs_error_memory(error);
	log->unshared = share(log, error) != 0;
	return log->unshared ? -1 : 0;
}

static int add_assigned(void *arg, struct ocs_journal *journal, struct ocs_error *error)
{
	const struct ocs_message_log *log = arg;
	uint8_t record[OCS_PENDING_RECORD_MAX];
	struct message *entry, *next;

	HASH_ITER(hh, log->table, entry, next)
	{
		struct ocs_pending_message fresh = entry->m;

		fresh.stale = false;
		if (fresh.state == OCS_PENDING_ASSIGNED &&
		    ocs_journal_add(journal, record,
		                    ocs_pending_encode(record, &fresh, entry->key, entry->key_len),
		                    error) != 0)
			return -1;
	}
	return 0;
}

/* The journal then holds what is assigned only, and so does the table. */
static int restart(struct ocs_message_log *log, struct ocs_error *error)
{
	struct message *entry, *next;

	if (ocs_journal_rewrite(log->journal, add_assigned, log, error) != 0)
		return -1;
	/* Tried again before messages get names: libraries must know those that have one. */
	log->unshared = log->shared != NULL && share(log, NULL) != 0;
	HASH_ITER(hh, log->table, entry, next)
	{
		entry->m.stale = false;
		if (entry->m.state == OCS_PENDING_ASSIGNED)
			continue;
		HASH_DEL(log->table, entry);
		talloc_free(entry);
	}
	forget_gone(log);
	log->waiting = 0;
	return 0;
}

static int to_index(struct ocs_message_log *log, struct ocs_error *error)
{
	struct message *entry, *next;
	int ret;

	/* The transaction is the newest file's. */
	ocs_index_hold(log->index);
	ret = ocs_index_begin(log->index, error);
	HASH_ITER(hh, log->table, entry, next)
	if (ret == OCS_STORE_OK && waits(entry))
		ret = apply_one(log, entry, error);
	for (const struct gone *gone = log->gone; gone != NULL && ret == OCS_STORE_OK;
	     gone = gone->next)
		ret = ocs_index_message_gone(log->index, gone->series, gone->message_id, gone->mid,
		                             error);
	if (ocs_index_release(log->index, ret == OCS_STORE_OK ? error : NULL) != OCS_STORE_OK)
		ret = OCS_STORE_ERROR;
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
	if (log->waiting > 0 && to_index(log, NULL) != 0)
		return -1;
	return restart(log, NULL) == 0 ? 1 : -1;
}
