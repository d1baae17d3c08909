/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * SCRAM-SHA-256 keys: text form, derivation by libgsasl. Pure functions.
 */
#include "auth/scramkeys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gsasl.h>
#include <nettle/memops.h>

#include "auth/codec.h"

/* Decodes up to `end` (a comma or NUL), which must be there; returns what follows it. */
static const char *take_base64(const char *text, char end, uint8_t *bytes, size_t max,
                               size_t *len_r)
{
	size_t len = strcspn(text, ",");

	if (text[len] != end || ocs_auth_b64_decode(text, len, bytes, max, len_r) < 0)
		return NULL;
	return text + len + (end ? 1 : 0);
}

int ocs_scram_keys_parse(const char *text, struct ocs_scram_keys *keys)
{
	size_t stored_len = 0, server_len = 0;
	char *end;

	memset(keys, 0, sizeof(*keys));
	if (*text < '1' || *text > '9')
		return -1;
	unsigned long iterations = strtoul(text, &end, 10);
	if (*end != ',' || iterations < OCS_SCRAM_ITERATIONS_MIN ||
	    iterations > OCS_SCRAM_ITERATIONS_MAX)
		return -1;
	keys->iterations = (unsigned)iterations;

	text = take_base64(end + 1, ',', keys->salt, sizeof(keys->salt), &keys->salt_len);
	if (!text || keys->salt_len == 0)
		return -1;
	text = take_base64(text, ',', keys->stored_key, OCS_SCRAM_KEY, &stored_len);
	if (!text || stored_len != OCS_SCRAM_KEY)
		return -1;
	text = take_base64(text, '\0', keys->server_key, OCS_SCRAM_KEY, &server_len);
	if (!text || server_len != OCS_SCRAM_KEY)
		return -1;
	return 0;
}

void ocs_scram_keys_text(const struct ocs_scram_keys *keys, char *text, size_t size)
{
	char salt[OCS_AUTH_B64_SIZE(OCS_SCRAM_SALT_MAX)];
	char stored[OCS_AUTH_B64_SIZE(OCS_SCRAM_KEY)], server[OCS_AUTH_B64_SIZE(OCS_SCRAM_KEY)];

	ocs_auth_b64_encode_standard(salt, keys->salt, keys->salt_len);
	ocs_auth_b64_encode_standard(stored, keys->stored_key, OCS_SCRAM_KEY);
	ocs_auth_b64_encode_standard(server, keys->server_key, OCS_SCRAM_KEY);
	snprintf(text, size, "%u,%s,%s,%s", keys->iterations, salt, stored, server);
}

int ocs_scram_keys_derive(struct ocs_scram_keys *keys, const char *password)
{
	char salted[OCS_SCRAM_KEY], client[OCS_SCRAM_KEY], server[OCS_SCRAM_KEY],
	        stored[OCS_SCRAM_KEY];
	int rc = gsasl_scram_secrets_from_password(GSASL_HASH_SHA256, password, keys->iterations,
	                                           (const char *)keys->salt, keys->salt_len, salted,
	                                           client, server, stored);
	if (rc == GSASL_OK) {
		memcpy(keys->stored_key, stored, OCS_SCRAM_KEY);
		memcpy(keys->server_key, server, OCS_SCRAM_KEY);
	}
	explicit_bzero(salted, sizeof(salted));
	explicit_bzero(client, sizeof(client));
	return rc == GSASL_OK ? 0 : -1;
}

bool ocs_scram_keys_match(const struct ocs_scram_keys *keys, const char *password)
{
	struct ocs_scram_keys given = *keys;

	return ocs_scram_keys_derive(&given, password) == 0 &&
	       memeql_sec(given.stored_key, keys->stored_key, OCS_SCRAM_KEY);
}
