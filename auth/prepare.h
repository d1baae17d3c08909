/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The one preparation of passwords: SASLprep (RFC 4013) as libgsasl has it, unassigned code points
 * allowed. Whoever hashes a password, and whoever answers a challenge with one, prepares it first;
 * so a password is the same however a keyboard composed it. Touches memory only.
 *
 * What is hashed here is always prepared. Hashes made elsewhere may not be: PLAIN, where the server
 * sees the password, tries the bytes as they came as well.
 */
#ifndef OCS_AUTH_PREPARE_H
#define OCS_AUTH_PREPARE_H

#include "auth/hash.h"
#include "base/error.h"

/* -1 with a text (which never holds the password): not UTF-8, a character that SASLprep forbids, or
 * nothing or too much is left. error may be NULL. Wipe out_r after use. */
int ocs_password_prepare(const char *password, char out_r[OCS_HASH_PASSWORD_MAX + 1],
                         struct ocs_error *error);

#endif
