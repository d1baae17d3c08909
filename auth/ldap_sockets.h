/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The sockets of a directory: connecting within a time, and cutting all of them at once, so that no
 * thread waits for a server when the daemon stops.
 *
 * Of each socket a second descriptor is kept here. What is done to it by shutdown(2) reaches
 * whoever waits for the first one, which may be libldap, and it cannot be somebody else's by then.
 */
#ifndef OCS_AUTH_LDAP_SOCKETS_H
#define OCS_AUTH_LDAP_SOCKETS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "auth/ldap_servers.h"
#include "base/error.h"

#define OCS_LDAP_SOCKETS_MAX 24 /* two for each login at a time, and one for the background */

struct ocs_ldap_sockets {
	pthread_mutex_t lock;
	bool cut;
	int kept[OCS_LDAP_SOCKETS_MAX]; /* -1: free */
	atomic_uint first;              /* the server that is tried first: ocs_ldap_link_note() */
};

void ocs_ldap_sockets_init(struct ocs_ldap_sockets *sockets);
void ocs_ldap_sockets_destroy(struct ocs_ldap_sockets *sockets);

/* A connected socket that does not block, and in *kept_r the second descriptor, which
 * ocs_ldap_sockets_end() closes. deadline: milliseconds of ocs_clock_ms(); the resolver alone may
 * take longer. -1 with a text. */
int ocs_ldap_sockets_connect(struct ocs_ldap_sockets *sockets, const struct ocs_ldap_server *server,
                             int64_t deadline, int *kept_r, struct ocs_error *error);
/* -1: nothing. */
void ocs_ldap_sockets_end(struct ocs_ldap_sockets *sockets, int kept);
/* Whoever waits for a server stops waiting, and nobody connects any more. Any thread. */
void ocs_ldap_sockets_cut(struct ocs_ldap_sockets *sockets);

#endif
