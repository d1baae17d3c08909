/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The users of a directory in the daemon: see users_thread.h. Removes the file that nobody reads.
 */
#include "ocsmanager/users_thread.h"

#include <string.h>
#include <unistd.h>

#include <talloc.h>

#include "config/auth.h"

char *ocs_users_thread_file(const void *mem_ctx, const struct ocs_config *config,
                            const char *private_folder)
{
	return config->users.ldap_user != NULL
	               ? talloc_asprintf(mem_ctx, "%s/users.ldap", private_folder)
	               : NULL;
}

static struct ocs_users_directory_settings thread_settings(const struct ocs_config *config,
                                                           const struct ocs_name_rule *names,
                                                           const char *file)
{
	struct ocs_users_directory_settings settings = {
	        .server = ocs_config_auth(config, NULL, NULL, NULL),
	        .filter = config->users.ldap_filter,
	        .user = config->users.ldap_user,
	        .backend_user = config->users.ldap_backend_user,
	        .alias = config->users.ldap_alias,
	        .refresh = config->users.ldap_refresh,
	        .names = *names,
	        .file = file,
	};

	if (settings.backend_user == NULL)
		settings.backend_user = settings.user;
	if (config->users.ldap_basedn != NULL)
		settings.server.ldap.basedn = config->users.ldap_basedn;
	return settings;
}

int ocs_users_thread_check(const struct ocs_config *config, const struct ocs_name_rule *names,
                           const char *private_folder, struct ocs_error *error)
{
	char *file = ocs_users_thread_file(NULL, config, private_folder);
	struct ocs_users_directory_settings settings;
	int ret;

	if (config->users.ldap_user == NULL)
		return 0;
	if (file == NULL)
		return ocs_error_memory(error);
	settings = thread_settings(config, names, file);
	ret = ocs_users_directory_check(&settings, error);
	talloc_free(file);
	return ret;
}

int ocs_users_thread_try(const struct ocs_config *config, struct ocs_error *warning,
                         struct ocs_error *error)
{
	struct ocs_users_directory_settings settings;
	struct ocs_name_rule names;

	ocs_config_name_rule(config, &names);
	settings = thread_settings(config, &names, "");
	warning->text[0] = '\0';
	return config->users.ldap_user != NULL ? ocs_users_directory_try(&settings, warning, error)
	                                       : 0;
}

/* It would be of another time when there is a directory again. */
static void forget_file(const char *private_folder)
{
	char *file = talloc_asprintf(NULL, "%s/users.ldap", private_folder);

	if (file != NULL)
		(void)unlink(file);
	talloc_free(file);
}

int ocs_users_thread_set(struct ocs_users_directory **directory, const struct ocs_config *config,
                         const struct ocs_name_rule *names, const char *private_folder, bool start,
                         struct ocs_error *error)
{
	char *file = ocs_users_thread_file(NULL, config, private_folder);
	struct ocs_users_directory_settings settings;
	int ret = 0;

	if (config->users.ldap_user == NULL) {
		ocs_users_directory_stop(*directory);
		*directory = NULL;
		forget_file(private_folder);
		return 0;
	}
	if (file == NULL)
		return ocs_error_memory(error);
	settings = thread_settings(config, names, file);
	if (*directory == NULL || !ocs_users_directory_same(*directory, &settings)) {
		ocs_users_directory_stop(*directory);
		ret = ocs_users_directory_start(&settings, start, directory, error);
	}
	talloc_free(file);
	return ret;
}

void ocs_users_thread_look(struct ocs_users_directory *directory, const struct ocs_error *fault,
                           struct ocs_health *health)
{
	struct ocs_error why;

	if (fault->text[0] != '\0')
		ocs_health_set(health, OCS_HEALTH_USERS, OCS_HEALTH_WARNING, "%s", fault->text);
	else if (directory != NULL && ocs_users_directory_late(directory, &why))
		ocs_health_set(health, OCS_HEALTH_USERS, OCS_HEALTH_WARNING,
		               "the users of the directory are those that were read last: %.400s",
		               why.text);
	else
		ocs_health_set(health, OCS_HEALTH_USERS, OCS_HEALTH_WELL, NULL);
}
