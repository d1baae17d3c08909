/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Session tokens in use: granting, checking (the fast path), ending. Touches auth.tdb at logout.
 */
#include <stdio.h>
#include <string.h>

#include <nettle/memops.h>

#include "auth/internal.h"

enum ocs_auth_result ocs_auth_fail(struct ocs_auth_reply *reply, enum ocs_auth_result result,
                                   const char *text)
{
	snprintf(reply->text, sizeof(reply->text), "%s", text);
	return result;
}

enum ocs_auth_result ocs_auth_grant(struct ocs_auth *auth, const struct ocs_auth_view *view,
                                    const struct ocs_account *account, struct ocs_auth_reply *reply)
{
	int64_t expires = ocs_auth_wall_ms(&auth->clock) + (int64_t)view->token_ttl * 1000;

	if (ocs_token_make(&auth->secret, account, expires, reply->token) < 0)
		return ocs_auth_fail(reply, OCS_AUTH_INTERNAL, "cannot get random bytes");
	reply->ttl = view->token_ttl;
	strcpy(reply->account, account->name);
	return OCS_AUTH_OK;
}

/* Under the lock: the account must be there with the hash the token was given for. */
static bool account_stands(const struct ocs_accounts *accounts, const struct ocs_token *token)
{
	const struct ocs_account *account = ocs_accounts_find(accounts, token->account);

	return account && memeql_sec(account->mac, token->account_mac, OCS_ACCOUNT_MAC);
}

static enum ocs_auth_result check(struct ocs_auth *auth, const char *text, struct ocs_token *token)
{
	if (!text || !*text || ocs_token_read(&auth->secret, text, token) < 0)
		return OCS_AUTH_TOKEN_INVALID;
	pthread_rwlock_rdlock(&auth->lock);
	bool stands = account_stands(auth->view->accounts, token);
	pthread_rwlock_unlock(&auth->lock);
	if (!stands || ocs_revoked_has(auth->revoked, token->id))
		return OCS_AUTH_TOKEN_INVALID;
	if (token->expires <= ocs_auth_wall_ms(&auth->clock))
		return OCS_AUTH_TOKEN_EXPIRED;
	return OCS_AUTH_OK;
}

enum ocs_auth_result ocs_auth_check_token(struct ocs_auth *auth, const char *text,
                                          char account_r[OCS_AUTH_NAME_SIZE])
{
	struct ocs_token token;
	enum ocs_auth_result result = check(auth, text, &token);

	if (result == OCS_AUTH_OK)
		strcpy(account_r, token.account);
	else
		account_r[0] = '\0';
	return result;
}

enum ocs_auth_result ocs_auth_logout(struct ocs_auth *auth, const char *text,
                                     struct ocs_auth_reply *reply)
{
	struct ocs_token token;
	struct ocs_error error;

	memset(reply, 0, sizeof(*reply));
	enum ocs_auth_result result = check(auth, text, &token);
	if (result == OCS_AUTH_TOKEN_EXPIRED)
		return ocs_auth_fail(reply, result, "the session token has expired");
	if (result != OCS_AUTH_OK)
		return ocs_auth_fail(reply, result, "no valid session token");
	strcpy(reply->account, token.account);
	result = ocs_revoked_add(auth->revoked, token.id, token.expires,
	                         ocs_auth_wall_ms(&auth->clock), &error);
	if (result == OCS_AUTH_OVERLOADED) {
		reply->retry_after = 60;
		return ocs_auth_fail(reply, result, "too many ended sessions are remembered");
	}
	if (result != OCS_AUTH_OK)
		return ocs_auth_fail(reply, result, "the end of the session could not be stored");
	return OCS_AUTH_OK;
}
