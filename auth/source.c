/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Where accounts come from: one row for each value of `[main] auth`. Those of a directory are in no
 * table: it is asked (directory.h). Touches the account file.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <talloc.h>

#include "auth/account_file.h"
#include "auth/accounts.h"

static void report(const struct ocs_auth_settings *settings, const char *text)
{
	if (settings->report)
		settings->report(LOG_WARNING, text, settings->report_arg);
}

static int source_load_single(struct ocs_accounts *accounts,
                              const struct ocs_auth_settings *settings,
                              const struct ocs_auth_secret *secret, struct ocs_error *error)
{
	char where[300] = "[auth:single]", text[600];
	struct ocs_error why;
	struct stat st;

	if (settings->config_file)
		snprintf(where, sizeof(where), "%s:%u: [auth:single]", settings->config_file,
		         settings->password_line);
	if (!settings->username || !*settings->username)
		return ocs_error_set(error, "%s: username is missing", where);
	if (!settings->password || !*settings->password)
		return ocs_error_set(error, "%s: password is missing", where);
	if (ocs_accounts_add(accounts, settings->username, settings->password, true, secret, &why) <
	    0)
		return ocs_error_wrap(error, &why, "%s: %.150s", where, why.text);

	if (accounts->table->hash.kind == OCS_HASH_PLAIN) {
		snprintf(text, sizeof(text),
		         "%s: the password is plain text; use a hash "
		         "(ocsctl passwd makes one)",
		         where);
		report(settings, text);
	}
	if (settings->config_file && stat(settings->config_file, &st) == 0 &&
	    (st.st_mode & 007) != 0) {
		snprintf(text, sizeof(text),
		         "%s: the file is open to every user of the system "
		         "(mode %04o) and holds a password",
		         where, (unsigned)st.st_mode & 07777);
		report(settings, text);
	}
	return 0;
}

static int source_load_file(struct ocs_accounts *accounts, const struct ocs_auth_settings *settings,
                            const struct ocs_auth_secret *secret, struct ocs_error *error)
{
	char where[300] = "[auth:file]", text[900];
	struct ocs_error why;

	if (settings->config_file)
		snprintf(where, sizeof(where), "%s:%u: [auth:file]", settings->config_file,
		         settings->file_line);
	if (!settings->file || !*settings->file)
		return ocs_error_set(error, "%s: file is missing", where);
	if (ocs_account_file_load(accounts, settings->file, secret, &why) < 0)
		return ocs_error_wrap(error, &why, "%s file: %s", where, why.text);
	if (accounts->count == 0) {
		snprintf(text, sizeof(text), "%s file: %.500s: holds no account: nobody can log in",
		         where, settings->file);
		report(settings, text);
	}
	return 0;
}

static int source_load_ldap(struct ocs_accounts *accounts, const struct ocs_auth_settings *settings,
                            const struct ocs_auth_secret *secret, struct ocs_error *error)
{
	(void)accounts;
	(void)settings;
	(void)secret;
	(void)error;
	return 0;
}

static const struct account_source {
	const char *name;
	int (*load)(struct ocs_accounts *accounts, const struct ocs_auth_settings *settings,
	            const struct ocs_auth_secret *secret, struct ocs_error *error);
} sources[] = {
        {"single", source_load_single},
        {"file", source_load_file},
        {"ldap", source_load_ldap},
};

int ocs_accounts_load(const void *mem_ctx, const struct ocs_auth_settings *settings,
                      const struct ocs_auth_secret *secret, struct ocs_accounts **accounts_r,
                      struct ocs_error *error)
{
	const char *name = settings->backend ? settings->backend : "";

	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
		if (strcmp(sources[i].name, name) != 0)
			continue;
		struct ocs_accounts *accounts = ocs_accounts_new(mem_ctx);
		if (!accounts)
			return ocs_error_memory(error);
		if (sources[i].load(accounts, settings, secret, error) < 0) {
			talloc_free(accounts);
			return -1;
		}
		*accounts_r = accounts;
		return 0;
	}
	return ocs_error_set(error, "auth = '%.64s' is not single, file or ldap", name);
}
