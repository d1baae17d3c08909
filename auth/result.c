/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The names and HTTP codes of results, as the protocol has them; words for what is counted. Pure
 * functions.
 */
#include "auth/auth.h"

static const struct {
	const char *name;
	unsigned status;
} results[] = {
        [OCS_AUTH_OK] = {"OK", 200},
        [OCS_AUTH_INVALID_CREDENTIALS] = {"INVALID_CREDENTIALS", 401},
        [OCS_AUTH_TOKEN_EXPIRED] = {"TOKEN_EXPIRED", 401},
        [OCS_AUTH_TOKEN_INVALID] = {"TOKEN_INVALID", 401},
        [OCS_AUTH_INVALID_SESSION] = {"INVALID_SESSION", 403},
        [OCS_AUTH_ACCESS_FORBIDDEN] = {"ACCESS_FORBIDDEN", 403},
        [OCS_AUTH_MISSING_PARAMETER] = {"MISSING_PARAMETER", 422},
        [OCS_AUTH_INVALID_PARAMETER] = {"INVALID_PARAMETER", 422},
        [OCS_AUTH_TOO_MANY_ATTEMPTS] = {"TOO_MANY_ATTEMPTS", 429},
        [OCS_AUTH_INTERNAL] = {"INTERNAL", 500},
        [OCS_AUTH_OVERLOADED] = {"OVERLOADED", 503},
        [OCS_AUTH_DIRECTORY_UNAVAILABLE] = {"DIRECTORY_UNAVAILABLE", 503},
};

const char *ocs_auth_result_name(enum ocs_auth_result result)
{
	return results[result].name;
}

unsigned ocs_auth_result_status(enum ocs_auth_result result)
{
	return results[result].status;
}

const char *ocs_auth_kind_word(enum ocs_origin_kind kind)
{
	static const char *const words[OCS_ORIGIN_KINDS] = {
	        [OCS_ORIGIN_PAIR] = "pair",
	        [OCS_ORIGIN_ADDRESS] = "address",
	        [OCS_ORIGIN_PREFIX] = "prefix",
	        [OCS_ORIGIN_ACCOUNT] = "account",
	};

	return words[kind];
}
