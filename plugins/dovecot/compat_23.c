/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Dovecot 2.3: see compat.h. Settings are texts of plugin { }. */
#include "lib.h"
#include "http-client.h"
#include "iostream-ssl.h"
#include "mail-user.h"
#include "notify-plugin.h"
#include "settings-parser.h"
#include "strfuncs.h"

#include "compat.h"
#include "spool.h"

const bool ocs_compat_expands_percent = TRUE;

bool ocs_compat_begins(const char *text, const char *prefix)
{
	return str_begins(text, prefix);
}

void ocs_compat_notify_unregister(struct notify_context **notify)
{
	notify_unregister(*notify);
	*notify = NULL;
}

static const char *text(struct mail_user *user, const char *name, const char *default_text)
{
	const char *value = mail_user_plugin_getenv(user, name);

	return value == NULL ? default_text : value;
}

int ocs_compat_settings(struct mail_user *user, struct ocs_raw_settings *raw_r,
                        const char **error_r)
{
	const char *value, *error;

	i_zero(raw_r);
	raw_r->transport = text(user, "ocsmanager_transport", "");
	raw_r->socket = text(user, "ocsmanager_socket", "");
	raw_r->url = text(user, "ocsmanager_url", "");
	raw_r->mechanism = text(user, "ocsmanager_mechanism", "");
	raw_r->backend = text(user, "ocsmanager_backend", "");
	raw_r->user_format = text(user, "ocsmanager_user_format", "");
	raw_r->public_user = text(user, "ocsmanager_public_user", OCS_PUBLIC_USER_DEFAULT);
	raw_r->events = text(user, "ocsmanager_events", OCS_EVENTS_ALL);
	raw_r->spool = text(user, "ocsmanager_spool", OCS_SPOOL_DEFAULT);
	raw_r->ca = text(user, "ocsmanager_ca", "");
	raw_r->counts = strcasecmp(text(user, "ocsmanager_counts", "yes"), "no") != 0;
	/* as it stands in the file, so that a % is seen and refused */
	value = mail_user_set_plugin_getenv(user->unexpanded_set, "ocsmanager_credentials");
	raw_r->credentials = value == NULL ? "" : value;
	raw_r->queue_max = OCS_QUEUE_MAX_DEFAULT;
	value = text(user, "ocsmanager_queue_max", NULL);
	if (value != NULL && str_to_uint(value, &raw_r->queue_max) < 0) {
		*error_r = "ocsmanager_queue_max is not a number";
		return -1;
	}
	value = text(user, "ocsmanager_timeout", NULL);
	if (value != NULL && settings_get_time_msecs(value, &raw_r->timeout_msecs, &error) < 0) {
		*error_r = t_strdup_printf("ocsmanager_timeout: %s", error);
		return -1;
	}
	return 0;
}

struct http_client *ocs_compat_client(const struct ocs_client_settings *set)
{
	struct http_client_settings http = {
	        .dns_client_socket_path = set->dns_socket,
	        .user_agent = "ocsmanager-dovecot",
	        .max_idle_time_msecs = set->idle_msecs,
	        .max_parallel_connections = 1,
	        .max_pipelined_requests = 1,
	        .no_auto_redirect = TRUE,
	        .no_auto_retry = TRUE,
	        /* retries, their order and their pace are report.c's */
	        .max_attempts = 1,
	        .max_connect_attempts = 1,
	        .connect_backoff_time_msecs = 1,
	        .connect_backoff_max_time_msecs = 1,
	        .request_timeout_msecs = set->timeout_msecs,
	        .request_absolute_timeout_msecs = set->timeout_msecs,
	        .connect_timeout_msecs = set->timeout_msecs,
	        .response_hdr_limits = {.max_size = 16 * 1024, .max_fields = 100},
	};
	struct ssl_iostream_settings ssl = {
	        .ca_file = *set->ca == '\0' ? NULL : set->ca,
	        .ca_dir = *set->ca == '\0' ? "/etc/ssl/certs" : NULL,
	        .min_protocol = "TLSv1.2",
	        .verify_remote_cert = TRUE,
	        .skip_crl_check = TRUE,
	};

	if (set->tls)
		http.ssl = &ssl;
	return http_client_init_private(&http);
}
