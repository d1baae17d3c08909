/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The server secret: 32 random bytes that authenticate tokens, and from which the challenges for
 * unknown accounts are derived. Reads, makes and replaces its file (mode 0600). Loaded once; then
 * read from any thread, until it is rotated.
 */
#ifndef OCS_AUTH_SECRET_H
#define OCS_AUTH_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <nettle/hmac.h>

#include "base/error.h"

#define OCS_AUTH_SECRET_BYTES 32
#define OCS_AUTH_MAC_BYTES    32

struct ocs_auth_secret {
	struct hmac_sha256_ctx keyed;       /* copied for each use, which spares keying it again */
	uint8_t key[OCS_AUTH_SECRET_BYTES]; /* for when its file is removed */
};

/* What reading the file would say, as an enum ocs_privfile_result; makes nothing. */
int ocs_auth_secret_look(const char *path, struct ocs_error *error);
/* Reads the file (0600, of root or this user, exactly 32 bytes), or makes it: created_r. */
int ocs_auth_secret_load(const char *path, struct ocs_auth_secret *secret, bool *created_r,
                         struct ocs_error *error);
/* Replaces the file by new random bytes: every token ends. Keeps the file's owner. */
int ocs_auth_secret_rotate(const char *path, struct ocs_auth_secret *secret,
                           struct ocs_error *error);
/* Writes it again where the file is gone: 1 with the error saying so; 0: it is there; -1: it cannot
 * be written. */
int ocs_auth_secret_mend(const char *path, const struct ocs_auth_secret *secret,
                         struct ocs_error *error);
/* For tests and for checking a configuration without its secret. */
void ocs_auth_secret_set(struct ocs_auth_secret *secret, const uint8_t key[OCS_AUTH_SECRET_BYTES]);

/* HMAC-SHA256 of label, a NUL, and data. Labels keep the uses apart. */
void ocs_auth_secret_mac(const struct ocs_auth_secret *secret, const char *label, const void *data,
                         size_t len, uint8_t mac[OCS_AUTH_MAC_BYTES]);
/* len bytes (at most 255 * 32) that depend on label and name alone, and look random. */
void ocs_auth_secret_derive(const struct ocs_auth_secret *secret, const char *label,
                            const char *name, uint8_t *bytes, size_t len);

#endif
