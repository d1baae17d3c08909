/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* What the files of the user map share: usermap.c makes it, usermap_merge.c adds another one,
 * usermap_look.c looks into it. Nobody else may use it. */
#ifndef OCS_MAPISTORE_USERMAP_INTERNAL_H
#define OCS_MAPISTORE_USERMAP_INTERNAL_H

#include <uthash.h>

#include "mapistore/usermap.h"

#define SHAPES 8          /* which of backend, backend user and folder are named */
#define NOBODY UINT32_MAX /* no such name, group, viewer */

struct ocs_usermap_name {
	UT_hash_handle hh;
	uint32_t number;
	uint32_t means;           /* the number of the user of whom it is an alias, or its own */
	uint32_t owner, claimant; /* usermap_merge.c's */
	char text[];
};

/* As it was read: for messages, and to be grouped at the end. */
struct map_line {
	const struct ocs_usermap_name *names[4]; /* NULL: any; of the user: the backend user */
	uint64_t fid;
	const char *file;
	unsigned number;
};

struct map_alias {
	const struct ocs_usermap_name *alias, *user; /* as they were read */
	const char *file;
	unsigned number;
};

/* Lines with the same first three names. */
struct group {
	uint32_t names[3]; /* NOBODY: any */
	uint32_t first, last;
};

/* A user in a group. */
struct viewer {
	uint32_t group, user; /* user NOBODY: the backend user */
	uint32_t next;        /* in the group, by lines */
	uint32_t line;        /* where they come first */
	uint32_t fid_line;    /* where the FID comes from */
	uint64_t fid;
};

/* Numbers by hash, open addressing; NOBODY: free. */
struct slots {
	uint32_t *at, mask;
};

struct ocs_usermap {
	struct ocs_name_rule rule;
	struct ocs_usermap_name *table, **names;
	size_t n_names;
	char *block; /* what is left of it */
	size_t block_left;
	struct map_line *lines;
	struct map_alias *aliases;
	size_t n, n_aliases;
	struct group *groups;
	struct viewer *viewers;
	uint32_t n_groups, n_viewers;
	struct slots group_slots, viewer_slots;
	bool shapes[SHAPES];
	bool decides; /* also without a line */
};

/* NULL: no line has it. */
struct ocs_usermap_name *ocs_usermap_name_find(const struct ocs_usermap *map, const char *text);
/* The name by the rule, not by aliases, which this is also for; NULL: out of memory. */
struct ocs_usermap_name *ocs_usermap_name_key(struct ocs_usermap *map,
                                              const struct ocs_usermap_name *name, bool folder);
/* Where the number of a group or viewer stands, or would. */
uint32_t *ocs_usermap_group_slot(const struct ocs_usermap *map, const uint32_t names[3]);
uint32_t *ocs_usermap_viewer_slot(const struct ocs_usermap *map, uint32_t group, uint32_t user);

#endif
