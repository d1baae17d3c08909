/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The URIs of the brokers. librabbitmq parses them, after its gaps are closed: it refuses
 * percent-encoded bytes beyond ASCII, ends a name at %00, and takes port 0. Knows no connection.
 * What it copies holds passwords, and is wiped.
 */
#include "cluster/broker_internal.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHORT_STRING_MAX 255 /* of AMQP: user and vhost travel as one */

/* The first URI of rest, without the space around it; rest moves past it, to NULL at the end. */
static size_t first(const char **rest, const char **start_r)
{
	size_t len = strcspn(*rest, ",");
	const char *start = *rest;

	*rest = start[len] == ',' ? start + len + 1 : NULL;
	while (len > 0 && isspace((unsigned char)*start)) {
		start++;
		len--;
	}
	while (len > 0 && isspace((unsigned char)start[len - 1]))
		len--;
	*start_r = start;
	return len;
}

unsigned ocs_broker_uri_count(const char *uris)
{
	const char *start;
	unsigned count = 0;

	while (uris != NULL) {
		first(&uris, &start);
		count++;
	}
	return count;
}

/* Control characters, encoded or not, belong nowhere; encoded bytes beyond ASCII are decoded here.
 * Returns what is wrong, or NULL. */
static const char *prepare(char *text)
{
	char *to = text;

	for (const char *from = text; *from != '\0';) {
		unsigned char byte = (unsigned char)*from;

		if (byte == '%') {
			char hex[3] = {from[1], from[1] != '\0' ? from[2] : '\0', '\0'};

			if (!isxdigit((unsigned char)hex[0]) || !isxdigit((unsigned char)hex[1]))
				return "a % without two hexadecimal digits after it (write %25)";
			byte = (unsigned char)strtoul(hex, NULL, 16);
			if (byte >= 0x80) {
				*to++ = (char)byte;
				from += 3;
				continue;
			}
		} else if (byte == '?' || byte == '#') {
			return "a query or fragment, which is not supported";
		} else if (byte == ' ') {
			return "a space (write %20)";
		}
		if (byte < 0x20 || byte == 0x7f)
			return "a control character";
		*to++ = *from++;
	}
	*to = '\0';
	return NULL;
}

/* Whether it was written; what was not, the library points elsewhere: to localhost, or guest. */
static bool written(const struct ocs_broker_uri *uri, const char *part)
{
	return part >= uri->text && part < uri->text + uri->size;
}

static const char *check(struct ocs_broker_uri *uri)
{
	const char *wrong;
	const char *scheme_end = strstr(uri->text, "://");

	if (strncmp(uri->text, "amqp://", 7) != 0 && strncmp(uri->text, "amqps://", 8) != 0)
		return "no amqp:// or amqps:// at its beginning";
	if (scheme_end[3] == '\0' || scheme_end[3] == '/')
		return "no host";
	wrong = prepare(uri->text);
	if (wrong != NULL)
		return wrong;
	if (amqp_parse_url(uri->text, &uri->info) != AMQP_STATUS_OK)
		return "a part that does not fit amqp[s]://user:password@host:port/vhost (write "
		       "special characters of user, password and vhost as %XX)";
	if (!written(uri, uri->info.host))
		return "no host";
	if (!written(uri, uri->info.user) || uri->info.user[0] == '\0')
		return "no user and password (write amqps://USER:PASSWORD@HOST/VHOST)";
	if (!written(uri, uri->info.password) || uri->info.password[0] == '\0')
		return "no password (write amqps://USER:PASSWORD@HOST/VHOST)";
	if (uri->info.port <= 0)
		return "an invalid port";
	if (uri->info.vhost[0] == '\0')
		uri->info.vhost = (char *)"/";
	if (strlen(uri->info.user) > SHORT_STRING_MAX || strlen(uri->info.vhost) > SHORT_STRING_MAX)
		return "a user or vhost longer than 255 bytes";
	return NULL;
}

int ocs_broker_uri_parse(const char *uris, unsigned n, struct ocs_broker_uri *uri,
                         struct ocs_error *error)
{
	const char *start = uris, *rest = uris, *wrong;
	size_t len = 0;

	memset(uri, 0, sizeof(*uri));
	for (unsigned i = 0; i <= n && rest != NULL; i++)
		len = first(&rest, &start);
	if (len == 0)
		return ocs_error_set(error, "URI %u of the broker is empty", n + 1);
	uri->text = strndup(start, len);
	if (uri->text == NULL)
		return ocs_error_memory(error);
	uri->size = len + 1;
	wrong = check(uri);
	if (wrong == NULL)
		return 0;
	ocs_broker_uri_free(uri);
	return ocs_error_set(error, "URI %u of the broker has %s", n + 1, wrong);
}

void ocs_broker_uri_free(struct ocs_broker_uri *uri)
{
	if (uri->text != NULL)
		explicit_bzero(uri->text, uri->size);
	free(uri->text);
	uri->text = NULL;
}

void ocs_broker_uri_peer(const struct ocs_broker_uri *uri, char peer[OCS_BROKER_PEER_MAX])
{
	bool six = strchr(uri->info.host, ':') != NULL;
	const char *vhost = uri->info.vhost;

	snprintf(peer, OCS_BROKER_PEER_MAX, "%s%s%s:%d/%s", six ? "[" : "", uri->info.host,
	         six ? "]" : "", uri->info.port, strcmp(vhost, "/") == 0 ? "" : vhost);
}

int ocs_broker_check_uris(const char *uris, struct ocs_error *error)
{
	unsigned count = ocs_broker_uri_count(uris);

	for (unsigned i = 0; i < count; i++) {
		struct ocs_broker_uri uri;

		if (ocs_broker_uri_parse(uris, i, &uri, error) != 0)
			return -1;
		ocs_broker_uri_free(&uri);
	}
	return 0;
}
