/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Certificates of listeners with TLS, and their exchange while they serve.
 *
 * A struct ocs_tls_keys is a certificate with its key as they were read from files; it never
 * changes. A struct ocs_tls is the place of those that are shown to new connections, and belongs to
 * whoever owns the listeners. Each connection holds the keys that it began with, from before its
 * handshake until libmicrohttpd has freed its TLS session, which comes before it tells that the
 * connection is closed. So keys that have been replaced are freed with their last connection,
 * whichever thread that is in.
 */
#ifndef OCS_HTTP_TLS_H
#define OCS_HTTP_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>

#include "base/error.h"

struct ocs_tls;
struct ocs_tls_keys;

/* TLS 1.2 and 1.3 only: for MHD_OPTION_HTTPS_PRIORITIES. */
#define OCS_TLS_PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

struct ocs_tls_files {
	const char *cert;      /* PEM: the certificate, then those between it and a root */
	const char *key;       /* PEM, not encrypted; a private file that its group may read */
	const char *client_ca; /* PEM: clients are asked for a certificate that leads back to one of
	                          these, and may have none; one that does not fails in the
	                          handshake. NULL: they are not asked */
	const char *client_crl; /* PEM: what these have revoked, a list of each. A certificate in
	                           one fails in the handshake. NULL: nobody knows */
};

/* Reads the files. The error begins with the name of the one that is to blame. The keys are the
 * caller's to release, or to hand on. */
int ocs_tls_keys_read(const struct ocs_tls_files *files, struct ocs_tls_keys **keys_r,
                      struct ocs_error *error);
/* Whether there is something to warn about, in words: certificate or revocation list have expired,
 * or soon will have, or it is not valid yet. The key of the ini that names the file; NULL: no. */
const char *ocs_tls_keys_doubt(const struct ocs_tls_keys *keys, char *text, size_t size);
/* The same of those that are shown now. Any thread. */
const char *ocs_tls_doubt(struct ocs_tls *tls, char *text, size_t size);
/* Any thread; NULL is allowed. */
void ocs_tls_keys_release(struct ocs_tls_keys *keys);

/* Takes the keys over. NULL: out of memory, they are released. */
struct ocs_tls *ocs_tls_new(struct ocs_tls_keys *keys);
/* Takes the keys over: connections that come from now on are shown them. Any thread. */
void ocs_tls_replace(struct ocs_tls *tls, struct ocs_tls_keys *keys);
/* Whether the certificate that a client has shown is good by what is known now: a reload may have
 * taken back its issuer, or brought a list with it; and past the time of a list nobody knows. keys:
 * those of the connection, whose thread it is; the ocs_tls outlives it. *stood, 0 at first, is
 * kept for the next time, which then costs next to nothing until the next reload. */
bool ocs_tls_client_stands(const struct ocs_tls_keys *keys, gnutls_session_t session,
                           uint64_t *stood);
/* When its listeners have stopped. NULL is allowed. */
void ocs_tls_free(struct ocs_tls *tls);

/* A TLS session begins, before its handshake. The keys it was given, which the caller releases when
 * the session is gone; NULL: GnuTLS refuses them. */
struct ocs_tls_keys *ocs_tls_begin(struct ocs_tls *tls, gnutls_session_t session);

/* Bytes that sessions have taken from their sockets and given to them, in the thread that asks. */
uint64_t ocs_tls_moved(void);

/* What tells this session from any other (channel binding, RFC 5929 and 9266), as base64: "" where
 * it has none of that kind, as tls-unique of TLS 1.3 and, for its weakness, of TLS 1.2 without
 * extended master secret. After the handshake, by the thread of the connection, or while it is
 * suspended. */
#define OCS_TLS_BINDING_SIZE 64
void ocs_tls_binding(gnutls_session_t session, gnutls_channel_binding_t kind,
                     char out[OCS_TLS_BINDING_SIZE]);

/* For MHD_OPTION_HTTPS_CERT_CALLBACK: libmicrohttpd itself has no certificate, so that a connection
 * that was given none fails in its handshake. */
gnutls_certificate_retrieve_function2 ocs_tls_none;

#endif
