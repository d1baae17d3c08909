/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * From where each account has logged in lately: the sixteen latest addresses of an account, for
 * thirty days. Only a login that was right enters anything, and only under its own account, so who
 * has no password changes nothing here, and who has one changes what is kept of that account.
 * Fixed in size: of more than 4,096 accounts those that logged in last are kept.
 *
 * No lock of its own.
 */
#ifndef OCS_AUTH_KNOWN_H
#define OCS_AUTH_KNOWN_H

#include <stdbool.h>
#include <stdint.h>

#include "auth/origin.h"

#define OCS_KNOWN_ADDRESSES 16 /* of an account */
#define OCS_KNOWN_DAYS      30

struct ocs_known;

struct ocs_known *ocs_known_new(void); /* NULL: out of memory */
void ocs_known_free(struct ocs_known *known);
size_t ocs_known_size(const struct ocs_known *known); /* bytes, which never change */

/* now in milliseconds of one steady clock. */
bool ocs_known_has(const struct ocs_known *known, const struct ocs_origin *origin, int64_t now);
void ocs_known_add(struct ocs_known *known, const struct ocs_origin *origin, int64_t now);

#endif
