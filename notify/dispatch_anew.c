/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * A registry that lacks processes that live: it was made anew, empty, under them. Until they have
 * registered again nobody can tell whether a notification has a subscriber, so it is refused, which
 * a sender repeats, instead of acknowledged, which loses it. Who lives is asked of the sockets in
 * the wake folder and of what was registered before. Store thread, start and free apart.
 */
#include "notify/dispatch_internal.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include <talloc.h>

#include "registry/reap.h"
#include "base/plural.h"

/* The library looks every 3 s, and at once when it is told. Whoever is stopped, or asks nothing of
 * its library, must not keep everybody waiting. */
#define WAIT_NS    (10 * OCS_CLOCK_SECOND)
#define WAITED_MAX 65536

struct dispatch_anew {
	uint64_t *known; /* registered at the last look: a talloc array */
	size_t n_known;
	uint32_t seqnum; /* of the registry at that look */
	bool seen;
	uint64_t *awaited; /* a talloc array, child of this */
	size_t n_awaited;
	uint64_t until;
};

static int add(struct dispatch_anew *anew, uint64_t context)
{
	uint64_t *grown;

	for (size_t i = 0; i < anew->n_awaited; i++)
		if (anew->awaited[i] == context)
			return 0;
	if (anew->n_awaited == WAITED_MAX)
		return 0;
	grown = talloc_realloc(anew, anew->awaited, uint64_t, anew->n_awaited + 1);
	if (grown == NULL)
		return -1;
	anew->awaited = grown;
	grown[anew->n_awaited++] = context;
	return 0;
}

/* false: out of memory. */
static bool add_sockets(struct ocs_dispatch *dispatch)
{
	char path[PATH_MAX];
	struct dirent *entry;
	bool whole = true;
	DIR *folder;

	if (snprintf(path, sizeof(path), "%s/wake", dispatch->folder) >= (int)sizeof(path) ||
	    (folder = opendir(path)) == NULL)
		return true;
	while (whole && (entry = readdir(folder)) != NULL) {
		unsigned long long id;
		char kind[8];

		if (strlen(entry->d_name) > 16 &&
		    sscanf(entry->d_name, "%16llx.%7s", &id, kind) == 2 &&
		    strcmp(kind, "sock") == 0)
			whole = add(dispatch->anew, id) == 0;
	}
	closedir(folder);
	return whole;
}

/* An empty datagram: look at what you have registered. */
static void call(struct ocs_dispatch *dispatch, uint64_t context)
{
	const uint8_t nothing[1] = {0};

	(void)ocs_dispatch_datagram(dispatch, context, nothing, 0);
}

static bool is_registered(struct ocs_dispatch *dispatch, uint64_t context)
{
	struct ocs_registry_context found;

	return ocs_registry_context_get(dispatch->registry, context, &found, NULL) == OCS_STORE_OK;
}

static void drop_arrived(struct ocs_dispatch *dispatch)
{
	struct dispatch_anew *anew = dispatch->anew;
	size_t kept = 0;

	for (size_t i = 0; i < anew->n_awaited; i++)
		if (!is_registered(dispatch, anew->awaited[i]) &&
		    !ocs_reap_is_dead(dispatch->registry, anew->awaited[i]))
			anew->awaited[kept++] = anew->awaited[i];
	anew->n_awaited = kept;
}

int ocs_dispatch_anew_begin(struct ocs_dispatch *dispatch)
{
	struct dispatch_anew *anew = dispatch->anew;
	bool whole = true;

	if (anew == NULL) {
		anew = dispatch->anew = talloc_zero(NULL, struct dispatch_anew);
		if (anew == NULL)
			return -1;
	}
	anew->n_awaited = 0;
	for (size_t i = 0; i < anew->n_known; i++)
		whole = add(anew, anew->known[i]) == 0 && whole;
	whole = add_sockets(dispatch) && whole;
	if (!whole)
		ocs_dispatch_log(dispatch, LOG_ERR,
		                 "out of memory: cannot wait for all MAPI servers");
	drop_arrived(dispatch);
	for (size_t i = 0; i < anew->n_awaited; i++)
		call(dispatch, anew->awaited[i]);
	anew->until = ocs_clock_ns() + WAIT_NS;
	return 0;
}

bool ocs_dispatch_anew_waits(struct ocs_dispatch *dispatch)
{
	struct dispatch_anew *anew = dispatch->anew;

	if (anew == NULL || anew->n_awaited == 0)
		return false;
	drop_arrived(dispatch);
	if (anew->n_awaited > 0 && ocs_clock_ns() >= anew->until) {
		ocs_dispatch_log(dispatch, LOG_WARNING,
		                 "%zu MAPI %s did not register again within %llu s: "
		                 "notifications for %s sessions are lost until then",
		                 anew->n_awaited, ocs_plural(anew->n_awaited, "server", "servers"),
		                 WAIT_NS / OCS_CLOCK_SECOND,
		                 ocs_plural(anew->n_awaited, "its", "their"));
		anew->n_awaited = 0;
	}
	if (anew->n_awaited == 0)
		return false;
	ocs_health_set(dispatch->health, OCS_HEALTH_REGISTRY, OCS_HEALTH_UNWELL,
	               "%s was made anew: waiting for %zu MAPI %s to register again",
	               ocs_store_path(ocs_registry_store(dispatch->registry)), anew->n_awaited,
	               ocs_plural(anew->n_awaited, "server", "servers"));
	return true;
}

void ocs_dispatch_anew_note(struct ocs_dispatch *dispatch)
{
	struct dispatch_anew *anew = dispatch->anew;
	struct ocs_registry_context *list;
	uint32_t seqnum;
	uint64_t *known;
	size_t n;

	if (anew == NULL || anew->n_awaited > 0)
		return;
	seqnum = ocs_registry_seqnum(dispatch->registry);
	if (anew->seen && anew->seqnum == seqnum)
		return;
	if (ocs_registry_context_list(dispatch->registry, anew, &list, &n, NULL) != OCS_STORE_OK)
		return;
	known = talloc_array(anew, uint64_t, n + 1);
	for (size_t i = 0; known != NULL && i < n; i++)
		known[i] = list[i].id;
	talloc_free(list);
	if (known == NULL)
		return;
	talloc_free(anew->known);
	anew->known = known;
	anew->n_known = n;
	anew->seqnum = seqnum;
	anew->seen = true;
}

void ocs_dispatch_anew_free(struct ocs_dispatch *dispatch)
{
	talloc_free(dispatch->anew);
}
