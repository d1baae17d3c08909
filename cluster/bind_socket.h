/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The daemon's side of bind requests (registry/bind_request.h): a socket in the registry folder and
 * a thread of its own that never waits for anything but its sockets. Who binds is asked by
 * callback.
 */
#ifndef OCS_CLUSTER_BIND_SOCKET_H
#define OCS_CLUSTER_BIND_SOCKET_H

#include <stdbool.h>

#include "cluster/status.h"
#include "registry/bind_request.h"

struct ocs_bind_socket;

enum ocs_bind_socket_answer { OCS_BIND_YES, OCS_BIND_NO, OCS_BIND_LATER };

/* Is the user bound? first: they are asked for; false: whether it has come true meanwhile. With NO
 * and LATER text says why not yet. On the socket's thread; must not block. */
typedef enum ocs_bind_socket_answer ocs_bind_socket_ask_fn(void *arg, const char *user, bool first,
                                                           char text[OCS_BIND_TEXT_MAX]);

int ocs_bind_socket_start(const char *folder, ocs_bind_socket_ask_fn *ask, void *arg,
                          struct ocs_link_status *status, struct ocs_bind_socket **socket_r,
                          struct ocs_error *error);
/* Something has changed: asks again for those who wait. Any thread; does not block. */
void ocs_bind_socket_poke(struct ocs_bind_socket *bind_socket);
/* Removes the socket; who waits is hung up on. NULL is allowed. */
void ocs_bind_socket_stop(struct ocs_bind_socket *bind_socket);

#endif
