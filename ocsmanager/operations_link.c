/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The link to other machines on the pages of the operations address. Reads counters and states;
 * touches nothing else. */
#include "ocsmanager/operations_link.h"

#include <inttypes.h>
#include <jansson.h>

#include "base/utf8.h"

static uint64_t seconds_since(uint64_t since)
{
	uint64_t now = ocs_clock_ms();

	return since != 0 && now > since ? (now - since) / 1000 : 0;
}

void ocs_operations_escaped(FILE *out, const char *text)
{
	while (*text != '\0') {
		size_t len = ocs_utf8_seen(text);

		if (*text == '<')
			fputs("&lt;", out);
		else if (*text == '&')
			fputs("&amp;", out);
		else if (len > 0)
			fwrite(text, 1, len, out);
		else
			fprintf(out, "\\x%02x", (unsigned char)*text);
		text += len > 0 ? len : 1;
	}
}

void ocs_operations_link_notes(FILE *out, struct ocs_link *link)
{
	struct ocs_link_status *status = ocs_link_status_of(link);
	uint64_t spooled = OCS_LINK_GET(status, spool_messages);

	for (int i = 0; i < OCS_LINK_CONNECTIONS; i++) {
		enum ocs_link_connection which = (enum ocs_link_connection)i;
		struct ocs_link_connection_status connection;

		ocs_link_status_copy(status, which, &connection);
		if (connection.state == OCS_LINK_OFF || connection.state == OCS_LINK_UP)
			continue;
		fprintf(out, "link: %s is %s for %" PRIu64 " s%s%s\n",
		        ocs_link_connection_word(which), ocs_link_state_word(connection.state),
		        seconds_since(connection.since), connection.text[0] != '\0' ? ": " : "",
		        connection.text);
	}
	if (spooled != 0)
		fprintf(out, "link: waiting in the spool: %" PRIu64 "\n", spooled);
}

static void write_row(FILE *out, const char *name, uint64_t value)
{
	fprintf(out, "<tr><td>%s</td><td>%" PRIu64 "</td></tr>\n", name, value);
}

static void write_connection(FILE *out, struct ocs_link_status *status,
                             enum ocs_link_connection which)
{
	struct ocs_link_connection_status connection;

	ocs_link_status_copy(status, which, &connection);
	if (connection.state == OCS_LINK_OFF)
		return;
	fprintf(out, "<tr><td>%s</td><td>%s for %" PRIu64 " s</td><td>",
	        ocs_link_connection_word(which), ocs_link_state_word(connection.state),
	        seconds_since(connection.since));
	ocs_operations_escaped(out, connection.peer);
	fputs("</td><td>", out);
	ocs_operations_escaped(out, connection.text);
	fputs("</td></tr>\n", out);
}

static void write_outgoing(FILE *out, struct ocs_link *link)
{
	struct ocs_link_status *status = ocs_link_status_of(link);

	write_row(out, "wait for the broker", OCS_LINK_GET(status, pending));
	write_row(out, "the oldest of them, ms", OCS_LINK_GET(status, oldest_ms));
	if (ocs_link_spools(link)) {
		write_row(out, "wait in the spool", OCS_LINK_GET(status, spool_messages));
		write_row(out, "bytes of the spool", OCS_LINK_GET(status, spool_bytes));
	}
	write_row(out, "confirmed by the broker", OCS_LINK_GET(status, confirmed));
	write_row(out, "refused by the broker, sent again", OCS_LINK_GET(status, nacked));
	write_row(out, "not confirmed in time", OCS_LINK_GET(status, expired));
	write_row(out, "not taken: no broker, or too many", OCS_LINK_GET(status, refused));
	write_row(out, "connections lost and made again", OCS_LINK_GET(status, reconnects));
}

static void write_incoming(FILE *out, struct ocs_link_status *status)
{
	write_row(out, "handed on for users of no other node", OCS_LINK_GET(status, returned));
	write_row(out, "taken from the ingest queue", OCS_LINK_GET(status, ingested));
	write_row(out, "taken from this node's queue", OCS_LINK_GET(status, node_received));
	write_row(out, "lag of the last one, ms", OCS_LINK_GET(status, lag_ms));
	write_row(out, "wait in the ingest queue", OCS_LINK_GET(status, ingest_messages));
	write_row(out, "wait in this node's queue", OCS_LINK_GET(status, node_messages));
	write_row(out, "users bound to it", OCS_LINK_GET(status, bound_users));
	write_row(out, "users to bind or unbind", OCS_LINK_GET(status, bind_waiting));
	write_row(out, "dead letters (`ocsctl dead` shows them)",
	          OCS_LINK_GET(status, dead_messages));
}

void ocs_operations_link_html(FILE *out, struct ocs_link *link)
{
	struct ocs_link_status *status = ocs_link_status_of(link);

	fputs("<h2>Other machines</h2>\n<table>\n", out);
	for (int i = 0; i < OCS_LINK_CONNECTIONS; i++)
		write_connection(out, status, (enum ocs_link_connection)i);
	fputs("</table>\n<table>\n", out);
	write_outgoing(out, link);
	if (ocs_link_status_state(status, OCS_LINK_BIND) == OCS_LINK_OFF)
		write_row(out, "handed to the ingest queue", OCS_LINK_GET(status, relayed));
	else
		write_incoming(out, status);
	fputs("</table>\n", out);
}

/* What a broker or the system says need not be UTF-8. */
static json_t *text_json(const char *text)
{
	json_t *json = json_string(text);

	return json != NULL ? json : json_string("(not UTF-8)");
}

static json_t *connection_json(struct ocs_link_status *status, enum ocs_link_connection which)
{
	struct ocs_link_connection_status connection;

	ocs_link_status_copy(status, which, &connection);
	return json_pack("{s:s, s:I, s:o, s:o}", "state", ocs_link_state_word(connection.state),
	                 "seconds", (json_int_t)seconds_since(connection.since), "peer",
	                 text_json(connection.peer), "reason", text_json(connection.text));
}

char *ocs_operations_link_json(struct ocs_link *link)
{
	struct ocs_link_status *status = ocs_link_status_of(link);
	json_t *connections = json_object(), *counters = json_object(), *all;
	char *text;
	int failed = 0;

	for (int i = 0; i < OCS_LINK_CONNECTIONS; i++) {
		enum ocs_link_connection which = (enum ocs_link_connection)i;

		failed |= json_object_set_new(connections, ocs_link_connection_word(which),
		                              connection_json(status, which));
	}
#define X(name, type, help)                                                                        \
	failed |= json_object_set_new(counters, #name,                                             \
	                              json_integer((json_int_t)OCS_LINK_GET(status, name)));
	OCS_LINK_COUNTERS(X)
#undef X
	all = json_pack("{s:b, s:o, s:o}", "spools", (int)ocs_link_spools(link), "connections",
	                connections, "counters", counters);
	text = failed == 0 && all != NULL ? json_dumps(all, JSON_COMPACT) : NULL;
	json_decref(all);
	return text;
}
