/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * One identifier for one thing on every node. Each node has an index of its own and gives
 * identifiers of its own replica id; what it hears of those of other nodes it takes over:
 *
 *   - for what has no identifier here, the other node's is taken (told);
 *   - of two that were given to one thing the one that wins (ocs_index_wins) is the one that all
 *     nodes settle on. The other stays known as an alias of it, for ever;
 *   - a node goes on using what it has told until nobody is there who was told (switch): until
 *     then the winner is the alias. Who may be there is the caller's to know.
 *
 * An identifier that is known here as something else is never taken: it is refused, whatever the
 * other node says, and so is one of this node's own replica id that is not known here.
 *
 * Threads, transactions: as index.h.
 */
#ifndef OCS_MAPISTORE_AGREE_H
#define OCS_MAPISTORE_AGREE_H

#include <stdbool.h>
#include <stdint.h>

#include "mapistore/index.h"

/* Whether a wins over b: the lower counter does, which is the older one as a rule, and of two equal
 * ones the lower replica id. The same on every node. */
bool ocs_index_wins(uint64_t a, uint64_t b);

/* What another node calls a folder (or with the folder "" the user's root); 0: it does not say. */
typedef uint64_t ocs_index_told_fn(void *arg, const struct ocs_folder_name *name);
/* From here on folders that are made get the identifier that another node has told, where it is
 * free. NULL: none is told. */
void ocs_index_set_told(struct ocs_index *index, ocs_index_told_fn *told, void *arg);

/* Whether it is another node's, and nothing here has or had it. */
bool ocs_index_is_free(struct ocs_index *index, uint64_t id);

enum ocs_index_settled {
	OCS_SETTLED_SAME,    /* both have the same */
	OCS_SETTLED_OURS,    /* ours wins, and theirs leads to it here */
	OCS_SETTLED_THEIRS,  /* theirs wins and leads to ours here: switch when it may be */
	OCS_SETTLED_FREE,    /* not known here: ocs_index_alias(), then ask again */
	OCS_SETTLED_REFUSED, /* it names something else here */
};
/* Theirs is what another node calls what is ours here. Changes nothing. */
enum ocs_index_settled ocs_index_settle(struct ocs_index *index, uint64_t ours, uint64_t theirs);
/* (transaction) From here on alias leads to what id names. */
int ocs_index_alias(struct ocs_index *index, uint64_t alias, uint64_t id, struct ocs_error *error);

/* (transaction) What is ours here is theirs from here on, and ours an alias. An ocs_store_result;
 * OCS_STORE_MISSING: that name is not, or no longer, that of ours. */
int ocs_index_folder_switch(struct ocs_index *index, const struct ocs_folder_name *name,
                            uint64_t ours, uint64_t theirs, struct ocs_error *error);
int ocs_index_message_switch(struct ocs_index *index, uint64_t series, const char *message_id,
                             uint64_t ours, uint64_t theirs, struct ocs_error *error);

#endif
