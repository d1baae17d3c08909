/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* SCRAM-SHA-256: see scram.h. Touches memory only. */
#include "lib.h"
#include "base64.h"
#include "buffer.h"
#include "hash-method.h"
#include "hmac.h"
#include "pkcs5.h"
#include "randgen.h"
#include "safe-memset.h"
#include "sha2.h"
#include "str.h"
#include "strfuncs.h"

#include "compat.h"
#include "scram.h"

#define NONCE_BYTES 18
/* RFC 7677 asks for 4096 at least. More than the upper limit would let a false server stop the
   process for more than some 50 ms. */
#define ITERATIONS_MIN 4096
#define ITERATIONS_MAX 65536
#define SALT_MAX       256
#define MESSAGE_MAX    2048

struct ocs_scram {
	char *username, *password;
	char *nonce, *first_bare, *expected_final;
	char *salt; /* base64, of the kept key */
	unsigned int iterations;
	unsigned char salted_password[SHA256_RESULTLEN];
};

struct ocs_scram *ocs_scram_new(const char *username, const char *password)
{
	struct ocs_scram *scram = i_new(struct ocs_scram, 1);

	scram->username = i_strdup(username);
	scram->password = i_strdup(password);
	return scram;
}

static void forget_conversation(struct ocs_scram *scram)
{
	i_free(scram->nonce);
	i_free(scram->first_bare);
	i_free(scram->expected_final);
}

void ocs_scram_free(struct ocs_scram **_scram)
{
	struct ocs_scram *scram = *_scram;

	*_scram = NULL;
	if (scram == NULL)
		return;
	forget_conversation(scram);
	safe_memset(scram->password, 0, strlen(scram->password));
	safe_memset(scram->salted_password, 0, sizeof(scram->salted_password));
	i_free(scram->password);
	i_free(scram->username);
	i_free(scram->salt);
	i_free(scram);
}

const char *ocs_scram_first(struct ocs_scram *scram)
{
	unsigned char random[NONCE_BYTES];

	forget_conversation(scram);
	random_fill(random, sizeof(random));
	scram->nonce = i_strdup(str_c(t_base64_encode(0, 0, random, sizeof(random))));
	/* credentials.c admits no character that a SCRAM name would have to escape */
	scram->first_bare = i_strdup_printf("n=%s,r=%s", scram->username, scram->nonce);
	return t_strconcat("n,,", scram->first_bare, NULL);
}

static int derive_key(struct ocs_scram *scram, const char *salt64, unsigned int iterations)
{
	buffer_t *salt, *key = t_buffer_create(SHA256_RESULTLEN);

	if (scram->salt != NULL && strcmp(scram->salt, salt64) == 0 &&
	    scram->iterations == iterations)
		return 0;
	salt = t_base64_decode_str(salt64);
	if (salt->used == 0 || salt->used > SALT_MAX ||
	    pkcs5_pbkdf(PKCS5_PBKDF2, &hash_method_sha256, (const unsigned char *)scram->password,
	                strlen(scram->password), salt->data, (uint32_t)salt->used, iterations,
	                SHA256_RESULTLEN, key) != 0 ||
	    key->used != SHA256_RESULTLEN)
		return -1;
	memcpy(scram->salted_password, key->data, SHA256_RESULTLEN);
	safe_memset(buffer_get_modifiable_data(key, NULL), 0, key->used);
	i_free(scram->salt);
	scram->salt = i_strdup(salt64);
	scram->iterations = iterations;
	return 0;
}

/* server-first is "r=...,s=...,i=..." in this order (RFC 5802 section 7); extensions may follow. */
static int parse_server_first(struct ocs_scram *scram, const char *message, const char **nonce_r,
                              const char **salt_r, unsigned int *iterations_r)
{
	const char *const *part = t_strsplit(message, ",");

	if (strlen(message) > MESSAGE_MAX || str_array_length(part) < 3 ||
	    !ocs_compat_begins(part[0], "r=") || !ocs_compat_begins(part[1], "s=") ||
	    !ocs_compat_begins(part[2], "i="))
		return -1;
	*nonce_r = part[0] + 2;
	*salt_r = part[1] + 2;
	if (!ocs_compat_begins(*nonce_r, scram->nonce) || strlen(*nonce_r) == strlen(scram->nonce))
		return -1;
	return str_to_uint(part[2] + 2, iterations_r);
}

const char *ocs_scram_final(struct ocs_scram *scram, const char *server_first, const char **error_r)
{
	const struct hash_method *sha256 = &hash_method_sha256;
	const char *nonce, *salt, *without_proof, *auth_message;
	const buffer_t *client_key, *stored_key, *signature, *server_key;
	unsigned char proof[SHA256_RESULTLEN];
	unsigned int iterations, i;

	if (parse_server_first(scram, server_first, &nonce, &salt, &iterations) < 0) {
		*error_r = "the server's SCRAM message is malformed";
		return NULL;
	}
	if (iterations < ITERATIONS_MIN || iterations > ITERATIONS_MAX) {
		*error_r = t_strdup_printf("the server asks for %u SCRAM iterations; %u to %u are "
		                           "accepted",
		                           iterations, ITERATIONS_MIN, ITERATIONS_MAX);
		return NULL;
	}
	if (derive_key(scram, salt, iterations) < 0) {
		*error_r = "the server's SCRAM salt is unusable";
		return NULL;
	}

	/* "biws" is base64 of the header "n,,": no channel binding */
	without_proof = t_strdup_printf("c=biws,r=%s", nonce);
	auth_message = t_strdup_printf("%s,%s,%s", scram->first_bare, server_first, without_proof);
	client_key = t_hmac_str(sha256, scram->salted_password, SHA256_RESULTLEN, "Client Key");
	stored_key = t_hash_buffer(sha256, client_key);
	signature = t_hmac_str(sha256, stored_key->data, stored_key->used, auth_message);
	for (i = 0; i < SHA256_RESULTLEN; i++)
		proof[i] = ((const unsigned char *)client_key->data)[i] ^
		           ((const unsigned char *)signature->data)[i];
	server_key = t_hmac_str(sha256, scram->salted_password, SHA256_RESULTLEN, "Server Key");
	signature = t_hmac_str(sha256, server_key->data, server_key->used, auth_message);
	i_free(scram->expected_final);
	scram->expected_final = i_strdup_printf(
	        "v=%s", str_c(t_base64_encode(0, 0, signature->data, signature->used)));
	return t_strdup_printf("%s,p=%s", without_proof,
	                       str_c(t_base64_encode(0, 0, proof, sizeof(proof))));
}

bool ocs_scram_verify(struct ocs_scram *scram, const char *server_final)
{
	size_t length;

	if (scram->expected_final == NULL)
		return FALSE;
	length = strlen(scram->expected_final);
	return strlen(server_final) >= length &&
	       (server_final[length] == '\0' || server_final[length] == ',') &&
	       mem_equals_timing_safe(server_final, scram->expected_final, length);
}
