/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What every part of dispatch stands on: its settings, which are kept by whoever still uses them,
 * its log and its clock. Touches the settings' lock, calls the daemon's log; knows no other part.
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

struct dispatch_config *ocs_dispatch_config_make(const struct ocs_dispatch_settings *settings,
                                                 struct ocs_usermap *map)
{
	struct dispatch_config *config = talloc_zero(NULL, struct dispatch_config);
	size_t n = 0;

	if (config == NULL)
		return NULL;
	config->refs = 1;
	config->settings = *settings;
	config->settings.backends = NULL;
	while (settings->backends[n] != NULL)
		n++;
	config->backends = talloc_zero_array(config, char *, n + 1);
	for (size_t i = 0; i < n && config->backends != NULL; i++) {
		config->backends[i] = talloc_strdup(config->backends, settings->backends[i]);
		if (config->backends[i] == NULL)
			config->backends = NULL;
		else
			ocs_index_canonical_backend(config->backends[i]);
	}
	if (config->backends == NULL) {
		talloc_free(config);
		return NULL;
	}
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

bool ocs_dispatch_has_backend(const struct dispatch_config *config, const char *backend)
{
	for (char **name = config->backends; *name != NULL; name++)
		if (strcmp(*name, backend) == 0)
			return true;
	return false;
}
