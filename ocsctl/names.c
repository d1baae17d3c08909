/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* What identifiers name: see names.h. Reads the index and the registry. */
#include "ocsctl/names.h"

#include <stdio.h>
#include <unistd.h>

#include <talloc.h>

#include "mapistore/index_tools.h"
#include "mapistore/uri.h"
#include "mapistore/usermap.h"

struct ocsctl_names {
	struct ocs_registry *registry;
	struct ocs_index *index;
};

static int close_index(struct ocsctl_names *names)
{
	if (names->index != NULL)
		ocs_index_close(names->index);
	return 0;
}

struct ocsctl_names *ocsctl_names_open(struct ocsctl *ctl, struct ocs_registry *registry,
                                       struct ocs_error *error)
{
	struct ocsctl_names *names = talloc_zero(ctl, struct ocsctl_names);
	struct ocs_registry_settings settings;

	if (names == NULL) {
		ocs_error_memory(error);
		return NULL;
	}
	talloc_set_destructor(names, close_index);
	names->registry = registry;
	if (ocs_registry_settings_get(registry, &settings, error) != OCS_STORE_OK ||
	    ocs_index_open(ocs_registry_folder(registry), settings.replica_id, false, &names->index,
	                   error) != OCS_STORE_OK)
		TALLOC_FREE(names);
	return names;
}

/* A backend that the daemon does not know (any more) has none. */
char *ocsctl_names_uri_of(struct ocsctl_names *names, const void *mem_ctx,
                          const struct ocs_index_name *name)
{
	char *template, *uri, *shown = NULL;

	if (name->folder[0] == '\0' ||
	    ocs_registry_template_get(names->registry, mem_ctx, name->backend, &template, NULL) !=
	            OCS_STORE_OK)
		return NULL;
	uri = ocs_uri_format(mem_ctx, template, name->backend_user, name->folder, name->message_id);
	if (uri != NULL)
		shown = ocs_uri_show(mem_ctx, uri);
	talloc_free(uri);
	talloc_free(template);
	return shown;
}

int ocsctl_names_find(struct ocsctl_names *names, const void *mem_ctx, uint64_t id,
                      struct ocs_index_name *name_r, char **uri_r, struct ocs_error *error)
{
	int ret = ocs_index_lookup(names->index, mem_ctx, id, name_r, error);

	*uri_r = ret == OCS_STORE_OK ? ocsctl_names_uri_of(names, mem_ctx, name_r) : NULL;
	return ret;
}

const char *ocsctl_names_uri(struct ocsctl_names *names, const void *mem_ctx, uint64_t mid,
                             uint64_t fid)
{
	struct ocs_index_name name;
	struct ocs_error error;
	char *uri = NULL;

	if (names == NULL ||
	    (mid != 0 &&
	     ocsctl_names_find(names, mem_ctx, mid, &name, &uri, &error) == OCS_STORE_OK) ||
	    fid == 0)
		return uri;
	(void)ocsctl_names_find(names, mem_ctx, fid, &name, &uri, &error);
	return uri;
}

struct ocs_index *ocsctl_snapshot(struct ocsctl *ctl)
{
	struct ocs_name_rule rule;
	struct ocs_index *index;
	struct ocs_error error = {.text = ""};
	int ret;

	if (ocsctl_config(ctl) < 0)
		return NULL;
	ocs_config_name_rule(ctl->config, &rule);
	ret = ocs_index_snapshot(ctl->config->main.registry, (uint16_t)ctl->config->main.replica_id,
	                         rule.fold, &index, &error);
	if (ret == OCS_STORE_OK)
		return index;
	if (ret == OCS_STORE_MISSING)
		ocsctl_error("there is no index in %s: it is made when ocsmanager starts for the "
		             "first time",
		             ctl->config->main.registry);
	else
		ocsctl_error("%s", error.text);
	return NULL;
}

struct ocs_usermap *ocsctl_users_map(struct ocsctl *ctl, bool *failed)
{
	char *path = talloc_asprintf(ctl, "%s/users.map", ctl->config->main.registry);
	struct ocs_usermap *map = NULL;
	struct ocs_error error = {.text = ""};
	struct ocs_name_rule rule;

	ocs_config_name_rule(ctl->config, &rule);
	*failed = path == NULL;
	if (path != NULL && access(path, F_OK) == 0 &&
	    ocs_usermap_load(path, &rule, ctl, NULL, NULL, &map, &error) != 0) {
		ocsctl_error("%s", error.text);
		*failed = true;
	}
	return map;
}
