/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What an admin may ask of the logins of a running program (base/control_socket.h), and how it is
 * written, for who answers and who asks. Any thread.
 */

/* clang-format off */
/*   question               answer
 *
 *   lockouts               ok COUNT               a line for each: kind, account, address, failures,
 *                                                 seconds left; separated by tabs
 *   lockouts clear         ok COUNT
 *   lockouts clear WHAT    ok COUNT               WHAT: account, ADDRESS or ADDRESS/BITS
 *   anything else          error TEXT
 */
/* clang-format on */
#ifndef OCS_AUTH_CONTROL_H
#define OCS_AUTH_CONTROL_H

#include <stdio.h>

#include "auth/auth.h"

#define OCS_AUTH_CONTROL_LOCKOUTS "lockouts"
#define OCS_AUTH_CONTROL_CLEAR    "lockouts clear"

/* An ocs_control_answer_fn; arg is the struct ocs_auth. */
void ocs_auth_control(void *arg, const char *question, FILE *out);

/* What an answer's first line says. -1: an error, text_r is why (in the answer). */
int ocs_auth_control_read_head(char *answer, size_t *count_r, const char **text_r);
/* The next line of a list; *rest is where to go on, at first behind the first line. 1: one was
 * read; 0: that was all; -1: it is no such line. */
int ocs_auth_control_read_one(const char **rest, struct ocs_auth_lockout *out);

#endif
