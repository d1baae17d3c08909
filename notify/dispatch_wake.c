/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Which owners of spill lists are woken: those for whom a request or a group has something, once
 * for many lists, and those for whom an earlier daemon left something. Any thread.
 */
#include "notify/dispatch_internal.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"

void ocs_dispatch_wakes_send(struct ocs_dispatch *dispatch, struct dispatch_wakes *wakes)
{
	struct dispatch_wake part[OCS_REGISTRY_WAKE_MAX];
	uint8_t data[8 * OCS_REGISTRY_WAKE_MAX];

	while (wakes->n > 0) {
		uint64_t context = wakes->list[0].context;
		size_t n = 0, kept = 0;

		/* All of one owner, wherever they are. */
		for (size_t i = 0; i < wakes->n; i++) {
			if (wakes->list[i].context != context || n == OCS_REGISTRY_WAKE_MAX) {
				wakes->list[kept++] = wakes->list[i];
				continue;
			}
			part[n] = wakes->list[i];
			ocs_put64(data + 8 * n++, wakes->list[i].queue);
		}
		wakes->n = kept;
		if (ocs_dispatch_owes(dispatch, context) ||
		    !ocs_dispatch_datagram(dispatch, context, data, 8 * n))
			ocs_dispatch_owe_wakes(dispatch, part, n);
	}
}

void ocs_dispatch_wakes_add(struct ocs_dispatch *dispatch, struct dispatch_wakes *wakes,
                            const struct dispatch_queue *queue)
{
	if (wakes->n == OCS_DISPATCH_WAKES_MAX)
		ocs_dispatch_wakes_send(dispatch, wakes);
	wakes->list[wakes->n++] = (struct dispatch_wake){queue->context, queue->id};
}

struct contexts {
	uint64_t *list; /* malloc */
	size_t n;
};

static bool is_noted(const struct contexts *contexts, uint64_t context)
{
	for (size_t i = contexts->n; i-- > 0;)
		if (contexts->list[i] == context)
			return true;
	return false;
}

/* Without memory it is woken again. */
static void note(struct contexts *contexts, uint64_t context)
{
	uint64_t *grown = realloc(contexts->list, (contexts->n + 1) * sizeof(*grown));

	if (grown == NULL)
		return;
	contexts->list = grown;
	grown[contexts->n++] = context;
}

void ocs_dispatch_spill_start(struct ocs_dispatch *dispatch)
{
	struct ocs_spill_name name = {.folder = dispatch->folder};
	struct contexts woken = {.list = NULL};
	uint8_t all[8];
	struct ocs_spill_state state;
	char path[PATH_MAX];
	struct dirent *entry;
	DIR *folder;

	if (snprintf(path, sizeof(path), "%s/" OCS_SPILL_FOLDER, dispatch->folder) >=
	            (int)sizeof(path) ||
	    (folder = opendir(path)) == NULL)
		return;
	ocs_put64(all, OCS_REGISTRY_WAKE_ALL);
	while ((entry = readdir(folder)) != NULL) {
		if (ocs_spill_parse(entry->d_name, &name.context, &name.queue) != 0 ||
		    is_noted(&woken, name.context) ||
		    (ocs_spill_state(&name, &state) == 0 && state.count == 0))
			continue;
		note(&woken, name.context);
		if (!ocs_dispatch_datagram(dispatch, name.context, all, sizeof(all)))
			ocs_dispatch_owe_all(dispatch, name.context);
	}
	closedir(folder);
	free(woken.list);
}
