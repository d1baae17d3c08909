/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * ocsmapihttp: a MAPI over HTTP endpoint on libocsemsmdb, for clients that are to get notifications
 * and as an example for authors of MAPI servers. This file: start, loop, stop. mapihttp.h says why
 * there is one loop.
 */
#include "mapihttp/mapihttp.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <talloc.h>

#include "auth/control.h"
#include "base/background.h"
#include "base/clock.h"
#include "base/control_socket.h"
#include "base/log.h"
#include "base/log_budget.h"
#include "base/privilege.h"
#include "base/plural.h"
#include "config/auth.h"
#include "http/room.h"

#define EVENTS_MAX 64
#define STOP_MS    3000 /* for answers on their way when it stops */

/* What the loop's epoll tells apart; any other pointer is a parked request. */
static char http_event, notify_event, login_event, signal_event;

static uint64_t mapihttp_clock(void *arg)
{
	(void)arg;
	return ocs_clock_ms();
}

static void mapihttp_warning(const char *text, void *arg)
{
	ocs_log_report(LOG_WARNING, text, arg);
}

/* PLAIN is what HTTP Basic is; the ini's mechanisms are about the web service, and so is its file
 * of the secret. */
static struct ocs_auth_settings auth_settings(const struct ocs_config *config,
                                              const char *private_folder)
{
	struct ocs_auth_settings settings =
	        ocs_config_auth(config, private_folder, ocs_log_report, NULL);

	settings.mechanisms = "PLAIN";
	settings.secret_file = NULL;
	return settings;
}

static int private_path(const struct mapihttp_options *options, const struct ocs_config *config,
                        char out[PATH_MAX], struct ocs_error *error)
{
	int len = options->private_folder != NULL
	                  ? snprintf(out, PATH_MAX, "%s", options->private_folder)
	                  : snprintf(out, PATH_MAX, "%s/private-mapihttp", config->main.registry);

	return len < PATH_MAX ? 0 : ocs_error_set(error, "the private folder's path is too long");
}

static int watch(struct mapihttp *server, int fd, void *what, struct ocs_error *error)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = what};

	if (epoll_ctl(server->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
		return ocs_error_set(error, "epoll: %s", strerror(errno));
	return 0;
}

static int start_emsmdb(struct mapihttp *server, const struct ocs_config *config,
                        struct ocs_error *error)
{
	const struct mapihttp_options *options = server->options;
	struct ocsemsmdb_settings *settings = &server->settings;
	char text[OCS_ERROR_MAX - 100];
	int result = ocsnotify_open(config->main.registry, &server->context, text, sizeof(text));

	if (result != OCSNOTIFY_OK)
		return ocs_error_set(error, "%s: %s", ocsnotify_strerror(result), text);
	ocsnotify_set_warning(server->context, mapihttp_warning, NULL);
	ocsemsmdb_settings_init(settings, options->version);
	settings->wait_time = options->wait_limit;
	settings->session_idle = options->session_idle;
	settings->sessions_max = options->sessions;
	settings->sessions_per_user = options->sessions_per_user;
	settings->subscriptions_max = options->subscriptions;
	settings->wait_done = mapihttp_wait_done;
	settings->wait_alive = mapihttp_wait_alive;
	settings->session_ended = mapihttp_session_ended;
	settings->clock = mapihttp_clock;
	settings->arg = server;
	result = ocsemsmdb_open(server->context, settings, &server->emsmdb);
	return result == OCSNOTIFY_OK ? 0 : ocs_error_set(error, "%s", ocsnotify_strerror(result));
}

/* What was started is in the server, for mapihttp_stop(). */
static int mapihttp_start(struct mapihttp *server, const struct ocs_config *config, int signals,
                          struct ocs_error *error)
{
	const union MHD_DaemonInfo *info;
	char private_folder[PATH_MAX];
	struct ocs_auth_settings auth;

	server->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (server->epoll < 0)
		return ocs_error_set(error, "epoll: %s", strerror(errno));
	if (private_path(server->options, config, private_folder, error) != 0)
		return -1;
	auth = auth_settings(config, private_folder);
	if (ocs_auth_open(&auth, &server->auth, error) != 0 ||
	    ocs_control_socket_start(private_folder, ocs_auth_control, server->auth,
	                             &server->control, error) != 0 ||
	    start_emsmdb(server, config, error) != 0 ||
	    mapihttp_login_start(server, &server->login, error) != 0 ||
	    mapihttp_listen(server, error) != 0)
		return -1;
	info = MHD_get_daemon_info(server->listener.daemon, MHD_DAEMON_INFO_EPOLL_FD);
	if (info == NULL || info->epoll_fd < 0)
		return ocs_error_set(error, "this libmicrohttpd has no epoll");
	return watch(server, info->epoll_fd, &http_event, error) != 0 ||
	                       watch(server, ocsnotify_fd(server->context), &notify_event, error) !=
	                               0 ||
	                       watch(server, mapihttp_login_fd(server->login), &login_event,
	                             error) != 0 ||
	                       watch(server, signals, &signal_event, error) != 0
	               ? -1
	               : 0;
}

static void mapihttp_stop(struct mapihttp *server)
{
	ocs_control_socket_stop(server->control);
	ocs_auth_interrupt(server->auth);
	/* Ends what may be suspended, which libmicrohttpd demands before it is stopped. */
	mapihttp_login_stop(server->login);
	ocsemsmdb_close(server->emsmdb);
	server->emsmdb = NULL;
	mapihttp_close(server);
	ocsnotify_close(server->context);
	ocs_auth_close(server->auth);
	if (server->epoll >= 0)
		close(server->epoll);
}

/* Accounts and certificate: the rest is read at the start. */
static void reload(struct mapihttp *server)
{
	struct ocs_tls_keys *keys = NULL;
	struct ocs_config *config = NULL;
	struct ocs_error error = {.text = ""};
	char private_folder[PATH_MAX];
	struct ocs_auth_settings auth;

	if (ocs_config_load(server->options->ini, NULL, ocs_log_report, NULL, &config) != 0) {
		ocs_log(LOG_ERR, "reload failed: accounts and certificate stay as they were");
		return;
	}
	if (mapihttp_read_keys(server, &keys, &error) == 0 &&
	    private_path(server->options, config, private_folder, &error) == 0) {
		auth = auth_settings(config, private_folder);
		if (ocs_auth_reload(server->auth, &auth, &error) == 0) {
			mapihttp_login_forget(server->login);
			if (keys != NULL)
				ocs_tls_replace(server->tls, keys);
			ocs_log(LOG_NOTICE, "reloaded the accounts%s",
			        keys != NULL ? " and the certificate" : "");
			keys = NULL;
		}
	}
	ocs_tls_keys_release(keys);
	if (error.text[0] != '\0')
		ocs_log(LOG_ERR, "reload failed: %s: accounts and certificate stay as they were",
		        error.text);
	talloc_free(config);
}

/* libocsemsmdb looks at every session for its deadline, so it is asked only when one is reached:
 * what begins after now ends no sooner than the shorter of both times from now. */
static void tick(struct mapihttp *server)
{
	const struct mapihttp_options *options = server->options;
	uint64_t now = ocs_clock_ms(), due;

	if (now < server->tick_due)
		return;
	ocsemsmdb_tick(server->emsmdb);
	server->tick_due =
	        now + (options->wait_limit < options->session_idle ? options->wait_limit
	                                                           : options->session_idle);
	due = ocsemsmdb_deadline(server->emsmdb);
	if (due < server->tick_due)
		server->tick_due = due;
}

/* While the rest of a TLS handshake does not come libmicrohttpd says that it has something to do at
 * once, and has not. What it really has to do moves bytes, but for the rest of a record that GnuTLS
 * has read, of which it takes 128 bytes a round where memory is short. After so many without an
 * event and without a byte only an event can bring it further; it is asked now and then
 * nevertheless. */
#define STILL_ROUNDS 160
#define STILL_MS     1000

/* Milliseconds until something is due without an event; -1: never. still: rounds in which nothing
 * happened. */
static int next_timeout(struct mapihttp *server, uint64_t tags_due, uint64_t stop_due,
                        unsigned still)
{
	uint64_t now = ocs_clock_ms(), due = server->tick_due, left;
	MHD_UNSIGNED_LONG_LONG http;

	if (tags_due < due)
		due = tags_due;
	if (stop_due < due)
		due = stop_due;
	left = due == UINT64_MAX ? UINT64_MAX : due > now ? due - now : 0;
	if (MHD_get_timeout(server->listener.daemon, &http) == MHD_YES) {
		if (server->tls != NULL && still >= STILL_ROUNDS && http < STILL_MS)
			http = STILL_MS;
		if (http < left)
			left = http;
	}
	return left == UINT64_MAX ? -1 : left > INT_MAX ? INT_MAX : (int)left;
}

/* SIGHUP, or the first of the signals that end the program. */
static void take_signal(struct mapihttp *server, int signals, uint64_t *stop_due)
{
	struct signalfd_siginfo info;
	struct ocsemsmdb_stats stats;

	if (read(signals, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGHUP) {
		reload(server);
		return;
	}
	if (server->stopping)
		return;
	ocsemsmdb_get_stats(server->emsmdb, &stats);
	ocs_log(LOG_NOTICE, "stopping: %u %s, %u parked %s", stats.sessions,
	        ocs_plural(stats.sessions, "session", "sessions"), stats.parked,
	        ocs_plural(stats.parked, "wait", "waits"));
	server->stopping = true;
	ocs_listener_quiesce(&server->listener);
	*stop_due = ocs_clock_ms() + STOP_MS;
	ocsemsmdb_shutdown(server->emsmdb);
}

static void take_event(struct mapihttp *server, void *what, int signals, uint64_t *stop_due)
{
	int result;

	if (what == &notify_event) {
		result = ocsemsmdb_process(server->emsmdb);
		if (result < 0)
			ocs_log_budgeted(LOG_WARNING, "news", "", "cannot process news: %s: %s",
			                 ocsnotify_strerror(result),
			                 ocsnotify_last_error(server->context));
	} else if (what == &login_event) {
		mapihttp_login_results(server->login);
	} else if (what == &signal_event) {
		take_signal(server, signals, stop_due);
	} else if (what != &http_event) {
		mapihttp_wait_gone(what);
	}
}

/* At its limit of connections libmicrohttpd does not listen, and begins again only at the next call
 * after one has gone, for which no event may come. */
static int run_http(struct mapihttp *server)
{
	uint64_t before;

	do {
		before = atomic_load(&server->connections.open);
		if (MHD_run(server->listener.daemon) != MHD_YES)
			return -1;
	} while (atomic_load(&server->connections.open) < before);
	return 0;
}

/* Until a signal has come and the answers on their way are out. */
static int mapihttp_run(struct mapihttp *server, int signals, struct ocs_error *error)
{
	struct epoll_event events[EVENTS_MAX];
	uint64_t tags_due = UINT64_MAX, stop_due = UINT64_MAX;
	unsigned still = 0;

	while (!server->stopping || (server->busy > 0 && ocs_clock_ms() < stop_due)) {
		int n = epoll_wait(server->epoll, events, EVENTS_MAX,
		                   next_timeout(server, tags_due, stop_due, still));
		uint64_t moved = ocs_tls_moved();

		if (n < 0 && errno != EINTR)
			return ocs_error_set(error, "epoll: %s", strerror(errno));
		for (int i = 0; i < n; i++)
			take_event(server, events[i].data.ptr, signals, &stop_due);
		tick(server);
		ocs_log_budget_tick();
		tags_due = mapihttp_wait_tags(server, ocs_clock_ms());
		if (run_http(server) != 0)
			return ocs_error_set(error, "libmicrohttpd failed");
		/* What was resumed is written with the next round. */
		still = n == 0 && !server->resumed && ocs_tls_moved() == moved ? still + 1 : 0;
		server->resumed = false;
		/* A request of this round may have been parked. */
		if (tags_due == UINT64_MAX)
			tags_due = mapihttp_wait_tags(server, 0);
	}
	return 0;
}

static int become(const struct ocs_config *config, struct ocs_error *error)
{
	struct ocs_identity identity;
	bool fowner;

	ocs_privilege_raise_descriptors();
	return ocs_privilege_lookup(config->main.user, config->main.group, &identity, error) != 0 ||
	                       ocs_privilege_drop(&identity, &fowner, error) != 0
	               ? -1
	               : 0;
}

static int serve(const struct mapihttp_options *options, const struct ocs_config *config,
                 struct ocs_error *error)
{
	static struct mapihttp server; /* it has large buffers */
	sigset_t blocked;
	int signals, result;

	server.options = options;
	server.epoll = -1;
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	sigaddset(&blocked, SIGINT);
	sigaddset(&blocked, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &blocked, NULL) != 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return ocs_error_set(error, "signals: %s", strerror(errno));
	signals = signalfd(-1, &blocked, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signals < 0)
		return ocs_error_set(error, "signals: %s", strerror(errno));
	result = mapihttp_open(&server, config, error);
	if (result == 0)
		result = become(config, error);
	if (result == 0)
		result = mapihttp_start(&server, config, signals, error);
	if (result == 0) {
		ocs_log(LOG_NOTICE, "listening on %s%s", server.listener.address,
		        server.tls != NULL ? " with TLS" : "");
		ocs_log_detach();
		ocs_background_ready();
		result = mapihttp_run(&server, signals, error);
	}
	mapihttp_stop(&server);
	close(signals);
	return result;
}

int main(int argc, char **argv)
{
	static struct mapihttp_options options; /* as long as the program runs, with its paths */
	struct ocs_config *config = NULL;
	struct ocs_error error = {.text = ""};
	int status;

	if (mapihttp_options(argc, argv, &options, &status) != 0)
		return status;
	ocs_http_room_spares(1);
	umask(027);
	if (ocs_config_load(options.ini, NULL, ocs_log_report, NULL, &config) != 0)
		return 1;
	options.ini = config->path; /* absolute */
	if (!options.foreground && ocs_background_enter(&error) != 0) {
		fprintf(stderr, "ocsmapihttp: %s\n", error.text);
		return 1;
	}
	ocs_log_open("ocsmapihttp", options.foreground, (int)config->main.log_level);
	status = serve(&options, config, &error) == 0 ? 0 : 1;
	if (status != 0)
		ocs_log(LOG_ERR, "%s", error.text);
	talloc_free(config);
	ocs_log_budget_flush();
	ocs_log_close();
	return status;
}
