/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * SCRAM-SHA-256, the client's side (RFC 5802, 7677), put together from Dovecot's own HMAC, PBKDF2
 * and SHA-256: its SASL client library has PLAIN, LOGIN, EXTERNAL and OAuth only.
 */
#ifndef OCS_SCRAM_H
#define OCS_SCRAM_H

struct ocs_scram;

struct ocs_scram *ocs_scram_new(const char *username, const char *password);
void ocs_scram_free(struct ocs_scram **scram);

/* A new conversation; returns the client-first message (data stack). */
const char *ocs_scram_first(struct ocs_scram *scram);
/* Reads server-first. The client-final message, or NULL with *error_r. The costly key is kept for
   the next conversation with the same salt and iterations. */
const char *ocs_scram_final(struct ocs_scram *scram, const char *server_first,
                            const char **error_r);
/* Whether server-final proves that the server knows the password's keys. */
bool ocs_scram_verify(struct ocs_scram *scram, const char *server_final);

#endif
