/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Stored secrets: parsing, checking, making. Touches nothing but libcrypt and the random generator.
 */
#include "auth/hash.h"

#include <crypt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <nettle/memops.h>

#include "auth/codec.h"
#include "auth/prepare.h"

#define SSHA_PREFIX  "{SSHA}"
#define SCRAM_PREFIX "{SCRAM-SHA-256}"

/* libcrypt checks the setting only; a hash that lost its end would never match anything. */
static bool is_crypt(const char *text)
{
	const char *last = strrchr(text, '$');

	if (text[0] != '$' || last == text)
		return false;
	int rc = crypt_checksalt(text);
	if (rc != CRYPT_SALT_OK && rc != CRYPT_SALT_TOO_CHEAP && rc != CRYPT_SALT_METHOD_LEGACY)
		return false;
	/* 22 is the shortest there is, md5crypt's */
	return strspn(last + 1,
	              "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") ==
	               strlen(last + 1) &&
	       strlen(last + 1) >= 22;
}

/* The longest known prefix of the form {LETTERS-AND-DIGITS}, so that a password may hold braces. */
static bool looks_like_scheme(const char *text)
{
	size_t len = text[0] == '{' ? strspn(text + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	                                               "abcdefghijklmnopqrstuvwxyz0123456789-_.")
	                            : 0;

	return len > 0 && text[1 + len] == '}';
}

int ocs_hash_parse(const char *text, bool plain_allowed, struct ocs_hash *hash,
                   struct ocs_error *error)
{
	memset(hash, 0, sizeof(*hash));
	if (!*text)
		return ocs_error_set(error, "the password is empty");
	if (strlen(text) > OCS_HASH_PASSWORD_MAX)
		return ocs_error_set(error, "the password or hash is longer than %d bytes",
		                     OCS_HASH_PASSWORD_MAX);
	strcpy(hash->text, text);

	if (strncasecmp(text, SSHA_PREFIX, strlen(SSHA_PREFIX)) == 0) {
		hash->kind = OCS_HASH_SSHA;
		if (ocs_ssha_parse(text + strlen(SSHA_PREFIX), &hash->ssha) < 0)
			return ocs_error_set(error, "after {SSHA} comes the base64 of 20 bytes of "
			                            "SHA-1 and a salt of 1 to 64 bytes");
		return 0;
	}
	if (strncasecmp(text, SCRAM_PREFIX, strlen(SCRAM_PREFIX)) == 0) {
		hash->kind = OCS_HASH_SCRAM;
		if (ocs_scram_keys_parse(text + strlen(SCRAM_PREFIX), &hash->scram) < 0)
			return ocs_error_set(error,
			                     "after {SCRAM-SHA-256} comes ITERATIONS,SALT,"
			                     "STOREDKEY,SERVERKEY (%d to %d iterations, base64)",
			                     OCS_SCRAM_ITERATIONS_MIN, OCS_SCRAM_ITERATIONS_MAX);
		return 0;
	}
	if (looks_like_scheme(text))
		return ocs_error_set(error,
		                     "unknown scheme %.*s; known are {SSHA}, "
		                     "{SCRAM-SHA-256} and crypt(3) hashes",
		                     (int)strcspn(text, "}") + 1, text);
	if (is_crypt(text)) {
		hash->kind = OCS_HASH_CRYPT;
		return 0;
	}
	if (!plain_allowed)
		return ocs_error_set(error, "not a hash this version knows: {SSHA}, "
		                            "{SCRAM-SHA-256} or crypt(3), never plain text");
	hash->kind = OCS_HASH_PLAIN;
	return 0;
}

static bool crypt_matches(const char *stored, const char *password)
{
	struct crypt_data *data = calloc(1, sizeof(*data));
	bool equal = false;

	if (!data)
		return false;
	const char *result = crypt_r(password, stored, data);
	/* a setting it does not like gives "*0" or "*1", which no stored hash equals */
	if (result && strlen(result) == strlen(stored))
		equal = memeql_sec(result, stored, strlen(stored));
	explicit_bzero(data, sizeof(*data));
	free(data);
	return equal;
}

/* Compares digests under one salt, so that neither length nor common beginning shows. */
static bool plain_matches(const char *stored, const char *password)
{
	struct ocs_ssha ssha;

	ocs_ssha_make(stored, (const uint8_t *)"plain", 5, &ssha);
	return ocs_ssha_matches(&ssha, password);
}

bool ocs_hash_matches(const struct ocs_hash *hash, const char *password)
{
	switch (hash->kind) {
	case OCS_HASH_SSHA:
		return ocs_ssha_matches(&hash->ssha, password);
	case OCS_HASH_SCRAM:
		return ocs_scram_keys_match(&hash->scram, password);
	case OCS_HASH_CRYPT:
		return crypt_matches(hash->text, password);
	case OCS_HASH_PLAIN:
		return plain_matches(hash->text, password);
	}
	return false;
}

/* "$y$j9T$" of "$y$j9T$SALT$HASH", "$6$" of "$6$SALT$HASH", "$2b$12$" of "$2b$12$SALTANDHASH". */
static size_t cost_prefix(const char *text)
{
	size_t len = (size_t)(strrchr(text, '$') - text);

	if (text[1] == '2')
		return len + 1;
	while (len > 1 && text[len - 1] != '$')
		len--;
	return len;
}

bool ocs_hash_same_cost(const struct ocs_hash *a, const struct ocs_hash *b)
{
	if (a->kind != b->kind)
		return false;
	if (a->kind == OCS_HASH_SCRAM)
		return a->scram.iterations == b->scram.iterations;
	if (a->kind == OCS_HASH_CRYPT) {
		size_t len = cost_prefix(a->text);

		return len == cost_prefix(b->text) && strncmp(a->text, b->text, len) == 0;
	}
	return true;
}

static int make_ssha(const char *password, char *hash_r, struct ocs_error *error)
{
	uint8_t salt[8];
	struct ocs_ssha ssha;

	if (ocs_auth_random(salt, sizeof(salt)) < 0)
		return ocs_error_set(error, "cannot get random bytes");
	ocs_ssha_make(password, salt, sizeof(salt), &ssha);
	ocs_ssha_text(&ssha, hash_r);
	return 0;
}

static int make_scram(const char *password, char *hash_r, struct ocs_error *error)
{
	struct ocs_scram_keys keys = {
	        .iterations = OCS_SCRAM_ITERATIONS,
	        .salt_len = OCS_SCRAM_SALT,
	};
	size_t prefix = strlen(SCRAM_PREFIX);

	if (ocs_auth_random(keys.salt, keys.salt_len) < 0)
		return ocs_error_set(error, "cannot get random bytes");
	if (ocs_scram_keys_derive(&keys, password) < 0)
		return ocs_error_memory(error);
	memcpy(hash_r, SCRAM_PREFIX, prefix);
	ocs_scram_keys_text(&keys, hash_r + prefix, OCS_AUTH_HASH_SIZE - prefix);
	return 0;
}

static int make_crypt(const char *password, char *hash_r, struct ocs_error *error)
{
	char setting[CRYPT_GENSALT_OUTPUT_SIZE];
	struct crypt_data *data = calloc(1, sizeof(*data));
	int rc = -1;

	if (!data)
		return ocs_error_memory(error);
	if (!crypt_gensalt_rn("$y$", 0, NULL, 0, setting, (int)sizeof(setting))) {
		ocs_error_set(error, "libcrypt cannot make a yescrypt salt");
	} else {
		const char *result = crypt_r(password, setting, data);

		if (!result || result[0] == '*' || strlen(result) >= OCS_AUTH_HASH_SIZE)
			ocs_error_set(error, "libcrypt cannot hash this password");
		else
			rc = 0, strcpy(hash_r, result);
	}
	explicit_bzero(data, sizeof(*data));
	free(data);
	return rc;
}

static bool scheme_is(const char *scheme, const char *name)
{
	size_t len = strlen(name);

	if (scheme[0] == '{')
		return strncasecmp(scheme + 1, name, len) == 0 &&
		       strcmp(scheme + 1 + len, "}") == 0;
	return strcasecmp(scheme, name) == 0;
}

static int make_hash(const char *scheme, const char *password, char *hash_r,
                     struct ocs_error *error)
{
	if (!scheme || scheme_is(scheme, "CRYPT"))
		return make_crypt(password, hash_r, error);
	if (scheme_is(scheme, "SSHA"))
		return make_ssha(password, hash_r, error);
	if (scheme_is(scheme, "SCRAM-SHA-256"))
		return make_scram(password, hash_r, error);
	return ocs_error_set(error, "unknown scheme '%s'; known are CRYPT, SCRAM-SHA-256 and SSHA",
	                     scheme);
}

int ocs_auth_make_hash(const char *scheme, const char *password, char hash_r[OCS_AUTH_HASH_SIZE],
                       struct ocs_error *error)
{
	char prepared[OCS_HASH_PASSWORD_MAX + 1];

	if (!password || !*password)
		return ocs_error_set(error, "the password is empty");
	/* nobody could log in with what no client can prepare */
	if (ocs_password_prepare(password, prepared, error) < 0)
		return -1;
	int rc = make_hash(scheme, prepared, hash_r, error);
	explicit_bzero(prepared, sizeof(prepared));
	return rc;
}
