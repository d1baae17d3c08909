/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * libocsemsmdb: the notification part of EMSMDB, for any MAPI server.
 *
 * It stands on libocsnotify (ocsnotify.h) and knows what that does not: ROP buffers, session
 * contexts, EcDoConnectEx and its neighbours, the asynchronous wait. It has no thread, no socket
 * and no timer of its own: the host gives it bytes, a clock and callbacks.
 *
 * Three ways to use it, from the whole to the part:
 *
 *  1. ocsemsmdb_rpc(): stub bytes of a DCERPC request in, stub bytes of the response out.
 *  2. ocsemsmdb_connect(), ocsemsmdb_execute(), ocsemsmdb_wait_park(), ocsemsmdb_disconnect(): the
 *     same calls for another transport (MAPI over HTTP).
 *  3. A server with its own ROP processor: ocsemsmdb_rop_register() and its neighbours while it
 *     works through a request, ocsemsmdb_append() on the finished response. It may also give its
 *     processor to 1 and 2 (settings.processor).
 *
 * Without a processor of the host, 1 and 2 answer as an empty private mailbox: RopLogon, tables of
 * no rows, subscriptions; every other ROP with the error the standard names. That is enough for a
 * client to register and to idle.
 *
 * The host's loop: when ocsnotify_fd() of the context is readable, ocsemsmdb_process(); not later
 * than ocsemsmdb_deadline(), ocsemsmdb_tick().
 *
 * Threads: a server and all that belongs to it, its ocsnotify context included, may be used by one
 * thread at a time. Callbacks are called from inside calls of the library and must not call it,
 * unless their description allows it.
 *
 * Units: results that are an uint32_t are MAPI error codes (0 success) as the client gets them;
 * times are milliseconds, sizes bytes; integers on the wire are little-endian.
 *
 * Ownership: buffers and structs belong to the caller; strings passed in are copied; what a
 * function returns through a pointer belongs to the library.
 *
 * Versions and sizes of structs: as in ocsnotify.h.
 */
#ifndef OCSEMSMDB_H
#define OCSEMSMDB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <ocsnotify.h>

#ifdef __cplusplus
extern "C" {
#endif

#define OCSEMSMDB_API __attribute__((visibility("default")))

struct ocsemsmdb;         /* a server: settings, sessions, on one ocsnotify context */
struct ocsemsmdb_session; /* a session context (CXH) of one user */

/* ---- versions -------------------------------------------------------------------------------- */

/* What the host was compiled with. */
#define OCSEMSMDB_VERSION_MAJOR 0
#define OCSEMSMDB_VERSION_MINOR 1
#define OCSEMSMDB_VERSION_PATCH 0
#define OCSEMSMDB_VERSION                                                                          \
	(OCSEMSMDB_VERSION_MAJOR << 16 | OCSEMSMDB_VERSION_MINOR << 8 | OCSEMSMDB_VERSION_PATCH)

/* OCSEMSMDB_VERSION of the library that the host runs with. Any thread. */
OCSEMSMDB_API unsigned ocsemsmdb_library_version(void);

/* ---- errors and sizes ------------------------------------------------------------------------ */

/* MAPI error codes of MS-OXCDATA 2.4 that this library gives. */
#define OCSEMSMDB_EC_NONE             0x00000000u
#define OCSEMSMDB_EC_UNKNOWN_USER     0x000003ebu
#define OCSEMSMDB_EC_EXITING          0x000003edu
#define OCSEMSMDB_EC_SERVER_OOM       0x000003f0u
#define OCSEMSMDB_EC_LOGIN_PERM       0x000003f2u
#define OCSEMSMDB_EC_BUFFER_TOO_SMALL 0x0000047du
#define OCSEMSMDB_EC_RPC_FORMAT       0x000004b6u
#define OCSEMSMDB_EC_NULL_OBJECT      0x000004b9u
#define OCSEMSMDB_EC_REJECTED         0x000007eeu
#define OCSEMSMDB_EC_NOT_ENCRYPTED    0x00000970u
#define OCSEMSMDB_EC_ERROR            0x80004005u
#define OCSEMSMDB_EC_NOT_SUPPORTED    0x80040102u
#define OCSEMSMDB_EC_INVALID_OBJECT   0x80040108u
#define OCSEMSMDB_EC_LOGIN_FAILURE    0x80040111u
#define OCSEMSMDB_EC_RPC_FAILED       0x80040115u
#define OCSEMSMDB_EC_TOO_BIG          0x80040305u
#define OCSEMSMDB_EC_ACCESS_DENIED    0x80070005u
#define OCSEMSMDB_EC_INVALID_PARAM    0x80070057u

/* DCERPC fault statuses of ocsemsmdb_rpc(). */
#define OCSEMSMDB_FAULT_ACCESS_DENIED    0x00000005u
#define OCSEMSMDB_FAULT_BAD_STUB_DATA    0x000006f7u
#define OCSEMSMDB_FAULT_OP_RANGE         0x1c010002u
#define OCSEMSMDB_FAULT_CONTEXT_MISMATCH 0x1c00001au

/* Sizes in bytes. */
#define OCSEMSMDB_HANDLE_SIZE 16     /* CXH, ACXH without the attributes word */
#define OCSEMSMDB_USER_MAX    1024   /* a user name, without its NUL */
#define OCSEMSMDB_PAYLOAD_MAX 0x8000 /* ROP buffer: RopSize, RopsList, handle table */
#define OCSEMSMDB_EXT_MAX     (8 + OCSEMSMDB_PAYLOAD_MAX) /* with RPC_HEADER_EXT */
#define OCSEMSMDB_STUB_MAX                                                                         \
	(OCSEMSMDB_EXT_MAX + 256) /* out-stub of any call; enough for                              \
	                             EcDoConnectEx as well */
#define OCSEMSMDB_CB_MAX  0x40000 /* cbIn, pcbOut, RopBufferSize, MaxRopOut */
#define OCSEMSMDB_AUX_MAX 0x1008  /* auxiliary buffers */

/* ---- settings -------------------------------------------------------------------------------- */

/* Which Exchange this server behaves as. 2013 stands for all from there, but for MessageFlags. */
enum ocsemsmdb_version {
	OCSEMSMDB_2003,
	OCSEMSMDB_2007,
	OCSEMSMDB_2010,
	OCSEMSMDB_2013,
	OCSEMSMDB_2016,
};

/* "2003" ... "2016", "2019", "se" (the last three behave alike); false if it is none. */
OCSEMSMDB_API bool ocsemsmdb_version_parse(const char *text, enum ocsemsmdb_version *version_r);

/*
 * The host's own ROP processor: payload is a ROP input buffer (RopSize, RopsList, handle table),
 * unwrapped. Writes the ROP output buffer of at most size bytes; *too_small_r, false when called,
 * tells that it ends in RopBufferTooSmall or that no notification may follow for another reason.
 * Not 0: the call fails with that code. May call what is below "inside a ROP processor" for this
 * session, and ocsemsmdb_session_*(), nothing else.
 */
typedef uint32_t ocsemsmdb_processor_fn(struct ocsemsmdb_session *session, const uint8_t *payload,
                                        size_t payload_len, uint8_t *out, size_t size,
                                        size_t *len_r, bool *too_small_r, void *arg);

/* A parked wait has ended: flags is pulFlagsOut (bit 0: pending), result the return value. call is
 * what the host gave when it parked; it is forgotten before the callback is called. */
typedef void ocsemsmdb_wait_done_fn(void *call, uint32_t flags, uint32_t result, void *arg);

/* Whether the client behind a parked wait is still there. Asked when a second wait comes and in
 * ocsemsmdb_tick(); after false the wait is forgotten without ocsemsmdb_wait_done_fn. */
typedef bool ocsemsmdb_wait_alive_fn(void *call, void *arg);

/* Whether the authenticated user may connect or log on by this distinguished name (not empty): 0,
 * ecUnknownUser, ecAccessDenied. The session is the authenticated user's in any case. */
typedef uint32_t ocsemsmdb_check_dn_fn(const char *user, const char *dn, void *arg);

/* A session has ended for any reason; data is ocsemsmdb_session_data(). */
typedef void ocsemsmdb_session_ended_fn(struct ocsemsmdb_session *session, void *data, void *arg);

/* Milliseconds that never go back. */
typedef uint64_t ocsemsmdb_clock_fn(void *arg);

struct ocsemsmdb_settings {
	enum ocsemsmdb_version version;

	/* What differs by version, set by ocsemsmdb_settings_init(); may be changed after it. */
	bool push;              /* EcRRegisterPushNotification works, else ecNotSupported */
	bool async;             /* EcDoAsyncConnectEx works, else ecRejected */
	bool linking;           /* ulIcxrLink is honoured and RopPending sent for linked sessions */
	bool view_needed;       /* a table tells nothing before its first view and after
	                           RopResetTable */
	bool wait_from_call;    /* the wait's time counts from the call, not from the last
	                           EcDoRpcExt2 */
	bool dead_wait_pending; /* a wait on a dead handle ends with NotificationPending, not with
	                           ecRejected */
	bool zero_message_flags; /* NewMail carries MessageFlags 0 */
	uint16_t server_version[4];

	bool require_privacy; /* EcDoConnectEx without packet privacy: ecNotEncrypted. Default true
	                       */

	/* Times in ms. */
	uint32_t polls_max;    /* pcmsPollsMax, 60000 */
	uint32_t retry_count;  /* pcRetry, 6 */
	uint32_t retry_delay;  /* pcmsRetryDelay, 10000 */
	uint32_t wait_time;    /* a parked wait ends after this, 300000 */
	uint32_t session_idle; /* a session without calls ends after this; 0 never. 900000 */

	/* What all may have together, and one user and one session, so that nobody takes it all.
	 * Past each: ecServerOOM. */
	unsigned sessions_max;      /* at most 65535; default 10000 */
	unsigned sessions_per_user; /* past it the user's least recently used session without a
	                               parked wait ends; 0: no limit; default 128 */
	unsigned handles_max;       /* server object handles of one session; default 4096 */
	unsigned subscriptions_max; /* of them tables and subscriptions; 0: handles_max; default
	                               500 */

	/* The backend whose folders the built-in mailbox has, as notifications name it ("imap"),
	 * and nothing else of it. NULL: "imap". Copied. */
	const char *backend;

	ocsemsmdb_processor_fn *processor;         /* NULL: the built-in empty mailbox */
	ocsemsmdb_wait_done_fn *wait_done;         /* needed if waits are parked */
	ocsemsmdb_wait_alive_fn *wait_alive;       /* NULL: always */
	ocsemsmdb_check_dn_fn *check_dn;           /* NULL: any */
	ocsemsmdb_session_ended_fn *session_ended; /* NULL: none */
	ocsemsmdb_clock_fn *clock;                 /* NULL: CLOCK_MONOTONIC */
	void *arg;                                 /* of all callbacks */
};

/* The defaults of a version. */
OCSEMSMDB_API void ocsemsmdb_settings_init_sized(struct ocsemsmdb_settings *settings,
                                                 size_t settings_size,
                                                 enum ocsemsmdb_version version);
static inline void ocsemsmdb_settings_init(struct ocsemsmdb_settings *settings,
                                           enum ocsemsmdb_version version)
{
	ocsemsmdb_settings_init_sized(settings, sizeof(*settings), version);
}

/* ---- the server ------------------------------------------------------------------------------ */

/* A server on a context, which stays the host's and must outlive it. The context's sessions must be
 * this server's alone (ocsnotify_session_data() is used). OCSNOTIFY_OK, OCSNOTIFY_E_INVALID (a
 * setting is out of range) or OCSNOTIFY_E_NOMEM. */
OCSEMSMDB_API int ocsemsmdb_open_sized(struct ocsnotify *context,
                                       const struct ocsemsmdb_settings *settings,
                                       size_t settings_size, struct ocsemsmdb **server_r);
static inline int ocsemsmdb_open(struct ocsnotify *context,
                                 const struct ocsemsmdb_settings *settings,
                                 struct ocsemsmdb **server_r)
{
	return ocsemsmdb_open_sized(context, settings, sizeof(*settings), server_r);
}

/* Ends parked waits with ecExiting; later waits end so at once. For the host's SIGTERM. */
OCSEMSMDB_API void ocsemsmdb_shutdown(struct ocsemsmdb *server);

/* ocsemsmdb_shutdown(), ends all sessions, frees. NULL is allowed. */
OCSEMSMDB_API void ocsemsmdb_close(struct ocsemsmdb *server);

/* Calls ocsnotify_process() (which see: UDP datagrams) and ends the waits of the sessions that have
 * something pending. The number of waits ended, or an OCSNOTIFY_E_ error. */
OCSEMSMDB_API int ocsemsmdb_process(struct ocsemsmdb *server);

/* Ends waits whose time is over or whose client is gone, and sessions idle for too long. */
OCSEMSMDB_API void ocsemsmdb_tick(struct ocsemsmdb *server);

/* When ocsemsmdb_tick() has something to do, in ms of the clock; UINT64_MAX: never. */
OCSEMSMDB_API uint64_t ocsemsmdb_deadline(const struct ocsemsmdb *server);

struct ocsemsmdb_stats {
	unsigned sessions, parked;
	/* since ocsemsmdb_open() */
	uint64_t waits_woken, waits_timed_out, waits_rejected;
	uint64_t ended_for_user;   /* sessions, for a newer one of their user */
	uint64_t refused_for_user; /* connects: all of the user's sessions were waiting */
	uint64_t refused_for_all;  /* connects: sessions_max */
};
OCSEMSMDB_API void ocsemsmdb_get_stats_sized(const struct ocsemsmdb *server,
                                             struct ocsemsmdb_stats *stats, size_t stats_size);
static inline void ocsemsmdb_get_stats(const struct ocsemsmdb *server,
                                       struct ocsemsmdb_stats *stats)
{
	ocsemsmdb_get_stats_sized(server, stats, sizeof(*stats));
}

/* ---- who calls ------------------------------------------------------------------------------- */

struct ocsemsmdb_caller {
	const char *user; /* groupware user as authenticated (UTF-8); NULL: anonymous, refused */
	const void *connection; /* any pointer that is the transport connection's own; a session
	                           made with one belongs to it. NULL: to none (HTTP) */
	bool privacy;           /* the transport encrypts */
};

/* The connection is gone: its sessions end, its parked waits are forgotten without a callback. */
OCSEMSMDB_API void ocsemsmdb_connection_closed(struct ocsemsmdb *server, const void *connection);

/* ---- 1. DCERPC stubs ------------------------------------------------------------------------- */

enum ocsemsmdb_interface {
	OCSEMSMDB_IF_EMSMDB, /* a4f1db00-ca47-1067-b31f-00dd010662da 0.81 */
	OCSEMSMDB_IF_ASYNC,  /* 5261574a-4572-206e-b268-6b199213b4e4 0.1 */
};

enum ocsemsmdb_rpc_result {
	OCSEMSMDB_RPC_REPLY,  /* *len_r bytes of out are the response's stub */
	OCSEMSMDB_RPC_FAULT,  /* *fault_r is the fault's status */
	OCSEMSMDB_RPC_PARKED, /* settings.wait_done comes for call */
};

/*
 * One request: EMSMDB 1 EcDoDisconnect, 4 EcRRegisterPushNotification, 6 EcDummyRpc, 10
 * EcDoConnectEx, 11 EcDoRpcExt2, 14 EcDoAsyncConnectEx; AsyncEMSMDB 0 EcDoAsyncWaitEx; all others
 * fault with OP_RANGE, an anonymous caller with ACCESS_DENIED, a stub that is not exact with
 * BAD_STUB_DATA, a CXH of another connection with CONTEXT_MISMATCH. size should be
 * OCSEMSMDB_STUB_MAX. call matters for EcDoAsyncWaitEx only: the host's own, not NULL.
 */
OCSEMSMDB_API enum ocsemsmdb_rpc_result
ocsemsmdb_rpc_sized(struct ocsemsmdb *server, const struct ocsemsmdb_caller *caller,
                    size_t caller_size, enum ocsemsmdb_interface iface, uint16_t opnum,
                    const uint8_t *stub, size_t stub_len, void *call, uint8_t *out, size_t size,
                    size_t *len_r, uint32_t *fault_r);
static inline enum ocsemsmdb_rpc_result
ocsemsmdb_rpc(struct ocsemsmdb *server, const struct ocsemsmdb_caller *caller,
              enum ocsemsmdb_interface iface, uint16_t opnum, const uint8_t *stub, size_t stub_len,
              void *call, uint8_t *out, size_t size, size_t *len_r, uint32_t *fault_r)
{
	return ocsemsmdb_rpc_sized(server, caller, sizeof(*caller), iface, opnum, stub, stub_len,
	                           call, out, size, len_r, fault_r);
}

/* The response's stub of an EcDoAsyncWaitEx that was parked, from what wait_done got. */
OCSEMSMDB_API void ocsemsmdb_wait_stub(uint32_t flags, uint32_t result, uint8_t out[8]);

/* ---- 2. the calls without DCERPC ------------------------------------------------------------- */

#define OCSEMSMDB_NO_LINK 0xffffffffu

struct ocsemsmdb_connect {
	const char *user_dn; /* szUserDN */
	uint32_t flags;      /* ulFlags: bit 0 asks for an administrator's rights and is refused */
	uint32_t code_page;  /* ulCpid, DefaultCodePage */
	uint32_t link;       /* ulIcxrLink; OCSEMSMDB_NO_LINK */
	uint32_t time_stamp; /* pulTimeStamp of the session to link to */
	uint16_t client_version[3];
};

/* What the client is told; the other values are the settings'. */
struct ocsemsmdb_connected {
	uint16_t index;           /* picxr */
	uint32_t time_stamp;      /* pulTimeStamp */
	const char *display_name; /* the user's name; valid as long as the session */
};

/* EcDoConnectEx, Connect. May end another session of the user (settings.sessions_per_user). On
 * failure *session_r is NULL. */
OCSEMSMDB_API uint32_t
ocsemsmdb_connect_sized(struct ocsemsmdb *server, const struct ocsemsmdb_caller *caller,
                        size_t caller_size, const struct ocsemsmdb_connect *connect,
                        size_t connect_size, struct ocsemsmdb_connected *connected_r,
                        size_t connected_size, struct ocsemsmdb_session **session_r);
static inline uint32_t ocsemsmdb_connect(struct ocsemsmdb *server,
                                         const struct ocsemsmdb_caller *caller,
                                         const struct ocsemsmdb_connect *connect,
                                         struct ocsemsmdb_connected *connected_r,
                                         struct ocsemsmdb_session **session_r)
{
	return ocsemsmdb_connect_sized(server, caller, sizeof(*caller), connect, sizeof(*connect),
	                               connected_r, sizeof(*connected_r), session_r);
}

/* EcDoDisconnect, Disconnect: frees the session; a wait parked on it ends as one on a dead handle
 * does. NULL is allowed. */
OCSEMSMDB_API void ocsemsmdb_disconnect(struct ocsemsmdb_session *session);

/*
 * EcDoRpcExt2, Execute: in is rgbIn or RopBuffer (with RPC_HEADER_EXT), size is pcbOut or
 * MaxRopOut, out has at least min(size, OCSEMSMDB_EXT_MAX) bytes. The answer is plain (neither
 * compressed nor XORed), which obeys every value of pulFlags. *len_r is 0 on failure: ecRpcFailed
 * (in_len or size below 8), ecRpcFormat, ecBufferTooSmall, or what the processor said.
 */
OCSEMSMDB_API uint32_t ocsemsmdb_execute(struct ocsemsmdb_session *session, const uint8_t *in,
                                         size_t in_len, uint8_t *out, size_t size, size_t *len_r);

/* EcRRegisterPushNotification; context and address as for ocsnotify_set_push(). */
OCSEMSMDB_API uint32_t ocsemsmdb_register_push(struct ocsemsmdb_session *session,
                                               const uint8_t *context, size_t context_len,
                                               const uint8_t *address, size_t address_len);

/* EcDoAsyncConnectEx: the session's asynchronous handle (ACXH), zero bytes on failure: ecRejected
 * where settings.async is false. */
OCSEMSMDB_API uint32_t ocsemsmdb_async_connect(struct ocsemsmdb_session *session,
                                               uint8_t acxh[OCSEMSMDB_HANDLE_SIZE]);

enum ocsemsmdb_wait_kind {
	OCSEMSMDB_WAIT_ASYNC, /* EcDoAsyncWaitEx: time counts as settings.wait_from_call says */
	OCSEMSMDB_WAIT_HTTP,  /* NotificationWait: time counts from the call */
};

/*
 * EcDoAsyncWaitEx, NotificationWait. True: parked, and settings.wait_done comes once for call (not
 * NULL), unless ocsemsmdb_wait_cancel() or ocsemsmdb_connection_closed() comes before it. False:
 * ended at once with *flags_r and *result_r: pending; ecRejected if a wait is parked already (which
 * stays); ecExiting. No event is lost between the look into the queues and the parking. The session
 * does not expire while a wait is parked.
 */
OCSEMSMDB_API bool ocsemsmdb_wait_park(struct ocsemsmdb_session *session,
                                       enum ocsemsmdb_wait_kind kind, const void *connection,
                                       void *call, uint32_t *flags_r, uint32_t *result_r);

/* What a wait on a handle that is no session's (any more) gets. */
OCSEMSMDB_API void ocsemsmdb_wait_dead(const struct ocsemsmdb *server, uint32_t *flags_r,
                                       uint32_t *result_r);

/* The client behind a parked wait is gone: forgets it without a callback. False if call is not
 * parked. Looks at every session: for ends of connections, not for each request. */
OCSEMSMDB_API bool ocsemsmdb_wait_cancel(struct ocsemsmdb *server, const void *call);

/* ---- sessions -------------------------------------------------------------------------------- */

/* The session of a handle (CXH or cookie: OCSEMSMDB_HANDLE_SIZE bytes), NULL if there is none or it
 * is another user's. Restarts its idle time. */
OCSEMSMDB_API struct ocsemsmdb_session *
ocsemsmdb_session_find(struct ocsemsmdb *server, const uint8_t handle[OCSEMSMDB_HANDLE_SIZE],
                       const char *user);

/* Whose the handle is, NULL if nobody's: to tell a wrong user from an unknown handle. */
OCSEMSMDB_API const char *ocsemsmdb_session_owner(const struct ocsemsmdb *server,
                                                  const uint8_t handle[OCSEMSMDB_HANDLE_SIZE]);

/* 16 unguessable bytes that name the session. */
OCSEMSMDB_API const uint8_t *ocsemsmdb_session_handle(const struct ocsemsmdb_session *session);
OCSEMSMDB_API const char *ocsemsmdb_session_user(const struct ocsemsmdb_session *session);
OCSEMSMDB_API uint16_t ocsemsmdb_session_index(const struct ocsemsmdb_session *session);
/* For ocsnotify_session_set_unicode(), ocsnotify_set_row_provider(), and as `except` of
 * ocsnotify_report(). */
OCSEMSMDB_API struct ocsnotify_session *
ocsemsmdb_session_notify(const struct ocsemsmdb_session *session);

/* The host's own pointer. */
OCSEMSMDB_API void ocsemsmdb_session_set_data(struct ocsemsmdb_session *session, void *data);
OCSEMSMDB_API void *ocsemsmdb_session_data(const struct ocsemsmdb_session *session);

/* ---- 3. inside a ROP processor --------------------------------------------------------------- */

/*
 * RopRegisterNotification: request stands at its RopId; handle is the new server object handle the
 * host chose for it (not 0xffffffff, unique in the session). *used_r is the length of the request,
 * 0 if it is cut (the whole call then fails with ecRpcFormat). response is complete, failure or
 * not; on success the host writes handle into the handle table at response[1].
 */
#define OCSEMSMDB_REGISTER_RESPONSE 6
OCSEMSMDB_API uint32_t ocsemsmdb_rop_register(struct ocsemsmdb_session *session,
                                              const uint8_t *request, size_t request_len,
                                              uint32_t handle, size_t *used_r,
                                              uint8_t response[OCSEMSMDB_REGISTER_RESPONSE]);

/* TableFlags of MS-OXCFOLD 2.2.1.13.1 that matters here. */
#define OCSEMSMDB_TABLE_NO_NOTIFICATIONS 0x10

/* RopGetContentsTable or RopGetHierarchyTable succeeded: the table's handle and flags. */
OCSEMSMDB_API uint32_t ocsemsmdb_table_opened(struct ocsemsmdb_session *session, uint32_t handle,
                                              uint8_t logon_id, enum ocsnotify_table table,
                                              uint64_t folder_id, uint8_t table_flags);

/* RopQueryRows, RopFindRow, RopQueryPosition, RopQueryColumnsAll, RopSeekRow, RopSeekRowBookmark,
 * RopSeekRowFractional, RopExpandRow or RopCollapseRow succeeded on the table. */
OCSEMSMDB_API uint32_t ocsemsmdb_table_viewed(struct ocsemsmdb_session *session, uint32_t handle);

/* RopResetTable succeeded on the table. */
OCSEMSMDB_API uint32_t ocsemsmdb_table_reset(struct ocsemsmdb_session *session, uint32_t handle);

/* RopRelease of any handle; does nothing if it is no table or subscription. */
OCSEMSMDB_API void ocsemsmdb_rop_release(struct ocsemsmdb_session *session, uint32_t handle);

/* The logon has ended (its handle was released, or another RopLogon took its LogonId): so do its
 * tables and subscriptions. */
OCSEMSMDB_API void ocsemsmdb_logon_ended(struct ocsemsmdb_session *session, uint8_t logon_id);

/*
 * The finished ROP output buffer (RopSize, RopsList, handle table): appends RopNotify, as many as
 * fit into size bytes (at most OCSEMSMDB_PAYLOAD_MAX are used), and RopPending at the end of
 * RopsList, and moves the handle table behind them. Not to be called on a response that ends in
 * RopBufferTooSmall. Wakes the session's wait if something is left. ecRpcFormat if the buffer is
 * none. ocsemsmdb_execute() does this by itself.
 */
OCSEMSMDB_API uint32_t ocsemsmdb_append(struct ocsemsmdb_session *session, uint8_t *payload,
                                        size_t *payload_len, size_t size);

/* Whether a response payload ends in RopBufferTooSmall, judged by the request's: for a host that
 * has only the bytes. May err to true, which only delays notifications, never for an empty request.
 */
OCSEMSMDB_API bool ocsemsmdb_is_too_small(const uint8_t *request, size_t request_len,
                                          const uint8_t *response, size_t response_len);

/*
 * RPC_HEADER_EXT and what follows it: unwraps the first payload of in into out (at most
 * OCSEMSMDB_PAYLOAD_MAX bytes), decompressing and un-XORing it. *used_r is how much of in it took,
 * *last_r whether it says it is the last. 0, ecRpcFailed (in_len below 8) or ecRpcFormat.
 */
OCSEMSMDB_API uint32_t ocsemsmdb_ext_unwrap(const uint8_t *in, size_t in_len, uint8_t *out,
                                            size_t size, size_t *len_r, size_t *used_r,
                                            bool *last_r);

/* Writes the RPC_HEADER_EXT of one plain, last payload of payload_len bytes. */
OCSEMSMDB_API void ocsemsmdb_ext_header(uint16_t payload_len, uint8_t out[8]);

#ifdef __cplusplus
}
#endif

#endif
