/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What must hold between keys: required ones, contradictions, defaults that follow from others.
 * Looks at the machine (cores, users, groups, where the socket will be) and changes nothing.
 */
#include "config/check.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <syslog.h>
#include <talloc.h>
#include <unistd.h>

#include "cluster/settings.h"
#include "config/descriptors.h"
#include "config/value.h"
#include "http/local_socket.h"
#include "http/proxies.h"
#include "base/plural.h"

#define THREADS_LEAST 4
#define PER_THREAD    (OCS_CONFIG_THREAD_CONNECTIONS - 1)

static void require(const struct ocs_ini *ini, struct ocs_problems *problems, const char *section,
                    const char *key, const char *set, const char *why, const char *write)
{
	/* A key that is there with a bad value has its own error. */
	if (set != NULL || ocs_ini_find(ini, section, key) != NULL)
		return;
	ocs_problem_add(problems, problems->missing, ocs_ini_section_line(ini, section),
	                "%s is missing%s: write `%s` in section [%s]", key, why, write, section);
}

static void check_auth(struct ocs_config *config, const struct ocs_ini *ini,
                       struct ocs_problems *problems)
{
	const struct ocs_ini_value *password = ocs_ini_find(ini, "auth:single", "password");

	switch (config->main.auth) {
	case OCS_CONFIG_AUTH_SINGLE:
		require(ini, problems, "auth:single", "username", config->auth_single.username,
		        " (auth = single)", "username = NAME");
		require(ini, problems, "auth:single", "password", config->auth_single.password,
		        " (auth = single; `ocsctl passwd` makes one)", "password = HASH");
		break;
	case OCS_CONFIG_AUTH_FILE:
		require(ini, problems, "auth:file", "file", config->auth_file.file,
		        " (auth = file)", "file = PATH");
		break;
	default:
		require(ini, problems, "auth:ldap", "host", config->auth_ldap.host,
		        " (auth = ldap)", "host = URI");
		require(ini, problems, "auth:ldap", "basedn", config->auth_ldap.basedn,
		        " (auth = ldap)", "basedn = DN");
	}
	if (config->users.ldap_user != NULL && config->main.auth != OCS_CONFIG_AUTH_LDAP) {
		require(ini, problems, "auth:ldap", "host", config->auth_ldap.host,
		        " ([users] ldap_user)", "host = URI");
		if (config->users.ldap_basedn == NULL)
			require(ini, problems, "auth:ldap", "basedn", config->auth_ldap.basedn,
			        " ([users] ldap_user)", "basedn = DN");
	}
	if (config->auth_single.username != NULL &&
	    !ocs_config_account_name_valid(config->auth_single.username))
		ocs_problem_add(problems, LOG_ERR, ocs_problem_line(ini, "auth:single", "username"),
		                "[auth:single] username: '%s' is not a valid account name (1 to "
		                "128 of A-Z a-z 0-9 _ . @ -)",
		                config->auth_single.username);
	if (password != NULL)
		config->auth_single.password_line = password->line;
	if (ini->others_can_read &&
	    (password != NULL || ocs_ini_find(ini, "auth:ldap", "bind_pw") != NULL ||
	     ocs_ini_find(ini, "rabbitmq", "uri") != NULL))
		ocs_problem_add(problems, LOG_WARNING, 0,
		                "contains a password and every user can read it: chmod o-r");
}

/* MHD splits its connection limit evenly among its threads, so limit / threads is what one gets. */
static void check_threads(struct ocs_config *config, const struct ocs_ini *ini,
                          struct ocs_problems *problems)
{
	bool limit_set = ocs_ini_find(ini, "server:main", "connection_limit") != NULL;
	unsigned *threads = &config->server.threads, *limit = &config->server.connection_limit;
	unsigned needed = (*limit + PER_THREAD - 1) / PER_THREAD;

	if (*threads == 0) {
		long cores = sysconf(_SC_NPROCESSORS_ONLN);

		*threads = cores > THREADS_LEAST ? (unsigned)cores : THREADS_LEAST;
		if (*threads < needed)
			*threads = needed;
	} else if (*threads < needed && !limit_set) {
		*limit = *threads * PER_THREAD;
	} else if (*threads < needed) {
		ocs_problem_add(problems, LOG_ERR,
		                ocs_problem_line(ini, "server:main", "connection_limit"),
		                "[server:main] connection_limit: %u %s at most %u connections; %u "
		                "need %u threads",
		                *threads, ocs_plural(*threads, "thread serves", "threads serve"),
		                *threads * PER_THREAD, *limit, needed);
	}
}

/* As far as the hard limit here is that of the service, which systemd sets apart. */
static void check_descriptors(const struct ocs_config *config, const struct ocs_ini *ini,
                              struct ocs_problems *problems)
{
	struct ocs_descriptors share;
	struct ocs_error error;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_max == RLIM_INFINITY)
		return;
	/* Too few to run with: no concern of the tools, and the daemon says so. */
	if (ocs_descriptors_share_of(limit.rlim_max, config, &share, &error) != 0)
		return;
	if (ocs_ini_find(ini, "mqueue", "descriptors") != NULL &&
	    ocs_descriptors_are_few(config, &share))
		ocs_problem_add(
		        problems, LOG_WARNING, ocs_problem_line(ini, "mqueue", "descriptors"),
		        "[mqueue] descriptors: only %u will be kept open: the hard limit of the "
		        "process is %lu file descriptors (LimitNOFILE=, or prlimit --nofile)",
		        share.queues, share.limit);
	if (ocs_ini_find(ini, "server:main", "connection_limit") != NULL &&
	    share.connections < config->server.connection_limit)
		ocs_problem_add(problems, LOG_WARNING,
		                ocs_problem_line(ini, "server:main", "connection_limit"),
		                "[server:main] connection_limit: only %u will be possible: the "
		                "hard limit of the process is %lu file descriptors (LimitNOFILE=, "
		                "or prlimit --nofile)",
		                share.connections, share.limit);
}

static void check_addresses(const struct ocs_config *config, const struct ocs_ini *ini,
                            struct ocs_problems *problems)
{
	if (config->server.port != 0 && config->server.port == config->operations.port &&
	    strcasecmp(config->server.host, config->operations.host) == 0)
		ocs_problem_add(problems, LOG_ERR, ocs_problem_line(ini, "operations", "port"),
		                "[operations] port: %u on %s is already used by [server:main]",
		                config->operations.port, config->operations.host);
}

static void check_tls(const struct ocs_ini *ini, const char *section, const char *cert,
                      const char *key, struct ocs_problems *problems)
{
	if ((cert != NULL) == (key != NULL))
		return;
	ocs_problem_add(problems, LOG_ERR,
	                ocs_problem_line(ini, section, cert != NULL ? "tls_cert" : "tls_key"),
	                "[%s] %s is missing: tls_cert and tls_key belong together", section,
	                cert != NULL ? "tls_key" : "tls_cert");
}

static void check_proxies(const struct ocs_config *config, const struct ocs_ini *ini,
                          struct ocs_problems *problems)
{
	struct ocs_error error = {.text = ""};
	struct ocs_http_proxies *proxies;

	if (config->server.proxies == NULL) {
		if (ocs_ini_find(ini, "server:main", "proxy_header") != NULL)
			ocs_problem_add(problems, LOG_WARNING,
			                ocs_problem_line(ini, "server:main", "proxy_header"),
			                "[server:main] proxy_header has no effect without proxies");
		return;
	}
	proxies = ocs_http_proxies_new(config->server.proxies, OCS_HTTP_FORWARDED, &error);
	if (proxies == NULL)
		ocs_problem_add(problems, LOG_ERR, ocs_problem_line(ini, "server:main", "proxies"),
		                "[server:main] proxies: %s", error.text);
	free(proxies);
}

static void check_identity(const struct ocs_config *config, const struct ocs_ini *ini,
                           struct ocs_problems *problems)
{
	errno = 0;
	if (config->main.user != NULL && getpwnam(config->main.user) == NULL)
		ocs_problem_add(problems, LOG_ERR, ocs_problem_line(ini, "main", "user"),
		                "[main] user: unknown user '%s'", config->main.user);
	if (config->main.group != NULL && getgrnam(config->main.group) == NULL)
		ocs_problem_add(problems, LOG_ERR, ocs_problem_line(ini, "main", "group"),
		                "[main] group: unknown group '%s'", config->main.group);
}

/* Only its own folder is made by the daemon. What this user may not see is the daemon's to find. */
static void check_socket_path(const struct ocs_config *config, unsigned line,
                              struct ocs_problems *problems)
{
	const char *path = config->server.socket;
	char folder[OCS_LOCAL_SOCKET_PATH_MAX + 1];
	struct stat status;

	if (lstat(path, &status) == 0) {
		if (!S_ISSOCK(status.st_mode))
			ocs_problem_add(problems, LOG_ERR, line,
			                "[server:main] socket: %s exists and is not a socket",
			                path);
		return;
	}
	strcpy(folder, path);
	for (int i = 0; i < 2; i++) {
		char *slash = strrchr(folder, '/');

		if (slash == NULL || slash == folder)
			return;
		*slash = '\0';
	}
	if (stat(folder, &status) != 0 && errno == ENOENT)
		ocs_problem_add(problems, LOG_ERR, line,
		                "[server:main] socket: folder %s does not exist (only the last "
		                "folder of the path is made)",
		                folder);
}

static void check_socket(const struct ocs_config *config, const struct ocs_ini *ini,
                         struct ocs_problems *problems)
{
	const char *path = config->server.socket, *group = config->server.socket_group;
	unsigned line = ocs_problem_line(ini, "server:main", "socket");

	if (path != NULL && strlen(path) > OCS_LOCAL_SOCKET_PATH_MAX)
		ocs_problem_add(problems, LOG_ERR, line,
		                "[server:main] socket: %s is longer than %d bytes", path,
		                OCS_LOCAL_SOCKET_PATH_MAX);
	else if (path != NULL)
		check_socket_path(config, line, problems);
	/* A socket that is there with a bad value has its own error. */
	else if (group != NULL && ocs_ini_find(ini, "server:main", "socket") == NULL)
		ocs_problem_add(problems, LOG_WARNING,
		                ocs_problem_line(ini, "server:main", "socket_group"),
		                "[server:main] socket_group has no effect without socket");
	if (group != NULL && getgrnam(group) == NULL)
		ocs_problem_add(problems, LOG_ERR,
		                ocs_problem_line(ini, "server:main", "socket_group"),
		                "[server:main] socket_group: unknown group '%s'", group);
}

static void check_sections(const struct ocs_config *config, const struct ocs_ini *ini,
                           struct ocs_problems *problems)
{
	bool relay = config->rabbitmq->uri != NULL && config->rabbitmq->relay;

	/* The nodes judge what a relay hands on. */
	if (config->n_backends == 0 && !relay)
		ocs_problem_add(problems, LOG_WARNING, 0,
		                "no section [backend:NAME]: every notification will be refused");
	for (size_t i = 0; i < config->n_backends; i++) {
		char section[256];

		snprintf(section, sizeof(section), "backend:%s", config->backends[i].name);
		require(ini, problems, section, "uri", config->backends[i].uri, "",
		        "uri = SCHEME://{user}@HOST/{folder}/{message}");
	}
}

void ocs_config_check(struct ocs_config *config, const struct ocs_ini *ini,
                      struct ocs_problems *problems)
{
	if (config->main.secret_file == NULL) {
		config->main.secret_file =
		        talloc_asprintf(config, "%s/private/secret", config->main.registry);
		if (config->main.secret_file == NULL)
			problems->lost = true;
	}
	check_auth(config, ini, problems);
	check_threads(config, ini, problems);
	check_descriptors(config, ini, problems);
	check_addresses(config, ini, problems);
	check_tls(ini, "server:main", config->server.tls_cert, config->server.tls_key, problems);
	check_tls(ini, "operations", config->operations.tls_cert, config->operations.tls_key,
	          problems);
	if (config->server.tls_client_ca != NULL && config->server.tls_cert == NULL)
		ocs_problem_add(problems, LOG_ERR,
		                ocs_problem_line(ini, "server:main", "tls_client_ca"),
		                "[server:main] tls_client_ca needs tls_cert and tls_key");
	if (config->server.tls_client_crl != NULL && config->server.tls_client_ca == NULL)
		ocs_problem_add(problems, LOG_ERR,
		                ocs_problem_line(ini, "server:main", "tls_client_crl"),
		                "[server:main] tls_client_crl needs tls_client_ca");
	if (config->server.tls_client_ca != NULL && config->main.auth == OCS_CONFIG_AUTH_LDAP)
		ocs_problem_add(problems, LOG_ERR,
		                ocs_problem_line(ini, "server:main", "tls_client_ca"),
		                "[server:main] tls_client_ca does not go with auth = ldap in this "
		                "version: a directory is not asked who has a certificate");
	check_proxies(config, ini, problems);
	check_identity(config, ini, problems);
	check_socket(config, ini, problems);
	check_sections(config, ini, problems);
	ocs_config_check_link(config, ini, problems);
}
