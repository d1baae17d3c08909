/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Reading and checking [auth:ldap]: see ldap_config.h. */
#include "auth/ldap_config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <talloc.h>

#include "base/private_file.h"

#define SYSTEM_CAS   "/etc/ssl/certs/ca-certificates.crt"
#define PASSWORD_MAX 1024
#define USUAL        "userPassword, authPassword"
#define DECOY        "cn=ocsmanager-unknown-account"

/* What an entry is told apart by, beside its hashes: that it is still the same one, and whether its
 * password was changed, where the hash is not shown (OpenLDAP and 389; Active Directory). */
static const char *const marks[] = {"entryUUID", "pwdChangedTime", "objectGUID", "pwdLastSet"};

#define MARKS (sizeof(marks) / sizeof(marks[0]))

static int config_free(struct ocs_ldap_config *config)
{
	if (config->bind_pw)
		explicit_bzero(config->bind_pw, strlen(config->bind_pw));
	return 0;
}

/* FILE:LINE: [auth:ldap] KEY: what is wrong. */
static int key_error(const struct ocs_auth_settings *settings, struct ocs_error *error,
                     const char *key, const char *format, ...)
        __attribute__((format(printf, 4, 5)));
static int key_error(const struct ocs_auth_settings *settings, struct ocs_error *error,
                     const char *key, const char *format, ...)
{
	const struct ocs_auth_ldap_settings *ldap = &settings->ldap;
	char what[400], place[300] = "";
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	if (settings->config_file && ldap->line)
		snprintf(place, sizeof(place), "%.260s:%u: ", settings->config_file,
		         ldap->line(ldap->line_arg, key));
	return ocs_error_set(error, "%s[auth:ldap] %s: %s", place, key, what);
}

static int read_password_file(struct ocs_ldap_config *config,
                              const struct ocs_auth_settings *settings, struct ocs_error *error)
{
	const char *path = settings->ldap.bind_pw_file;
	struct ocs_error why;
	char *text = NULL;
	size_t len = 0;

	if (ocs_privfile_read(path, true, PASSWORD_MAX, &text, &len, &why) != OCS_PRIVFILE_OK)
		return key_error(settings, error, "bind_pw_file", "%s", why.text);
	size_t line = strcspn(text, "\r\n");
	bool single = line + strspn(text + line, "\r\n") == len;
	if (single && line > 0)
		config->bind_pw = talloc_strndup(config, text, line);
	ocs_privfile_wipe(text, len);
	if (!single || line == 0)
		return key_error(settings, error, "bind_pw_file",
		                 "%.300s is not one line with a password", path);
	return config->bind_pw ? 0 : ocs_error_memory(error);
}

/* Who the search is made as: a name without a password would be an anonymous bind. */
static int read_service(struct ocs_ldap_config *config, const struct ocs_auth_settings *settings,
                        struct ocs_error *error)
{
	const struct ocs_auth_ldap_settings *ldap = &settings->ldap;
	bool password = ldap->bind_pw || ldap->bind_pw_file;

	if (ldap->bind_pw && ldap->bind_pw_file)
		return key_error(settings, error, "bind_pw",
		                 "bind_pw_file is set as well: use one of them");
	if (ldap->bind_dn && !password)
		return key_error(settings, error, "bind_dn", "needs bind_pw or bind_pw_file");
	if (password && !ldap->bind_dn)
		return key_error(settings, error, "bind_dn", "is missing, whose password is set");
	if (!ldap->bind_dn)
		return 0;
	config->bind_dn = talloc_strdup(config, ldap->bind_dn);
	if (ldap->bind_pw_file)
		return read_password_file(config, settings, error);
	config->bind_pw = talloc_strdup(config, ldap->bind_pw);
	return config->bind_dn && config->bind_pw ? 0 : ocs_error_memory(error);
}

static int read_tls(struct ocs_ldap_config *config, const struct ocs_auth_settings *settings,
                    struct ocs_error *error)
{
	const char *ca_file = settings->ldap.ca_file;

	config->start_tls = settings->ldap.start_tls;
	config->ca_file = talloc_strdup(config, ca_file ? ca_file : SYSTEM_CAS);
	if (!config->ca_file)
		return ocs_error_memory(error);
	if (ca_file && access(ca_file, R_OK) < 0)
		return key_error(settings, error, "ca_file", "%.300s: %s", ca_file,
		                 strerror(errno));
	for (unsigned i = 0; config->start_tls && i < config->servers.count; i++)
		if (config->servers.server[i].tls)
			return key_error(settings, error, "start_tls",
			                 "ldaps:// has TLS already: use one of them");
	return 0;
}

/* The attributes of a list; then the marks. */
static int read_attributes(struct ocs_ldap_config *config, const struct ocs_auth_settings *settings,
                           struct ocs_error *error)
{
	const char *attrs = settings->ldap.attrs;
	size_t n = 0, most = 1;

	if (strcmp(attrs, "*") == 0)
		attrs = USUAL;
	for (const char *p = attrs; *p; p++)
		most += *p == ',';
	config->hashes = talloc_zero_array(config, char *, most + 1);
	config->wanted = talloc_zero_array(config, char *, most + MARKS + 2);
	if (!config->hashes || !config->wanted)
		return ocs_error_memory(error);
	for (attrs += strspn(attrs, ", \t"); *attrs; attrs += strspn(attrs, ", \t")) {
		size_t len = strcspn(attrs, ", \t");
		size_t good = strspn(attrs, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
		                            "0123456789-.;");

		if (good != len || len > OCS_LDAP_ATTRIBUTE_MAX || n == most)
			return key_error(settings, error, "attrs",
			                 "'%.*s' is not an attribute (they are separated by "
			                 "commas)",
			                 (int)(len < 64 ? len : 64), attrs);
		config->hashes[n] = talloc_strndup(config->hashes, attrs, len);
		if (!config->hashes[n])
			return ocs_error_memory(error);
		config->wanted[n] = config->hashes[n];
		n++;
		attrs += len;
	}
	for (size_t i = 0; i < MARKS; i++)
		config->wanted[n++] = talloc_strdup(config->wanted, marks[i]);
	config->wanted[n] = config->name_attribute;
	for (size_t i = 0; i < n; i++)
		if (!config->wanted[i])
			return ocs_error_memory(error);
	return 0;
}

static int read_search(struct ocs_ldap_config *config, const struct ocs_auth_settings *settings,
                       struct ocs_error *error)
{
	const struct ocs_auth_ldap_settings *ldap = &settings->ldap;
	struct ocs_error why;

	if (!ldap->basedn)
		return key_error(settings, error, "basedn",
		                 "is missing: where in the directory the accounts are");
	if (ocs_ldap_filter_check(ldap->filter, config->name_attribute, &why) < 0)
		return key_error(settings, error, "filter", "%s", why.text);
	config->basedn = talloc_strdup(config, ldap->basedn);
	config->filter = talloc_strdup(config, ldap->filter);
	config->decoy = talloc_asprintf(config, DECOY ",%s", ldap->basedn);
	if (!config->basedn || !config->filter || !config->decoy)
		return ocs_error_memory(error);
	return read_attributes(config, settings, error);
}

static int config_read(struct ocs_ldap_config *config, const struct ocs_auth_settings *settings,
                       struct ocs_error *error)
{
	const struct ocs_auth_ldap_settings *ldap = &settings->ldap;
	struct ocs_error why;

	if (!ldap->host)
		return key_error(settings, error, "host", "is missing");
	if (ocs_ldap_servers_read(ldap->host, ldap->port, &config->servers, &why) < 0)
		return key_error(settings, error, "host", "%s", why.text);
	config->timeout_ms = ldap->timeout * 1000;
	config->recheck_ms = ldap->recheck * 1000;
	config->connections = ldap->connections;
	if (config->connections < 1 || config->connections > OCS_LDAP_CONNECTIONS_MAX)
		return key_error(settings, error, "connections", "1 to %d are possible",
		                 OCS_LDAP_CONNECTIONS_MAX);
	if (read_tls(config, settings, error) < 0 || read_service(config, settings, error) < 0)
		return -1;
	return read_search(config, settings, error);
}

int ocs_ldap_config_new(const void *mem_ctx, const struct ocs_auth_settings *settings,
                        struct ocs_ldap_config **config_r, struct ocs_error *error)
{
	struct ocs_ldap_config *config = talloc_zero(mem_ctx, struct ocs_ldap_config);

	if (!config)
		return ocs_error_memory(error);
	talloc_set_destructor(config, config_free);
	if (config_read(config, settings, error) < 0) {
		talloc_free(config);
		return -1;
	}
	*config_r = config;
	return 0;
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same_list(char *const *a, char *const *b)
{
	while (*a && *b && strcmp(*a, *b) == 0) {
		a++;
		b++;
	}
	return !*a && !*b;
}

bool ocs_ldap_config_equal(const struct ocs_ldap_config *a, const struct ocs_ldap_config *b)
{
	return memcmp(&a->servers, &b->servers, sizeof(a->servers)) == 0 &&
	       a->start_tls == b->start_tls && same_text(a->ca_file, b->ca_file) &&
	       same_text(a->bind_dn, b->bind_dn) && same_text(a->bind_pw, b->bind_pw) &&
	       same_text(a->basedn, b->basedn) && same_text(a->filter, b->filter) &&
	       same_list(a->wanted, b->wanted) && a->timeout_ms == b->timeout_ms &&
	       a->connections == b->connections && a->recheck_ms == b->recheck_ms;
}
