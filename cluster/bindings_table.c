/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The users this node is to hear about, and what is to be done about each: see
 * bindings_internal.h. Pure memory; the caller has the lock.
 */
#include "cluster/bindings_internal.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define BINDINGS_MAX 1000000
#define YOUNG_MS     60000 /* far more than the broker needs to write it down */

void ocs_bindings_table_free(struct ocs_bindings *bindings)
{
	HASH_CLEAR(hh, bindings->table);
	for (size_t i = 0; i < bindings->n_all; i++) {
		free(bindings->all[i]->user);
		free(bindings->all[i]);
	}
	free(bindings->all);
	bindings->all = NULL;
	bindings->n_all = 0;
}

/* ---- lists by state ---- */

static struct ocs_binding **list_of(struct ocs_bindings *bindings,
                                    const struct ocs_binding *binding)
{
	switch (binding->state) {
	case OCS_BINDING_WANTED:
		return binding->urgent ? &bindings->urgent : &bindings->bulk;
	case OCS_BINDING_UNWANTED:
		return &bindings->bulk;
	case OCS_BINDING_GONE:
		return &bindings->gone;
	default:
		return NULL;
	}
}

static void leave(struct ocs_bindings *bindings, struct ocs_binding *binding)
{
	struct ocs_binding **list = list_of(bindings, binding);

	if (list != NULL)
		DL_DELETE(*list, binding);
	bindings->counts[binding->state]--;
}

static void enter(struct ocs_bindings *bindings, struct ocs_binding *binding,
                  enum ocs_binding_state state)
{
	struct ocs_binding **list;

	binding->state = state;
	bindings->counts[state]++;
	list = list_of(bindings, binding);
	if (list != NULL)
		DL_APPEND(*list, binding);
}

static void move(struct ocs_bindings *bindings, struct ocs_binding *binding,
                 enum ocs_binding_state state)
{
	leave(bindings, binding);
	enter(bindings, binding, state);
}

/* ---- entries ---- */

struct ocs_binding *ocs_bindings_find(struct ocs_bindings *bindings, const char *key)
{
	struct ocs_binding *binding;

	HASH_FIND_STR(bindings->table, key, binding);
	return binding;
}

static bool make_room(struct ocs_bindings *bindings)
{
	size_t max = bindings->max_all == 0 ? 1024 : bindings->max_all * 2;
	struct ocs_binding **grown;

	if (bindings->n_all >= BINDINGS_MAX)
		return false;
	if (bindings->n_all < bindings->max_all)
		return true;
	grown = realloc(bindings->all, max * sizeof(struct ocs_binding *));
	if (grown == NULL)
		return false;
	bindings->all = grown;
	bindings->max_all = max;
	return true;
}

struct ocs_binding *ocs_bindings_add(struct ocs_bindings *bindings, const char *key,
                                     const char *user, enum ocs_binding_state state)
{
	size_t len = strlen(key);
	struct ocs_binding *binding;

	if (!make_room(bindings))
		return NULL;
	binding = calloc(1, sizeof(*binding) + len + 1);
	if (binding == NULL)
		return NULL;
	memcpy(binding->key, key, len + 1);
	if (user != NULL && (binding->user = strdup(user)) == NULL) {
		free(binding);
		return NULL;
	}
	HASH_ADD_KEYPTR(hh, bindings->table, binding->key, len, binding);
	if (binding->hh.tbl == NULL) {
		free(binding->user);
		free(binding);
		return NULL;
	}
	binding->index = bindings->n_all;
	bindings->all[bindings->n_all++] = binding;
	enter(bindings, binding, state);
	return binding;
}

void ocs_bindings_remove(struct ocs_bindings *bindings, struct ocs_binding *binding)
{
	struct ocs_binding *last = bindings->all[--bindings->n_all];

	leave(bindings, binding);
	HASH_DEL(bindings->table, binding);
	bindings->all[binding->index] = last;
	last->index = binding->index;
	free(binding->user);
	free(binding);
}

/* ---- what happens to one ---- */

void ocs_bindings_want(struct ocs_bindings *bindings, struct ocs_binding *binding, bool urgent)
{
	binding->present = true;
	binding->absent_since = 0;
	switch (binding->state) {
	case OCS_BINDING_BOUND:
		return;
	case OCS_BINDING_BINDING:
		binding->urgent = binding->urgent || urgent;
		return;
	case OCS_BINDING_LEAVING:
		binding->urgent = binding->urgent || urgent;
		binding->again = true;
		return;
	default:
		break;
	}
	leave(bindings, binding);
	binding->urgent = binding->urgent || urgent;
	/* One that was still to be unbound is bound once more: it may have been lost with the
	 * queue. */
	enter(bindings, binding, OCS_BINDING_WANTED);
}

void ocs_bindings_unwant(struct ocs_bindings *bindings, struct ocs_binding *binding)
{
	if (binding->state != OCS_BINDING_BOUND && binding->state != OCS_BINDING_WANTED)
		return;
	leave(bindings, binding);
	binding->urgent = false;
	enter(bindings, binding, OCS_BINDING_UNWANTED);
}

struct ocs_binding *ocs_bindings_take(struct ocs_bindings *bindings, bool *bind_r)
{
	struct ocs_binding *binding = bindings->urgent;

	if (binding == NULL)
		binding = bindings->bulk;
	if (binding == NULL)
		return NULL;
	*bind_r = binding->state == OCS_BINDING_WANTED;
	move(bindings, binding, *bind_r ? OCS_BINDING_BINDING : OCS_BINDING_LEAVING);
	return binding;
}

bool ocs_bindings_done(struct ocs_bindings *bindings, struct ocs_binding *binding)
{
	bool awaited = binding->urgent;

	if (binding->state == OCS_BINDING_BINDING) {
		OCS_LINK_COUNT(bindings->status, binds, 1);
		move(bindings, binding, OCS_BINDING_BOUND);
		binding->bound_at = ocs_clock_ms();
		binding->urgent = false;
		return awaited;
	}
	OCS_LINK_COUNT(bindings->status, unbinds, 1);
	move(bindings, binding, binding->again ? OCS_BINDING_WANTED : OCS_BINDING_GONE);
	binding->again = false;
	return false;
}

void ocs_bindings_undone(struct ocs_bindings *bindings, struct ocs_binding *binding)
{
	bool bind = binding->state == OCS_BINDING_BINDING || binding->again;

	binding->again = false;
	move(bindings, binding, bind ? OCS_BINDING_WANTED : OCS_BINDING_UNWANTED);
}

size_t ocs_bindings_all_again(struct ocs_bindings *bindings)
{
	for (size_t i = 0; i < bindings->n_all; i++)
		if (bindings->all[i]->state == OCS_BINDING_BOUND)
			move(bindings, bindings->all[i], OCS_BINDING_WANTED);
	return bindings->counts[OCS_BINDING_WANTED];
}

size_t ocs_bindings_young_again(struct ocs_bindings *bindings, uint64_t lost_at)
{
	size_t n = 0;

	for (size_t i = 0; i < bindings->n_all; i++) {
		struct ocs_binding *binding = bindings->all[i];

		if (binding->state != OCS_BINDING_BOUND || binding->bound_at + YOUNG_MS < lost_at)
			continue;
		move(bindings, binding, OCS_BINDING_WANTED);
		n++;
	}
	return n;
}

void ocs_bindings_gauge(struct ocs_bindings *bindings)
{
	const size_t *counts = bindings->counts;

	OCS_LINK_SET(bindings->status, bound_users, counts[OCS_BINDING_BOUND]);
	OCS_LINK_SET(bindings->status, bind_waiting,
	             counts[OCS_BINDING_WANTED] + counts[OCS_BINDING_BINDING] +
	                     counts[OCS_BINDING_UNWANTED] + counts[OCS_BINDING_LEAVING]);
}
