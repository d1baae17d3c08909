/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The daemon's settings, which it keeps in the registry, as a context knows them. Reads the
 * registry.
 */
#include "libocsnotify/internal.h"

void libocsnotify_settings(struct ocsnotify *context)
{
	struct ocs_registry_settings settings;
	struct ocs_registry *registry;
	uint32_t seqnum;

	libocsnotify_lock();
	registry = context->shared->registry;
	if (registry != NULL) {
		seqnum = ocs_registry_seqnum(registry);
		if ((!context->settings_known || context->settings_seqnum != seqnum) &&
		    ocs_registry_settings_get(registry, &settings, NULL) == OCS_STORE_OK) {
			context->settings = settings;
			context->settings_known = true;
			context->settings_seqnum = seqnum;
		}
	}
	libocsnotify_unlock();
}
