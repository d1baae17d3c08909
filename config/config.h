/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The configuration: what ocsmanager.ini says, checked, with every default filled in.
 *
 * The keys are rows of one table (config/keys.c); members here have the names of their keys.
 * Times are whole seconds unless the comment says otherwise. Everything a struct ocs_config points
 * to hangs on it (talloc), so that talloc_free() of it frees all. After loading it is read-only and
 * may be read from any thread. Paths are absolute: a relative one in the ini is taken from the
 * folder of the ini. A string whose key is optional and not set is NULL; a word key is the enum.
 */
#ifndef OCS_CONFIG_CONFIG_H
#define OCS_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/fold.h"
#include "base/log.h"

/* libmicrohttpd, 0.9.75 and 1.0.1, stalls with 128 connections in one thread: no thread gets this
 * many. */
#define OCS_CONFIG_THREAD_CONNECTIONS 120

enum ocs_config_auth { OCS_CONFIG_AUTH_SINGLE, OCS_CONFIG_AUTH_FILE, OCS_CONFIG_AUTH_LDAP };

enum ocs_config_case { OCS_CONFIG_CASE_EXACT, OCS_CONFIG_CASE_FOLD };

enum ocs_config_unknown { OCS_CONFIG_UNKNOWN_ACCEPT, OCS_CONFIG_UNKNOWN_REFUSE };

enum ocs_config_names { OCS_CONFIG_NAMES_UTF8, OCS_CONFIG_NAMES_UTF7 };

struct ocs_config_backend {
	const char *name; /* lower case */
	const char *uri;  /* a template, checked by ocs_uri_check() */
	/* Of folders in JSON documents. */
	const char *separator; /* one character */
	unsigned names;        /* enum ocs_config_names */
};

struct ocs_config_account {
	const char *name;
	/* Comma-separated patterns, `*` is any run of characters. NULL: not set, no limit; "":
	 * none. */
	const char *backends;
	const char *users;
};

struct ocs_ini;
struct ocs_link_settings;

struct ocs_config {
	const char *path;          /* the ini itself, absolute */
	const struct ocs_ini *ini; /* its lines, for what is found wrong later */

	struct {
		unsigned auth; /* enum ocs_config_auth */
		const char *registry;
		unsigned log_level;      /* a syslog(3) priority, LOG_ERR to LOG_DEBUG */
		const char *user;        /* NULL: as started */
		const char *group;       /* NULL: as started, or the user's own group */
		const char *secret_file; /* never NULL: its default is in the registry's private
		                            folder */
		unsigned dedupe_window;
		unsigned challenge_ttl;
		unsigned token_ttl;
		const char *mechanisms; /* comma-separated, of SCRAM-SHA-256, SSHA, PLAIN */
		unsigned replica_id;    /* 1 to 65535 */
		unsigned identifiers;   /* 0 own, 1 host */
		unsigned index_limit;   /* MiB */
		unsigned sync;          /* enum ocs_sync of notify/dispatch.h */
		unsigned name_case;     /* [main] case: enum ocs_config_case */
		unsigned unknown;       /* enum ocs_config_unknown */
		unsigned unknown_users;
		const char *openchangedb; /* NULL: none */
	} main;

	struct {
		const char *username, *password; /* never NULL when main.auth is single */
		unsigned password_line;          /* where it stands in the ini */
	} auth_single;

	struct {
		const char *file; /* never NULL when main.auth is file */
	} auth_file;

	struct {
		const char *host, *basedn; /* never NULL when main.auth is ldap */
		unsigned port;
		unsigned start_tls;  /* 0 or 1 */
		const char *ca_file; /* NULL: the system's */
		const char *bind_dn; /* NULL: anonymous */
		const char *bind_pw; /* with bind_dn: one of these */
		const char *bind_pw_file;
		const char *filter, *attrs;
		unsigned timeout; /* seconds */
		unsigned connections;
		unsigned recheck; /* seconds */
	} auth_ldap;

	struct {
		const char *host;
		unsigned port;             /* 0: any free one */
		unsigned threads;          /* never 0: the default is worked out */
		unsigned max_body;         /* bytes */
		unsigned max_batch;        /* notifications */
		unsigned connection_limit; /* below OCS_CONFIG_THREAD_CONNECTIONS x threads */
		unsigned keepalive_timeout;
		const char *socket;             /* AF_UNIX, in addition; NULL: none */
		const char *socket_group;       /* NULL: the daemon's */
		const char *tls_cert, *tls_key; /* both or neither: NULL */
		const char *tls_client_ca;      /* NULL: clients are not asked for certificates */
		const char *tls_client_crl;     /* NULL: what is revoked is not known */
		unsigned plain_http;            /* 0: beyond loopback TLS only */
		const char *proxies;            /* comma-separated networks, checked; NULL: none */
		unsigned proxy_header;          /* enum ocs_http_proxy_header */
	} server;

	struct {
		unsigned failed_logins;
		unsigned failure_window;
		unsigned request_deadline;
		unsigned connections_per_address;
		unsigned pending_challenges;
	} limits;

	struct {
		const char *host;
		unsigned port;                  /* 0: any free one */
		const char *tls_cert, *tls_key; /* both or neither: NULL */
		unsigned plain_http;            /* 0: beyond loopback TLS only */
	} operations;

	struct {
		unsigned max_messages;
		unsigned message_size; /* bytes, at least OCS_ENTRY_SIZE_MAX */
		unsigned spill_max;    /* entries a queue */
		unsigned spill_total;  /* entries over all queues */
		unsigned descriptors;  /* queue descriptors the daemon keeps open */
	} mqueue;

	struct {
		unsigned interval;
	} push;

	struct {
		const char *map;     /* file of the user map; NULL: none */
		const char *domains; /* comma-separated, `*` is any; NULL: none */
		/* attributes; NULL: no users of a directory, as ldap_user, no aliases */
		const char *ldap_user, *ldap_backend_user, *ldap_alias;
		const char *ldap_filter; /* NULL: whoever has ldap_user */
		const char *ldap_basedn; /* NULL: that of [auth:ldap] */
		unsigned ldap_refresh;   /* seconds */
	} users;

	struct ocs_link_settings *rabbitmq; /* of cluster/settings.h; see ocs_config_link() */

	size_t n_backends;
	struct ocs_config_backend *backends;
	char **backend_names; /* the same names, NULL-terminated */
	char **backend_uris;  /* their URI templates, in the same order */

	size_t n_accounts;
	struct ocs_config_account *accounts;
};

/* Told of each problem: priority is LOG_ERR or LOG_WARNING of syslog(3), text is "FILE:LINE: what"
 * ("FILE: what" where no line is to blame) and never holds a password. */

/* Reads the file and reports every problem, not only the first. 0 and *config_r (allocated on
 * mem_ctx) if there was no error; warnings do not count. -1 otherwise. report may be NULL. */
int ocs_config_load(const char *path, const void *mem_ctx, ocs_report_fn *report, void *arg,
                    struct ocs_config **config_r);

/* The same for a tool that needs these sections only (NULL-terminated): an error in another one is
 * a warning, and so is a required key that is missing, wherever. Any string may be NULL then. */
int ocs_config_load_part(const char *path, const void *mem_ctx, const char *const *sections,
                         ocs_report_fn *report, void *arg, struct ocs_config **config_r);

/* What a key that is a number is without an ini. */
unsigned ocs_config_default(const char *section, const char *key);

/* The account's limits, or NULL: no [account:NAME] section, so no limits. */
const struct ocs_config_account *ocs_config_account(const struct ocs_config *config,
                                                    const char *name);

/* [main] case and [users] domains, which are cut to what fits: the daemon refuses longer ones. */
void ocs_config_name_rule(const struct ocs_config *config, struct ocs_name_rule *out);

/* Reports each key whose change takes a restart, as a warning. */
void ocs_config_report_restart(const struct ocs_config *running, const struct ocs_config *loaded,
                               ocs_report_fn *report, void *arg);

/* The shipped ocsmanager.ini: every section and key with its help, defaults as comments. */
void ocs_config_print_ini(FILE *out);
/* The sections and keys as the body of ocsmanager.ini(5), in mdoc. */
void ocs_config_print_man(FILE *out);

#endif
