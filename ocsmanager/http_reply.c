/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Refusals and answers of the web service: XML, headers, counters, log lines. */
#include "ocsmanager/http_request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ocsmanager/http_kept.h"
#include "base/log.h"
#include "base/log_budget.h"

/* Seconds after which a client may try again where nobody knows better. */
#define RETRY_DEFAULT 2

#define AGAIN_MAX 256 /* bytes of a body that its connection keeps */

#define COOKIE_ATTRIBUTES "; HttpOnly; SameSite=Strict; Path=/"

/* A kind of its own for each error, so that none hides another. Failed logins have a budget for
 * each account as well: an address is locked out of one after a few. */
void ocs_http_note_refusal(struct ocs_http_request *request, const struct ocs_refusal *refusal,
                           const char *account)
{
	char id[OCS_HTTP_ID_SIZE], peer[OCS_HTTP_PEER_SIZE] = "?", sender[OCS_HTTP_PEER_SIZE] = "?";
	char key[OCS_HTTP_PEER_SIZE + OCS_AUTH_NAME_SIZE + 1];

	if (refusal->no_memory)
		ocs_http_guard_no_memory(request->http.peer->guard);
	ocs_metrics_refusal(&request->server->metrics, refusal->name);
	ocs_http_format_id(request, id);
	ocs_http_format_peer(request->http.peer, peer);
	ocs_http_format_sender(request->http.peer, sender);
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

void ocs_http_refuse_memory(struct ocs_http_request *request)
{
	struct ocs_refusal refusal;

	ocs_refuse_memory(&refusal);
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

static void add_cookie(struct MHD_Response **response, const char *name, const char *value,
                       bool secure)
{
	char line[160];

	if (value[0] == '\0')
		return;
	snprintf(line, sizeof(line), "%s=%s" COOKIE_ATTRIBUTES "%s", name, value,
	         secure ? "; Secure" : "");
	ocs_http_header(response, "Set-Cookie", line);
}

static void add_headers(struct ocs_http_request *request, struct MHD_Response **response)
{
	const struct ocs_http_reply *reply = &request->reply;

	ocs_http_header(response, "Content-Type", OCS_HTTP_XML);
	if (reply->code == 200) {
		add_cookie(response, OCS_AUTH_COOKIE_SESSION, reply->cookie_session,
		           ocs_http_is_https(request->http.peer));
		add_cookie(response, OCS_AUTH_COOKIE_TOKEN, reply->cookie_token,
		           ocs_http_is_https(request->http.peer));
		return;
	}
	if (reply->retry_after != 0)
		ocs_http_header_number(response, "Retry-After", reply->retry_after);
	if (reply->code == 401)
		ocs_http_header(response, "WWW-Authenticate", "Bearer");
	if (reply->code == 405)
		ocs_http_header(response, "Allow", request->route->allow);
}

/* A short answer with nothing of its own in its headers, as the next one may be. */
static bool may_come_again(const struct ocs_http_request *request)
{
	const struct ocs_http_reply *reply = &request->reply;

	return reply->code == 200 && !reply->body.failed && reply->body.len <= AGAIN_MAX &&
	       !request->http.close && request->route->again;
}

enum MHD_Result ocs_http_answer(struct ocs_http_request *request)
{
	struct ocs_http_reply *reply = &request->reply;
	struct MHD_Response *response = NULL;
	enum MHD_Result result;
	char *body = reply->body.data;

	reply->body.data = NULL;
	if (may_come_again(request)) {
		response = ocs_http_kept_answer(request->kept, body, reply->body.len);
		if (response == NULL) {
			ocs_http_guard_no_memory(request->http.peer->guard);
			return MHD_NO;
		}
		result = ocs_http_respond_again(&request->http, reply->code, response);
	} else {
		if (reply->body.failed)
			free(body);
		else
			response = ocs_http_response(body, reply->body.len);
		add_headers(request, &response);
		result = ocs_http_respond(&request->http, reply->code, response);
	}
	if (result == MHD_YES)
		ocs_metrics_request(&request->server->metrics, reply->code);
	return result;
}
