/* Reads the plugin's settings of one user: see ocsmanager-plugin.h. */
#include "lib.h"
#include "http-url.h"
#include "mail-user.h"
#include "mail-storage-settings.h"
#include "net.h"
#include "settings-parser.h"

#include "ocsmanager-plugin.h"
#include "report.h"

#include <sys/un.h>

/* no name that anybody logs in under */
#define PUBLIC_USER_DEFAULT "@public"

#define QUEUE_MAX_DEFAULT     1000
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
static int read_http(struct mail_user *user, struct ocs_report_settings *set, const char **error_r)
{
	const char *value;

	set->url = mail_user_plugin_getenv(user, "ocsmanager_url");
	if (set->url == NULL || *set->url == '\0')
		set->url = "http://127.0.0.1:5000";
	/* as it stands in the file, so that a % is seen and refused */
	set->credentials =
	        mail_user_set_plugin_getenv(user->unexpanded_set, "ocsmanager_credentials");
	if (set->credentials == NULL || *set->credentials == '\0') {
		*error_r = "ocsmanager_credentials is not set";
		return -1;
	}
	value = mail_user_plugin_getenv(user, "ocsmanager_mechanism");
	if (value != NULL && ocs_mechanism_parse(value, &set->mechanism) < 0) {
		*error_r = "ocsmanager_mechanism: SCRAM-SHA-256, SSHA or PLAIN";
		return -1;
	}
	set->ca_file = mail_user_plugin_getenv(user, "ocsmanager_ca");
	if (set->ca_file != NULL && *set->ca_file == '\0')
		set->ca_file = NULL;
	return check_url(set->url, set->mechanism, error_r);
}

/* To the daemon of this host, which hands everything to RabbitMQ. */
static int read_amqp(struct mail_user *user, struct ocs_report_settings *set, const char **error_r)
{
	set->socket = mail_user_plugin_getenv(user, "ocsmanager_socket");
	if (set->socket == NULL || *set->socket == '\0')
		set->socket = "/run/ocsmanager/ocsmanager.sock";
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
static int read_connection(struct mail_user *user, const char **error_r)
{
	struct ocs_report_settings set = {
	        .queue_max = QUEUE_MAX_DEFAULT,
	        .mechanism = OCS_MECH_SCRAM_SHA_256,
	};
	const char *value, *error;
	bool amqp = FALSE;

	value = mail_user_plugin_getenv(user, "ocsmanager_transport");
	if (value != NULL && *value != '\0') {
		amqp = strcasecmp(value, "amqp") == 0;
		if (!amqp && strcasecmp(value, "http") != 0) {
			*error_r = "ocsmanager_transport: http or amqp";
			return -1;
		}
	}
	set.timeout_msecs = amqp ? TIMEOUT_AMQP_MSECS : TIMEOUT_DEFAULT_MSECS;
	value = mail_user_plugin_getenv(user, "ocsmanager_queue_max");
	if (value != NULL && (str_to_uint(value, &set.queue_max) < 0 || set.queue_max < 1 ||
	                      set.queue_max > QUEUE_MAX_LIMIT)) {
		*error_r = t_strdup_printf("ocsmanager_queue_max: 1 to %u", QUEUE_MAX_LIMIT);
		return -1;
	}
	value = mail_user_plugin_getenv(user, "ocsmanager_timeout");
	if (value != NULL && (settings_get_time_msecs(value, &set.timeout_msecs, &error) < 0 ||
	                      set.timeout_msecs < 1 || set.timeout_msecs > TIMEOUT_LIMIT_MSECS)) {
		*error_r = "ocsmanager_timeout: 1ms to 60s";
		return -1;
	}
	if ((amqp ? read_amqp : read_http)(user, &set, error_r) < 0)
		return -1;
	set.dns_socket = t_strconcat(user->set->base_dir, "/dns-client", NULL);
	set.oneshot = strcmp(user->service, "lda") == 0;
	return ocs_report_init(&set, error_r);
}

int ocs_settings_read(struct mail_user *user, struct ocs_user **ctx_r, const char **error_r)
{
	struct ocs_user *ctx = p_new(user->pool, struct ocs_user, 1);
	const char *value;

	*ctx_r = NULL;
	value = mail_user_plugin_getenv(user, "ocsmanager_events");
	if (value == NULL)
		ctx->kinds = (1U << OCS_KINDS) - 1;
	else if (parse_kinds(value, &ctx->kinds, error_r) < 0)
		return -1;
	if (ctx->kinds == 0)
		return 0;
	value = mail_user_plugin_getenv(user, "ocsmanager_backend");
	ctx->backend = value == NULL || *value == '\0' ? "dovecot" : value;
	value = mail_user_plugin_getenv(user, "ocsmanager_user_format");
	ctx->username = value == NULL || *value == '\0' ? user->username : value;
	value = mail_user_plugin_getenv(user, "ocsmanager_public_user");
	ctx->public_user = value == NULL ? PUBLIC_USER_DEFAULT : value;
	value = mail_user_plugin_getenv(user, "ocsmanager_counts");
	ctx->counts = value == NULL || strcasecmp(value, "no") != 0;
	ctx->delivering = strcmp(user->service, "lmtp") == 0 || strcmp(user->service, "lda") == 0;
	if (read_connection(user, error_r) < 0)
		return -1;
	*ctx_r = ctx;
	return 0;
}
