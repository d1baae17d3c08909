/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * URI templates of [backend:NAME]: text with {user}, {folder} and {message}, each replaced by the
 * percent-encoded name (RFC 3986 unreserved characters stay; `/` stays in folder names). Pure; any
 * thread.
 */
#ifndef OCS_MAPISTORE_URI_H
#define OCS_MAPISTORE_URI_H

#include "base/error.h"

/* -1 with a text if the template has another placeholder, a lone brace, or no scheme. */
int ocs_uri_check(const char *template, struct ocs_error *error);

/* The URI on mem_ctx (talloc). message NULL: what {message} and the text before it back to the last
 * `/` stands for is left out. NULL if out of memory. */
char *ocs_uri_format(const void *mem_ctx, const char *template, const char *user,
                     const char *folder, const char *message);

#endif
