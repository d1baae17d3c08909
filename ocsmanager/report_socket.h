/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The socket that MAPI servers report over (registry/socket_address.h), for whoever may use the
 * registry: its group. The daemon's own name for it is in the private folder, where nobody else can
 * touch it; the one in the registry folder is a link to it, which is made again where somebody
 * removes it.
 *
 * Main thread, but for look, which is the store thread's.
 */
#ifndef OCSMANAGER_REPORT_SOCKET_H
#define OCSMANAGER_REPORT_SOCKET_H

#include "base/error.h"

struct ocs_report_socket;

/* Listens, mode 0660, the group of the registry folder. One daemon serves a registry, so what is
 * there is of one that was killed: replaced. The private folder is in the registry folder. */
int ocs_report_socket_open(const char *folder, const char *private_folder,
                           struct ocs_report_socket **socket_r, struct ocs_error *error);
const char *ocs_report_socket_path(const struct ocs_report_socket *report_socket);
/* The listening descriptor; from here on it is the caller's to close. */
int ocs_report_socket_take(struct ocs_report_socket *report_socket);
/* An ocs_dispatch_file's look: 0, 1 made again, -1 it cannot be. */
int ocs_report_socket_look(void *report_socket, struct ocs_error *error);
/* Takes the names away, for good: nobody new can connect. */
void ocs_report_socket_remove(struct ocs_report_socket *report_socket);
/* Removes and frees; closes the descriptor if nobody took it. NULL is allowed. */
void ocs_report_socket_close(struct ocs_report_socket *report_socket);

#endif
