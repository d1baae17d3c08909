/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The keys of the ini that are about accounts and logins, as auth wants them. Touches nothing. */
#include "config/auth.h"

#include "config/check.h"

static unsigned ldap_line(const void *ini, const char *key)
{
	return ocs_problem_line(ini, "auth:ldap", key);
}

struct ocs_auth_settings ocs_config_auth(const struct ocs_config *config,
                                         const char *private_folder, ocs_report_fn *report,
                                         void *arg)
{
	static const char *const backends[] = {[OCS_CONFIG_AUTH_SINGLE] = "single",
	                                       [OCS_CONFIG_AUTH_FILE] = "file",
	                                       [OCS_CONFIG_AUTH_LDAP] = "ldap"};

	return (struct ocs_auth_settings){
	        .backend = backends[config->main.auth],
	        .username = config->auth_single.username,
	        .password = config->auth_single.password,
	        .config_file = config->path,
	        .password_line = config->auth_single.password_line,
	        .file = config->auth_file.file,
	        .file_line = ocs_problem_line(config->ini, "auth:file", "file"),
	        .ldap =
	                {
	                        .host = config->auth_ldap.host,
	                        .port = config->auth_ldap.port,
	                        .start_tls = config->auth_ldap.start_tls != 0,
	                        .ca_file = config->auth_ldap.ca_file,
	                        .bind_dn = config->auth_ldap.bind_dn,
	                        .bind_pw = config->auth_ldap.bind_pw,
	                        .bind_pw_file = config->auth_ldap.bind_pw_file,
	                        .basedn = config->auth_ldap.basedn,
	                        .filter = config->auth_ldap.filter,
	                        .attrs = config->auth_ldap.attrs,
	                        .timeout = config->auth_ldap.timeout,
	                        .connections = config->auth_ldap.connections,
	                        .recheck = config->auth_ldap.recheck,
	                        .line = ldap_line,
	                        .line_arg = config->ini,
	                },
	        .mechanisms = config->main.mechanisms,
	        .private_folder = private_folder,
	        .secret_file = config->main.secret_file,
	        .challenge_ttl = config->main.challenge_ttl,
	        .token_ttl = config->main.token_ttl,
	        .failed_logins = config->limits.failed_logins,
	        .failure_window = config->limits.failure_window,
	        /* behind a proxy, loopback may be anybody whom it does not tell */
	        .count_loopback = config->server.proxies != NULL,
	        .pending_challenges = config->limits.pending_challenges,
	        .report = report,
	        .report_arg = arg,
	};
}
