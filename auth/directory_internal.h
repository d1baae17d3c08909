/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Inside the directory: directory.c (its life, places to ask from, its thread), directory_ask.c (a
 * question), directory_login.c (what a login asks).
 */
#ifndef OCS_AUTH_DIRECTORY_INTERNAL_H
#define OCS_AUTH_DIRECTORY_INTERNAL_H

#include "auth/directory.h"
#include "auth/ldap_account.h"
#include "auth/ldap_link.h"
#include "auth/pace.h"
#include "auth/standing.h"

/* Two connections: one stays bound as the service, on the other passwords are tried. */
struct ocs_directory_seat {
	struct ocs_ldap_link service, person;
	int64_t deadline; /* of what is asked from it now */
	bool taken;
};

/* An entry with which the last bind had no answer. */
struct ocs_directory_mute {
	uint64_t entry; /* a hash of its DN; 0: none */
	int64_t try_at; /* steady */
	unsigned pause_ms;
};

#define OCS_DIRECTORY_MUTE_MAX 16

struct ocs_directory {
	struct ocs_ldap_config *config;
	struct ocs_auth_secret secret;
	struct ocs_auth_clock clock;
	uint8_t source[OCS_LDAP_SOURCE_MAC];
	struct ocs_ldap_sockets sockets;

	pthread_mutex_t lock; /* of all below */
	pthread_cond_t changed;
	_Atomic uint64_t *generation; /* not touched once it is ending */
	unsigned holders, waiting;
	bool running, ending, interrupted;
	struct ocs_directory_seat seats[OCS_LDAP_CONNECTIONS_MAX];
	struct ocs_standing standing;
	struct ocs_account_shape shape;
	struct ocs_pace search_pace, password_pace;
	struct ocs_directory_mute mute[OCS_DIRECTORY_MUTE_MAX];
	bool away;
	struct ocs_error why;
	int64_t try_at; /* steady; when it is away */
	unsigned pause_ms;
};

/* ---- directory.c ---- */

/* Under the lock. From here on only the thread tries. */
void ocs_directory_set_away(struct ocs_directory *directory, const struct ocs_error *why);

/* ---- directory_ask.c: SLOW; the seat is the caller's alone ---- */

/* What a search told of a name. */
struct ocs_directory_found {
	bool there;
	struct ocs_account account; /* there */
	char *dn;                   /* there: talloc, child of nothing */
};

/* One search as the service, over a connection that is made where there is none. -1: the directory
 * cannot be asked. */
int ocs_directory_search(const struct ocs_ldap_config *config, struct ocs_ldap_sockets *sockets,
                         const struct ocs_auth_secret *secret, struct ocs_ldap_link *link,
                         const char *name, int64_t deadline, struct ocs_directory_found *found_r,
                         struct ocs_error *error);
void ocs_directory_found_end(struct ocs_directory_found *found);
/* One bind: 1 right, 0 wrong, -1 it cannot be asked. */
int ocs_directory_bind(const struct ocs_ldap_config *config, struct ocs_ldap_sockets *sockets,
                       struct ocs_ldap_link *link, const char *dn, const char *password,
                       int64_t deadline, struct ocs_error *error);

#endif
