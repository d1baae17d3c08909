/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The daemon's own certificate, as libcurl is told to expect it. Reads the file that the ini names.
 */
#include <stdio.h>
#include <talloc.h>

#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <gnutls/x509.h>

#include "ocsctl/ocsctl.h"

#define SHA256_SIZE 32

/* SHA-256 of the public key of the first certificate in the file. */
static int hash_key(const gnutls_datum_t *pem, uint8_t hash[SHA256_SIZE])
{
	gnutls_x509_crt_t certificate = NULL;
	gnutls_pubkey_t key = NULL;
	gnutls_datum_t der = {NULL, 0};
	int result = gnutls_x509_crt_init(&certificate);

	if (result == 0)
		result = gnutls_x509_crt_import(certificate, pem, GNUTLS_X509_FMT_PEM);
	if (result == 0)
		result = gnutls_pubkey_init(&key);
	if (result == 0)
		result = gnutls_pubkey_import_x509(key, certificate, 0);
	if (result == 0)
		result = gnutls_pubkey_export2(key, GNUTLS_X509_FMT_DER, &der);
	if (result == 0)
		result = gnutls_hash_fast(GNUTLS_DIG_SHA256, der.data, der.size, hash);
	gnutls_free(der.data);
	if (key != NULL)
		gnutls_pubkey_deinit(key);
	if (certificate != NULL)
		gnutls_x509_crt_deinit(certificate);
	return result;
}

char *ocsctl_pin(const void *mem_ctx, const char *cert, struct ocs_error *error)
{
	gnutls_datum_t pem = {NULL, 0}, text = {NULL, 0};
	uint8_t hash[SHA256_SIZE];
	gnutls_datum_t bytes = {hash, sizeof(hash)};
	char *pin = NULL;
	int result = gnutls_load_file(cert, &pem);

	if (result == 0)
		result = hash_key(&pem, hash);
	if (result == 0)
		result = gnutls_base64_encode2(&bytes, &text);
	if (result == 0) {
		pin = talloc_asprintf(mem_ctx, "sha256//%.*s", (int)text.size, text.data);
		if (pin == NULL)
			ocs_error_memory(error);
	} else {
		ocs_error_set(error, "cannot read the daemon's certificate (tls_cert) %s: %s", cert,
		              gnutls_strerror(result));
	}
	gnutls_free(pem.data);
	gnutls_free(text.data);
	return pin;
}
