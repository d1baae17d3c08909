/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Who uses which certificates and keys, their exchange, and what a session does with them. Touches
 * the sockets of TLS sessions. */
#include "http/tls_internal.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <gnutls/x509.h>

#define HOUR      3600
#define DAY       86400
#define SOON_DAYS 14 /* who renews automatically has done so by then */
#define LAST_PART 4  /* of a list's time: then a new one should have come */
#define CHAIN_MAX 16

struct ocs_tls {
	pthread_mutex_t lock;
	struct ocs_tls_keys *keys;
};

static bool doubt_certificate(const struct ocs_tls_keys *keys, time_t now, char *text, size_t size)
{
	long days = (long)((keys->until - now) / DAY);

	if (keys->until <= now)
		snprintf(text, size, "the certificate has expired: clients refuse it");
	else if (keys->from > now)
		snprintf(text, size, "the certificate is not valid yet: clients refuse it");
	else if (days < SOON_DAYS)
		snprintf(text, size, "the certificate expires in %ld %s", days == 0 ? 1 : days,
		         days <= 1 ? "day" : "days");
	else
		return false;
	return true;
}

static bool lists_are_over(const struct ocs_tls_keys *keys, time_t now)
{
	return keys->lists_until != 0 && keys->lists_until <= now;
}

static bool doubt_lists(const struct ocs_tls_keys *keys, time_t now, char *text, size_t size)
{
	time_t left = keys->lists_until - now;
	long hours = (long)(left / HOUR);

	if (lists_are_over(keys, now))
		snprintf(text, size,
		         "a revocation list has expired: no client's certificate counts");
	else if (keys->lists_until != 0 &&
	         left < (keys->lists_until - keys->lists_from) / LAST_PART)
		snprintf(text, size, "a revocation list expires in %ld %s", hours == 0 ? 1 : hours,
		         hours <= 1 ? "hour" : "hours");
	else
		return false;
	return true;
}

const char *ocs_tls_keys_doubt(const struct ocs_tls_keys *keys, char *text, size_t size)
{
	time_t now = time(NULL);

	if (doubt_certificate(keys, now, text, size))
		return "tls_cert";
	return doubt_lists(keys, now, text, size) ? "tls_client_crl" : NULL;
}

void ocs_tls_keys_release(struct ocs_tls_keys *keys)
{
	if (keys == NULL || atomic_fetch_sub(&keys->references, 1) != 1)
		return;
	gnutls_certificate_free_credentials(keys->credentials);
	free(keys);
}

struct ocs_tls *ocs_tls_new(struct ocs_tls_keys *keys)
{
	struct ocs_tls *tls = calloc(1, sizeof(*tls));

	if (tls == NULL) {
		ocs_tls_keys_release(keys);
		return NULL;
	}
	pthread_mutex_init(&tls->lock, NULL);
	keys->tls = tls;
	tls->keys = keys;
	return tls;
}

void ocs_tls_replace(struct ocs_tls *tls, struct ocs_tls_keys *keys)
{
	struct ocs_tls_keys *old;

	pthread_mutex_lock(&tls->lock);
	old = tls->keys;
	keys->tls = tls;
	tls->keys = keys;
	pthread_mutex_unlock(&tls->lock);
	ocs_tls_keys_release(old);
}

/* Those that are shown now, to be released. */
static struct ocs_tls_keys *hold_now(struct ocs_tls *tls)
{
	struct ocs_tls_keys *keys;

	pthread_mutex_lock(&tls->lock);
	keys = tls->keys;
	atomic_fetch_add(&keys->references, 1);
	pthread_mutex_unlock(&tls->lock);
	return keys;
}

void ocs_tls_free(struct ocs_tls *tls)
{
	if (tls == NULL)
		return;
	ocs_tls_keys_release(tls->keys);
	pthread_mutex_destroy(&tls->lock);
	free(tls);
}

const char *ocs_tls_doubt(struct ocs_tls *tls, char *text, size_t size)
{
	struct ocs_tls_keys *keys = hold_now(tls);
	const char *key = ocs_tls_keys_doubt(keys, text, size);

	ocs_tls_keys_release(keys);
	return key;
}

/* ---- clients' certificates ---- */

static void free_chain(gnutls_x509_crt_t *chain, unsigned n)
{
	while (n > 0)
		gnutls_x509_crt_deinit(chain[--n]);
}

/* What the client has shown; 0: nothing, or what cannot be read. */
static unsigned read_chain(gnutls_session_t session, gnutls_x509_crt_t chain[CHAIN_MAX])
{
	unsigned count = 0, n = 0;
	const gnutls_datum_t *shown = gnutls_certificate_get_peers(session, &count);

	if (shown == NULL || count > CHAIN_MAX)
		return 0;
	for (; n < count && gnutls_x509_crt_init(&chain[n]) == 0; n++)
		if (gnutls_x509_crt_import(chain[n], &shown[n], GNUTLS_X509_FMT_DER) != 0) {
			free_chain(chain, n + 1);
			return 0;
		}
	if (n == count)
		return n;
	free_chain(chain, n);
	return 0;
}

/* Each issuer that the file names has a list. One between it and the client's certificate may have
 * none, so with lists it must be in the file itself. */
static bool trusts(const struct ocs_tls_keys *keys, gnutls_session_t session)
{
	gnutls_typed_vdata_st purpose = {.type = GNUTLS_DT_KEY_PURPOSE_OID,
	                                 .data = (unsigned char *)GNUTLS_KP_TLS_WWW_CLIENT};
	gnutls_x509_crt_t chain[CHAIN_MAX], issuer;
	unsigned n = read_chain(session, chain), status = 0;
	gnutls_x509_trust_list_t trusted;
	bool result;

	if (n == 0)
		return false;
	gnutls_certificate_get_trust_list(keys->credentials, &trusted);
	result = gnutls_x509_trust_list_verify_crt2(trusted, chain, n, &purpose, 1, 0, &status,
	                                            NULL) == 0 &&
	         status == 0 &&
	         (!keys->lists ||
	          gnutls_x509_trust_list_get_issuer(trusted, chain[0], &issuer, 0) == 0);
	free_chain(chain, n);
	return result;
}

bool ocs_tls_client_stands(const struct ocs_tls_keys *keys, gnutls_session_t session,
                           uint64_t *stood)
{
	struct ocs_tls_keys *now = hold_now(keys->tls);
	bool stands = now->asks && !lists_are_over(now, time(NULL));

	if (stands && *stood != now->number) {
		stands = trusts(now, session);
		*stood = stands ? now->number : 0;
	}
	ocs_tls_keys_release(now);
	return stands;
}

/* ---- sessions ---- */

static _Thread_local uint64_t moved;

static ssize_t tls_pull(gnutls_transport_ptr_t fd, void *data, size_t len)
{
	ssize_t n = recv((int)(intptr_t)fd, data, len, 0);

	moved += n > 0 ? (uint64_t)n : 0;
	return n;
}

static ssize_t tls_push(gnutls_transport_ptr_t fd, const void *data, size_t len)
{
	ssize_t n = send((int)(intptr_t)fd, data, len, MSG_NOSIGNAL);

	moved += n > 0 ? (uint64_t)n : 0;
	return n;
}

uint64_t ocs_tls_moved(void)
{
	return moved;
}

struct ocs_tls_keys *ocs_tls_begin(struct ocs_tls *tls, gnutls_session_t session)
{
	struct ocs_tls_keys *keys = hold_now(tls);

	if (gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, keys->credentials) != 0) {
		ocs_tls_keys_release(keys);
		return NULL;
	}
	if (keys->asks)
		gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUEST);
	gnutls_transport_set_pull_function(session, tls_pull);
	gnutls_transport_set_push_function(session, tls_push);
	return keys;
}

void ocs_tls_binding(gnutls_session_t session, gnutls_channel_binding_t kind,
                     char out[OCS_TLS_BINDING_SIZE])
{
	gnutls_datum_t bytes = {NULL, 0}, text = {NULL, 0};

	out[0] = '\0';
	if (gnutls_protocol_get_version(session) < GNUTLS_TLS1_3 &&
	    gnutls_session_ext_master_secret_status(session) == 0)
		return;
	if (gnutls_session_channel_binding(session, kind, &bytes) == 0 &&
	    gnutls_base64_encode2(&bytes, &text) == 0 && text.size < OCS_TLS_BINDING_SIZE) {
		memcpy(out, text.data, text.size);
		out[text.size] = '\0';
	}
	gnutls_free(bytes.data);
	gnutls_free(text.data);
}

int ocs_tls_none(gnutls_session_t session, const gnutls_datum_t *names, int n_names,
                 const gnutls_pk_algorithm_t *algorithms, int n_algorithms, gnutls_pcert_st **certs,
                 unsigned int *n_certs, gnutls_privkey_t *key)
{
	(void)session;
	(void)names;
	(void)n_names;
	(void)algorithms;
	(void)n_algorithms;
	(void)certs;
	(void)n_certs;
	(void)key;
	return -1;
}
