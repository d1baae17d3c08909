/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Session tokens in use: granting, checking (the fast path: any thread), remembering one that was
 * read, ending. Takes the lock of the revoked ones and random bytes; writes auth.tdb at logout.
 */
#include <stdio.h>
#include <stdlib.h>
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
	if (view->directory)
		ocs_directory_granted(view->directory, account, expires);
	reply->ttl = view->token_ttl;
	strcpy(reply->account, account->name);
	return OCS_AUTH_OK;
}

/* Under the lock: the account must be there with the hash the token was given for. */
static bool account_stands(const struct ocs_auth_view *view, const struct ocs_token *token)
{
	if (view->directory)
		return ocs_directory_stands(view->directory, token);
	const struct ocs_account *account = ocs_accounts_find(view->accounts, token->account);

	return account && memeql_sec(account->mac, token->account_mac, OCS_ACCOUNT_MAC);
}

/* A text and what it says: true for as long as the secret stays. */
struct ocs_auth_shown {
	size_t len;
	char text[OCS_AUTH_TOKEN_SIZE];
	struct ocs_token token;
	uint64_t stood; /* the generation of accounts that the token's account stood in; 0: none */
};

/* An account that has stood stands until there are other accounts. */
static bool stands(struct ocs_auth *auth, const struct ocs_token *token,
                   struct ocs_auth_shown *shown)
{
	uint64_t now = atomic_load(&auth->generation);

	if (shown && shown->stood == now)
		return true;
	pthread_rwlock_rdlock(&auth->lock);
	bool found = account_stands(auth->view, token);
	pthread_rwlock_unlock(&auth->lock);
	/* of a reload that came in between the next request asks again */
	if (shown)
		shown->stood = found ? now : 0;
	return found;
}

/* What may change between two requests, so it is asked at each of them. */
static enum ocs_auth_result check_standing(struct ocs_auth *auth, const struct ocs_token *token,
                                           struct ocs_auth_shown *shown)
{
	if (!stands(auth, token, shown) || ocs_revoked_has(auth->revoked, token->id))
		return OCS_AUTH_TOKEN_INVALID;
	if (token->expires <= ocs_auth_wall_ms(&auth->clock))
		return OCS_AUTH_TOKEN_EXPIRED;
	return OCS_AUTH_OK;
}

/* In a time that says nothing of where they differ: who shares a connection (a proxy's) with the
 * owner of the token is not to find it out bit by bit. */
static bool is_same(const struct ocs_auth_shown *shown, const char *text, size_t len)
{
	uint64_t differs = 0;
	size_t i = 0;

	if (shown->len != len)
		return false;
	for (; i + sizeof(uint64_t) <= len; i += sizeof(uint64_t)) {
		uint64_t a, b;

		memcpy(&a, shown->text + i, sizeof(a));
		memcpy(&b, text + i, sizeof(b));
		differs |= a ^ b;
	}
	for (; i < len; i++)
		differs |= (unsigned char)shown->text[i] ^ (unsigned char)text[i];
	return differs == 0;
}

/* The token that the text is: remembered if there is memory, else in room. NULL: it is none. */
static const struct ocs_token *read_token(struct ocs_auth *auth, const char *text,
                                          struct ocs_auth_shown **shown, struct ocs_token *room)
{
	size_t len = strnlen(text, OCS_AUTH_TOKEN_SIZE);

	if (*shown && is_same(*shown, text, len))
		return &(*shown)->token;
	if (len == 0 || len == OCS_AUTH_TOKEN_SIZE || ocs_token_read(&auth->secret, text, room) < 0)
		return NULL;
	if (!*shown && !(*shown = malloc(sizeof(**shown))))
		return room;
	(*shown)->len = len;
	memcpy((*shown)->text, text, len);
	(*shown)->token = *room;
	(*shown)->stood = 0;
	return &(*shown)->token;
}

static enum ocs_auth_result check(struct ocs_auth *auth, const char *text, struct ocs_token *token)
{
	if (!text || !*text || ocs_token_read(&auth->secret, text, token) < 0)
		return OCS_AUTH_TOKEN_INVALID;
	return check_standing(auth, token, NULL);
}

static enum ocs_auth_result check_shown(struct ocs_auth *auth, const char *text,
                                        struct ocs_auth_shown **shown,
                                        char account_r[OCS_AUTH_NAME_SIZE])
{
	struct ocs_token room;
	const struct ocs_token *token = text ? read_token(auth, text, shown, &room) : NULL;
	enum ocs_auth_result result = OCS_AUTH_TOKEN_INVALID;

	if (token)
		result = check_standing(auth, token, token == &room ? NULL : *shown);
	if (result == OCS_AUTH_OK)
		strcpy(account_r, token->account);
	return result;
}

enum ocs_auth_result ocs_auth_check_token(struct ocs_auth *auth, const char *text,
                                          struct ocs_auth_shown **shown,
                                          char account_r[OCS_AUTH_NAME_SIZE])
{
	struct ocs_token token;
	enum ocs_auth_result result;

	account_r[0] = '\0';
	if (shown)
		return check_shown(auth, text, shown, account_r);
	result = check(auth, text, &token);
	if (result == OCS_AUTH_OK)
		strcpy(account_r, token.account);
	return result;
}

void ocs_auth_shown_free(struct ocs_auth_shown *shown)
{
	if (!shown)
		return;
	explicit_bzero(shown, sizeof(*shown));
	free(shown);
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
