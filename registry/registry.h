/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The registry: who waits for what. registry.tdb in the registry folder, shared by the daemon, the
 * MAPI servers and ocsctl. Soft state: it is emptied when the machine's boot id changes.
 *
 *   M            meta: boot id; the daemon's settings and the backends' URI templates, which the
 *                library needs
 *   C<id>        a library context: its process, its wake-up socket
 *   L            the list of contexts
 *   S<id>        a session: user, context, push target
 *   U<user>      all queues of a user, so that a dispatch is one fetch
 *
 * Threads and processes: as store/store.h says. Functions marked (txn) need an open transaction of
 * ocs_registry_begin(). All return 0 or a negative ocs_store_result unless said otherwise. A
 * damaged record is quarantined by the next (txn) function that meets it, is counted, and reads as
 * missing.
 */
#ifndef OCS_REGISTRY_REGISTRY_H
#define OCS_REGISTRY_REGISTRY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/un.h>

#include "base/fold.h"
#include "mqueue/entry.h"
#include "mqueue/name.h"
#include "mqueue/spill.h"
#include "registry/push.h"
#include "store/store.h"

struct ocs_registry;

/* What the library needs of the ini; written by the daemon at start and reload. */
struct ocs_registry_settings {
	uint32_t max_messages, message_size; /* attributes of a queue */
	uint32_t spill_max, spill_total;
	uint32_t push_interval; /* seconds */
	uint16_t replica_id;
	/* Path of the user map file, "" without one; libraries look for OCS_USERMAP_FILE in the
	 * registry folder where there is one. */
	char usermap[256];
	bool linked;           /* the daemon has a link to other nodes: ask it to bind */
	uint64_t index_limit;  /* bytes of the identifier index, 0: its default */
	bool host_identifiers; /* MAPI servers have identifiers of their own */
	struct ocs_name_rule names;
};

struct ocs_registry_context {
	uint64_t id; /* random, never 0 */
	pid_t pid;
	uid_t uid;
	uint64_t started;  /* microseconds since 1970 */
	uint32_t sessions; /* filled by the registry */
};

struct ocs_registry_session {
	uint64_t id; /* random, never 0 */
	uint64_t context;
	uint64_t opened; /* microseconds since 1970 */
	char user[OCS_USER_MAX + 1];
	struct ocs_push_target push; /* context_len 0: none */
};

/* Which entries of a queue any of its handles wants. */
struct ocs_matcher {
	uint16_t types; /* NotificationTypes; OCSNOTIFY_TABLE_MODIFIED for table queues */
	uint64_t mid;   /* 0: any message */
};
#define OCS_MATCHERS_MAX                                                                           \
	32 /* past it the library registers one {all types, 0} and filters itself */

struct ocs_registry_queue {
	uint64_t id; /* random, never 0: with the context it names the spill list */
	uint64_t session, context;
	uint64_t folder; /* OCS_FOLDER_STORE: whole store */
	enum ocs_table table;
	bool spill_only; /* the kernel gave no queue */
	char name[OCS_QUEUE_NAME_MAX];
	uint16_t n_matchers; /* 1 to OCS_MATCHERS_MAX */
	struct ocs_matcher matchers[OCS_MATCHERS_MAX];
};

/* All queues of one user: one talloc object. */
struct ocs_registry_user {
	char *user;
	size_t n_queues;
	struct ocs_registry_queue *queues; /* talloc array, child of the object */
};
#define OCS_USER_QUEUES_MAX 4096

/* folder must exist. create: make the file and the folder of the sockets if they are missing or not
 * the daemon's (the daemon; the library passes false).
 * Empties it when the boot id has changed. Result: ocs_store_result (OCS_STORE_MISSING: no
 * registry). */
int ocs_registry_open(const char *folder, bool create, struct ocs_registry **registry_r,
                      bool *moved_r, struct ocs_error *error);
/* Whether what is in the open file can be so: OCS_STORE_CORRUPT with the text if the record that
 * each has is not there, or libtdb has found the file damaged. */
int ocs_registry_intact(struct ocs_registry *registry, struct ocs_error *error);
/* When registry.tdb is gone, another file, or not what it was: makes it anew with everything that
 * the open one holds. What stands under its name is kept as registry.tdb.other-<time>. The new file
 * is not used before ocs_registry_exchange(), which returns the old one, to be closed when nobody
 * reads its sequence number any more. *whole_r: nothing had to be left behind. */
int ocs_registry_remake(struct ocs_registry *registry, struct ocs_store **fresh_r, bool *whole_r,
                        struct ocs_error *error);
struct ocs_store *ocs_registry_exchange(struct ocs_registry *registry, struct ocs_store *fresh);
void ocs_registry_close(struct ocs_registry *registry);
const char *ocs_registry_folder(const struct ocs_registry *registry);
struct ocs_store *ocs_registry_store(struct ocs_registry *registry);
uint32_t ocs_registry_seqnum(const struct ocs_registry *registry); /* any thread */
uint64_t ocs_registry_damaged(const struct ocs_registry *registry);

int ocs_registry_begin(struct ocs_registry *registry, struct ocs_error *error);
int ocs_registry_commit(struct ocs_registry *registry, bool sync, struct ocs_error *error);
void ocs_registry_cancel(struct ocs_registry *registry);

/* Defaults of the ini if the daemon has written none. */
int ocs_registry_settings_get(struct ocs_registry *registry, struct ocs_registry_settings *out,
                              struct ocs_error *error);
int ocs_registry_settings_put(struct ocs_registry *registry, /* (txn) */
                              const struct ocs_registry_settings *settings,
                              struct ocs_error *error);

/* The URI templates of the backends, which the daemon publishes with the settings: names canonical
 * and NULL-terminated, templates in the same order (NULL: none). get of one: on mem_ctx, or
 * OCS_STORE_MISSING. */
int ocs_registry_templates_put(struct ocs_registry *registry, char *const *backends, /* (txn) */
                               char *const *templates, struct ocs_error *error);
int ocs_registry_template_get(struct ocs_registry *registry, const void *mem_ctx,
                              const char *backend, char **template_r, struct ocs_error *error);
/* All that there are, with their backends, in two arrays of *n_r on mem_ctx. */
int ocs_registry_templates_get(struct ocs_registry *registry, const void *mem_ctx,
                               char ***backends_r, char ***templates_r, size_t *n_r,
                               struct ocs_error *error);

/* Contexts. remove takes its sessions, queues and spill lists with it (not the kernel queues: the
 * names are in queues_r, a talloc array of names on mem_ctx, NULL to ignore). */
int ocs_registry_context_add(struct ocs_registry *registry, /* (txn) */
                             const struct ocs_registry_context *context, struct ocs_error *error);
int ocs_registry_context_remove(struct ocs_registry *registry, uint64_t id, /* (txn) */
                                const void *mem_ctx, char ***queues_r, size_t *n_queues_r,
                                struct ocs_error *error);
/* OCS_STORE_MISSING: not registered. sessions is filled too. */
int ocs_registry_context_get(struct ocs_registry *registry, uint64_t id,
                             struct ocs_registry_context *out, struct ocs_error *error);
int ocs_registry_context_list(struct ocs_registry *registry, const void *mem_ctx,
                              struct ocs_registry_context **list_r, size_t *n_r,
                              struct ocs_error *error);

/* The user id a context runs as, which owns its queues: what its record says if the owner of its
 * files in the wake folder (which the kernel tells, and which nobody else can replace) does not say
 * otherwise. OCS_STORE_MISSING: neither is there, or they contradict each other. */
int ocs_registry_context_uid(struct ocs_registry *registry, uint64_t id, uid_t *uid_r,
                             struct ocs_error *error);

/* Sessions. put adds or replaces (push target). remove takes its queues and spills with it. */
int ocs_registry_session_put(struct ocs_registry *registry, /* (txn) */
                             const struct ocs_registry_session *session, struct ocs_error *error);
int ocs_registry_session_remove(struct ocs_registry *registry, uint64_t id, /* (txn) */
                                struct ocs_error *error);
int ocs_registry_session_list(struct ocs_registry *registry, const void *mem_ctx,
                              struct ocs_registry_session **list_r, size_t *n_r,
                              struct ocs_error *error);

/* The mail stores that a session sees, as its server said; they go with the session. */
#define OCS_SESSION_STORES_MAX 64
#define OCS_STORE_SESSIONS_MAX 4096
/* Names are canonical. OCS_STORE_FULL: too many. */
int ocs_registry_store_add(struct ocs_registry *registry, /* (txn) */
                           const struct ocs_registry_session *session, const char *backend,
                           const char *backend_user, struct ocs_error *error);
/* The users of the sessions that see it, each once: a talloc array on mem_ctx, which holds the
 * names; NULL without any. */
int ocs_registry_store_users(struct ocs_registry *registry, const void *mem_ctx,
                             const char *backend, const char *backend_user, char ***users_r,
                             size_t *n_r, struct ocs_error *error);

/* Every store that has such a record. Not 0: ends it. */
typedef int ocs_registry_store_fn(const char *backend, const char *backend_user, void *arg);
int ocs_registry_store_each(struct ocs_registry *registry, ocs_registry_store_fn *each, void *arg,
                            struct ocs_error *error);

/* Appends the kernel queues of a session to a talloc array of names that starts as NULL, 0. */
int ocs_registry_session_queues(struct ocs_registry *registry, uint64_t id, const void *mem_ctx,
                                char ***queues_r, size_t *n_queues_r, struct ocs_error *error);

/* A user's queues. get of a user without any gives n_queues 0. put with 0 queues deletes. */
int ocs_registry_user_get(struct ocs_registry *registry, const void *mem_ctx, const char *user,
                          struct ocs_registry_user **user_r, struct ocs_error *error);
int ocs_registry_user_put(struct ocs_registry *registry, /* (txn) */
                          const struct ocs_registry_user *user, struct ocs_error *error);
/* Every user's queues, one user after the other, each freed after the call unless it is stolen
 * (talloc). Not 0: ends it. each() must not change the registry. */
typedef int ocs_registry_user_fn(struct ocs_registry_user *user, void *arg);
int ocs_registry_user_each(struct ocs_registry *registry, ocs_registry_user_fn *each, void *arg,
                           struct ocs_error *error);
/* All at once, one array of pointers. For ocsctl: a record of a user takes twenty times as much
 * memory. */
int ocs_registry_user_list(struct ocs_registry *registry, const void *mem_ctx,
                           struct ocs_registry_user ***list_r, size_t *n_r,
                           struct ocs_error *error);

/* ---- spill lists ---- */

/* Those of queues, whether or not there is one. Any process, no transaction: see mqueue/spill.h. */
int ocs_registry_spill_state(const struct ocs_registry *registry, uint64_t context, uint64_t queue,
                             struct ocs_spill_state *out, struct ocs_error *error);
/* Calls each() for each entry, oldest first, and leaves them there. */
int ocs_registry_spill_each(const struct ocs_registry *registry, uint64_t context, uint64_t queue,
                            ocs_spill_each_fn *each, void *arg, struct ocs_error *error);
/* Empties the list (dropped stays counted). */
int ocs_registry_spill_clear(const struct ocs_registry *registry, uint64_t context, uint64_t queue,
                             struct ocs_error *error);
/* The queue goes: so does its list. */
void ocs_registry_spill_forget(const struct ocs_registry *registry, uint64_t context,
                               uint64_t queue);

/* ---- wake-up sockets: <folder>/wake/<context id, 16 hex digits>.sock, datagrams ---- */

/* Uses the folder that is there from now on; the daemon makes it if it is gone or not its own, for
 * the group of the registry folder. */
int ocs_registry_wake_folder(struct ocs_registry *registry, struct ocs_error *error);
/* The address of a context's socket. -1 if the folder's path is too long for a socket address. */
int ocs_registry_wake_address(const struct ocs_registry *registry, uint64_t context,
                              struct sockaddr_un *address);
/* A socket that is connected to it, by which nobody is woken yet, to be closed; or -errno: -ENOENT;
 * -ECONNREFUSED, nobody has it, also where what has the name is none: no link is followed. */
int ocs_registry_wake_connect(const struct ocs_registry *registry, uint64_t context);
/* A datagram to it carries ids of queues, 8 bytes each (little-endian), whose spill lists have
 * something to read, or OCS_REGISTRY_WAKE_ALL: all are to be looked at; or nothing: the registry
 * was made anew and lacks this context. */
#define OCS_REGISTRY_WAKE_ALL 0
#define OCS_REGISTRY_WAKE_MAX 16 /* ids */

/* The queue list, <folder>/wake/<context id>.queues: the library appends the name of each queue,
 * with a newline, before it creates it, so that the janitor can unlink those that were never
 * registered. */
int ocs_registry_queue_list_path(const struct ocs_registry *registry, uint64_t context, char *path,
                                 size_t size);

uint64_t ocs_random_id(void); /* never 0 */
uint64_t ocs_now_us(void);

#endif
