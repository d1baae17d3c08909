/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Session tokens. Pure functions.
 */
#include "auth/token.h"

#include <string.h>

#include <nettle/memops.h>

#include "auth/codec.h"
#include "base/bytes.h"

#define VERSION     1
#define ID_AT       1
#define EXPIRES_AT  (ID_AT + OCS_TOKEN_ID)
#define MAC_AT      (EXPIRES_AT + 8)
#define NAME_AT     (MAC_AT + OCS_ACCOUNT_MAC)
#define TOKEN_BYTES (NAME_AT + OCS_AUTH_NAME_MAX + OCS_AUTH_MAC_BYTES)

_Static_assert(OCS_AUTH_B64_SIZE(TOKEN_BYTES) <= OCS_AUTH_TOKEN_SIZE, "a token fits its buffer");

int ocs_token_make(const struct ocs_auth_secret *secret, const struct ocs_account *account,
                   int64_t expires, char text_r[OCS_AUTH_TOKEN_SIZE])
{
	uint8_t bytes[TOKEN_BYTES];
	size_t name_len = strlen(account->name), signed_len = NAME_AT + name_len;

	bytes[0] = VERSION;
	if (ocs_auth_random(bytes + ID_AT, OCS_TOKEN_ID) < 0)
		return -1;
	ocs_put64(bytes + EXPIRES_AT, (uint64_t)expires);
	memcpy(bytes + MAC_AT, account->mac, OCS_ACCOUNT_MAC);
	memcpy(bytes + NAME_AT, account->name, name_len);
	ocs_auth_secret_mac(secret, "token", bytes, signed_len, bytes + signed_len);
	ocs_auth_b64_encode_bare(text_r, bytes, signed_len + OCS_AUTH_MAC_BYTES);
	return 0;
}

int ocs_token_read(const struct ocs_auth_secret *secret, const char *text, struct ocs_token *token)
{
	uint8_t bytes[TOKEN_BYTES], mac[OCS_AUTH_MAC_BYTES];
	size_t text_len = strnlen(text, OCS_AUTH_TOKEN_SIZE), len;

	/* one spelling of a token: the alphabet and (missing) padding it was made with */
	if (strcspn(text, "+/=") < text_len)
		return -1;
	if (ocs_auth_b64_decode(text, text_len, bytes, sizeof(bytes), &len) < 0)
		return -1;
	if (len < NAME_AT + 1 + OCS_AUTH_MAC_BYTES || bytes[0] != VERSION)
		return -1;
	size_t signed_len = len - OCS_AUTH_MAC_BYTES, name_len = signed_len - NAME_AT;
	ocs_auth_secret_mac(secret, "token", bytes, signed_len, mac);
	if (!memeql_sec(mac, bytes + signed_len, sizeof(mac)))
		return -1;

	memcpy(token->id, bytes + ID_AT, OCS_TOKEN_ID);
	token->expires = (int64_t)ocs_get64(bytes + EXPIRES_AT);
	memcpy(token->account_mac, bytes + MAC_AT, OCS_ACCOUNT_MAC);
	memcpy(token->account, bytes + NAME_AT, name_len);
	token->account[name_len] = '\0';
	return 0;
}
