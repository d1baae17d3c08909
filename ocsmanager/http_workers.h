/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * A few threads for what takes too long for the threads of the connections: password hashing and
 * synced commits; and, of their own, so that others do not wait with them, logins that ask a
 * directory. The queue is bounded; who is OVERLOADED when it is full is auth/turns.h's.
 */
#ifndef OCSMANAGER_HTTP_WORKERS_H
#define OCSMANAGER_HTTP_WORKERS_H

#include "ocsmanager/http_request.h"

#define OCS_HTTP_WORKERS_MAX 8

int ocs_http_workers_start(unsigned threads, struct ocs_http_workers **out,
                           struct ocs_error *error);
/* More of them, up to that many. -1: not all can be started; what there is goes on. By who started
 * and stops them. */
int ocs_http_workers_fill(struct ocs_http_workers *workers, unsigned threads,
                          struct ocs_error *error);
/* Ends what is queued; the answers go nowhere if their connections are gone. */
void ocs_http_workers_stop(struct ocs_http_workers *workers);

/* Calls work(request) in a worker thread, which fills in the reply. Takes a reference. Returns what
 * an action returns: READY with 503 in the reply when the queue is full. */
enum ocs_http_action ocs_http_workers_submit(struct ocs_http_workers *workers,
                                             struct ocs_http_request *request,
                                             void (*work)(struct ocs_http_request *request));

#endif
