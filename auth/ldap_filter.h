/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The filter of [auth:ldap]: a search filter (RFC 4515) in which %u, or %s as in an old ini, is the
 * name of an account. Pure functions.
 */
#ifndef OCS_AUTH_LDAP_FILTER_H
#define OCS_AUTH_LDAP_FILTER_H

#include <stddef.h>

#include "base/error.h"

#define OCS_LDAP_FILTER_MAX    1024 /* bytes of a template */
#define OCS_LDAP_ATTRIBUTE_MAX 64   /* bytes of an attribute's name */

/* -1 with a text: it is not a filter, or does not ask for the name. attribute_r is the attribute
 * that is compared with the name first: "uid" of (&(objectClass=person)(uid=%u)). */
int ocs_ldap_filter_check(const char *filter, char attribute_r[OCS_LDAP_ATTRIBUTE_MAX + 1],
                          struct ocs_error *error);
/* The same of a filter in which no name is asked for. */
int ocs_ldap_filter_check_plain(const char *filter, struct ocs_error *error);
/* The filter for a name of any bytes, with all that RFC 4515 has a meaning for escaped, on mem_ctx.
 * The template was checked. NULL: out of memory. */
char *ocs_ldap_filter_for(const void *mem_ctx, const char *filter, const void *name, size_t len);

#endif
