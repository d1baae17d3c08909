/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * {SSHA} hashes and challenge answers. Pure functions.
 */
#include "auth/ssha.h"

#include <stdio.h>
#include <string.h>

#include <nettle/memops.h>
#include <nettle/sha1.h>

#include "auth/codec.h"

int ocs_ssha_parse(const char *text, struct ocs_ssha *ssha)
{
	uint8_t bytes[OCS_SSHA_DIGEST + OCS_SSHA_SALT_MAX];
	size_t len;

	if (ocs_auth_b64_decode(text, strlen(text), bytes, sizeof(bytes), &len) < 0)
		return -1;
	if (len <= OCS_SSHA_DIGEST)
		return -1;
	memcpy(ssha->digest, bytes, OCS_SSHA_DIGEST);
	ssha->salt_len = len - OCS_SSHA_DIGEST;
	memcpy(ssha->salt, bytes + OCS_SSHA_DIGEST, ssha->salt_len);
	return 0;
}

void ocs_ssha_text(const struct ocs_ssha *ssha, char text[OCS_SSHA_TEXT])
{
	uint8_t bytes[OCS_SSHA_DIGEST + OCS_SSHA_SALT_MAX];

	memcpy(bytes, ssha->digest, OCS_SSHA_DIGEST);
	memcpy(bytes + OCS_SSHA_DIGEST, ssha->salt, ssha->salt_len);
	memcpy(text, "{SSHA}", 6);
	ocs_auth_b64_encode(text + 6, bytes, OCS_SSHA_DIGEST + ssha->salt_len);
}

static void digest_password(const char *password, const uint8_t *salt, size_t salt_len,
                            uint8_t digest[OCS_SSHA_DIGEST])
{
	struct sha1_ctx ctx;

	sha1_init(&ctx);
	sha1_update(&ctx, strlen(password), (const uint8_t *)password);
	sha1_update(&ctx, salt_len, salt);
	sha1_digest(&ctx, OCS_SSHA_DIGEST, digest);
}

void ocs_ssha_make(const char *password, const uint8_t *salt, size_t salt_len,
                   struct ocs_ssha *ssha)
{
	digest_password(password, salt, salt_len, ssha->digest);
	memcpy(ssha->salt, salt, salt_len);
	ssha->salt_len = salt_len;
}

bool ocs_ssha_matches(const struct ocs_ssha *ssha, const char *password)
{
	uint8_t digest[OCS_SSHA_DIGEST];

	digest_password(password, ssha->salt, ssha->salt_len, digest);
	return memeql_sec(digest, ssha->digest, sizeof(digest));
}

void ocs_ssha_answer(const char *name, const struct ocs_ssha *ssha, const uint8_t *token_salt,
                     size_t token_salt_len, uint8_t answer[OCS_SSHA_DIGEST])
{
	char text[OCS_SSHA_TEXT];
	struct sha1_ctx ctx;

	ocs_ssha_text(ssha, text);
	sha1_init(&ctx);
	sha1_update(&ctx, strlen(name), (const uint8_t *)name);
	sha1_update(&ctx, 1, (const uint8_t *)":");
	sha1_update(&ctx, strlen(text), (const uint8_t *)text);
	sha1_update(&ctx, 1, (const uint8_t *)":");
	sha1_update(&ctx, token_salt_len, token_salt);
	sha1_update(&ctx, token_salt_len, token_salt);
	sha1_digest(&ctx, OCS_SSHA_DIGEST, answer);
	explicit_bzero(text, sizeof(text));
}
