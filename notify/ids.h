/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What one node calls the things that a notification is about, for each user who sees them: what
 * goes along with it to other nodes, so that one thing has one identifier on all of them. Plain
 * data and its encoding; pure functions.
 *
 *   version 8 (1), replica id 16, number of users 16; of each
 *     length of the name 16, the name
 *     category 8, number of FIDs of the folder 8, of the old folder 8
 *     MID 64, old MID 64, the FIDs 64 each: of the user's root, then of each level down
 *
 * Integers are little-endian; an identifier of 0 is not told.
 */
#ifndef OCS_NOTIFY_IDS_H
#define OCS_NOTIFY_IDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mapistore/names.h"

/* With the CC keys of as many users as a message may have they fit into one frame. */
#define OCS_IDS_ENCODED_MAX 32768

struct ocs_ids {
	const char *user;
	uint8_t category; /* ocs_category: what it is to this user, to whom a move may be a deletion
	                   */
	size_t n_folder, n_old; /* levels that are told: none, or the root and those below */
	const uint64_t *folder, *old_folder;
	uint64_t mid, old_mid;
};

struct ocs_ids_list {
	const char *origin; /* the node; NULL: this one. Travels apart */
	uint16_t replica_id;
	size_t n;
	struct ocs_ids *ids;
};

/* What is told of a user; NULL: nothing. */
const struct ocs_ids *ocs_ids_of(const struct ocs_ids_list *list, const char *user);
/* Those of one more user, a copy on mem_ctx. -1: out of memory. */
int ocs_ids_add(const void *mem_ctx, struct ocs_ids_list *list, const struct ocs_ids *ids);

/* A talloc array on mem_ctx; users who do not fit are left out. NULL: none, or out of memory. */
uint8_t *ocs_ids_encode(const void *mem_ctx, const struct ocs_ids_list *list, size_t *len_r);
/* NULL: it is none (every length is checked), or out of memory. All of it is on mem_ctx. */
struct ocs_ids_list *ocs_ids_decode(const void *mem_ctx, const uint8_t *data, size_t len);

#endif
