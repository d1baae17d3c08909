/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Who the groupware user behind an authenticated session is: account names of Active Directory on
 * one side, names as the mail store's notifications carry them on the other. No I/O.
 */
#include "plugin.h"

#include <string.h>
#include <strings.h>

#include <charset.h>

/* In libsamba-hostconfig, but in none of its installed headers. */
const char *lpcfg_workgroup(struct loadparm_context *lp_ctx);

bool ocs_samba_user_format_check(const char *format, bool *tells_domain_r)
{
	bool has_account = false;

	*tells_domain_r = false;
	for (const char *at = strchr(format, '%'); at != NULL; at = strchr(at + 2, '%')) {
		if (at[1] == 'U')
			has_account = true;
		else if (at[1] == 'D' || at[1] == 'R')
			*tells_domain_r = true;
		else if (at[1] != '%')
			return false;
	}
	return has_account;
}

static const char *part(char letter, struct loadparm_context *lp_ctx,
                        const struct auth_user_info *info, bool own_domain)
{
	switch (letter) {
	case 'U':
		return info->account_name;
	case 'D':
		return info->domain_name;
	case 'R':
		if (info->dns_domain_name != NULL && info->dns_domain_name[0] != '\0')
			return info->dns_domain_name;
		return own_domain ? lpcfg_dnsdomain(lp_ctx) : NULL;
	default:
		return "%";
	}
}

static char *expand(TALLOC_CTX *mem_ctx, const char *format, struct loadparm_context *lp_ctx,
                    const struct auth_user_info *info, bool own_domain)
{
	char *user = talloc_strdup(mem_ctx, "");

	while (user != NULL && *format != '\0') {
		size_t plain = strcspn(format, "%");
		const char *value;

		user = talloc_strndup_append(user, format, plain);
		format += plain;
		if (*format == '\0')
			break;
		value = part(format[1], lp_ctx, info, own_domain);
		format += 2;
		if (value == NULL || value[0] == '\0') {
			talloc_free(user);
			return NULL;
		}
		user = talloc_strdup_append(user, value);
	}
	return user;
}

char *ocs_samba_user(TALLOC_CTX *mem_ctx, const struct ocs_samba_options *options,
                     struct loadparm_context *lp_ctx, const struct auth_user_info *info)
{
	bool tells_domain, own_domain;
	char *user;

	if (!ocs_samba_user_format_check(options->user_format, &tells_domain))
		return NULL;
	own_domain = info->domain_name != NULL &&
	             strcasecmp(info->domain_name, lpcfg_workgroup(lp_ctx)) == 0;
	/* Or "alice" of a trusted domain would hear of our alice's mail. */
	if (!own_domain && !tells_domain)
		return NULL;
	user = expand(mem_ctx, options->user_format, lp_ctx, info, own_domain);
	if (user != NULL && options->lower_case_users) {
		char *lower = strlower_talloc(mem_ctx, user);

		talloc_free(user);
		user = lower;
	}
	return user;
}
