/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The AF_UNIX socket the web service may listen on besides its address ([server:main] socket), for
 * programs of this host that should need no password: who may connect is what the mode of the file
 * says. The file is made before root is dropped, so that it can be given to any group, and removed
 * at the end.
 *
 * Called from the main thread only.
 */
#ifndef OCS_HTTP_LOCAL_SOCKET_H
#define OCS_HTTP_LOCAL_SOCKET_H

#include "base/error.h"
#include "base/privilege.h"

#define OCS_LOCAL_SOCKET_PATH_MAX 107 /* bytes: what the kernel takes */

struct ocs_local_socket;

/* Listens on the path, mode 0660, owned by that identity, that group or, with NULL, the identity's.
 * A missing folder is made (0755, the identity's), the folders above it are not. A socket file that
 * nobody listens on any more is replaced; anything else at the path is an error. NULL in *socket_r
 * with path NULL. Before root is dropped and before there are other threads
 * (the umask is changed for a moment). */
int ocs_local_socket_open(const char *path, const char *group, const struct ocs_identity *identity,
                          struct ocs_local_socket **socket_r, struct ocs_error *error);
const char *ocs_local_socket_path(const struct ocs_local_socket *local);
/* The listening descriptor; from here on it is the caller's to close. */
int ocs_local_socket_take(struct ocs_local_socket *local);
/* Takes the file away, if it is still the one that was made here: nobody new can connect. */
void ocs_local_socket_remove(struct ocs_local_socket *local);
/* Removes and frees; closes the descriptor if nobody took it. NULL is allowed. */
void ocs_local_socket_close(struct ocs_local_socket *local);

#endif
