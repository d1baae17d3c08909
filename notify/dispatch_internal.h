/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Shared by the dispatch files only.
 *
 * From the roof to the floor; a file calls those below it only:
 *
 *   dispatch.c          start, reload, stop, counters, health
 *   dispatch_submit.c   where notifications come in
 *   dispatch_deadline.c the deadline thread
 *   dispatch_store.c    the store thread's loop and its housekeeping
 *   janitor.c           what the dead have left
 *   dispatch_mend.c     spill lists that were removed
 *   dispatch_batch.c    one group of notifications on the store thread, from identifiers to done
 *   dispatch_fast.c     what can be done in the caller's thread
 *   dispatch_resolve.c  names to users and folders
 *   dispatch_message.c  identifiers of messages
 *   dispatch_agree.c    what other nodes call them, and what they are told
 *   dispatch_sessions.c who has a session
 *   dispatch_stores.c   who sees a mail store since a session said so
 *   dispatch_later.c    identifiers that wait for a user to leave
 *   dispatch_index.c    how large the index is
 *   dispatch_watch.c    whether the files are there and can be written
 *   dispatch_files.c    the table of files, and what is done when one is gone
 *   dispatch_anew.c     a registry made anew: who must register again
 *   dispatch_publish.c  what the libraries are told of the ini
 *   dispatch_drops.c    what was dropped, and who is told
 *   dispatch_job.c      the end of a request
 *   dispatch_deliver.c  entries into a user's queues
 *   dispatch_queues.c   the queues of users in memory, sending
 *   dispatch_spill.c    what the kernel queues did not take, into spill lists
 *   dispatch_wake.c     which of their owners are woken
 *   dispatch_owed.c     wake-ups that did not reach
 *   dispatch_descriptors.c
 *                       how many files of queues and lists are open
 *   dispatch_datagram.c one wake-up
 *   dispatch_cache.c    identifiers in memory, for the fast path
 *   dispatch_core.c     settings, log, the registry's state
 *
 * Below all of them: fanout.c, health.c, notification.c, recent.c, message_log.c,
 * sequence.c.
 *
 * Which thread may touch what: registry, index, message_log, recent belong to the store thread.
 * The caches, the queue table and the settings have mutexes of their own, held for a lookup or one
 * mq_send only.
 */
#ifndef OCS_NOTIFY_DISPATCH_INTERNAL_H
#define OCS_NOTIFY_DISPATCH_INTERNAL_H

#include <mqueue.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/stat.h>

#include <uthash.h>

/* Shorter chains than uthash makes by itself: with a hundred thousand users each link of one is a
 * miss of the cache. Half the time of a look-up in a table of that size, for about 80 bytes an
 * entry. */
#undef HASH_BKT_CAPACITY_THRESH
#define HASH_BKT_CAPACITY_THRESH 6U

#include "base/clock.h"
#include "mapistore/agree.h"
#include "mapistore/index.h"
#include "mapistore/usermap.h"
#include "notify/dispatch.h"
#include "notify/fanout.h"
#include "notify/recent.h"
#include "notify/message_log.h"
#include "registry/registry.h"
#include "notify/sequence.h"

struct resolve;
struct dispatch_wakes;

/* ---- settings: replaced as a whole by a reload, kept by whoever still uses them ---- */

struct dispatch_config {
	unsigned refs; /* under dispatch->config_lock */
	unsigned generation;
	struct ocs_dispatch_settings settings;
	char **backends; /* canonical, NULL-terminated */
	char **uris;     /* as of the settings */
	struct ocs_usermap *map;
};

/* Takes map over, but for NULL: out of memory. */
struct dispatch_config *ocs_dispatch_config_make(const struct ocs_dispatch_settings *settings,
                                                 struct ocs_usermap *map);
struct dispatch_config *ocs_dispatch_config_get(struct ocs_dispatch *dispatch);
void ocs_dispatch_config_put(struct ocs_dispatch *dispatch, struct dispatch_config *config);
/* The backend of a notification that is not configured; NULL: all are. */
const char *ocs_dispatch_unknown_backend(const struct dispatch_config *config,
                                         const struct ocs_notification *notification);
/* The notification with the one name of its user: itself, or a copy on mem_ctx that shares the
 * other strings. NULL: out of memory. */
const struct ocs_notification *ocs_dispatch_canonical(const struct dispatch_config *config,
                                                      const void *mem_ctx,
                                                      const struct ocs_notification *notification);
/* [main] case = fold, now. Any thread. */
bool ocs_dispatch_folds(const struct ocs_dispatch *dispatch);

/* ---- queues ---- */

/* A queue as the daemon knows it. */
struct dispatch_queue {
	uint64_t id, context;
	enum ocs_table table;
	atomic_bool spill_only;
	unsigned refs; /* snapshots that hold it; under queues_lock */
	bool gone;     /* no longer registered; under queues_lock */
	bool lost;     /* its list was removed; the same */
	struct dispatch_queue *owed_prev, *owed_next; /* under owed_lock, and: */
	bool owed; /* its consumer is to be woken and could not be */
	UT_hash_handle hh;
	pthread_mutex_t lock; /* for what follows */
	mqd_t descriptor;     /* (mqd_t)-1: not open */
	ino_t inode;          /* of the first opening; 0: never opened */
	uid_t owner;          /* of its context; valid with owner_known */
	bool owner_known;
	bool spilling; /* entries go to the spill list until its consumer has read all; so at first,
	                  when nobody has looked */
	struct ocs_spill spill;
	uint64_t counted;    /* of its entries, in the sum of all lists */
	bool open_failed;    /* said so already */
	atomic_bool foreign; /* the last opening found somebody else's */
	uint64_t recounted;  /* when its closed list was last looked at */
	atomic_uint_fast64_t last_used;
	/* Behind what each entry touches. */
	char name[OCS_QUEUE_NAME_MAX]; /* changed under lock, by the store thread */
};

struct snapshot_queue {
	struct dispatch_queue *queue;
	uint64_t session, folder;
	uint16_t n_matchers;
	struct ocs_matcher *matchers;
};

/* The queues of one user at one state of the registry. Never changes once it is in the table. */
struct dispatch_snapshot {
	unsigned refs; /* under queues_lock */
	uint32_t seqnum;
	size_t n_queues;
	struct snapshot_queue *queues;
	UT_hash_handle hh;
	char user[];
};

/* The state that the registry is in. It is asked for once for a request: what was in the registry
 * before that came holds for all of it. Any thread. */
uint32_t ocs_dispatch_seqnum(struct ocs_dispatch *dispatch);
/* The snapshot of a user that is valid in that state, or NULL: the store thread must read the
 * registry. Any thread. */
struct dispatch_snapshot *ocs_dispatch_snapshot_get(struct ocs_dispatch *dispatch, const char *user,
                                                    uint32_t seqnum);
/* The same, read from the registry where needed. Store thread. NULL with error: it failed. */
struct dispatch_snapshot *ocs_dispatch_snapshot_read(struct ocs_dispatch *dispatch,
                                                     const char *user, struct ocs_error *error);
void ocs_dispatch_snapshot_put(struct ocs_dispatch *dispatch, struct dispatch_snapshot *snapshot);

/* One entry into the kernel's queue or, if that is full or there is none, into the spill list;
 * *wake_r becomes true if its owner is to be woken then. 0, or -errno: neither. Any thread. */
int ocs_dispatch_send(struct ocs_dispatch *dispatch, const struct ocs_dispatch_settings *settings,
                      struct dispatch_queue *queue, const char *user, const uint8_t *entry,
                      size_t len, bool *wake_r);
/* Whether a descriptor may be opened: closes others where there are too many, and with `failed`,
 * where the system has given none. A queue's lock may be held. */
void ocs_dispatch_descriptors_room(struct ocs_dispatch *dispatch, bool failed);
void ocs_dispatch_descriptors_count(struct ocs_dispatch *dispatch, int n);
/* Closes the descriptors of queues whose owner has removed them: the kernel charges their memory to
 * the owner until the last close, and new queues of that user would not be had. */
void ocs_dispatch_queues_close_gone(struct ocs_dispatch *dispatch);
void ocs_dispatch_queues_close_idle(struct ocs_dispatch *dispatch);
/* Whether a queue's name was found to be somebody else's, and still is as far as is known. */
bool ocs_dispatch_queues_foreign(struct ocs_dispatch *dispatch);
/* The registry's file for another one; returns the old one, which nobody uses any more. */
struct ocs_store *ocs_dispatch_exchange(struct ocs_dispatch *dispatch, struct ocs_store *fresh);
void ocs_dispatch_queues_free(struct ocs_dispatch *dispatch);

/* ---- dispatch_stores.c: who sees a mail store since a session said so ---- */

/* The names are on mem_ctx, users_r NULL without any. 0, or -1 with resolve->error. Store thread.
 */
int ocs_dispatch_store_users(struct resolve *resolve, const void *mem_ctx, const char *backend,
                             const char *backend_user, const char ***users_r, size_t *n_r);
/* The same from memory, in that state of the registry: 1; 0: it must be read; -1: out of memory.
 * Any thread. */
int ocs_dispatch_store_known(struct ocs_dispatch *dispatch, const void *mem_ctx,
                             const char *backend, const char *backend_user, uint32_t seqnum,
                             const char ***users_r, size_t *n_r);
/* queues_lock is held, or nobody else is there. */
void ocs_dispatch_stores_clear(struct ocs_dispatch *dispatch);

/* ---- identifiers in memory ---- */

/* Both: true if known. Any thread. */
bool ocs_dispatch_cache_folder(struct ocs_dispatch *dispatch, const struct ocs_folder_name *name,
                               struct ocs_index_folder *out);
bool ocs_dispatch_cache_message(struct ocs_dispatch *dispatch, uint64_t series,
                                const char *message_id, uint64_t *mid);
/* Store thread. Only what is committed may be added: the fast path uses it at once. */
void ocs_dispatch_cache_folder_add(struct ocs_dispatch *dispatch,
                                   const struct ocs_folder_name *name,
                                   const struct ocs_index_folder *record);
void ocs_dispatch_cache_folder_drop(struct ocs_dispatch *dispatch,
                                    const struct ocs_folder_name *name);
void ocs_dispatch_cache_message_add(struct ocs_dispatch *dispatch, uint64_t series,
                                    const char *message_id, uint64_t mid);
void ocs_dispatch_cache_message_drop(struct ocs_dispatch *dispatch, uint64_t series,
                                     const char *message_id);
void ocs_dispatch_cache_folders_clear(struct ocs_dispatch *dispatch);
void ocs_dispatch_cache_free(struct ocs_dispatch *dispatch);

/* ---- requests on their way ---- */

/* One groupware user that sees what a notification is about. */
struct target {
	const char *user;
	const struct ocs_notification *notification; /* as this user sees it */
	struct ocs_index_folder folder, old_folder;
	struct ocs_fanout_ids ids;
	bool duplicate;                    /* a newmail this user knows already */
	bool was_assigned;                 /* an identifier is in recent */
	bool put_message, put_old_message; /* to be recorded when done */
	bool announce;
	uint64_t content; /* which mail the message is; 0: not known */
	bool delete_message, delete_old_message, delete_folder, delete_old_folder;
};

enum item_state {
	ITEM_NEW,   /* nothing done */
	ITEM_SENT,  /* to all queues; not yet recorded */
	ITEM_ENDED, /* its result is final */
};

struct item {
	const struct ocs_notification *notification;
	struct ocs_result *result;
	enum item_state state;
	uint64_t sequence;
	uint8_t id_hash[16];
	struct target *targets;
	size_t n_targets;
	unsigned queues; /* that took an entry so far */
};

struct job {
	struct job *prev, *next;         /* waiting for the store thread */
	struct job *all_prev, *all_next; /* every one not yet answered */
	struct ocs_request *request;
	struct item *items;
	uint64_t accepted_at;
	unsigned generation;    /* of the settings that its names are by */
	uint64_t deadline;      /* CLOCK_MONOTONIC, ns */
	bool running, answered; /* under dispatch->lock */
};

/* Wake-ups that did not reach, of the contexts whose ids have one remainder; under owed_lock. */
#define OCS_DISPATCH_OWED 64
struct dispatch_owed {
	struct dispatch_queue *queues; /* whose owners are to be woken */
	atomic_bool any;               /* somebody is to be; read without the lock, too */
	uint64_t next, wait;           /* when the store thread tries again, and after how long */
	uint64_t tried;                /* when it was last tried */
};

/* A socket of ours, connected to that of a context: see dispatch_datagram.c. */
#define OCS_DISPATCH_WAKE_SOCKETS 1024
struct dispatch_wake_socket {
	pthread_rwlock_t lock; /* to write it opens and closes; no other lock but that of the
	                          settings is taken inside */
	uint64_t context;
	int fd;           /* -1: not open */
	atomic_bool used; /* since the idle ones were closed last */
};

struct ocs_dispatch {
	char *folder;
	struct ocs_registry *registry;
	struct ocs_index *index;
	struct ocs_recent *recent;
	struct ocs_message_log *message_log;
	ocs_log_fn *log;
	gid_t gid; /* of the registry folder, and so of every queue */
	struct ocs_health *health;
	struct dispatch_watch *watch; /* (store thread) */
	struct dispatch_files *files; /* has a lock of its own */
	struct dispatch_anew *anew;   /* (store thread) */
	pthread_mutex_t drops_lock;
	struct dispatch_drops *drops;       /* NULL: none yet; under drops_lock */
	struct ocs_reap_missing *missing;   /* of the janitor (store thread) */
	struct dispatch_sessions *sessions; /* NULL: not read yet (store thread) */
	struct dispatch_agree *agree;       /* NULL: nothing to settle; changed under cache_lock */
	bool unknown_full;                  /* it was said (store thread) */

	pthread_mutex_t config_lock;
	struct dispatch_config *config;
	atomic_bool folds; /* of it, for the keys of what is in memory */

	pthread_mutex_t queues_lock;
	struct dispatch_queue *queues;
	struct dispatch_snapshot *snapshots;
	struct dispatch_store *stores;
	atomic_uint open_descriptors;
	atomic_int_fast64_t spilled; /* entries that wait in the lists that are known */
	atomic_uint_fast64_t recounted;
	pthread_mutex_t owed_lock;                        /* the last one to be taken; for these: */
	struct dispatch_owed owed[OCS_DISPATCH_OWED + 1]; /* the last one is of owed_all */
	uint64_t *owed_all; /* contexts whose lists are all to be looked at (malloc) */
	size_t n_owed_all;
	atomic_uint_fast64_t next_owed; /* when the store thread tries again; UINT64_MAX: never */
	struct dispatch_wake_socket wake_sockets[OCS_DISPATCH_WAKE_SOCKETS];
	atomic_uint open_wake_sockets;

	pthread_mutex_t visit_lock; /* held during a visit */
	ocs_dispatch_visit_fn *visit;
	void *visit_arg;
	uint64_t last_visit;
	atomic_bool visited; /* there is a visit function */

	pthread_mutex_t cache_lock;
	struct ocs_dispatch_cached *cache_folders, *cache_messages;

	pthread_mutex_t lock; /* for the lists of jobs and stopping; no other is taken inside */
	pthread_cond_t work, waiting,
	        finished; /* for the store thread, the deadline thread, stop */
	struct job *first;
	struct job *all;
	bool stopping;
	pthread_t store_thread, deadline_thread;
	bool store_thread_runs, deadline_thread_runs;

	struct ocs_sequence *sequence;
	atomic_uint_fast64_t busy_since; /* CLOCK_MONOTONIC ns, 0: idle; of the store thread */
	uint64_t range_next, range_left; /* reserved identifiers (store thread) */
	unsigned range_size;             /* of the next reservation; 0: none yet */
	uint64_t last_sync, last_janitor, last_gone, last_change, last_apply, last_index;
	uint64_t last_agree;
	/* The folder of the lists when all that are open had their names, and nothing has changed
	 * in it while that was looked up; st_nlink 0: not known (store thread). */
	struct stat named;
	uint64_t next_build; /* of what searches of the index need */
	bool builds;
	uint32_t seqnum_seen; /* of the registry (store thread) */
	uint64_t damaged_seen;
	bool publish_failed;
	unsigned generation_seen; /* of the settings (store thread) */
	bool unsynced;

	struct {
		atomic_uint_fast64_t received, queued, nosubscriber, duplicate, refused;
		atomic_uint_fast64_t entries_kernel, entries_spilled, entries_dropped,
		        entries_collapsed;
		atomic_uint_fast64_t commits, commit_failures, queue_open_failures, wakeups;
		atomic_uint_fast64_t sessions_reaped, queues_reaped, last_success_us;
	} counters;
};

#define OCS_COUNT(dispatch, name, n)                                                               \
	atomic_fetch_add_explicit(&(dispatch)->counters.name, (n), memory_order_relaxed)

void ocs_dispatch_log(struct ocs_dispatch *dispatch, int priority, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

/* dispatch_job.c: the end of a job. unlist: dispatch->lock is held. finish answers and frees;
 * answer tells the sender instead of the store thread that all is refused, and frees nothing. */
void ocs_dispatch_job_unlist(struct ocs_dispatch *dispatch, struct job *job);
void ocs_dispatch_job_finish(struct ocs_dispatch *dispatch, struct job *job);
void ocs_dispatch_job_free(struct job *job);

/* Room for the results of an answer (NULL: no memory), which that frees. Past the deadline it is
 * made while the request is there: by the address of the results its owner tells whether the
 * request is done or goes on. */
struct ocs_result *ocs_dispatch_answer_room(const struct ocs_request *request);
void ocs_dispatch_answer(struct ocs_dispatch *dispatch, const struct ocs_request *request,
                         struct ocs_result *results, int code, const char *name, const char *text);

/* dispatch_deadline.c. is_stuck: -1 with the reason if the store thread hangs; for health. */
void *ocs_dispatch_deadline_thread(void *dispatch);
int ocs_dispatch_is_stuck(void *dispatch, struct ocs_error *reason);

/* dispatch_store.c */
void *ocs_dispatch_store_thread(void *dispatch);

/* dispatch_publish.c: tells the library what it needs of the ini; at start, before there is a store
 * thread, it waits for the registry's lock for a bounded time. */
int ocs_dispatch_publish(struct ocs_dispatch *dispatch, struct ocs_error *error);

/* dispatch_fast.c: does what it can; true if every item has ended. Caller's thread. */
bool ocs_dispatch_fast(struct ocs_dispatch *dispatch, struct job *job);

/* dispatch_deliver.c. Sends what a resolved target makes; who is to be woken for it is noted. -1: a
 * spill list could not be written. snapshot is valid for the user. Any thread. */
int ocs_dispatch_deliver(struct ocs_dispatch *dispatch,
                         const struct ocs_dispatch_settings *settings, const struct job *job,
                         struct item *item, const struct target *target,
                         const struct dispatch_snapshot *snapshot, struct dispatch_wakes *wakes,
                         struct ocs_error *error);
void ocs_dispatch_item_end(struct item *item);

/* dispatch_job.c: the names of what is not done yet, by these settings. false: out of memory. */
bool ocs_dispatch_rename(const struct dispatch_config *config, struct job *job);

/* dispatch_batch.c: all items of the jobs, in order, to their end. Store thread. */
void ocs_dispatch_batch(struct ocs_dispatch *dispatch, struct job **jobs, size_t n);

/* dispatch_spill.c, any thread; the first two with the queue's lock held. An entry into the spill
 * list: 0 or -errno; *wake_r: its owner is to be woken once the lock is released. */
int ocs_dispatch_spill(struct ocs_dispatch *dispatch, const struct ocs_dispatch_settings *settings,
                       struct dispatch_queue *queue, const uint8_t *entry, size_t len,
                       enum ocs_spill_outcome *outcome_r, bool *wake_r);
/* Whether its consumer has read all, so that the kernel's queue may be used again. */
bool ocs_dispatch_spill_ended(struct ocs_dispatch *dispatch, struct dispatch_queue *queue);
/* Closed for good; with queues_lock held instead where nobody knows the queue any more. */
void ocs_dispatch_spill_end(struct ocs_dispatch *dispatch, struct dispatch_queue *queue);

/* dispatch_mend.c. Files of lists that somebody has removed are made again with what waits in them:
 * 0 or -1. Store thread. */
int ocs_dispatch_spill_mend(struct ocs_dispatch *dispatch, struct ocs_error *error);

/* dispatch_wake.c, any thread. Whose owners are to be woken for a request or a group, so that each
 * is woken once for many lists. Begins as {.n = 0}; ends with the second, or nobody is woken. */
#define OCS_DISPATCH_WAKES_MAX 64
struct dispatch_wakes {
	size_t n;
	struct dispatch_wake {
		uint64_t context, queue;
	} list[OCS_DISPATCH_WAKES_MAX];
};
void ocs_dispatch_wakes_add(struct ocs_dispatch *dispatch, struct dispatch_wakes *wakes,
                            const struct dispatch_queue *queue);
void ocs_dispatch_wakes_send(struct ocs_dispatch *dispatch, struct dispatch_wakes *wakes);
/* Whose lists have something from before: they are woken. Start. */
void ocs_dispatch_spill_start(struct ocs_dispatch *dispatch);

/* dispatch_owed.c, any thread but for the last. Whether somebody who may be the context is owed. */
bool ocs_dispatch_owes(struct ocs_dispatch *dispatch, uint64_t context);
/* The owner of the queue is woken later; that of a list of wakes, all of one context, later or now;
 * that context for all its lists. The first and the last: of the store thread, or the start. */
void ocs_dispatch_owe(struct ocs_dispatch *dispatch, struct dispatch_queue *queue);
void ocs_dispatch_owe_wakes(struct ocs_dispatch *dispatch, const struct dispatch_wake *list,
                            size_t n);
void ocs_dispatch_owe_all(struct ocs_dispatch *dispatch, uint64_t context);
/* The queue is forgotten; queues_lock is held. */
void ocs_dispatch_owe_end(struct ocs_dispatch *dispatch, struct dispatch_queue *queue);
/* Those whose time has come, again. Store thread. */
void ocs_dispatch_wake_owed(struct ocs_dispatch *dispatch, uint64_t now);

/* dispatch_datagram.c, any thread. false: it has to be tried again. Whose socket is gone is dead,
 * or looks at all its lists once it has another. */
bool ocs_dispatch_datagram(struct ocs_dispatch *dispatch, uint64_t context, const uint8_t *data,
                           size_t len);
/* Their sockets, all or those not used since the last time; they are opened again as needed. Any
 * lock but theirs and that of the settings may be held. */
void ocs_dispatch_wake_sockets_close(struct ocs_dispatch *dispatch, bool idle);
void ocs_dispatch_wake_sockets_init(struct ocs_dispatch *dispatch);
void ocs_dispatch_wake_sockets_free(struct ocs_dispatch *dispatch);

/* dispatch_resolve.c. Store thread. */
struct resolve {
	struct ocs_dispatch *dispatch;
	struct dispatch_config *config;
	struct ocs_error error;
	bool index_full; /* with -1: the error is the item's alone */
	/* What another node calls what a target is about; NULL: not told. */
	const struct ocs_ids *told;
	const struct ocs_notification *told_of; /* as this user sees it */
};
/* Fills item->targets. May change the index (its transaction is begun when first needed). 0: go on,
 * 1: the item has ended (refused, duplicate), -1: the store failed (resolve->error). */
int ocs_dispatch_resolve(struct resolve *resolve, struct job *job, struct item *item);
/* What is to be written once the entries are sent. 0 or -1. */
int ocs_dispatch_record(struct resolve *resolve, struct item *item);
/* Users of a notification's folder (and old folder), as the map says: a talloc array on mem_ctx. */
const char **ocs_dispatch_users(const struct dispatch_config *config, const void *mem_ctx,
                                const struct ocs_notification *notification, size_t *n_r);

/* dispatch_unknown.c: a notification of a user of whom no map decides. 0: it goes on; 1: it is
 * refused, or nothing is to be done about it; -1: the store failed (resolve->error). Store thread.
 */
int ocs_dispatch_unknown(struct resolve *resolve, const struct ocs_notification *notification,
                         struct ocs_result *result);
void ocs_dispatch_unknown_free(struct ocs_dispatch *dispatch);

/* dispatch_sessions.c: the users who have a session now, a talloc object; NULL: the registry
 * failed. old: the registry has changed since, and they were read more than a second ago. */
struct dispatch_sessions *ocs_dispatch_sessions_read(struct ocs_registry *registry,
                                                     struct ocs_error *error);
bool ocs_dispatch_sessions_have(const struct dispatch_sessions *sessions, const char *user);
bool ocs_dispatch_sessions_old(const struct dispatch_sessions *sessions,
                               const struct ocs_registry *registry);

/* dispatch_message.c. Store thread; 0, or -1 with resolve->error. */
struct dispatch_message {
	uint64_t mid, content;
	bool known, announced; /* recorded */
	uint64_t replaced;     /* MID of another mail that had the name; 0: none */
};
int ocs_dispatch_need_transaction(struct resolve *resolve);
/* A folder. Without create, one that is not there is OCS_STORE_MISSING. */
int ocs_dispatch_find_name(struct resolve *resolve, struct ocs_folder_name name, bool create,
                           struct ocs_index_folder *out);
/* Tells one mail from another that has its name later (a store that is restored from a snapshot
 * gives UIDs again): a part of its GUID's hash. 0: the sender did not say, or it does not matter.
 */
uint64_t ocs_dispatch_content(const struct ocs_notification *notification);
/* A message's identifier: the recorded one, the one assigned before a crash, or a new one, which
 * is written down as assigned before anything is sent. content 0: whichever mail has the name.
 * told: what another node calls it, which is the new one if it can be; 0: none. */
int ocs_dispatch_message_assign(struct resolve *resolve, const struct ocs_index_folder *folder,
                                const char *message_id, uint64_t content, uint64_t told,
                                struct dispatch_message *out);
/* The identifier of a message that goes: known if a client can have seen it. */
int ocs_dispatch_message_leaving(struct resolve *resolve, const struct ocs_index_folder *folder,
                                 const char *message_id, uint64_t told, uint64_t *mid_r,
                                 bool *known_r);
int ocs_dispatch_message_put(struct resolve *resolve, const struct ocs_index_folder *folder,
                             const char *message_id, const struct ocs_index_message *message);
int ocs_dispatch_message_delete(struct resolve *resolve, const struct ocs_index_folder *folder,
                                const char *message_id, uint64_t mid);

/* dispatch_agree.c: one identifier for one thing on every node, see mapistore/agree.h. Store thread
 * unless said. tell: from here on what is made for the target gets what the other node told. */
void ocs_dispatch_agree_tell(struct resolve *resolve, const struct job *job,
                             const struct target *target);
/* The told ones of a resolved target against those here. 0, or -1 with resolve->error. */
int ocs_dispatch_agree(struct resolve *resolve, const struct job *job, const struct target *target);
/* The same for a request that is only told; nothing is made. */
int ocs_dispatch_agree_only(struct resolve *resolve, const struct job *job,
                            const struct ocs_notification *notification);
/* What other nodes are to be told goes into the request. resolve NULL: from memory alone. -1: out
 * of memory. Any thread. */
int ocs_dispatch_agree_known(struct ocs_dispatch *dispatch, struct resolve *resolve,
                             const struct job *job, const struct item *item,
                             const struct target *target);
/* Whether the told ones are those of the target, so that there is nothing to settle. Any thread. */
bool ocs_dispatch_agree_same(const struct job *job, const struct target *target);
/* dispatch_later.c. take: whether a message that has no identifier here can take that one; it is
 * taken then. switch: where nobody is left who was told the other one, what all nodes settled on is
 * used. */
bool ocs_dispatch_agree_take(struct resolve *resolve, uint64_t told);
void ocs_dispatch_agree_switch(struct ocs_dispatch *dispatch);
void ocs_dispatch_agree_free(struct ocs_dispatch *dispatch);

/* dispatch_watch.c. Store thread, start and free apart. before: 0, or -1 with the reason that
 * nothing can be accepted that has to be written down. store_failed: a file could not be read or
 * written; it is tried again until it can. */
int ocs_dispatch_watch_start(struct ocs_dispatch *dispatch, struct ocs_error *error);
void ocs_dispatch_watch_free(struct ocs_dispatch *dispatch);
int ocs_dispatch_watch_before(struct ocs_dispatch *dispatch, struct ocs_error *error);
void ocs_dispatch_watch(struct ocs_dispatch *dispatch, uint64_t now);
void ocs_dispatch_store_failed(struct ocs_dispatch *dispatch, const struct ocs_error *why);

/* dispatch_files.c. look: what is gone is made again or told to health; all: else those only that
 * hold what is acknowledged; -1: that could not be kept. Store thread; start and free apart. */
int ocs_dispatch_files_start(struct ocs_dispatch *dispatch, struct ocs_error *error);
void ocs_dispatch_files_free(struct ocs_dispatch *dispatch);
int ocs_dispatch_files_look(struct ocs_dispatch *dispatch, bool all);

/* dispatch_anew.c. Store thread. begin: whoever lives and is not registered is waited for; -1: out
 * of memory. waits: still, and for a bounded time; it has told health. note: remembers who is
 * registered, while the registry is well. */
int ocs_dispatch_anew_begin(struct ocs_dispatch *dispatch);
bool ocs_dispatch_anew_waits(struct ocs_dispatch *dispatch);
void ocs_dispatch_anew_note(struct ocs_dispatch *dispatch);
void ocs_dispatch_anew_free(struct ocs_dispatch *dispatch);

/* dispatch_drops.c. dropped: an entry of the user was, any thread; tell: says so, as often as is
 * bearable, store thread. */
void ocs_dispatch_dropped(struct ocs_dispatch *dispatch, const char *user);
void ocs_dispatch_drops_tell(struct ocs_dispatch *dispatch,
                             const struct ocs_dispatch_settings *settings);
void ocs_dispatch_drops_free(struct ocs_dispatch *dispatch);

/* dispatch_index.c. may_grow: false with resolve->index_full and the error set. watch: tells health
 * how large the index is. Store thread; sizes: any. */
bool ocs_dispatch_index_may_grow(struct resolve *resolve);
void ocs_dispatch_index_watch(struct ocs_dispatch *dispatch);
void ocs_dispatch_index_build(struct ocs_dispatch *dispatch, uint64_t now);
void ocs_dispatch_index_sizes(const struct ocs_dispatch *dispatch,
                              struct ocs_dispatch_counters *out);

/* janitor.c. Store thread. */
void ocs_dispatch_janitor(struct ocs_dispatch *dispatch);

#endif
