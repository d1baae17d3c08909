/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Where an attempt to log in comes from and whom it is about, as the keys under which limits count
 * it. The keys are hashes under a secret of this process: a stranger who chooses names and
 * addresses cannot choose which place of a table, or whose, they fall on. Pure functions.
 */
#ifndef OCS_AUTH_ORIGIN_H
#define OCS_AUTH_ORIGIN_H

#include <stdbool.h>
#include <stdint.h>

#include "auth/auth.h"
#include "auth/secret.h"
#include "base/peer.h"

struct ocs_origin {
	struct ocs_peer peer;
	char account[OCS_AUTH_NAME_SIZE]; /* in lower case: who writes a name in another way is not
	                                     counted anew */
	uint64_t key[OCS_ORIGIN_KINDS];   /* never 0 */
};

/* account is at most OCS_AUTH_NAME_MAX bytes. */
void ocs_origin_make(const struct ocs_auth_secret *secret, const struct ocs_peer *peer,
                     const char *account, struct ocs_origin *origin);

/* Bits of an address that the kind counts by; 0: it does not. */
unsigned ocs_origin_bits(const struct ocs_peer *peer, enum ocs_origin_kind kind);

#endif
