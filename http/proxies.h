/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The proxies that are believed when they say for whom they ask: a list of addresses and networks.
 * Constant once it is made; any thread. */
#ifndef OCS_HTTP_PROXIES_H
#define OCS_HTTP_PROXIES_H

#include <stdbool.h>
#include <sys/socket.h>

#include "base/error.h"

struct ocs_http_proxies;

enum ocs_http_proxy_header {
	OCS_HTTP_FORWARDED,       /* Forwarded, RFC 7239 */
	OCS_HTTP_X_FORWARDED_FOR, /* and X-Forwarded-Proto: older, and what most proxies know */
};

/* "ADDRESS[/PREFIX], ...", and the one header that they all set. A client may send the other one,
 * which a proxy that does not know it hands on, so it is never looked at. free() frees. */
struct ocs_http_proxies *ocs_http_proxies_new(const char *list, enum ocs_http_proxy_header header,
                                              struct ocs_error *error);
enum ocs_http_proxy_header ocs_http_proxies_header(const struct ocs_http_proxies *proxies);
/* Whether it is one of them. IPv4 mapped into IPv6 is IPv4. */
bool ocs_http_proxies_has(const struct ocs_http_proxies *proxies, const struct sockaddr *address);

#endif
