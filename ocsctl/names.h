/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What identifiers name, for the commands that show them.
 */
#ifndef OCSCTL_NAMES_H
#define OCSCTL_NAMES_H

#include "mapistore/index.h"
#include "registry/registry.h"
#include "ocsctl/ocsctl.h"

struct ocsctl_names;

/* Opens the index beside the registry; closed with ctl. NULL: it cannot be, and the error says
 * why. */
struct ocsctl_names *ocsctl_names_open(struct ocsctl *ctl, struct ocs_registry *registry,
                                       struct ocs_error *error);
/* As ocs_index_lookup(), and the URI as people are shown it; *uri_r NULL: none. */
int ocsctl_names_find(struct ocsctl_names *names, const void *mem_ctx, uint64_t id,
                      struct ocs_index_name *name_r, char **uri_r, struct ocs_error *error);
/* The URI of what has these names, as people are shown it; NULL: none. */
char *ocsctl_names_uri_of(struct ocsctl_names *names, const void *mem_ctx,
                          const struct ocs_index_name *name);
/* The URI of a message, or of its folder where it has none (0 or not known). names NULL, or nothing
 * known: NULL. */
const char *ocsctl_names_uri(struct ocsctl_names *names, const void *mem_ctx, uint64_t mid,
                             uint64_t fid);

/* All of the index as it is now: to be closed. NULL after saying why not. */
struct ocs_index *ocsctl_snapshot(struct ocsctl *ctl);
/* What the daemon has told the libraries of the users: aliases, and FIDs that are fixed; on ctl.
 * NULL: nothing, or failed, which was said. */
struct ocs_usermap;
struct ocs_usermap *ocsctl_users_map(struct ocsctl *ctl, bool *failed);

#endif
