/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * One HTTP request over an AF_UNIX socket of this host, on a connection of its own. Not lib-http's
 * client, which treats a socket as a proxy and, in 2.3, ends the process (an assertion in
 * http_client_queue_is_last_connect_ip) where a connection was lost and the next cannot be made;
 * only its parser of responses. Never blocks; no time limit, which is the caller's.
 */
#ifndef OCS_LOCAL_H
#define OCS_LOCAL_H

struct http_response;

/* Called once, from the ioloop that was current at ocs_local_send(): with the response, whose
   payload is to be read before ocs_local_close(), or with NULL and what went wrong. */
typedef void ocs_local_callback_t(const struct http_response *response, const char *error);

/* The body is XML and is copied. -1 with *error_r: there is no connection. */
int ocs_local_send(const char *socket_path, const char *method, const char *path, const char *body,
                   ocs_local_callback_t *callback, const char **error_r);
/* Ends it, whatever its state; nothing is called any more. */
void ocs_local_close(void);
/* Moves it to the current ioloop. */
void ocs_local_switch_ioloop(void);

#endif
