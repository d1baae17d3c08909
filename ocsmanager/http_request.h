/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * One request of the web service, from its first header to its answer: routing, the rules of HTTP,
 * the body, and the answer, which may come from another thread.
 *
 * What has been routed here is acted on by the functions of http_auth.c and http_notify.c. An
 * action either fills in the reply and returns OCS_HTTP_READY, or hands a reference to somebody
 * else and returns OCS_HTTP_LATER; that one calls ocs_http_claim(), fills in the reply if it got
 * the claim, ocs_http_finish() and ocs_http_release(), in any thread, even before the action
 * returned.
 */

/* clang-format off */
/* Who owns a request, and what may be touched:
 *
 *   stage       is reached by                         owner, and what ends it
 *   ---------   -----------------------------------   ---------------------------------------
 *   reading     libmicrohttpd's handler (the          the connection's thread alone; a client
 *               connection's thread) makes it         that leaves: ocs_http_completed() frees it
 *
 *   handed on   the action retains a reference for    memory: who releases last. Reply and
 *               a worker, dispatch or the link        work_data: who holds the claim, until
 *                                                     ocs_http_finish()
 *
 *   suspended   the handler puts it into              libmicrohttpd touches neither connection
 *               server->suspended, then suspends      nor request until the one
 *                                                     MHD_resume_connection(), which
 *                                                     ocs_http_finish() makes; a client that
 *                                                     leaves is noticed only after that
 *
 *   done        ocs_http_finish()                     the connection's thread again. Who finished
 *                                                     may touch nothing but its own reference
 *
 *   completed   libmicrohttpd, also without a call    nobody: the request leaves every list and
 *               of the handler after the resumption   takes the claim first, then the reference
 *                                                     is released
 */
/* clang-format on */

/*
 * The connection's thread alone adds to and removes from server->suspended, and being completed
 * always removes. `http` is good for the connection's thread until it is
 * completed, and for the holder of the claim until it finishes; a plain reference gives a right to
 * neither. The server is there as long as any claim is unfinished: ocs_service_stop() waits, or
 * frees nothing.
 */
#ifndef OCSMANAGER_HTTP_REQUEST_H
#define OCSMANAGER_HTTP_REQUEST_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <microhttpd.h>

#include "auth/auth.h"
#include "auth/limits.h"
#include "notify/notification.h"
#include "http/exchange.h"
#include "ocsmanager/metrics.h"
#include "xml/xml.h"

struct ocs_dispatch;
struct ocs_http_workers;
struct ocs_link;

/* What a reload may change. Each request keeps the one it began with: its connection holds it
 * until the next one begins. */
struct ocs_http_settings {
	atomic_uint references;
	size_t max_body;
	unsigned max_batch;
	unsigned request_deadline;      /* seconds */
	struct ocs_auth_limits *limits; /* talloc, freed with the settings */
};

void ocs_http_settings_release(struct ocs_http_settings *settings);

/* What all requests share; belongs to the service. */
struct ocs_http_server {
	struct ocs_auth *auth;
	struct ocs_dispatch *dispatch;
	struct ocs_link *link; /* NULL: a single machine */
	struct ocs_http_workers *workers;
	struct ocs_http_workers *askers; /* for logins that ask a directory */
	struct ocs_http_guard *guard;
	char *registry; /* malloc()ed: the folder that is served, for /identity */
	struct ocs_metrics metrics;
	pthread_mutex_t lock; /* of the two below, and of taking a reference to the settings */
	/* For new requests; written under the lock. */
	_Atomic(struct ocs_http_settings *) settings;
	struct ocs_http_request *suspended; /* list of those that wait for their answer */
	bool abandoned;                     /* under the lock: the list takes no more */
	atomic_bool stopping;               /* new requests are turned away */
	atomic_uint finishing;              /* threads inside ocs_http_finish() */
};

enum ocs_http_action { OCS_HTTP_READY, OCS_HTTP_LATER };

struct ocs_http_reply {
	unsigned code; /* 0: not filled in */
	struct ocs_xml_writer body;
	unsigned retry_after;                      /* seconds; 0: no such header */
	char cookie_session[OCS_AUTH_COOKIE_SIZE]; /* "": none is set */
	char cookie_token[OCS_AUTH_COOKIE_SIZE];
};

struct ocs_http_route;
struct ocs_http_kept;

#define OCS_HTTP_XML "text/xml; charset=utf-8" /* the type of every answer */

/* Which listener a connection came by. */
enum ocs_http_door {
	OCS_HTTP_DOOR_ADDRESS, /* [server:main] host and port */
	OCS_HTTP_DOOR_SOCKET,  /* [server:main] socket */
	OCS_HTTP_DOOR_REPORTS, /* report.sock: a MAPI server */
};

enum ocs_http_stage { OCS_HTTP_STAGE_READING, OCS_HTTP_STAGE_SUSPENDED, OCS_HTTP_STAGE_DONE };

struct ocs_http_request {
	struct ocs_http_exchange http; /* first: ocs_http_exchange_new() */
	struct ocs_http_server *server;
	struct ocs_http_kept *kept;               /* the connection's; good as long as `http` is */
	const struct ocs_http_settings *settings; /* ... so are these */
	const struct ocs_http_route *route;       /* NULL: none matches */
	const char *about; /* what a refusal now is about, for the log; NULL: nothing more to say */
	uint64_t number;   /* of the connection's requests */

	const char *authorization; /* libmicrohttpd's, good until it is done with the request */
	bool draining;             /* its answer is out, past libmicrohttpd */
	struct ocs_refusal early;  /* code 0: none; else the answer once the body is read */

	struct ocs_http_reply reply;
	atomic_uint references;
	atomic_flag claimed;                  /* by who writes the reply */
	atomic_int stage;                     /* enum ocs_http_stage */
	struct ocs_http_request *prev, *next; /* in the list of suspended ones */
	bool listed;

	/* For the worker that has it. */
	void (*work)(struct ocs_http_request *request);
	int64_t queued_at;
	void *work_data; /* talloc, child of nothing; freed with the request */
};

/* http_handler.c */
enum MHD_Result ocs_http_handle(void *server, struct MHD_Connection *connection, const char *url,
                                const char *method, const char *version, const char *upload,
                                size_t *upload_size, void **request);
void ocs_http_completed(void *server, struct MHD_Connection *connection, void **request,
                        enum MHD_RequestTerminationCode why);
/* Ends every request that still waits with 503; later ones do not wait. */
void ocs_http_abandon_all(struct ocs_http_server *server);

/* http_request.c */
void ocs_http_retain(struct ocs_http_request *request);
void ocs_http_release(struct ocs_http_request *request);
/* true for the first that asks: it alone writes the reply. */
bool ocs_http_claim(struct ocs_http_request *request);
/* The reply is written: it goes out. Only after a claim. */
void ocs_http_finish(struct ocs_http_request *request);
/* Until no thread is inside ocs_http_finish(). */
void ocs_http_wait_finished(struct ocs_http_server *server);

/* http_reply.c. refuse replaces whatever was written before, counts and logs. `account` may be
 * NULL. */
void ocs_http_refuse(struct ocs_http_request *request, const struct ocs_refusal *refusal,
                     unsigned retry_after, const char *account);
void ocs_http_refuse_with(struct ocs_http_request *request, int code, const char *name,
                          const char *text);
void ocs_http_refuse_memory(struct ocs_http_request *request);
/* Counts and logs a refusal that is only a part of the reply. */
void ocs_http_note_refusal(struct ocs_http_request *request, const struct ocs_refusal *refusal,
                           const char *account);
/* Hands the reply to libmicrohttpd. */
enum MHD_Result ocs_http_answer(struct ocs_http_request *request);

/* The session token of Authorization: Bearer; NULL if there is none. */
const char *ocs_http_bearer(const struct ocs_http_request *request);
/* "c12.3": the third request of connection 12. */
#define OCS_HTTP_ID_SIZE 48
void ocs_http_format_id(const struct ocs_http_request *request, char out[OCS_HTTP_ID_SIZE]);

/* Actions (http_auth.c, http_notify.c). */
enum ocs_http_action ocs_http_mechanisms(struct ocs_http_request *request);
enum ocs_http_action ocs_http_auth_token(struct ocs_http_request *request);
enum ocs_http_action ocs_http_auth_login(struct ocs_http_request *request);
enum ocs_http_action ocs_http_auth_logout(struct ocs_http_request *request);
enum ocs_http_action ocs_http_notification(struct ocs_http_request *request);
enum ocs_http_action ocs_http_newmail(struct ocs_http_request *request);

struct ocs_http_route {
	const char *path, *method, *allow;
	enum ocs_http_action (*act)(struct ocs_http_request *request);
	bool body;     /* takes one */
	bool any_type; /* whatever Content-Type says: the old service did not look at it there */
	bool optional; /* the body may be missing */
	bool again;    /* answers are much the same, and tell nothing that is secret */
	bool secret;   /* the body holds a password: wiped before it is freed */
};

#endif
