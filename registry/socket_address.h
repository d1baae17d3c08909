/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Sockets in the registry folder that the daemon listens on and libraries connect to: their
 * address, however long the folder's path is, and connecting within a time. Any thread.
 */
#ifndef OCS_REGISTRY_SOCKET_ADDRESS_H
#define OCS_REGISTRY_SOCKET_ADDRESS_H

#include <sys/un.h>

/* What a MAPI server reports (the web service's notifications, over HTTP). */
#define OCS_REPORT_FILE "report.sock"
/* What a request over it may hold, whatever the ini allows others; the library splits what is
 * larger. A single notification with names of the longest kind, escaped, is below 64 KiB. */
#define OCS_REPORT_BATCH_MAX 256
#define OCS_REPORT_BODY_MAX  (1024 * 1024)

/* 0, or -errno. The address is good as long as *folder_fd_r is open (-1: it needs none). */
int ocs_registry_socket_address(const char *folder, const char *file, struct sockaddr_un *address,
                                int *folder_fd_r);
/* 0, or -errno. While the listener's backlog is full a blocking socket waits, -EAGAIN after that
 * time; with timeout_ms 0 it waits as the socket does. */
int ocs_registry_socket_connect(int fd, const struct sockaddr_un *address, int timeout_ms);

#endif
