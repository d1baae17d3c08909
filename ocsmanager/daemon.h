/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The daemon put together: registry, index, user map, authentication, dispatch, web service.
 * All functions are for the main thread, with all signals blocked that main waits for.
 */
#ifndef OCSMANAGER_DAEMON_H
#define OCSMANAGER_DAEMON_H

#include <stddef.h>

#include "config/config.h"
#include "base/error.h"

struct ocs_daemon;
struct ocs_local_socket;

/* The files that the parts read: account file, passwords, user map; see check.h for
 * the rest of what `ocsmanager -t` looks at. Reports every
 * problem; changes and creates nothing. -1 if one of them keeps the daemon from starting. */
int ocs_daemon_check(const struct ocs_config *config, ocs_report_fn *report, void *arg);

/* Starts everything; when it returns 0, clients are answered. private_folder as made by
 * ocs_folder_private(). local: see service.h. Takes the config over with talloc_steal(), also on
 * failure. What is wrong without keeping it from starting is logged. On -1 nothing is left running,
 * but a thread that hangs in the network, and the config then. */
int ocs_daemon_start(struct ocs_config *config, const char *private_folder,
                     struct ocs_local_socket *local, struct ocs_daemon **daemon_r,
                     struct ocs_error *error);

/* Reads the ini and what it names again and puts it into effect, all of it or nothing; logs every
 * problem, and at the end how it went. */
void ocs_daemon_reload(struct ocs_daemon *daemon);

/* Where it answers: "listening on ADDRESS:PORT\noperations on ADDRESS:PORT\n", on mem_ctx. NULL:
 * out of memory. */
char *ocs_daemon_addresses(const struct ocs_daemon *daemon, const void *mem_ctx);

/* In words: "delivers", "delivers; WARNING" or "cannot deliver: REASON". */
void ocs_daemon_status(struct ocs_daemon *daemon, char *text, size_t size);

/* Every half second, by the main thread. */
void ocs_daemon_tick(struct ocs_daemon *daemon);

/* The lock's file is made again where somebody removes it, from now until the stop. */
struct ocs_folder_lock;
void ocs_daemon_watch_lock(struct ocs_daemon *daemon, struct ocs_folder_lock *lock);

/* Answers what is in flight, stops all threads, frees. */
void ocs_daemon_stop(struct ocs_daemon *daemon);

#endif
