/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The pages of the operations address, and the handler that answers with them. */
#include "ocsmanager/operations.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "cluster/link.h"
#include "notify/dispatch.h"
#include "http/exchange.h"
#include "ocsmanager/http_request.h"
#include "ocsmanager/operations_link.h"

#define PLAIN "text/plain; charset=utf-8"

struct page {
	unsigned code;
	const char *type;
	char *text; /* malloc()ed; NULL: out of memory */
	size_t len;
};

static void set_text(struct page *page, unsigned code, const char *text)
{
	page->code = code;
	page->type = PLAIN;
	if (asprintf(&page->text, "%s\n", text) < 0)
		page->text = NULL;
	else
		page->len = strlen(page->text);
}

/* What was written is the page; the page has no text if it could not be written. */
static void end_page(struct page *page, FILE *out)
{
	int failed = ferror(out);

	if (fclose(out) != 0 || failed) {
		free(page->text);
		page->text = NULL;
	}
}

static int health(struct ocs_http_server *server, struct ocs_error *reason)
{
	if (atomic_load(&server->stopping))
		return ocs_error_set(reason, "the server is stopping");
	return ocs_dispatch_health(server->dispatch, reason);
}

/* The first line is `ok` or the reason; more lines tell what does not keep it from delivering. */
static void write_health(FILE *out, struct ocs_http_server *server, bool healthy,
                         const char *reason)
{
	struct ocs_health *table = ocs_dispatch_health_of(server->dispatch);

	fprintf(out, "%s\n", healthy ? "ok" : reason);
	for (int source = 0; source < OCS_HEALTH_SOURCES; source++) {
		struct ocs_health_report report;

		ocs_health_copy(table, (enum ocs_health_source)source, &report);
		if (report.state != OCS_HEALTH_WELL && strcmp(report.text, reason) != 0)
			fprintf(out, "%s: %s: %s\n",
			        report.state == OCS_HEALTH_WARNING ? "warning" : "also",
			        ocs_health_word((enum ocs_health_source)source), report.text);
	}
	if (server->link != NULL)
		ocs_operations_link_notes(out, server->link);
}

static void operations_healthz(struct ocs_http_server *server, struct page *page)
{
	FILE *out = open_memstream(&page->text, &page->len);
	struct ocs_error reason = {.text = ""};
	bool healthy = health(server, &reason) == 0;

	page->code = healthy ? 200 : 503;
	page->type = PLAIN;
	if (out == NULL)
		return;
	write_health(out, server, healthy, reason.text);
	end_page(page, out);
}

static void look(struct ocs_http_server *server, struct ocs_metrics_view *view)
{
	memset(view, 0, sizeof(*view));
	view->metrics = &server->metrics;
	ocs_dispatch_counters(server->dispatch, &view->dispatch);
	ocs_auth_count(server->auth, &view->auth);
	view->health = ocs_dispatch_health_of(server->dispatch);
	view->healthy = health(server, NULL) == 0;
	if (server->link != NULL)
		view->link = ocs_link_status_of(server->link);
}

/* Under the first reason: the others, and what an admin should see to. */
static void write_notes(FILE *out, struct ocs_http_server *server, const char *reason)
{
	struct ocs_health *table = ocs_dispatch_health_of(server->dispatch);

	for (int source = 0; source < OCS_HEALTH_SOURCES; source++) {
		struct ocs_health_report report;

		ocs_health_copy(table, (enum ocs_health_source)source, &report);
		if (report.state == OCS_HEALTH_WELL || strcmp(report.text, reason) == 0)
			continue;
		fputs(report.state == OCS_HEALTH_WARNING ? "<p>Warning: "
		                                         : "<p><strong>Also:</strong> ",
		      out);
		ocs_operations_escaped(out, report.text);
		fputs("</p>\n", out);
	}
}

static void operations_metrics(struct ocs_http_server *server, struct page *page)
{
	struct ocs_metrics_view view;

	look(server, &view);
	page->code = 200;
	page->type = "text/plain; version=0.0.4; charset=utf-8";
	page->text = ocs_metrics_text(&view, &page->len);
}

static void write_row(FILE *out, const char *name, uint64_t value)
{
	fprintf(out, "<tr><td>%s</td><td>%" PRIu64 "</td></tr>\n", name, value);
}

static void write_time(FILE *out, const char *name, time_t when)
{
	struct tm parts;
	char text[40] = "never";

	if (when != 0 && gmtime_r(&when, &parts) != NULL)
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", &parts);
	fprintf(out, "<tr><td>%s</td><td>%s</td></tr>\n", name, text);
}

static void write_status(FILE *out, struct ocs_http_server *server)
{
	struct ocs_error reason = {.text = ""};
	struct ocs_metrics_view view;

	look(server, &view);
	fputs("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
	      "<title>OCSManager</title><style>body{font-family:sans-serif;margin:2em}"
	      "td{padding:.1em 1em .1em 0}</style></head><body>\n<h1>OCSManager " OCS_VERSION
	      "</h1>\n<p>",
	      out);
	if (health(server, &reason) == 0) {
		fputs("It can deliver.", out);
	} else {
		fputs("<strong>It cannot deliver:</strong> ", out);
		ocs_operations_escaped(out, reason.text);
	}
	fputs("</p>\n", out);
	write_notes(out, server, reason.text);
	fputs("<h2>Notifications</h2>\n<table>\n", out);
	write_row(out, "came in", ocs_metrics_received(&view));
	write_row(out, "queued", view.dispatch.queued);
	write_row(out, "nobody waited for", view.dispatch.nosubscriber);
	write_row(out, "duplicates", view.dispatch.duplicate);
	write_row(out, "refused", ocs_metrics_refused(&view));
	write_time(out, "last one that ended well",
	           (time_t)(view.dispatch.last_success_us / 1000000));
	fputs("</table>\n<h2>Queue entries</h2>\n<table>\n", out);
	write_row(out, "into kernel queues", view.dispatch.entries_kernel);
	write_row(out, "into spill lists", view.dispatch.entries_spilled);
	write_row(out, "dropped past the limits", view.dispatch.entries_dropped);
	write_row(out, "collapsed into one", view.dispatch.entries_collapsed);
	write_row(out, "queues that could not be opened", view.dispatch.queue_open_failures);
	fputs("</table>\n<h2>Server</h2>\n<table>\n", out);
	write_time(out, "started", view.metrics->started);
	write_row(out, "connections", atomic_load(&server->metrics.connections.open));
	write_row(out, "accounts", view.auth.accounts);
	write_row(out, "commits", view.dispatch.commits);
	write_row(out, "failed commits", view.dispatch.commit_failures);
	write_row(out, "sessions of dead consumers removed", view.dispatch.sessions_reaped);
	write_row(out, "damaged records", view.dispatch.damaged_records);
	fputs("</table>\n", out);
	if (server->link != NULL)
		ocs_operations_link_html(out, server->link);
	fputs("<p><a href=\"/metrics\">All counters</a></p>\n</body></html>\n", out);
}

static void operations_status(struct ocs_http_server *server, struct page *page)
{
	FILE *out = open_memstream(&page->text, &page->len);

	page->code = 200;
	page->type = "text/html; charset=utf-8";
	if (out == NULL)
		return;
	write_status(out, server);
	end_page(page, out);
}

static void operations_link_page(struct ocs_http_server *server, struct page *page)
{
	if (server->link == NULL) {
		set_text(page, 404, "a single machine: [rabbitmq] uri is not set");
		return;
	}
	page->code = 200;
	page->type = "application/json";
	page->text = ocs_operations_link_json(server->link);
	page->len = page->text != NULL ? strlen(page->text) : 0;
}

/* Who answers here, so that `ocsctl` does not take another daemon for the one it asks about. */
static void operations_identity(struct ocs_http_server *server, struct page *page)
{
	json_t *object = json_pack("{s:s, s:s, s:i}", "program", "ocsmanager", "version",
	                           OCS_VERSION, "pid", (int)getpid());
	json_t *registry = json_string(server->registry); /* NULL: no UTF-8 */

	page->code = 200;
	page->type = "application/json";
	if (object != NULL &&
	    json_object_set_new(object, "registry", registry != NULL ? registry : json_null()) == 0)
		page->text = json_dumps(object, JSON_COMPACT);
	page->len = page->text != NULL ? strlen(page->text) : 0;
	json_decref(object);
}

static const struct {
	const char *path;
	void (*make)(struct ocs_http_server *server, struct page *page);
} pages[] = {{"/healthz", operations_healthz},
             {"/metrics", operations_metrics},
             {"/status", operations_status},
             {"/link", operations_link_page},
             {"/identity", operations_identity}};

static void make_page(struct ocs_http_server *server, const char *url, const char *method,
                      struct page *page)
{
	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
		if (strcmp(url, pages[i].path) != 0)
			continue;
		if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
			set_text(page, 405, "only GET and HEAD");
		else
			pages[i].make(server, page);
		return;
	}
	set_text(page, 404, "try /healthz, /metrics, /status, /link or /identity");
}

/* Bytes of a body that nobody reads. */
#define BODY_MAX 65536

static enum MHD_Result answer(struct ocs_http_exchange *exchange, const struct page *page)
{
	struct MHD_Response *response =
	        page->text != NULL ? ocs_http_response(page->text, page->len) : NULL;

	ocs_http_header(&response, "Content-Type", page->type);
	ocs_http_header(&response, "Cache-Control", "no-store");
	ocs_http_header(&response, "X-Content-Type-Options", "nosniff");
	ocs_http_header(&response, "Allow", page->code == 405 ? "GET, HEAD" : NULL);
	return ocs_http_respond(exchange, page->code, response);
}

enum MHD_Result ocs_operations_handle(void *server, struct MHD_Connection *connection,
                                      const char *url, const char *method, const char *version,
                                      const char *upload, size_t *upload_size, void **state)
{
	struct ocs_http_exchange exchange = {
	        .connection = connection, .peer = ocs_http_peer(connection), .body_max = BODY_MAX};
	const char *fault = NULL;
	struct page page = {0};

	(void)upload;
	if (exchange.peer == NULL)
		return MHD_NO;
	/* The first call is for the headers alone. A body is read and ignored; one that is long, or
	 * does not say how long it is, is not read, and the connection ends. */
	if (*state == NULL) {
		*state = server;
		fault = ocs_http_exchange_check(&exchange, method, version);
		if (!exchange.close && !exchange.too_large)
			return MHD_YES;
		exchange.close = true;
	}
	if (*upload_size != 0) {
		*upload_size = 0;
		return MHD_YES;
	}
	if (!ocs_http_work(exchange.peer))
		return MHD_NO;
	if (fault != NULL)
		set_text(&page, 400, fault);
	else if (exchange.too_large)
		set_text(&page, 413, "no body is needed here");
	else
		make_page(server, url, method, &page);
	return answer(&exchange, &page);
}

void ocs_operations_completed(void *server, struct MHD_Connection *connection, void **state,
                              enum MHD_RequestTerminationCode why)
{
	struct ocs_http_connection *peer = ocs_http_peer(connection);

	(void)server;
	(void)state;
	(void)why;
	if (peer != NULL)
		ocs_http_end(peer);
}
