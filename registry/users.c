/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The queues of a user in the registry: U<user>, one record, so that a dispatch is one fetch.
 * Touches the open registry.
 *
 * Payload: number of queues 16; for each: id 64, session 64, context 64, folder 64, table 8,
 * flags 8, number of matchers 16, length of the name 16, the matchers (types 16, mid 64), the name.
 */
#include "registry/internal.h"

#include <string.h>

#include <talloc.h>

#include "base/bytes.h"

#define QUEUE_HEADER    38
#define MATCHER_SIZE    10
#define FLAG_SPILL_ONLY 1

static size_t user_key(uint8_t key[1 + OCS_USER_MAX], const char *user)
{
	size_t len = strlen(user);

	if (len == 0 || len > OCS_USER_MAX)
		return 0;
	key[0] = 'U';
	memcpy(key + 1, user, len);
	return len + 1;
}

static int queue_decode(const uint8_t **p, const uint8_t *end, struct ocs_registry_queue *queue)
{
	const uint8_t *q = *p;
	size_t name_len;

	if (end - q < QUEUE_HEADER)
		return -1;
	queue->id = ocs_get64(q);
	queue->session = ocs_get64(q + 8);
	queue->context = ocs_get64(q + 16);
	queue->folder = ocs_get64(q + 24);
	if (q[32] >= OCS_TABLE_COUNT || (q[33] & ~FLAG_SPILL_ONLY) != 0)
		return -1;
	queue->table = (enum ocs_table)q[32];
	queue->spill_only = (q[33] & FLAG_SPILL_ONLY) != 0;
	queue->n_matchers = ocs_get16(q + 34);
	name_len = ocs_get16(q + 36);
	q += QUEUE_HEADER;
	if (queue->id == 0 || queue->n_matchers == 0 || queue->n_matchers > OCS_MATCHERS_MAX ||
	    name_len == 0 || name_len >= sizeof(queue->name) ||
	    (size_t)(end - q) < (size_t)queue->n_matchers * MATCHER_SIZE + name_len)
		return -1;
	for (size_t i = 0; i < queue->n_matchers; i++, q += MATCHER_SIZE) {
		queue->matchers[i].types = ocs_get16(q);
		queue->matchers[i].mid = ocs_get64(q + 2);
	}
	if (memchr(q, '\0', name_len) != NULL)
		return -1;
	memcpy(queue->name, q, name_len);
	queue->name[name_len] = '\0';
	*p = q + name_len;
	return 0;
}

int ocs_registry_user_decode(const uint8_t *data, size_t len, struct ocs_registry_user *user)
{
	const uint8_t *p = data, *end = data + len;
	size_t n;

	user->n_queues = 0;
	if (len < 2)
		return OCS_STORE_DAMAGED;
	n = ocs_get16(p);
	p += 2;
	if (n > OCS_USER_QUEUES_MAX || n * QUEUE_HEADER > len)
		return OCS_STORE_DAMAGED;
	user->queues = talloc_zero_array(user, struct ocs_registry_queue, n);
	if (user->queues == NULL)
		return OCS_STORE_ERROR;
	for (size_t i = 0; i < n; i++)
		if (queue_decode(&p, end, &user->queues[i]) != 0)
			return OCS_STORE_DAMAGED;
	if (p != end)
		return OCS_STORE_DAMAGED;
	user->n_queues = n;
	return OCS_STORE_OK;
}

static struct ocs_registry_user *user_new(const void *mem_ctx, const char *name)
{
	struct ocs_registry_user *user = talloc_zero(mem_ctx, struct ocs_registry_user);

	if (user == NULL || (user->user = talloc_strdup(user, name)) == NULL) {
		talloc_free(user);
		return NULL;
	}
	return user;
}

int ocs_registry_user_get(struct ocs_registry *registry, const void *mem_ctx, const char *name,
                          struct ocs_registry_user **user_r, struct ocs_error *error)
{
	uint8_t key[1 + OCS_USER_MAX], *data;
	size_t key_len = user_key(key, name), len;
	struct ocs_registry_user *user;
	int ret;

	*user_r = NULL;
	if (key_len == 0)
		return ocs_error_set(error, "a user name must have 1 to %d bytes", OCS_USER_MAX);
	user = user_new(mem_ctx, name);
	if (user == NULL)
		return ocs_error_memory(error);
	ret = ocs_registry_fetch(registry, user, key, key_len, &data, &len, error);
	if (ret == OCS_STORE_OK) {
		ret = ocs_registry_user_decode(data, len, user);
		if (ret == OCS_STORE_ERROR)
			(void)ocs_error_memory(error);
		else if (ret == OCS_STORE_DAMAGED)
			ret = ocs_registry_reject(registry, key, key_len, error);
	}
	if (ret != OCS_STORE_OK && ret != OCS_STORE_MISSING) {
		talloc_free(user);
		return ret;
	}
	talloc_free(data);
	*user_r = user;
	return OCS_STORE_OK;
}

int ocs_registry_user_put(struct ocs_registry *registry, const struct ocs_registry_user *user,
                          struct ocs_error *error)
{
	uint8_t key[1 + OCS_USER_MAX], *data, *p;
	size_t key_len = user_key(key, user->user), len = 2;
	int ret;

	if (key_len == 0 || user->n_queues > OCS_USER_QUEUES_MAX)
		return ocs_error_set(error, "user '%s' has %zu queues, %d is the limit", user->user,
		                     user->n_queues, OCS_USER_QUEUES_MAX);
	if (user->n_queues == 0)
		return ocs_store_delete(registry->store, key, key_len, error);
	for (size_t i = 0; i < user->n_queues; i++)
		len += QUEUE_HEADER + (size_t)user->queues[i].n_matchers * MATCHER_SIZE +
		       strlen(user->queues[i].name);
	p = data = talloc_size(registry, len);
	if (data == NULL)
		return ocs_error_memory(error);
	ocs_put16(p, (uint16_t)user->n_queues);
	p += 2;
	for (size_t i = 0; i < user->n_queues; i++) {
		const struct ocs_registry_queue *queue = &user->queues[i];
		size_t name_len = strlen(queue->name);

		ocs_put64(p, queue->id);
		ocs_put64(p + 8, queue->session);
		ocs_put64(p + 16, queue->context);
		ocs_put64(p + 24, queue->folder);
		p[32] = (uint8_t)queue->table;
		p[33] = queue->spill_only ? FLAG_SPILL_ONLY : 0;
		ocs_put16(p + 34, queue->n_matchers);
		ocs_put16(p + 36, (uint16_t)name_len);
		p += QUEUE_HEADER;
		for (size_t m = 0; m < queue->n_matchers; m++, p += MATCHER_SIZE) {
			ocs_put16(p, queue->matchers[m].types);
			ocs_put64(p + 2, queue->matchers[m].mid);
		}
		memcpy(p, queue->name, name_len);
		p += name_len;
	}
	ret = ocs_store_put(registry->store, key, key_len, data, len, error);
	talloc_free(data);
	return ret;
}

struct walk {
	ocs_registry_user_fn *each;
	void *arg;
	bool no_memory;
};

static int registry_each_user(const void *key, size_t key_len, const uint8_t *data, size_t len,
                              void *arg)
{
	struct ocs_registry_user *user;
	struct walk *walk = arg;
	void *mem_ctx;
	char *name;
	int ret;

	if (data == NULL || key_len < 2)
		return 0;
	/* On a context of its own: what each() steals from there is its own. */
	mem_ctx = talloc_new(NULL);
	name = talloc_strndup(mem_ctx, (const char *)key + 1, key_len - 1);
	user = mem_ctx == NULL || name == NULL ? NULL : user_new(mem_ctx, name);
	ret = user == NULL ? OCS_STORE_ERROR : ocs_registry_user_decode(data, len, user);
	walk->no_memory = ret == OCS_STORE_ERROR;
	if (ret == OCS_STORE_OK)
		ret = walk->each(user, walk->arg);
	else if (ret == OCS_STORE_DAMAGED)
		ret = 0;
	if (mem_ctx == NULL)
		talloc_free(name);
	talloc_free(mem_ctx);
	return ret;
}

int ocs_registry_user_each(struct ocs_registry *registry, ocs_registry_user_fn *each, void *arg,
                           struct ocs_error *error)
{
	struct walk walk = {each, arg, false};
	int ret = ocs_store_each(registry->store, 'U', registry_each_user, &walk, error);

	if (walk.no_memory)
		return ocs_error_memory(error);
	return ret == 0 ? OCS_STORE_OK : OCS_STORE_ERROR;
}

struct user_list {
	struct ocs_registry_user **list;
	size_t n;
};

static int registry_list_user(struct ocs_registry_user *user, void *arg)
{
	struct user_list *users = arg;
	struct ocs_registry_user **grown =
	        talloc_realloc(NULL, users->list, struct ocs_registry_user *, users->n + 1);

	if (grown == NULL)
		return OCS_STORE_ERROR;
	users->list = grown;
	grown[users->n++] = talloc_steal(grown, user);
	return 0;
}

int ocs_registry_user_list(struct ocs_registry *registry, const void *mem_ctx,
                           struct ocs_registry_user ***list_r, size_t *n_r, struct ocs_error *error)
{
	struct user_list users = {NULL, 0};
	int ret = ocs_registry_user_each(registry, registry_list_user, &users, error);

	*list_r = NULL;
	*n_r = 0;
	if (ret != OCS_STORE_OK) {
		talloc_free(users.list);
		return OCS_STORE_ERROR;
	}
	*list_r = talloc_steal(mem_ctx, users.list);
	*n_r = users.n;
	return OCS_STORE_OK;
}
