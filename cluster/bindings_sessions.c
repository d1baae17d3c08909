/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What the registry says about the users: see ocs_bindings_visit(). On the thread that has the
 * registry, never with the table's lock held while the registry is asked.
 */
#include "cluster/bindings_internal.h"

#include <string.h>
#include <syslog.h>
#include <utlist.h>

#include <talloc.h>

#include "registry/bind_request.h"
#include "registry/registry.h"
#include "base/plural.h"

#define LOOK_MAX  200   /* users a visit looks at */
#define STEP_MAX  2000  /* and looks for */
#define STORES_MS 60000 /* all stores are looked for so often */

struct look {
	struct ocs_binding *binding;
	const char *user; /* never changes once it is set */
	int present;      /* -1: could not be told */
};

/* bindings->lock is held. Whether there was room. */
static bool want(struct ocs_bindings *bindings, const char *name)
{
	char key[OCS_MESSAGE_KEY_SIZE];
	struct ocs_binding *binding;

	ocs_message_key(name, key);
	binding = ocs_bindings_find(bindings, key);
	if (binding == NULL)
		binding = ocs_bindings_add(bindings, key, name, OCS_BINDING_WANTED);
	if (binding != NULL)
		ocs_bindings_want(bindings, binding, false);
	return binding != NULL;
}

static int visit_store(const char *backend, const char *backend_user, void *arg)
{
	struct ocs_bindings *bindings = arg;
	char name[OCS_USER_MAX + 1];

	if (ocs_bind_store_name(name, backend, backend_user) != 0)
		return 0;
	pthread_mutex_lock(&bindings->lock);
	(void)want(bindings, name);
	pthread_mutex_unlock(&bindings->lock);
	return 0;
}

/* The stores that sessions see: of those whose library was not answered too. */
static void visit_stores(struct ocs_bindings *bindings, struct ocs_registry *registry, uint64_t now)
{
	if (bindings->stores_at != 0 && now - bindings->stores_at < STORES_MS)
		return;
	bindings->stores_at = now;
	(void)ocs_registry_store_each(registry, visit_store, bindings, NULL);
}

struct visit {
	struct ocs_bindings *bindings;
	size_t left;
};

static int visit_user(struct ocs_registry_user *user, void *arg)
{
	struct visit *visit = arg;

	pthread_mutex_lock(&visit->bindings->lock);
	if (user->n_queues > 0 && !want(visit->bindings, user->user))
		visit->left++;
	pthread_mutex_unlock(&visit->bindings->lock);
	return 0;
}

/* At the first visit: everybody who has queues. */
static void visit_all(struct ocs_bindings *bindings, struct ocs_registry *registry)
{
	struct visit visit = {bindings, 0};
	struct ocs_error error;

	if (ocs_registry_user_each(registry, visit_user, &visit, &error) != OCS_STORE_OK) {
		if (!bindings->told)
			ocs_log_to(bindings->log, LOG_WARNING,
			           "cannot read which users to bind yet: %s", error.text);
		bindings->told = true;
		return;
	}
	bindings->visited = true;
	pthread_mutex_lock(&bindings->lock);
	ocs_bindings_gauge(bindings);
	pthread_mutex_unlock(&bindings->lock);
	if (visit.left > 0)
		ocs_log_to(bindings->log, LOG_ERR, "%zu %s not bound: there are too many",
		           visit.left, ocs_plural(visit.left, "user is", "users are"));
}

/* Those that were unbound first, then the next of all, round and round. */
static size_t choose(struct ocs_bindings *bindings, struct look looks[LOOK_MAX])
{
	struct ocs_binding *binding;
	size_t n = 0;

	DL_FOREACH(bindings->gone, binding)
	{
		if (n == LOOK_MAX)
			return n;
		looks[n++] = (struct look){binding, binding->user, -1};
	}
	for (size_t i = 0; i < bindings->n_all && i < STEP_MAX && n < LOOK_MAX; i++) {
		if (++bindings->cursor >= bindings->n_all)
			bindings->cursor = 0;
		binding = bindings->all[bindings->cursor];
		if (binding->state == OCS_BINDING_BOUND || binding->state == OCS_BINDING_WANTED)
			looks[n++] = (struct look){binding, binding->user, -1};
	}
	return n;
}

/* Whether a session sees that store. */
static int is_seen(struct ocs_registry *registry, const char *backend, const char *backend_user)
{
	char **users;
	size_t n;

	if (ocs_registry_store_users(registry, NULL, backend, backend_user, &users, &n, NULL) !=
	    OCS_STORE_OK)
		return -1;
	talloc_free(users);
	return n > 0;
}

static int has_session(struct ocs_registry *registry, const char *name)
{
	char backend[OCS_USER_MAX + 1], backend_user[OCS_USER_MAX + 1];
	struct ocs_registry_user *user;
	int present;

	if (name == NULL)
		return 0;
	if (ocs_bind_store_get(name, backend, backend_user) == 0)
		return is_seen(registry, backend, backend_user);
	if (ocs_registry_user_get(registry, NULL, name, &user, NULL) != OCS_STORE_OK)
		return -1;
	present = user->n_queues > 0;
	talloc_free(user);
	return present;
}

static void apply(struct ocs_bindings *bindings, const struct look *look, uint64_t now)
{
	struct ocs_binding *binding = look->binding;

	/* Asked for meanwhile by somebody who told the name. */
	if (look->present < 0 || look->user != binding->user)
		return;
	if (binding->state == OCS_BINDING_GONE) {
		if (look->present)
			ocs_bindings_want(bindings, binding, false);
		else
			ocs_bindings_remove(bindings, binding);
		return;
	}
	binding->present = look->present;
	if (look->present)
		binding->absent_since = 0;
	else if (binding->absent_since == 0)
		binding->absent_since = now;
	else if (now - binding->absent_since >= (uint64_t)bindings->settings->unbind_after * 1000)
		ocs_bindings_unwant(bindings, binding);
}

void ocs_bindings_visit(void *arg, struct ocs_registry *registry)
{
	struct ocs_bindings *bindings = arg;
	struct look looks[LOOK_MAX];
	uint64_t now = ocs_clock_ms();
	bool work;
	size_t n;

	if (!bindings->visited)
		visit_all(bindings, registry);
	visit_stores(bindings, registry, now);
	pthread_mutex_lock(&bindings->lock);
	n = choose(bindings, looks);
	pthread_mutex_unlock(&bindings->lock);
	for (size_t i = 0; i < n; i++)
		looks[i].present = has_session(registry, looks[i].user);
	pthread_mutex_lock(&bindings->lock);
	for (size_t i = 0; i < n; i++)
		apply(bindings, &looks[i], now);
	work = bindings->bulk != NULL || bindings->urgent != NULL;
	ocs_bindings_gauge(bindings);
	pthread_mutex_unlock(&bindings->lock);
	if (work)
		ocs_broker_loop_wake(&bindings->loop);
}
