/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Refusals and answers of http_request.h: XML, headers, counters, log lines. */
#include "ocsmanager/http_request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "base/log_budget.h"
#include "notify/dispatch.h"
#include "notify/health.h"

/* Seconds after which a client may try again where nobody knows better. */
#define RETRY_DEFAULT 2

#define COOKIE_ATTRIBUTES "; HttpOnly; SameSite=Strict; Path=/"

void ocs_http_no_memory(struct ocs_http_server *server)
{
	ocs_health_no_memory(ocs_dispatch_health_of(server->dispatch));
}

/* A kind of its own for each error, so that none hides another. Failed logins have a budget for
 * each account as well: an address is locked out of one after a few. */
void ocs_http_note_refusal(struct ocs_http_request *request, const struct ocs_refusal *refusal,
                           const char *account)
{
	char id[OCS_HTTP_ID_SIZE], peer[OCS_HTTP_PEER_SIZE] = "?", sender[OCS_HTTP_PEER_SIZE] = "?";
	char key[OCS_HTTP_PEER_SIZE + OCS_AUTH_NAME_SIZE + 1];

	/* Every part says it in these words: xml/, auth/, notify/ and this one. */
	if (refusal->code == 500 && strcmp(refusal->text, "out of memory") == 0)
		ocs_http_no_memory(request->server);
	ocs_metrics_refusal(&request->server->metrics, refusal->name);
	ocs_http_format_id(request, id);
	ocs_http_format_peer(request->peer, peer);
	ocs_http_format_sender(request->peer, sender);
	snprintf(key, sizeof(key), "%s %s", sender, account == NULL ? "" : account);
	ocs_log_budgeted(refusal->code >= 500 ? LOG_WARNING : LOG_NOTICE, refusal->name, key,
	                 "request %s from %s%s%s: %s refused: %d %s: %s%s%s", id, peer,
	                 account == NULL ? "" : " as ", account == NULL ? "" : account,
	                 request->route == NULL ? "-" : request->route->path, refusal->code,
	                 refusal->name, refusal->text, request->about == NULL ? "" : "; not told: ",
	                 request->about == NULL ? "" : request->about);
}

void ocs_http_refuse(struct ocs_http_request *request, const struct ocs_refusal *refusal,
                     unsigned retry_after, const char *account)
{
	struct ocs_http_reply *reply = &request->reply;

	ocs_http_note_refusal(request, refusal, account);
	reply->code = (unsigned)refusal->code;
	reply->retry_after = retry_after;
	if (retry_after == 0 && (refusal->code == 503 || refusal->code == 429))
		reply->retry_after = RETRY_DEFAULT;
	reply->body.len = 0;
	ocs_xml_begin(&reply->body);
	ocs_xml_error(&reply->body, refusal);
	ocs_xml_finish(&reply->body);
}

void ocs_http_refuse_with(struct ocs_http_request *request, int code, const char *name,
                          const char *text)
{
	struct ocs_refusal refusal;

	ocs_refuse(&refusal, code, name, "%s", text);
	ocs_http_refuse(request, &refusal, 0, NULL);
}

const char *ocs_http_bearer(const struct ocs_http_request *request)
{
	const char *value = request->authorization;

	if (value == NULL || strncasecmp(value, "Bearer ", 7) != 0)
		return NULL;
	value += 7;
	value += strspn(value, " ");
	return *value == '\0' ? NULL : value;
}

static bool add_cookie(struct MHD_Response *response, const char *name, const char *value)
{
	char line[160];

	if (value[0] == '\0')
		return true;
	snprintf(line, sizeof(line), "%s=%s" COOKIE_ATTRIBUTES, name, value);
	return MHD_add_response_header(response, "Set-Cookie", line) == MHD_YES;
}

static bool add_headers(struct ocs_http_request *request, struct MHD_Response *response)
{
	const struct ocs_http_reply *reply = &request->reply;
	bool added = MHD_add_response_header(response, "Content-Type", "text/xml; charset=utf-8") ==
	             MHD_YES;

	if (reply->close)
		added = added &&
		        MHD_add_response_header(response, "Connection", "close") == MHD_YES;
	if (reply->code == 200)
		return added &&
		       add_cookie(response, OCS_AUTH_COOKIE_SESSION, reply->cookie_session) &&
		       add_cookie(response, OCS_AUTH_COOKIE_TOKEN, reply->cookie_token);
	if (reply->retry_after != 0) {
		char seconds[12];

		snprintf(seconds, sizeof(seconds), "%u", reply->retry_after);
		added = added &&
		        MHD_add_response_header(response, "Retry-After", seconds) == MHD_YES;
	}
	if (reply->code == 401)
		added = added &&
		        MHD_add_response_header(response, "WWW-Authenticate", "Bearer") == MHD_YES;
	if (reply->code == 405)
		added = added && MHD_add_response_header(response, "Allow",
		                                         request->route->allow) == MHD_YES;
	return added;
}

enum MHD_Result ocs_http_answer(struct ocs_http_request *request)
{
	struct ocs_http_reply *reply = &request->reply;
	struct MHD_Response *response;
	enum MHD_Result result = MHD_NO;

	if (reply->body.failed) {
		ocs_http_no_memory(request->server);
		return MHD_NO;
	}
	response = MHD_create_response_from_buffer(reply->body.len, reply->body.data,
	                                           MHD_RESPMEM_MUST_FREE);
	if (response == NULL) {
		ocs_http_no_memory(request->server);
		return MHD_NO;
	}
	reply->body.data = NULL;
	ocs_http_send(request->peer);
	if (add_headers(request, response))
		result = MHD_queue_response(request->connection, reply->code, response);
	else
		ocs_http_no_memory(request->server);
	MHD_destroy_response(response);
	if (result == MHD_YES)
		ocs_metrics_request(&request->server->metrics, reply->code);
	return result;
}
