/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The server of this process inside Samba's event loop: the library's descriptor and deadline, the
 * calls that wait, the ends of connections and of the process. Opens the registry folder.
 *
 * The library's callbacks only move a wait from list to list; Samba is called from the event loop,
 * since a reply may end a connection, and the end of a connection calls the library.
 */
#include "plugin.h"

#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <utlist.h>

/* How often waits are searched for clients that are gone. Samba keeps a connection as long as a
 * call of it is unanswered, and tells nobody that its client has closed it. */
#define SWEEP_MSECS 3000
/* How long the descriptor is left alone after a failure, and a failure to open is not repeated. */
#define PAUSE_MSECS   1000
#define QUIET_MSECS   60000
#define GOODBYE_MSECS 1000

enum wait_state { WAIT_NEW, WAIT_PARKED, WAIT_DONE, WAIT_ANSWERED };

struct ocs_samba_wait {
	struct ocs_samba_wait *prev, *next;
	struct ocs_samba_host *host; /* NULL once that is closed */
	struct dcesrv_call_state *call;
	DATA_BLOB *out;
	enum wait_state state;
	uint8_t stub[8];
};

struct ocs_samba_host {
	pid_t pid;
	struct tevent_context *event_ctx;
	struct ocsnotify *context;
	struct ocsemsmdb *server;
	struct tevent_fd *news;
	struct tevent_timer *timer;
	struct tevent_immediate *answer;
	struct ocs_samba_wait *waits[WAIT_ANSWERED + 1];
};

/* Freed with the connection it is a child of. */
struct watch {
	const struct dcesrv_connection *conn;
};

static struct ocs_samba_options the_options;
static struct ocs_samba_host *the_host;

void ocs_samba_host_configure(const struct ocs_samba_options *options)
{
	the_options = *options;
}

const struct ocs_samba_options *ocs_samba_host_options(void)
{
	return &the_options;
}

struct ocsemsmdb *ocs_samba_host_server(const struct ocs_samba_host *host)
{
	return host->server;
}

static uint64_t host_now_msecs(void *arg)
{
	struct timespec now = {0};

	(void)arg;
	(void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail for this clock */
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- waits ---- */

static void wait_move(struct ocs_samba_wait *wait, enum wait_state state)
{
	DL_DELETE(wait->host->waits[wait->state], wait);
	wait->state = state;
	DL_APPEND(wait->host->waits[state], wait);
}

/* The call is gone: answered, or with its connection. */
static int wait_destructor(struct ocs_samba_wait *wait)
{
	if (wait->host == NULL)
		return 0;
	if (wait->state == WAIT_PARKED)
		(void)ocsemsmdb_wait_cancel(wait->host->server, wait);
	DL_DELETE(wait->host->waits[wait->state], wait);
	return 0;
}

struct ocs_samba_wait *ocs_samba_wait_new(struct ocs_samba_host *host,
                                          struct dcesrv_call_state *call, DATA_BLOB *out)
{
	struct ocs_samba_wait *wait = talloc_zero(call, struct ocs_samba_wait);

	if (wait == NULL)
		return NULL;
	wait->host = host;
	wait->call = call;
	wait->out = out;
	DL_APPEND(host->waits[WAIT_NEW], wait);
	talloc_set_destructor(wait, wait_destructor);
	return wait;
}

static void answer_all(struct ocs_samba_host *host)
{
	struct ocs_samba_wait *wait;

	while ((wait = host->waits[WAIT_DONE]) != NULL) {
		struct dcesrv_connection *conn = wait->call->conn;
		NTSTATUS status;

		wait_move(wait, WAIT_ANSWERED);
		memcpy(wait->out->data, wait->stub, sizeof(wait->stub));
		wait->out->length = sizeof(wait->stub);
		/* Frees the call at once if the connection is broken. */
		status = dcesrv_reply(wait->call);
		if (!NT_STATUS_IS_OK(status))
			dcesrv_terminate_connection(conn, nt_errstr(status));
	}
}

static void host_on_answer(struct tevent_context *event_ctx, struct tevent_immediate *immediate,
                           void *arg)
{
	(void)event_ctx;
	(void)immediate;
	answer_all(arg);
}

static void host_on_wait_done(void *call, uint32_t flags, uint32_t result, void *arg)
{
	struct ocs_samba_wait *wait = call;
	struct ocs_samba_host *host = arg;

	if (wait->host == NULL) /* being closed */
		return;
	ocsemsmdb_wait_stub(flags, result, wait->stub);
	wait_move(wait, WAIT_DONE);
	tevent_schedule_immediate(host->answer, host->event_ctx, host_on_answer, host);
}

static bool host_on_wait_alive(void *call, void *arg)
{
	const struct ocs_samba_wait *wait = call;

	(void)arg;
	return wait->call->conn->terminate == NULL;
}

/* Lets go of the calls whose clients are gone, and with them of their connections. */
static void sweep(struct ocs_samba_host *host)
{
	struct ocs_samba_wait *wait, *next;
	struct dcesrv_context *dce_ctx = NULL;

	DL_FOREACH_SAFE(host->waits[WAIT_PARKED], wait, next)
	{
		if (host_on_wait_alive(wait, host))
			continue;
		dce_ctx = wait->call->conn->dce_ctx;
		(void)ocsemsmdb_wait_cancel(host->server, wait);
		ocsemsmdb_wait_stub(0, OCSEMSMDB_EC_NONE, wait->stub); /* nobody reads it */
		wait_move(wait, WAIT_DONE);
	}
	answer_all(host);
	if (dce_ctx != NULL)
		dcesrv_cleanup_broken_connections(dce_ctx);
}

/* ---- the event loop ---- */

static void host_on_timer(struct tevent_context *event_ctx, struct tevent_timer *timer,
                          struct timeval when, void *arg);

static void schedule(struct ocs_samba_host *host, uint64_t at_most)
{
	uint64_t now = host_now_msecs(NULL), deadline = ocsemsmdb_deadline(host->server), delay;

	if (host->waits[WAIT_PARKED] != NULL && at_most > SWEEP_MSECS)
		at_most = SWEEP_MSECS;
	delay = deadline == UINT64_MAX ? UINT64_MAX : deadline > now ? deadline - now : 0;
	if (delay > at_most)
		delay = at_most;
	TALLOC_FREE(host->timer);
	if (delay != UINT64_MAX)
		host->timer = tevent_add_timer(
		        host->event_ctx, host,
		        tevent_timeval_current_ofs((uint32_t)(delay / 1000),
		                                   (uint32_t)(delay % 1000) * 1000),
		        host_on_timer, host);
}

static void host_on_timer(struct tevent_context *event_ctx, struct tevent_timer *timer,
                          struct timeval when, void *arg)
{
	struct ocs_samba_host *host = arg;

	(void)event_ctx;
	(void)timer;
	(void)when;
	host->timer = NULL; /* freed by tevent */
	tevent_fd_set_flags(host->news, TEVENT_FD_READ);
	ocsemsmdb_tick(host->server);
	sweep(host);
	schedule(host, UINT64_MAX);
}

static void host_on_news(struct tevent_context *event_ctx, struct tevent_fd *fde, uint16_t flags,
                         void *arg)
{
	struct ocs_samba_host *host = arg;
	int code = ocsemsmdb_process(host->server);

	(void)event_ctx;
	(void)flags;
	if (code < 0) {
		/* The descriptor may stay readable: do not spin. */
		DBG_WARNING("notifications: %s: %s\n", ocsnotify_strerror(code),
		            ocsnotify_last_error(host->context));
		tevent_fd_set_flags(fde, 0);
		schedule(host, PAUSE_MSECS);
	}
	answer_all(host);
}

void ocs_samba_wait_parked(struct ocs_samba_wait *wait)
{
	wait_move(wait, WAIT_PARKED);
	schedule(wait->host, UINT64_MAX);
}

/* In libtevent, for event loops made elsewhere, but in none of its installed headers: runs one
 * scheduled immediate event, false if there is none. */
bool tevent_common_loop_immediate(struct tevent_context *event_ctx);

/* Samba ends with _exit() in its own handler, which runs right after this one, and what it has
 * queued to be written would be lost. Writing is tried in immediate events; the loop itself cannot
 * run here, since it would call the signal's handlers again. */
static void host_on_sigterm(struct tevent_context *event_ctx, struct tevent_signal *signal,
                            int number, int count, void *info, void *arg)
{
	struct ocs_samba_host *host = arg;
	uint64_t until = host_now_msecs(NULL) + GOODBYE_MSECS;

	(void)signal;
	(void)number;
	(void)count;
	(void)info;
	ocsemsmdb_shutdown(host->server);
	answer_all(host);
	while (the_host == host && host->waits[WAIT_ANSWERED] != NULL &&
	       host_now_msecs(NULL) < until && tevent_common_loop_immediate(event_ctx))
		continue;
	ocs_samba_host_close();
}

/* ---- open, close ---- */

static int host_destructor(struct ocs_samba_host *host)
{
	for (int state = WAIT_NEW; state <= WAIT_ANSWERED; state++) {
		struct ocs_samba_wait *wait;

		DL_FOREACH(host->waits[state], wait)
		wait->host = NULL;
	}
	the_host = NULL;
	TALLOC_FREE(host->news); /* before its descriptor is closed */
	ocsemsmdb_close(host->server);
	ocsnotify_close(host->context);
	return 0;
}

void ocs_samba_host_close(void)
{
	TALLOC_FREE(the_host);
}

static void host_on_warning(const char *text, void *arg)
{
	(void)arg;
	DBG_WARNING("notifications: %s\n", text);
}

static bool attach(struct ocs_samba_host *host)
{
	host->answer = tevent_create_immediate(host);
	host->news = tevent_add_fd(host->event_ctx, host, ocsnotify_fd(host->context),
	                           TEVENT_FD_READ, host_on_news, host);
	return host->answer != NULL && host->news != NULL &&
	       tevent_add_signal(host->event_ctx, host, SIGTERM, 0, host_on_sigterm, host) != NULL;
}

static struct ocs_samba_host *host_open(struct dcesrv_connection *conn, char *error, size_t size)
{
	struct ocs_samba_host *host = talloc_zero(conn->dce_ctx, struct ocs_samba_host);
	struct ocsemsmdb_settings settings = the_options.emsmdb;
	int code;

	snprintf(error, size, "out of memory");
	if (host == NULL)
		return NULL;
	host->pid = getpid();
	host->event_ctx = conn->event_ctx;
	if (ocsnotify_open(the_options.registry, &host->context, error, size) != OCSNOTIFY_OK) {
		talloc_free(host);
		return NULL;
	}
	ocsnotify_set_warning(host->context, host_on_warning, NULL);
	talloc_set_destructor(host, host_destructor);

	settings.wait_done = host_on_wait_done;
	settings.wait_alive = host_on_wait_alive;
	settings.clock = host_now_msecs;
	settings.arg = host;
	code = ocsemsmdb_open(host->context, &settings, &host->server);
	if (code != OCSNOTIFY_OK || !attach(host)) {
		snprintf(error, size, "%s", ocsnotify_strerror(code));
		talloc_free(host);
		return NULL;
	}
	return host;
}

struct ocs_samba_host *ocs_samba_host_get(struct dcesrv_connection *conn)
{
	static uint64_t quiet_until, closed_until;
	char error[512] = "";

	/* A copy that a fork made belongs to the parent: this frees memory and descriptors only. */
	if (the_host != NULL && the_host->pid != getpid())
		ocs_samba_host_close();
	if (the_host != NULL || host_now_msecs(NULL) < closed_until)
		return the_host;
	the_host = host_open(conn, error, sizeof(error));
	if (the_host != NULL) {
		quiet_until = 0;
		return the_host;
	}
	closed_until = host_now_msecs(NULL) + PAUSE_MSECS;
	if (host_now_msecs(NULL) >= quiet_until) {
		DBG_ERR("%s: cannot be opened: %s\n", the_options.registry, error);
		quiet_until = host_now_msecs(NULL) + QUIET_MSECS;
	}
	return NULL;
}

static int watch_destructor(struct watch *watch)
{
	if (the_host != NULL && the_host->pid == getpid())
		ocsemsmdb_connection_closed(the_host->server, watch->conn);
	return 0;
}

bool ocs_samba_host_watch(struct dcesrv_connection *conn)
{
	struct watch *watch = talloc_zero(conn, struct watch);

	if (watch == NULL)
		return false;
	watch->conn = conn;
	talloc_set_destructor(watch, watch_destructor);
	return true;
}
