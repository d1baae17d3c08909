/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Reads certificates and keys, counts who uses them, exchanges them. Touches the files it is told,
 * and TLS sessions that have not begun. */
#include "http/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <gnutls/x509.h>

#include "base/private_file.h"

#define PEM_MAX   (256 * 1024)
#define DAY       86400
#define SOON_DAYS 14 /* who renews automatically has done so by then */

struct ocs_tls_keys {
	atomic_uint references;
	gnutls_certificate_credentials_t credentials;
	time_t from, until; /* of the certificate */
	char *issuers; /* PEM: of clients' certificates, which are asked for; NULL: they are not */
	struct ocs_tls *tls; /* whose connections have them */
};

struct ocs_tls {
	pthread_mutex_t lock;
	struct ocs_tls_keys *keys;
};

/* A certificate is public, so only its key has to be a private file. malloc()ed; NULL on failure.
 */
static char *read_public(const char *path, size_t *len_r, struct ocs_error *error)
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
	text = calloc(1, PEM_MAX + 1);

	if (file == NULL || text == NULL)
		ocs_error_set(error, "%s: %s", path, strerror(errno));
	else
		len = fread(text, 1, PEM_MAX + 1, file);
	if (file != NULL && text != NULL) {
		if (ferror(file) != 0 || len == 0)
			ocs_error_set(error, "%s: cannot read anything from it", path);
		else if (len > PEM_MAX)
			ocs_error_set(error, "%s: larger than %d bytes", path, PEM_MAX);
	}
	if (file != NULL)
		fclose(file);
	if (len == 0 || len > PEM_MAX) {
		free(text);
		return NULL;
	}
	*len_r = len;
	return text;
}

static int take_times(struct ocs_tls_keys *keys, const char *path, const gnutls_datum_t *pem,
                      struct ocs_error *error)
{
	gnutls_x509_crt_t *list = NULL;
	unsigned count = 0;
	int result = gnutls_x509_crt_list_import2(&list, &count, pem, GNUTLS_X509_FMT_PEM, 0);

	if (result < 0 || count == 0)
		return ocs_error_set(error, "%s: no certificate in it can be read (PEM)", path);
	keys->from = gnutls_x509_crt_get_activation_time(list[0]);
	keys->until = gnutls_x509_crt_get_expiration_time(list[0]);
	for (unsigned i = 0; i < count; i++)
		gnutls_x509_crt_deinit(list[i]);
	gnutls_free(list);
	return 0;
}

static int take_pair(struct ocs_tls_keys *keys, const struct ocs_tls_files *files,
                     struct ocs_error *error)
{
	char *cert = NULL, *key = NULL;
	size_t cert_len = 0, key_len = 0;
	gnutls_datum_t cert_pem, key_pem;
	int result = -1;

	cert = read_public(files->cert, &cert_len, error);
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

static int take_client_ca(struct ocs_tls_keys *keys, const char *path, struct ocs_error *error)
{
	gnutls_datum_t pem;
	size_t len = 0;
	char *text = read_public(path, &len, error);
	int result;

	if (text == NULL)
		return -1;
	pem = (gnutls_datum_t){(unsigned char *)text, (unsigned)len};
	keys->issuers = text;
	result =
	        gnutls_certificate_set_x509_trust_mem(keys->credentials, &pem, GNUTLS_X509_FMT_PEM);
	if (result <= 0)
		return ocs_error_set(error, "%s: no certificate in it can be read (PEM)", path);
	gnutls_certificate_set_verify_function(keys->credentials, tls_verify_client);
	return 0;
}

int ocs_tls_keys_read(const struct ocs_tls_files *files, struct ocs_tls_keys **keys_r,
                      struct ocs_error *error)
{
	struct ocs_tls_keys *keys = calloc(1, sizeof(*keys));

	if (keys == NULL)
		return ocs_error_memory(error);
	atomic_store(&keys->references, 1);
	if (gnutls_certificate_allocate_credentials(&keys->credentials) < 0) {
		free(keys);
		return ocs_error_memory(error);
	}
	if (take_pair(keys, files, error) != 0 ||
	    (files->client_ca != NULL && take_client_ca(keys, files->client_ca, error) != 0)) {
		ocs_tls_keys_release(keys);
		return -1;
	}
	*keys_r = keys;
	return 0;
}

bool ocs_tls_keys_doubt(const struct ocs_tls_keys *keys, char *text, size_t size)
{
	time_t now = time(NULL);
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

void ocs_tls_keys_release(struct ocs_tls_keys *keys)
{
	if (keys == NULL || atomic_fetch_sub(&keys->references, 1) != 1)
		return;
	gnutls_certificate_free_credentials(keys->credentials);
	free(keys->issuers);
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

bool ocs_tls_issuers_stand(const struct ocs_tls_keys *keys)
{
	const struct ocs_tls_keys *now;
	bool stand;

	pthread_mutex_lock(&keys->tls->lock);
	now = keys->tls->keys;
	stand = keys == now || (keys->issuers != NULL && now->issuers != NULL &&
	                        strcmp(keys->issuers, now->issuers) == 0);
	pthread_mutex_unlock(&keys->tls->lock);
	return stand;
}

void ocs_tls_free(struct ocs_tls *tls)
{
	if (tls == NULL)
		return;
	ocs_tls_keys_release(tls->keys);
	pthread_mutex_destroy(&tls->lock);
	free(tls);
}

bool ocs_tls_doubt(struct ocs_tls *tls, char *text, size_t size)
{
	bool doubt;

	pthread_mutex_lock(&tls->lock);
	doubt = ocs_tls_keys_doubt(tls->keys, text, size);
	pthread_mutex_unlock(&tls->lock);
	return doubt;
}

struct ocs_tls_keys *ocs_tls_begin(struct ocs_tls *tls, gnutls_session_t session)
{
	struct ocs_tls_keys *keys;

	pthread_mutex_lock(&tls->lock);
	keys = tls->keys;
	atomic_fetch_add(&keys->references, 1);
	pthread_mutex_unlock(&tls->lock);
	if (gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, keys->credentials) != 0) {
		ocs_tls_keys_release(keys);
		return NULL;
	}
	if (keys->issuers != NULL)
		gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUEST);
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
