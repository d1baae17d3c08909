/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The HTTP side of the daemon: puts the listeners, the guards, the workers together; start, reload,
 * stop. */
#include "ocsmanager/service.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <talloc.h>

#include "notify/dispatch.h"
#include "config/config.h"
#include "config/descriptors.h"
#include "ocsmanager/http_request.h"
#include "http/room.h"
#include "ocsmanager/http_workers.h"
#include "base/log.h"
#include "base/plural.h"
#include "ocsmanager/operations.h"
#include "http/listen.h"
#include "http/local_socket.h"
#include "http/proxies.h"
#include "http/tls.h"
#include "ocsmanager/certificates.h"
#include "ocsmanager/report_socket.h"

#define WORKER_THREADS     2
#define OPERATIONS_TIMEOUT 30 /* seconds */

/* The parts of stopping that wait; with the closing of connections it all fits into 5 s. */
#define STOP_ANSWERS_MS 3000
#define STOP_SENDING_MS 500
#define STOP_STEP_MS    5

struct ocs_service {
	struct ocs_http_server server;
	struct ocs_http_guard *operations_guard;
	struct ocs_tls *web_tls, *operations_tls; /* NULL: without TLS */
	struct ocs_http_proxies *proxies;         /* NULL: none is believed */
	struct ocs_listener web, operations;
	struct ocs_listener near;  /* the local socket; not started where there is none */
	struct ocs_listener inner; /* that of MAPI servers */
	struct ocs_local_socket *local;
	struct ocs_report_socket *reports;
	struct ocs_descriptors share;
};

struct ocs_auth_limits *ocs_service_limits(const struct ocs_config *config, const void *mem_ctx,
                                           struct ocs_error *error)
{
	struct ocs_auth_limits *limits = ocs_auth_limits_new(mem_ctx);

	if (limits == NULL) {
		ocs_error_memory(error);
		return NULL;
	}
	ocs_auth_limits_set_fold(limits, config->main.name_case == OCS_CONFIG_CASE_FOLD);
	for (size_t i = 0; i < config->n_accounts; i++) {
		const struct ocs_config_account *account = &config->accounts[i];

		if (ocs_auth_limits_add(limits, account->name, account->backends, account->users,
		                        error) != 0) {
			talloc_free(limits);
			return NULL;
		}
	}
	return limits;
}

static struct ocs_http_settings *make_settings(const struct ocs_config *config,
                                               struct ocs_error *error)
{
	struct ocs_http_settings *settings = calloc(1, sizeof(*settings));

	if (settings == NULL) {
		ocs_error_memory(error);
		return NULL;
	}
	settings->limits = ocs_service_limits(config, NULL, error);
	if (settings->limits == NULL) {
		free(settings);
		return NULL;
	}
	atomic_store(&settings->references, 1);
	settings->max_body = config->server.max_body;
	settings->max_batch = config->server.max_batch;
	settings->request_deadline = config->limits.request_deadline;
	return settings;
}

/* Why an address must be one of loopback; NULL: it may be any. */
static const char *plain_reason(const struct ocs_tls *tls, unsigned plain_http)
{
	return tls != NULL || plain_http ? NULL : OCS_SERVICE_NOT_PLAIN;
}

static int start_listeners(struct ocs_service *service, const struct ocs_config *config,
                           struct ocs_error *error)
{
	const struct ocs_listener_settings web = {
	        .host = config->server.host,
	        .port = config->server.port,
	        .loopback = plain_reason(service->web_tls, config->server.plain_http),
	        .tls = service->web_tls,
	        .threads = config->server.threads,
	        .connection_limit = service->share.connections,
	        .connections_per_user = config->limits.connections_per_address,
	        .proxies = service->proxies,
	        .timeout = config->server.keepalive_timeout,
	        .door = OCS_HTTP_DOOR_ADDRESS,
	        .guard = service->server.guard,
	        .handle = ocs_http_handle,
	        .completed = ocs_http_completed,
	        .arg = &service->server,
	};
	struct ocs_listener_settings near = web, inner;
	const struct ocs_listener_settings operations = {
	        .host = config->operations.host,
	        .port = config->operations.port,
	        .loopback = plain_reason(service->operations_tls, config->operations.plain_http),
	        .tls = service->operations_tls,
	        .threads = 1,
	        .connection_limit = service->share.operations,
	        .timeout = OPERATIONS_TIMEOUT,
	        .guard = service->operations_guard,
	        .handle = ocs_operations_handle,
	        .completed = ocs_operations_completed,
	        .arg = &service->server,
	};

	if (ocs_listener_start(&operations, &service->operations, error) != 0)
		return -1;
	if (ocs_listener_start(&web, &service->web, error) != 0)
		return -1;
	near.tls = NULL; /* what the kernel hands over nobody reads on the way */
	near.proxies = NULL;
	inner = near;
	if (service->local != NULL) {
		near.local = ocs_local_socket_path(service->local);
		near.local_fd = ocs_local_socket_take(service->local);
		near.door = OCS_HTTP_DOOR_SOCKET;
		if (ocs_listener_start(&near, &service->near, error) != 0)
			return -1;
	}
	if (service->reports == NULL)
		return 0;
	inner.local = ocs_report_socket_path(service->reports);
	inner.local_fd = ocs_report_socket_take(service->reports);
	inner.door = OCS_HTTP_DOOR_REPORTS;
	inner.threads = 1;
	inner.connection_limit = service->share.reports;
	/* All processes of a server are one user. */
	inner.connections_per_user = 0;
	return ocs_listener_start(&inner, &service->inner, error);
}

/* Frees what there is of a service whose listeners have stopped. */
static void free_service(struct ocs_service *service)
{
	struct ocs_http_settings *settings;

	if (service->server.workers != NULL)
		ocs_http_workers_stop(service->server.workers);
	if (service->server.askers != NULL)
		ocs_http_workers_stop(service->server.askers);
	ocs_http_guard_stop(service->server.guard);
	ocs_http_guard_stop(service->operations_guard);
	ocs_tls_free(service->web_tls);
	ocs_tls_free(service->operations_tls);
	free(service->proxies);
	settings = atomic_load(&service->server.settings);
	if (settings != NULL)
		ocs_http_settings_release(settings);
	pthread_mutex_destroy(&service->server.lock);
	free(service->server.registry);
	free(service);
}

/* Not a reason to be unwell: whoever has a token goes on. */
static void look_at_directory(struct ocs_service *service)
{
	struct ocs_health *health = ocs_dispatch_health_of(service->server.dispatch);
	struct ocs_error why;

	if (ocs_auth_away(service->server.auth, &why))
		ocs_health_set(health, OCS_HEALTH_DIRECTORY, OCS_HEALTH_WARNING,
		               "no new logins: the directory cannot be asked: %.400s", why.text);
	else
		ocs_health_set(health, OCS_HEALTH_DIRECTORY, OCS_HEALTH_WELL, NULL);
}

static void service_tell_descriptors(void *health, const char *scarce)
{
	if (scarce != NULL)
		ocs_health_set(health, OCS_HEALTH_DESCRIPTORS, OCS_HEALTH_UNWELL, "%s", scarce);
	else
		ocs_health_set(health, OCS_HEALTH_DESCRIPTORS, OCS_HEALTH_WELL, NULL);
}

static void service_tell_no_memory(void *health)
{
	ocs_health_no_memory(health);
}

static int start_guards(struct ocs_service *service, const struct ocs_config *config,
                        struct ocs_error *error)
{
	struct ocs_http_server *server = &service->server;
	const struct ocs_http_room_settings web = {
	        .connections = service->share.connections,
	        .per_address = config->limits.connections_per_address,
	        .local_connections = service->share.reports +
	                             (service->local != NULL ? service->share.connections : 0),
	        .key = "[server:main] connection_limit",
	        .tell = service_tell_descriptors,
	        .no_memory = service_tell_no_memory,
	        .arg = ocs_dispatch_health_of(server->dispatch),
	        .counters = &server->metrics.connections,
	};
	const struct ocs_http_room_settings operations = {
	        .connections = service->share.operations,
	        .key = "[operations]",
	        .kept = true,
	        .counters = &server->metrics.connections,
	};
	unsigned deadline = config->limits.request_deadline;

	return ocs_http_guard_start(&web, deadline, &server->guard, error) != 0 ||
	                       ocs_http_guard_start(&operations, deadline,
	                                            &service->operations_guard, error) != 0
	               ? -1
	               : 0;
}

static int prepare_tls(struct ocs_service *service, const struct ocs_config *config,
                       struct ocs_error *error)
{
	struct ocs_certificates read;

	if (ocs_certificates_read(config, ocs_log_report, NULL, &read, error) != 0)
		return -1;
	if (read.web != NULL && (service->web_tls = ocs_tls_new(read.web)) == NULL) {
		ocs_tls_keys_release(read.operations);
		return ocs_error_memory(error);
	}
	if (read.operations != NULL &&
	    (service->operations_tls = ocs_tls_new(read.operations)) == NULL)
		return ocs_error_memory(error);
	return 0;
}

static int prepare_proxies(struct ocs_service *service, const struct ocs_config *config,
                           struct ocs_error *error)
{
	if (config->server.proxies == NULL)
		return 0;
	service->proxies = ocs_http_proxies_new(
	        config->server.proxies, (enum ocs_http_proxy_header)config->server.proxy_header,
	        error);
	return service->proxies != NULL ? 0 : -1;
}

static int prepare(struct ocs_service *service, const struct ocs_config *config,
                   struct ocs_error *error)
{
	struct ocs_http_server *server = &service->server;
	struct ocs_http_settings *settings;

	server->registry = realpath(config->main.registry, NULL);
	if (server->registry == NULL)
		server->registry = strdup(config->main.registry);
	if (server->registry == NULL)
		return ocs_error_memory(error);
	settings = make_settings(config, error);
	atomic_store(&server->settings, settings);
	if (settings == NULL || ocs_descriptors_share(config, &service->share, error) != 0 ||
	    prepare_tls(service, config, error) != 0 ||
	    prepare_proxies(service, config, error) != 0 ||
	    start_guards(service, config, error) != 0 ||
	    ocs_http_workers_start(1, &server->workers, error) != 0 ||
	    ocs_http_workers_start(ocs_auth_askers(server->auth), &server->askers, error) != 0)
		return -1;
	return 0;
}

/* One is there. All other threads of the daemon are needed for anything to be delivered, and
 * without them it does not start; later on it starts none. */
static void fill_workers(struct ocs_service *service)
{
	struct ocs_health *health = ocs_dispatch_health_of(service->server.dispatch);
	struct ocs_error error;

	if (ocs_http_workers_fill(service->server.workers, WORKER_THREADS, &error) == 0)
		ocs_health_set(health, OCS_HEALTH_THREADS, OCS_HEALTH_WELL, NULL);
	else
		ocs_health_set(health, OCS_HEALTH_THREADS, OCS_HEALTH_WARNING,
		               "%s: logins take longer", error.text);
}

/* A daemon that nobody tells of a renewed certificate must say so in time. */
static void look_at_certificates(struct ocs_service *service)
{
	struct ocs_health *health = ocs_dispatch_health_of(service->server.dispatch);
	const char *section = "server:main", *key = NULL;
	char text[100];

	if (service->web_tls != NULL)
		key = ocs_tls_doubt(service->web_tls, text, sizeof(text));
	if (key == NULL && service->operations_tls != NULL) {
		section = "operations";
		key = ocs_tls_doubt(service->operations_tls, text, sizeof(text));
	}
	if (key != NULL)
		ocs_health_set(health, OCS_HEALTH_CERTIFICATE, OCS_HEALTH_WARNING,
		               "[%s] %s: %s: renew it, then `ocsctl reload`", section, key, text);
	else
		ocs_health_set(health, OCS_HEALTH_CERTIFICATE, OCS_HEALTH_WELL, NULL);
}

void ocs_service_tick(struct ocs_service *service)
{
	look_at_certificates(service);
	if (ocs_health_state(ocs_dispatch_health_of(service->server.dispatch),
	                     OCS_HEALTH_THREADS) != OCS_HEALTH_WELL)
		fill_workers(service);
	look_at_directory(service);
}

int ocs_service_start(const struct ocs_config *config, struct ocs_auth *auth,
                      struct ocs_dispatch *dispatch, struct ocs_link *link,
                      struct ocs_local_socket *local, struct ocs_report_socket *reports,
                      struct ocs_service **out, struct ocs_error *error)
{
	struct ocs_service *service = calloc(1, sizeof(*service));

	if (service == NULL)
		return ocs_error_memory(error);
	pthread_mutex_init(&service->server.lock, NULL);
	service->server.auth = auth;
	service->server.dispatch = dispatch;
	service->server.link = link;
	service->local = local;
	service->reports = reports;
	ocs_metrics_start(&service->server.metrics);
	if (prepare(service, config, error) != 0) {
		free_service(service);
		return -1;
	}
	if (start_listeners(service, config, error) != 0) {
		ocs_listener_stop(&service->web);
		ocs_listener_stop(&service->near);
		ocs_listener_stop(&service->operations);
		free_service(service);
		return -1;
	}
	fill_workers(service);
	ocs_log(LOG_NOTICE, "operations on %s%s", service->operations.address,
	        service->operations_tls != NULL ? " with TLS" : "");
	if (local != NULL)
		ocs_log(LOG_NOTICE, "local socket %s", ocs_local_socket_path(local));
	ocs_log(LOG_NOTICE, "listening on %s%s", service->web.address,
	        service->web_tls != NULL ? " with TLS" : "");
	*out = service;
	return 0;
}

/* To begin or end with TLS takes a restart. */
static void take_keys(struct ocs_tls *tls, struct ocs_tls_keys **keys)
{
	if (tls == NULL || *keys == NULL)
		return;
	ocs_tls_replace(tls, *keys);
	*keys = NULL;
}

int ocs_service_prepare(struct ocs_service *service, const struct ocs_config *config,
                        unsigned askers, struct ocs_http_settings **settings_r,
                        struct ocs_error *error)
{
	*settings_r = make_settings(config, error);
	if (*settings_r == NULL)
		return -1;
	/* Accounts may be in a directory now that were not. */
	if (ocs_http_workers_fill(service->server.askers, askers, error) == 0)
		return 0;
	ocs_http_settings_release(*settings_r);
	*settings_r = NULL;
	return -1;
}

void ocs_service_reload(struct ocs_service *service, const struct ocs_config *config,
                        struct ocs_http_settings *settings, struct ocs_certificates *certificates)
{
	struct ocs_http_settings *old;

	pthread_mutex_lock(&service->server.lock);
	old = atomic_exchange(&service->server.settings, settings);
	pthread_mutex_unlock(&service->server.lock);
	ocs_http_settings_release(old);
	take_keys(service->web_tls, &certificates->web);
	take_keys(service->operations_tls, &certificates->operations);
	ocs_http_guard_deadline(service->server.guard, config->limits.request_deadline);
	ocs_http_guard_deadline(service->operations_guard, config->limits.request_deadline);
}

const char *ocs_service_address(const struct ocs_service *service)
{
	return service->web.address;
}

const char *ocs_service_operations_address(const struct ocs_service *service)
{
	return service->operations.address;
}

/* Until no request is at work or being answered, or the time is over. */
static void wait_until_quiet(struct ocs_service *service, int limit_ms)
{
	const struct timespec step = {0, STOP_STEP_MS * 1000000L};

	for (int waited = 0;
	     waited < limit_ms && ocs_http_guard_busy(service->server.guard, true) > 0;
	     waited += STOP_STEP_MS)
		nanosleep(&step, NULL);
}

int ocs_service_stop(struct ocs_service *service)
{
	unsigned hang;

	if (service == NULL)
		return 0;
	atomic_store(&service->server.stopping, true);
	ocs_listener_quiesce(&service->web);
	ocs_listener_quiesce(&service->near);
	ocs_listener_quiesce(&service->inner);
	if (service->local != NULL)
		ocs_local_socket_remove(service->local);
	if (service->reports != NULL)
		ocs_report_socket_remove(service->reports);
	wait_until_quiet(service, STOP_ANSWERS_MS);
	ocs_auth_interrupt(service->server.auth);
	ocs_http_abandon_all(&service->server);
	wait_until_quiet(service, STOP_SENDING_MS);
	/* Their connections are suspended, with which libmicrohttpd cannot be stopped. */
	hang = ocs_http_guard_busy(service->server.guard, false);
	if (hang > 0) {
		ocs_log(LOG_ERR, "%u %s abandoned", hang,
		        ocs_plural(hang, "request hangs and is", "requests hang and are"));
		/* What both ask is about to go. */
		ocs_listener_stop(&service->operations);
		ocs_http_guard_tell_nobody(service->server.guard);
		return -1;
	}
	ocs_http_wait_finished(&service->server);
	ocs_listener_stop(&service->web);
	ocs_listener_stop(&service->near);
	ocs_listener_stop(&service->inner);
	ocs_listener_stop(&service->operations);
	ocs_http_wait_finished(&service->server);
	free_service(service);
	return 0;
}
