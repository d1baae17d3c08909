/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * An entry of the directory as an account: its name as the directory writes it, the hashes that
 * serve SCRAM-SHA-256 and SSHA where they may be read, and a mark that changes when the entry is
 * another one or its password another. Pure functions of the entry.
 */
#ifndef OCS_AUTH_LDAP_ACCOUNT_H
#define OCS_AUTH_LDAP_ACCOUNT_H

#include <ldap.h>

#include "auth/accounts.h"
#include "auth/ldap_config.h"
#include "auth/secret.h"

/* The first bytes of an account's MAC: of which directory it is, told without asking. */
#define OCS_LDAP_SOURCE_MAC (OCS_ACCOUNT_MAC / 2)

void ocs_ldap_source_mac(const struct ocs_ldap_config *config, const struct ocs_auth_secret *secret,
                         uint8_t mac_r[OCS_LDAP_SOURCE_MAC]);
/* asked: the name that found the entry. The account is the caller's to wipe. -1 with a text: the
 * entry has no name that an account can have. */
int ocs_ldap_account_read(LDAP *ld, LDAPMessage *entry, const char *asked,
                          const struct ocs_ldap_config *config,
                          const struct ocs_auth_secret *secret, struct ocs_account *account_r,
                          struct ocs_error *error);

#endif
