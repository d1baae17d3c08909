/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * ocsmapihttp: the parts of the program that answers MAPI over HTTP for libocsemsmdb. Internal to
 * the files of mapihttp/.
 *
 * One thread runs everything: libmicrohttpd with epoll is polled by our own loop (mapihttp_run()),
 * so the handlers of requests, libocsemsmdb and libocsnotify share a thread and need no lock, a
 * wait is parked and woken without a hand-over, and libmicrohttpd's own epoll loop, which stalls at
 * multiples of 128 ready connections, is never entered. Threads of their own have only: checking
 * passwords (login.c), since it takes milliseconds, or waits for a directory; with auth = ldap the
 * directory (auth/directory.h), which looks after itself; the guard of slow clients (http/guard.h),
 * which touches sockets only; and the socket for its admin (base/control_socket.h), which asks auth
 * alone.
 */
#ifndef OCS_MAPIHTTP_MAPIHTTP_H
#define OCS_MAPIHTTP_MAPIHTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <microhttpd.h>

#include "auth/auth.h"
#include "base/clock.h"
#include "base/peer.h"
#include "ocsemsmdb.h"
#include "config/config.h"
#include "http/exchange.h"
#include "http/listen.h"
#include "http/proxies.h"
#include "base/error.h"

struct mapihttp_login;
struct ocs_control_socket;
struct mapihttp_request;

/* ---- options: options.c ---- */

struct mapihttp_options {
	const char *ini;
	const char *host;
	uint16_t port;
	const char *cert, *key;     /* PEM files, absolute; NULL: no TLS, loopback only */
	const char *private_folder; /* absolute; NULL: private-mapihttp in the registry */
	bool foreground;
	enum ocsemsmdb_version version;
	unsigned pending_period; /* ms between PENDING tags */
	unsigned wait_limit;     /* ms until a NotificationWait ends without an event */
	unsigned session_idle;   /* ms */
	unsigned connections, sessions, sessions_per_user, subscriptions;
	unsigned sessions_per_address; /* 0: the default, which spares loopback */
};

/* 0, or -1 and the exit status. */
int mapihttp_options(int argc, char **argv, struct mapihttp_options *options, int *status_r);

/* ---- the server ---- */

struct mapihttp {
	const struct mapihttp_options *options;
	struct ocs_auth *auth;
	struct ocs_control_socket *control;
	struct mapihttp_login *login;
	struct mapihttp_address *addresses; /* that have sessions */
	struct ocsnotify *context;
	struct ocsemsmdb *emsmdb;
	struct ocsemsmdb_settings settings;
	struct ocs_listener listener;
	struct ocs_http_guard *guard;
	struct ocs_http_counters connections;
	struct mapihttp_request *waits;   /* parked requests in the order of their next PENDING */
	uint64_t tick_due;                /* when libocsemsmdb has something to do, ms */
	unsigned busy;                    /* requests between their first header and their end */
	int epoll;                        /* of the loop; parked connections are watched in it */
	struct ocs_http_proxies *proxies; /* of the ini; NULL: none is believed */
	struct ocs_tls *tls;              /* NULL: without */
	bool stopping;
	bool resumed;                    /* a connection, since the loop looked last */
	uint8_t rops[OCSEMSMDB_EXT_MAX]; /* the answer of the Execute at work */
};

/* ---- listening: listen.c ---- */

/* Certificate and key; NULL in *keys_r without --cert. Logs what there is to warn about. */
int mapihttp_read_keys(const struct mapihttp *server, struct ocs_tls_keys **keys_r,
                       struct ocs_error *error);
/* What may need root: reads certificate and key, binds the options' address. */
int mapihttp_open(struct mapihttp *server, const struct ocs_config *config,
                  struct ocs_error *error);
/* Starts the guard and libmicrohttpd. */
int mapihttp_listen(struct mapihttp *server, struct ocs_error *error);
/* Ends both, or what there is of them. No request may be suspended. */
void mapihttp_close(struct mapihttp *server);

/* ---- one request: request.c ---- */

enum mapihttp_type {
	MAPIHTTP_CONNECT,
	MAPIHTTP_EXECUTE,
	MAPIHTTP_DISCONNECT,
	MAPIHTTP_WAIT,
	MAPIHTTP_PING,
	MAPIHTTP_TYPES
};

/* X-ResponseCode, MS-OXCMAPIHTTP 2.2.3.3.3. Not sent here: 11 no privilege, 14 reserved, 17 invalid
 * response (of a proxy). */
enum mapihttp_code {
	MAPIHTTP_OK = 0,
	MAPIHTTP_UNKNOWN_FAILURE = 1,
	MAPIHTTP_INVALID_VERB = 2,
	MAPIHTTP_INVALID_PATH = 3,
	MAPIHTTP_INVALID_HEADER = 4,
	MAPIHTTP_INVALID_TYPE = 5,
	MAPIHTTP_INVALID_COOKIE = 6,
	MAPIHTTP_MISSING_HEADER = 7,
	MAPIHTTP_ANONYMOUS = 8,
	MAPIHTTP_TOO_LARGE = 9,
	MAPIHTTP_NO_CONTEXT = 10,
	MAPIHTTP_INVALID_BODY = 12,
	MAPIHTTP_MISSING_COOKIE = 13,
	MAPIHTTP_INVALID_SEQUENCE = 15,
	MAPIHTTP_DISABLED = 16,
	MAPIHTTP_SHUTTING_DOWN = 18,
};

struct mapihttp_request {
	struct ocs_http_exchange http; /* first: ocs_http_exchange_new() */
	struct mapihttp *server;
	struct timespec began;   /* for X-StartTime */
	uint64_t began_ms;       /* for X-ElapsedTime */
	enum mapihttp_type type; /* MAPIHTTP_TYPES until it is known */

	/* Who asks: "" until known. login is not OK: refused. */
	char account[OCS_AUTH_NAME_SIZE];
	bool checking; /* the password is being checked, the connection suspended */
	enum ocs_auth_result login;
	unsigned retry_after;

	/* Of a NotificationWait that was parked. */
	struct mapihttp_request *prev, *next;
	bool parked;    /* libocsemsmdb has it */
	bool listed;    /* in server->waits */
	bool suspended; /* libmicrohttpd waits for us */
	bool watched;   /* its socket is in server->epoll */
	bool gone;      /* the client is */
	bool started, answered, ended;
	unsigned tags;        /* PENDING to be sent */
	uint64_t pending_due; /* ms */
	uint32_t wait_flags, wait_result;
};

/* libmicrohttpd's callbacks; arg is the server. */
enum MHD_Result mapihttp_handle(void *arg, struct MHD_Connection *connection, const char *url,
                                const char *method, const char *version, const char *upload,
                                size_t *upload_size, void **request_r);
void mapihttp_completed(void *arg, struct MHD_Connection *connection, void **request_r,
                        enum MHD_RequestTerminationCode why);

/* ---- answers: reply.c ---- */

/* Longest head of an inner stream: tags and X- lines. */
#define MAPIHTTP_HEAD_SIZE 160
/* What follows PROCESSING when the answer is there: DONE, extra headers, the empty line. */
size_t mapihttp_put_done(const struct mapihttp_request *request, char *out, size_t size);

/* Cookies of a session; sequence is ocsemsmdb_session_data()'s. */
#define MAPIHTTP_COOKIE_CONTEXT  "MapiContext"
#define MAPIHTTP_COOKIE_SEQUENCE "MapiSequence"
#define MAPIHTTP_SEQUENCE_SIZE   48

/* X-ResponseCode that is not 0, with HTTP status and a text for people. */
enum MHD_Result mapihttp_reply_code(struct mapihttp_request *request, unsigned status,
                                    enum mapihttp_code code, const char *text);
/* The same with the status 200 that most refusals have. */
enum MHD_Result mapihttp_refuse(struct mapihttp_request *request, enum mapihttp_code code,
                                const char *text);
/* 0 and the stream with this body. sequence: the new value of the cookie, NULL: not set. context:
 * the session whose cookie is set, NULL: not set. */
enum MHD_Result mapihttp_reply(struct mapihttp_request *request, const uint8_t *body, size_t len,
                               const char *sequence, const struct ocsemsmdb_session *context);
/* The headers of every answer, on one that is made. */
void mapihttp_put_headers(struct mapihttp_request *request, struct MHD_Response **response,
                          enum mapihttp_code code);

/* ---- sessions of one address: addresses.c ---- */

/* Whether it may open one more. */
bool mapihttp_address_has_room(const struct mapihttp *server, const struct ocs_peer *peer);
/* It has opened one: what is given back when that ends. NULL: out of memory. */
struct mapihttp_address *mapihttp_address_join(struct mapihttp *server,
                                               const struct ocs_peer *peer);
/* NULL is allowed. */
void mapihttp_address_leave(struct mapihttp *server, struct mapihttp_address *address);

/* ---- the calls: calls.c ---- */

/* Headers, path and login are fine, the body is complete. */
enum MHD_Result mapihttp_call(struct mapihttp_request *request);
void mapihttp_session_ended(struct ocsemsmdb_session *session, void *data, void *arg);

/* ---- parked waits: wait.c ---- */

/* Parks it, or answers at once. */
enum MHD_Result mapihttp_wait(struct mapihttp_request *request, struct ocsemsmdb_session *session);
void mapihttp_wait_done(void *call, uint32_t flags, uint32_t result, void *arg);
bool mapihttp_wait_alive(void *call, void *arg);
/* The socket of a parked wait has ended (from the loop). */
void mapihttp_wait_gone(struct mapihttp_request *request);
/* libmicrohttpd is done with it: forgets all that a wait may have left. */
void mapihttp_wait_forget(struct mapihttp_request *request);
/* Sends the PENDING tags that are due; when the next one is, in ms; UINT64_MAX: never. */
uint64_t mapihttp_wait_tags(struct mapihttp *server, uint64_t now);

/* ---- HTTP Basic: login.c ---- */

int mapihttp_login_start(struct mapihttp *server, struct mapihttp_login **out,
                         struct ocs_error *error);
void mapihttp_login_stop(struct mapihttp_login *login);
/* Forgets the passwords it has seen: the accounts have changed. */
void mapihttp_login_forget(struct mapihttp_login *login);
/* Readable when a password has been checked: then mapihttp_login_results(). */
int mapihttp_login_fd(const struct mapihttp_login *login);
/* Resumes the requests whose passwords have been checked. */
void mapihttp_login_results(struct mapihttp_login *login);
/* Checks the Authorization header of a request whose headers are complete: fills account and login
 * at once, or suspends the request until it is checked. */
void mapihttp_login_check(struct mapihttp_login *login, struct mapihttp_request *request);

#endif
