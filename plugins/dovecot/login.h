/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The conversation that gets a session token. Sends nothing itself: says what to send next.
 *
 * SCRAM-SHA-256 is the default: the password does not cross the wire, the server proves itself too,
 * and what the server stores cannot be used to log in. SSHA is for accounts stored as {SSHA}, PLAIN
 * for those whose secret the server must see; PLAIN is refused here unless the way there is TLS or
 * loopback. There is no automatic choice: each wrong try would count as a failed login at the
 * server.
 */
#ifndef OCS_LOGIN_H
#define OCS_LOGIN_H

struct ocs_credentials;

enum ocs_mechanism { OCS_MECH_SCRAM_SHA_256, OCS_MECH_SSHA, OCS_MECH_PLAIN };

/* "SCRAM-SHA-256", "SSHA" or "PLAIN", without regard to case; -1 for another. */
int ocs_mechanism_parse(const char *name, enum ocs_mechanism *mechanism_r);

struct ocs_login;

struct ocs_login *ocs_login_new(enum ocs_mechanism mechanism, const struct ocs_credentials *cred);
/* The login was refused as wrong: whether to start again at once. The password is sent prepared
 * (prepare.h), as the daemon hashes it; where that changes it, the bytes as they are come next, for
 * a hash that was made elsewhere, and then it is the prepared one's turn again, later. */
bool ocs_login_other_form(struct ocs_login *login);
/* Wipes what it holds. */
void ocs_login_free(struct ocs_login **login);

struct ocs_login_request {
	const char *path, *body; /* data stack */
};

/* The first request (POST). */
void ocs_login_start(struct ocs_login *login, struct ocs_login_request *request_r);
/* Takes the body of a 200 answer. 1: *token_r (data stack) and *ttl_r in seconds; 0: send
 *request_r with the cookies of that answer; -1: *error_r. */
int ocs_login_next(struct ocs_login *login, const char *body, size_t size,
                   struct ocs_login_request *request_r, const char **token_r, unsigned int *ttl_r,
                   const char **error_r);

#endif
