/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The accounts: a table made at load, then only read, from any thread.
 *
 * Where accounts come from is a row in source.c: a name and a function that fills the table.
 */
#ifndef OCS_AUTH_ACCOUNTS_H
#define OCS_AUTH_ACCOUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uthash.h>

#include "auth/auth.h"
#include "auth/hash.h"
#include "auth/secret.h"

#define OCS_ACCOUNT_MAC   16
#define OCS_ACCOUNT_COSTS 8 /* different costs of hashes in one table */

struct ocs_account {
	char name[OCS_AUTH_NAME_SIZE];
	struct ocs_hash hash;
	unsigned line;  /* in the account file; 0: there is none */
	bool has_ssha;  /* ssha serves the legacy login */
	bool has_scram; /* scram serves SCRAM-SHA-256 */
	struct ocs_ssha ssha;
	/* Of a plain password that preparation changes: what an old client answers with, which
	 * sends the bytes as they are. */
	bool has_raw;
	struct ocs_ssha raw;
	struct ocs_scram_keys scram;
	uint8_t mac[OCS_ACCOUNT_MAC]; /* of the stored hash; a token carries it */
	UT_hash_handle hh;
};

/* What the made-up hashes of unknown accounts are like. */
struct ocs_account_shape {
	size_t ssha_salt_len;      /* of the first {SSHA} account seen, else 4 */
	size_t scram_salt_len;     /* of the first {SCRAM-SHA-256} account seen, else ours */
	unsigned scram_iterations; /* likewise */
	bool ssha_seen, scram_seen;
};

struct ocs_accounts {
	struct ocs_account *table;
	size_t count;
	struct ocs_account_shape shape;
	/* one hash of each slow cost in the table: every PLAIN login pays for all of them */
	size_t costs;
	const struct ocs_account *cost[OCS_ACCOUNT_COSTS];
};

/* [A-Za-z0-9_.@-]{1,128} */
bool ocs_account_name_valid(const char *name);

/* Before any account was seen, and one that is. */
void ocs_account_shape_init(struct ocs_account_shape *shape);
void ocs_account_shape_see(struct ocs_account_shape *shape, const struct ocs_account *account);

/* A talloc object; NULL when out of memory. */
struct ocs_accounts *ocs_accounts_new(const void *mem_ctx);
/* Fails for a bad or repeated name and for what ocs_hash_parse() refuses. */
int ocs_accounts_add(struct ocs_accounts *accounts, const char *name, const char *hash,
                     bool plain_allowed, const struct ocs_auth_secret *secret,
                     struct ocs_error *error);
/* Remembers where the account stands. */
void ocs_accounts_set_line(struct ocs_accounts *accounts, const char *name, unsigned line);
const struct ocs_account *ocs_accounts_find(const struct ocs_accounts *accounts, const char *name);

/* What steps one tell of an account that is unknown or whose hash cannot serve: from secret and
 * name, always the same, no password fits. */
void ocs_accounts_fake_ssha(const struct ocs_account_shape *shape,
                            const struct ocs_auth_secret *secret, const char *name,
                            struct ocs_ssha *ssha);
void ocs_accounts_fake_scram(const struct ocs_account_shape *shape,
                             const struct ocs_auth_secret *secret, const char *name,
                             struct ocs_scram_keys *keys);

/* SLOW. Does the same work for every name and returns the account only if the password is right:
 * prepared (auth/prepare.h), or, for a hash that was made elsewhere, as it is. */
const struct ocs_account *ocs_accounts_check_password(const struct ocs_accounts *accounts,
                                                      const char *name, const char *password);

/* Fills a new table from what the settings name. accounts_r belongs to mem_ctx. */
int ocs_accounts_load(const void *mem_ctx, const struct ocs_auth_settings *settings,
                      const struct ocs_auth_secret *secret, struct ocs_accounts **accounts_r,
                      struct ocs_error *error);

#endif
