/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * SCRAM-SHA-256 on the server's side, by libgsasl: one gsasl context for all, one gsasl session for
 * each login; and the parsing of PLAIN. Touches memory only; a session is one thread's.
 */
#include "auth/scram.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gsasl.h>

#include "auth/accounts.h"
#include "auth/codec.h"

struct ocs_sasl {
	Gsasl *gsasl;
};

struct ocs_scram {
	Gsasl_session *session;
	ocs_scram_lookup_fn *lookup; /* set during ocs_scram_start() only */
	void *arg;
	bool bad_name;
	bool plus;
	struct ocs_auth_binding binding; /* "" where there is none */
};

static int set_base64(Gsasl_session *session, Gsasl_property property, const uint8_t *bytes,
                      size_t len)
{
	char text[OCS_AUTH_B64_SIZE(OCS_SCRAM_SALT_MAX)];

	ocs_auth_b64_encode_standard(text, bytes, len);
	return gsasl_property_set(session, property, text);
}

static bool acts_for_itself(Gsasl_session *session, const char *name)
{
	const char *other = gsasl_property_fast(session, GSASL_AUTHZID);

	return !other || !*other || strcmp(other, name) == 0;
}

/* Called for the first property libgsasl misses, which is after it has parsed client-first. */
static int give_keys(struct ocs_scram *scram, Gsasl_session *session)
{
	const char *name = gsasl_property_fast(session, GSASL_AUTHID);
	struct ocs_scram_keys keys;
	char iterations[16];

	if (!name || !ocs_account_name_valid(name) || !acts_for_itself(session, name)) {
		scram->bad_name = true;
		return GSASL_AUTHENTICATION_ERROR;
	}
	scram->lookup(scram->arg, name, &keys);
	snprintf(iterations, sizeof(iterations), "%u", keys.iterations);
	int rc = gsasl_property_set(session, GSASL_SCRAM_ITER, iterations);
	if (rc == GSASL_OK)
		rc = set_base64(session, GSASL_SCRAM_SALT, keys.salt, keys.salt_len);
	if (rc == GSASL_OK)
		rc = set_base64(session, GSASL_SCRAM_STOREDKEY, keys.stored_key, OCS_SCRAM_KEY);
	if (rc == GSASL_OK)
		rc = set_base64(session, GSASL_SCRAM_SERVERKEY, keys.server_key, OCS_SCRAM_KEY);
	explicit_bzero(&keys, sizeof(keys));
	return rc;
}

static int scram_callback(Gsasl *gsasl, Gsasl_session *session, Gsasl_property property)
{
	(void)gsasl;
	struct ocs_scram *scram = gsasl_session_hook_get(session);

	/* Asked for -PLUS, and of a client that says it would bind if we could. */
	if (property == GSASL_CB_TLS_EXPORTER && scram && scram->binding.exporter[0])
		return gsasl_property_set(session, property, scram->binding.exporter);
	if (property == GSASL_CB_TLS_UNIQUE && scram && scram->binding.unique[0])
		return gsasl_property_set(session, property, scram->binding.unique);
	if (property == GSASL_SCRAM_ITER && scram && scram->lookup)
		return give_keys(scram, session);
	return GSASL_NO_CALLBACK;
}

struct ocs_sasl *ocs_sasl_new(void)
{
	struct ocs_sasl *sasl = calloc(1, sizeof(*sasl));

	if (sasl && gsasl_init(&sasl->gsasl) != GSASL_OK) {
		free(sasl);
		return NULL;
	}
	if (sasl)
		gsasl_callback_set(sasl->gsasl, scram_callback);
	return sasl;
}

void ocs_sasl_free(struct ocs_sasl *sasl)
{
	if (!sasl)
		return;
	gsasl_done(sasl->gsasl);
	free(sasl);
}

/* Base64 of either alphabet to a message; libgsasl would take what is behind a NUL for nothing. */
static int decode(const char *text, char *bytes, size_t max, size_t *len_r)
{
	return ocs_auth_b64_decode(text, strlen(text), (uint8_t *)bytes, max, len_r);
}

/* One step; the answer goes to reply->sasl as base64. */
static int step(Gsasl_session *session, const char *bytes, size_t len, struct ocs_auth_reply *reply)
{
	char *out = NULL;
	size_t out_len = 0;
	int rc = gsasl_step(session, bytes, len, &out, &out_len);

	if (rc == GSASL_OK || rc == GSASL_NEEDS_MORE) {
		if (OCS_AUTH_B64_SIZE(out_len) <= sizeof(reply->sasl))
			ocs_auth_b64_encode(reply->sasl, out, out_len);
		else
			rc = GSASL_MECHANISM_PARSE_ERROR;
	}
	gsasl_free(out);
	return rc;
}

enum ocs_auth_result ocs_scram_start(struct ocs_sasl *sasl, bool plus,
                                     const struct ocs_auth_binding *binding,
                                     const char *client_first, ocs_scram_lookup_fn *lookup,
                                     void *arg, struct ocs_scram **scram_r,
                                     struct ocs_auth_reply *reply)
{
	char bytes[OCS_SCRAM_MESSAGE_MAX];
	size_t len;

	/* an empty one libgsasl does not look at, and waits for another */
	if (decode(client_first, bytes, sizeof(bytes), &len) < 0 || len == 0 ||
	    memchr(bytes, '\0', len))
		return OCS_AUTH_INVALID_PARAMETER;
	/* libgsasl takes a demand for channel binding here and fails it one step later */
	if (!plus && bytes[0] == 'p')
		return OCS_AUTH_INVALID_PARAMETER;
	struct ocs_scram *scram = calloc(1, sizeof(*scram));
	int rc = scram ? gsasl_server_start(sasl->gsasl,
	                                    plus ? "SCRAM-SHA-256-PLUS" : "SCRAM-SHA-256",
	                                    &scram->session)
	               : GSASL_MALLOC_ERROR;
	if (rc != GSASL_OK) {
		reply->no_memory = rc == GSASL_MALLOC_ERROR;
		free(scram);
		return OCS_AUTH_INTERNAL;
	}
	scram->plus = plus;
	if (binding)
		scram->binding = *binding;
	scram->lookup = lookup;
	scram->arg = arg;
	gsasl_session_hook_set(scram->session, scram);
	rc = step(scram->session, bytes, len, reply);
	scram->lookup = NULL;
	scram->arg = NULL;
	if (rc != GSASL_NEEDS_MORE || scram->bad_name) {
		reply->sasl[0] = '\0';
		ocs_scram_free(scram);
		reply->no_memory = rc == GSASL_MALLOC_ERROR;
		return rc == GSASL_MALLOC_ERROR ? OCS_AUTH_INTERNAL : OCS_AUTH_INVALID_PARAMETER;
	}
	*scram_r = scram;
	return OCS_AUTH_OK;
}

static bool same_line(const struct ocs_scram *scram, const struct ocs_auth_binding *binding)
{
	return binding && strcmp(scram->binding.exporter, binding->exporter) == 0 &&
	       strcmp(scram->binding.unique, binding->unique) == 0;
}

enum ocs_auth_result ocs_scram_finish(struct ocs_scram *scram,
                                      const struct ocs_auth_binding *binding,
                                      const char *client_final, struct ocs_auth_reply *reply)
{
	char bytes[OCS_SCRAM_MESSAGE_MAX + 512]; /* it repeats our part of the nonce */
	size_t len;

	if (decode(client_final, bytes, sizeof(bytes), &len) < 0 || memchr(bytes, '\0', len))
		return OCS_AUTH_INVALID_CREDENTIALS;
	if (scram->plus && !same_line(scram, binding))
		return OCS_AUTH_INVALID_CREDENTIALS;
	if (step(scram->session, bytes, len, reply) == GSASL_OK)
		return OCS_AUTH_OK;
	reply->sasl[0] = '\0';
	return OCS_AUTH_INVALID_CREDENTIALS;
}

void ocs_scram_free(struct ocs_scram *scram)
{
	if (!scram)
		return;
	gsasl_finish(scram->session);
	free(scram);
}

/* libgsasl's server would prepare the password, and refuse one that cannot be: see auth/prepare.h.
 */
enum ocs_auth_result ocs_plain_parse(const char *message, char name_r[OCS_AUTH_NAME_SIZE],
                                     char password_r[OCS_HASH_PASSWORD_MAX + 1])
{
	char bytes[OCS_SCRAM_MESSAGE_MAX + 1];
	enum ocs_auth_result result = OCS_AUTH_INVALID_PARAMETER;
	size_t len;

	if (decode(message, bytes, OCS_SCRAM_MESSAGE_MAX, &len) < 0)
		return result;
	bytes[len] = '\0';
	/* [authzid] NUL authcid NUL passwd (RFC 4616); decode() has set len, not strlen() */
	const char *end = bytes + len, *authzid = bytes;
	const char *name = memchr(authzid, '\0', len);
	const char *password =
	        name ? memchr(name + 1, '\0', name < end ? (size_t)(end - name - 1) : 0) : NULL;
	if (name && password) {
		name++;
		password++;
		if (strlen(password) == (size_t)(end - password) &&
		    strlen(password) <= OCS_HASH_PASSWORD_MAX && ocs_account_name_valid(name) &&
		    (!*authzid || strcmp(authzid, name) == 0)) {
			strcpy(name_r, name);
			strcpy(password_r, password);
			result = OCS_AUTH_OK;
		}
	}
	explicit_bzero(bytes, sizeof(bytes));
	return result;
}
