/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Hashes of passwords: {SSHA}, {SCRAM-SHA-256}, crypt(3), and (auth = single
 * only) plain text. Parsing, checking a password against it, making new ones.
 */
#ifndef OCS_AUTH_HASH_H
#define OCS_AUTH_HASH_H

#include <stdbool.h>

#include "auth/auth.h"
#include "auth/scramkeys.h"
#include "auth/ssha.h"
#include "base/error.h"

enum ocs_hash_kind {
	OCS_HASH_SSHA,
	OCS_HASH_SCRAM,
	OCS_HASH_CRYPT,
	OCS_HASH_PLAIN,
};

#define OCS_HASH_PASSWORD_MAX 512 /* what crypt(3) takes */

struct ocs_hash {
	enum ocs_hash_kind kind;
	struct ocs_ssha ssha;                 /* OCS_HASH_SSHA */
	struct ocs_scram_keys scram;          /* OCS_HASH_SCRAM */
	char text[OCS_HASH_PASSWORD_MAX + 1]; /* as given: the crypt(3) hash, the plain password */
};

/* Plain text is anything that neither starts with {SCHEME} nor is a crypt(3) hash. The error text
 * never holds the secret. */
int ocs_hash_parse(const char *text, bool plain_allowed, struct ocs_hash *hash,
                   struct ocs_error *error);
/* Constant time within one kind. SLOW: crypt(3) and SCRAM cost what the hash says. password is
 * taken as it is (see auth/prepare.h) and has at most OCS_HASH_PASSWORD_MAX bytes. */
bool ocs_hash_matches(const struct ocs_hash *hash, const char *password);
/* Whether both cost the same to check: same crypt(3) method and cost, same SCRAM iterations. */
bool ocs_hash_same_cost(const struct ocs_hash *a, const struct ocs_hash *b);

#endif
