/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Covers: auth/token.c auth/codec.c */
/*
 * Fuzz target: session tokens, from cookies and documents. With the first byte `0` the rest is a
 * token, or any base64; with `1` it is bytes that are written over those of a good one, each
 * behind its offset. Only a token that was made here is read, in the one way of writing it.
 */
#include <string.h>

#include "auth/codec.h"
#include "auth/token.h"
#include "fuzz/fuzz.h"

#define EXPIRES 1700000000000

const struct fuzz_blob fuzz_blobs[] = {
        FUZZ_BLOB("0AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAhIiMkJSYnKCkqKywtLi8wMTIzNDU2Nzg5"
                  "Ojs8PT4_QEFCQ0RFRkdISUpLTE1OT1BRUlNUVVZXWFlaW1xdXl9gYWJjZGVmZ2hpamtsbW5vcHFy"),
        FUZZ_BLOB("0Zm9v+/=="),
        FUZZ_BLOB("1\0A\24B"),
        FUZZ_BLOB("1"),
        {NULL, 0},
};

static void check_codec(const char *text, size_t len)
{
	static uint8_t bytes[4096];
	static char again[OCS_AUTH_B64_SIZE(sizeof(bytes))];
	size_t n, m;

	if (ocs_auth_b64_decode(text, len, bytes, sizeof(bytes), &n) != 0)
		return;
	ocs_auth_b64_encode_bare(again, bytes, n);
	/* The alphabet and the padding may be another. */
	FUZZ_CHECK(len >= strlen(again) && len <= strlen(again) + 2);
	for (size_t i = 0; i < strlen(again); i++)
		FUZZ_CHECK(again[i] == (text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i]));
	FUZZ_CHECK(ocs_auth_b64_decode(again, strlen(again), bytes, sizeof(bytes), &m) == 0);
	FUZZ_CHECK(m == n);
}

static void check_stranger(const struct ocs_auth_secret *secret, const char *text)
{
	struct ocs_token token;

	FUZZ_CHECK(ocs_token_read(secret, text, &token) != 0);
}

static void check_changed(const struct ocs_auth_secret *secret, const uint8_t *data, size_t size)
{
	static const struct ocs_account account = {.name = "openchange"};
	char text[OCS_AUTH_TOKEN_SIZE], good[OCS_AUTH_TOKEN_SIZE];
	struct ocs_token token;
	size_t len;

	FUZZ_CHECK(ocs_token_make(secret, &account, EXPIRES, good) == 0);
	memcpy(text, good, sizeof(text));
	len = strlen(good);
	for (; size >= 2; data += 2, size -= 2)
		text[data[0] % (len + 1)] = (char)data[1];
	text[len + 1] = '\0'; /* there is room: a name may be longer */
	if (ocs_token_read(secret, text, &token) != 0)
		FUZZ_CHECK(strcmp(text, good) != 0);
	else
		FUZZ_CHECK(strcmp(text, good) == 0 && token.expires == EXPIRES &&
		           strcmp(token.account, account.name) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t key[OCS_AUTH_SECRET_BYTES] = "a secret that nobody else knows";
	static struct ocs_auth_secret secret;
	char *text;

	if (size < 1)
		return 0;
	ocs_auth_secret_set(&secret, key);
	if (data[0] == '1') {
		check_changed(&secret, data + 1, size - 1);
		return 0;
	}
	text = malloc(size);
	FUZZ_CHECK(text != NULL);
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	check_codec(text, size - 1);
	check_stranger(&secret, text);
	free(text);
	return 0;
}
