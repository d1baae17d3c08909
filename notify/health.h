/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Why it cannot deliver now: the one place that knows. Each part of the daemon reports its own
 * trouble here, under its source, and takes it back when it is gone; /healthz, /status, /metrics,
 * `ocsctl status`, the service manager and the log all tell what stands here.
 *
 * The rule: whatever makes a notification be refused for a reason of ours (a 500 or a 503) is
 * reported as UNWELL, before the refusal is answered; whatever an admin should see to although
 * everything is delivered is a WARNING. Who reports also takes it back by itself, without waiting
 * for the next request:
 *
 *     ocs_health_set(health, OCS_HEALTH_DESCRIPTORS, OCS_HEALTH_UNWELL, "out of file descriptors "
 *                    "(RLIMIT_NOFILE %lu): raise LimitNOFILE=", limit);
 *     ...
 *     ocs_health_set(health, OCS_HEALTH_DESCRIPTORS, OCS_HEALTH_WELL, NULL);
 *
 * The daemon's is ocs_dispatch_health_of(). A part whose state is better asked than told registers
 * a check with ocs_health_watch(). A new source is one line in the list below.
 *
 * Log: a line when a source changes its state, not for each report, so that it may be set as often
 * as wanted. Threads: all functions are for any thread. They take a lock for a copy only, except
 * ocs_health_ask(), which runs the checks in the caller's thread.
 */
#ifndef OCS_NOTIFY_HEALTH_H
#define OCS_NOTIFY_HEALTH_H

#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "base/error.h"

struct ocs_health;

/* X(NAME, word): the word is in pages, metrics and log. In the order in which reasons are told. */
#define OCS_HEALTH_LIST(X)                                                                         \
	X(STORE, "store")             /* registry, index or journal cannot be read or written */   \
	X(REGISTRY, "registry")       /* the registry folder or a file in it is gone */            \
	X(PRIVATE, "private")         /* so is private/, or it cannot be used */                   \
	X(INDEX, "index")             /* index.tdb is gone or another one */                       \
	X(INDEX_SIZE, "index-size")   /* ... or as large as it may be */                           \
	X(REPLICA, "replica-id")      /* another node has ours */                                  \
	X(FILES, "files")             /* another file of ours is gone, and cannot be made again */ \
	X(DESCRIPTORS, "descriptors") /* out of file descriptors */                                \
	X(MEMORY, "memory")                                                                        \
	X(THREADS, "threads")                                                                      \
	X(STUCK, "stuck")             /* a commit takes too long: somebody holds a lock */         \
	X(USERS, "users")             /* those of a directory, which cannot be read or used */     \
	X(DIRECTORY, "directory")     /* where the accounts are */                                 \
	X(LINK, "link")               /* to other machines */                                      \
	X(CERTIFICATE, "certificate") /* one of a listener is about to end */                      \
	X(QUEUES, "queues") /* kernel queues that cannot be opened, or are somebody else's */      \
	X(DROPS, "drops")   /* entries were dropped past spill_max or spill_total */

enum ocs_health_source {
#define X(name, word) OCS_HEALTH_##name,
	OCS_HEALTH_LIST(X)
#undef X
	        OCS_HEALTH_SOURCES
};

enum ocs_health_state {
	OCS_HEALTH_WELL,
	OCS_HEALTH_WARNING, /* everything is delivered; an admin should know */
	OCS_HEALTH_UNWELL,  /* notifications are refused */
};

/* syslog priorities; any thread. As ocs_log_fn of dispatch.h. */

/* log may be NULL. NULL: out of memory. */
struct ocs_health *ocs_health_new(ocs_log_fn *log);
void ocs_health_free(struct ocs_health *health);

/* text: a sentence for an admin, without a full stop: what is wrong and what to do; NULL with WELL.
 */
void ocs_health_set(struct ocs_health *health, enum ocs_health_source source,
                    enum ocs_health_state state, const char *format, ...)
        __attribute__((format(printf, 4, 5)));
/* Something was refused, or a connection ended, for lack of memory: UNWELL until none was for two
 * seconds and memory is available, which is tried with each call. Any thread; health may be NULL.
 */
void ocs_health_no_memory(struct ocs_health *health);
enum ocs_health_state ocs_health_state(struct ocs_health *health, enum ocs_health_source source);

/* check is called whenever somebody asks, so several times a second: 0, or -1 with the reason it is
 * UNWELL for. It must not wait for anything. NULL ends it: when this returns it is not running and
 * will not be. The source is then the check's alone. */
typedef int ocs_health_check_fn(void *arg, struct ocs_error *reason);
void ocs_health_watch(struct ocs_health *health, enum ocs_health_source source,
                      ocs_health_check_fn *check, void *arg);

/* Runs the checks. 0 while it can deliver; -1 with the first reason that it cannot. */
int ocs_health_ask(struct ocs_health *health, struct ocs_error *reason);

struct ocs_health_report {
	enum ocs_health_state state;
	uint64_t since;           /* seconds since 1970, of the state; 0: always */
	char text[OCS_ERROR_MAX]; /* "" if WELL */
};
/* What was known at the last ask or set. */
void ocs_health_copy(struct ocs_health *health, enum ocs_health_source source,
                     struct ocs_health_report *out);
const char *ocs_health_word(enum ocs_health_source source);

#endif
