/* Shared by index.c, index_folder.c and index_message.c only. */
#ifndef OCS_MAPISTORE_INDEX_INTERNAL_H
#define OCS_MAPISTORE_INDEX_INTERNAL_H

#include "mapistore/index.h"

struct ocs_index {
	struct ocs_store *store;
	uint16_t replica_id;
	bool salvaged;
	ocs_index_fixed_fn *fixed;
	void *fixed_arg;
};

/* Kinds of I<id>: what follows the first byte. */
#define OCS_KIND_ROOT 'R' /* user */
#define OCS_KIND_FOLDER                                                                            \
	'F' /* parent FID 64 (0: top level), then user NUL backend NUL b.user NUL name */
#define OCS_KIND_MESSAGE 'M' /* series 64, message id */

/* A record that does not verify reads as missing: identifiers are then given anew, never reused. */
int ocs_index_fetch(struct ocs_index *index, const void *mem_ctx, const void *key, size_t key_len,
                    uint8_t **data_r, size_t *len_r, struct ocs_error *error);

int ocs_index_name_put(struct ocs_index *index, uint64_t id, char kind, const void *data,
                       size_t len, struct ocs_error *error);
int ocs_index_name_delete(struct ocs_index *index, uint64_t id, struct ocs_error *error);
/* Which folder a series belongs to, as its FID. */
int ocs_index_series_put(struct ocs_index *index, uint64_t series, uint64_t fid,
                         struct ocs_error *error);
int ocs_index_series_get(struct ocs_index *index, uint64_t series, uint64_t *fid_r,
                         struct ocs_error *error);
bool ocs_index_name_known(struct ocs_index *index, uint64_t id);

#endif
