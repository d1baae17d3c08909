/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Declarations shared by the files of registry/ only. They read and change registry.tdb and wake/
 * in the registry folder; a handle belongs to one thread at a time. From top to bottom, a file
 * calls only those below it:
 *
 *   reap.c         removes what dead processes left
 *   registry.c     open, close
 *   remake.c       the file replaced under a running daemon
 *   boot_id.c      the record that each registry has
 *   contexts.c     the processes that have the library open
 *   sessions.c     their sessions
 *   stores.c       the mail stores that a session sees
 *   users.c        the queues of a user
 *   spill.c        the spill lists
 *   settings.c     settings of the ini, for the libraries
 *   wake_folder.c  sockets and queue lists of the libraries: where they are
 *   record.c       records, transactions, lists of ids
 *
 * Besides, without a handle: match.c, push.c, bind_request.c.
 */
#ifndef OCS_REGISTRY_INTERNAL_H
#define OCS_REGISTRY_INTERNAL_H

#include "registry/registry.h"

#define OCS_BOOT_ID_SIZE 36
/* The default of 131 makes a fetch 23 times slower at 100,000 records. */
#define OCS_REGISTRY_HASH_SIZE 131071

struct ocs_registry {
	struct ocs_store *store;
	char *folder;
	gid_t gid;   /* of the folder */
	bool daemon; /* opened by it */
	int wake_fd; /* O_PATH descriptor of the wake folder, for socket paths that are too long */
	uint64_t damaged;
	char boot_id[OCS_BOOT_ID_SIZE]; /* of the machine, as long as it runs */
};

/* ---- record.c ---- */

/* As ocs_store_fetch(), but a damaged record is counted, set aside if a transaction is open, and
 * reads as missing. */
int ocs_registry_fetch(struct ocs_registry *registry, const void *mem_ctx, const void *key,
                       size_t key_len, uint8_t **data_r, size_t *len_r, struct ocs_error *error);
/* A record that verifies but does not decode is treated the same way. Returns OCS_STORE_MISSING. */
int ocs_registry_reject(struct ocs_registry *registry, const void *key, size_t key_len,
                        struct ocs_error *error);

/* One prefix byte and a 64-bit id. */
#define OCS_ID_KEY_SIZE 9
void ocs_registry_id_key(uint8_t key[OCS_ID_KEY_SIZE], char prefix, uint64_t id);

/* C<id>: pid 32, uid 32, started 64, then the ids of its sessions. */
#define OCS_CONTEXT_HEADER 16
/* A record of `skip` bytes and then ids, else it is rejected. */
int ocs_registry_ids_fetch(struct ocs_registry *registry, const void *mem_ctx, const void *key,
                           size_t key_len, size_t skip, uint8_t **data_r, size_t *len_r,
                           struct ocs_error *error);
/* Adds or removes an id after the first `skip` bytes of a record that may be missing if skip is 0.
 */
int ocs_registry_ids_change(struct ocs_registry *registry, const void *key, size_t key_len,
                            size_t skip, uint64_t id, bool add, struct ocs_error *error);

/* ---- boot_id.c ---- */

int ocs_registry_boot_put(struct ocs_store *store, struct ocs_error *error);
/* The record that each registry has is what tells a file that was cut from one that is whole. */
void ocs_registry_boot_anchor(struct ocs_store *store);
/* Empties what is of another boot. create: a file without a boot id is a fresh one; else it is
 * damaged, and the daemon's to mend. */
int ocs_registry_boot_check(struct ocs_registry *registry, bool create, struct ocs_error *error);

/* ---- wake_folder.c ---- */

/* Where the library's wake-up sockets are: opened; by the daemon made, as open as the registry
 * folder. */
struct stat;
int ocs_registry_wake_make(struct ocs_registry *registry, const struct stat *folder,
                           struct ocs_error *error);

/* ---- sessions.c, users.c ---- */

int ocs_registry_session_get(struct ocs_registry *registry, uint64_t id,
                             struct ocs_registry_session *out, struct ocs_error *error);
/* Removes what belongs to a context, for when the records that lead there are damaged or gone:
 * looks at every session and every user. */
int ocs_registry_sweep_context(struct ocs_registry *registry, uint64_t id, const void *mem_ctx,
                               char ***queues_r, size_t *n_queues_r, struct ocs_error *error);

/* stores.c: the session ends. */
int ocs_registry_stores_remove(struct ocs_registry *registry, uint64_t session,
                               struct ocs_error *error);

/* A record's payload, -1 if it is not exact. */
int ocs_registry_user_decode(const uint8_t *data, size_t len, struct ocs_registry_user *user);

#endif
