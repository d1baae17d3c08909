/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * {SSHA}, salted SHA-1, and the answer to a challenge that the legacy login computes from it.
 * SHA-1 and a password-equivalent hash are what those clients speak; `mechanisms` turns it off.
 */
#ifndef OCS_AUTH_SSHA_H
#define OCS_AUTH_SSHA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OCS_SSHA_DIGEST   20
#define OCS_SSHA_SALT_MAX 64
#define OCS_SSHA_TEXT     128 /* "{SSHA}" and the base64 of both, with NUL */

struct ocs_ssha {
	uint8_t digest[OCS_SSHA_DIGEST];
	uint8_t salt[OCS_SSHA_SALT_MAX];
	size_t salt_len; /* 1 to OCS_SSHA_SALT_MAX */
};

/* text begins behind "{SSHA}", either base64 alphabet. -1: not base64, or the salt has a wrong
 * size. */
int ocs_ssha_parse(const char *text, struct ocs_ssha *ssha);
/* As clients compute it: "{SSHA}" and URL-safe base64. */
void ocs_ssha_text(const struct ocs_ssha *ssha, char text[OCS_SSHA_TEXT]);
void ocs_ssha_make(const char *password, const uint8_t *salt, size_t salt_len,
                   struct ocs_ssha *ssha);
bool ocs_ssha_matches(const struct ocs_ssha *ssha, const char *password);

/* sha1(NAME ":" text ":" token_salt token_salt) */
void ocs_ssha_answer(const char *name, const struct ocs_ssha *ssha, const uint8_t *token_salt,
                     size_t token_salt_len, uint8_t answer[OCS_SSHA_DIGEST]);

#endif
