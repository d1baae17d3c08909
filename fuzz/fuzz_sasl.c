/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Covers: auth/scram.c */
/*
 * Fuzz target: what strangers send to log in, before base64. The first byte: `0` SCRAM, `1` the
 * same bound to TLS, `2` PLAIN. Of SCRAM the first message, a line feed, the last one, in which
 * `@` is the nonce that both made. Nobody has the password.
 */
#include <string.h>

#include "auth/codec.h"
#include "auth/scram.h"
#include "fuzz/fuzz.h"

#define MESSAGE_MAX 4096

const struct fuzz_blob fuzz_blobs[] = {
        FUZZ_BLOB("0n,,n=openchange,r=abcdef\nc=biws,r=@,p="
                  "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        FUZZ_BLOB("0y,a=user,n=us=2Cer,r=x\nc=eSws,r=@,p=AAAA"),
        FUZZ_BLOB("1p=tls-exporter,,n=a@b,r=0\n"
                  "c=cD10bHMtZXhwb3J0ZXIsLEFBQUE=,r=@,p="
                  "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        FUZZ_BLOB("2\0openchange\0secret"),
        FUZZ_BLOB("2a\0a\0b"),
        {NULL, 0},
};

static const char *encoded(const char *bytes, size_t len)
{
	static char text[OCS_AUTH_B64_SIZE(2 * MESSAGE_MAX)];

	ocs_auth_b64_encode_standard(text, bytes, len);
	return text;
}

static void give_keys(void *arg, const char *name, struct ocs_scram_keys *keys)
{
	bool *asked = arg;

	/* Once, for a name that can be one. */
	FUZZ_CHECK(!*asked && name[0] != '\0' && strlen(name) <= OCS_AUTH_NAME_MAX);
	*asked = true;
	memset(keys, 0, sizeof(*keys));
	keys->iterations = OCS_SCRAM_ITERATIONS_MIN;
	keys->salt_len = OCS_SCRAM_SALT;
	memset(keys->stored_key, 7, sizeof(keys->stored_key));
}

/* "r=NONCE,..." of the server's message. */
static size_t read_nonce(const struct ocs_auth_reply *reply, char nonce[MESSAGE_MAX])
{
	uint8_t bytes[MESSAGE_MAX];
	size_t len, n = 0;

	FUZZ_CHECK(ocs_auth_b64_decode(reply->sasl, strlen(reply->sasl), bytes, sizeof(bytes),
	                               &len) == 0);
	FUZZ_CHECK(len > 2 && memcmp(bytes, "r=", 2) == 0);
	while (2 + n < len && bytes[2 + n] != ',')
		n++;
	memcpy(nonce, bytes + 2, n);
	return n;
}

static void try_last(struct ocs_scram *scram, const struct ocs_auth_binding *binding,
                     const char *data, size_t size, struct ocs_auth_reply *reply)
{
	static char nonce[MESSAGE_MAX], last[2 * MESSAGE_MAX];
	size_t nonce_len = read_nonce(reply, nonce), len = 0;

	for (size_t i = 0; i < size && len < MESSAGE_MAX; i++) {
		if (data[i] != '@') {
			last[len++] = data[i];
			continue;
		}
		memcpy(last + len, nonce, nonce_len);
		len += nonce_len;
	}
	reply->sasl[0] = '\0';
	FUZZ_CHECK(ocs_scram_finish(scram, binding, encoded(last, len), reply) ==
	           OCS_AUTH_INVALID_CREDENTIALS);
	FUZZ_CHECK(reply->sasl[0] == '\0');
}

static void try_scram(bool plus, const char *data, size_t size)
{
	static struct ocs_sasl *sasl;
	static const struct ocs_auth_binding line = {.exporter = "AAAA", .unique = "BBBB"};
	const struct ocs_auth_binding *binding = plus ? &line : NULL;
	const char *end = size > 0 ? memchr(data, '\n', size) : NULL;
	size_t len = end != NULL ? (size_t)(end - data) : size;
	struct ocs_auth_reply reply = {.sasl = ""};
	struct ocs_scram *scram = NULL;
	bool asked = false;

	if (sasl == NULL)
		sasl = ocs_sasl_new();
	FUZZ_CHECK(sasl != NULL);
	if (ocs_scram_start(sasl, plus, binding, encoded(data, len), give_keys, &asked, &scram,
	                    &reply) != OCS_AUTH_OK) {
		FUZZ_CHECK(scram == NULL && reply.sasl[0] == '\0');
		return;
	}
	FUZZ_CHECK(asked);
	if (end != NULL)
		try_last(scram, binding, end + 1, size - len - 1, &reply);
	ocs_scram_free(scram);
}

static void try_plain(const char *data, size_t size)
{
	char name[OCS_AUTH_NAME_SIZE], password[OCS_HASH_PASSWORD_MAX + 1];
	size_t len;

	if (ocs_plain_parse(encoded(data, size), name, password) != OCS_AUTH_OK)
		return;
	len = strlen(name) + 1 + strlen(password);
	FUZZ_CHECK(name[0] != '\0' && size > len && data[size - len - 1] == '\0');
	FUZZ_CHECK(memcmp(data + size - strlen(password), password, strlen(password)) == 0);
	FUZZ_CHECK(memcmp(data + size - len, name, strlen(name) + 1) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1 || size > MESSAGE_MAX)
		return 0;
	if (data[0] == '2')
		try_plain((const char *)data + 1, size - 1);
	else
		try_scram(data[0] == '1', (const char *)data + 1, size - 1);
	return 0;
}
