/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Who the daemon is: the user and group of the ini, dropping root, and the limits of the process.
 * Called from the main thread before any other thread exists.
 */
#ifndef OCS_BASE_PRIVILEGE_H
#define OCS_BASE_PRIVILEGE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

struct ocs_identity {
	uid_t uid;
	gid_t gid;
	bool drop;        /* started as root with [main] user set */
	const char *user; /* of the configuration; NULL if not set */
};

/* Who to be; user and group of the ini, or NULL. Fails for a user or group that does not exist, a
 * group that a process without root is not in, and root again as [main] user. The user stays the
 * caller's. */
int ocs_privilege_lookup(const char *user, const char *group, struct ocs_identity *identity,
                         struct ocs_error *error);

/* Becomes that identity for good, keeping CAP_FOWNER where the process has it (*fowner_r), and
 * forbids new privileges. Without drop only the latter. */
int ocs_privilege_drop(const struct ocs_identity *identity, bool *fowner_r,
                       struct ocs_error *error);

/* Raises the soft limit of descriptors to the hard one; returns it (0 if it cannot be read). */
unsigned long ocs_privilege_raise_descriptors(void);

#endif
