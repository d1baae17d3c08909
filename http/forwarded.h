/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The headers in which proxies say for whom they ask: Forwarded (RFC 7239), X-Forwarded-For with
 * X-Forwarded-Proto. Each proxy adds the one who came to it at the right end, so what is farther to
 * the left anybody may have made up. Pure functions.
 */
#ifndef OCS_HTTP_FORWARDED_H
#define OCS_HTTP_FORWARDED_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#define OCS_HTTP_HOPS 16 /* from the right end; those farther left are passed over */

struct ocs_http_hop {
	struct sockaddr_storage from; /* port 0; AF_UNSPEC: hidden, or not an address */
	bool https;
};

struct ocs_http_hops {
	unsigned n;
	struct ocs_http_hop list[OCS_HTTP_HOPS]; /* the nearest, of the right end, first */
};

/* A value of Forwarded, of several lines joined by commas. -1: it is not well-formed, and nothing
 * of it can be believed. */
int ocs_http_forwarded(const char *text, struct ocs_http_hops *hops);
/* The same of the older headers; protos may be NULL. One scheme is that of every hop; of several
 * the last is the nearest's. */
int ocs_http_forwarded_for(const char *text, const char *protos, struct ocs_http_hops *hops);

#endif
