/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Which backends and users each account may report for, as lists of patterns. Memory only.
 */
#include "auth/limits.h"

#include <stddef.h>
#include <string.h>

#include <talloc.h>

#include "auth/accounts.h"
#include "base/fold.h"

/* A user has at most 1,024 bytes; a longer pattern is compared as it is. */
#define FOLDED_SIZE 1025

struct limit {
	char name[OCS_AUTH_NAME_SIZE];
	char **backends; /* NULL: all; ends with NULL */
	char **users;
	UT_hash_handle hh;
};

struct ocs_auth_limits {
	struct limit *table;
	bool fold; /* users compare without case */
};

static int limits_free(struct ocs_auth_limits *limits)
{
	/* the entries are children of limits; this frees what uthash keeps beside them */
	HASH_CLEAR(hh, limits->table);
	return 0;
}

struct ocs_auth_limits *ocs_auth_limits_new(const void *mem_ctx)
{
	struct ocs_auth_limits *limits = talloc_zero(mem_ctx, struct ocs_auth_limits);

	if (limits)
		talloc_set_destructor(limits, limits_free);
	return limits;
}

static char **split(const void *mem_ctx, const char *list, struct ocs_error *error)
{
	size_t count = 0, most = 1;

	for (const char *p = list; *p; p++)
		most += *p == ',';
	char **patterns = talloc_zero_array(mem_ctx, char *, most + 1);
	if (!patterns) {
		ocs_error_memory(error);
		return NULL;
	}
	list += strspn(list, " \t");
	while (*list) {
		size_t len = strcspn(list, ","), rest = len;

		while (len > 0 && (list[len - 1] == ' ' || list[len - 1] == '\t'))
			len--;
		if (len == 0 || (list[rest] == ',' &&
		                 list[rest + 1 + strspn(list + rest + 1, " \t")] == '\0')) {
			ocs_error_set(error, "an empty name between the commas");
			return NULL;
		}
		patterns[count] = talloc_strndup(patterns, list, len);
		if (!patterns[count++]) {
			ocs_error_memory(error);
			return NULL;
		}
		list += rest + (list[rest] == ',');
		list += strspn(list, " \t");
	}
	return patterns;
}

int ocs_auth_limits_add(struct ocs_auth_limits *limits, const char *account, const char *backends,
                        const char *users, struct ocs_error *error)
{
	struct limit *limit;

	if (!ocs_account_name_valid(account))
		return ocs_error_set(error, "an account name has 1 to %d of A-Z a-z 0-9 _ . @ -",
		                     OCS_AUTH_NAME_MAX);
	HASH_FIND_STR(limits->table, account, limit);
	if (limit)
		return ocs_error_set(error, "account '%s' has limits already", account);
	limit = talloc_zero(limits, struct limit);
	if (!limit)
		return ocs_error_memory(error);
	strcpy(limit->name, account);
	if ((backends && !(limit->backends = split(limit, backends, error))) ||
	    (users && !(limit->users = split(limit, users, error)))) {
		talloc_free(limit);
		return -1;
	}
	HASH_ADD_STR(limits->table, name, limit);
	return limit->hh.tbl ? 0 : ocs_error_memory(error);
}

static unsigned char lower(unsigned char c)
{
	return c >= 'A' && c <= 'Z' ? (unsigned char)(c + 32) : c;
}

/* `*` takes as little as it can; a later mismatch lets the last one take one byte more. */
static bool match(const char *pattern, const char *text, bool fold)
{
	const char *star = NULL, *retry = NULL;

	while (*text) {
		unsigned char p = (unsigned char)*pattern, t = (unsigned char)*text;

		if (p == '*') {
			star = ++pattern;
			retry = text;
		} else if (p == t || (fold && p && lower(p) == lower(t))) {
			pattern++;
			text++;
		} else if (star) {
			pattern = star;
			text = ++retry;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}

void ocs_auth_limits_set_fold(struct ocs_auth_limits *limits, bool fold)
{
	limits->fold = fold;
}

/* A pattern folds as what it stands for does: `*` has no case. */
static bool any_folded_matches(char *const *patterns, const char *text)
{
	char folded[FOLDED_SIZE], pattern[FOLDED_SIZE];

	ocs_fold(text, folded, sizeof(folded));
	for (; *patterns; patterns++)
		if (match(strlen(*patterns) < sizeof(pattern)
		                  ? ocs_fold(*patterns, pattern, sizeof(pattern))
		                  : *patterns,
		          folded, false))
			return true;
	return false;
}

static bool any_matches(char *const *patterns, const char *text, bool fold)
{
	if (!patterns)
		return true;
	for (; *patterns; patterns++)
		if (match(*patterns, text, fold))
			return true;
	return false;
}

bool ocs_auth_limits_allow(const struct ocs_auth_limits *limits, const char *account,
                           const char *backend, const char *user)
{
	const struct limit *limit;

	HASH_FIND_STR(limits->table, account, limit);
	return !limit || (any_matches(limit->backends, backend, true) &&
	                  (limits->fold && limit->users ? any_folded_matches(limit->users, user)
	                                                : any_matches(limit->users, user, false)));
}
