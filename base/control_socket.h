/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The socket in a program's private folder over which its admin asks it: root and the program's own
 * user, whom the folder (0700) and the socket (0600) let in, and nobody else.
 *
 * A connection is one question: a line of at most OCS_CONTROL_LINE bytes, and a text until its end
 * as the answer. Who is slow with either is hung up on after two seconds, so that a stop never
 * waits for them; questions are answered one after the other.
 */
#ifndef OCS_BASE_CONTROL_SOCKET_H
#define OCS_BASE_CONTROL_SOCKET_H

#include <stddef.h>
#include <stdio.h>

#include "base/error.h"

#define OCS_CONTROL_FILE "control.sock"
#define OCS_CONTROL_LINE 512 /* its newline included */

struct ocs_control_socket;

/* Writes the answer. On the socket's thread; a stop waits for it. */
typedef void ocs_control_answer_fn(void *arg, const char *question, FILE *out);

/* Makes the socket, replacing what is left of a program that was killed, and starts the thread.
 * -1: nothing is left. */
int ocs_control_socket_start(const char *folder, ocs_control_answer_fn *answer, void *arg,
                             struct ocs_control_socket **socket_r, struct ocs_error *error);
/* Removes the socket and ends the thread. NULL is allowed. */
void ocs_control_socket_stop(struct ocs_control_socket *control);

/* Asks whoever serves that folder. The answer is malloc()ed, NUL-terminated. -1 with errno: ENOENT
 * or ECONNREFUSED: nobody serves it; EACCES: not for us; EMSGSIZE: the question is too long. */
int ocs_control_ask(const char *folder, const char *question, char **answer_r, size_t *len_r);

#endif
