/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Who a client is by its certificate, which the handshake has verified (http/tls.h). */
#ifndef OCS_HTTP_TLS_NAMES_H
#define OCS_HTTP_TLS_NAMES_H

#include <time.h>

#include <gnutls/gnutls.h>

#define OCS_TLS_NAMES_MAX 8
#define OCS_TLS_NAME_SIZE 129 /* longer ones are passed over */

struct ocs_tls_names {
	unsigned n;
	time_t until; /* when the certificate ends */
	/* Its alternative names, as far as they are e-mail addresses or host names, then the
	 * common name of its subject. */
	char list[OCS_TLS_NAMES_MAX][OCS_TLS_NAME_SIZE];
};

/* After the handshake. Zero names: the client has shown no certificate. */
void ocs_tls_names_read(gnutls_session_t session, struct ocs_tls_names *names);
/* The same of a certificate (DER). Zero names: it is none, or has none. */
void ocs_tls_names_parse(const gnutls_datum_t *der, struct ocs_tls_names *names);

#endif
