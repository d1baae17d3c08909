/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The HTTP side of the daemon: the web service (authenticate, notification) and the operations
 * listener (healthz, metrics, status), each a libmicrohttpd daemon with threads of its own.
 *
 * Everything here is called from the main thread only; the threads inside call auth, dispatch
 * and the link, which therefore must outlive the service: start them before it, stop them after it.
 * What is needed of the configuration is copied. Texts go to ocs_log(); nothing else is printed.
 */
#ifndef OCSMANAGER_SERVICE_H
#define OCSMANAGER_SERVICE_H

#include <stdint.h>

#include "base/error.h"

/* Said of a host where others could read along. */
#define OCS_SERVICE_NOT_PLAIN                                                                      \
	"beyond loopback TLS is needed: set tls_cert and tls_key, or plain_http = yes to let "     \
	"everyone on the way read and misuse it"

struct ocs_auth;
struct ocs_certificates;
struct ocs_config;
struct ocs_auth_limits;
struct ocs_dispatch;
struct ocs_http_settings;
struct ocs_link;
struct ocs_local_socket;
struct ocs_report_socket;
struct ocs_service;

/* What the [account:NAME] sections allow: a talloc object on mem_ctx. NULL with error: they
 * contradict each other. */
struct ocs_auth_limits *ocs_service_limits(const struct ocs_config *config, const void *mem_ctx,
                                           struct ocs_error *error);

/* Binds the addresses of [server:main] and [operations] and starts to answer; then logs
 * 'listening on ADDRESS:PORT' and 'operations on ADDRESS:PORT' (IPv6 as [::1]:PORT) with the real
 * ports. link: NULL on a single machine. local and reports are served too, and outlive the
 * service; NULL: there is none. On -1 nothing is left running. */
int ocs_service_start(const struct ocs_config *config, struct ocs_auth *auth,
                      struct ocs_dispatch *dispatch, struct ocs_link *link,
                      struct ocs_local_socket *local, struct ocs_report_socket *reports,
                      struct ocs_service **out, struct ocs_error *error);

/* What a reload needs and may not get: memory, and threads, so many for logins that ask a directory
 * (those that were started stay). -1: nothing changed. *settings_r is for ocs_service_reload(), or
 * ocs_http_settings_release(). */
int ocs_service_prepare(struct ocs_service *service, const struct ocs_config *config,
                        unsigned askers, struct ocs_http_settings **settings_r,
                        struct ocs_error *error);
/* Takes over request_deadline, max_body, max_batch and the accounts' limits for requests that begin
 * from now on, and the settings. What needs a restart (addresses, ports, threads, connection
 * limits, keepalive_timeout, TLS or none) is left as it is. The certificates are shown to
 * connections that come from now on; those that are used are taken out of the struct. */
void ocs_service_reload(struct ocs_service *service, const struct ocs_config *config,
                        struct ocs_http_settings *settings, struct ocs_certificates *certificates);

/* The addresses that are really bound, as logged. */
const char *ocs_service_address(const struct ocs_service *service);
const char *ocs_service_operations_address(const struct ocs_service *service);

/* Every half second, by the main thread: tries again what could not be had at the start, and looks
 * when certificates end. */
void ocs_service_tick(struct ocs_service *service);
/* Accepts no more, answers what is in flight (3 s at most, then 503), stops all threads, frees.
 * NULL is allowed. Requests still inside dispatch after that answer to nobody: stop dispatch next.
 * -1: a thread hangs in the middle of an answer, so threads and memory are left as they are, what
 * they use must stay, and the process must end. */
int ocs_service_stop(struct ocs_service *service);

#endif
