/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The table of routes: which address and method is done by whom, and what it takes. Writes the
 * request that is routed; pure otherwise.
 */
#include "ocsmanager/http_rules.h"

#include <string.h>
#include <strings.h>

#define PUT  "PUT"
#define POST "POST"
#define GET  "GET"

static const struct ocs_http_route routes[] = {
        {"/notification", PUT, PUT, ocs_http_notification, .body = true, .again = true},
        {"/notification/newmail", PUT, PUT, ocs_http_newmail, .body = true, .again = true},
        {"/authenticate", GET, "GET, HEAD", ocs_http_mechanisms, .body = false},
        {"/authenticate/token", POST, POST, ocs_http_auth_token, .body = true},
        {"/authenticate/login", POST, POST, ocs_http_auth_login, .body = true, .any_type = true,
         .secret = true},
        {"/authenticate/logout", POST, POST, ocs_http_auth_logout, .body = true, .any_type = true,
         .optional = true},
};

/* A request may name the whole URL, and is to be answered (RFC 9112 section 3.2.2): some clients
 * know a local socket only as a proxy's. Whom it names is not looked at: we are nobody's proxy. */
static const char *path_of(const char *url)
{
	const char *slash;

	if (strncasecmp(url, "http://", 7) != 0)
		return url;
	slash = strchr(url + 7, '/');
	return slash == NULL ? "/" : slash;
}

int ocs_http_route(struct ocs_http_request *request, const char *url, const char *method)
{
	url = path_of(url);
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		if (!ocs_http_is_path(url, routes[i].path))
			continue;
		request->route = &routes[i];
		if (strcmp(routes[i].method, method) == 0 ||
		    (!routes[i].body && strcmp(method, "HEAD") == 0))
			return 0;
		return ocs_refuse(&request->early, 405, "METHOD_NOT_ALLOWED",
		                  "%s does not take this method", routes[i].path);
	}
	return ocs_refuse(&request->early, 404, "NOT_FOUND", "there is nothing at this address");
}
