/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What the daemon tells the libraries of its ini: one record of the registry, written and read
 * here, so that both sides agree. Later fields follow earlier ones; who does not know them ignores
 * them. Touches the open registry.
 */
#include "registry/internal.h"

#include <string.h>

#include <talloc.h>

#include "base/bytes.h"

#define SETTINGS_HEADER 22
#define SETTINGS_LINKED 1

static const char key_settings[] = {'M', 's'};

/* What follows the header: the path, since there are links a NUL and a byte of flags, since the
 * index has a limit that. */
static void settings_tail(const uint8_t *data, size_t len, struct ocs_registry_settings *out)
{
	size_t path_len = strnlen((const char *)data, len);

	if (path_len >= sizeof(out->usermap))
		return;
	memcpy(out->usermap, data, path_len);
	out->linked = len > path_len + 1 && (data[path_len + 1] & SETTINGS_LINKED) != 0;
	if (len >= path_len + 2 + 8)
		out->index_limit = ocs_get64(data + path_len + 2);
}

int ocs_registry_settings_get(struct ocs_registry *registry, struct ocs_registry_settings *out,
                              struct ocs_error *error)
{
	uint8_t *data;
	size_t len;
	int ret;

	*out = (struct ocs_registry_settings){
	        .max_messages = 10,
	        .message_size = 256,
	        .spill_max = 10000,
	        .spill_total = 1000000,
	        .push_interval = 60,
	        .replica_id = 1,
	};
	ret = ocs_registry_fetch(registry, registry, key_settings, sizeof(key_settings), &data,
	                         &len, error);
	if (ret == OCS_STORE_MISSING)
		return OCS_STORE_OK;
	if (ret != OCS_STORE_OK)
		return ret;
	if (len >= SETTINGS_HEADER) {
		out->max_messages = ocs_get32(data);
		out->message_size = ocs_get32(data + 4);
		out->spill_max = ocs_get32(data + 8);
		out->spill_total = ocs_get32(data + 12);
		out->push_interval = ocs_get32(data + 16);
		out->replica_id = ocs_get16(data + 20);
		settings_tail(data + SETTINGS_HEADER, len - SETTINGS_HEADER, out);
	}
	talloc_free(data);
	return OCS_STORE_OK;
}

int ocs_registry_settings_put(struct ocs_registry *registry,
                              const struct ocs_registry_settings *settings, struct ocs_error *error)
{
	uint8_t data[SETTINGS_HEADER + sizeof(settings->usermap) + 1 + 8];
	size_t path_len = strlen(settings->usermap);

	ocs_put32(data, settings->max_messages);
	ocs_put32(data + 4, settings->message_size);
	ocs_put32(data + 8, settings->spill_max);
	ocs_put32(data + 12, settings->spill_total);
	ocs_put32(data + 16, settings->push_interval);
	ocs_put16(data + 20, settings->replica_id);
	memcpy(data + SETTINGS_HEADER, settings->usermap, path_len + 1);
	data[SETTINGS_HEADER + path_len + 1] = settings->linked ? SETTINGS_LINKED : 0;
	ocs_put64(data + SETTINGS_HEADER + path_len + 2, settings->index_limit);
	return ocs_store_put(registry->store, key_settings, sizeof(key_settings), data,
	                     SETTINGS_HEADER + path_len + 2 + 8, error);
}
