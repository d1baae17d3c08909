/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Takes the names out of a client's certificate. Touches the TLS session, reading. */
#include "http/tls_names.h"

#include <string.h>

#include <gnutls/x509.h>

static void add(struct ocs_tls_names *names, const char *name, size_t len)
{
	if (names->n >= OCS_TLS_NAMES_MAX || len == 0 || len >= OCS_TLS_NAME_SIZE ||
	    memchr(name, '\0', len) != NULL)
		return;
	memcpy(names->list[names->n], name, len);
	names->list[names->n++][len] = '\0';
}

static void add_alternatives(gnutls_x509_crt_t certificate, struct ocs_tls_names *names)
{
	for (unsigned i = 0;; i++) {
		char name[OCS_TLS_NAME_SIZE];
		size_t len = sizeof(name);
		int type = gnutls_x509_crt_get_subject_alt_name(certificate, i, name, &len, NULL);

		if (type == GNUTLS_E_SHORT_MEMORY_BUFFER)
			continue;
		if (type < 0)
			return;
		if (type == GNUTLS_SAN_RFC822NAME || type == GNUTLS_SAN_DNSNAME)
			add(names, name, strnlen(name, len) == len ? len : 0);
	}
}

void ocs_tls_names_parse(const gnutls_datum_t *der, struct ocs_tls_names *names)
{
	gnutls_x509_crt_t certificate;
	char name[OCS_TLS_NAME_SIZE];
	size_t len = sizeof(name);

	memset(names, 0, sizeof(*names));
	if (gnutls_x509_crt_init(&certificate) < 0)
		return;
	if (gnutls_x509_crt_import(certificate, der, GNUTLS_X509_FMT_DER) == 0) {
		names->until = gnutls_x509_crt_get_expiration_time(certificate);
		add_alternatives(certificate, names);
		if (gnutls_x509_crt_get_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, 0,
		                                  name, &len) == 0)
			add(names, name, len);
	}
	gnutls_x509_crt_deinit(certificate);
}

void ocs_tls_names_read(gnutls_session_t session, struct ocs_tls_names *names)
{
	unsigned count = 0;
	const gnutls_datum_t *chain = gnutls_certificate_get_peers(session, &count);

	memset(names, 0, sizeof(*names));
	if (chain != NULL && count > 0)
		ocs_tls_names_parse(&chain[0], names);
}
