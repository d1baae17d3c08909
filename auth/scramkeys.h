/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What a server keeps of a password for SCRAM-SHA-256 (RFC 5802, 7677). Pure functions.
 */
#ifndef OCS_AUTH_SCRAMKEYS_H
#define OCS_AUTH_SCRAMKEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OCS_SCRAM_KEY            32
#define OCS_SCRAM_SALT_MAX       64
#define OCS_SCRAM_SALT           16 /* bytes in a salt we make */
#define OCS_SCRAM_ITERATIONS     4096
#define OCS_SCRAM_ITERATIONS_MIN 4096 /* RFC 7677, section 4 */
#define OCS_SCRAM_ITERATIONS_MAX 1000000

struct ocs_scram_keys {
	unsigned iterations;
	size_t salt_len;
	uint8_t salt[OCS_SCRAM_SALT_MAX];
	uint8_t stored_key[OCS_SCRAM_KEY];
	uint8_t server_key[OCS_SCRAM_KEY];
};

/* text is ITERATIONS,SALT,STOREDKEY,SERVERKEY as doveadm writes it. -1: it is not. */
int ocs_scram_keys_parse(const char *text, struct ocs_scram_keys *keys);
/* The text for an account file, without the scheme; size 256 is enough for any. */
void ocs_scram_keys_text(const struct ocs_scram_keys *keys, char *text, size_t size);
/* Fills the two keys from iterations and salt; costs the iterations. The password is taken as it
 * is: prepare it first (auth/prepare.h). -1: out of memory. */
int ocs_scram_keys_derive(struct ocs_scram_keys *keys, const char *password);
bool ocs_scram_keys_match(const struct ocs_scram_keys *keys, const char *password);

#endif
