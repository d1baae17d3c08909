/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * SASL messages through libgsasl: the SCRAM-SHA-256 server, bound to TLS (-PLUS) or not, and
 * parsing PLAIN messages.
 *
 * struct ocs_sasl is shared by all threads; a struct ocs_scram is used by one at a time.
 */
#ifndef OCS_AUTH_SCRAM_H
#define OCS_AUTH_SCRAM_H

#include <stdbool.h>
#include <stddef.h>

#include "auth/auth.h"
#include "auth/hash.h"
#include "auth/scramkeys.h"

#define OCS_SCRAM_MESSAGE_MAX 1024 /* bytes of a message from a client */

struct ocs_sasl;
struct ocs_scram;

struct ocs_sasl *ocs_sasl_new(void);
void ocs_sasl_free(struct ocs_sasl *sasl);

/* The keys a name is to be asked with: real ones, or made-up ones that fit no password. */
typedef void ocs_scram_lookup_fn(void *arg, const char *name, struct ocs_scram_keys *keys);

/* Reads base64 client-first, calls lookup once with the name in it, writes base64 server-first to
 * reply->sasl. INVALID_PARAMETER: not a client-first message, a bad name, another user to act for,
 * channel binding asked of one that is not plus, or by a kind that the line does not have; one that
 * is not asked for where it could be. The binding is NULL where there is none, and copied; lookup
 * is not kept. */
enum ocs_auth_result ocs_scram_start(struct ocs_sasl *sasl, bool plus,
                                     const struct ocs_auth_binding *binding,
                                     const char *client_first, ocs_scram_lookup_fn *lookup,
                                     void *arg, struct ocs_scram **scram_r,
                                     struct ocs_auth_reply *reply);
/* Reads base64 client-final: OK and base64 server-final in reply->sasl, else INVALID_CREDENTIALS,
 * also where plus comes over another line than it began on.
 */
enum ocs_auth_result ocs_scram_finish(struct ocs_scram *scram,
                                      const struct ocs_auth_binding *binding,
                                      const char *client_final, struct ocs_auth_reply *reply);
void ocs_scram_free(struct ocs_scram *scram);

/* A PLAIN message (RFC 4616) taken apart; the password as it came, to be wiped after use.
 * INVALID_PARAMETER: it is none, a bad name, another user to act for, a password of
 * more than OCS_HASH_PASSWORD_MAX bytes. */
enum ocs_auth_result ocs_plain_parse(const char *message, char name_r[OCS_AUTH_NAME_SIZE],
                                     char password_r[OCS_HASH_PASSWORD_MAX + 1]);

#endif
