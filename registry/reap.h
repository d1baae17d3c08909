/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Removing what dead contexts left: sessions, queues, spill lists, sockets, queue lists. Used by
 * the daemon for all and by the library for its own user id.
 *
 * Threads: uses the registry, so whoever serialises that calls it. The report is called inside.
 */
#ifndef OCS_REGISTRY_REAP_H
#define OCS_REGISTRY_REAP_H

#include <stdbool.h>
#include <sys/types.h>

#include "registry/registry.h"

struct ocs_reap_report {
	pid_t pid;
	unsigned sessions, queues;
	unsigned left; /* queues that this user may not unlink: they were emptied */
};
typedef void ocs_reap_report_fn(void *arg, const struct ocs_reap_report *report);

#define OCS_REAP_ALL ((uid_t)-1)

/* A context whose socket refuses is dead. One whose socket is missing may only have lost it: the
 * library binds it again within some seconds (cleaners of temporary folders remove sockets). The
 * lock on its queue list tells whether it lives; where that is gone too, it is dead when it has
 * been missing for so long in calls with the same table. */
#define OCS_REAP_GRACE_MS 15000
extern uint64_t ocs_reap_grace_ms; /* for tests */
struct ocs_reap_missing;
struct ocs_reap_missing *ocs_reap_missing_new(void); /* NULL: out of memory */
void ocs_reap_missing_free(struct ocs_reap_missing *missing);

/* owner: only what belongs to that user id; OCS_REAP_ALL: everything. missing NULL: who has no
 * socket is left alone. 0 or a negative ocs_store_result; what is left is found the next time. */
int ocs_reap(struct ocs_registry *registry, uid_t owner, struct ocs_reap_missing *missing,
             ocs_reap_report_fn *report, void *arg, struct ocs_error *error);

/* Whether nobody answers at its socket, and nobody holds its queue list. What cannot be told counts
 * as alive. */
bool ocs_reap_is_dead(const struct ocs_registry *registry, uint64_t context);

/* Removes a context's socket and queue list, and the queues that the list names. Returns how many
 * queues there were; *left_r (may be NULL): those that could only be emptied. */
unsigned ocs_reap_files(const struct ocs_registry *registry, uint64_t context, unsigned *left_r);

#endif
