/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * ocsctl passwd: the hash of a password, into the account file or onto the screen.
 */
#include <string.h>

#include <stdio.h>

#include "auth/auth.h"
#include "ocsctl/ocsctl.h"

/* Serves the strongest login and PLAIN; the daemon's own default would serve PLAIN only. */
#define DEFAULT_SCHEME "SCRAM-SHA-256"

/* The limits of the protocol page, so that no account is made that nobody can log in to. */
static bool name_is_valid(const char *name)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	                              "0123456789_.@-";
	size_t len = strlen(name);

	return len > 0 && len <= OCS_AUTH_NAME_MAX && strspn(name, allowed) == len;
}

static int show(const struct ocsctl *ctl, const char *name, const char *hash)
{
	if (ctl->json)
		return ocsctl_print_json(json_pack("{s:s, s:s, s:s}", "auth", "single", "username",
		                                   name, "password", hash));
	printf("username = %s\npassword = %s\n", name, hash);
	fprintf(stderr,
	        "ocsctl: put these two lines into [auth:single] of %s, then send the daemon "
	        "a SIGHUP\n",
	        ctl->config->path);
	return OCSCTL_OK;
}

static int store(const struct ocsctl *ctl, const char *name, const char *hash)
{
	const char *file = ctl->config->auth_file.file;
	struct ocs_error error;

	if (ocs_auth_file_set(file, name, hash, &error) < 0) {
		ocsctl_error("%s", error.text);
		return OCSCTL_FAILED;
	}
	if (ctl->json)
		return ocsctl_print_json(json_pack("{s:s, s:s, s:s}", "auth", "file", "username",
		                                   name, "file", file));
	printf("wrote %s to %s; send the daemon a SIGHUP to use it\n", name, file);
	return OCSCTL_OK;
}

int ocsctl_passwd(struct ocsctl *ctl)
{
	const char *name = ctl->operands[0];
	char password[OCSCTL_PASSWORD_MAX + 1], hash[OCS_AUTH_HASH_SIZE];
	struct ocs_error error;
	int ret;

	if (!name_is_valid(name))
		return ocsctl_usage("an account name is 1 to %d of A-Z a-z 0-9 _ . @ -",
		                    OCS_AUTH_NAME_MAX);
	if (ocsctl_config(ctl) < 0)
		return OCSCTL_FAILED;
	if (ctl->config->main.auth == OCS_CONFIG_AUTH_LDAP) {
		ocsctl_error("with `auth = ldap` passwords are changed in the directory");
		return OCSCTL_FAILED;
	}
	if (ctl->config->main.auth == OCS_CONFIG_AUTH_FILE && ctl->config->auth_file.file == NULL) {
		ocsctl_error("%s: auth = file, but section [auth:file] names no file", ctl->ini);
		return OCSCTL_FAILED;
	}
	if (ocsctl_read_password("new password", true, true, password) < 0)
		return OCSCTL_FAILED;
	ret = ocs_auth_make_hash(ctl->scheme != NULL ? ctl->scheme : DEFAULT_SCHEME, password, hash,
	                         &error);
	explicit_bzero(password, sizeof(password));
	if (ret < 0) {
		ocsctl_error("%s", error.text);
		return OCSCTL_FAILED;
	}
	ret = ctl->config->main.auth == OCS_CONFIG_AUTH_FILE ? store(ctl, name, hash)
	                                                     : show(ctl, name, hash);
	explicit_bzero(hash, sizeof(hash));
	return ret;
}
