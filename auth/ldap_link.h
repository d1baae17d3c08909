/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * One connection to the directory: opened, with TLS and bound where that is wanted; a question and
 * its answer, each within a time. LDAPv3; referrals are not followed; a certificate must always be
 * valid for the server's name. Used by one thread at a time; who calls libldap, but for reading
 * entries, and ldap_pages.c.
 *
 * Passwords go into the bind and nowhere else.
 */
#ifndef OCS_AUTH_LDAP_LINK_H
#define OCS_AUTH_LDAP_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include <ldap.h>

#include "auth/ldap_config.h"
#include "auth/ldap_sockets.h"

struct ocs_ldap_link {
	LDAP *ld; /* NULL: not connected */
	int kept; /* ldap_sockets.h */
	int64_t last_used;
	unsigned server; /* its number */
	bool proven;     /* something was answered by it */
	char url[320];   /* of the server, for messages */
};

enum ocs_ldap_outcome {
	OCS_LDAP_DONE,
	OCS_LDAP_REFUSED, /* a bind: by who is bound, not by how the server is */
	OCS_LDAP_LOST,   /* the connection ended, as one does that was idle or whose server restarts
	                  */
	OCS_LDAP_FAILED, /* in any other way, also in time */
};

/* Lets libldap begin, which it does without a lock: before a thread is started that connects. */
void ocs_ldap_link_begin(void);
/* Connects, to one of the servers after the other. deadline: milliseconds of ocs_clock_ms(). */
int ocs_ldap_link_open(struct ocs_ldap_link *link, const struct ocs_ldap_config *config,
                       struct ocs_ldap_sockets *sockets, int64_t deadline, struct ocs_error *error);
/* The same, and bound as the service, where there is one. */
int ocs_ldap_link_open_service(struct ocs_ldap_link *link, const struct ocs_ldap_config *config,
                               struct ocs_ldap_sockets *sockets, int64_t deadline,
                               struct ocs_error *error);
/* What came of a question: a server that gave the first answer over a connection is tried first
 * from now on, one that gave none over a new one, or failed, is tried after the others. */
void ocs_ldap_link_note(struct ocs_ldap_link *link, const struct ocs_ldap_config *config,
                        struct ocs_ldap_sockets *sockets, enum ocs_ldap_outcome outcome);
/* Not connected: nothing. */
void ocs_ldap_link_close(struct ocs_ldap_link *link, struct ocs_ldap_sockets *sockets);

/* A simple bind; the password is never empty. */
enum ocs_ldap_outcome ocs_ldap_link_bind(struct ocs_ldap_link *link, const char *dn,
                                         const char *password, int64_t deadline,
                                         struct ocs_error *error);
/* The entries below basedn that the filter finds, two at most: result_r is the caller's for
 * ldap_msgfree() where it is DONE; more_r: there are more. */
enum ocs_ldap_outcome ocs_ldap_link_search(struct ocs_ldap_link *link,
                                           const struct ocs_ldap_config *config, const char *filter,
                                           int64_t deadline, LDAPMessage **result_r, bool *more_r,
                                           struct ocs_error *error);

/* Calls each() with all entries below basedn that the filter finds, as they are read, by pages: an
 * answer is waited for timeout_ms of the config. -1: the directory did not give all of them, or
 * each() returned -1, with the error. */
typedef int ocs_ldap_each_fn(void *arg, LDAP *ld, LDAPMessage *entry, struct ocs_error *error);
int ocs_ldap_link_each(struct ocs_ldap_link *link, const struct ocs_ldap_config *config,
                       const char *filter, char *const *attributes, ocs_ldap_each_fn *each,
                       void *arg, struct ocs_error *error);

#endif
