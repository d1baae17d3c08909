/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * [auth:ldap] host and port: which servers, and how each is reached. Pure functions.
 */
#ifndef OCS_AUTH_LDAP_SERVERS_H
#define OCS_AUTH_LDAP_SERVERS_H

#include <stdbool.h>

#include "base/error.h"

#define OCS_LDAP_SERVERS_MAX 8
#define OCS_LDAP_HOST_MAX    253

struct ocs_ldap_server {
	char host[OCS_LDAP_HOST_MAX + 1]; /* a name or an address; "" if local */
	char port[6];
	char path[108]; /* of the socket, if local; else "" */
	char url[320];  /* for messages, and for libldap, which checks certificates by it */
	bool tls;       /* from the first byte */
};

struct ocs_ldap_servers {
	unsigned count;
	struct ocs_ldap_server server[OCS_LDAP_SERVERS_MAX];
};

/* text: names, addresses or URIs (ldap://, ldaps://, ldapi://), separated by commas or spaces;
 * port: where there is no URI. -1 with a text. */
int ocs_ldap_servers_read(const char *text, unsigned port, struct ocs_ldap_servers *servers_r,
                          struct ocs_error *error);

#endif
