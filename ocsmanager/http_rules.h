/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What HTTP itself asks of a request before anybody looks into its body: route, method, framing,
 * length, type. Called in the thread of the connection.
 */
#ifndef OCSMANAGER_HTTP_RULES_H
#define OCSMANAGER_HTTP_RULES_H

#include "ocsmanager/http_request.h"

enum ocs_http_urgency {
	OCS_HTTP_GO_ON, /* read the body; request->early may hold a refusal for its end */
	OCS_HTTP_DRAIN, /* refuse at once, then read on what the client is sending */
	OCS_HTTP_NOW,   /* refuse at once with request->early and end the connection */
};

/* Reads the headers into *request and routes it. */
enum ocs_http_urgency ocs_http_check_headers(struct ocs_http_request *request, const char *url,
                                             const char *method, const char *version);
/* http_routes.c: fills request->route; -1 with request->early. */
int ocs_http_route(struct ocs_http_request *request, const char *url, const char *method);
void ocs_http_refuse_too_large(struct ocs_http_request *request);

#endif
