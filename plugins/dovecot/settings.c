/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Reads the plugin's settings of one user: see ocsmanager-plugin.h. */
#include "lib.h"
#include "http-url.h"
#include "mail-user.h"
#include "mail-storage-settings.h"
#include "net.h"

#include "compat.h"
#include "ocsmanager-plugin.h"
#include "report.h"

#include <sys/un.h>

#define QUEUE_MAX_LIMIT       1000000
#define TIMEOUT_DEFAULT_MSECS 3000
/* The relay waits for the broker; an answer given up is an event sent twice. */
#define TIMEOUT_AMQP_MSECS  10000
#define TIMEOUT_LIMIT_MSECS 60000
#define SOCKET_PATH_SIZE    sizeof(((struct sockaddr_un *)NULL)->sun_path)

static const char *const kind_names[OCS_KINDS] = {
        "newmail", "created",        "copied",       "moved",          "modified",
        "deleted", "folder-created", "folder-moved", "folder-deleted",
};

static int parse_kinds(const char *value, unsigned int *kinds_r, const char **error_r)
{
	const char *const *name = t_strsplit_spaces(value, " ,");

	*kinds_r = 0;
	for (; *name != NULL; name++) {
		unsigned int i;

		for (i = 0; i < OCS_KINDS && strcmp(*name, kind_names[i]) != 0; i++)
			;
		if (i == OCS_KINDS) {
			*error_r = t_strdup_printf("ocsmanager_events: unknown event '%s'", *name);
			return -1;
		}
		*kinds_r |= 1U << i;
	}
	return 0;
}

static bool is_loopback(const struct http_url *url)
{
	struct ip_addr ip;

	if (strcasecmp(url->host.name, "localhost") == 0)
		return TRUE;
	if (net_addr2ip(url->host.name, &ip) < 0)
		return FALSE;
	return IPADDR_IS_V4(&ip) ? (ntohl(ip.u.ip4.s_addr) >> 24) == 127
	                         : IN6_IS_ADDR_LOOPBACK(&ip.u.ip6);
}

static int check_url(const char *value, enum ocs_mechanism mechanism, const char **error_r)
{
	struct http_url *url;
	const char *error;

	if (http_url_parse(value, NULL, 0, pool_datastack_create(), &url, &error) < 0) {
		*error_r = t_strdup_printf("ocsmanager_url: %s", error);
		return -1;
	}
	if (url->path != NULL && strcmp(url->path, "/") != 0 && *url->path != '\0') {
		*error_r = "ocsmanager_url: only http://HOST:PORT or https://HOST:PORT, no path";
		return -1;
	}
	if (mechanism == OCS_MECH_PLAIN && !url->have_ssl && !is_loopback(url)) {
		*error_r = "ocsmanager_mechanism = PLAIN needs https or a loopback address";
		return -1;
	}
	return 0;
}

/* To a daemon anywhere, by its URL, with a login. */
static int read_http(const struct ocs_raw_settings *raw, struct ocs_report_settings *set,
                     const char **error_r)
{
	set->url = *raw->url == '\0' ? "http://127.0.0.1:5000" : raw->url;
	set->credentials = raw->credentials;
	if (*set->credentials == '\0') {
		*error_r = "ocsmanager_credentials is not set";
		return -1;
	}
	if (*raw->mechanism != '\0' && ocs_mechanism_parse(raw->mechanism, &set->mechanism) < 0) {
		*error_r = "ocsmanager_mechanism: SCRAM-SHA-256, SSHA or PLAIN";
		return -1;
	}
	set->ca = raw->ca;
	return check_url(set->url, set->mechanism, error_r);
}

/* To the daemon of this host, which hands everything to RabbitMQ. */
static int read_amqp(const struct ocs_raw_settings *raw, struct ocs_report_settings *set,
                     const char **error_r)
{
	set->socket = *raw->socket == '\0' ? "/run/ocsmanager/ocsmanager.sock" : raw->socket;
	if (*set->socket != '/' || strlen(set->socket) >= SOCKET_PATH_SIZE) {
		*error_r = t_strdup_printf("ocsmanager_socket: an absolute path of less than %zu "
		                           "bytes",
		                           SOCKET_PATH_SIZE);
		return -1;
	}
	set->url = set->socket;
	return 0;
}

/* The process's connection: taken from the first user whose mail it handles. */
static int read_connection(struct mail_user *user, const struct ocs_raw_settings *raw,
                           const char **error_r)
{
	struct ocs_report_settings set = {
	        .queue_max = raw->queue_max,
	        .mechanism = OCS_MECH_SCRAM_SHA_256,
	        .ca = "",
	        .spool = raw->spool,
	};
	bool amqp = strcasecmp(raw->transport, "amqp") == 0;

	if (!amqp && *raw->transport != '\0' && strcasecmp(raw->transport, "http") != 0) {
		*error_r = "ocsmanager_transport: http or amqp";
		return -1;
	}
	if (set.queue_max < 1 || set.queue_max > QUEUE_MAX_LIMIT) {
		*error_r = t_strdup_printf("ocsmanager_queue_max: 1 to %u", QUEUE_MAX_LIMIT);
		return -1;
	}
	set.timeout_msecs = raw->timeout_msecs != 0 ? raw->timeout_msecs
	                    : amqp                  ? TIMEOUT_AMQP_MSECS
	                                            : TIMEOUT_DEFAULT_MSECS;
	if (set.timeout_msecs > TIMEOUT_LIMIT_MSECS) {
		*error_r = "ocsmanager_timeout: 1ms to 60s";
		return -1;
	}
	if ((amqp ? read_amqp : read_http)(raw, &set, error_r) < 0)
		return -1;
	set.dns_socket = t_strconcat(user->set->base_dir, "/dns-client", NULL);
	set.oneshot = strcmp(user->service, "lda") == 0;
	return ocs_report_init(&set, error_r);
}

int ocs_settings_read(struct mail_user *user, struct ocs_user **ctx_r, const char **error_r)
{
	struct ocs_user *ctx = p_new(user->pool, struct ocs_user, 1);
	struct ocs_raw_settings raw;

	*ctx_r = NULL;
	if (ocs_compat_settings(user, &raw, error_r) < 0 ||
	    parse_kinds(raw.events, &ctx->kinds, error_r) < 0)
		return -1;
	if (ctx->kinds == 0)
		return 0;
	ctx->backend = *raw.backend == '\0' ? "dovecot" : raw.backend;
	ctx->username = *raw.user_format == '\0' ? user->username : raw.user_format;
	ctx->public_user = raw.public_user;
	ctx->counts = raw.counts;
	ctx->delivering = strcmp(user->service, "lmtp") == 0 || strcmp(user->service, "lda") == 0;
	if (read_connection(user, &raw, error_r) < 0)
		return -1;
	*ctx_r = ctx;
	return 0;
}
