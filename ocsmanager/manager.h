/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What the service manager is told (sd_notify): ready, reloading, stopping, and whether the daemon
 * delivers, within half a second of each change. Without libsystemd, or without a manager, nothing
 * is sent. For the main thread.
 */
#ifndef OCSMANAGER_MANAGER_H
#define OCSMANAGER_MANAGER_H

#include <time.h>

struct ocs_daemon;

void ocs_manager_ready(struct ocs_daemon *daemon);
void ocs_manager_reloading(void);
void ocs_manager_stopping(void);

/* How long to wait between two calls of the following. */
struct timespec ocs_manager_interval(void);
/* Pings the watchdog, and tells whether the daemon delivers if that has changed. */
void ocs_manager_look(struct ocs_daemon *daemon);

#endif
