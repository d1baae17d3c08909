/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * One connection: its deadline, its name in the log, and a refusal that is written without
 * libmicrohttpd. Touches the socket of the connection only.
 */
#include "http/guard.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/peer.h"

int64_t ocs_http_now(void)
{
	struct timespec now;

	if (clock_gettime(CLOCK_MONOTONIC_COARSE, &now) != 0)
		return 0;
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void ocs_http_format_address(const struct sockaddr *address, char out[OCS_HTTP_PEER_SIZE])
{
	char host[INET6_ADDRSTRLEN] = "?";

	if (address->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)address;

		if (inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host)) != NULL)
			snprintf(out, OCS_HTTP_PEER_SIZE, "%s:%u", host, ntohs(in->sin_port));
	} else if (address->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;

		if (inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host)) != NULL)
			snprintf(out, OCS_HTTP_PEER_SIZE, "[%s]:%u", host, ntohs(in6->sin6_port));
	} else {
		snprintf(out, OCS_HTTP_PEER_SIZE, "?");
	}
}

/* The client alone, as behind a proxy its port is not known. */
static void format_host(const struct sockaddr *address, char out[OCS_HTTP_PEER_SIZE])
{
	char *port;

	ocs_http_format_address(address, out);
	port = strrchr(out, ':');
	if (port != NULL)
		*port = '\0';
}

void ocs_http_format_peer(const struct ocs_http_connection *connection,
                          char out[OCS_HTTP_PEER_SIZE])
{
	char host[OCS_HTTP_PEER_SIZE], proxy[OCS_HTTP_PEER_SIZE];

	if (connection->local) {
		snprintf(out, OCS_HTTP_PEER_SIZE, "uid %u (pid %d)", (unsigned)connection->uid,
		         (int)connection->pid);
		return;
	}
	ocs_http_format_address((const struct sockaddr *)&connection->address, out);
	if (!connection->client.told)
		return;
	format_host((const struct sockaddr *)&connection->client.address, host);
	memcpy(proxy, out, sizeof(proxy));
	if (snprintf(out, OCS_HTTP_PEER_SIZE, "%s by %s", host, proxy) >= OCS_HTTP_PEER_SIZE)
		out[OCS_HTTP_PEER_SIZE - 1] = '\0';
}

void ocs_http_format_sender(const struct ocs_http_connection *connection,
                            char out[OCS_HTTP_PEER_SIZE])
{
	if (connection->local)
		snprintf(out, OCS_HTTP_PEER_SIZE, "uid %u", (unsigned)connection->uid);
	else
		format_host((const struct sockaddr *)&connection->client.address, out);
}

bool ocs_http_is_https(const struct ocs_http_connection *connection)
{
	return connection->proxied ? connection->client.https : connection->tls;
}

bool ocs_http_is_private(const struct ocs_http_connection *connection)
{
	bool here = connection->tls || connection->local ||
	            ocs_peer_is_loopback((const struct sockaddr *)&connection->address);

	return here && (!connection->proxied || connection->client.line_private);
}

void ocs_http_send_refusal(struct ocs_http_connection *connection,
                           const struct ocs_refusal *refusal)
{
	char body[400], reply[700];
	int len;

	if (connection->tls)
		return;
	len = snprintf(body, sizeof(body),
	               "<?xml version='1.0' encoding='utf-8'?>\n<ocsmanager>"
	               "<error code=\"%d\" name=\"%s\">%s</error></ocsmanager>\n",
	               refusal->code, refusal->name, refusal->text);

	len = snprintf(reply, sizeof(reply),
	               "HTTP/1.1 %d Refused\r\nConnection: close\r\nContent-Length: %d\r\n"
	               "Content-Type: text/xml; charset=utf-8\r\n\r\n%s",
	               refusal->code, len, body);
	/* A reply fits the socket's buffer; whether the client still listens is its affair. */
	(void)!send(connection->fd, reply, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL);
	(void)shutdown(connection->fd, SHUT_WR);
}
