/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Inside libocsnotify: what its files share and nobody else may use. The public contract is
 * ocsnotify.h. From the roof to the floor; a file calls those below it only:
 *
 *   context.c       open, close, process
 *   subscription.c, session.c
 *   submit.c        what the host reports
 *   submit_exchange.c, submit_answer.c
 *   drain.c         events and RopNotify out of a backlog
 *   host.c          identifiers of the host's own
 *   identifiers.c   ours
 *   search.c        those whose URI matches
 *   bind.c          asks the daemon to bind a user
 *   look.c          what somebody removed under us
 *   queues.c        the queues of a session
 *   backlog.c       from queues and spill lists into the session
 *   enter.c         how a call gets to the registry
 *   files.c         the wake-up socket and the queue list, made again
 *   wake.c          news, timer, datagrams
 *   registration.c  what the registry holds of a context
 *   queue_list.c    the names of its queues
 *   names.c         what an identifier names
 *   settings.c, report.c
 *   shared.c        the handles of the files, and the lock
 *
 * Locks: there is one, of the process, in shared.c. Every use of a registry or index handle is
 * between libocsnotify_lock() and libocsnotify_unlock(), which never span a callback of the host.
 * Everything else belongs to one context and so to one thread at a time.
 */
#ifndef OCS_LIBOCSNOTIFY_INTERNAL_H
#define OCS_LIBOCSNOTIFY_INTERNAL_H

#include <mqueue.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "mapistore/index.h"
#include "mapistore/usermap.h"
#include "mqueue/entry.h"
#include "mqueue/name.h"
#include "mqueue/spill.h"
#include "ocsnotify.h"
#include "registry/push.h"
#include "registry/registry.h"

#define LIBOCSNOTIFY_NO_QUEUE ((mqd_t)-1)

/* ---- handles of the files, one of each per folder and process: shared.c ---- */

struct libocsnotify_shared {
	struct libocsnotify_shared *next;
	char *path; /* of the registry folder, resolved: the key */
	pid_t pid;  /* the process that opened the handles */
	unsigned refs;
	gid_t gid; /* of the folder: the group that queues get */
	struct ocs_registry *registry;
	dev_t device; /* of registry.tdb when it was opened */
	ino_t inode;
	unsigned generation;         /* grows when the daemon made a new file and that was opened */
	struct ocs_index *index;     /* NULL until first used */
	uint16_t replica_id;         /* by which it was opened */
	struct ocs_usermap *usermap; /* NULL: none */
	char usermap_path[256];
	struct ocs_name_rule usermap_names;
	struct timespec usermap_time;
};

void libocsnotify_lock(void);
void libocsnotify_unlock(void);
/* An OCSNOTIFY_E_* code; takes the lock itself. */
int libocsnotify_shared_get(const char *folder, struct libocsnotify_shared **shared_r,
                            struct ocs_error *error);
void libocsnotify_shared_put(struct libocsnotify_shared *shared);
/* (locked) The index, opened at first use, with the user map of the settings. An ocs_store_result.
 */
int libocsnotify_shared_index(struct libocsnotify_shared *shared,
                              const struct ocs_registry_settings *settings,
                              struct ocs_error *error);
/* (locked) The one name of a user, in out. -1 with the reason: the user map cannot be read, and out
 * is what is known without it, or with the one that was read before. */
int libocsnotify_shared_user(struct libocsnotify_shared *shared,
                             const struct ocs_registry_settings *settings, const char *user,
                             char out[OCS_NAME_MAX + 1], struct ocs_error *error);
/* (locked) Whether another file has the name of the open one. */
bool libocsnotify_shared_exchanged(const struct libocsnotify_shared *shared);
/* (locked) Opens the registry again if the file was replaced. A library code. */
int libocsnotify_shared_refresh(struct libocsnotify_shared *shared, struct ocs_error *error);
/* A result beside those of ocs_store_result: the user has too many queues. */
#define LIBOCSNOTIFY_STORE_FULL (-100)
/* The code of the library for an ocs_store_result. */
int libocsnotify_store_code(int result);

/* ---- objects ---- */

struct libocsnotify_handle {
	struct libocsnotify_handle *next;
	uint32_t handle;
	uint8_t logon_id;
	uint16_t types;  /* NotificationTypes it asked for; OCSNOTIFY_TABLE_MODIFIED of a table */
	uint64_t folder; /* OCS_FOLDER_STORE: whole store */
	uint64_t mid;    /* 0: any message */
	uint64_t order;  /* grows with each handle of the session */
	uint64_t since;  /* backlog items with a smaller serial are older than it */
	bool host;       /* its events carry the host's identifiers */
};

struct libocsnotify_queue {
	struct ocsnotify_session *session;
	struct libocsnotify_queue *prev, *next; /* of the session */
	struct libocsnotify_queue *id_next;     /* of the context, by id */
	struct ocs_registry_queue r;            /* as it is, or is about to be, in the registry */
	mqd_t mq;                               /* LIBOCSNOTIFY_NO_QUEUE: spill list only */
	size_t message_size;
	struct libocsnotify_handle **users; /* in the order of subscribing */
	size_t n_users, max_users;
	mqd_t old_mq; /* its name was removed: read for a while longer; or LIBOCSNOTIFY_NO_QUEUE */
	bool failed;  /* a failure to read it was reported */
	struct ocs_spill_reader list;
	bool spilled; /* its spill list may have something: the daemon said so */
};

/* An entry that was taken in and not yet handed to every handle that wants it. */
struct libocsnotify_item {
	struct libocsnotify_queue *queue;
	uint64_t serial;
	uint64_t taken_at; /* monotonic milliseconds */
	struct ocs_entry entry;
};

/* A mail store that a session's user sees; canonical names. */
struct libocsnotify_store {
	struct libocsnotify_store *next;
	char *backend, *backend_user;
};

struct ocsnotify_session {
	struct ocsnotify *context;
	struct ocsnotify_session *prev, *next; /* of the context */
	struct ocs_registry_session r;
	void *data;
	bool unicode;
	ocsnotify_row_fn *row_provider;
	void *row_arg;

	struct libocsnotify_store *stores;
	struct libocsnotify_handle *handles;
	unsigned n_handles;
	struct libocsnotify_queue *queues;
	uint64_t next_order;

	struct libocsnotify_item *items; /* the backlog: items[head] to items[n_items - 1] */
	size_t head, n_items, max_items;
	uint64_t next_serial;
	uint64_t given; /* order of the last handle that had items[head]; 0: none yet */

	bool bound;                /* other nodes send what is for the user ... */
	unsigned bound_generation; /* ... as the daemon said of this registry file */
	uint64_t asked_at;         /* when it asked last, monotonic milliseconds; 0: never */

	bool host;         /* it has handles with the host's identifiers */
	bool held;         /* its first event waits until the host knows an identifier */
	bool pending;      /* known to have something for the client */
	bool listed;       /* in news */
	bool pushing;      /* in pushes */
	uint64_t push_due; /* monotonic milliseconds */
	int push_error;    /* errno of the last failure that was reported */
	struct ocsnotify_session *news_prev, *news_next;
	struct ocsnotify_session *push_prev, *push_next;
	/* In ocsnotify_process(): those that pending() is called for. */
	bool ready;
	struct ocsnotify_session *ready_prev, *ready_next;

	/* What the strings of the last event point to. */
	char event_queue[OCS_QUEUE_NAME_MAX];
	char event_class[OCS_CLASS_MAX + 1];
	void *event_names; /* talloc; NULL: the host does not want them */
};

#define LIBOCSNOTIFY_BUCKETS  256
#define LIBOCSNOTIFY_GIVEN_UP 256

#define LIBOCSNOTIFY_NO_CALLBACK   1u
#define LIBOCSNOTIFY_NO_IDENTIFIER 2u

struct ocsnotify {
	pid_t pid;
	struct libocsnotify_shared *shared;
	unsigned generation; /* of the registry file this context is registered in */
	struct ocs_registry_context r;
	int epoll, wake, timer, news_event;
	dev_t wake_device; /* of the socket's name */
	ino_t wake_inode;
	uint64_t look_due;                /* monotonic milliseconds */
	bool renewed;                     /* queues were made again, and are not registered yet */
	char look_trouble[OCS_ERROR_MAX]; /* of the last look, as it was reported */
	int udp4, udp6;                   /* -1: not opened, or not available */
	int queue_list;
	size_t listed_queues, live_queues;

	struct ocsnotify_session *sessions;
	struct libocsnotify_queue *by_id[LIBOCSNOTIFY_BUCKETS];
	struct ocsnotify_session *news; /* have to be looked at by process() */
	struct ocsnotify_session
	        *pushes; /* pending and with a push target, the earliest due first */
	struct ocs_registry_settings settings;
	bool settings_known; /* at this sequence number */
	uint32_t settings_seqnum;
	struct ocsnotify_session *asking; /* asked to be bound and nobody waits; NULL: none */
	int bind_fd;                      /* where its answer comes; valid with asking */
	uint64_t bind_time;
	uint64_t silent_until;        /* the daemon does not answer: no waiting before */
	unsigned bind_troubles;       /* kinds that were reported, a bit each */
	uint64_t report_silent_until; /* ... nor to a report: less waiting before */

	bool news_told;      /* news_event is readable */
	uint64_t armed;      /* what the timer is set to; 0: off */
	uint64_t *unremoved; /* sessions whose removal from the registry failed */
	size_t n_unremoved;

	ocsnotify_identify_fn *identify; /* both or none */
	ocsnotify_name_fn *name;
	void *identify_arg;
	unsigned host_troubles;                   /* those that were reported: LIBOCSNOTIFY_NO_ */
	uint64_t given_up[LIBOCSNOTIFY_GIVEN_UP]; /* ours that were waited for in vain, the last */
	size_t next_given_up;

	ocsnotify_warning_fn *warning;
	void *warning_arg;
	ocsnotify_datagram_fn *datagram;
	void *datagram_arg;
	uint64_t damaged_seen;   /* records reported as damaged */
	uint32_t advised;        /* kinds of queue failure that were reported, a bit each */
	uint64_t damaged_queued; /* entries that did not decode */
	void *looked_up;         /* what the strings of the last object point to: talloc */
	void *found;             /* the same of the last page of a search */
	char error[OCS_ERROR_MAX];
};

/* ---- report.c: what the host is told ---- */

/* Keeps the sentence for ocsnotify_last_error() and returns code. */
int libocsnotify_fail(struct ocsnotify *context, int code, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
void libocsnotify_warn(struct ocsnotify *context, const char *format, ...)
        __attribute__((format(printf, 2, 3)));
/* Warns if records turned out to be damaged since the last time. */
void libocsnotify_warn_damaged(struct ocsnotify *context);

/* ---- settings.c ---- */

/* Reads the daemon's settings again if the registry has changed; keeps the old ones if it cannot.
 */
void libocsnotify_settings(struct ocsnotify *context);

/* ---- names.c ---- */

struct libocsnotify_named {
	struct ocs_index_name name;
	char *uri; /* NULL: none */
};
/* (locked) An ocs_store_result; the strings are on mem_ctx. */
int libocsnotify_name(struct ocsnotify *context, const void *mem_ctx, uint64_t id,
                      struct libocsnotify_named *out, struct ocs_error *error);
/* As the host sees it; the strings stay where they are. */
void libocsnotify_to_object(const struct libocsnotify_named *named,
                            struct ocsnotify_object *object);

/* ---- enter.c ---- */

bool libocsnotify_forked(const struct ocsnotify *context);
/* Takes the lock for work on the registry: makes sure that the file is the one the daemon uses and
 * that this context is registered in it. On failure the lock is not held. */
int libocsnotify_enter(struct ocsnotify *context);
/* Releases it; turns an ocs_store_result into a code, with the text kept. */
int libocsnotify_leave(struct ocsnotify *context, int result, const struct ocs_error *error);

/* ---- files.c: the wake-up socket and the queue list ---- */

/* (locked) On failure the caller removes what was made. */
int libocsnotify_files_make(struct ocsnotify *context, struct ocs_error *error);
/* (locked) Makes socket and queue list anew where they are not what they were. */
int libocsnotify_files_renew(struct ocsnotify *context, bool *renewed_r, struct ocs_error *error);

/* ---- look.c: what somebody removed under us ---- */

#define LIBOCSNOTIFY_LOOK_MS 3000
/* Looks, at most so often, and mends; takes the lock itself. In every call that has to work. */
void libocsnotify_look(struct ocsnotify *context);

/* ---- session.c ---- */

/* Frees the session and its queues; unlink: also from the system. Not its registration. */
void libocsnotify_session_free(struct ocsnotify_session *session, bool unlink);

/* ---- session_map.c ---- */

void libocsnotify_store_free(struct libocsnotify_store *store);

/* ---- drain.c ---- */

/* Whether something is pending, as ocsnotify_pending() tells. */
int libocsnotify_session_pending(struct ocsnotify_session *session);

/* ---- host.c: identifiers of the host's own ---- */

/* If the daemon's ini says so: the folder and message of a new handle, which the host gave, become
 * ours. A library code. */
int libocsnotify_host_subscribe(struct ocsnotify_session *session,
                                struct libocsnotify_handle *handle);
enum { LIBOCSNOTIFY_READY, LIBOCSNOTIFY_HOLD, LIBOCSNOTIFY_SKIP };
/* Puts the host's identifiers into the event, or makes of it what can be told with those that it
 * knows. One of the above (HOLD: not yet, nor what comes after it; SKIP: nothing for this handle)
 * or an OCSNOTIFY_E_* code. */
int libocsnotify_host_event(struct ocsnotify_session *session,
                            const struct libocsnotify_handle *handle,
                            const struct libocsnotify_item *item, struct ocsnotify_event *event);

/* ---- bind.c: the daemon's link to other nodes ---- */

bool libocsnotify_bound(const struct ocsnotify_session *session);
/* After a subscription was registered, with no lock held: asks for the user's binding and waits for
 * it, OCS_BIND_WAIT_MS at most; warns where it does not come. Nothing without a link. */
void libocsnotify_request_binding(struct ocsnotify_session *session);
/* The same for a mail store that its user sees. */
void libocsnotify_request_store(struct ocsnotify_session *session,
                                const struct libocsnotify_store *store);
/* Asks again if the session is not bound, from time to time, without waiting. */
void libocsnotify_request_binding_again(struct ocsnotify_session *session);
/* The session goes away. */
void libocsnotify_drop_bind_request(struct ocsnotify_session *session);

/* ---- submit_exchange.c: a request to the daemon and its answer ---- */

struct libocsnotify_answer {
	int code; /* HTTP's */
	const char *body;
	size_t len;
	char *memory; /* what body points into, for free() */
};
/* The body to PUT /notification of the daemon of this registry folder. 0 with the answer; or
 * -errno: ENOENT, ECONNREFUSED nobody is there, EAGAIN nobody answered until end (monotonic
 * milliseconds), ECONNRESET hung up, EBADMSG not an answer of ocsmanager. */
int libocsnotify_exchange(const char *folder, const char *body, size_t len, uint64_t end,
                          struct libocsnotify_answer *answer);

/* ---- submit_answer.c ---- */

#define LIBOCSNOTIFY_ANSWER_MAX (1024 * 1024) /* of its body; 256 refusals at their longest fit */
/* 1: it is whole, and code, body and len are set; 0: more is to come; -1: it is none. */
int libocsnotify_answer_read(const char *data, size_t len, struct libocsnotify_answer *answer);
/* The results of n events, each refused if the request was. -1: it does not say. */
int libocsnotify_answer_results(const struct libocsnotify_answer *answer,
                                struct ocsnotify_report_result *results, size_t n);

/* ---- wake.c: news, timer, datagrams ---- */

uint64_t libocsnotify_now_ms(void);
/* The session has to be looked at by the next process(); the descriptor becomes readable. */
void libocsnotify_news(struct ocsnotify_session *session);
/* After something was taken out: empty tells that nothing is left. */
void libocsnotify_settle(struct ocsnotify_session *session, bool empty);
/* Takes the session out of the lists. */
void libocsnotify_unlist(struct ocsnotify_session *session);
/* Sets the timer to what is due next, and makes the descriptor readable while there is news. */
void libocsnotify_arm(struct ocsnotify *context);
/* Starts or moves the session's datagram; it is due now. */
void libocsnotify_push_now(struct ocsnotify_session *session);
/* Reads the daemon's datagrams: which spill lists have something; their sessions are news. */
void libocsnotify_wakes_read(struct ocsnotify *context);
/* Every list may have something. */
void libocsnotify_wake_all(struct ocsnotify *context);
/* Sends what is due, at most once a session. */
void libocsnotify_push_due(struct ocsnotify *context);

/* ---- registration.c: what the registry holds of a context ---- */

/* (locked) Begins a transaction and removes the sessions whose removal failed before. Ended by
 * libocsnotify_registration_end(), which commits if ret, the result of what was done in it, is
 * fine. All return an ocs_store_result. */
int libocsnotify_registration_begin(struct ocsnotify *context, struct ocs_error *error);
int libocsnotify_registration_end(struct ocsnotify *context, int ret, struct ocs_error *error);
/* (locked, transaction) Writes the queues of the session that have users, drops the others. */
int libocsnotify_registration_store(struct ocsnotify_session *session, struct ocs_error *error);
/* (locked, transaction) Writes the session's record. */
int libocsnotify_registration_session(struct ocsnotify_session *session,
                                      const struct ocs_registry_session *record,
                                      struct ocs_error *error);
/* (locked) Writes everything of the context, in a transaction of its own. */
int libocsnotify_registration_all(struct ocsnotify *context, struct ocs_error *error);
/* A mail store that the session sees: (locked, in a transaction) an ocs_store_result, or
 * LIBOCSNOTIFY_STORE_FULL. */
int libocsnotify_registration_map(const struct ocsnotify_session *session,
                                  const struct libocsnotify_store *store, struct ocs_error *error);

/* ---- queue_list.c: the names of this context's queues, for whoever cleans up after it ---- */

int libocsnotify_queue_list_open(struct ocsnotify *context, struct ocs_error *error);
int libocsnotify_queue_list_add(struct ocsnotify *context, const char *name);
/* Removes what dead contexts of this user left. Takes the lock itself. */
void libocsnotify_sweep(struct ocsnotify *context);

/* ---- queues.c ---- */

/* The session's queue of a folder and table, NULL if there is none. */
struct libocsnotify_queue *libocsnotify_queue_find(struct ocsnotify_session *session,
                                                   uint64_t folder, enum ocs_table table);
/* A new one, with a kernel queue if the kernel gives one; watched, not registered. NULL: no memory.
 */
struct libocsnotify_queue *libocsnotify_queue_new(struct ocsnotify_session *session,
                                                  const struct ocs_registry_settings *settings,
                                                  uint64_t folder, enum ocs_table table);
/* unlink: also from the system. Drops what is in the backlog of it. */
void libocsnotify_queue_free(struct libocsnotify_queue *queue, bool unlink);
/* Another kernel queue in its place, not registered yet; the old one stays as old_mq. */
void libocsnotify_queue_renew(struct libocsnotify_queue *queue,
                              const struct ocs_registry_settings *settings);
int libocsnotify_queue_add_user(struct libocsnotify_queue *queue,
                                struct libocsnotify_handle *handle);
bool libocsnotify_queue_has_user(const struct libocsnotify_queue *queue,
                                 const struct libocsnotify_handle *handle);
void libocsnotify_queue_remove_user(struct libocsnotify_queue *queue,
                                    const struct libocsnotify_handle *handle);
/* Works the matchers out from the users; tells whether they are others than before. */
bool libocsnotify_queue_match(struct libocsnotify_queue *queue);

/* ---- backlog.c: from queues and spill lists into the session ---- */

/* Takes in what there is. An OCSNOTIFY_E_* code; what was taken before a failure stays. */
int libocsnotify_backlog_take(struct ocsnotify_session *session);
/* Whether a queue or spill list has something: 1, 0 or an OCSNOTIFY_E_* code. */
int libocsnotify_backlog_waiting(struct ocsnotify_session *session);
/* The file of the queue's spill list, where it is open. */
void libocsnotify_list_close(struct libocsnotify_queue *queue);
/* Lists of which another file may have the name by now have something again. */
void libocsnotify_backlog_look(struct ocsnotify *context);
/* The next item and the handle it is for; drops what no handle wants. NULL: nothing left. */
const struct libocsnotify_item *
libocsnotify_backlog_peek(struct ocsnotify_session *session,
                          const struct libocsnotify_handle **handle_r);
/* The handle has had it. */
void libocsnotify_backlog_next(struct ocsnotify_session *session,
                               const struct libocsnotify_handle *handle);
/* Forgets what came by a queue that goes away. */
void libocsnotify_backlog_drop(struct ocsnotify_session *session,
                               const struct libocsnotify_queue *queue);

#endif
