/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What an admin does to the index while the daemon is stopped: puts a backup in place, and takes
 * over a registry that another machine or folder used. Identifiers go on above all that were given.
 *
 * The caller has the folder locked, so that no daemon starts meanwhile; as root, or as the user
 * whose folder it is. Threads: no state.
 */
#ifndef OCS_MAPISTORE_INDEX_RESTORE_H
#define OCS_MAPISTORE_INDEX_RESTORE_H

#include <limits.h>
#include <stdint.h>

#include "base/error.h"

struct ocs_index_restored {
	unsigned files;      /* put in place */
	char kept[PATH_MAX]; /* the index.tdb that was there; "": there was none */
	uint64_t counter;    /* where identifiers go on */
};

/* from: an index.tdb, or a folder with index.tdb and those that follow it; NULL: an empty index.
 * They are copied and checked before anything is changed; what was there is kept as
 * NAME.before-<time>. 0, or -1; what is in the text if something had been changed by then. */
int ocs_index_restore(const char *folder, uint16_t replica_id, const char *from,
                      struct ocs_index_restored *out, struct ocs_error *error);

struct ocs_index_user {
	char machine[65]; /* its machine-id; "": not known */
	char place[PATH_MAX];
	uint64_t counter; /* where identifiers go on */
};

/* Who used the registry with that replica id by its mark: 1 if it is somebody else, who would keep
 * the daemon from starting, with the text; 0: this machine and folder; -1. Changes nothing. */
int ocs_index_user_look(const char *folder, uint16_t replica_id, struct ocs_index_user *out,
                        struct ocs_error *error);
/* From now on this machine and folder do, and leave out a block of identifiers. 0 or -1. */
int ocs_index_adopt(const char *folder, uint16_t replica_id, struct ocs_index_user *out,
                    struct ocs_error *error);

#endif
