/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * libocsnotify: notifications for a MAPI server's clients.
 *
 * A MAPI server opens one context, one session for each client connection (session context), and
 * subscribes as the client asks. The ocsmanager daemon writes what happens into the session's
 * queues; in the client's idle EMSMDB call the server drains them as RopNotify responses.
 *
 * When things happen: the library has no thread and never blocks on a client. The registry's lock
 * apart, the one thing it may wait for is the daemon: 2 s at most in ocsnotify_subscribe(), and
 * OCSNOTIFY_REPORT_SECONDS in ocsnotify_report(). ocsnotify_fd() becomes readable on news; the host
 * then calls ocsnotify_process(), which sends the UDP datagrams that are due and says which
 * sessions have something pending. The idle call drains.
 *
 * What is removed under a running context (cleaners of temporary folders do it): its wake-up socket
 * and queue list, the folder they are in, its records in the registry, one of its kernel queues, or
 * the registry file when the daemon makes a new one. It is looked for every 3 s, by a timer that
 * makes ocsnotify_fd() readable (so it becomes readable without news too; ocsnotify_process() then
 * returns 0), and in the calls that subscribe and drain. What is missing is made again and
 * registered again in the same places, and the warning function is told once. Nothing that was
 * accepted is lost by it, with one exception, of which the warning says that what came meanwhile is
 * missing: a host that made no call for more than 15 s after that was taken for dead. Where it
 * cannot be mended the warning says why, once, and it is tried again. Where another index takes the
 * place of the one in use (`ocsctl index restore`), calls about identifiers go on with that one.
 *
 * Threads: a context and all that belongs to it may be used by one thread at a time; different
 * contexts may be used by different threads at once. No call may be made from inside a callback
 * unless its description allows it. Nothing may be used in a forked child: each call there
 * returns OCSNOTIFY_E_FORKED, except ocsnotify_close(), which frees memory and descriptors only.
 *
 * Ownership: what a function returns through a pointer belongs to the library unless it says
 * otherwise. Strings passed in are copied.
 *
 * Versions: a host runs with the library that it was compiled with or a newer one of the same
 * SONAME; ocsnotify_library_version() tells which. Structs grow at their end. Where the host
 * allocates one, an inline function hands the size that the host was compiled with to the function
 * named _sized, which writes nothing past it and takes what is missing as 0. Languages without this
 * header call the latter.
 *
 * Permissions: the process must be in the group of the registry folder. Its queues are charged to
 * its own user; where the kernel gives none, notifications wait in a file of it, and a warning says
 * which limit to raise.
 *
 * Units: identifiers (FID, MID) are the 64-bit C values of MS-OXCDATA 2.2.1.1 and 2.2.1.2: the
 * eight wire bytes read as a little-endian integer. Whose they are is said at
 * ocsnotify_set_identifiers(). Times are microseconds since 1970, UTC.
 */
#ifndef OCSNOTIFY_H
#define OCSNOTIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define OCSNOTIFY_API __attribute__((visibility("default")))

struct ocsnotify;         /* a context: one descriptor, any number of sessions */
struct ocsnotify_session; /* one client connection of one user */

/* ---- versions -------------------------------------------------------------------------------- */

/* What the host was compiled with. */
#define OCSNOTIFY_VERSION_MAJOR 0
#define OCSNOTIFY_VERSION_MINOR 1
#define OCSNOTIFY_VERSION_PATCH 0
#define OCSNOTIFY_VERSION                                                                          \
	(OCSNOTIFY_VERSION_MAJOR << 16 | OCSNOTIFY_VERSION_MINOR << 8 | OCSNOTIFY_VERSION_PATCH)

/* OCSNOTIFY_VERSION of the library that the host runs with. Any thread. */
OCSNOTIFY_API unsigned ocsnotify_library_version(void);

/* ---- errors ---------------------------------------------------------------------------------- */

enum ocsnotify_error {
	OCSNOTIFY_OK = 0,
	OCSNOTIFY_E_INVALID = -1, /* a parameter is out of range; nothing changed */
	OCSNOTIFY_E_NOMEM = -2,   /* out of memory */
	OCSNOTIFY_E_NO_REGISTRY =
	        -3, /* the registry folder is missing or not set up: start ocsmanager */
	OCSNOTIFY_E_REGISTRY = -4,   /* reading or writing the registry failed */
	OCSNOTIFY_E_PERMISSION = -5, /* this user may not use the registry folder */
	OCSNOTIFY_E_SYSTEM = -6,     /* a socket, timer or descriptor cannot be created */
	OCSNOTIFY_E_EXISTS = -7,     /* the handle is subscribed already */
	OCSNOTIFY_E_NOT_FOUND = -8,  /* no such handle, folder, message or identifier */
	/* exhausted: identifiers; 4096 subscriptions of a session; 4096 queues or (in one context)
	 * 1024 sessions of a user */
	OCSNOTIFY_E_LIMIT = -9,
	OCSNOTIFY_E_FORKED = -10, /* the context was opened before a fork */
	OCSNOTIFY_E_BUSY = -11,   /* somebody else holds the registry; try again */
	OCSNOTIFY_E_DAEMON = -12, /* ocsmanager is not running, or does not answer */
};

/* Text for an error, never NULL; static. Any thread. */
OCSNOTIFY_API const char *ocsnotify_strerror(int error);

/* A sentence about the last failure on this context (path, limit, errno), "" if there was none.
 * Valid until the next call on the context. */
OCSNOTIFY_API const char *ocsnotify_last_error(const struct ocsnotify *context);

/* ---- contexts -------------------------------------------------------------------------------- */

/* Warnings the host may log: a limit was hit and the subscription lives on its spill list, a record
 * was damaged, a datagram could not be sent, a file was removed and made again. Called from inside
 * library calls, with no lock held; must not call the library. */
typedef void ocsnotify_warning_fn(const char *text, void *arg);

/*
 * Opens a context on a registry folder ([main] registry of ocsmanager.ini). Creates its wake-up
 * socket there, sweeps dead queues of its own user id. Several contexts may be open in one process.
 * On failure *context_r is NULL and error_text (if not NULL, error_size bytes) has a sentence.
 */
OCSNOTIFY_API int ocsnotify_open(const char *registry_folder, struct ocsnotify **context_r,
                                 char *error_text, size_t error_size);
OCSNOTIFY_API void ocsnotify_set_warning(struct ocsnotify *context, ocsnotify_warning_fn *warning,
                                         void *arg);
/* Closes all sessions, removes their queues and the socket, frees. NULL is allowed. */
OCSNOTIFY_API void ocsnotify_close(struct ocsnotify *context);

/* A descriptor to poll for reading (level-triggered), for the life of the context. Readable means:
 * call ocsnotify_process(). Never read from it. */
OCSNOTIFY_API int ocsnotify_fd(const struct ocsnotify *context);

/*
 * Takes in the news behind the descriptor, sends the UDP datagrams that are due (a session that
 * went from nothing pending to something pending, and again every push interval until it is
 * drained: MS-OXCNOTIF 3.1.5.4), then calls pending() once for each session that has something
 * pending and had news since the last call. pending() may call ocsnotify_pending(), the drain
 * functions and ocsnotify_session_data() for that session, nothing else. Returns the number of
 * those sessions or an error. Costs next to nothing to call when there is no news.
 */
typedef void ocsnotify_pending_fn(struct ocsnotify_session *session, void *arg);
OCSNOTIFY_API int ocsnotify_process(struct ocsnotify *context, ocsnotify_pending_fn *pending,
                                    void *arg);

/* Called after each datagram sent or tried, if set: for logs. error is 0 or an errno. */
typedef void ocsnotify_datagram_fn(struct ocsnotify_session *session, const void *sockaddr,
                                   size_t sockaddr_len, const uint8_t *payload, size_t payload_len,
                                   int error, void *arg);
OCSNOTIFY_API void ocsnotify_set_datagram(struct ocsnotify *context,
                                          ocsnotify_datagram_fn *datagram, void *arg);

/* ---- sessions -------------------------------------------------------------------------------- */

/* A session of a groupware user (1 to 1024 bytes of UTF-8), under any name of theirs: the daemon's
 * ini may say that names which differ in case or domain are one, and its user map knows aliases.
 * data is the host's own pointer. */
OCSNOTIFY_API int ocsnotify_session_open(struct ocsnotify *context, const char *user, void *data,
                                         struct ocsnotify_session **session_r);
/* Ends all subscriptions of the session; what was pending is gone. NULL is allowed. */
OCSNOTIFY_API void ocsnotify_session_close(struct ocsnotify_session *session);
OCSNOTIFY_API void *ocsnotify_session_data(const struct ocsnotify_session *session);

/* A mail store that the session's user sees: from here on, until the session ends, what is reported
 * of this backend user of backend (the NAME of [backend:NAME]) is told to the user as well,
 * whatever folder it is about, as a line of the user map would say. For servers that know at logon
 * which store a user has. Other sessions of the user hear of it too. Registered when it returns;
 * where several machines are linked it waits for the binding, 2 s at most, and warns where that
 * does not come. Calling it again changes nothing. E_INVALID: a name that no notification can have;
 * E_LIMIT: more than 64 stores of a session, or 4,096 sessions of a store. */
OCSNOTIFY_API int ocsnotify_session_map(struct ocsnotify_session *session, const char *backend,
                                        const char *backend_user);

/* RopNotify details that differ by client: MessageClass as UTF-16LE (MS-OXCNOTIF 2.2.1.4.1.2).
 * Default false. */
OCSNOTIFY_API void ocsnotify_session_set_unicode(struct ocsnotify_session *session, bool unicode);

/* Whether the events of the session carry names and URI. Default false: each costs two or three
 * looks into the index. E_NOMEM. */
OCSNOTIFY_API int ocsnotify_session_set_names(struct ocsnotify_session *session, bool names);

/* ---- subscriptions --------------------------------------------------------------------------- */

/* NotificationTypes of RopRegisterNotification, MS-OXCNOTIF 2.2.1.2.1.1 */
#define OCSNOTIFY_NEWMAIL          0x0002
#define OCSNOTIFY_OBJECT_CREATED   0x0004
#define OCSNOTIFY_OBJECT_DELETED   0x0008
#define OCSNOTIFY_OBJECT_MODIFIED  0x0010
#define OCSNOTIFY_OBJECT_MOVED     0x0020
#define OCSNOTIFY_OBJECT_COPIED    0x0040
#define OCSNOTIFY_SEARCH_COMPLETED 0x0080
#define OCSNOTIFY_TABLE_MODIFIED   0x0100

/*
 * RopRegisterNotification (MS-OXCROPS 2.2.14.1). handle is the server object handle that RopNotify
 * will carry (not 0xffffffff, unique in the session); types a set of the bits above (0x0400 is
 * accepted and ignored). With whole_store, folder_id and message_id are ignored; otherwise
 * folder_id must not be 0, message_id 0 means the folder and the messages directly in it. Returns
 * after the subscription is registered: it hears of each notification accepted from then on.
 *
 * Where ocsmanager is one of several nodes ([rabbitmq] in its ini) the first subscription of a
 * session, of this kind or a table's, also waits until the other nodes send what is for the user:
 * some milliseconds, 2 s at most if the broker or the daemon does not answer. Then it succeeds
 * nevertheless, with a warning: until the binding is made, which is tried again, the user gets only
 * the events that this node accepts. After a daemon that did not answer no subscription of the
 * context waits for 10 s. No lock is held meanwhile; without [rabbitmq] nothing of this happens.
 */
OCSNOTIFY_API int ocsnotify_subscribe(struct ocsnotify_session *session, uint32_t handle,
                                      uint8_t logon_id, uint16_t types, bool whole_store,
                                      uint64_t folder_id, uint64_t message_id);

/*
 * The implicit subscription of a table (MS-OXCNOTIF 3.1.4.3): handle is the table's. folder_id is
 * the folder whose contents or subfolders the table shows, 0 for the whole store.
 */
enum ocsnotify_table {
	OCSNOTIFY_CONTENTS_TABLE,
	OCSNOTIFY_HIERARCHY_TABLE,
};
OCSNOTIFY_API int ocsnotify_subscribe_table(struct ocsnotify_session *session, uint32_t handle,
                                            uint8_t logon_id, enum ocsnotify_table table,
                                            uint64_t folder_id);

/* RopRelease of a subscription or table. What is pending for the handle alone is dropped. */
OCSNOTIFY_API int ocsnotify_unsubscribe(struct ocsnotify_session *session, uint32_t handle);

/* ---- push ------------------------------------------------------------------------------------ */

/*
 * EcRRegisterPushNotification (MS-OXCRPC 3.1.4.5): the client's context and SOCKADDR bytes as they
 * came (AF_INET 16 bytes; AF_INET6 28 bytes, family 23 or 10). Returns the MAPI error code for the
 * client: 0, ecInvalidParam 0x80070057, ecNotSupported 0x80040102, ecTooBig 0x80040305, ecError
 * 0x80004005 (the registry failed). On failure an earlier registration stays. A later one replaces
 * the earlier. If something is pending already, the datagram goes out at the next process().
 */
OCSNOTIFY_API uint32_t ocsnotify_set_push(struct ocsnotify_session *session, const uint8_t *context,
                                          size_t context_len, const uint8_t *address,
                                          size_t address_len);

/* ---- draining -------------------------------------------------------------------------------- */

/* NotificationFlags of an event, MS-OXCNOTIF 2.2.1.4.1.2: one of the types above, and */
#define OCSNOTIFY_FLAG_TYPE          0x0fff /* mask of the type */
#define OCSNOTIFY_FLAG_TOTAL         0x1000 /* T: total is known */
#define OCSNOTIFY_FLAG_UNREAD        0x2000 /* U: unread is known */
#define OCSNOTIFY_FLAG_SEARCH_FOLDER 0x4000 /* S: a message in a search folder */
#define OCSNOTIFY_FLAG_MESSAGE       0x8000 /* M: about a message, else a folder */

/* TableEventType of an event, MS-OXCNOTIF 2.2.1.4.1.2; 0: no event of a table. */
#define OCSNOTIFY_TABLE_CHANGED             0x0001
#define OCSNOTIFY_TABLE_ROW_ADDED           0x0003
#define OCSNOTIFY_TABLE_ROW_DELETED         0x0004
#define OCSNOTIFY_TABLE_ROW_MODIFIED        0x0005
#define OCSNOTIFY_TABLE_RESTRICTION_CHANGED 0x0007

/* One event of one handle. */
struct ocsnotify_event {
	uint32_t handle;
	uint8_t logon_id;
	const char *event;    /* "newmail", "created", "deleted", "modified", "moved", "copied",
	                         "search", "table" */
	const char *queue;    /* name of the queue it came by */
	uint16_t flags;       /* OCSNOTIFY_FLAG_ and a type */
	uint16_t table_event; /* OCSNOTIFY_TABLE_ as the daemon knows it, 0 unless a table event;
	                         the response says TableChanged where the host gives no row */
	uint64_t folder_id, message_id, old_folder_id, old_message_id, parent_folder_id,
	        old_parent_folder_id;
	uint32_t total, unread; /* valid with _FLAG_TOTAL, _FLAG_UNREAD */
	uint32_t message_flags;
	const char *message_class;
	uint64_t accepted_at; /* when the daemon accepted the notification */
	uint64_t sequence;    /* grows in the order of acceptance */
	uint8_t id_hash[16];  /* of the sender's account and id; zero without one */
	/* With ocsnotify_session_set_names(); NULL without it, and where nothing is known. Of what
	 * is deleted, what it was. As ocsnotify_lookup() gives them: of the message, if the event
	 * is about one. */
	const char *user, *backend, *backend_user, *folder, *message;
	/* Of a message that moved or was copied, where it came from. Of a folder that was renamed
	 * they are NULL: it kept its identifier, which leads to its new name. */
	const char *old_folder, *old_message;
	const char *uri; /* of the message, else of the folder */
};

/* Whether something is pending: 1, 0 or an error. Looks at the queues; takes nothing. */
OCSNOTIFY_API int ocsnotify_pending(struct ocsnotify_session *session);

/* Takes the next event: 1 with *event filled (its strings are valid until the next call on the
 * session or of ocsnotify_process()), 0 when nothing is pending, or an error. */
OCSNOTIFY_API int ocsnotify_next_event_sized(struct ocsnotify_session *session,
                                             struct ocsnotify_event *event, size_t event_size);
static inline int ocsnotify_next_event(struct ocsnotify_session *session,
                                       struct ocsnotify_event *event)
{
	return ocsnotify_next_event_sized(session, event, sizeof(*event));
}

/*
 * Drains into a response buffer: as many RopNotify responses as fit into size bytes, in the order
 * of acceptance, back to back (MS-OXCNOTIF 3.1.5.1.3). *used_r is what was written; *more_r tells
 * that some did not fit: they stay in order for the next call (the host then appends RopPending,
 * MS-OXCROPS 2.2.14.3). A response that would not fit into 32 KB at all is degraded to
 * TableChanged.
 */
OCSNOTIFY_API int ocsnotify_drain(struct ocsnotify_session *session, uint8_t *buffer, size_t size,
                                  size_t *used_r, bool *more_r);

/* The RopNotify response of one event, as ocsnotify_drain() would write it: its length, 0 if it
 * does not fit. */
OCSNOTIFY_API size_t ocsnotify_encode_sized(const struct ocsnotify_session *session,
                                            const struct ocsnotify_event *event, size_t event_size,
                                            uint8_t *buffer, size_t size);
static inline size_t ocsnotify_encode(const struct ocsnotify_session *session,
                                      const struct ocsnotify_event *event, uint8_t *buffer,
                                      size_t size)
{
	return ocsnotify_encode_sized(session, event, sizeof(*event), buffer, size);
}

/*
 * Row data for TableRowAdded and TableRowModified (MS-OXCNOTIF 2.2.1.4.1.1): the host fills the row
 * of the table and returns true, or returns false and the client gets TableChanged. data must stay
 * valid until the next call of the callback. Without a callback: TableChanged. Called from the
 * drain functions with no lock held; must not call the library.
 */
struct ocsnotify_row {
	size_t size; /* set by the library: what it has of this struct; the rest of it is 0 */
	uint32_t instance;
	uint64_t after_folder_id, after_message_id;
	uint32_t after_instance;
	const uint8_t *data; /* a PropertyRow, MS-OXCDATA 2.8.1 */
	uint16_t data_len;
};
typedef bool ocsnotify_row_fn(struct ocsnotify_session *session,
                              const struct ocsnotify_event *event, struct ocsnotify_row *row,
                              void *arg);
OCSNOTIFY_API void ocsnotify_set_row_provider(struct ocsnotify_session *session,
                                              ocsnotify_row_fn *provider, void *arg);

/* ---- reporting ------------------------------------------------------------------------------- */

/*
 * What the server has changed itself, for a client: the clients of others hear of it, and the other
 * clients of the same user. Strings as in the web service (PUT /notification); NULL: not known, or
 * there is none.
 */
struct ocsnotify_report_event {
	uint16_t type;          /* OCSNOTIFY_NEWMAIL to _SEARCH_COMPLETED; a rename is a MOVED */
	uint16_t flags;         /* OCSNOTIFY_FLAG_TOTAL, _UNREAD: which of those two are known */
	uint32_t message_flags; /* PidTagMessageFlags */
	uint32_t total, unread; /* of the folder, after it */
	uint32_t uid_validity;  /* 0: not known */
	const char *backend;    /* a [backend:NAME] of the ini */
	const char *backend_user;
	const char *folder;
	const char *message;     /* NULL: it is about the folder */
	const char *old_folder;  /* MOVED, COPIED */
	const char *old_message; /* ... of a message */
	const char *message_class;
	const char *guid; /* which mail the message is, in the store's words */
	const char *id;   /* chosen by the server: reported again, it is a duplicate */
};

enum ocsnotify_report_status {
	OCSNOTIFY_REPORT_UNANSWERED,   /* it may have been taken or not: report it again, with its
	                                  id */
	OCSNOTIFY_REPORT_QUEUED,       /* written where `queues` sessions will find it */
	OCSNOTIFY_REPORT_NOSUBSCRIBER, /* taken; nobody waits for it */
	OCSNOTIFY_REPORT_DUPLICATE,    /* it was taken before */
	OCSNOTIFY_REPORT_REFUSED,      /* nothing was done: see code, name, text */
};
struct ocsnotify_report_result {
	int status;      /* enum ocsnotify_report_status */
	unsigned queues; /* QUEUED: queues and spill lists */
	int code; /* REFUSED: as HTTP's. 5xx and 429: report it again later; else it is wrong */
	char name[32];  /* UNKNOWN_BACKEND and the like, see the protocol's list of errors */
	char text[256]; /* for people */
};

#define OCSNOTIFY_REPORT_SECONDS 5

/*
 * Reports n events in their order to the ocsmanager of this host, which treats them as those of any
 * sender: its rules, its promise (QUEUED, NOSUBSCRIBER and DUPLICATE hold even if it is killed the
 * next instant), and where it is one of several nodes the others hear of them too. They count as
 * the account `registry`, which [account:registry] of the ini limits. results has room for n.
 *
 * except is the session whose client asked for the change (NULL: none): nothing of it comes to its
 * subscriptions, since that client knows (MS-OXCNOTIF 3.1.4.3). All other sessions are told, those
 * of the same user among them.
 *
 * Returns OK when each event has its result, also if some or all are REFUSED. E_INVALID: a type
 * that cannot be reported; nothing was. E_DAEMON, E_PERMISSION, E_SYSTEM, E_NOMEM: the events from
 * some batch of 256 on are UNANSWERED, ocsnotify_last_error() says why.
 *
 * Waits for the daemon, usually some milliseconds, OCSNOTIFY_REPORT_SECONDS at most for all n; for
 * 10 s after it did not answer 0.5 s at most. No lock is held meanwhile. Report what the store does
 * not report itself, or the others hear of it twice.
 */
OCSNOTIFY_API int ocsnotify_report_sized(struct ocsnotify *context,
                                         const struct ocsnotify_report_event *events,
                                         size_t event_size, struct ocsnotify_report_result *results,
                                         size_t result_size, size_t n,
                                         const struct ocsnotify_session *except);
static inline int ocsnotify_report(struct ocsnotify *context,
                                   const struct ocsnotify_report_event *events,
                                   struct ocsnotify_report_result *results, size_t n,
                                   const struct ocsnotify_session *except)
{
	return ocsnotify_report_sized(context, events, sizeof(*events), results, sizeof(*results),
	                              n, except);
}

/* ---- identifiers ----------------------------------------------------------------------------- */

/*
 * The FID of a folder as this user sees it, given at first sight and kept. backend and INBOX are
 * compared without case, all else exactly, byte for byte (white space at an end belongs to a name),
 * unless the daemon's ini says `case = fold`, and users by any name of theirs;
 * `/` separates the levels of a folder. The empty folder name is the user's root (backend and
 * backend_user are then ignored). A FID that the user map sets wins. E_INVALID: a name that no
 * notification can have: not 1 to 1,024 bytes of UTF-8, one with C0 control characters, a folder
 * with an empty level.
 */
OCSNOTIFY_API int ocsnotify_folder_fid(struct ocsnotify *context, const char *user,
                                       const char *backend, const char *backend_user,
                                       const char *folder, uint64_t *folder_id_r);

/* The same for a folder that is known already: nothing is made or written. E_NOT_FOUND, and
 * *folder_id_r 0, if it is not. */
OCSNOTIFY_API int ocsnotify_find_folder(struct ocsnotify *context, const char *user,
                                        const char *backend, const char *backend_user,
                                        const char *folder, uint64_t *folder_id_r);

/*
 * The MID of a message as this user sees it: the one that notifications of it have, or will have.
 * With create it is given at first sight, and its folder made; without, E_NOT_FOUND if it has none.
 * The names are compared as those of ocsnotify_folder_fid(), message exactly; the folder is not the
 * user's root. Creating one is a write to the disk, and waits for the daemon 2 s at most: E_BUSY
 * then. E_LIMIT: the index is full.
 */
OCSNOTIFY_API int ocsnotify_message_mid(struct ocsnotify *context, const char *user,
                                        const char *backend, const char *backend_user,
                                        const char *folder, const char *message, bool create,
                                        uint64_t *message_id_r);

enum ocsnotify_kind {
	OCSNOTIFY_ROOT = 1, /* a user's root: it has a user only */
	OCSNOTIFY_FOLDER,
	OCSNOTIFY_MESSAGE,
};

/* What an identifier names. What it does not have is NULL. */
struct ocsnotify_object {
	enum ocsnotify_kind kind;
	/* It, or a folder above it, is no more, has another identifier, or the uid validity of its
	 * folder has changed; the names are those that it had. */
	bool deleted;
	const char *user, *backend, *backend_user, *folder, *message;
	/* Made by [backend:NAME] uri of the daemon's ini from the names as they are now; NULL
	 * where there is no such backend. It may have a password in it: log it with care. */
	const char *uri;
};

/*
 * What a FID or MID that was given here names or named. The strings belong to the library and are
 * valid until the next lookup on the context. Reads only. E_NOT_FOUND: never given, of another
 * registry, or given out by ocsnotify_reserve_ids() and never heard of since.
 */
OCSNOTIFY_API int ocsnotify_lookup_sized(struct ocsnotify *context, uint64_t id,
                                         struct ocsnotify_object *object, size_t object_size);
static inline int ocsnotify_lookup(struct ocsnotify *context, uint64_t id,
                                   struct ocsnotify_object *object)
{
	return ocsnotify_lookup_sized(context, id, object, sizeof(*object));
}

#define OCSNOTIFY_SEARCH_DEFAULT 100
#define OCSNOTIFY_SEARCH_MAX     1000

/* What is searched for. */
struct ocsnotify_search {
	/* Of the URI, in which `*` is any run of characters, none too: `*17.eml`, or
	 * `imap://jdoe@*INBOX*`. Case counts, and names are percent-encoded as they are in URIs; of
	 * a password in a template nothing but `***` is compared. 1 to 4,096 bytes. */
	const char *pattern;
	const char *user;  /* what this groupware user sees only; NULL: of all */
	bool deleted;      /* what is known as deleted too */
	unsigned limit;    /* results a page, at most OCSNOTIFY_SEARCH_MAX; 0: SEARCH_DEFAULT */
	const char *after; /* ocsnotify_page.next of the page before; NULL: the first page */
};

struct ocsnotify_found {
	uint64_t id;
	struct ocsnotify_object object; /* as ocsnotify_lookup() tells it */
};

struct ocsnotify_page {
	const struct ocsnotify_found *const *found; /* n pointers */
	/* Fewer than the limit, or none, does not mean that there are no more: a call looks at a
	 * bounded number of names, and goes on with the next page. */
	size_t n;
	const char *next; /* for the next page; NULL: there are no more */
	/* The pattern demands no three characters in a row of a name, so that names were gone
	 * through one by one, and pages may take as long as there are names. */
	bool walked;
};

/*
 * The folders and messages whose URI matches a pattern, page by page: folders first, of one backend
 * after the other. Each is in one page; what is there, and matches, from the first page to the last
 * is in one; what comes, goes or is renamed meanwhile may be. A page costs what it returns, and not
 * what the index has, if the pattern has three characters in a row of a user, a folder or a message
 * id, or its first or last two; else page->walked. `deleted` apart, what ocsnotify_lookup() calls
 * deleted is not found.
 *
 * What *page points to belongs to the library and is valid until the next search on the context,
 * into which `next` may be passed. Reads only; the lock of the registry folder's handles is held
 * for some tens of milliseconds at most, and not between pages. E_INVALID: no pattern, or a cursor
 * of another search. E_BUSY: the daemon still builds what searches need, as it does once after an
 * upgrade; `ocsctl index rebuild` does too.
 */
OCSNOTIFY_API int ocsnotify_search_sized(struct ocsnotify *context,
                                         const struct ocsnotify_search *search, size_t search_size,
                                         struct ocsnotify_page *page, size_t page_size);
static inline int ocsnotify_search(struct ocsnotify *context, const struct ocsnotify_search *search,
                                   struct ocsnotify_page *page)
{
	return ocsnotify_search_sized(context, search, sizeof(*search), page, sizeof(*page));
}

#define OCSNOTIFY_RESERVE_MAX 65536

/*
 * A contiguous range of count identifiers (1 to OCSNOTIFY_RESERVE_MAX) that nobody else is ever
 * given, for RopGetLocalReplicaIds (MS-OXCROPS 2.2.13.13; the replica GUID of its answer is the
 * host's). On the disk before it returns. *first_id_r is the first one; its GLOBCNT, the upper six
 * bytes, is a number whose first byte is the most significant, and the others have the numbers
 * after it: ocsnotify_id_add(). E_LIMIT: the replica id has no more.
 */
OCSNOTIFY_API int ocsnotify_reserve_ids(struct ocsnotify *context, unsigned count,
                                        uint64_t *first_id_r);

/* The identifier that comes n after this one in a range. Any thread. */
static inline uint64_t ocsnotify_id_add(uint64_t id, unsigned n)
{
	return (id & 0xffff) | __builtin_bswap64(__builtin_bswap64(id & ~(uint64_t)0xffff) + n);
}

/* ---- a server with identifiers of its own ---------------------------------------------------- */

#define OCSNOTIFY_HOLD_SECONDS 10

/*
 * For [main] identifiers = host in the daemon's ini: the server has FIDs and MIDs that are no
 * business of ours, any 64-bit numbers but 0, and its clients know no others. Then what
 * ocsnotify_subscribe() and ocsnotify_subscribe_table() are given is the server's, and so are all
 * identifiers in events and RopNotify responses; ours are between daemon and library, and in
 * ocsnotify_folder_fid() and what follows it, which a client never sees.
 *
 * identify: the server's identifier of what the object names, as ocsnotify_lookup() would tell it
 * (a folder of a user, a message in it, the user's root). Called by whatever drains, by
 * ocsnotify_pending() and ocsnotify_process(). A new mail is one of which the server may know
 * nothing yet: it should look into the store, or number the message now. false: it has none.
 *
 * What becomes of an event then:
 * - of a table: it is a TableChanged, which carries no identifiers.
 * - something was deleted: nothing, since no client can have seen it.
 * - else the event waits, and with it what comes after it in its session, so that order holds. The
 *   server is asked again in each of the calls above, and the descriptor is readable every 3 s for
 *   it. After OCSNOTIFY_HOLD_SECONDS the event is dropped, and a warning says so for the first one;
 *   later events of the same folder or message do not wait, and are told once it is known.
 * - of a move or copy of which it knows one end: after that time, or at once if it is the old end
 *   that it does not know, created or deleted, if the subscription asked for that.
 * While an event waits nothing is pending.
 *
 * name: the other way, at subscribing: what the server calls folder_id, or with message_id not 0
 * that message in it. It sets backend, backend_user, folder and message, or kind to OCSNOTIFY_ROOT
 * for the user's root; the strings must stay until its next call. The user is the session's. false:
 * the subscription fails with E_NOT_FOUND.
 *
 * Both are called with no lock held and must not call the library. Set them before the first
 * subscription of the context. Without them, and with [main] identifiers = own, identifiers are the
 * index's; in the first case with a warning.
 */
typedef bool ocsnotify_identify_fn(const struct ocsnotify_object *object, uint64_t *id_r,
                                   void *arg);
typedef bool ocsnotify_name_fn(struct ocsnotify_session *session, uint64_t folder_id,
                               uint64_t message_id, struct ocsnotify_object *object, void *arg);
OCSNOTIFY_API void ocsnotify_set_identifiers(struct ocsnotify *context,
                                             ocsnotify_identify_fn *identify,
                                             ocsnotify_name_fn *name, void *arg);

#ifdef __cplusplus
}
#endif

#endif
