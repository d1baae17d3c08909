/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * A bind request: by a socket in the registry folder the library tells the daemon that a user
 * has got their first subscription here, and hears when the other nodes know it. Only where the
 * daemon has a link to other nodes (ocs_registry_settings.linked).
 *
 * A connection (AF_UNIX, SOCK_SEQPACKET) carries one request and one reply, a packet each:
 *
 *   request   version 8, operation 8 ('B': bind), the user's name (1 to OCS_USER_MAX bytes)
 *   reply     version 8, status 8 (0: bound; 1: not now), why not (UTF-8, may be empty)
 *
 * The daemon answers within OCS_BIND_ANSWER_MS. What it was asked for it goes on trying, with
 * or without an answer. Any thread; nothing here keeps state.
 */
#ifndef OCS_REGISTRY_BIND_REQUEST_H
#define OCS_REGISTRY_BIND_REQUEST_H

#include <stddef.h>
#include <stdint.h>
#include <sys/un.h>

#include "mqueue/name.h"

#define OCS_BIND_FILE      "bind.sock"
#define OCS_BIND_WAIT_MS   2000 /* what a subscription waits at most */
#define OCS_BIND_ANSWER_MS 1800 /* so that the reason arrives in time */

#define OCS_BIND_TEXT_MAX    256 /* with the NUL */
#define OCS_BIND_REQUEST_MAX (2 + OCS_USER_MAX)
#define OCS_BIND_REPLY_MAX   (2 + OCS_BIND_TEXT_MAX - 1)

enum ocs_bind_status { OCS_BIND_BOUND = 0, OCS_BIND_UNBOUND = 1 };

struct ocs_bind_reply {
	enum ocs_bind_status status;
	char text[OCS_BIND_TEXT_MAX];
};

/* The socket's address in a registry folder. A path too long for a socket address goes by a
 * descriptor of the folder: *folder_fd_r (-1: not needed) is closed by the caller once it has
 * connected or bound. 0 or -errno. */
int ocs_bind_request_address(const char *folder, struct sockaddr_un *address, int *folder_fd_r);

/* What is bound for a mail store that sessions see (ocs_registry_store_add()) is a name that no
 * user has. -1: too long for one. get: the two that it is made of; -1: it is none. */
#define OCS_BIND_STORE '\002'
int ocs_bind_store_name(char out[OCS_USER_MAX + 1], const char *backend, const char *backend_user);
int ocs_bind_store_get(const char *name, char backend[OCS_USER_MAX + 1],
                       char backend_user[OCS_USER_MAX + 1]);

/* Length of the packet, 0 if the name is empty or too long. */
size_t ocs_bind_request_put(uint8_t packet[OCS_BIND_REQUEST_MAX], const char *user);
/* -1: not a request this version knows. */
int ocs_bind_request_get(const uint8_t *packet, size_t len, char user[OCS_USER_MAX + 1]);
size_t ocs_bind_reply_put(uint8_t packet[OCS_BIND_REPLY_MAX], const struct ocs_bind_reply *reply);
int ocs_bind_reply_get(const uint8_t *packet, size_t len, struct ocs_bind_reply *reply);

/* The library's side. Connects and sends the request: a descriptor to read the reply from, or
 * -errno (ENOENT, ECONNREFUSED: no daemon; EAGAIN: not within timeout_ms; 0: without waiting). */
int ocs_bind_request_send(const char *folder, const char *user, int timeout_ms);
/* 1: *reply is filled; 0: nothing within timeout_ms; -1: the daemon hung up or talks nonsense. */
int ocs_bind_reply_read(int fd, int timeout_ms, struct ocs_bind_reply *reply);

#endif
