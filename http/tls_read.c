/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Reads certificates, keys and revocation lists. Touches the files it is told. */
#include "http/tls_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gnutls/x509.h>

#include "base/private_file.h"

#define PEM_MAX   (256 * 1024)
#define LISTS_MAX (4 * 1024 * 1024) /* each handshake looks through the list of its issuer */

/* A certificate is public, so only its key has to be a private file. malloc()ed; NULL on failure.
 */
static char *read_public(const char *path, size_t max, size_t *len_r, struct ocs_error *error)
{
	/* a FIFO in its place must not hang a reload */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	FILE *file;
	char *text;
	size_t len = 0;

	if (fd >= 0 && fstat(fd, &st) == 0 && !S_ISREG(st.st_mode)) {
		close(fd);
		ocs_error_set(error, "%s: not a regular file", path);
		return NULL;
	}
	file = fd >= 0 ? fdopen(fd, "r") : NULL;
	if (file == NULL && fd >= 0)
		close(fd); /* out of memory, which errno still says */
	text = calloc(1, max + 1);

	if (file == NULL || text == NULL)
		ocs_error_set(error, "%s: %s", path, strerror(errno));
	else
		len = fread(text, 1, max + 1, file);
	if (file != NULL && text != NULL) {
		if (ferror(file) != 0 || len == 0)
			ocs_error_set(error, "%s: cannot read anything from it", path);
		else if (len > max)
			ocs_error_set(error, "%s: larger than %zu bytes", path, max);
	}
	if (file != NULL)
		fclose(file);
	if (len == 0 || len > max) {
		free(text);
		return NULL;
	}
	*len_r = len;
	return text;
}

/* ---- certificates in a file ---- */

struct certificates {
	gnutls_x509_crt_t *list;
	unsigned n;
};

static int read_certificates(struct certificates *out, const char *path, const gnutls_datum_t *pem,
                             struct ocs_error *error)
{
	*out = (struct certificates){NULL, 0};
	if (gnutls_x509_crt_list_import2(&out->list, &out->n, pem, GNUTLS_X509_FMT_PEM, 0) < 0 ||
	    out->n == 0)
		return ocs_error_set(error, "%s: no certificate in it can be read (PEM)", path);
	return 0;
}

static void free_certificates(struct certificates *certificates)
{
	for (unsigned i = 0; i < certificates->n; i++)
		gnutls_x509_crt_deinit(certificates->list[i]);
	gnutls_free(certificates->list);
}

static int take_times(struct ocs_tls_keys *keys, const char *path, const gnutls_datum_t *pem,
                      struct ocs_error *error)
{
	struct certificates chain;

	if (read_certificates(&chain, path, pem, error) != 0)
		return -1;
	keys->from = gnutls_x509_crt_get_activation_time(chain.list[0]);
	keys->until = gnutls_x509_crt_get_expiration_time(chain.list[0]);
	free_certificates(&chain);
	return 0;
}

static int take_pair(struct ocs_tls_keys *keys, const struct ocs_tls_files *files,
                     struct ocs_error *error)
{
	char *cert = NULL, *key = NULL;
	size_t cert_len = 0, key_len = 0;
	gnutls_datum_t cert_pem, key_pem;
	int result = -1;

	cert = read_public(files->cert, PEM_MAX, &cert_len, error);
	if (cert == NULL || ocs_privfile_read(files->key, true, PEM_MAX, &key, &key_len, error) !=
	                            OCS_PRIVFILE_OK) {
		free(cert);
		return -1;
	}
	cert_pem = (gnutls_datum_t){(unsigned char *)cert, (unsigned)cert_len};
	key_pem = (gnutls_datum_t){(unsigned char *)key, (unsigned)key_len};
	if (take_times(keys, files->cert, &cert_pem, error) == 0) {
		result = gnutls_certificate_set_x509_key_mem2(
		        keys->credentials, &cert_pem, &key_pem, GNUTLS_X509_FMT_PEM, NULL, 0);
		if (result == GNUTLS_E_CERTIFICATE_KEY_MISMATCH)
			ocs_error_set(error, "%s: not the key of the certificate in %s", files->key,
			              files->cert);
		else if (result < 0)
			ocs_error_set(error,
			              "%s: no key in it can be read (PEM, not encrypted): %s",
			              files->key, gnutls_strerror(result));
	}
	free(cert);
	ocs_privfile_wipe(key, key_len);
	return result < 0 ? -1 : 0;
}

/* ---- what issuers have revoked ---- */

struct lists {
	gnutls_x509_crl_t *list;
	unsigned n;
};

/* However old it is. */
static bool is_issued_by(gnutls_x509_crl_t list, gnutls_x509_crt_t issuer)
{
	const unsigned any_age = GNUTLS_CERT_REVOCATION_DATA_SUPERSEDED |
	                         GNUTLS_CERT_REVOCATION_DATA_ISSUED_IN_FUTURE | GNUTLS_CERT_INVALID;
	unsigned status = 0;

	return gnutls_x509_crl_check_issuer(list, issuer) != 0 &&
	       gnutls_x509_crl_verify(list, &issuer, 1, 0, &status) == 0 &&
	       (status & ~any_age) == 0;
}

/* GnuTLS takes a list of anybody, and an issuer without one. Of such an issuer nobody would know
 * what it has revoked. */
static int check_lists(const struct ocs_tls_files *files, const struct lists *lists,
                       const struct certificates *issuers, struct ocs_error *error)
{
	for (unsigned i = 0; i < lists->n; i++) {
		bool found = false;

		for (unsigned j = 0; j < issuers->n && !found; j++)
			found = is_issued_by(lists->list[i], issuers->list[j]);
		if (!found)
			return ocs_error_set(error, "%s: list %u in it is not by an issuer in %s",
			                     files->client_crl, i + 1, files->client_ca);
	}
	for (unsigned j = 0; j < issuers->n; j++) {
		unsigned found = 0;

		for (unsigned i = 0; i < lists->n; i++)
			found += is_issued_by(lists->list[i], issuers->list[j]);
		if (found == 0 && gnutls_x509_crt_get_ca_status(issuers->list[j], NULL) != 0)
			return ocs_error_set(error, "%s: no list in it is by issuer %u in %s",
			                     files->client_crl, j + 1, files->client_ca);
		/* The older one would end before the other. */
		if (found > 1)
			return ocs_error_set(error,
			                     "%s: more than one list in it is by issuer %u in %s",
			                     files->client_crl, j + 1, files->client_ca);
		/* GnuTLS does not look up those that it trusts. */
		if (gnutls_x509_crt_check_revocation(issuers->list[j], lists->list,
		                                     (int)lists->n) == 1)
			return ocs_error_set(error,
			                     "%s: issuer %u in %s is revoked: take it out of there",
			                     files->client_crl, j + 1, files->client_ca);
	}
	return 0;
}

static void take_list_times(struct ocs_tls_keys *keys, const struct lists *lists)
{
	for (unsigned i = 0; i < lists->n; i++) {
		time_t until = gnutls_x509_crl_get_next_update(lists->list[i]);

		if (until == (time_t)-1 || (keys->lists_until != 0 && until >= keys->lists_until))
			continue;
		keys->lists_from = gnutls_x509_crl_get_this_update(lists->list[i]);
		keys->lists_until = until;
	}
	keys->lists = true;
}

static int take_lists(struct ocs_tls_keys *keys, const struct ocs_tls_files *files,
                      const struct certificates *issuers, struct ocs_error *error)
{
	struct lists lists = {NULL, 0};
	size_t len = 0;
	char *text = read_public(files->client_crl, LISTS_MAX, &len, error);
	gnutls_datum_t pem = {(unsigned char *)text, (unsigned)len};
	int result = -1;

	if (text == NULL)
		return -1;
	if (gnutls_x509_crl_list_import2(&lists.list, &lists.n, &pem, GNUTLS_X509_FMT_PEM, 0) < 0 ||
	    lists.n == 0) {
		ocs_error_set(error, "%s: no revocation list in it can be read (PEM)",
		              files->client_crl);
	} else if (check_lists(files, &lists, issuers, error) == 0) {
		take_list_times(keys, &lists);
		result = gnutls_certificate_set_x509_crl_mem(keys->credentials, &pem,
		                                             GNUTLS_X509_FMT_PEM);
		if (result < (int)lists.n)
			result = ocs_error_set(error, "%s: cannot be used", files->client_crl);
	}
	for (unsigned i = 0; i < lists.n; i++)
		gnutls_x509_crl_deinit(lists.list[i]);
	gnutls_free(lists.list);
	free(text);
	return result < 0 ? -1 : 0;
}

/* ---- issuers of clients' certificates ---- */

/* Called in the handshake of a connection, in its thread. */
static int tls_verify_client(gnutls_session_t session)
{
	gnutls_typed_vdata_st purpose = {.type = GNUTLS_DT_KEY_PURPOSE_OID,
	                                 .data = (unsigned char *)GNUTLS_KP_TLS_WWW_CLIENT};
	unsigned count = 0, status = 0;

	if (gnutls_certificate_get_peers(session, &count) == NULL || count == 0)
		return 0; /* it has none */
	return gnutls_certificate_verify_peers(session, &purpose, 1, &status) == 0 && status == 0
	               ? 0
	               : -1;
}

static int take_clients(struct ocs_tls_keys *keys, const struct ocs_tls_files *files,
                        struct ocs_error *error)
{
	struct certificates issuers;
	size_t len = 0;
	char *text = read_public(files->client_ca, PEM_MAX, &len, error);
	gnutls_datum_t pem = {(unsigned char *)text, (unsigned)len};
	int result;

	if (text == NULL)
		return -1;
	result = read_certificates(&issuers, files->client_ca, &pem, error);
	if (result == 0) {
		if (gnutls_certificate_set_x509_trust_mem(keys->credentials, &pem,
		                                          GNUTLS_X509_FMT_PEM) <= 0)
			result = ocs_error_set(error, "%s: cannot be used", files->client_ca);
		else if (files->client_crl != NULL)
			result = take_lists(keys, files, &issuers, error);
		free_certificates(&issuers);
	}
	free(text);
	gnutls_certificate_set_verify_function(keys->credentials, tls_verify_client);
	keys->asks = true;
	return result;
}

int ocs_tls_keys_read(const struct ocs_tls_files *files, struct ocs_tls_keys **keys_r,
                      struct ocs_error *error)
{
	static _Atomic uint64_t numbers;
	struct ocs_tls_keys *keys = calloc(1, sizeof(*keys));

	if (keys == NULL)
		return ocs_error_memory(error);
	atomic_store(&keys->references, 1);
	keys->number = atomic_fetch_add(&numbers, 1) + 1;
	if (gnutls_certificate_allocate_credentials(&keys->credentials) < 0) {
		free(keys);
		return ocs_error_memory(error);
	}
	if (take_pair(keys, files, error) != 0 ||
	    (files->client_ca != NULL && take_clients(keys, files, error) != 0)) {
		ocs_tls_keys_release(keys);
		return -1;
	}
	*keys_r = keys;
	return 0;
}
