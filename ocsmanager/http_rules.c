/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What HTTP itself asks of a request before anybody looks into its body: framing, length, type.
 * Reads the headers, writes the request; the thread of the connection.
 */
#include "ocsmanager/http_rules.h"

#include <string.h>
#include <strings.h>

static bool is_xml(const char *value)
{
	return ocs_http_is_type(value, "text/xml") || ocs_http_is_type(value, "application/xml");
}

void ocs_http_refuse_too_large(struct ocs_http_request *request)
{
	ocs_refuse(&request->early, 413, "CONTENT_TOO_LARGE", "the body is longer than %zu bytes",
	           request->http.body_max);
}

static int check_body(struct ocs_http_request *request)
{
	const struct ocs_http_route *taken = request->route;
	const char *encoding = request->http.frame.named[OCS_HTTP_CONTENT_ENCODING];

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
	if (!taken->any_type && !is_xml(request->http.frame.named[OCS_HTTP_CONTENT_TYPE]))
		return ocs_refuse(&request->early, 415, "UNSUPPORTED_MEDIA_TYPE",
		                  "Content-Type is neither text/xml nor application/xml");
	return 0;
}

enum ocs_http_urgency ocs_http_check_headers(struct ocs_http_request *request, const char *url,
                                             const char *method, const char *version)
{
	const char *fault = ocs_http_exchange_check(&request->http, method, version);
	bool expects = request->http.frame.named[OCS_HTTP_EXPECT] != NULL;

	request->authorization = request->http.frame.named[OCS_HTTP_AUTHORIZATION];
	if (fault != NULL) {
		ocs_refuse(&request->early, 400, "MALFORMED_REQUEST", "%s", fault);
		return OCS_HTTP_NOW;
	}
	if (request->http.crowded) {
		ocs_refuse(&request->early, 503, "OVERLOADED", "too many connections");
		return OCS_HTTP_NOW;
	}
	if (ocs_http_route(request, url, method) == 0)
		check_body(request);
	if (request->http.too_large) {
		/* What is wrong besides is told first. */
		if (request->early.code == 0)
			ocs_http_refuse_too_large(request);
		/* Over TLS nothing is told before the end of the body, which nobody waits for where
		 * it is too far away. */
		if (request->http.peer->tls && request->http.frame.length > request->http.drop_max)
			return OCS_HTTP_NOW;
		return expects ? OCS_HTTP_NOW : OCS_HTTP_DRAIN;
	}
	/* Who asks before sending a body is told not to. */
	return request->early.code != 0 && expects ? OCS_HTTP_NOW : OCS_HTTP_GO_ON;
}
