/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * For the tests of libocsnotify: a registry in a temporary folder, and the daemon's side of a
 * delivery, done with the same calls as the daemon. A file may be open once in a process, so the
 * side in this process borrows the library's handle, and a daemon of its own is a forked child.
 */
#ifndef OCS_UNIT_HOST_RIG_H
#define OCS_UNIT_HOST_RIG_H

#include <poll.h>
#include <sys/socket.h>

#include "libocsnotify/internal.h"
#include "mqueue/queue.h"
#include "tests/unit/spill_rig.h"

#define HOST_WAIT_MS 10000 /* what should happen has happened long before */

extern char host_user[32]; /* of this test alone: tests may run side by side */
extern char host_warnings[4096];
extern struct ocs_registry_settings daemon_settings;

/* What the daemon does when it starts, in a process that ends again. */
void daemon_make_registry(void);
/* The same for the index, and the URI templates sogo and dovecot. */
void daemon_make_index(void);

/* A folder with such a registry; rig_remove_folder() ends it. */
void host_setup(void);
struct ocsnotify *host_open(void);
struct ocsnotify_session *host_session(struct ocsnotify *context, const char *user);

/* How many files of queues of this test's user there are. */
int host_count_queues(const char *user);
int host_count_wake_files(void);

/* ---- the daemon's side ---- */

/* Writes the entry to each queue of the user that wants it: their number, or -1. */
int daemon_deliver(struct ocs_registry *registry, const char *user, enum ocs_table table,
                   const struct ocs_entry *entry);

/* Wakes those whom no datagram reached, as the daemon does. */
void daemon_wake_owed(struct ocsnotify *context);
/* Tells of the session's first queue once more, as the daemon may. */
int daemon_wake_again(const struct ocsnotify_session *session);

/* The same with the library's own handle. */
int daemon_send(struct ocsnotify *context, const char *user, enum ocs_table table,
                const struct ocs_entry *entry);

/* ---- entries ---- */

struct ocs_entry entry_newmail(uint64_t fid, uint64_t mid);
struct ocs_entry entry_object(uint16_t type, uint64_t fid, uint64_t mid);
struct ocs_entry entry_row(uint16_t table_event, uint64_t fid, uint64_t mid);

/* Waits until the descriptor is readable; whether it is. */
bool host_readable(struct ocsnotify *context, int ms);

#endif
