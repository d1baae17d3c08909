/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The ids that senders have given lately, so that a repetition is known. Store thread; touches
 * private/recent.log and recent.old.log.
 */
#include "notify/recent.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <talloc.h>
#include <uthash.h>

#include "base/bytes.h"

#define DONE_MAX    1000000 /* ids kept at most; past it the oldest go first */
#define RECORD_SIZE 24      /* id hash, time 64 */

struct done {
	uint8_t id_hash[16];
	uint64_t at;       /* seconds since 1970 */
	unsigned round;    /* of flushes: that of now was not flushed */
	UT_hash_handle hh; /* uthash keeps the order of insertion */
};

struct ocs_recent {
	char *path, *old_path;
	struct ocs_journal *journal;
	uint64_t since; /* not after the newer journal's first record, 0: empty */
	unsigned round;
	bool moved; /* the newer journal that is open has the older one's name */
	struct done *done;
};

static int remember(struct ocs_recent *recent, const uint8_t id_hash[16], uint64_t at)
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
	done->round = recent->round;
	HASH_ADD(hh, recent->done, id_hash, 16, done);
	if (done->hh.tbl == NULL) {
		talloc_free(done);
		return -1;
	}
	return 0;
}

static int recent_replay(void *arg, const uint8_t *data, size_t len)
{
	struct ocs_recent *recent = arg;

	if (len != RECORD_SIZE)
		return -1;
	if (recent->since == 0)
		recent->since = ocs_get64(data + 16);
	return remember(recent, data, ocs_get64(data + 16));
}

static void forget_all(struct ocs_recent *recent)
{
	struct done *done, *next;

	HASH_ITER(hh, recent->done, done, next)
	{
		HASH_DEL(recent->done, done);
		talloc_free(done);
	}
	recent->since = 0;
}

static int recent_destroy(struct ocs_recent *recent)
{
	forget_all(recent);
	ocs_journal_close(recent->journal);
	return 0;
}

/* The older file, then the newer one, which stays open. */
static int load(struct ocs_recent *recent, struct ocs_journal_damage *damage,
                struct ocs_error *error)
{
	struct ocs_journal *journal;

	if (ocs_journal_open(recent->old_path, recent_replay, recent, &journal, damage, error) != 0)
		return -1;
	ocs_journal_close(journal);
	recent->since = 0;
	if (ocs_journal_open(recent->path, recent_replay, recent, &journal, damage, error) != 0)
		return -1;
	ocs_journal_close(recent->journal);
	recent->journal = journal;
	recent->round++;
	return 0;
}

int ocs_recent_open(const char *folder, struct ocs_recent **recent_r,
                    struct ocs_journal_damage *damage, struct ocs_error *error)
{
	struct ocs_recent *recent = talloc_zero(NULL, struct ocs_recent);

	*recent_r = NULL;
	if (recent == NULL)
		return ocs_error_memory(error);
	talloc_set_destructor(recent, recent_destroy);
	recent->path = talloc_asprintf(recent, "%s/recent.log", folder);
	recent->old_path = talloc_asprintf(recent, "%s/recent.old.log", folder);
	if (recent->path == NULL || recent->old_path == NULL)
		ocs_error_memory(error);
	if (recent->path == NULL || recent->old_path == NULL || load(recent, damage, error) != 0) {
		talloc_free(recent);
		return -1;
	}
	*recent_r = recent;
	return 0;
}

void ocs_recent_close(struct ocs_recent *recent)
{
	talloc_free(recent);
}

/* A clock set back keeps an id longer, never shorter. */
static bool within(uint64_t at, uint64_t now, unsigned window)
{
	return now < at || now - at < window;
}

bool ocs_recent_done(struct ocs_recent *recent, const uint8_t id_hash[16], uint64_t now,
                     unsigned window)
{
	struct done *done;

	HASH_FIND(hh, recent->done, id_hash, 16, done);
	return done != NULL && within(done->at, now, window);
}

static int add_record(struct ocs_journal *journal, const uint8_t id_hash[16], uint64_t at,
                      struct ocs_error *error)
{
	uint8_t record[RECORD_SIZE];

	memcpy(record, id_hash, 16);
	ocs_put64(record + 16, at);
	return ocs_journal_add(journal, record, sizeof(record), error);
}

int ocs_recent_add(struct ocs_recent *recent, const uint8_t id_hash[16], uint64_t now,
                   struct ocs_error *error)
{
	if (add_record(recent->journal, id_hash, now, error) != 0)
		return -1;
	if (recent->since == 0)
		recent->since = now;
	return remember(recent, id_hash, now) == 0 ? 0 : ocs_error_memory(error);
}

static int open_newer(struct ocs_recent *recent, struct ocs_error *error)
{
	struct ocs_journal *journal;
	int ret;

	recent->since = 0;
	ret = ocs_journal_open(recent->path, recent_replay, recent, &journal, NULL, error);
	recent->round++; /* what was read is written */
	if (ret != 0)
		return -1;
	ocs_journal_close(recent->journal);
	recent->journal = journal;
	recent->moved = false;
	return 0;
}

/* The newer journal becomes the older one; what that held is out of the window. */
static int change_over(struct ocs_recent *recent, struct ocs_error *error)
{
	if (rename(recent->path, recent->old_path) != 0)
		return ocs_error_set(error, "%s: cannot rename: %s", recent->path, strerror(errno));
	recent->moved = true;
	return open_newer(recent, error);
}

/* Not by reading the files: when that fails too, as it does where descriptors are missing, ids that
 * were acknowledged would be forgotten. */
void ocs_recent_revert(struct ocs_recent *recent)
{
	struct done *done, *next;

	HASH_ITER(hh, recent->done, done, next)
	{
		if (done->round != recent->round)
			continue;
		HASH_DELETE(hh, recent->done, done);
		talloc_free(done);
	}
	/* What is half written is tried again to be taken back before the next write. */
	(void)ocs_journal_discard(recent->journal, NULL);
	/* Until then the open one goes on, under its new name. */
	if (recent->moved)
		(void)open_newer(recent, NULL);
}

int ocs_recent_flush(struct ocs_recent *recent, uint64_t now, unsigned window,
                     struct ocs_error *error)
{
	struct done *done, *next;

	HASH_ITER(hh, recent->done, done, next)
	{
		if (HASH_COUNT(recent->done) <= DONE_MAX && within(done->at, now, window))
			break;
		HASH_DELETE(hh, recent->done, done);
		talloc_free(done);
	}
	if (ocs_journal_write(recent->journal, false, error) != 0)
		return -1;
	recent->round++;
	if (recent->since != 0 && !within(recent->since, now, window))
		return change_over(recent, error);
	return 0;
}

static int recent_ignore(void *arg, const uint8_t *data, size_t len)
{
	(void)arg;
	(void)data;
	(void)len;
	return 0;
}

static int add_all(void *arg, struct ocs_journal *journal, struct ocs_error *error)
{
	const struct ocs_recent *recent = arg;
	struct done *done, *next;

	HASH_ITER(hh, recent->done, done, next)
	{
		if (add_record(journal, done->id_hash, done->at, error) != 0)
			return -1;
	}
	return 0;
}

/* Everything into the newer journal; the older one is made so that it is there. */
static int write_again(struct ocs_recent *recent)
{
	struct ocs_journal *older;

	if (ocs_journal_rewrite(recent->journal, add_all, recent, NULL) != 0)
		return -1;
	recent->moved = false;
	recent->since = recent->done != NULL ? recent->done->at : 0;
	if (ocs_journal_open(recent->old_path, recent_ignore, NULL, &older, NULL, NULL) != 0)
		return -1;
	ocs_journal_close(older);
	return 0;
}

int ocs_recent_look(struct ocs_recent *recent, struct ocs_error *error)
{
	if (ocs_journal_present(recent->journal, error) == 0) {
		if (access(recent->old_path, F_OK) == 0 || errno != ENOENT)
			return 0;
		ocs_error_set(error, "%s: is gone", recent->old_path);
	}
	return write_again(recent) == 0 ? 1 : -1;
}
