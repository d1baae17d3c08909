/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * One value: from the text of the ini into its member of struct ocs_config, by its row of the key
 * table. Pure but for talloc.
 */
#ifndef OCS_CONFIG_VALUE_H
#define OCS_CONFIG_VALUE_H

#include "config/keys.h"
#include "base/error.h"

/* base: the struct that key->offset counts from; folder: where relative paths start. Strings are
 * allocated on mem_ctx. -1 and what is wrong with the value (never a secret). */
int ocs_config_value_set(const struct ocs_key *key, void *base, const void *mem_ctx,
                         const char *folder, const char *text, struct ocs_error *error);

/* Something in a valid value that looks like a mistake, or NULL. */
const char *ocs_config_value_doubt(const struct ocs_key *key, const char *text);

bool ocs_config_value_equal(const struct ocs_key *key, const void *base_a, const void *base_b);

/* NAME of an account: [A-Za-z0-9_.@-]{1,128}. */
bool ocs_config_account_name_valid(const char *name);

#endif
