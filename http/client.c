/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Finds out who asks: see client.h. Touches the request's headers and its connection. */
#include "http/client.h"

#include <string.h>
#include <strings.h>
#include <syslog.h>

#include "http/forwarded.h"
#include "http/proxies.h"
#include "base/log_budget.h"
#include "base/peer.h"

#define LINES_MAX 2048 /* bytes of all lines of a header together */

/* The lines of a header, joined by commas as RFC 9110 section 5.3 has it. */
struct lines {
	const char *name;
	char text[LINES_MAX];
	size_t len;
	bool found, too_long;
};

static enum MHD_Result client_join(void *arg, enum MHD_ValueKind kind, const char *name,
                                   const char *value)
{
	struct lines *lines = arg;
	size_t len;

	(void)kind;
	if (value == NULL || strcasecmp(name, lines->name) != 0)
		return MHD_YES;
	lines->found = true;
	len = strlen(value);
	if (lines->len + 1 + len >= sizeof(lines->text)) {
		lines->too_long = true;
		return MHD_NO;
	}
	if (lines->len > 0)
		lines->text[lines->len++] = ',';
	memcpy(lines->text + lines->len, value, len);
	lines->len += len;
	lines->text[lines->len] = '\0';
	return MHD_YES;
}

static void read_lines(struct MHD_Connection *connection, const char *name, struct lines *lines)
{
	lines->name = name;
	lines->len = 0;
	lines->text[0] = '\0';
	lines->found = lines->too_long = false;
	MHD_get_connection_values(connection, MHD_HEADER_KIND, client_join, lines);
}

enum told { NOTHING, HOPS, NONSENSE };

static enum told read_hops(struct MHD_Connection *connection, enum ocs_http_proxy_header header,
                           struct ocs_http_hops *hops)
{
	struct lines lines, protos;

	hops->n = 0;
	protos.too_long = false;
	read_lines(connection, header == OCS_HTTP_FORWARDED ? "Forwarded" : "X-Forwarded-For",
	           &lines);
	if (header != OCS_HTTP_FORWARDED)
		read_lines(connection, "X-Forwarded-Proto", &protos);
	if (!lines.found)
		return NOTHING;
	if (lines.too_long || protos.too_long ||
	    (header == OCS_HTTP_FORWARDED
	             ? ocs_http_forwarded(lines.text, hops)
	             : ocs_http_forwarded_for(lines.text, protos.text, hops)) != 0)
		return NONSENSE;
	return hops->n > 0 ? HOPS : NOTHING;
}

/* From the nearest hop on. */
static void decide(const struct ocs_http_hops *hops, const struct ocs_http_proxies *proxies,
                   struct ocs_http_client *client)
{
	client->told = client->line_private = true;
	for (unsigned i = 0; i < hops->n; i++) {
		const struct ocs_http_hop *hop = &hops->list[i];
		const struct sockaddr *from = (const struct sockaddr *)&hop->from;

		client->https = hop->https;
		if (hop->from.ss_family == AF_UNSPEC) {
			client->line_private = client->line_private && hop->https;
			client->told = false; /* that is some proxy's address still */
			return;
		}
		client->line_private =
		        client->line_private && (hop->https || ocs_peer_is_loopback(from));
		client->address = hop->from;
		if (!ocs_http_proxies_has(proxies, from))
			return;
	}
}

const char *ocs_http_client_look(struct MHD_Connection *connection,
                                 struct ocs_http_connection *peer)
{
	struct ocs_http_client client = {.address = peer->address};
	char sender[OCS_HTTP_PEER_SIZE];
	struct ocs_http_hops hops;
	enum told told;

	if (!peer->proxied)
		return NULL;
	told = read_hops(connection, ocs_http_proxies_header(peer->proxies), &hops);
	ocs_http_format_sender(peer, sender);
	if (told == HOPS)
		decide(&hops, peer->proxies, &client);
	else if (told == NOTHING)
		ocs_log_budgeted(LOG_NOTICE, "proxy", sender,
		                 "%s is one of [server:main] proxies and does not say for whom it "
		                 "asks (proxy_header): the request counts as its own",
		                 sender);
	ocs_http_guard_client(peer, &client);
	return told == NONSENSE ? "the header that says for whom a proxy asks cannot be read"
	                        : NULL;
}
