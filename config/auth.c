/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The keys of the ini that are about accounts and logins, as auth wants them. Touches nothing. */
#include "config/auth.h"

struct ocs_auth_settings ocs_config_auth(const struct ocs_config *config,
                                         const char *private_folder, ocs_report_fn *report,
                                         void *arg)
{
	return (struct ocs_auth_settings){
	        .backend = config->main.auth == OCS_CONFIG_AUTH_FILE ? "file" : "single",
	        .username = config->auth_single.username,
	        .password = config->auth_single.password,
	        .config_file = config->path,
	        .password_line = config->auth_single.password_line,
	        .file = config->auth_file.file,
	        .mechanisms = config->main.mechanisms,
	        .private_folder = private_folder,
	        .secret_file = config->main.secret_file,
	        .challenge_ttl = config->main.challenge_ttl,
	        .token_ttl = config->main.token_ttl,
	        .failed_logins = config->limits.failed_logins,
	        .failure_window = config->limits.failure_window,
	        .pending_challenges = config->limits.pending_challenges,
	        .report = report,
	        .report_arg = arg,
	};
}
