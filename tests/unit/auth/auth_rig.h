/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What the tests of logins share: an ocs_auth with a clock of its own, and clients of each
 * mechanism.
 */
#ifndef OCS_UNIT_AUTH_RIG_H
#define OCS_UNIT_AUTH_RIG_H

#include <sys/socket.h>

#include "auth/auth.h"
#include "auth/codec.h"
#include "auth/scramkeys.h"
#include "auth/ssha.h"
#include "tests/unit/rig.h"

extern char auth_private_folder[RIG_FOLDER_SIZE + 16], auth_account_file[RIG_FOLDER_SIZE + 16];
extern int64_t auth_clock_ms;
extern char auth_reported[2048];
extern struct ocs_auth_settings auth_settings;
extern struct ocs_auth *auth;
extern struct ocs_auth_reply auth_reply;

void auth_write_accounts(const char *text);
void auth_open(void);
void auth_reopen(void);
void auth_setup(void);
void auth_teardown(void);
struct sockaddr *auth_from(const char *address);

/* What a legacy client computes from the answer of step one. */
void auth_legacy_answer(const char *name, const char *password, char hex[41]);
struct ocs_auth_cookies *auth_cookies(void);
enum ocs_auth_result auth_ssha(const char *address, const char *name, const char *password);
enum ocs_auth_result auth_plain(const char *address, const char *name, const char *password);
void auth_client_begin(const char *name, const char *password, char first[1400]);
int auth_client_step(const char *in, char next[1400]);
void auth_client_end(void);
enum ocs_auth_result auth_scram(const char *name, const char *password);
enum ocs_auth_result auth_check(const char *token);

#endif
