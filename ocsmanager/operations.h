/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What the operations listener answers: /healthz, /metrics, /status, and /link (the link to other
 * machines as JSON). Its thread only reads counters and asks dispatch and link how they are.
 */
#ifndef OCSMANAGER_OPERATIONS_H
#define OCSMANAGER_OPERATIONS_H

#include <microhttpd.h>

/* server: struct ocs_http_server. */
enum MHD_Result ocs_operations_handle(void *server, struct MHD_Connection *connection,
                                      const char *url, const char *method, const char *version,
                                      const char *upload, size_t *upload_size, void **state);
void ocs_operations_completed(void *server, struct MHD_Connection *connection, void **state,
                              enum MHD_RequestTerminationCode why);

#endif
