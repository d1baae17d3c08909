/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Dispatch: takes validated, authorised notifications, finds who subscribed, writes one entry to
 * each queue that matches. Knows nothing of HTTP or XML.
 *
 * Threads: submit may be called from any thread. What needs no change on disk is done at once in
 * the caller's thread; the rest goes to the one store thread, which commits for many requests
 * together and then calls done(). Nothing here waits on a full queue, a lock or the disk in the
 * caller's thread.
 */
#ifndef OCS_NOTIFY_DISPATCH_H
#define OCS_NOTIFY_DISPATCH_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "notify/health.h"
#include "notify/ids.h"
#include "notify/notification.h"
#include "registry/registry.h"
#include "base/log.h"
#include "base/error.h"

struct ocs_dispatch;
struct ocs_index;
struct ocs_usermap;

enum ocs_sync { OCS_SYNC_INTERVAL, OCS_SYNC_ALWAYS, OCS_SYNC_NEVER };

/* Settings that a reload may change; copied. */
struct ocs_dispatch_settings {
	enum ocs_sync sync;
	unsigned dedupe_window;    /* seconds */
	unsigned request_deadline; /* seconds; past it done() gets REGISTRY_UNAVAILABLE */
	unsigned spill_max;        /* entries a queue */
	unsigned spill_total;      /* entries over all queues */
	unsigned descriptors;      /* queue descriptors kept open */
	char *const *backends;     /* names, NULL-terminated */
	char *const *uris;         /* their URI templates, in the same order; NULL: none */
	bool refuse_unknown;       /* users without session and identifier, where no map decides */
	unsigned unknown_users;    /* so many of them at most are remembered */
	/* What the library reads of the ini: published in the registry at start and after a reload.
	 */
	struct ocs_registry_settings published;
};

/* How things went since start; read with relaxed atomics. Each notification is counted once, under
 * what its sender was told: see enum ocs_count. */
struct ocs_dispatch_counters {
	uint64_t received; /* notifications submitted */
	uint64_t queued, nosubscriber, duplicate,
	        refused; /* their ends; the sum reaches received */
	uint64_t entries_kernel, entries_spilled, entries_dropped, entries_collapsed;
	uint64_t commits, commit_failures, queue_open_failures, wakeups;
	uint64_t sessions_reaped, queues_reaped;
	uint64_t last_success_us; /* when a notification last ended well, microseconds since 1970 */
	uint64_t damaged_records;
	uint64_t index_bytes, index_limit, index_files; /* of the identifier index, now */
};

/* Who counts the notifications of a request as received, and their ends. */
enum ocs_count {
	OCS_COUNT_ALL,  /* dispatch does: what done() is told is what the sender is told */
	OCS_COUNT_DONE, /* ... but what is refused for a reason of ours (5xx, 429) is submitted
	                   again, and counts with its last try only */
	OCS_COUNT_NONE, /* whoever submits it, with ocs_dispatch_count_*() */
};

/* One request: 1 to n notifications of one account, in order. Allocated with talloc by the caller
 * together with all it points to; submit takes ownership of it. */
struct ocs_request {
	const char *account;
	size_t count;
	const struct ocs_notification *items;
	struct ocs_result
	        *results; /* count of them; an item already refused (status set) is left alone */
	/* Called exactly once, in the caller's thread inside submit or later in another one;
	 * results are valid during the call only. Must not block. */
	void (*done)(void *owner, const struct ocs_result *results, size_t count);
	void *owner;
	enum ocs_count count_by;
	uint64_t except_session; /* of the registry: hears nothing of it; 0: none */
	/* Of a request of one item, what another node calls what it is about; NULL: not told. What
	 * is told with ids_only is only taken notice of: nothing is delivered. */
	const struct ocs_ids_list *told;
	bool ids_only;
	/* count of them, or NULL: filled, on the request, with what is to be told other nodes of
	 * each item; valid in done() where that is given the request's own results. */
	struct ocs_ids_list *known;
};

/* folder: the registry folder; the private subfolder is made by the caller. map may be NULL;
 * it is taken over, also on failure. The registry and index handles are used by the store thread
 * alone from here on. */
int ocs_dispatch_start(const char *folder, struct ocs_registry *registry, struct ocs_index *index,
                       struct ocs_usermap *map, const struct ocs_dispatch_settings *settings,
                       ocs_log_fn *log, struct ocs_dispatch **out, struct ocs_error *error);
/* Finishes what was submitted, stops the threads, frees; takes a second at most. Nobody is in a
 * call of the others any more. -1: the store thread hangs on a lock that another process holds;
 * whoever waited got REGISTRY_UNAVAILABLE, nothing is freed, and registry and index must stay open
 * until the process ends. */
int ocs_dispatch_stop(struct ocs_dispatch *dispatch);

/* Takes over settings and a new user map (ownership of map passes; NULL for none). Any thread. */
void ocs_dispatch_reload(struct ocs_dispatch *dispatch,
                         const struct ocs_dispatch_settings *settings, struct ocs_usermap *map);

void ocs_dispatch_submit(struct ocs_dispatch *dispatch, struct ocs_request *request);

/* Who on other nodes may see what a notification is about: the groupware users by the map, and the
 * names of its stores (ocs_bind_store_name()). A talloc array on mem_ctx that holds the names; none
 * for a backend that is not configured. NULL: out of memory. Any thread. */
char **ocs_dispatch_recipients(struct ocs_dispatch *dispatch, const void *mem_ctx,
                               const struct ocs_notification *notification, size_t *n_r);

/* visit is called on the store thread between batches, about ten times a second, for who needs to
 * look at the registry: it must return within milliseconds. NULL ends it: when this returns, it is
 * not being called and will not be, unless it returns -1: a visit hangs on the registry's lock, and
 * arg must stay. Any thread but the store thread. */
typedef void ocs_dispatch_visit_fn(void *arg, struct ocs_registry *registry);
int ocs_dispatch_set_visit(struct ocs_dispatch *dispatch, ocs_dispatch_visit_fn *visit, void *arg);

/* A file of another part of the daemon, which the store thread looks at every second. */
enum ocs_file_state {
	OCS_FILE_GONE = -1, /* the error says which, and why it cannot be made again */
	OCS_FILE_PRESENT = 0,
	OCS_FILE_MENDED = 1, /* it was gone and is there again; the error says what was */
};
struct ocs_dispatch_file {
	int (*look)(void *arg, struct ocs_error *error); /* an ocs_file_state; must not wait */
	void *arg;
	enum ocs_health_state gone; /* what that is */
	const char *advice;         /* static: what it means, and what to do */
};
/* -1: there are too many. */
int ocs_dispatch_files_add(struct ocs_dispatch *dispatch, const struct ocs_dispatch_file *file);
/* Takes all out that were added. -1: a look hangs, and every arg must stay. */
int ocs_dispatch_files_end(struct ocs_dispatch *dispatch);

/* For a request whose answer is not dispatch's alone: when it comes in, and when its sender is
 * told. results NULL: all are refused. Any thread. */
void ocs_dispatch_count_received(struct ocs_dispatch *dispatch, const struct ocs_request *request);
void ocs_dispatch_count_results(struct ocs_dispatch *dispatch, const struct ocs_request *request,
                                const struct ocs_result *results);
void ocs_dispatch_counters(struct ocs_dispatch *dispatch, struct ocs_dispatch_counters *out);
/* Where everything of the daemon that keeps it from delivering is reported, by dispatch and by its
 * users; it lives as long as dispatch. */
struct ocs_health *ocs_dispatch_health_of(struct ocs_dispatch *dispatch);
/* ocs_health_ask() of it: 0 while it can deliver; -1 with the reason. */
int ocs_dispatch_health(struct ocs_dispatch *dispatch, struct ocs_error *reason);

#endif
