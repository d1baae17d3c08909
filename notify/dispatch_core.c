/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What every part of dispatch stands on: its settings, which are kept by whoever still uses them,
 * its log, its clock, and which state the registry is in. Touches the settings' lock and that of
 * the queues, calls the daemon's log; knows no other part.
 */
#include "notify/dispatch_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <talloc.h>

void ocs_dispatch_log(struct ocs_dispatch *dispatch, int priority, const char *format, ...)
{
	char text[1024];
	va_list args;

	if (dispatch->log == NULL)
		return;
	va_start(args, format);
	if (vsnprintf(text, sizeof(text), format, args) >= 0)
		dispatch->log(priority, text);
	va_end(args);
}

/* A copy of a NULL-terminated list; NULL: out of memory. */
static char **copy_list(const void *mem_ctx, char *const *list)
{
	char **copy;
	size_t n = 0;

	while (list[n] != NULL)
		n++;
	copy = talloc_zero_array(mem_ctx, char *, n + 1);
	for (size_t i = 0; i < n && copy != NULL; i++) {
		copy[i] = talloc_strdup(copy, list[i]);
		if (copy[i] == NULL)
			return NULL;
	}
	return copy;
}

struct dispatch_config *ocs_dispatch_config_make(const struct ocs_dispatch_settings *settings,
                                                 struct ocs_usermap *map)
{
	struct dispatch_config *config = talloc_zero(NULL, struct dispatch_config);

	if (config == NULL)
		return NULL;
	config->refs = 1;
	config->settings = *settings;
	config->settings.backends = NULL;
	config->settings.uris = NULL;
	config->backends = copy_list(config, settings->backends);
	if (settings->uris != NULL)
		config->uris = copy_list(config, settings->uris);
	if (config->backends == NULL || (settings->uris != NULL && config->uris == NULL)) {
		talloc_free(config);
		return NULL;
	}
	for (char **name = config->backends; *name != NULL; name++)
		ocs_index_canonical_backend(*name);
	config->map = talloc_steal(config, map);
	return config;
}

struct dispatch_config *ocs_dispatch_config_get(struct ocs_dispatch *dispatch)
{
	struct dispatch_config *config;

	pthread_mutex_lock(&dispatch->config_lock);
	config = dispatch->config;
	config->refs++;
	pthread_mutex_unlock(&dispatch->config_lock);
	return config;
}

void ocs_dispatch_config_put(struct ocs_dispatch *dispatch, struct dispatch_config *config)
{
	bool last;

	pthread_mutex_lock(&dispatch->config_lock);
	last = --config->refs == 0;
	pthread_mutex_unlock(&dispatch->config_lock);
	if (last)
		talloc_free(config);
}

const struct ocs_notification *ocs_dispatch_canonical(const struct dispatch_config *config,
                                                      const void *mem_ctx,
                                                      const struct ocs_notification *notification)
{
	char user[OCS_NAME_MAX + 1];
	struct ocs_notification *copy;

	if (notification->backend_user == NULL)
		return notification; /* refused before it came here */
	ocs_usermap_user(config->map, &config->settings.published.names, notification->backend_user,
	                 user);
	if (strcmp(user, notification->backend_user) == 0)
		return notification;
	copy = talloc_memdup(mem_ctx, notification, sizeof(*notification));
	if (copy == NULL)
		return NULL;
	copy->backend_user = talloc_strdup(copy, user);
	if (copy->backend_user == NULL)
		TALLOC_FREE(copy);
	return copy;
}

bool ocs_dispatch_folds(const struct ocs_dispatch *dispatch)
{
	return atomic_load_explicit(&dispatch->folds, memory_order_relaxed);
}

static bool has_backend(const struct dispatch_config *config, const char *backend)
{
	for (char **name = config->backends; *name != NULL; name++)
		if (strcmp(*name, backend) == 0)
			return true;
	return false;
}

const char *ocs_dispatch_unknown_backend(const struct dispatch_config *config,
                                         const struct ocs_notification *notification)
{
	if (!has_backend(config, notification->backend))
		return notification->backend;
	return notification->old_backend != NULL && !has_backend(config, notification->old_backend)
	               ? notification->old_backend
	               : NULL;
}

uint32_t ocs_dispatch_seqnum(struct ocs_dispatch *dispatch)
{
	uint32_t seqnum;

	pthread_mutex_lock(&dispatch->queues_lock);
	/* Under the lock: the file may be exchanged for another one. */
	seqnum = ocs_registry_seqnum(dispatch->registry);
	pthread_mutex_unlock(&dispatch->queues_lock);
	return seqnum;
}
