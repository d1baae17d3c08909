/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What an ini may say but cannot mean: URIs that are the same for all, limits for what is not
 * there, queues that the kernel refuses. Warnings only. Looks at the kernel's limits.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <syslog.h>

#include "auth/ldap_servers.h"
#include "config/check.h"
#include "cluster/settings.h"

static void doubt_uris(const struct ocs_config *config, const struct ocs_ini *ini,
                       struct ocs_problems *problems)
{
	static const struct {
		const char *placeholder, *begin, *what;
	} parts[] = {{"{user}", "{user}", "users"},
	             {"{folder}", "{folder", "folders"}, /* in any style */
	             {"{message}", "{message}", "messages"}};

	for (size_t i = 0; i < config->n_backends; i++) {
		const struct ocs_config_backend *backend = &config->backends[i];
		char section[256];

		snprintf(section, sizeof(section), "backend:%s", backend->name);
		for (size_t j = 0; backend->uri != NULL && j < 3; j++) {
			if (strstr(backend->uri, parts[j].begin) != NULL)
				continue;
			ocs_problem_add(problems, LOG_WARNING,
			                ocs_problem_line(ini, section, "uri"),
			                "[%s] uri: without %s the URI is the same for all %s",
			                section, parts[j].placeholder, parts[j].what);
		}
	}
}

static bool is_backend(const struct ocs_ini *ini, const char *name, size_t len)
{
	char section[256];

	snprintf(section, sizeof(section), "backend:%.*s", (int)len, name);
	return ocs_ini_section_line(ini, section) != 0;
}

/* The names of the list without `*`: a pattern may be for a backend to come. */
static void doubt_backends(const struct ocs_ini *ini, const struct ocs_config_account *account,
                           unsigned line, struct ocs_problems *problems)
{
	const char *item = account->backends;

	while (item != NULL && *item != '\0') {
		size_t len, rest;

		item += strspn(item, " \t,");
		len = rest = strcspn(item, ",");
		while (len > 0 && (item[len - 1] == ' ' || item[len - 1] == '\t'))
			len--;
		if (len > 0 && memchr(item, '*', len) == NULL && !is_backend(ini, item, len))
			ocs_problem_add(problems, LOG_WARNING, line,
			                "[account:%s] backends: no section [backend:%.*s]",
			                account->name, (int)len, item);
		item += rest;
	}
}

static void doubt_accounts(const struct ocs_config *config, const struct ocs_ini *ini,
                           struct ocs_problems *problems)
{
	bool linked = config->rabbitmq->uri != NULL;
	bool relay = linked && config->rabbitmq->relay;

	for (size_t i = 0; i < config->n_accounts; i++) {
		const struct ocs_config_account *account = &config->accounts[i];
		char section[256];

		snprintf(section, sizeof(section), "account:%s", account->name);
		/* a relay hands on for backends that only the nodes know */
		if (!relay)
			doubt_backends(ini, account, ocs_problem_line(ini, section, "backends"),
			               problems);
		/* who comes from the broker, or over a socket, has no password here */
		if (config->main.auth != OCS_CONFIG_AUTH_SINGLE || linked ||
		    config->auth_single.username == NULL || strcmp(account->name, "local") == 0 ||
		    strcmp(account->name, "registry") == 0 ||
		    strcmp(account->name, config->auth_single.username) == 0)
			continue;
		ocs_problem_add(problems, LOG_WARNING, ocs_ini_section_line(ini, section),
		                "[%s]: no such account: with auth = single the only one is %s",
		                section, config->auth_single.username);
	}
}

/* An address of this host, or a socket. */
static bool is_near(const struct ocs_ldap_server *server)
{
	return server->path[0] != '\0' || strcasecmp(server->host, "localhost") == 0 ||
	       strncmp(server->host, "127.", 4) == 0 || strcmp(server->host, "::1") == 0;
}

/* What is wrong with the section is found when it is used. */
static void doubt_directory(const struct ocs_config *config, const struct ocs_ini *ini,
                            struct ocs_problems *problems)
{
	const bool logins = config->main.auth == OCS_CONFIG_AUTH_LDAP;
	struct ocs_ldap_servers servers;

	if (config->auth_ldap.host == NULL || (!logins && config->users.ldap_user == NULL))
		return;
	/* nobody waits for a reading of the users */
	if (logins && config->auth_ldap.timeout >= config->limits.request_deadline)
		ocs_problem_add(problems, LOG_WARNING,
		                ocs_problem_line(ini, "auth:ldap", "timeout"),
		                "[auth:ldap] timeout: %u s is not less than [limits] "
		                "request_deadline (%u s), after which nobody waits any more",
		                config->auth_ldap.timeout, config->limits.request_deadline);
	if (config->auth_ldap.start_tls || (!logins && config->auth_ldap.bind_dn == NULL) ||
	    ocs_ldap_servers_read(config->auth_ldap.host, config->auth_ldap.port, &servers, NULL) <
	            0)
		return;
	for (unsigned i = 0; i < servers.count; i++)
		if (!servers.server[i].tls && !is_near(&servers.server[i]))
			ocs_problem_add(problems, LOG_WARNING,
			                ocs_problem_line(ini, "auth:ldap", "host"),
			                "[auth:ldap] host: passwords go to %s without TLS: write "
			                "`start_tls = yes`, or ldaps:// in host",
			                servers.server[i].url);
}

static unsigned kernel_limit(const char *name)
{
	char path[64];
	unsigned value = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/sys/fs/mqueue/%s", name);
	file = fopen(path, "re");
	if (file == NULL)
		return 0;
	if (fscanf(file, "%u", &value) != 1)
		value = 0;
	fclose(file);
	return value;
}

static void doubt_queues(const struct ocs_config *config, const struct ocs_ini *ini,
                         struct ocs_problems *problems)
{
	const struct {
		const char *key, *limit;
		unsigned value;
	} rows[] = {{"max_messages", "msg_max", config->mqueue.max_messages},
	            {"message_size", "msgsize_max", config->mqueue.message_size}};

	for (size_t i = 0; i < 2; i++) {
		unsigned most = kernel_limit(rows[i].limit);

		if (most == 0 || rows[i].value <= most)
			continue;
		ocs_problem_add(problems, LOG_WARNING, ocs_problem_line(ini, "mqueue", rows[i].key),
		                "[mqueue] %s: %u is above fs.mqueue.%s (%u): MAPI servers without "
		                "CAP_SYS_RESOURCE get no queues, and entries wait in files; "
		                "use sysctl fs.mqueue.%s=%u",
		                rows[i].key, rows[i].value, rows[i].limit, most, rows[i].limit,
		                rows[i].value);
	}
}

void ocs_config_doubt(const struct ocs_config *config, const struct ocs_ini *ini,
                      struct ocs_problems *problems)
{
	doubt_uris(config, ini, problems);
	doubt_accounts(config, ini, problems);
	doubt_queues(config, ini, problems);
	doubt_directory(config, ini, problems);
}
