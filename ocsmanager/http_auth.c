/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The /authenticate addresses: XML and cookies in, one step of auth/auth.h, XML and cookies out. */
#include "ocsmanager/http_request.h"

#include <string.h>

#include <talloc.h>

#include "auth/locks.h"
#include "http/tls.h"
#include "ocsmanager/http_workers.h"
#include "base/log.h"
#include "base/log_budget.h"

static void refuse_login(struct ocs_http_request *request, enum ocs_auth_result result,
                         const struct ocs_auth_reply *reply)
{
	char sender[OCS_HTTP_PEER_SIZE];
	struct ocs_refusal refusal;

	ocs_refuse(&refusal, (int)ocs_auth_result_status(result), ocs_auth_result_name(result),
	           "%s", reply->text);
	refusal.no_memory = reply->no_memory;
	ocs_http_refuse(request, &refusal, reply->retry_after,
	                reply->account[0] == '\0' ? NULL : reply->account);
	ocs_http_format_sender(request->http.peer, sender);
	ocs_auth_log_locks(sender, reply);
}

static void count_login(struct ocs_http_request *request, enum ocs_metrics_mechanism mechanism,
                        enum ocs_auth_result result)
{
	atomic_fetch_add(&request->server->metrics.logins[mechanism][result], 1);
}

static void log_login(struct ocs_http_request *request, const char *what,
                      const struct ocs_auth_reply *reply)
{
	char id[OCS_HTTP_ID_SIZE], peer[OCS_HTTP_PEER_SIZE] = "?";

	ocs_http_format_id(request, id);
	ocs_http_format_peer(request->http.peer, peer);
	ocs_log(LOG_INFO, "request %s from %s as %s: %s", id, peer, reply->account, what);
}

static void write_ttl(struct ocs_xml_writer *body, unsigned ttl)
{
	ocs_xml_raw(body, "<ttl>");
	ocs_xml_number(body, ttl);
	ocs_xml_raw(body, "</ttl>");
}

static struct ocs_xml_auth *read_body(struct ocs_http_request *request)
{
	struct ocs_xml_auth *body;
	struct ocs_refusal refusal;

	if (ocs_xml_read_auth(NULL, request->http.body, request->http.body_len, &body, &refusal) !=
	    0) {
		ocs_http_refuse(request, &refusal, 0, NULL);
		return NULL;
	}
	request->work_data = body;
	return body;
}

static const struct sockaddr *client_of(const struct ocs_http_request *request)
{
	return (const struct sockaddr *)&request->http.peer->client.address;
}

_Static_assert(OCS_TLS_BINDING_SIZE == OCS_AUTH_BINDING_SIZE, "one is written into the other");

/* Of the client's own TLS session, in room; NULL: it has none, or one with a proxy. */
static const struct ocs_auth_binding *binding_of(const struct ocs_http_request *request,
                                                 struct ocs_auth_binding *room)
{
	const struct ocs_http_connection *peer = request->http.peer;
	const union MHD_ConnectionInfo *info;

	if (!peer->tls || peer->proxied)
		return NULL;
	info = MHD_get_connection_info(request->http.connection,
	                               MHD_CONNECTION_INFO_GNUTLS_SESSION);
	if (info == NULL)
		return NULL;
	ocs_tls_binding(info->tls_session, GNUTLS_CB_TLS_EXPORTER, room->exporter);
	ocs_tls_binding(info->tls_session, GNUTLS_CB_TLS_UNIQUE, room->unique);
	return room->exporter[0] != '\0' || room->unique[0] != '\0' ? room : NULL;
}

enum ocs_http_action ocs_http_mechanisms(struct ocs_http_request *request)
{
	struct ocs_xml_writer *body = &request->reply.body;
	const char *names[OCS_AUTH_MECHANISMS];
	struct ocs_auth_binding room;
	size_t count =
	        ocs_auth_mechanisms(request->server->auth, binding_of(request, &room), names);

	request->reply.code = 200;
	ocs_xml_begin(body);
	for (size_t i = 0; i < count; i++)
		ocs_xml_element(body, "mechanism", names[i]);
	ocs_xml_finish(body);
	return OCS_HTTP_READY;
}

static void http_first_step(struct ocs_http_request *request)
{
	struct ocs_xml_writer *body = &request->reply.body;
	struct ocs_auth *auth = request->server->auth;
	const struct ocs_xml_auth *asked = request->work_data;
	struct ocs_auth_binding room;
	struct ocs_auth_reply reply;
	enum ocs_auth_result result;

	if (asked->has_sasl)
		result = ocs_auth_scram_start(auth, client_of(request), binding_of(request, &room),
		                              asked->mechanism, asked->sasl, &reply);
	else
		result = ocs_auth_ssha_start(auth, client_of(request), asked->login, &reply);
	if (result != OCS_AUTH_OK) {
		count_login(request, asked->has_sasl ? OCS_METRICS_SCRAM : OCS_METRICS_SSHA,
		            result);
		refuse_login(request, result, &reply);
		return;
	}
	request->reply.code = 200;
	memcpy(request->reply.cookie_session, reply.cookie_session, OCS_AUTH_COOKIE_SIZE);
	memcpy(request->reply.cookie_token, reply.cookie_token, OCS_AUTH_COOKIE_SIZE);
	ocs_xml_begin(body);
	if (asked->has_sasl) {
		ocs_xml_element(body, "sasl", reply.sasl);
	} else {
		ocs_xml_raw(body, "<token type=\"salt\">");
		ocs_xml_text(body, reply.token_salt);
		ocs_xml_raw(body, "</token>");
		ocs_xml_element(body, "salt", reply.salt);
	}
	write_ttl(body, reply.ttl);
	ocs_xml_finish(body);
}

/* The first step: a challenge. */
enum ocs_http_action ocs_http_auth_token(struct ocs_http_request *request)
{
	struct ocs_http_server *server = request->server;

	if (read_body(request) == NULL)
		return OCS_HTTP_READY;
	if (ocs_auth_askers(server->auth) > 0)
		return ocs_http_workers_submit(server->askers, request, http_first_step);
	http_first_step(request);
	return OCS_HTTP_READY;
}

/* The last step of every mechanism. */
static void answer_login(struct ocs_http_request *request, enum ocs_metrics_mechanism mechanism,
                         enum ocs_auth_result result, struct ocs_auth_reply *reply)
{
	struct ocs_xml_writer *body = &request->reply.body;

	count_login(request, mechanism, result);
	if (result != OCS_AUTH_OK) {
		refuse_login(request, result, reply);
		return;
	}
	log_login(request, "logged in", reply);
	request->reply.code = 200;
	ocs_xml_begin(body);
	if (mechanism == OCS_METRICS_SCRAM)
		ocs_xml_element(body, "sasl", reply->sasl);
	ocs_xml_element(body, "token", reply->token);
	write_ttl(body, reply->ttl);
	ocs_xml_finish(body);
	explicit_bzero(reply->token, sizeof(reply->token));
}

/* The end of a PLAIN login; the password is not needed any more. */
static void answer_plain(struct ocs_http_request *request, enum ocs_auth_result result,
                         struct ocs_auth_reply *reply)
{
	const struct ocs_xml_auth *asked = request->work_data;

	if (asked->sasl != NULL)
		explicit_bzero((char *)(uintptr_t)asked->sasl, strlen(asked->sasl));
	answer_login(request, OCS_METRICS_PLAIN, result, reply);
}

static void http_plain_login(struct ocs_http_request *request)
{
	const struct ocs_xml_auth *asked = request->work_data;
	struct ocs_auth_reply reply;

	answer_plain(request,
	             ocs_auth_plain(request->server->auth, client_of(request),
	                            ocs_http_is_private(request->http.peer), asked->sasl, &reply),
	             &reply);
}

/* By a worker, or by who asks the directory, unless it is refused without a look at the password:
 * whoever is locked out takes no worker from others. */
static enum ocs_http_action begin_plain(struct ocs_http_request *request)
{
	const struct ocs_xml_auth *asked = request->work_data;
	struct ocs_auth_reply reply;
	enum ocs_auth_result result =
	        ocs_auth_plain_look(request->server->auth, client_of(request),
	                            ocs_http_is_private(request->http.peer), asked->sasl, &reply);

	if (result == OCS_AUTH_OK)
		return ocs_http_workers_submit(ocs_auth_askers(request->server->auth) > 0
		                                       ? request->server->askers
		                                       : request->server->workers,
		                               request, http_plain_login);
	answer_plain(request, result, &reply);
	return OCS_HTTP_READY;
}

/* NULL: not there, or too long to be one of ours. */
static const char *find_cookie(const struct ocs_http_request *request, const char *name,
                               char out[OCS_AUTH_COOKIE_SIZE])
{
	return ocs_http_cookie(request->http.connection, name, out, OCS_AUTH_COOKIE_SIZE) ? out
	                                                                                  : NULL;
}

enum ocs_http_action ocs_http_auth_login(struct ocs_http_request *request)
{
	struct ocs_auth *auth = request->server->auth;
	const struct ocs_xml_auth *asked = read_body(request);
	char session[OCS_AUTH_COOKIE_SIZE], token[OCS_AUTH_COOKIE_SIZE];
	const struct ocs_auth_cookies cookies = {
	        find_cookie(request, OCS_AUTH_COOKIE_SESSION, session),
	        find_cookie(request, OCS_AUTH_COOKIE_TOKEN, token),
	};
	struct ocs_auth_binding room;
	struct ocs_auth_reply reply;
	enum ocs_auth_result result;

	if (asked == NULL)
		return OCS_HTTP_READY;
	if (asked->has_sasl && asked->mechanism != NULL && strcmp(asked->mechanism, "PLAIN") == 0)
		return begin_plain(request);
	if (asked->has_sasl) {
		result = ocs_auth_scram_login(auth, client_of(request), binding_of(request, &room),
		                              &cookies, asked->sasl, &reply);
		answer_login(request, OCS_METRICS_SCRAM, result, &reply);
	} else {
		result = ocs_auth_ssha_login(auth, client_of(request), &cookies, asked->token,
		                             &reply);
		answer_login(request, OCS_METRICS_SSHA, result, &reply);
	}
	return OCS_HTTP_READY;
}

static void http_logout(struct ocs_http_request *request)
{
	const struct ocs_xml_auth *asked = request->work_data;
	const char *token =
	        asked == NULL || asked->token == NULL ? ocs_http_bearer(request) : asked->token;
	struct ocs_auth_reply reply;
	enum ocs_auth_result result = ocs_auth_logout(request->server->auth, token, &reply);

	if (result != OCS_AUTH_OK) {
		refuse_login(request, result, &reply);
		return;
	}
	log_login(request, "logged out", &reply);
	request->reply.code = 200;
	ocs_xml_begin(&request->reply.body);
	ocs_xml_finish(&request->reply.body);
}

enum ocs_http_action ocs_http_auth_logout(struct ocs_http_request *request)
{
	if (request->http.body_len != 0 && read_body(request) == NULL)
		return OCS_HTTP_READY;
	return ocs_http_workers_submit(request->server->workers, request, http_logout);
}
