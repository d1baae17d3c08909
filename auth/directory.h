/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Accounts of an LDAP directory: asked at each login, within a bound of time and of logins at once;
 * and, by a thread of its own, now and then for those that have tokens.
 *
 * A directory that does not answer what the service asks is *away*: from then on the thread alone
 * tries, with pauses, and logins are told so at once, without waiting. Where only a bind with a
 * password has no answer, that login alone is told so, and further ones of that entry for a pause.
 * A name that is not there costs the same as a wrong password: a search, a bind, and the time that
 * both take for a name that is.
 *
 * Who owns it: each view of the accounts that uses it holds it, and so does its thread, which ends
 * when no view does; the last one frees it. Any thread, unless said otherwise.
 */
#ifndef OCS_AUTH_DIRECTORY_H
#define OCS_AUTH_DIRECTORY_H

#include "auth/accounts.h"
#include "auth/clock.h"
#include "auth/ldap_config.h"
#include "auth/secret.h"
#include "auth/token.h"

struct ocs_directory;
struct ocs_directory_seat;

enum ocs_directory_answer {
	OCS_DIRECTORY_YES,
	OCS_DIRECTORY_NO,   /* no such name, or more than one; a wrong password */
	OCS_DIRECTORY_AWAY, /* it cannot be asked, or not this */
	OCS_DIRECTORY_BUSY, /* too many ask */
};

/* Held once, with its thread started; nothing is waited for. Takes config over, also on failure.
 * generation: counted up whenever an account has changed; it must outlive the last holder. */
int ocs_directory_open(struct ocs_ldap_config *config, const struct ocs_auth_secret *secret,
                       const struct ocs_auth_clock *clock, _Atomic uint64_t *generation,
                       struct ocs_directory **directory_r, struct ocs_error *error);
const struct ocs_ldap_config *ocs_directory_config(const struct ocs_directory *directory);
void ocs_directory_hold(struct ocs_directory *directory);
/* NULL is allowed. Waits for nothing. */
void ocs_directory_release(struct ocs_directory *directory);
/* Ends whatever waits for the directory, for good: it is away. */
void ocs_directory_interrupt(struct ocs_directory *directory);
/* After that: until the thread has ended, for a second at most. */
void ocs_directory_join(struct ocs_directory *directory);

/* ---- a login: SLOW ---- */

/* A place to ask from: YES, AWAY or BUSY; it waits for one within the timeout. *retry_r: seconds
 * after which to try again, where there is none. */
enum ocs_directory_answer ocs_directory_enter(struct ocs_directory *directory,
                                              struct ocs_directory_seat **seat_r,
                                              unsigned *retry_r);
void ocs_directory_leave(struct ocs_directory *directory, struct ocs_directory_seat *seat);
/* YES, NO or AWAY. With YES *account_r is the caller's to wipe; its name is as the directory writes
 * it, which may differ from the one asked for in case. */
enum ocs_directory_answer ocs_directory_find(struct ocs_directory *directory,
                                             struct ocs_directory_seat *seat, const char *name,
                                             struct ocs_account *account_r);
enum ocs_directory_answer ocs_directory_password(struct ocs_directory *directory,
                                                 struct ocs_directory_seat *seat, const char *name,
                                                 const char *password,
                                                 struct ocs_account *account_r);
/* Seconds until it may answer again; 1 where it is not away. */
unsigned ocs_directory_retry(struct ocs_directory *directory);

/* What made-up hashes are to be like: as those that it has. */
void ocs_directory_shape(struct ocs_directory *directory, struct ocs_account_shape *shape_r);

/* ---- tokens ---- */

/* The account got a token that ends then (wall milliseconds). */
void ocs_directory_granted(struct ocs_directory *directory, const struct ocs_account *account,
                           int64_t expires);
/* Whether the account of a token stands, as far as is known: nothing is waited for. */
bool ocs_directory_stands(struct ocs_directory *directory, const struct ocs_token *token);
size_t ocs_directory_count(struct ocs_directory *directory);

/* ---- for admins ---- */

/* Whether it is away, and why. */
bool ocs_directory_away(struct ocs_directory *directory, struct ocs_error *why);
/* SLOW. Connects and asks, as a login would; -1 with a text. Needs no thread. */
int ocs_directory_try(const struct ocs_ldap_config *config, struct ocs_error *error);

#endif
