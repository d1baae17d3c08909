/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The users of an LDAP directory in the daemon: what the ini says of them, and their thread. By the
 * main thread.
 */
#ifndef OCSMANAGER_USERS_THREAD_H
#define OCSMANAGER_USERS_THREAD_H

#include "config/config.h"
#include "mapistore/names.h"
#include "notify/health.h"
#include "users/directory.h"

/* The file that the thread writes and the user map is read from, on mem_ctx; NULL: there is no such
 * directory, or no memory. */
char *ocs_users_thread_file(const void *mem_ctx, const struct ocs_config *config,
                            const char *private_folder);
/* Whether what the ini says can be meant: 0, also where it says nothing; -1 with a text. */
int ocs_users_thread_check(const struct ocs_config *config, const struct ocs_name_rule *names,
                           const char *private_folder, struct ocs_error *error);
/* SLOW. Reads the users once, for -t: warning and error as of ocs_users_directory_try(). */
int ocs_users_thread_try(const struct ocs_config *config, struct ocs_error *warning,
                         struct ocs_error *error);

/* Makes *directory what the ini wants, started, other or NULL. start: the daemon does; else nothing
 * is waited for but the end of the old one. -1: the thread cannot be started. */
int ocs_users_thread_set(struct ocs_users_directory **directory, const struct ocs_config *config,
                         const struct ocs_name_rule *names, const char *private_folder, bool start,
                         struct ocs_error *error);
/* Tells its health; directory may be NULL. fault: why what was read is not in use, or "". */
void ocs_users_thread_look(struct ocs_users_directory *directory, const struct ocs_error *fault,
                           struct ocs_health *health);

#endif
