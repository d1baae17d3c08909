/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Identifiers that all nodes settled on, while another one is in use here since clients were told
 * it: used as soon as its user has no session. The table of them is in memory alone, since the next
 * notification from another node would fill it again. Store thread, but for looking into the table.
 * Touches the index, and holds the registry's lock for it.
 */
#include "notify/dispatch_agree.h"

#include <string.h>
#include <syslog.h>

#include <talloc.h>

#include "base/plural.h"

#define LATER_MAX  10000
#define SWITCH_MAX 200 /* in one transaction, while MAPI servers wait for the registry */
#define LOOK_PART  50  /* all sessions are gone through: 2 % of the time at most */

struct dispatch_agree *ocs_dispatch_agree_of(struct ocs_dispatch *dispatch)
{
	if (dispatch->agree == NULL) {
		pthread_mutex_lock(&dispatch->cache_lock);
		dispatch->agree = talloc_zero(NULL, struct dispatch_agree);
		pthread_mutex_unlock(&dispatch->cache_lock);
	}
	return dispatch->agree;
}

void ocs_dispatch_agree_free(struct ocs_dispatch *dispatch)
{
	if (dispatch->agree == NULL)
		return;
	HASH_CLEAR(hh, dispatch->agree->later);
	HASH_CLEAR(hh, dispatch->agree->taken);
	HASH_CLEAR(hh, dispatch->agree->origins);
	TALLOC_FREE(dispatch->agree);
}

/* ---- the table ---- */

static struct dispatch_later *later_new(struct dispatch_agree *agree,
                                        const struct dispatch_later *what)
{
	struct dispatch_later *later = talloc_zero(agree, struct dispatch_later);

	if (later == NULL)
		return NULL;
	*later = *what;
	later->name.user = talloc_strdup(later, what->name.user);
	later->name.backend = talloc_strdup(later, what->name.backend);
	later->name.backend_user = talloc_strdup(later, what->name.backend_user);
	later->name.folder = talloc_strdup(later, what->name.folder);
	if (what->message_id != NULL)
		later->message_id = talloc_strdup(later, what->message_id);
	if (later->name.user == NULL || later->name.backend == NULL ||
	    later->name.backend_user == NULL || later->name.folder == NULL ||
	    (what->message_id != NULL && later->message_id == NULL))
		TALLOC_FREE(later);
	return later;
}

static void later_remove(struct ocs_dispatch *dispatch, struct dispatch_later *later)
{
	pthread_mutex_lock(&dispatch->cache_lock);
	HASH_DEL(dispatch->agree->later, later);
	pthread_mutex_unlock(&dispatch->cache_lock);
	talloc_free(later);
}

void ocs_dispatch_later_add(struct ocs_dispatch *dispatch, const struct dispatch_later *what)
{
	struct dispatch_agree *agree = ocs_dispatch_agree_of(dispatch);
	struct dispatch_later *later = NULL;

	if (agree == NULL)
		return;
	HASH_FIND(hh, agree->later, &what->ours, sizeof(what->ours), later);
	if (later != NULL && !ocs_index_wins(what->theirs, later->theirs))
		return;
	if (later != NULL)
		later_remove(dispatch, later);
	if (HASH_COUNT(agree->later) >= LATER_MAX)
		return;
	later = later_new(agree, what);
	if (later == NULL)
		return;
	pthread_mutex_lock(&dispatch->cache_lock);
	HASH_ADD(hh, agree->later, ours, sizeof(later->ours), later);
	pthread_mutex_unlock(&dispatch->cache_lock);
	if (later->hh.tbl == NULL)
		talloc_free(later);
	agree->fresh = true;
}

uint64_t ocs_dispatch_agreed_on(struct ocs_dispatch *dispatch, uint64_t ours)
{
	struct dispatch_later *later = NULL;

	pthread_mutex_lock(&dispatch->cache_lock);
	if (dispatch->agree != NULL)
		HASH_FIND(hh, dispatch->agree->later, &ours, sizeof(ours), later);
	if (later != NULL)
		ours = later->theirs;
	pthread_mutex_unlock(&dispatch->cache_lock);
	return ours;
}

bool ocs_dispatch_agree_taken(struct ocs_dispatch *dispatch, uint64_t told)
{
	struct dispatch_taken *taken = NULL;

	if (dispatch->agree != NULL)
		HASH_FIND(hh, dispatch->agree->taken, &told, sizeof(told), taken);
	return taken != NULL;
}

bool ocs_dispatch_agree_take(struct resolve *resolve, uint64_t told)
{
	struct dispatch_agree *agree = ocs_dispatch_agree_of(resolve->dispatch);
	struct dispatch_taken *taken;

	if (agree == NULL || !ocs_index_is_free(resolve->dispatch->index, told))
		return false;
	HASH_FIND(hh, agree->taken, &told, sizeof(told), taken);
	if (taken != NULL)
		return false;
	taken = talloc_zero(agree, struct dispatch_taken);
	if (taken == NULL)
		return false;
	taken->id = told;
	HASH_ADD(hh, agree->taken, id, sizeof(taken->id), taken);
	if (taken->hh.tbl != NULL)
		return true;
	talloc_free(taken);
	return false;
}

/* ---- switching ---- */

static int switch_one(struct ocs_dispatch *dispatch, const struct dispatch_later *later,
                      struct ocs_error *error)
{
	return later->message_id == NULL
	               ? ocs_index_folder_switch(dispatch->index, &later->name, later->ours,
	                                         later->theirs, error)
	               : ocs_index_message_switch(dispatch->index, later->series, later->message_id,
	                                          later->ours, later->theirs, error);
}

/* The registry's lock is held, so that no session begins meanwhile. With nobody whose identifiers
 * can be switched the index is left alone. */
static int switch_all(struct ocs_dispatch *dispatch, const struct dispatch_sessions *sessions,
                      struct dispatch_later **done, size_t *n_r, struct ocs_error *error)
{
	struct dispatch_later *later, *next;
	int ret = OCS_STORE_OK;

	HASH_ITER(hh, dispatch->agree->later, later, next)
	{
		if (ret != OCS_STORE_OK || *n_r == SWITCH_MAX)
			break;
		if (ocs_dispatch_sessions_have(sessions, later->name.user))
			continue;
		if (*n_r == 0)
			ret = ocs_index_begin(dispatch->index, error);
		if (ret != OCS_STORE_OK)
			return ret;
		ret = switch_one(dispatch, later, error);
		done[(*n_r)++] = later;
		if (ret == OCS_STORE_MISSING)
			ret = OCS_STORE_OK;
	}
	if (*n_r == 0)
		return ret;
	if (ret == OCS_STORE_OK)
		return ocs_index_commit(dispatch->index, error);
	ocs_index_cancel(dispatch->index);
	return ret;
}

static void switch_locked(struct ocs_dispatch *dispatch, struct ocs_error *error)
{
	struct dispatch_agree *agree = dispatch->agree;
	struct dispatch_sessions *sessions;
	struct dispatch_later **done;
	size_t n = 0;
	int ret;

	agree->seqnum = ocs_registry_seqnum(dispatch->registry);
	sessions = ocs_dispatch_sessions_read(dispatch->registry, error);
	if (sessions == NULL) {
		ocs_dispatch_store_failed(dispatch, error);
		return;
	}
	done = talloc_array(sessions, struct dispatch_later *, HASH_COUNT(agree->later) + 1);
	ret = done != NULL ? switch_all(dispatch, sessions, done, &n, error) : OCS_STORE_OK;
	agree->fresh = done == NULL || ret != OCS_STORE_OK || n == SWITCH_MAX;
	if (ret != OCS_STORE_OK) {
		ocs_dispatch_store_failed(dispatch, error);
	} else if (n > 0) {
		for (size_t i = 0; i < n; i++)
			later_remove(dispatch, done[i]);
		ocs_dispatch_log(dispatch, LOG_INFO,
		                 "%zu %s from here on what all nodes settled on", n,
		                 ocs_plural(n, "identifier is", "identifiers are"));
	}
	if (n > 0)
		ocs_dispatch_cache_free(dispatch);
	talloc_free(sessions);
}

void ocs_dispatch_agree_switch(struct ocs_dispatch *dispatch)
{
	struct dispatch_agree *agree = dispatch->agree;
	struct ocs_store *store = ocs_registry_store(dispatch->registry);
	struct ocs_error error = {.text = ""};
	struct dispatch_taken *taken, *next;
	uint64_t began;

	if (agree == NULL)
		return;
	/* Once the log is in the index that knows what was taken. */
	if (agree->taken != NULL && ocs_message_log_waiting(dispatch->message_log) == 0) {
		HASH_ITER(hh, agree->taken, taken, next)
		{
			HASH_DEL(agree->taken, taken);
			talloc_free(taken);
		}
	}
	if (agree->later == NULL || ocs_clock_ns() < agree->not_before ||
	    (!agree->fresh && agree->seqnum == ocs_registry_seqnum(dispatch->registry)))
		return;
	if (ocs_dispatch_watch_before(dispatch, &error) != 0 ||
	    ocs_message_log_apply(dispatch->message_log, &error) != 0) {
		ocs_dispatch_store_failed(dispatch, &error);
		return;
	}
	if (ocs_store_try_begin(store, &error) != OCS_STORE_OK)
		return;
	began = ocs_clock_ns();
	switch_locked(dispatch, &error);
	ocs_registry_cancel(dispatch->registry);
	agree->not_before = ocs_clock_ns() + LOOK_PART * (ocs_clock_ns() - began);
}
