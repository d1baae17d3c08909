/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The plugin's options in [global] of smb.conf. A value that is not valid is an error,
 * never the default: "require privacy = maybe" must not mean no.
 */
#include "plugin.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define TYPE "exchange_emsmdb"

struct reader {
	TALLOC_CTX *mem_ctx;
	struct loadparm_context *lp_ctx;
	char *error;
};

/* A copy: Samba may read smb.conf again. */
static const char *text(const struct reader *reader, const char *type, const char *option)
{
	return talloc_strdup(reader->mem_ctx,
	                     lpcfg_parm_string(reader->lp_ctx, NULL, type, option));
}

static void refuse(struct reader *reader, const char *option, const char *value, const char *what)
{
	if (reader->error == NULL)
		reader->error = talloc_asprintf(reader->mem_ctx, "smb.conf: " TYPE ":%s = %s: %s",
		                                option, value, what);
}

static void read_bool(struct reader *reader, const char *option, bool *value)
{
	static const char *const yes[] = {"yes", "true", "on", "1"};
	static const char *const no[] = {"no", "false", "off", "0"};
	const char *given = text(reader, TYPE, option);

	if (given == NULL)
		return;
	for (size_t i = 0; i < 4; i++) {
		if (strcasecmp(given, yes[i]) == 0 || strcasecmp(given, no[i]) == 0) {
			*value = strcasecmp(given, yes[i]) == 0;
			return;
		}
	}
	refuse(reader, option, given, "yes or no is needed");
}

/* A whole number of 1 to max; *value is it times unit. */
static void read_number(struct reader *reader, const char *option, uint32_t max, uint32_t unit,
                        uint32_t *value)
{
	const char *given = text(reader, TYPE, option);
	unsigned long number;
	char *end;

	if (given == NULL)
		return;
	errno = 0;
	number = strtoul(given, &end, 10);
	if (given[0] < '0' || given[0] > '9' || *end != '\0' || errno != 0 || number < 1 ||
	    number > max)
		refuse(reader, option, given, "out of range");
	else
		*value = (uint32_t)number * unit;
}

static void read_version(struct reader *reader, struct ocsemsmdb_settings *settings)
{
	enum ocsemsmdb_version version = OCSEMSMDB_2010; /* the last that spoke RPC over TCP */
	const char *given = text(reader, TYPE, "version");

	if (given != NULL && !ocsemsmdb_version_parse(given, &version))
		refuse(reader, "version", given, "2003, 2007, 2010, 2013, 2016, 2019 or se");
	ocsemsmdb_settings_init(settings, version);
}

static void read_users(struct reader *reader, struct ocs_samba_options *options)
{
	bool ignored;

	options->user_format = text(reader, TYPE, "user format");
	if (options->user_format == NULL)
		options->user_format = "%U";
	if (!ocs_samba_user_format_check(options->user_format, &ignored))
		refuse(reader, "user format", options->user_format,
		       "text with %U, %D, %R and %% is needed, %U among it");
	options->lower_case_users = true;
	read_bool(reader, "lower case users", &options->lower_case_users);
}

bool ocs_samba_options_read(TALLOC_CTX *mem_ctx, struct loadparm_context *lp_ctx,
                            struct ocs_samba_options *options, char **error_r)
{
	struct reader reader = {.mem_ctx = mem_ctx, .lp_ctx = lp_ctx};
	struct ocsemsmdb_settings *emsmdb = &options->emsmdb;

	memset(options, 0, sizeof(*options));
	options->registry = text(&reader, "ocsmanager", "registry");
	if (options->registry == NULL)
		options->registry = OCS_LOCALSTATEDIR "/lib/ocsmanager";
	read_users(&reader, options);
	read_version(&reader, emsmdb);
	read_bool(&reader, "require privacy", &emsmdb->require_privacy);
	read_bool(&reader, "push", &emsmdb->push);
	read_number(&reader, "poll interval", 3600, 1000, &emsmdb->polls_max);
	read_number(&reader, "wait time", 3600, 1000, &emsmdb->wait_time);
	read_number(&reader, "session idle", 86400, 1000, &emsmdb->session_idle);
	read_number(&reader, "sessions max", 65535, 1, &emsmdb->sessions_max);
	read_number(&reader, "sessions per user", 65535, 1, &emsmdb->sessions_per_user);
	read_number(&reader, "subscriptions max", 65535, 1, &emsmdb->subscriptions_max);
	emsmdb->backend = text(&reader, TYPE, "backend");

	*error_r = reader.error;
	return reader.error == NULL;
}
