/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Spill lists that somebody has removed are made again with what waits in them. Store thread.
 * Touches the files of the lists that are open, where something in their folder has changed. */
#include "notify/dispatch_internal.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <time.h>

#include <talloc.h>

#include "base/plural.h"

/* So old is the last change of a folder whose next one is told apart from it: the kernel's clock
 * for that goes by ticks. */
#define TOLD_APART 2 /* seconds */

/* ---- whether a list can have lost its name ---- */

static int look_at_folder(const struct ocs_dispatch *dispatch, struct stat *st)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/" OCS_SPILL_FOLDER, dispatch->folder) >=
	    (int)sizeof(path))
		return -1;
	return lstat(path, st);
}

/* No name goes without a change of the folder that it is in. */
static bool is_as_before(const struct stat *before, const struct stat *now)
{
	return before->st_nlink > 0 && before->st_dev == now->st_dev &&
	       before->st_ino == now->st_ino && before->st_ctim.tv_sec == now->st_ctim.tv_sec &&
	       before->st_ctim.tv_nsec == now->st_ctim.tv_nsec;
}

static bool is_told_apart(const struct stat *st)
{
	return time(NULL) - st->st_ctim.tv_sec >= TOLD_APART;
}

/* ---- and which ---- */

/* The queue's lock is held. */
static bool is_lost(const struct ocs_dispatch *dispatch, const struct dispatch_queue *queue)
{
	const struct ocs_spill_name name = {dispatch->folder, queue->context, queue->id};

	return ocs_spill_unlinked(&queue->spill, &name);
}

/* Adds to *entries_r how many were in it. The queue's lock is held. */
static int mend(struct ocs_dispatch *dispatch, struct dispatch_queue *queue, uint64_t *entries_r)
{
	struct ocs_spill_name name = {dispatch->folder, queue->context, queue->id};
	int ret;

	if (!is_lost(dispatch, queue))
		return 0;
	ret = ocs_spill_open(&queue->spill, &name, true, dispatch->gid);
	if (ret != 0 || ocs_spill_count(&queue->spill) == 0)
		return ret;
	*entries_r += ocs_spill_count(&queue->spill);
	ocs_dispatch_owe(dispatch, queue);
	return 0;
}

/* The users of lists that have lost their names; NULL-terminated, on mem_ctx. queues_lock is held.
 */
static char **users_of_lost(struct ocs_dispatch *dispatch, const void *mem_ctx)
{
	char **users = talloc_zero_array(mem_ctx, char *, 1);
	struct dispatch_snapshot *snapshot, *next;
	size_t n = 0;

	HASH_ITER(hh, dispatch->snapshots, snapshot, next)
	{
		bool lost = false;

		for (size_t i = 0; i < snapshot->n_queues && !lost; i++)
			lost = snapshot->queues[i].queue->lost;
		if (!lost || users == NULL)
			continue;
		users = talloc_realloc(mem_ctx, users, char *, n + 2);
		if (users == NULL)
			return NULL;
		users[n] = talloc_strdup(mem_ctx, snapshot->user);
		n += users[n] != NULL;
		users[n] = NULL;
	}
	return users;
}

/* Marks the lists that have lost their names. An owner that removes a subscription, and the
 * janitor, remove its list too: which queues there still are is read anew. Whether all have theirs.
 */
static bool look_for_lost(struct ocs_dispatch *dispatch)
{
	struct dispatch_queue *queue, *next;
	void *mem_ctx = talloc_new(NULL);
	struct ocs_error ignored;
	char **users = NULL;
	bool lost = false, all = true;

	pthread_mutex_lock(&dispatch->queues_lock);
	HASH_ITER(hh, dispatch->queues, queue, next)
	{
		/* One that is in use now is looked at the next time. */
		queue->lost = false;
		if (queue->gone)
			continue;
		if (pthread_mutex_trylock(&queue->lock) != 0) {
			all = false;
			continue;
		}
		queue->lost = is_lost(dispatch, queue);
		lost = lost || queue->lost;
		pthread_mutex_unlock(&queue->lock);
	}
	if (lost)
		users = users_of_lost(dispatch, mem_ctx);
	pthread_mutex_unlock(&dispatch->queues_lock);
	for (size_t i = 0; users != NULL && users[i] != NULL; i++) {
		struct dispatch_snapshot *snapshot =
		        ocs_dispatch_snapshot_read(dispatch, users[i], &ignored);

		if (snapshot != NULL)
			ocs_dispatch_snapshot_put(dispatch, snapshot);
	}
	talloc_free(mem_ctx);
	return all && !lost;
}

int ocs_dispatch_spill_mend(struct ocs_dispatch *dispatch, struct ocs_error *error)
{
	struct dispatch_queue *queue, *next;
	uint64_t entries = 0;
	struct stat st = {.st_nlink = 0};
	bool known, named;
	int ret = ocs_spill_folder(dispatch->folder, dispatch->gid);

	/* The registry folder is away, which has been said, or is said soon. */
	if (ret == -ENOENT)
		return 0;
	known = look_at_folder(dispatch, &st) == 0;
	if (ret == 0 && known && is_as_before(&dispatch->named, &st))
		return 0;
	known = known && is_told_apart(&st);
	named = look_for_lost(dispatch);
	dispatch->named = known && named ? st : (struct stat){.st_nlink = 0};
	pthread_mutex_lock(&dispatch->queues_lock);
	HASH_ITER(hh, dispatch->queues, queue, next)
	{
		if (!queue->lost || queue->gone || pthread_mutex_trylock(&queue->lock) != 0)
			continue;
		if (ret == 0)
			ret = mend(dispatch, queue, &entries);
		pthread_mutex_unlock(&queue->lock);
	}
	pthread_mutex_unlock(&dispatch->queues_lock);
	if (entries > 0)
		ocs_dispatch_log(dispatch, LOG_WARNING,
		                 "%s/" OCS_SPILL_FOLDER
		                 ": spill lists had been removed; made again with the %llu %s that "
		                 "wait in them",
		                 dispatch->folder, (unsigned long long)entries,
		                 ocs_plural(entries, "entry", "entries"));
	return ret == 0 ? 0
	                : ocs_error_set(error, "%s/" OCS_SPILL_FOLDER ": %s", dispatch->folder,
	                                strerror(-ret));
}
