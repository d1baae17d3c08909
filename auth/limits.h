/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What an account may report: the [account:NAME] sections.
 *
 * Built once by the reader of the ini, then only read, from any number of threads; a reload builds
 * a new one. A talloc object: free it with talloc_free().
 */
#ifndef OCS_AUTH_LIMITS_H
#define OCS_AUTH_LIMITS_H

#include <stdbool.h>

#include "base/error.h"

struct ocs_auth_limits;

/* An empty one: every account is unlimited. NULL when out of memory. */
struct ocs_auth_limits *ocs_auth_limits_new(const void *mem_ctx);
/* backends, users: comma-separated patterns in which `*` matches any run of characters, NULL when
 * the key is absent (no limit); an empty list allows nothing. -1: bad name, account given twice,
 * an empty pattern between commas. */
int ocs_auth_limits_add(struct ocs_auth_limits *limits, const char *account, const char *backends,
                        const char *users, struct ocs_error *error);
/* [main] case = fold: users are compared without case, too. */
void ocs_auth_limits_set_fold(struct ocs_auth_limits *limits, bool fold);
/* Backend names are compared without case, users exactly. A user is who the sender names, before
 * domains and aliases are looked at. An account without limits may all. */
bool ocs_auth_limits_allow(const struct ocs_auth_limits *limits, const char *account,
                           const char *backend, const char *user);

#endif
