/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Counting, and the counters as text for Prometheus. Touches nothing but the counters it is given.
 */
#include "ocsmanager/metrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

static const unsigned codes[OCS_METRICS_CODES] = {
        200, 400, 401, 403, 404, 405, 408, 411, 413, 415, 422, 429, 500, 503, 0, 0,
};

static const char *const refusals[OCS_METRICS_REFUSALS] = {
        "MALFORMED_XML",      "MALFORMED_REQUEST",
        "FORBIDDEN_XML",      "INVALID_CREDENTIALS",
        "TOKEN_EXPIRED",      "TOKEN_INVALID",
        "INVALID_SESSION",    "ACCESS_FORBIDDEN",
        "NOT_FOUND",          "METHOD_NOT_ALLOWED",
        "REQUEST_TIMEOUT",    "LENGTH_REQUIRED",
        "CONTENT_TOO_LARGE",  "UNSUPPORTED_MEDIA_TYPE",
        "MISSING_PARAMETER",  "INVALID_PARAMETER",
        "UNKNOWN_BACKEND",    "UNKNOWN_CATEGORY",
        "UNKNOWN_USER",       "BATCH_TOO_LARGE",
        "TOO_MANY_ATTEMPTS",  "INTERNAL",
        "OVERLOADED",         "REGISTRY_UNAVAILABLE",
        "BROKER_UNAVAILABLE", "DIRECTORY_UNAVAILABLE",
};

static const char *const mechanisms[OCS_METRICS_MECHANISMS] = {"SSHA", "SCRAM-SHA-256", "PLAIN"};

static uint64_t get(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

static void add(_Atomic uint64_t *counter)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

void ocs_metrics_start(struct ocs_metrics *metrics)
{
	metrics->started = time(NULL);
	metrics->started_steady = (int64_t)(ocs_clock_ms() / 1000);
}

uint64_t ocs_metrics_uptime(const struct ocs_metrics *metrics)
{
	return (uint64_t)((int64_t)(ocs_clock_ms() / 1000) - metrics->started_steady);
}

void ocs_metrics_request(struct ocs_metrics *metrics, unsigned code)
{
	size_t i = 0;

	while (i < OCS_METRICS_CODES - 1 && codes[i] != code)
		i++;
	add(&metrics->requests[i]);
}

void ocs_metrics_refusal(struct ocs_metrics *metrics, const char *name)
{
	size_t i = 0;

	while (i < OCS_METRICS_REFUSALS - 1 &&
	       (refusals[i] == NULL || strcmp(refusals[i], name) != 0))
		i++;
	add(&metrics->refusals[i]);
}

uint64_t ocs_metrics_received(const struct ocs_metrics_view *view)
{
	return view->dispatch.received + get(&view->metrics->refused_early);
}

uint64_t ocs_metrics_refused(const struct ocs_metrics_view *view)
{
	return view->dispatch.refused + get(&view->metrics->refused_early);
}

static void head(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# HELP ocsmanager_%s %s\n# TYPE ocsmanager_%s %s\n", name, help, name, type);
}

static void single(FILE *out, const char *name, const char *type, const char *help, uint64_t value)
{
	head(out, name, type, help);
	fprintf(out, "ocsmanager_%s %" PRIu64 "\n", name, value);
}

static void labelled(FILE *out, const char *name, const char *label, const char *value,
                     uint64_t number)
{
	fprintf(out, "ocsmanager_%s{%s=\"%s\"} %" PRIu64 "\n", name, label, value, number);
}

static void write_notifications(FILE *out, const struct ocs_metrics_view *view)
{
	const struct ocs_dispatch_counters *dispatch = &view->dispatch;

	single(out, "notifications_received_total", "counter", "Notifications that came in.",
	       ocs_metrics_received(view));
	head(out, "notifications_total", "counter", "Notifications by how they ended.");
	labelled(out, "notifications_total", "result", "queued", dispatch->queued);
	labelled(out, "notifications_total", "result", "nosubscriber", dispatch->nosubscriber);
	labelled(out, "notifications_total", "result", "duplicate", dispatch->duplicate);
	labelled(out, "notifications_total", "result", "refused", ocs_metrics_refused(view));
	head(out, "queue_entries_total", "counter", "Queue entries by where they went.");
	labelled(out, "queue_entries_total", "way", "kernel", dispatch->entries_kernel);
	labelled(out, "queue_entries_total", "way", "spilled", dispatch->entries_spilled);
	labelled(out, "queue_entries_total", "way", "dropped", dispatch->entries_dropped);
	labelled(out, "queue_entries_total", "way", "collapsed", dispatch->entries_collapsed);
	single(out, "commits_total", "counter", "Commits of the registry and the index.",
	       dispatch->commits);
	single(out, "commit_failures_total", "counter", "Commits that failed.",
	       dispatch->commit_failures);
	single(out, "queue_open_failures_total", "counter", "Queues that could not be opened.",
	       dispatch->queue_open_failures);
	single(out, "wakeups_total", "counter", "Wake-ups sent to consumers.", dispatch->wakeups);
	single(out, "sessions_reaped_total", "counter", "Sessions of dead consumers removed.",
	       dispatch->sessions_reaped);
	single(out, "queues_reaped_total", "counter", "Queues of dead consumers removed.",
	       dispatch->queues_reaped);
	single(out, "damaged_records_total", "counter", "Records that did not verify.",
	       dispatch->damaged_records);
	single(out, "index_bytes", "gauge", "Bytes of the identifier index, all its files.",
	       dispatch->index_bytes);
	single(out, "index_limit_bytes", "gauge", "Bytes at which nothing new is added to it.",
	       dispatch->index_limit);
	single(out, "index_files", "gauge", "Files of the identifier index.",
	       dispatch->index_files);
	head(out, "last_success_timestamp_seconds", "gauge",
	     "When a notification last ended well, 0 for never.");
	fprintf(out, "ocsmanager_last_success_timestamp_seconds %" PRIu64 ".%06" PRIu64 "\n",
	        dispatch->last_success_us / 1000000, dispatch->last_success_us % 1000000);
}

static void write_health(FILE *out, const struct ocs_metrics_view *view)
{
	single(out, "healthy", "gauge", "Whether it can deliver: what /healthz says.",
	       view->healthy);
	head(out, "health_trouble", "gauge",
	     "Health by subject: 0 healthy, 1 warning, 2 cannot deliver.");
	for (int i = 0; i < OCS_HEALTH_SOURCES; i++) {
		enum ocs_health_source source = (enum ocs_health_source)i;

		labelled(out, "health_trouble", "source", ocs_health_word(source),
		         (uint64_t)ocs_health_state(view->health, source));
	}
}

static void write_requests(FILE *out, const struct ocs_metrics *metrics)
{
	uint64_t timeouts = get(&metrics->connections.timeouts); /* past any handler */

	head(out, "requests_total", "counter", "Answers of the web service by HTTP code.");
	for (size_t i = 0; i < OCS_METRICS_CODES; i++) {
		char code[12];

		if (i < OCS_METRICS_CODES - 1 && codes[i] == 0)
			continue;
		snprintf(code, sizeof(code), "%u", codes[i]);
		labelled(out, "requests_total", "code", codes[i] == 0 ? "other" : code,
		         get(&metrics->requests[i]) + (codes[i] == 408 ? timeouts : 0));
	}
	head(out, "refusals_total", "counter", "Requests and notifications refused, by name.");
	for (size_t i = 0; i < OCS_METRICS_REFUSALS; i++) {
		if (i < OCS_METRICS_REFUSALS - 1 && refusals[i] == NULL)
			continue;
		labelled(out, "refusals_total", "name", refusals[i] == NULL ? "OTHER" : refusals[i],
		         get(&metrics->refusals[i]) +
		                 (refusals[i] != NULL && strcmp(refusals[i], "REQUEST_TIMEOUT") == 0
		                          ? timeouts
		                          : 0));
	}
	head(out, "logins_total", "counter", "Logins by mechanism and outcome.");
	for (int mechanism = 0; mechanism < OCS_METRICS_MECHANISMS; mechanism++)
		for (int outcome = 0; outcome < OCS_METRICS_OUTCOMES; outcome++)
			fprintf(out,
			        "ocsmanager_logins_total{mechanism=\"%s\",outcome=\"%s\"} %" PRIu64
			        "\n",
			        mechanisms[mechanism],
			        ocs_auth_result_name((enum ocs_auth_result)outcome),
			        get(&metrics->logins[mechanism][outcome]));
}

static void write_lockouts(FILE *out, const struct ocs_auth_counts *auth)
{
	head(out, "lockouts", "gauge", "What failed logins lock now, by what they are counted by.");
	for (int kind = 0; kind < OCS_ORIGIN_KINDS; kind++)
		labelled(out, "lockouts", "counted", ocs_auth_kind_word((enum ocs_origin_kind)kind),
		         auth->locked[kind]);
	head(out, "lockouts_total", "counter", "Locks that failed logins began.");
	for (int kind = 0; kind < OCS_ORIGIN_KINDS; kind++)
		labelled(out, "lockouts_total", "counted",
		         ocs_auth_kind_word((enum ocs_origin_kind)kind), auth->locks[kind]);
	single(out, "failures_uncounted_total", "counter",
	       "Failed logins that one of the tables had no place for, full of locks.",
	       auth->uncounted);
}

static void write_connections(FILE *out, struct ocs_link_status *link)
{
	enum ocs_link_state states[OCS_LINK_CONNECTIONS];

	for (int which = 0; which < OCS_LINK_CONNECTIONS; which++)
		states[which] = ocs_link_status_state(link, (enum ocs_link_connection)which);
	head(out, "link_up", "gauge", "Whether a connection to the broker does its work.");
	for (int which = 0; which < OCS_LINK_CONNECTIONS; which++) {
		if (states[which] != OCS_LINK_OFF)
			labelled(out, "link_up", "connection",
			         ocs_link_connection_word((enum ocs_link_connection)which),
			         states[which] == OCS_LINK_UP);
	}
	head(out, "link_state", "gauge",
	     "State of a connection to the broker: 1 for the one it is in, else 0.");
	for (int which = 0; which < OCS_LINK_CONNECTIONS; which++)
		for (int state = OCS_LINK_OFF; state <= OCS_LINK_REFUSED; state++)
			fprintf(out, "ocsmanager_link_state{connection=\"%s\",state=\"%s\"} %d\n",
			        ocs_link_connection_word((enum ocs_link_connection)which),
			        ocs_link_state_word((enum ocs_link_state)state),
			        state == (int)states[which]);
}

static void write_link(FILE *out, struct ocs_link_status *link)
{
	const struct {
		const char *name, *type, *help;
		uint64_t value;
	} all[] = {
#define X(name, type, help) {#name, type, help, OCS_LINK_GET(link, name)},
	        OCS_LINK_COUNTERS(X)
#undef X
	};

	write_connections(out, link);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		char name[64];

		snprintf(name, sizeof(name), "link_%s%s", all[i].name,
		         strcmp(all[i].type, "counter") == 0 ? "_total" : "");
		single(out, name, all[i].type, all[i].help, all[i].value);
	}
}

char *ocs_metrics_text(const struct ocs_metrics_view *view, size_t *len_r)
{
	const struct ocs_metrics *metrics = view->metrics;
	char *text = NULL;
	FILE *out = open_memstream(&text, len_r);
	int failed;

	if (out == NULL)
		return NULL;
	head(out, "build_info", "gauge", "The version that runs.");
	labelled(out, "build_info", "version", OCS_VERSION, 1);
	single(out, "start_time_seconds", "gauge", "When it was started, since 1970.",
	       (uint64_t)metrics->started);
	single(out, "uptime_seconds", "gauge", "How long it has been running.",
	       ocs_metrics_uptime(metrics));
	write_health(out, view);
	write_notifications(out, view);
	write_requests(out, metrics);
	single(out, "connections", "gauge", "Connections open now.",
	       get(&metrics->connections.open));
	single(out, "connections_total", "counter", "Connections accepted.",
	       get(&metrics->connections.total));
	single(out, "connections_evicted_total", "counter",
	       "Silent connections closed for one that came when all were in use.",
	       get(&metrics->connections.evicted));
	single(out, "connections_refused_total", "counter",
	       "Connections turned away: all in use, or no file descriptor left.",
	       get(&metrics->connections.refused));
	single(out, "accounts", "gauge", "Accounts that may log in.", view->auth.accounts);
	single(out, "pending_challenges", "gauge", "Logins begun and not ended.",
	       view->auth.pending_challenges);
	single(out, "challenges_displaced_total", "counter",
	       "Logins begun that made room for others before they ended.",
	       view->auth.displaced_challenges);
	write_lockouts(out, &view->auth);
	single(out, "revoked_tokens", "gauge", "Tokens that were logged out and not yet expired.",
	       view->auth.revoked_tokens);
	if (view->link != NULL)
		write_link(out, view->link);
	failed = ferror(out);
	if (fclose(out) != 0 || failed) {
		free(text);
		return NULL;
	}
	return text;
}
