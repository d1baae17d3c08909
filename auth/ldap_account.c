/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Reading an entry: see ldap_account.h. Memory only. */
#include "auth/ldap_account.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <talloc.h>

#define SCRAM_SCHEME "SCRAM-SHA-256" /* of RFC 5803 */

void ocs_ldap_source_mac(const struct ocs_ldap_config *config, const struct ocs_auth_secret *secret,
                         uint8_t mac_r[OCS_LDAP_SOURCE_MAC])
{
	uint8_t base[OCS_AUTH_MAC_BYTES], both[OCS_AUTH_MAC_BYTES];

	ocs_auth_secret_mac(secret, "ldap-base", config->basedn, strlen(config->basedn), base);
	ocs_auth_secret_mac(secret, "ldap-filter", config->filter, strlen(config->filter), both);
	for (size_t i = 0; i < OCS_LDAP_SOURCE_MAC; i++)
		mac_r[i] = base[i] ^ both[i];
}

/* Which of several names it is: the one that was asked for, in whatever case the directory has it.
 * One that was found by another attribute must have only one. */
static int read_name(LDAP *ld, LDAPMessage *entry, const char *asked, const char *attribute,
                     struct ocs_account *account, struct ocs_error *error)
{
	struct berval **values = ldap_get_values_len(ld, entry, attribute);
	int count = ldap_count_values_len(values), found = count == 1 ? 0 : -1;

	for (int i = 0; i < count; i++)
		if (values[i]->bv_len == strlen(asked) &&
		    strncasecmp(values[i]->bv_val, asked, values[i]->bv_len) == 0)
			found = i;
	if (found >= 0 && values[found]->bv_len <= OCS_AUTH_NAME_MAX)
		memcpy(account->name, values[found]->bv_val, values[found]->bv_len);
	ldap_value_free_len(values);
	if (found < 0)
		return ocs_error_set(error, "the entry that %s finds has %s %s", asked,
		                     count == 0 ? "no" : "more than one", attribute);
	if (!ocs_account_name_valid(account->name))
		return ocs_error_set(error,
		                     "the entry that %s finds has a %s that is no name of an "
		                     "account (1 to %d of A-Z a-z 0-9 _ . @ -)",
		                     asked, attribute, OCS_AUTH_NAME_MAX);
	return 0;
}

/* SCRAM-SHA-256$ITERATIONS:SALT$STOREDKEY:SERVERKEY (RFC 5803) as an account file has it. */
static int read_scram(const char *text, struct ocs_scram_keys *keys)
{
	static const char order[] = "$:$:";
	char plain[OCS_HASH_PASSWORD_MAX + 1];
	size_t used = 0, mark = 0;

	if (strncasecmp(text, SCRAM_SCHEME, strlen(SCRAM_SCHEME)) != 0)
		return -1;
	for (text += strlen(SCRAM_SCHEME); *text && used + 1 < sizeof(plain); text++) {
		if (*text == ' ')
			continue;
		if (order[mark] && *text == order[mark]) {
			if (mark++ > 0)
				plain[used++] = ',';
		} else if (mark == 0) {
			return -1;
		} else {
			plain[used++] = *text;
		}
	}
	plain[used] = '\0';
	int rc = order[mark] ? -1 : ocs_scram_keys_parse(plain, keys);
	explicit_bzero(plain, sizeof(plain));
	return rc;
}

/* One value that may be a hash; what cannot be used is for others, such as the directory. */
static void read_hash(const struct berval *value, struct ocs_account *account)
{
	struct ocs_hash hash;
	char text[OCS_HASH_PASSWORD_MAX + 1];

	if (value->bv_len == 0 || value->bv_len >= sizeof(text) ||
	    memchr(value->bv_val, '\0', value->bv_len))
		return;
	memcpy(text, value->bv_val, value->bv_len);
	text[value->bv_len] = '\0';
	if (!account->has_scram && read_scram(text, &account->scram) == 0) {
		account->has_scram = true;
	} else if (ocs_hash_parse(text, false, &hash, NULL) == 0) {
		if (hash.kind == OCS_HASH_SSHA && !account->has_ssha) {
			account->has_ssha = true;
			account->ssha = hash.ssha;
		} else if (hash.kind == OCS_HASH_SCRAM && !account->has_scram) {
			account->has_scram = true;
			account->scram = hash.scram;
		}
		explicit_bzero(&hash, sizeof(hash));
	}
	explicit_bzero(text, sizeof(text));
}

/* In whatever order the directory gives them, and twice is not never. */
static void add_mark(struct ocs_account *account, const struct ocs_auth_secret *secret,
                     const char *attribute, const void *value, size_t len)
{
	uint8_t mac[OCS_AUTH_MAC_BYTES];
	char label[OCS_LDAP_ATTRIBUTE_MAX + 8];

	snprintf(label, sizeof(label), "ldap-%s", attribute);
	ocs_auth_secret_mac(secret, label, value, len, mac);
	for (size_t i = 0; i < OCS_ACCOUNT_MAC - OCS_LDAP_SOURCE_MAC; i++)
		account->mac[OCS_LDAP_SOURCE_MAC + i] += mac[i];
}

static bool is_hash(const struct ocs_ldap_config *config, const char *attribute)
{
	for (char **one = config->hashes; *one; one++)
		if (strcasecmp(*one, attribute) == 0)
			return true;
	return false;
}

static void read_values(LDAP *ld, LDAPMessage *entry, const char *attribute,
                        const struct ocs_ldap_config *config, const struct ocs_auth_secret *secret,
                        struct ocs_account *account)
{
	struct berval **values = ldap_get_values_len(ld, entry, attribute);

	for (int i = 0; values && values[i]; i++) {
		add_mark(account, secret, attribute, values[i]->bv_val, values[i]->bv_len);
		if (is_hash(config, attribute)) {
			read_hash(values[i], account);
			explicit_bzero(values[i]->bv_val, values[i]->bv_len);
		}
	}
	ldap_value_free_len(values);
}

int ocs_ldap_account_read(LDAP *ld, LDAPMessage *entry, const char *asked,
                          const struct ocs_ldap_config *config,
                          const struct ocs_auth_secret *secret, struct ocs_account *account_r,
                          struct ocs_error *error)
{
	memset(account_r, 0, sizeof(*account_r));
	if (read_name(ld, entry, asked, config->name_attribute, account_r, error) < 0)
		return -1;
	char *dn = ldap_get_dn(ld, entry);
	if (!dn)
		return ocs_error_memory(error);
	ocs_ldap_source_mac(config, secret, account_r->mac);
	add_mark(account_r, secret, "dn", dn, strlen(dn));
	ldap_memfree(dn);
	/* all but the last, which is the name */
	for (char **one = config->wanted; one[1]; one++)
		read_values(ld, entry, *one, config, secret, account_r);
	return 0;
}
