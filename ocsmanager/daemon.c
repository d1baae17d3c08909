/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Start, reload and stop of the daemon's parts, in their order of dependence: who serves outlives
 * who asks. Touches what the modules touch, through them.
 */
#include "ocsmanager/daemon.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <talloc.h>

#include "auth/auth.h"
#include "auth/control.h"
#include "auth/limits.h"
#include "cluster/link.h"
#include "mapistore/index.h"
#include "mapistore/usermap.h"
#include "notify/dispatch.h"
#include "registry/registry.h"
#include "config/auth.h"
#include "config/cluster.h"
#include "config/descriptors.h"
#include "base/control_socket.h"
#include "base/log.h"
#include "base/privilege.h"
#include "ocsmanager/certificates.h"
#include "ocsmanager/folder.h"
#include "ocsmanager/http_request.h"
#include "ocsmanager/reload.h"
#include "ocsmanager/report_socket.h"
#include "ocsmanager/service.h"
#include "ocsmanager/users_thread.h"
#include "users/users.h"

struct ocs_daemon {
	struct ocs_config *config;
	const struct ocs_config *started; /* that of the start, which the link goes by */
	const char *private_folder;
	struct ocs_registry *registry;
	struct ocs_index *index;
	struct ocs_auth *auth;
	struct ocs_dispatch *dispatch;
	struct ocs_link *link;
	bool link_hangs;                /* a thread of it does, and uses what started points to */
	struct ocs_local_socket *local; /* the caller's; NULL: none */
	struct ocs_report_socket *reports;
	struct ocs_control_socket *control;
	struct ocs_service *service;
	struct ocs_users_file *users_file;
	struct ocs_users_directory *users_directory; /* NULL: none */
	struct ocs_error users_fault; /* why the users are not what the directory says, or "" */

	pthread_mutex_t limits_lock;
	struct ocs_auth_limits *limits; /* for what comes from the broker */
};

/* started: the configuration of the start, for what a reload does not change. users_path: where
 * libraries find who is who. */
static int dispatch_settings(const struct ocs_config *config, const struct ocs_config *started,
                             const char *users_path, struct ocs_dispatch_settings *out,
                             struct ocs_error *error)
{
	struct ocs_descriptors share;

	if (ocs_descriptors_share(config, &share, error) < 0)
		return -1;
	*out = (struct ocs_dispatch_settings){
	        .sync = (enum ocs_sync)config->main.sync,
	        .dedupe_window = config->main.dedupe_window,
	        .request_deadline = config->limits.request_deadline,
	        .spill_max = config->mqueue.spill_max,
	        .spill_total = config->mqueue.spill_total,
	        .descriptors = share.queues,
	        .backends = config->backend_names,
	        .uris = config->backend_uris,
	        .refuse_unknown = config->main.unknown == OCS_CONFIG_UNKNOWN_REFUSE,
	        .unknown_users = config->main.unknown_users,
	        .published =
	                {
	                        .max_messages = config->mqueue.max_messages,
	                        .message_size = config->mqueue.message_size,
	                        .spill_max = config->mqueue.spill_max,
	                        .spill_total = config->mqueue.spill_total,
	                        .push_interval = config->push.interval,
	                        .replica_id = (uint16_t)started->main.replica_id,
	                        .host_identifiers = started->main.identifiers != 0,
	                        .index_limit = (uint64_t)config->main.index_limit << 20,
	                        .linked =
	                                started->rabbitmq->uri != NULL && !started->rabbitmq->relay,
	                },
	};
	if (config->users.domains != NULL &&
	    strlen(config->users.domains) >= sizeof(out->published.names.domains))
		return ocs_error_set(error, "[users] domains: more than %zu bytes",
		                     sizeof(out->published.names.domains) - 1);
	ocs_config_name_rule(config, &out->published.names);
	if (config->users.map == NULL && config->main.openchangedb == NULL &&
	    config->users.ldap_user == NULL)
		return 0;
	if (snprintf(out->published.usermap, sizeof(out->published.usermap), "%s", users_path) >=
	    (int)sizeof(out->published.usermap))
		return ocs_error_set(error, "%s: the path is longer than %zu bytes", users_path,
		                     sizeof(out->published.usermap) - 1);
	return 0;
}

/* The words of the table are in the order of the enum. */
_Static_assert(OCS_SYNC_INTERVAL == 0 && OCS_SYNC_ALWAYS == 1 && OCS_SYNC_NEVER == 2,
               "[main] sync in config/keys.c follows enum ocs_sync");

/* *map_r is NULL without a map. fault: as of struct ocs_users_settings. */
static int load_users(const struct ocs_config *config, const char *private_folder,
                      const struct ocs_registry_settings *published, ocs_report_fn *report,
                      void *arg, struct ocs_usermap **map_r, struct ocs_error *fault,
                      struct ocs_error *error)
{
	char *directory = ocs_users_thread_file(NULL, config, private_folder);
	struct ocs_users_settings settings = {
	        .map = config->users.map,
	        .openchangedb = config->main.openchangedb,
	        .directory = directory,
	        .directory_fault = fault,
	        .names = published->names,
	        .replica_id = published->replica_id,
	        .n_backends = config->n_backends,
	};
	struct ocs_users_backend *backends =
	        talloc_array(NULL, struct ocs_users_backend, config->n_backends + 1);
	int ret;

	*map_r = NULL;
	if (backends == NULL || (directory == NULL && config->users.ldap_user != NULL)) {
		talloc_free(backends);
		talloc_free(directory);
		return ocs_error_memory(error);
	}
	for (size_t i = 0; i < config->n_backends; i++)
		backends[i] = (struct ocs_users_backend){config->backends[i].name,
		                                         config->backends[i].uri};
	settings.backends = backends;
	ret = ocs_users_load(&settings, NULL, report, arg, map_r, error);
	talloc_free(backends);
	talloc_free(directory);
	if (ret == 0 && *map_r != NULL) {
		ocs_usermap_doubt(*map_r, report, arg);
		ocs_usermap_check_backends(*map_r, config->backend_names, report, arg);
	}
	return ret;
}

int ocs_daemon_check(const struct ocs_config *config, ocs_report_fn *report, void *arg)
{
	char *folder = talloc_asprintf(NULL, "%s/private", config->main.registry);
	struct ocs_users_file *users = ocs_users_file_new(folder, config->main.registry);
	struct ocs_auth_settings settings = ocs_config_auth(config, folder, report, arg);
	struct ocs_dispatch_settings dispatch = {0};
	struct ocs_certificates certificates;
	struct ocs_auth_limits *limits;
	struct ocs_usermap *map = NULL;
	struct ocs_error error = {.text = ""};
	int result = 0;

	/* As the start does, before what there are is shared out. */
	(void)ocs_privilege_raise_descriptors();
	limits = ocs_service_limits(config, NULL, &error);
	if (users == NULL)
		ocs_error_memory(&error);
	if (limits == NULL || users == NULL ||
	    dispatch_settings(config, config, ocs_users_file_path(users), &dispatch, &error) < 0) {
		report(LOG_ERR, error.text, arg);
		result = -1;
	}
	talloc_free(limits);
	if (folder == NULL || ocs_auth_validate(&settings, &error) < 0) {
		report(LOG_ERR, folder != NULL ? error.text : "out of memory", arg);
		result = -1;
	}
	if (folder != NULL &&
	    (ocs_users_thread_check(config, &dispatch.published.names, folder, &error) < 0 ||
	     load_users(config, folder, &dispatch.published, report, arg, &map, NULL, &error) <
	             0)) {
		report(LOG_ERR, error.text, arg);
		result = -1;
	}
	if (ocs_certificates_read(config, report, arg, &certificates, &error) < 0) {
		report(LOG_ERR, error.text, arg);
		result = -1;
	}
	ocs_certificates_release(&certificates);
	talloc_free(map);
	talloc_free(folder);
	return result;
}

static bool daemon_allowed(void *arg, const char *account, const char *backend,
                           const char *backend_user)
{
	struct ocs_daemon *daemon = arg;
	bool result;

	pthread_mutex_lock(&daemon->limits_lock);
	result = ocs_auth_limits_allow(daemon->limits, account, backend, backend_user);
	pthread_mutex_unlock(&daemon->limits_lock);
	return result;
}

/* Takes limits over. */
static void set_limits(struct ocs_daemon *daemon, struct ocs_auth_limits *limits)
{
	struct ocs_auth_limits *old;

	pthread_mutex_lock(&daemon->limits_lock);
	old = daemon->limits;
	daemon->limits = talloc_steal(daemon, limits);
	pthread_mutex_unlock(&daemon->limits_lock);
	talloc_free(old);
}

static int start_link(struct ocs_daemon *daemon, struct ocs_error *error)
{
	const struct ocs_link_host host = {.arg = daemon, .allowed = daemon_allowed};
	const struct ocs_link_settings *settings = ocs_config_link(daemon->started);

	if (settings == NULL)
		return 0;
	return ocs_link_start(settings, daemon->started->main.registry, daemon->dispatch, &host,
	                      ocs_log_text, &daemon->link, &daemon->link_hangs, error);
}

static int daemon_look_secret(void *arg, struct ocs_error *error)
{
	return ocs_auth_look_secret(arg, error);
}

static int daemon_look_revoked(void *arg, struct ocs_error *error)
{
	return ocs_auth_look_revoked(arg, error);
}

static int daemon_look_users(void *arg, struct ocs_error *error)
{
	return ocs_users_file_look(arg, error);
}

static int daemon_look_spool(void *arg, struct ocs_error *error)
{
	return ocs_link_look(arg, error);
}

/* What is theirs in the table of notify/dispatch_files.c. */
static int watch_files(struct ocs_daemon *daemon, struct ocs_error *error)
{
	const struct ocs_dispatch_file secret = {
	        daemon_look_secret, daemon->auth, OCS_HEALTH_WARNING,
	        "it cannot be written again; at the next start every token ends, and clients log "
	        "in again"};
	const struct ocs_dispatch_file revoked = {
	        daemon_look_revoked, daemon->auth, OCS_HEALTH_WARNING,
	        "it cannot be written again; at the next start every token ends, and clients log "
	        "in again"};
	const struct ocs_dispatch_file users = {
	        daemon_look_users, daemon->users_file, OCS_HEALTH_WARNING,
	        "it cannot be written again; MAPI servers do not know fixed FIDs and aliases"};
	const struct ocs_dispatch_file spool = {daemon_look_spool, daemon->link, OCS_HEALTH_UNWELL,
	                                        "messages for other nodes wait in it, and no more "
	                                        "are added: put it back; a restart loses them"};
	const struct ocs_dispatch_file reports = {
	        ocs_report_socket_look, daemon->reports, OCS_HEALTH_WARNING,
	        "MAPI servers cannot report what they change: restart the daemon"};

	if (ocs_dispatch_files_add(daemon->dispatch, &secret) != 0 ||
	    ocs_dispatch_files_add(daemon->dispatch, &revoked) != 0 ||
	    ocs_dispatch_files_add(daemon->dispatch, &users) != 0 ||
	    ocs_dispatch_files_add(daemon->dispatch, &reports) != 0 ||
	    (daemon->link != NULL && ocs_link_spools(daemon->link) &&
	     ocs_dispatch_files_add(daemon->dispatch, &spool) != 0))
		return ocs_error_set(error, "too many files to watch");
	return 0;
}

void ocs_daemon_watch_lock(struct ocs_daemon *daemon, struct ocs_folder_lock *lock)
{
	const struct ocs_dispatch_file file = {
	        ocs_folder_look_lock, lock, OCS_HEALTH_WARNING,
	        "it cannot be created again; ocsctl cannot find this daemon by it"};

	if (ocs_dispatch_files_add(daemon->dispatch, &file) != 0)
		ocs_log(LOG_WARNING, "the lock file is not watched");
}

static int start_parts(struct ocs_daemon *daemon, struct ocs_error *error)
{
	const struct ocs_config *config = daemon->config;
	struct ocs_auth_settings auth =
	        ocs_config_auth(config, daemon->private_folder, ocs_log_report, NULL);
	struct ocs_dispatch_settings dispatch;
	struct ocs_usermap *map = NULL;
	bool moved = false;

	daemon->limits = ocs_service_limits(config, daemon, error);
	if (daemon->limits == NULL)
		return -1;
	if (dispatch_settings(config, daemon->started, ocs_users_file_path(daemon->users_file),
	                      &dispatch, error) < 0)
		return -1;
	if (ocs_auth_open(&auth, &daemon->auth, error) < 0)
		return -1;
	if (ocs_registry_open(config->main.registry, true, &daemon->registry, &moved, error) < 0)
		return -1;
	if (moved)
		ocs_log(LOG_WARNING,
		        "%s/registry.tdb was damaged and has been moved aside; its intact records "
		        "are kept, MAPI servers register the rest again",
		        config->main.registry);
	if (ocs_index_open(config->main.registry, (uint16_t)config->main.replica_id, true,
	                   &daemon->index, error) < 0)
		return -1;
	ocs_index_notes(daemon->index, ocs_log_report, NULL);
	if (ocs_index_salvaged(daemon->index))
		ocs_log(LOG_ERR,
		        "%s/index.tdb was damaged and has been moved aside; its intact records, "
		        "the highest identifier among them, are kept",
		        config->main.registry);
	if (ocs_users_thread_set(&daemon->users_directory, config, &dispatch.published.names,
	                         daemon->private_folder, true, error) < 0 ||
	    load_users(config, daemon->private_folder, &dispatch.published, ocs_log_report, NULL,
	               &map, &daemon->users_fault, error) < 0)
		return -1;
	if (ocs_users_file_prepare(daemon->users_file, map, error) < 0 ||
	    ocs_users_file_commit(daemon->users_file, error) < 0) {
		talloc_free(map);
		return -1;
	}
	if (ocs_dispatch_start(config->main.registry, daemon->registry, daemon->index, map,
	                       &dispatch, ocs_log_text, &daemon->dispatch, error) < 0)
		return -1;
	if (ocs_report_socket_open(config->main.registry, daemon->private_folder, &daemon->reports,
	                           error) < 0)
		return -1;
	if (ocs_control_socket_start(daemon->private_folder, ocs_auth_control, daemon->auth,
	                             &daemon->control, error) < 0)
		return -1;
	if (start_link(daemon, error) < 0 || watch_files(daemon, error) < 0)
		return -1;
	return ocs_service_start(config, daemon->auth, daemon->dispatch, daemon->link,
	                         daemon->local, daemon->reports, &daemon->service, error);
}

int ocs_daemon_start(struct ocs_config *config, const char *private_folder,
                     struct ocs_local_socket *local, struct ocs_daemon **daemon_r,
                     struct ocs_error *error)
{
	struct ocs_daemon *daemon = talloc_zero(NULL, struct ocs_daemon);

	if (daemon == NULL) {
		talloc_free(config);
		return ocs_error_memory(error);
	}
	pthread_mutex_init(&daemon->limits_lock, NULL);
	daemon->started = daemon->config = talloc_steal(daemon, config);
	daemon->local = local;
	daemon->private_folder = talloc_strdup(daemon, private_folder);
	daemon->users_file = ocs_users_file_new(daemon, daemon->config->main.registry);
	if (daemon->private_folder == NULL || daemon->users_file == NULL) {
		ocs_daemon_stop(daemon);
		return ocs_error_memory(error);
	}
	if (start_parts(daemon, error) < 0) {
		ocs_daemon_stop(daemon);
		return -1;
	}
	*daemon_r = daemon;
	return 0;
}

/* What can fail comes first; the accounts are the last that can, and the first that are taken over.
 */
static int reload(struct ocs_daemon *daemon, struct ocs_config *loaded,
                  struct ocs_dispatch_settings *dispatch, struct ocs_usermap **map_r,
                  struct ocs_error *users_fault, struct ocs_auth_limits **limits_r,
                  struct ocs_reload *outcome)
{
	struct ocs_auth_settings auth =
	        ocs_config_auth(loaded, daemon->private_folder, ocs_reload_report, outcome);
	struct ocs_certificates certificates = {NULL, NULL};
	struct ocs_http_settings *settings = NULL;
	struct ocs_error error = {.text = ""};
	int result = 0;

	/* goes with the listeners' proxies, which stay until a restart */
	auth.count_loopback = daemon->started->server.proxies != NULL;
	*limits_r = ocs_service_limits(loaded, NULL, &error);
	if (*limits_r == NULL ||
	    dispatch_settings(loaded, daemon->started, ocs_users_file_path(daemon->users_file),
	                      dispatch, &error) < 0 ||
	    ocs_users_thread_check(loaded, &dispatch->published.names, daemon->private_folder,
	                           &error) < 0 ||
	    load_users(loaded, daemon->private_folder, &dispatch->published, ocs_reload_report,
	               outcome, map_r, users_fault, &error) < 0 ||
	    ocs_certificates_read(loaded, ocs_reload_report, outcome, &certificates, &error) < 0 ||
	    ocs_users_file_prepare(daemon->users_file, *map_r, &error) < 0 ||
	    ocs_service_prepare(daemon->service, loaded, ocs_auth_settings_askers(&auth), &settings,
	                        &error) < 0 ||
	    ocs_auth_reload(daemon->auth, &auth, &error) < 0) {
		ocs_reload_report(LOG_ERR, error.text, outcome);
		if (settings != NULL)
			ocs_http_settings_release(settings);
		result = -1;
	} else {
		ocs_service_reload(daemon->service, loaded, settings, &certificates);
	}
	ocs_certificates_release(&certificates);
	return result;
}

/* The users of the directory are others than before: their map alone, by the ini as it was read
 * last. What stands in other sources is read again with it. */
static void reload_users(struct ocs_daemon *daemon)
{
	struct ocs_dispatch_settings dispatch;
	struct ocs_usermap *map = NULL;
	struct ocs_error error = {.text = ""}, fault = {.text = ""};

	if (dispatch_settings(daemon->config, daemon->started,
	                      ocs_users_file_path(daemon->users_file), &dispatch, &error) < 0 ||
	    load_users(daemon->config, daemon->private_folder, &dispatch.published, ocs_log_report,
	               NULL, &map, &fault, &error) < 0 ||
	    ocs_users_file_prepare(daemon->users_file, map, &error) < 0) {
		ocs_log(LOG_ERR, "%s: the user map stays as it was", error.text);
		ocs_error_set(&daemon->users_fault,
		              "what was read of the directory is not in the user map, which stays "
		              "as it was: %.400s",
		              error.text);
		ocs_users_file_cancel(daemon->users_file);
		talloc_free(map);
		return;
	}
	if (ocs_users_file_commit(daemon->users_file, &error) < 0)
		ocs_log(LOG_WARNING, "%s: libraries know fixed FIDs and aliases from before",
		        error.text);
	daemon->users_fault = fault;
	ocs_dispatch_reload(daemon->dispatch, &dispatch, map);
	ocs_log(LOG_NOTICE, "the users of the directory were read: the user map is a new one");
}

void ocs_daemon_reload(struct ocs_daemon *daemon)
{
	struct ocs_dispatch_settings dispatch;
	struct ocs_config *loaded = NULL;
	struct ocs_usermap *map = NULL;
	struct ocs_auth_limits *limits = NULL;
	struct ocs_reload *outcome = ocs_reload_begin(daemon);
	struct ocs_error error = {.text = ""}, users_fault = {.text = ""};

	if (ocs_config_load(daemon->config->path, daemon, ocs_reload_report, outcome, &loaded) <
	            0 ||
	    reload(daemon, loaded, &dispatch, &map, &users_fault, &limits, outcome) < 0) {
		ocs_log(LOG_ERR, "reload refused: the configuration stays as it was");
		ocs_users_file_cancel(daemon->users_file);
		talloc_free(limits);
		talloc_free(map);
		talloc_free(loaded);
		ocs_reload_end(outcome, daemon->private_folder, false);
		return;
	}
	ocs_config_report_restart(daemon->started, loaded, ocs_reload_report, outcome);
	if (ocs_users_file_commit(daemon->users_file, &error) < 0) {
		struct ocs_error text;

		ocs_error_set(&text, "%.300s: libraries know fixed FIDs and aliases from before",
		              error.text);
		ocs_reload_report(LOG_WARNING, text.text, outcome);
	}
	daemon->users_fault = users_fault;
	ocs_dispatch_reload(daemon->dispatch, &dispatch, map);
	set_limits(daemon, limits);
	ocs_log_set_level((int)loaded->main.log_level);
	if (daemon->config != daemon->started)
		talloc_free(daemon->config);
	daemon->config = loaded;
	if (ocs_users_thread_set(&daemon->users_directory, loaded, &dispatch.published.names,
	                         daemon->private_folder, false, &error) < 0)
		ocs_reload_report(LOG_WARNING, error.text, outcome);
	ocs_log(LOG_NOTICE, "reloaded %s", loaded->path);
	ocs_reload_end(outcome, daemon->private_folder, true);
}

char *ocs_daemon_addresses(const struct ocs_daemon *daemon, const void *mem_ctx)
{
	return talloc_asprintf(mem_ctx, "listening on %s%s\noperations on %s%s\n",
	                       ocs_service_address(daemon->service),
	                       daemon->started->server.tls_cert != NULL ? " with TLS" : "",
	                       ocs_service_operations_address(daemon->service),
	                       daemon->started->operations.tls_cert != NULL ? " with TLS" : "");
}

void ocs_daemon_status(struct ocs_daemon *daemon, char *text, size_t size)
{
	struct ocs_health *health = ocs_dispatch_health_of(daemon->dispatch);
	struct ocs_error reason = {.text = ""};

	if (ocs_health_ask(health, &reason) != 0) {
		snprintf(text, size, "cannot deliver: %s", reason.text);
		return;
	}
	snprintf(text, size, "delivers");
	for (int source = 0; source < OCS_HEALTH_SOURCES; source++) {
		struct ocs_health_report report;

		ocs_health_copy(health, (enum ocs_health_source)source, &report);
		if (report.state == OCS_HEALTH_WELL)
			continue;
		snprintf(text, size, "delivers; %s", report.text);
		return;
	}
}

void ocs_daemon_tick(struct ocs_daemon *daemon)
{
	ocs_service_tick(daemon->service);
	if (daemon->users_directory != NULL && ocs_users_directory_changed(daemon->users_directory))
		reload_users(daemon);
	ocs_users_thread_look(daemon->users_directory, &daemon->users_fault,
	                      ocs_dispatch_health_of(daemon->dispatch));
	if (daemon->link != NULL)
		ocs_link_watch(daemon->link);
}

void ocs_daemon_stop(struct ocs_daemon *daemon)
{
	bool service_hangs, hangs, look_hangs;

	ocs_control_socket_stop(daemon->control);
	ocs_users_directory_stop(daemon->users_directory);
	daemon->users_directory = NULL;
	service_hangs = ocs_service_stop(daemon->service) < 0;
	look_hangs = daemon->dispatch != NULL && ocs_dispatch_files_end(daemon->dispatch) < 0;
	/* A thread that hangs, in the network or on a lock, still uses what would be closed; the
	 * process is about to end. */
	if (look_hangs || (daemon->link != NULL && ocs_link_stop(daemon->link) < 0))
		daemon->link_hangs = true;
	hangs = daemon->dispatch != NULL && ocs_dispatch_stop(daemon->dispatch) < 0;
	if (service_hangs)
		return;
	if (daemon->index != NULL && !hangs)
		ocs_index_close(daemon->index);
	if (daemon->registry != NULL && !hangs)
		ocs_registry_close(daemon->registry);
	if (daemon->auth != NULL && !look_hangs)
		ocs_auth_close(daemon->auth);
	if (!look_hangs)
		ocs_report_socket_close(daemon->reports);
	if (daemon->link_hangs)
		return;
	pthread_mutex_destroy(&daemon->limits_lock);
	talloc_free(daemon);
}
