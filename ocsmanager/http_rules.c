/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What HTTP itself asks of a request before anybody looks into its body: framing, length, type.
 * Reads the headers, writes the request; the thread of the connection.
 */
#include "ocsmanager/http_rules.h"

#include <string.h>
#include <strings.h>

static enum MHD_Result read_header(void *arg, enum MHD_ValueKind kind, const char *name,
                                   size_t name_len, const char *value, size_t value_len)
{
	struct ocs_http_request *request = arg;

	(void)kind;
	ocs_http_frame_header(&request->frame, name, name_len, value == NULL ? "" : value,
	                      value == NULL ? 0 : value_len);
	if (value == NULL)
		return MHD_YES;
	/* Lengths first: most headers are none of ours, and this is done for each of them. */
	switch (name_len) {
	case sizeof("Expect") - 1:
		if (strcasecmp(name, "Expect") == 0)
			request->expects = true;
		break;
	case sizeof("Content-Type") - 1:
		if (strcasecmp(name, "Content-Type") == 0)
			request->content_type = value;
		break;
	case sizeof("Authorization") - 1:
		if (strcasecmp(name, "Authorization") == 0)
			request->authorization = value;
		break;
	case sizeof("Content-Encoding") - 1:
		if (strcasecmp(name, "Content-Encoding") == 0 && value_len != 0 &&
		    strcasecmp(value, "identity") != 0)
			request->content_encoding = value;
		break;
	default:
		break;
	}
	return MHD_YES;
}

/* `type` up to a parameter or the end. */
static bool is_type(const char *value, const char *type)
{
	size_t len = strlen(type);

	return strncasecmp(value, type, len) == 0 &&
	       (value[len] == '\0' || value[len] == ';' || value[len] == ' ' || value[len] == '\t');
}

static bool is_xml(const char *value)
{
	return value != NULL && (is_type(value, "text/xml") || is_type(value, "application/xml"));
}

void ocs_http_refuse_too_large(struct ocs_http_request *request)
{
	ocs_refuse(&request->early, 413, "CONTENT_TOO_LARGE", "the body is longer than %zu bytes",
	           request->settings->max_body);
}

static int check_body(struct ocs_http_request *request)
{
	const struct ocs_http_route *taken = request->route;

	if (!taken->body)
		return 0;
	if (request->frame.lengths == 0 && request->frame.encodings == 0)
		return taken->optional ? 0
		                       : ocs_refuse(&request->early, 411, "LENGTH_REQUIRED",
		                                    "a body with a length is needed");
	if (request->content_encoding != NULL)
		return ocs_refuse(&request->early, 415, "UNSUPPORTED_MEDIA_TYPE",
		                  "Content-Encoding '%.40s' is not accepted: send the body as "
		                  "it is",
		                  request->content_encoding);
	if (!taken->any_type && !is_xml(request->content_type))
		return ocs_refuse(&request->early, 415, "UNSUPPORTED_MEDIA_TYPE",
		                  "Content-Type is neither text/xml nor application/xml");
	return 0;
}

enum ocs_http_urgency ocs_http_check_headers(struct ocs_http_request *request, const char *url,
                                             const char *method, const char *version)
{
	const char *fault;

	ocs_http_frame_begin(&request->frame, &request->peer->target, method, version);
	MHD_get_connection_values_n(request->connection, MHD_HEADER_KIND, read_header, request);
	fault = ocs_http_frame_end(&request->frame, request->connection);
	request->reply.close = request->frame.chunked;
	if (fault != NULL) {
		ocs_refuse(&request->early, 400, "MALFORMED_REQUEST", "%s", fault);
		return OCS_HTTP_NOW;
	}
	if (ocs_http_route(request, url, method) == 0)
		check_body(request);
	if (request->frame.length > request->settings->max_body) {
		/* What is wrong besides is told first. */
		if (request->early.code == 0)
			ocs_http_refuse_too_large(request);
		return request->expects ? OCS_HTTP_NOW : OCS_HTTP_DRAIN;
	}
	/* Who asks before sending a body is told not to. */
	return request->early.code != 0 && request->expects ? OCS_HTTP_NOW : OCS_HTTP_GO_ON;
}
