/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Dovecot 2.4: see compat.h. Settings are a structure that settings_get() fills. */
#include "lib.h"
#include "http-client.h"
#include "iostream-ssl.h"
#include "mail-user.h"
#include "notify-plugin.h"
#include "settings.h"
#include "settings-parser.h"

#include "compat.h"
#include "settings_24.h"

/* credentials are a setting without variables */
const bool ocs_compat_expands_percent = FALSE;

bool ocs_compat_begins(const char *text, const char *prefix)
{
	return str_begins_with(text, prefix);
}

void ocs_compat_notify_unregister(struct notify_context **notify)
{
	notify_unregister(notify);
}

int ocs_compat_settings(struct mail_user *user, struct ocs_raw_settings *raw_r,
                        const char **error_r)
{
	const struct ocs_raw_settings *set;

	if (settings_get(user->event, &ocs_setting_parser_info, 0, &set, error_r) < 0) {
		*error_r = "the settings cannot be read (is libocsmanager_settings.so in "
		           "Dovecot's modules/settings?)";
		return -1;
	}
	*raw_r = *set;
	raw_r->transport = p_strdup(user->pool, set->transport);
	raw_r->socket = p_strdup(user->pool, set->socket);
	raw_r->url = p_strdup(user->pool, set->url);
	raw_r->mechanism = p_strdup(user->pool, set->mechanism);
	raw_r->backend = p_strdup(user->pool, set->backend);
	raw_r->user_format = p_strdup(user->pool, set->user_format);
	raw_r->public_user = p_strdup(user->pool, set->public_user);
	raw_r->credentials = p_strdup(user->pool, set->credentials);
	raw_r->events = p_strdup(user->pool, set->events);
	raw_r->spool = p_strdup(user->pool, set->spool);
	raw_r->ca = p_strdup(user->pool, set->ca);
	raw_r->pool = user->pool;
	settings_free(set);
	return 0;
}

struct http_client *ocs_compat_client(const struct ocs_client_settings *set)
{
	/* lib-http keeps a reference to the pool: settings on the stack would end the process */
	pool_t pool = pool_alloconly_create("ocsmanager http", 1024);
	struct http_client_settings *http = p_new(pool, struct http_client_settings, 1);
	struct http_client *client;

	http_client_settings_init(pool, http);
	http->dns_client_socket_path = p_strdup(pool, set->dns_socket);
	http->user_agent = "ocsmanager-dovecot";
	http->max_idle_time_msecs = set->idle_msecs;
	http->max_parallel_connections = 1;
	http->max_pipelined_requests = 1;
	http->auto_redirect = FALSE;
	http->auto_retry = FALSE;
	/* retries, their order and their pace are report.c's */
	http->request_max_attempts = 1;
	http->max_connect_attempts = 0; /* each address once */
	http->connect_backoff_time_msecs = 1;
	http->connect_backoff_max_time_msecs = 1;
	http->request_timeout_msecs = set->timeout_msecs;
	http->request_absolute_timeout_msecs = set->timeout_msecs;
	http->connect_timeout_msecs = set->timeout_msecs;
	http->response_hdr_max_size = 16 * 1024;
	http->response_hdr_max_fields = 100;
	client = http_client_init_private(http, NULL);
	if (set->tls) {
		struct ssl_iostream_settings *ssl = p_new(pool, struct ssl_iostream_settings, 1);

		ssl->pool = pool;
		ssl->min_protocol = "TLSv1.2";
		ssl->skip_crl_check = TRUE;
		if (*set->ca == '\0')
			ssl->ca_dir = "/etc/ssl/certs";
		else
			settings_file_get(p_strdup(pool, set->ca), pool, &ssl->ca);
		http_client_set_ssl_settings(client, ssl);
	}
	pool_unref(&pool);
	return client;
}
