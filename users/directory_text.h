/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Entries of a directory as the text of a user map. Inside users/; memory only.
 */
#ifndef OCS_USERS_DIRECTORY_TEXT_H
#define OCS_USERS_DIRECTORY_TEXT_H

#include <stddef.h>

#include "base/error.h"
#include "mapistore/usermap.h"

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
	struct ocs_name_rule names;
	struct ocs_usermap *owners; /* whose a name is */
	char **lines;
	size_t count, room;
	unsigned users, left_out;
	struct ocs_error refused; /* the first alias that is left out and why, or "" */
};

/* NULL: out of memory. */
struct ocs_users_text_lines *ocs_users_text_new(const void *mem_ctx,
                                                const struct ocs_name_rule *names);
/* Adds what an entry says. One without exactly one usable user is left out and counted, and so is a
 * name that a map cannot hold. -1: out of memory, or too many. */
int ocs_users_text_add(struct ocs_users_text_lines *lines, const struct ocs_users_text_values *user,
                       const struct ocs_users_text_values *backend_users,
                       const struct ocs_users_text_values *aliases, struct ocs_error *error);
/* All of it, sorted, each line once. Left out and counted is each alias that is a name of another
 * entry, by the rule for names: of its user, of one of its backend users that is not the alias's
 * own alone, or an alias of it. To be called once. A talloc object on lines; NULL: out of memory.
 */
char *ocs_users_text_end(struct ocs_users_text_lines *lines);

#endif
