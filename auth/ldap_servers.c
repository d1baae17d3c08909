/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Reading [auth:ldap] host: see ldap_servers.h. Memory only. */
#include "auth/ldap_servers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "auth/codec.h"

#define LOCAL_SOCKET "/run/slapd/ldapi" /* what ldapi:/// is in Debian */

static int wrong(struct ocs_error *error, const char *text, const char *why)
{
	return ocs_error_set(error, "'%.200s': %s", text, why);
}

static bool is_host(const char *host)
{
	return *host && strspn(host, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	                             "0123456789.:-_%") == strlen(host);
}

static int set_port(struct ocs_ldap_server *server, const char *port)
{
	char *end;
	unsigned long number = strtoul(port, &end, 10);

	if (*port < '0' || *port > '9' || *end || number < 1 || number > 65535)
		return -1;
	snprintf(server->port, sizeof(server->port), "%lu", number);
	return 0;
}

/* PATH of ldapi://PATH, where a slash is %2F. */
static int read_path(struct ocs_ldap_server *server, const char *text, struct ocs_error *error)
{
	size_t used = 0;

	for (const char *p = text; *p && *p != '/'; used++) {
		uint8_t byte = (uint8_t)*p;

		if (used + 1 >= sizeof(server->path))
			return wrong(error, text, "the path of the socket is too long");
		if (*p == '%' &&
		    ocs_auth_hex_decode((char[]){p[1], p[1] ? p[2] : '\0', '\0'}, &byte, 1) < 0)
			return wrong(error, text, "a % needs two hexadecimal digits behind it");
		if (byte == '\0')
			return wrong(error, text, "a path has no NUL");
		p += *p == '%' ? 3 : 1;
		server->path[used] = (char)byte;
	}
	server->path[used] = '\0';
	if (used == 0)
		strcpy(server->path, LOCAL_SOCKET);
	if (server->path[0] != '/')
		return wrong(error, text,
		             "behind ldapi:// comes the path of a socket with %2F for each slash");
	return 0;
}

/* HOST, HOST:PORT or [ADDRESS]:PORT, with a slash at most. */
static int read_host(struct ocs_ldap_server *server, const char *text, struct ocs_error *error)
{
	char host[sizeof(server->host) + 10];
	size_t len = strcspn(text, "/");
	char *port;

	if (text[len] && text[len + 1])
		return wrong(error, text,
		             "only a host and a port belong into the URI; the rest is basedn and "
		             "filter");
	if (len >= sizeof(host))
		return wrong(error, text, "too long");
	memcpy(host, text, len);
	host[len] = '\0';
	char *name = host, *end = strchr(host, ']');
	if (host[0] == '[' && end) {
		name++;
		port = end[1] == ':' ? end + 2 : NULL;
		if (end[1] && !port)
			return wrong(error, text, "is neither a host nor an address");
		*end = '\0';
	} else {
		port = strchr(host, ':');
		if (port)
			*port++ = '\0';
	}
	if (strlen(name) > OCS_LDAP_HOST_MAX || !is_host(name))
		return wrong(error, text, "is neither a host nor an address");
	strcpy(server->host, name);
	return !port || set_port(server, port) == 0 ? 0 : wrong(error, text, "has a bad port");
}

static void set_url(struct ocs_ldap_server *server)
{
	const struct ocs_ldap_server from = *server;
	bool six = strchr(from.host, ':') != NULL;

	snprintf(server->url, sizeof(server->url), "%s://%s%s%s:%s", from.tls ? "ldaps" : "ldap",
	         six ? "[" : "", from.host, six ? "]" : "", from.port);
}

static int read_server(const char *text, unsigned port, struct ocs_ldap_server *server,
                       struct ocs_error *error)
{
	int rc;

	memset(server, 0, sizeof(*server));
	if (strncasecmp(text, "ldapi://", 8) == 0) {
		snprintf(server->url, sizeof(server->url), "%s", text);
		return read_path(server, text + 8, error);
	}
	server->tls = strncasecmp(text, "ldaps://", 8) == 0;
	if (server->tls || strncasecmp(text, "ldap://", 7) == 0) {
		strcpy(server->port, server->tls ? "636" : "389");
		rc = read_host(server, strstr(text, "://") + 3, error);
	} else if (strstr(text, "://")) {
		rc = wrong(error, text, "a URI begins with ldap://, ldaps:// or ldapi://");
	} else if (strlen(text) > OCS_LDAP_HOST_MAX || !is_host(text) ||
	           (strchr(text, ':') && strchr(text, ':') == strrchr(text, ':'))) {
		rc = wrong(error, text,
		           "is neither a host nor an address nor a URI (ldap://HOST:PORT)");
	} else {
		snprintf(server->port, sizeof(server->port), "%u", port);
		strcpy(server->host, text);
		rc = 0;
	}
	if (rc == 0)
		set_url(server);
	return rc;
}

int ocs_ldap_servers_read(const char *text, unsigned port, struct ocs_ldap_servers *servers_r,
                          struct ocs_error *error)
{
	char one[sizeof(servers_r->server[0].url) - 16];

	servers_r->count = 0;
	for (text += strspn(text, ", \t"); *text; text += strspn(text, ", \t")) {
		size_t len = strcspn(text, ", \t");

		if (servers_r->count == OCS_LDAP_SERVERS_MAX)
			return ocs_error_set(error, "more than %d servers", OCS_LDAP_SERVERS_MAX);
		if (len >= sizeof(one))
			return wrong(error, text, "too long");
		memcpy(one, text, len);
		one[len] = '\0';
		if (read_server(one, port, &servers_r->server[servers_r->count], error) < 0)
			return -1;
		servers_r->count++;
		text += len;
	}
	return servers_r->count > 0 ? 0 : ocs_error_set(error, "no server is named");
}
