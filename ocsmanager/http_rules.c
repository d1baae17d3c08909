/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The routes of the web service, and what HTTP itself asks of a request for one. */
#include "ocsmanager/http_rules.h"

#include <string.h>
#include <strings.h>

#define PUT  "PUT"
#define POST "POST"
#define GET  "GET"

static const struct ocs_http_route routes[] = {
        {"/notification", PUT, PUT, ocs_http_notification, .body = true},
        {"/notification/newmail", PUT, PUT, ocs_http_newmail, .body = true},
        {"/authenticate", GET, "GET, HEAD", ocs_http_mechanisms, .body = false},
        {"/authenticate/token", POST, POST, ocs_http_auth_token, .body = true},
        {"/authenticate/login", POST, POST, ocs_http_auth_login, .body = true, .any_type = true,
         .secret = true},
        {"/authenticate/logout", POST, POST, ocs_http_auth_logout, .body = true, .any_type = true,
         .optional = true},
};

static bool is_xml(const char *value)
{
	return ocs_http_is_type(value, "text/xml") || ocs_http_is_type(value, "application/xml");
}

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

static int route(struct ocs_http_request *request, const char *url, const char *method)
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

void ocs_http_refuse_too_large(struct ocs_http_request *request)
{
	ocs_refuse(&request->early, 413, "CONTENT_TOO_LARGE", "the body is longer than %zu bytes",
	           request->settings->max_body);
}

static int check_body(struct ocs_http_request *request)
{
	const struct ocs_http_route *taken = request->route;
	const char *encoding = ocs_http_value(&request->http, "Content-Encoding");

	if (!taken->body)
		return 0;
	if (request->http.frame.lengths == 0 && request->http.frame.encodings == 0)
		return taken->optional ? 0
		                       : ocs_refuse(&request->early, 411, "LENGTH_REQUIRED",
		                                    "a body with a length is needed");
	if (encoding != NULL && strcasecmp(encoding, "identity") != 0)
		return ocs_refuse(&request->early, 415, "UNSUPPORTED_MEDIA_TYPE",
		                  "Content-Encoding '%.40s' is not accepted: send the body as "
		                  "it is",
		                  encoding);
	if (!taken->any_type && !is_xml(ocs_http_value(&request->http, "Content-Type")))
		return ocs_refuse(&request->early, 415, "UNSUPPORTED_MEDIA_TYPE",
		                  "Content-Type is neither text/xml nor application/xml");
	return 0;
}

enum ocs_http_urgency ocs_http_check_headers(struct ocs_http_request *request, const char *url,
                                             const char *method, const char *version)
{
	const char *fault = ocs_http_exchange_check(&request->http, method, version);
	bool expects = ocs_http_value(&request->http, "Expect") != NULL;

	request->authorization = ocs_http_value(&request->http, "Authorization");
	if (fault != NULL) {
		ocs_refuse(&request->early, 400, "MALFORMED_REQUEST", "%s", fault);
		return OCS_HTTP_NOW;
	}
	if (route(request, url, method) == 0)
		check_body(request);
	if (request->http.too_large) {
		/* What is wrong besides is told first. */
		if (request->early.code == 0)
			ocs_http_refuse_too_large(request);
		return expects ? OCS_HTTP_NOW : OCS_HTTP_DRAIN;
	}
	/* Who asks before sending a body is told not to. */
	return request->early.code != 0 && expects ? OCS_HTTP_NOW : OCS_HTTP_GO_ON;
}
