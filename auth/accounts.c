/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The table of accounts, and the made-up answers for accounts that do not exist. Memory only.
 */
#include "auth/accounts.h"

#include <stdio.h>
#include <string.h>

#include <talloc.h>

#include "auth/prepare.h"

#define SSHA_SALT 4 /* bytes; what the original server drew */

bool ocs_account_name_valid(const char *name)
{
	size_t len = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	                          "0123456789_.@-");

	return len > 0 && len <= OCS_AUTH_NAME_MAX && name[len] == '\0';
}

static int accounts_free(struct ocs_accounts *accounts)
{
	struct ocs_account *account, *next;

	HASH_ITER(hh, accounts->table, account, next)
	{
		HASH_DEL(accounts->table, account);
		explicit_bzero(account, sizeof(*account));
		talloc_free(account);
	}
	return 0;
}

void ocs_account_shape_init(struct ocs_account_shape *shape)
{
	*shape = (struct ocs_account_shape){.ssha_salt_len = SSHA_SALT,
	                                    .scram_salt_len = OCS_SCRAM_SALT,
	                                    .scram_iterations = OCS_SCRAM_ITERATIONS};
}

void ocs_account_shape_see(struct ocs_account_shape *shape, const struct ocs_account *account)
{
	if (account->has_ssha && !shape->ssha_seen) {
		shape->ssha_salt_len = account->ssha.salt_len;
		shape->ssha_seen = true;
	}
	if (account->has_scram && !shape->scram_seen) {
		shape->scram_salt_len = account->scram.salt_len;
		shape->scram_iterations = account->scram.iterations;
		shape->scram_seen = true;
	}
}

struct ocs_accounts *ocs_accounts_new(const void *mem_ctx)
{
	struct ocs_accounts *accounts = talloc_zero(mem_ctx, struct ocs_accounts);

	if (!accounts)
		return NULL;
	ocs_account_shape_init(&accounts->shape);
	talloc_set_destructor(accounts, accounts_free);
	return accounts;
}

static int note_cost(struct ocs_accounts *accounts, const struct ocs_account *account,
                     struct ocs_error *error)
{
	enum ocs_hash_kind kind = account->hash.kind;

	if (kind != OCS_HASH_CRYPT && kind != OCS_HASH_SCRAM)
		return 0;
	for (size_t i = 0; i < accounts->costs; i++)
		if (ocs_hash_same_cost(&accounts->cost[i]->hash, &account->hash))
			return 0;
	if (accounts->costs == OCS_ACCOUNT_COSTS)
		return ocs_error_set(error,
		                     "hashes with more than %d different costs; every PLAIN "
		                     "login computes each, so use fewer",
		                     OCS_ACCOUNT_COSTS);
	accounts->cost[accounts->costs++] = account;
	return 0;
}

/* The salts are those of an unknown account, so that they stay over restarts and tell nothing. */
static void prepare_plain(struct ocs_accounts *accounts, struct ocs_account *account,
                          const struct ocs_auth_secret *secret)
{
	char prepared[OCS_HASH_PASSWORD_MAX + 1];
	bool usable = ocs_password_prepare(account->hash.text, prepared, NULL) == 0;

	ocs_accounts_fake_ssha(&accounts->shape, secret, account->name, &account->ssha);
	account->raw = account->ssha;
	ocs_ssha_make(account->hash.text, account->raw.salt, account->raw.salt_len, &account->raw);
	account->has_raw = usable && strcmp(prepared, account->hash.text) != 0;
	if (usable)
		strcpy(account->hash.text, prepared);
	ocs_ssha_make(account->hash.text, account->ssha.salt, account->ssha.salt_len,
	              &account->ssha);
	account->has_ssha = true;
	ocs_accounts_fake_scram(&accounts->shape, secret, account->name, &account->scram);
	/* a password that SASLprep refuses cannot be typed into a SCRAM client either */
	account->has_scram =
	        usable && ocs_scram_keys_derive(&account->scram, account->hash.text) == 0;
	explicit_bzero(prepared, sizeof(prepared));
}

/* The mechanisms that the stored hash can serve; a plain password can serve all. */
static void prepare(struct ocs_accounts *accounts, struct ocs_account *account,
                    const struct ocs_auth_secret *secret)
{
	switch (account->hash.kind) {
	case OCS_HASH_SSHA:
		account->has_ssha = true;
		account->ssha = account->hash.ssha;
		ocs_account_shape_see(&accounts->shape, account);
		return;
	case OCS_HASH_SCRAM:
		account->has_scram = true;
		account->scram = account->hash.scram;
		ocs_account_shape_see(&accounts->shape, account);
		return;
	case OCS_HASH_CRYPT:
		return;
	case OCS_HASH_PLAIN:
		break;
	}
	prepare_plain(accounts, account, secret);
}

static void make_mac(struct ocs_account *account, const struct ocs_auth_secret *secret)
{
	char text[sizeof(account->name) + sizeof(account->hash.text) + 1];
	uint8_t mac[OCS_AUTH_MAC_BYTES];
	int len = snprintf(text, sizeof(text), "%s:%s", account->name, account->hash.text);

	ocs_auth_secret_mac(secret, "account", text, (size_t)len, mac);
	memcpy(account->mac, mac, sizeof(account->mac));
	explicit_bzero(text, sizeof(text));
}

int ocs_accounts_add(struct ocs_accounts *accounts, const char *name, const char *hash,
                     bool plain_allowed, const struct ocs_auth_secret *secret,
                     struct ocs_error *error)
{
	if (!ocs_account_name_valid(name))
		return ocs_error_set(error, "an account name has 1 to %d of A-Z a-z 0-9 _ . @ -",
		                     OCS_AUTH_NAME_MAX);
	if (ocs_accounts_find(accounts, name))
		return ocs_error_set(error, "account '%s' exists already", name);

	struct ocs_account *account = talloc_zero(accounts, struct ocs_account);
	if (!account)
		return ocs_error_memory(error);
	strcpy(account->name, name);
	if (ocs_hash_parse(hash, plain_allowed, &account->hash, error) < 0 ||
	    note_cost(accounts, account, error) < 0) {
		talloc_free(account);
		return -1;
	}
	make_mac(account, secret); /* of the hash as it stands in the file */
	prepare(accounts, account, secret);
	HASH_ADD_STR(accounts->table, name, account);
	if (!account->hh.tbl)
		return ocs_error_memory(error); /* the table is thrown away then */
	accounts->count++;
	return 0;
}

void ocs_accounts_set_line(struct ocs_accounts *accounts, const char *name, unsigned line)
{
	struct ocs_account *account;

	HASH_FIND_STR(accounts->table, name, account);
	if (account)
		account->line = line;
}

const struct ocs_account *ocs_accounts_find(const struct ocs_accounts *accounts, const char *name)
{
	struct ocs_account *account;

	HASH_FIND_STR(accounts->table, name, account);
	return account;
}

void ocs_accounts_fake_ssha(const struct ocs_account_shape *shape,
                            const struct ocs_auth_secret *secret, const char *name,
                            struct ocs_ssha *ssha)
{
	ssha->salt_len = shape->ssha_salt_len;
	ocs_auth_secret_derive(secret, "ssha-salt", name, ssha->salt, ssha->salt_len);
	ocs_auth_secret_derive(secret, "ssha-digest", name, ssha->digest, sizeof(ssha->digest));
}

void ocs_accounts_fake_scram(const struct ocs_account_shape *shape,
                             const struct ocs_auth_secret *secret, const char *name,
                             struct ocs_scram_keys *keys)
{
	keys->iterations = shape->scram_iterations;
	keys->salt_len = shape->scram_salt_len;
	ocs_auth_secret_derive(secret, "scram-salt", name, keys->salt, keys->salt_len);
	ocs_auth_secret_derive(secret, "scram-stored", name, keys->stored_key, OCS_SCRAM_KEY);
	ocs_auth_secret_derive(secret, "scram-server", name, keys->server_key, OCS_SCRAM_KEY);
}

static const struct ocs_account *check_bytes(const struct ocs_accounts *accounts, const char *name,
                                             const char *password)
{
	const struct ocs_account *account = ocs_accounts_find(accounts, name);
	bool right = false, checked = false;

	for (size_t i = 0; i < accounts->costs; i++) {
		const struct ocs_hash *example = &accounts->cost[i]->hash;
		bool own = account && ocs_hash_same_cost(&account->hash, example);
		bool matches = ocs_hash_matches(own ? &account->hash : example, password);

		if (own) {
			right = matches;
			checked = true;
		}
	}
	/* {SSHA} and plain text: a microsecond, lost in the noise */
	if (account && !checked)
		right = ocs_hash_matches(&account->hash, password);
	return right ? account : NULL;
}

const struct ocs_account *ocs_accounts_check_password(const struct ocs_accounts *accounts,
                                                      const char *name, const char *password)
{
	char prepared[OCS_HASH_PASSWORD_MAX + 1];
	bool usable = ocs_password_prepare(password, prepared, NULL) == 0;
	const struct ocs_account *account = usable ? check_bytes(accounts, name, prepared) : NULL;

	/* What this costs depends on the password that was sent, not on the account. */
	if (!account && (!usable || strcmp(prepared, password) != 0))
		account = check_bytes(accounts, name, password);
	explicit_bzero(prepared, sizeof(prepared));
	return account;
}
