/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Queue names: /ocs.<user>.<folder>.<table>.<pipe>
 *
 * user is percent-encoded outside [A-Za-z0-9_-]; folder is 16 lower-case hex digits or `store`;
 * table is one of the five words; pipe is 8 lower-case hex digits. A name over NAME_MAX (255 bytes
 * without the slash) replaces the user by `~` and the first 40 hex digits of its SHA-256.
 */
#ifndef OCS_MQUEUE_NAME_H
#define OCS_MQUEUE_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OCS_QUEUE_NAME_MAX 257  /* slash, 255 bytes, NUL */
#define OCS_USER_MAX       1024 /* longest user name the protocol accepts, in bytes */

enum ocs_table {
	OCS_TABLE_NEWMAIL,
	OCS_TABLE_OBJECT,
	OCS_TABLE_CONTENTS,
	OCS_TABLE_HIERARCHY,
	OCS_TABLE_SEARCH,
};
#define OCS_TABLE_COUNT 5

#define OCS_FOLDER_STORE 0 /* folder of a whole-store queue; 0 is never a FID */

struct ocs_queue_name {
	char user[OCS_USER_MAX + 1]; /* decoded; "~<hex>" when hashed */
	bool user_hashed;
	uint64_t folder;
	enum ocs_table table;
	uint32_t pipe;
};

const char *ocs_table_word(enum ocs_table table);
int ocs_table_from_word(const char *word, enum ocs_table *table_r);

/* 16 lower-case hex digits of a FID (also 0x-prefixed, any case), or `store`. -1 if it is neither.
 */
int ocs_folder_from_word(const char *word, uint64_t *folder_r);

/* Returns -1 if user is empty or too long. */
int ocs_queue_name_format(char out[OCS_QUEUE_NAME_MAX], const char *user, uint64_t folder,
                          enum ocs_table table, uint32_t pipe);
/* Strict: accepts exactly what format produces. */
int ocs_queue_name_parse(const char *name, struct ocs_queue_name *out);

#endif
