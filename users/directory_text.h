/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Entries of a directory as the text of a user map. Inside users/; memory only.
 */
#ifndef OCS_USERS_DIRECTORY_TEXT_H
#define OCS_USERS_DIRECTORY_TEXT_H

#include <stddef.h>

#include "base/error.h"

struct ocs_users_text_value {
	const char *bytes;
	size_t len;
};

struct ocs_users_text_values {
	const struct ocs_users_text_value *list;
	size_t count;
};

/* A talloc object. */
struct ocs_users_text_lines {
	char **lines;
	size_t count, room;
	unsigned users, left_out;
};

/* Adds what an entry says. One without exactly one usable user is left out and counted, and so is a
 * name that a map cannot hold. -1: out of memory, or too many. */
int ocs_users_text_add(struct ocs_users_text_lines *lines, const struct ocs_users_text_values *user,
                       const struct ocs_users_text_values *backend_users,
                       const struct ocs_users_text_values *aliases, struct ocs_error *error);
/* All of it, sorted, each line once; an alias that two users claim is left out and counted. A
 * talloc object on lines; NULL: out of memory. */
char *ocs_users_text_end(struct ocs_users_text_lines *lines);

#endif
