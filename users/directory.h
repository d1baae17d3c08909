/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Users of an LDAP directory: who sees the store of which backend user, and who has which other
 * names. A thread of its own reads all of them now and then and writes what it found into a file in
 * the format of the text map, private/users.ldap, which is a source of users like others. So a
 * start needs no directory, and what was read last stands until something else is read.
 *
 * Start, changed and stop are for one thread, which owns it.
 */
#ifndef OCS_USERS_DIRECTORY_H
#define OCS_USERS_DIRECTORY_H

#include "auth/auth.h"
#include "base/error.h"
#include "mapistore/names.h"

struct ocs_users_directory_settings {
	struct ocs_auth_settings
	        server;           /* how it is reached, and .ldap.basedn: where the users are */
	const char *filter;       /* NULL: whoever has a `user` */
	const char *user;         /* attributes: the groupware user's name, */
	const char *backend_user; /* the backend users', */
	const char *alias;        /* other names; NULL: none */
	unsigned refresh;         /* seconds */
	struct ocs_name_rule names;
	const char *file; /* that is written */
};

struct ocs_users_directory;

/* -1 with a text, FILE:LINE: what is wrong with the settings. Asks nothing. */
int ocs_users_directory_check(const struct ocs_users_directory_settings *settings,
                              struct ocs_error *error);
/* SLOW. Reads them once, writing nothing, for -t: -1 with a text. *warning: of what was left out,
 * or "". */
int ocs_users_directory_try(const struct ocs_users_directory_settings *settings,
                            struct ocs_error *warning, struct ocs_error *error);

/* With its thread started. wait: where the file is not there yet, it is waited for, within the
 * timeout of the directory. Copies the settings. */
int ocs_users_directory_start(const struct ocs_users_directory_settings *settings, bool wait,
                              struct ocs_users_directory **directory_r, struct ocs_error *error);
/* Whether it goes by these settings. */
bool ocs_users_directory_same(const struct ocs_users_directory *directory,
                              const struct ocs_users_directory_settings *settings);
/* Whether the file was written since this was asked last. */
bool ocs_users_directory_changed(struct ocs_users_directory *directory);
/* Whether the last reading failed, and why. */
bool ocs_users_directory_late(struct ocs_users_directory *directory, struct ocs_error *why);
/* NULL is allowed. Waits a second at most; a thread that hangs in the resolver frees the rest.
 * The file is not written any more. */
void ocs_users_directory_stop(struct ocs_users_directory *directory);

#endif
