/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Inside http/tls.h: tls.c (who uses which keys) and tls_read.c (what they are read from). */
#ifndef OCS_HTTP_TLS_INTERNAL_H
#define OCS_HTTP_TLS_INTERNAL_H

#include <stdatomic.h>
#include <time.h>

#include "http/tls.h"

struct ocs_tls_keys {
	atomic_uint references;
	uint64_t number; /* another one of each */
	gnutls_certificate_credentials_t credentials;
	time_t from, until;  /* of the certificate */
	bool asks;           /* clients for a certificate */
	bool lists;          /* tells what issuers have revoked ... */
	time_t lists_from;   /* ... by the list that ends first ... */
	time_t lists_until;  /* ... then; 0: no list ends */
	struct ocs_tls *tls; /* whose connections have them */
};

#endif
