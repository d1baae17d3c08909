/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Reading many entries by pages (RFC 2696): see ldap_link.h. Touches the network. */
#include "auth/ldap_link.h"

#include <stdlib.h>

#include "base/clock.h"

#define PAGE 500 /* what many servers give at most in one answer */

struct pages {
	struct ocs_ldap_link *link;
	const struct ocs_ldap_config *config;
	const char *filter;
	char *const *attributes;
	ocs_ldap_each_fn *each;
	void *arg;
	struct berval cookie; /* where the next page begins; libldap's */
	struct ocs_error *error;
};

static int pages_error(struct pages *pages, int code)
{
	const char *what = code == LDAP_SIZELIMIT_EXCEEDED
	                           ? ": bind_dn may not read as many entries as there are"
	                           : "";

	return ocs_error_set(pages->error, "%s: search in %.200s: %s%s", pages->link->url,
	                     pages->config->basedn, ldap_err2string(code), what);
}

static int take_entries(struct pages *pages, LDAPMessage *answer)
{
	LDAP *ld = pages->link->ld;

	for (LDAPMessage *entry = ldap_first_entry(ld, answer); entry;
	     entry = ldap_next_entry(ld, entry))
		if (pages->each(pages->arg, ld, entry, pages->error) < 0)
			return -1;
	return 0;
}

/* What the server says of the pages to come; a server that knows no pages has sent all. */
static int take_cookie(struct pages *pages, LDAPMessage *answer)
{
	LDAPControl **controls = NULL, *page;
	int code = LDAP_OTHER, rc;

	ber_memfree(pages->cookie.bv_val);
	pages->cookie = (struct berval){0, NULL};
	rc = ldap_parse_result(pages->link->ld, answer, &code, NULL, NULL, NULL, &controls, 0);
	if (rc != LDAP_SUCCESS)
		code = rc;
	page = code == LDAP_SUCCESS ? ldap_control_find(LDAP_CONTROL_PAGEDRESULTS, controls, NULL)
	                            : NULL;
	if (page) {
		ber_int_t total;

		code = ldap_parse_pageresponse_control(pages->link->ld, page, &total,
		                                       &pages->cookie);
	}
	ldap_controls_free(controls);
	return code == LDAP_SUCCESS ? 0 : pages_error(pages, code);
}

static int read_page(struct pages *pages)
{
	unsigned ms = pages->config->timeout_ms;
	struct timeval limit = {.tv_sec = (time_t)(ms / 1000),
	                        .tv_usec = (suseconds_t)(ms % 1000 * 1000)};
	LDAPControl *page = NULL, *controls[2] = {NULL, NULL};
	LDAPMessage *answer = NULL;
	LDAP *ld = pages->link->ld;
	int id = 0, rc = ldap_create_page_control(ld, PAGE, &pages->cookie, 0, &page);

	controls[0] = page;
	if (rc == LDAP_SUCCESS)
		rc = ldap_search_ext(ld, pages->config->basedn, LDAP_SCOPE_SUBTREE, pages->filter,
		                     (char **)(uintptr_t)pages->attributes, 0, controls, NULL, NULL,
		                     LDAP_NO_LIMIT, &id);
	if (page)
		ldap_control_free(page);
	if (rc != LDAP_SUCCESS)
		return pages_error(pages, rc);
	rc = ldap_result(ld, id, LDAP_MSG_ALL, &limit, &answer);
	if (rc == 0)
		return ocs_error_set(pages->error, "%s: search: no answer in time",
		                     pages->link->url);
	if (rc < 0) {
		(void)ldap_get_option(ld, LDAP_OPT_RESULT_CODE, &rc);
		return pages_error(pages, rc);
	}
	rc = take_cookie(pages, answer);
	if (rc == 0)
		rc = take_entries(pages, answer);
	ldap_msgfree(answer);
	pages->link->last_used = (int64_t)ocs_clock_ms();
	return rc;
}

int ocs_ldap_link_each(struct ocs_ldap_link *link, const struct ocs_ldap_config *config,
                       const char *filter, char *const *attributes, ocs_ldap_each_fn *each,
                       void *arg, struct ocs_error *error)
{
	struct pages pages = {.link = link,
	                      .config = config,
	                      .filter = filter,
	                      .attributes = attributes,
	                      .each = each,
	                      .arg = arg,
	                      .error = error};
	int rc;

	do
		rc = read_page(&pages);
	while (rc == 0 && pages.cookie.bv_len > 0);
	ber_memfree(pages.cookie.bv_val);
	return rc;
}
