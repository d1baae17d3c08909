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
#include "base/utf8.h"

#define SETTINGS_HEADER 22
/* Of the first byte of flags, and of the second. */
#define SETTINGS_LINKED 1
#define SETTINGS_HOST   2
#define SETTINGS_FOLD   1

static const char key_settings[] = {'M', 's'};
static const char key_templates[] = {'M', 'u'}; /* name NUL template NUL, and so on */

/* What follows the header: the path, since there are links a NUL and a byte of flags, since the
 * index has a limit that, since names can be one a byte of flags and the domains. */
static void settings_tail(const uint8_t *data, size_t len, struct ocs_registry_settings *out)
{
	size_t path_len = strnlen((const char *)data, len);

	if (path_len >= sizeof(out->usermap))
		return;
	memcpy(out->usermap, data, path_len);
	out->linked = len > path_len + 1 && (data[path_len + 1] & SETTINGS_LINKED) != 0;
	out->host_identifiers = len > path_len + 1 && (data[path_len + 1] & SETTINGS_HOST) != 0;
	if (len >= path_len + 2 + 8)
		out->index_limit = ocs_get64(data + path_len + 2);
	if (len > path_len + 2 + 8) {
		const char *domains = (const char *)data + path_len + 2 + 8 + 1;
		size_t domains_len = strnlen(domains, len - (path_len + 2 + 8 + 1));

		out->names.fold = (domains[-1] & SETTINGS_FOLD) != 0;
		if (domains_len < sizeof(out->names.domains))
			memcpy(out->names.domains, domains, domains_len);
	}
}

/* What the ini cannot say (config/keys.c) is not the daemon's: the default stays. */
static void take_number(const uint8_t *data, uint32_t min, uint32_t max, uint32_t *out)
{
	uint32_t number = ocs_get32(data);

	if (number >= min && number <= max)
		*out = number;
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
		take_number(data, 1, 65536, &out->max_messages);
		take_number(data + 4, OCS_ENTRY_SIZE_MAX, 16777216, &out->message_size);
		take_number(data + 8, 1, 100000000, &out->spill_max);
		take_number(data + 12, 1, 1000000000, &out->spill_total);
		take_number(data + 16, 1, 86400, &out->push_interval);
		out->replica_id = ocs_get16(data + 20);
		settings_tail(data + SETTINGS_HEADER, len - SETTINGS_HEADER, out);
	}
	talloc_free(data);
	return OCS_STORE_OK;
}

int ocs_registry_settings_put(struct ocs_registry *registry,
                              const struct ocs_registry_settings *settings, struct ocs_error *error)
{
	uint8_t data[SETTINGS_HEADER + sizeof(settings->usermap) + 1 + 8 + 1 +
	             sizeof(settings->names.domains)];
	size_t path_len = strlen(settings->usermap), len;

	ocs_put32(data, settings->max_messages);
	ocs_put32(data + 4, settings->message_size);
	ocs_put32(data + 8, settings->spill_max);
	ocs_put32(data + 12, settings->spill_total);
	ocs_put32(data + 16, settings->push_interval);
	ocs_put16(data + 20, settings->replica_id);
	memcpy(data + SETTINGS_HEADER, settings->usermap, path_len + 1);
	data[SETTINGS_HEADER + path_len + 1] =
	        (uint8_t)((settings->linked ? SETTINGS_LINKED : 0) |
	                  (settings->host_identifiers ? SETTINGS_HOST : 0));
	ocs_put64(data + SETTINGS_HEADER + path_len + 2, settings->index_limit);
	len = SETTINGS_HEADER + path_len + 2 + 8;
	data[len++] = settings->names.fold ? SETTINGS_FOLD : 0;
	memcpy(data + len, settings->names.domains, strlen(settings->names.domains) + 1);
	len += strlen(settings->names.domains) + 1;
	return ocs_store_put(registry->store, key_settings, sizeof(key_settings), data, len, error);
}

int ocs_registry_templates_put(struct ocs_registry *registry, char *const *backends,
                               char *const *templates, struct ocs_error *error)
{
	char *data = talloc_strdup(registry, "");
	size_t len = 0;
	int ret;

	for (size_t i = 0; templates != NULL && backends[i] != NULL && data != NULL; i++) {
		const char *parts[] = {backends[i], templates[i]};

		for (size_t j = 0; j < 2 && data != NULL; j++) {
			size_t n = strlen(parts[j]) + 1;
			char *grown = talloc_realloc(registry, data, char, len + n);

			if (grown != NULL)
				memcpy(grown + len, parts[j], n);
			else
				talloc_free(data);
			data = grown;
			len += n;
		}
	}
	if (data == NULL)
		return ocs_error_memory(error);
	ret = ocs_store_put(registry->store, key_templates, sizeof(key_templates), data, len,
	                    error);
	talloc_free(data);
	return ret;
}

/* URIs and names are UTF-8 for everybody who gets them: others than the daemon can write these. */
static bool is_template(const char *backend, const char *template)
{
	return template[0] != '\0' && ocs_utf8_text(backend) && ocs_utf8_text(template);
}

int ocs_registry_templates_get(struct ocs_registry *registry, const void *mem_ctx,
                               char ***backends_r, char ***templates_r, size_t *n_r,
                               struct ocs_error *error)
{
	const char *p, *end;
	uint8_t *data;
	size_t len;
	int ret = ocs_registry_fetch(registry, mem_ctx, key_templates, sizeof(key_templates), &data,
	                             &len, error);

	*backends_r = *templates_r = NULL;
	*n_r = 0;
	if (ret != OCS_STORE_OK)
		return ret == OCS_STORE_MISSING ? OCS_STORE_OK : ret;
	/* What is fetched has a NUL behind it; the strings stay in it. */
	end = (const char *)data + len;
	for (p = (const char *)data; p < end;) {
		const char *template = p + strlen(p) + 1;
		unsigned n = (unsigned)*n_r + 1;

		if (template >= end)
			break;
		*backends_r = talloc_realloc(mem_ctx, *backends_r, char *, n);
		*templates_r = talloc_realloc(mem_ctx, *templates_r, char *, n);
		if (*backends_r == NULL || *templates_r == NULL)
			return ocs_error_memory(error);
		(*backends_r)[*n_r] = (char *)(uintptr_t)p;
		(*templates_r)[*n_r] = (char *)(uintptr_t) template;
		if (is_template(p, template))
			++*n_r;
		p = template + strlen(template) + 1;
	}
	return OCS_STORE_OK;
}

int ocs_registry_template_get(struct ocs_registry *registry, const void *mem_ctx,
                              const char *backend, char **template_r, struct ocs_error *error)
{
	const char *p, *end;
	uint8_t *data;
	size_t len;
	int ret = ocs_registry_fetch(registry, registry, key_templates, sizeof(key_templates),
	                             &data, &len, error);

	*template_r = NULL;
	if (ret != OCS_STORE_OK)
		return ret;
	ret = OCS_STORE_MISSING;
	/* What is fetched has a NUL behind it. */
	end = (const char *)data + len;
	for (p = (const char *)data; p < end && ret == OCS_STORE_MISSING;) {
		const char *template = p + strlen(p) + 1;

		if (template >= end)
			break;
		if (strcmp(p, backend) == 0 && is_template(p, template)) {
			*template_r = talloc_strdup(mem_ctx, template);
			ret = *template_r != NULL ? OCS_STORE_OK : ocs_error_memory(error);
		}
		p = template + strlen(template) + 1;
	}
	talloc_free(data);
	return ret;
}
