/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Entries that were dropped past spill_max or spill_total: a warning, with whose and how many. A
 * flood of them is a line a minute with the sum. Touches its table, under a lock of its own.
 */
#include "notify/dispatch_internal.h"
#include "base/plural.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>

#define LINE_NS    (60 * OCS_CLOCK_SECOND)  /* from one line in the log to the next */
#define FORGET_NS  (300 * OCS_CLOCK_SECOND) /* without a drop, it is no longer a warning */
#define USERS_MAX  1024                     /* told apart in a line */
#define NAME_SHOWN 100

struct drop_user {
	UT_hash_handle hh;
	uint64_t n;
	char user[];
};

struct dispatch_drops {
	struct drop_user *users; /* since the last line */
	uint64_t n, of_others;   /* of_others: of users who had no place in the table */
	uint64_t last_line, last_drop;
	bool warned;
	char text[OCS_ERROR_MAX];
};

static void forget_users(struct dispatch_drops *drops)
{
	struct drop_user *user, *next;

	HASH_ITER(hh, drops->users, user, next)
	{
		HASH_DEL(drops->users, user);
		free(user);
	}
	drops->n = drops->of_others = 0;
}

static void count_user(struct dispatch_drops *drops, const char *name)
{
	struct drop_user *user = NULL;

	drops->n++;
	HASH_FIND_STR(drops->users, name, user);
	if (user == NULL && HASH_COUNT(drops->users) < USERS_MAX) {
		user = calloc(1, sizeof(*user) + strlen(name) + 1);
		if (user != NULL) {
			strcpy(user->user, name);
			HASH_ADD_STR(drops->users, user, user);
			if (user->hh.tbl == NULL) {
				free(user);
				user = NULL;
			}
		}
	}
	if (user != NULL)
		user->n++;
	else
		drops->of_others++;
}

void ocs_dispatch_dropped(struct ocs_dispatch *dispatch, const char *user)
{
	pthread_mutex_lock(&dispatch->drops_lock);
	if (dispatch->drops == NULL)
		dispatch->drops = calloc(1, sizeof(*dispatch->drops));
	if (dispatch->drops != NULL)
		count_user(dispatch->drops, user);
	pthread_mutex_unlock(&dispatch->drops_lock);
}

static void describe(struct dispatch_drops *drops, const struct ocs_dispatch_settings *settings)
{
	const struct drop_user *most = drops->users;
	unsigned n_users = HASH_COUNT(drops->users);
	char whose[2 * NAME_SHOWN];

	for (const struct drop_user *user = drops->users; user != NULL; user = user->hh.next)
		if (user->n > most->n)
			most = user;
	if (most == NULL)
		snprintf(whose, sizeof(whose), "users");
	else if (n_users == 1 && drops->of_others == 0)
		snprintf(whose, sizeof(whose), "user '%.*s'", NAME_SHOWN, most->user);
	else
		snprintf(whose, sizeof(whose), "%u%s users (%llu of user '%.*s')", n_users,
		         drops->of_others > 0 ? " or more" : "", (unsigned long long)most->n,
		         NAME_SHOWN, most->user);
	snprintf(drops->text, sizeof(drops->text),
	         "%llu waiting %s of %s dropped, the oldest first: a MAPI server does not fetch "
	         "what waits, and [mqueue] spill_max (%u) or spill_total (%u) is reached",
	         (unsigned long long)drops->n, ocs_plural(drops->n, "entry", "entries"), whose,
	         settings->spill_max, settings->spill_total);
}

/* drops_lock is held. */
static void tell(struct ocs_dispatch *dispatch, struct dispatch_drops *drops,
                 const struct ocs_dispatch_settings *settings)
{
	uint64_t now = ocs_clock_ns();

	if (drops->n > 0)
		drops->last_drop = now;
	if (drops->n > 0 && (!drops->warned || now - drops->last_line >= LINE_NS)) {
		describe(drops, settings);
		/* The first is logged by the change of health. */
		if (drops->warned)
			ocs_dispatch_log(dispatch, LOG_WARNING, "%s", drops->text);
		drops->warned = true;
		drops->last_line = now;
		forget_users(drops);
		ocs_health_set(dispatch->health, OCS_HEALTH_DROPS, OCS_HEALTH_WARNING, "%s",
		               drops->text);
	} else if (drops->warned && now - drops->last_drop >= FORGET_NS) {
		drops->warned = false;
		ocs_health_set(dispatch->health, OCS_HEALTH_DROPS, OCS_HEALTH_WELL, NULL);
	}
}

void ocs_dispatch_drops_tell(struct ocs_dispatch *dispatch,
                             const struct ocs_dispatch_settings *settings)
{
	pthread_mutex_lock(&dispatch->drops_lock);
	if (dispatch->drops != NULL && (dispatch->drops->n > 0 || dispatch->drops->warned))
		tell(dispatch, dispatch->drops, settings);
	pthread_mutex_unlock(&dispatch->drops_lock);
}

void ocs_dispatch_drops_free(struct ocs_dispatch *dispatch)
{
	if (dispatch->drops != NULL)
		forget_users(dispatch->drops);
	free(dispatch->drops);
}
