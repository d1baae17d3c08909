/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Session tokens: made here, understood here, opaque to everyone else. Pure functions of a secret;
 * any thread.
 *
 * base64url, without padding, of: version, id (16), expiry (8, milliseconds since 1970), MAC of the
 * account's stored hash (16), account name, HMAC-SHA256 of all before it (32).
 */
#ifndef OCS_AUTH_TOKEN_H
#define OCS_AUTH_TOKEN_H

#include "auth/accounts.h"
#include "auth/auth.h"
#include "auth/secret.h"

#define OCS_TOKEN_ID 16

struct ocs_token {
	uint8_t id[OCS_TOKEN_ID];
	int64_t expires; /* milliseconds since 1970 */
	uint8_t account_mac[OCS_ACCOUNT_MAC];
	char account[OCS_AUTH_NAME_SIZE];
};

/* A fresh token for the account. -1: no random bytes. */
int ocs_token_make(const struct ocs_auth_secret *secret, const struct ocs_account *account,
                   int64_t expires, char text_r[OCS_AUTH_TOKEN_SIZE]);
/* -1 unless it is bit by bit what this secret made. Expiry and account are the caller's to check.
 */
int ocs_token_read(const struct ocs_auth_secret *secret, const char *text, struct ocs_token *token);

#endif
