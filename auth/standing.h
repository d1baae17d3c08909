/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The accounts of a directory that have tokens, and whether they stood when the directory was last
 * asked: what a token is checked by, without asking. Which name is to be asked for again, and when,
 * is told here; who asks is directory.c. Under the lock of who owns it; memory only.
 */
#ifndef OCS_AUTH_STANDING_H
#define OCS_AUTH_STANDING_H

#include "auth/accounts.h"

/* Accounts. For one more another is asked for anew when it is used, one that is there before one
 * that is gone. */
#define OCS_STANDING_MAX 65536

struct ocs_standing_account;

struct ocs_standing {
	struct ocs_standing_account *table; /* by name */
	struct ocs_standing_account *queue; /* who is to be asked for first stands first */
	uint64_t told;                      /* how often the directory said something of a name */
};

void ocs_standing_clear(struct ocs_standing *standing);
size_t ocs_standing_count(const struct ocs_standing *standing);

/* Whether the token of an account with that MAC stands, as far as is known: one of whom nothing is
 * known stands until the directory was asked. *urgent_r: it is to be asked now. expires: of the
 * token, wall milliseconds; now: steady ones. */
bool ocs_standing_ask(struct ocs_standing *standing, const char *name,
                      const uint8_t mac[OCS_ACCOUNT_MAC], int64_t expires, int64_t now,
                      bool *urgent_r);
/* What the directory said of a name: its MAC, or NULL where it has none. expires: of the token that
 * the account was given, or 0. next: when to ask again, steady milliseconds. Returns whether that
 * is something else than was known. */
bool ocs_standing_set(struct ocs_standing *standing, const char *name,
                      const uint8_t mac[OCS_ACCOUNT_MAC], int64_t expires, int64_t next,
                      int64_t now);
/* What changes whenever the directory says something of the name: where it did while another
 * question was under way, the answer to that one may be older. 0: it said nothing. */
uint64_t ocs_standing_told(const struct ocs_standing *standing, const char *name);
/* Who is to be asked for, or NULL; *due_r: when the next one is (INT64_MAX: none). Forgets those
 * whose tokens have ended. */
const char *ocs_standing_due(struct ocs_standing *standing, int64_t wall, int64_t now,
                             int64_t *due_r);

#endif
