/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * One question to the directory, asked again over a new connection if the one that was there has
 * ended meanwhile: see directory_internal.h. Touches the network; logs entries that are no
 * accounts.
 */
#include "auth/directory_internal.h"

#include <string.h>

#include <talloc.h>

#include "base/clock.h"
#include "base/log_budget.h"

#define IDLE_MS 60000 /* what lies between may have forgotten the connection by then */

static void drop_idle(struct ocs_ldap_link *link, struct ocs_ldap_sockets *sockets)
{
	if (link->ld && (int64_t)ocs_clock_ms() - link->last_used > IDLE_MS)
		ocs_ldap_link_close(link, sockets);
}

/* The one entry that was found, if it is an account. */
static void read_entry(const struct ocs_ldap_config *config, const struct ocs_auth_secret *secret,
                       LDAP *ld, LDAPMessage *result, const char *name,
                       struct ocs_directory_found *found)
{
	LDAPMessage *entry = ldap_first_entry(ld, result);
	struct ocs_error why;
	char *dn = ldap_get_dn(ld, entry);

	if (dn && *dn &&
	    ocs_ldap_account_read(ld, entry, name, config, secret, &found->account, &why) == 0) {
		found->dn = talloc_strdup(NULL, dn);
		found->there = found->dn != NULL;
	} else if (dn && *dn) {
		ocs_log_budgeted(LOG_WARNING, "LDAP_ENTRY", "", "[auth:ldap] filter: %s: %s", dn,
		                 why.text);
	}
	ldap_memfree(dn);
}

int ocs_directory_search(const struct ocs_ldap_config *config, struct ocs_ldap_sockets *sockets,
                         const struct ocs_auth_secret *secret, struct ocs_ldap_link *link,
                         const char *name, int64_t deadline, struct ocs_directory_found *found_r,
                         struct ocs_error *error)
{
	char *filter = ocs_ldap_filter_for(NULL, config->filter, name, strlen(name));
	LDAPMessage *result = NULL;
	enum ocs_ldap_outcome outcome;
	bool more = false, fresh;

	memset(found_r, 0, sizeof(*found_r));
	if (!filter)
		return ocs_error_memory(error);
	drop_idle(link, sockets);
	do {
		fresh = !link->ld;
		outcome = OCS_LDAP_FAILED;
		if (fresh && ocs_ldap_link_open_service(link, config, sockets, deadline, error) < 0)
			break;
		outcome =
		        ocs_ldap_link_search(link, config, filter, deadline, &result, &more, error);
		ocs_ldap_link_note(link, config, sockets, outcome);
		if (outcome != OCS_LDAP_DONE)
			ocs_ldap_link_close(link, sockets);
	} while (outcome == OCS_LDAP_LOST && !fresh);
	talloc_free(filter);
	if (outcome != OCS_LDAP_DONE)
		return -1;
	if (!more && ldap_count_entries(link->ld, result) == 1)
		read_entry(config, secret, link->ld, result, name, found_r);
	ldap_msgfree(result);
	return 0;
}

void ocs_directory_found_end(struct ocs_directory_found *found)
{
	talloc_free(found->dn);
	explicit_bzero(found, sizeof(*found));
}

int ocs_directory_bind(const struct ocs_ldap_config *config, struct ocs_ldap_sockets *sockets,
                       struct ocs_ldap_link *link, const char *dn, const char *password,
                       int64_t deadline, struct ocs_error *error)
{
	enum ocs_ldap_outcome outcome;
	bool fresh;

	drop_idle(link, sockets);
	do {
		fresh = !link->ld;
		if (fresh && ocs_ldap_link_open(link, config, sockets, deadline, error) < 0)
			return -1;
		outcome = ocs_ldap_link_bind(link, dn, password, deadline, error);
		ocs_ldap_link_note(link, config, sockets, outcome);
		if (outcome == OCS_LDAP_LOST || outcome == OCS_LDAP_FAILED)
			ocs_ldap_link_close(link, sockets);
	} while (outcome == OCS_LDAP_LOST && !fresh);
	return outcome == OCS_LDAP_DONE ? 1 : outcome == OCS_LDAP_REFUSED ? 0 : -1;
}
