/* Shared by registry.c, registry_user.c and spill.c only. */
#ifndef OCS_NOTIFY_REGISTRY_INTERNAL_H
#define OCS_NOTIFY_REGISTRY_INTERNAL_H

#include "notify/registry.h"

struct ocs_registry {
	struct ocs_store *store;
	char *folder;
	int wake_fd; /* O_PATH descriptor of the wake folder, for socket paths that are too long */
	uint64_t damaged;
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

/* A record's payload, -1 if it is not exact. */
int ocs_registry_user_decode(const uint8_t *data, size_t len, struct ocs_registry_user *user);

#endif
