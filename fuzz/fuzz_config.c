/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Covers: config/config.c config/check.c config/cluster.c config/doubt.c config/value.c */
/* Fuzz target: an ini, with all its values looked at. It is taken, or what is wrong with it is
 * said, with nothing of a password. */
#include <string.h>
#include <syslog.h>

#include <talloc.h>

#include "config/config.h"
#include "fuzz/folder.h"

#define SECRET "Geheim0815"

const char *const fuzz_texts[] = {
        "[main]\nauth = single\nregistry = run\nlog_level = debug\nmechanisms = PLAIN\nunknown = "
        "x\n"
        "[auth:single]\nusername = a\npassword = " SECRET "\n"
        "[server:main]\nhost = ::1\nport = 0\nproxies = 192.0.2.0/24, ::1\nthreads = 3\n",
        "[main]\nauth = ldap\nregistry = run\ncase = fold\n[auth:ldap]\nhost = a b:636\n"
        "basedn = dc=x\nfilter = (uid=%u)\nbind_dn = cn=x\nbind_pw = " SECRET "\n"
        "[users]\nldap_user = uid\nmap = m\ndomains = *\n",
        "[main]\nauth = file\nregistry = run\n[auth:file]\nfile = a\n[account:a]\nbackends = b,*c\n"
        "users = *\n[backend:SOGo]\nuri = sogo://{user}@mail/{folder}/{message}\nseparator = .\n"
        "[limits]\nfailed_logins = 1\n[mqueue]\nmax_messages = 10\nspill_max = 100000\n",
        "[rabbitmq]\nuri = amqps://a:" SECRET "@b/v,amqp://c\nnode = n1\nprefetch = 9\n"
        "json_backend = b\nrelay = yes\nspool_max = 1\n[operations]\nport = 1\nplain_http = no\n",
        NULL,
};

static unsigned errors;

static void report(int priority, const char *text, void *arg)
{
	const char *data = arg;

	errors += priority == LOG_ERR;
	FUZZ_CHECK(text[0] != '\0');
	/* Where it is the value of nothing but passwords. */
	if (data == NULL)
		FUZZ_CHECK(strstr(text, SECRET) == NULL);
}

/* Whether the secret stands for a password wherever it stands. */
static bool only_passwords(const char *text)
{
	for (const char *at = text; (at = strstr(at, SECRET)) != NULL; at++) {
		const char *line = at;

		while (line > text && line[-1] != '\n')
			line--;
		if (strncmp(line, "password = " SECRET, at - line + strlen(SECRET)) != 0 &&
		    strncmp(line, "bind_pw = " SECRET, at - line + strlen(SECRET)) != 0)
			return false;
	}
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const parts[] = {"main", "rabbitmq", NULL};
	struct ocs_config *config = NULL, *part = NULL;
	const char *path = fuzz_path("ini");
	char *text = talloc_zero_size(NULL, size + 1);
	void *arg;

	/* What stands behind a NUL is in the ini too. */
	for (size_t i = 0; i < size; i++)
		text[i] = data[i] != '\0' ? (char)data[i] : ' ';
	arg = only_passwords(text) ? NULL : text;
	fuzz_write_file(path, data, size);
	errors = 0;
	if (ocs_config_load(path, NULL, report, arg, &config) == 0)
		FUZZ_CHECK(errors == 0 && config->server.threads > 0);
	else
		FUZZ_CHECK(errors > 0 && config == NULL);
	if (ocs_config_load_part(path, NULL, parts, report, arg, &part) == 0 && config != NULL)
		ocs_config_report_restart(config, part, report, arg);
	talloc_free(config);
	talloc_free(part);
	talloc_free(text);
	return 0;
}
