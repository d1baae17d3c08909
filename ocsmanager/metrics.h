/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What the service counts, and the Prometheus text of it together with what auth and dispatch
 * count. The counting functions are for any thread and take no lock.
 */
#ifndef OCSMANAGER_METRICS_H
#define OCSMANAGER_METRICS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "auth/auth.h"
#include "http/guard.h"
#include "cluster/status.h"
#include "notify/dispatch.h"

#define OCS_METRICS_CODES    16 /* different HTTP codes, the last for all others */
#define OCS_METRICS_REFUSALS 32 /* different names of refusals, the last for all others */

enum ocs_metrics_mechanism {
	OCS_METRICS_SSHA,
	OCS_METRICS_SCRAM,
	OCS_METRICS_PLAIN,
	OCS_METRICS_MECHANISMS
};

#define OCS_METRICS_OUTCOMES OCS_AUTH_RESULTS

/* Zeroed at first; then set started. */
struct ocs_metrics {
	time_t started;         /* since 1970 */
	int64_t started_steady; /* seconds, CLOCK_MONOTONIC */
	_Atomic uint64_t requests[OCS_METRICS_CODES];
	_Atomic uint64_t refusals[OCS_METRICS_REFUSALS];
	_Atomic uint64_t logins[OCS_METRICS_MECHANISMS][OCS_METRICS_OUTCOMES];
	/* Notifications that were read but never reached dispatch: received and refused. */
	_Atomic uint64_t refused_early;
	struct ocs_http_counters connections; /* of both listeners */
};

void ocs_metrics_start(struct ocs_metrics *metrics);
void ocs_metrics_request(struct ocs_metrics *metrics, unsigned code);
void ocs_metrics_refusal(struct ocs_metrics *metrics, const char *name);

/* Everything of one moment, for the pages of the operations listener. */
struct ocs_metrics_view {
	const struct ocs_metrics *metrics;
	struct ocs_dispatch_counters dispatch;
	struct ocs_auth_counts auth;
	struct ocs_health *health;
	bool healthy;                 /* as /healthz says */
	struct ocs_link_status *link; /* NULL: a single machine */
};

/* Notifications that came in, and that were refused, over both modules. */
uint64_t ocs_metrics_received(const struct ocs_metrics_view *view);
uint64_t ocs_metrics_refused(const struct ocs_metrics_view *view);
uint64_t ocs_metrics_uptime(const struct ocs_metrics *metrics); /* seconds */

/* The Prometheus text, malloc()ed; NULL when out of memory. */
char *ocs_metrics_text(const struct ocs_metrics_view *view, size_t *len_r);

#endif
