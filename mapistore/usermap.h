/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The user map: which groupware users see a backend user's folder, and its FID there.
 *
 * A text file, a line each, fields separated by tabs: backend, backend user, folder, groupware
 * user, FID or `-`; `*` in the first three is any, `=` as groupware user is the backend user, `#`
 * starts a comment line. UTF-8, with or without a byte order mark. A field is what stands between
 * two tabs, white space included. Every line that matches counts; the first FID of a user wins.
 * Immutable once loaded: any number of threads may read it.
 */
#ifndef OCS_MAPISTORE_USERMAP_H
#define OCS_MAPISTORE_USERMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "base/error.h"
#include "mapistore/names.h"

struct ocs_usermap;

/* Reports every bad line; returns -1 (and no map) if there was any. talloc object on mem_ctx. */
int ocs_usermap_load(const char *path, const void *mem_ctx, ocs_report_fn *report, void *arg,
                     struct ocs_usermap **map_r, struct ocs_error *error);

/* Reports each line about a backend that is none of these (NULL-terminated): it has no effect. */
void ocs_usermap_check_backends(const struct ocs_usermap *map, char *const *backends,
                                ocs_report_fn *report, void *arg);
/* Reports the names that hold what is not seen: control characters, white space at an end. */
void ocs_usermap_doubt(const struct ocs_usermap *map, ocs_report_fn *report, void *arg);

/* The groupware users of a backend user's folder, each once: calls each() with the user and the
 * fixed FID (0: none). map NULL: the backend user itself. Returns how many. backend and folder
 * canonical. */
typedef void ocs_usermap_each_fn(void *arg, const char *user, uint64_t fid);
size_t ocs_usermap_match(const struct ocs_usermap *map, const char *backend,
                         const char *backend_user, const char *folder, ocs_usermap_each_fn *each,
                         void *arg);
/* The fixed FID of a folder for one groupware user, 0 if none. */
uint64_t ocs_usermap_fid(const struct ocs_usermap *map, const struct ocs_folder_name *name);

#endif
