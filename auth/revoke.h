/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Tokens that were logged out: on disk in auth.tdb, and all of them in memory for the fast path.
 *
 * Any thread: looking up takes a read lock; adding writes and syncs the file outside of it.
 */
#ifndef OCS_AUTH_REVOKE_H
#define OCS_AUTH_REVOKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "auth/auth.h"
#include "auth/token.h"

struct ocs_revoked;

enum ocs_revoked_open {
	OCS_REVOKED_OK = 0,
	OCS_REVOKED_ERROR = -1,
	OCS_REVOKED_MISSING = -2, /* no file; with create it is made, and this is not returned */
	OCS_REVOKED_DAMAGED = -3, /* cannot be trusted: every token must end before it is used */
};

/* Reads the file. accept_damage is for after the secret was replaced: makes a missing file, moves
 * a corrupt one or its damaged records aside. most: revocations kept, then OVERLOADED. */
enum ocs_revoked_open ocs_revoked_open(const char *path, bool create, bool accept_damage,
                                       size_t most, int64_t wall_now,
                                       struct ocs_revoked **revoked_r, struct ocs_error *error);
void ocs_revoked_close(struct ocs_revoked *revoked);

bool ocs_revoked_has(struct ocs_revoked *revoked, const uint8_t id[OCS_TOKEN_ID]);
/* SLOW: OK once it is on the disk. Also forgets, now and then, what has expired. */
enum ocs_auth_result ocs_revoked_add(struct ocs_revoked *revoked, const uint8_t id[OCS_TOKEN_ID],
                                     int64_t expires, int64_t wall_now, struct ocs_error *error);
/* Where auth.tdb is gone, another file or cut short, all of them are written again: 1 with the
 * error saying what was; 0: it is as it was; -1: it cannot be written. */
int ocs_revoked_look(struct ocs_revoked *revoked, struct ocs_error *error);
size_t ocs_revoked_count(struct ocs_revoked *revoked);

#endif
