/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * [auth:ldap] read and checked, with the password of the service: all that a connection to the
 * directory and a question to it need. Made at load, then only read, from any thread. Reads
 * bind_pw_file and looks at ca_file.
 */
#ifndef OCS_AUTH_LDAP_CONFIG_H
#define OCS_AUTH_LDAP_CONFIG_H

#include "auth/auth.h"
#include "auth/ldap_filter.h"
#include "auth/ldap_servers.h"

#define OCS_LDAP_CONNECTIONS_MAX 8

/* A talloc object, which wipes its password. */
struct ocs_ldap_config {
	struct ocs_ldap_servers servers;
	bool start_tls;
	const char *ca_file; /* never NULL */
	const char *bind_dn; /* NULL: anonymous */
	char *bind_pw;       /* NULL: anonymous */
	const char *basedn, *filter;
	const char *decoy; /* the DN of an entry that cannot be: unknown names are bound as it */
	char name_attribute[OCS_LDAP_ATTRIBUTE_MAX + 1]; /* holds the account's name */
	char **hashes; /* attributes that may hold a hash; NULL-terminated */
	char **wanted; /* all that are asked for */
	unsigned timeout_ms, connections, recheck_ms;
};

/* -1 with a text, "FILE:LINE: [auth:ldap] KEY: what is wrong". config_r belongs to mem_ctx. */
int ocs_ldap_config_new(const void *mem_ctx, const struct ocs_auth_settings *settings,
                        struct ocs_ldap_config **config_r, struct ocs_error *error);
/* Whether nothing changed from one to the other. */
bool ocs_ldap_config_equal(const struct ocs_ldap_config *a, const struct ocs_ldap_config *b);

#endif
