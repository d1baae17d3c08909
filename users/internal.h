/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* What openchangedb.c makes of records, for its fuzzer. Nobody else may use it. */
#ifndef OCS_USERS_INTERNAL_H
#define OCS_USERS_INTERNAL_H

#include <ldb.h>

#include "users/users.h"

/* Adds what records of an openchange.ldb say to a map, in whatever order they come. Returns 0, or
 * -1: out of memory. A record that is wrong is reported and left out. */
int ocs_openchangedb_records(struct ldb_context *ldb, struct ocs_usermap *map,
                             const struct ocs_users_settings *settings, const char *path,
                             struct ldb_message *const *records, size_t n, ocs_report_fn *report,
                             void *arg);

#endif
