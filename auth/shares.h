/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Who has how many of the pending challenges, and which of them goes when there are too many.
 *
 * An address may have an eighth of the table, a prefix (/24; IPv6: /48) a quarter, an account a
 * quarter; loopback only the last, unless it is counted. Nobody is refused: past a share the oldest
 * of that address or prefix makes room, of an account the oldest from its heaviest prefix, and in a
 * full table the oldest of the heaviest prefix of all. So a stranger who begins logins and ends
 * none displaces their own; with thousands of addresses they displace others only by beginning more
 * logins than the table holds, in the time that an honest client takes between its two steps.
 *
 * No lock of its own.
 */
#ifndef OCS_AUTH_SHARES_H
#define OCS_AUTH_SHARES_H

#include <stdbool.h>
#include <stddef.h>

#include "auth/challenge.h"

#define OCS_SHARE_ADDRESS 8 /* an address may have 1/8 of the table */
#define OCS_SHARE_PREFIX  4
#define OCS_SHARE_ACCOUNT 4

struct ocs_shares;

struct ocs_shares *ocs_shares_new(void); /* NULL: out of memory */
/* When nothing is in it. NULL is allowed. */
void ocs_shares_free(struct ocs_shares *shares);

/* Counts the challenge for what its origin belongs to. -1: out of memory, nothing is counted. */
int ocs_shares_join(struct ocs_shares *shares, struct ocs_challenge *challenge);
void ocs_shares_leave(struct ocs_shares *shares, struct ocs_challenge *challenge);

/* The one that must go before one of this origin can join a table of that limit; NULL: there is
 * room. spared: the shares of its address and prefix do not count. */
struct ocs_challenge *ocs_shares_victim(const struct ocs_shares *shares,
                                        const struct ocs_origin *origin, unsigned limit,
                                        bool spared);

#endif
