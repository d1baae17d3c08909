/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Shared by registry.c, sessions.c, users.c and spill.c only. */
#ifndef OCS_REGISTRY_INTERNAL_H
#define OCS_REGISTRY_INTERNAL_H

#include "registry/registry.h"

#define OCS_BOOT_ID_SIZE 36

struct ocs_registry {
	struct ocs_store *store;
	char *folder;
	int wake_fd; /* O_PATH descriptor of the wake folder, for socket paths that are too long */
	uint64_t damaged;
	char boot_id[OCS_BOOT_ID_SIZE]; /* of the machine, as long as it runs */
};

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
/* Adds or removes an id after the first `skip` bytes of a record that may be missing if skip is 0.
 */
int ocs_registry_ids_change(struct ocs_registry *registry, const void *key, size_t key_len,
                            size_t skip, uint64_t id, bool add, struct ocs_error *error);

int ocs_registry_session_get(struct ocs_registry *registry, uint64_t id,
                             struct ocs_registry_session *out, struct ocs_error *error);
/* Removes what belongs to a context, for when the records that lead there are damaged or gone:
 * looks at every session and every user. */
int ocs_registry_sweep_context(struct ocs_registry *registry, uint64_t id, const void *mem_ctx,
                               char ***queues_r, size_t *n_queues_r, struct ocs_error *error);

/* A record's payload, -1 if it is not exact. */
int ocs_registry_user_decode(const uint8_t *data, size_t len, struct ocs_registry_user *user);

#endif
