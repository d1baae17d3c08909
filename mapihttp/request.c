/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * One request of ocsmapihttp from its first header until it can be acted on: who asks, whether the
 * rules of MS-OXCMAPIHTTP 2.1 and 2.2.3 are kept, the body. The order of the checks: login, path,
 * verb, shutdown, headers, size.
 *
 * A body is kept only when its sender is authenticated and it is not too large; other bodies are
 * read and dropped, so that the client gets to read the refusal, up to a limit.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "mapihttp/mapihttp.h"
#include "mapihttp/body.h"

/* Bytes of a refused body that are read before the connection is closed on the client. */
#define DROPPED_MAX (4 * (uint64_t)MAPIHTTP_BODY_MAX)

static const struct ocs_refusal too_large = {
        .code = 413, .name = "CONTENT_TOO_LARGE", .text = "the body is too large"};

static const char *const types[MAPIHTTP_TYPES] = {
        [MAPIHTTP_CONNECT] = "Connect",
        [MAPIHTTP_EXECUTE] = "Execute",
        [MAPIHTTP_DISCONNECT] = "Disconnect",
        [MAPIHTTP_WAIT] = "NotificationWait",
        [MAPIHTTP_PING] = "PING",
};

/* GUID, with or without braces, a colon, a decimal counter. */
static bool is_request_id(const char *value)
{
	static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
	bool braces = value[0] == '{';
	size_t digits;

	value += braces;
	for (const char *f = form; *f != '\0'; f++, value++)
		if (*f == '-' ? *value != '-'
		              : *value == '\0' || strchr("0123456789abcdefABCDEF", *value) == NULL)
			return false;
	if (braces && *value++ != '}')
		return false;
	if (*value++ != ':')
		return false;
	digits = strspn(value, "0123456789");
	return digits >= 1 && digits <= 20 && value[digits] == '\0';
}

static enum MHD_Result refuse_login(struct mapihttp_request *request)
{
	switch (request->login) {
	case OCS_AUTH_TOO_MANY_ATTEMPTS:
	case OCS_AUTH_OVERLOADED:
	case OCS_AUTH_DIRECTORY_UNAVAILABLE:
		return mapihttp_reply_code(request, ocs_auth_result_status(request->login),
		                           MAPIHTTP_UNKNOWN_FAILURE, "Try again later");
	case OCS_AUTH_ACCESS_FORBIDDEN:
		return mapihttp_reply_code(request, MHD_HTTP_FORBIDDEN, MAPIHTTP_ANONYMOUS,
		                           "A password is accepted over TLS only");
	case OCS_AUTH_INTERNAL:
		request->retry_after = 0;
		return mapihttp_reply_code(request, MHD_HTTP_INTERNAL_SERVER_ERROR,
		                           MAPIHTTP_UNKNOWN_FAILURE,
		                           "The login failed with an internal error");
	default:
		request->retry_after = 0;
		return mapihttp_reply_code(request, MHD_HTTP_UNAUTHORIZED, MAPIHTTP_ANONYMOUS,
		                           "A user name and its password are needed");
	}
}

/* The headers of 2.2.3; sets the type. MHD_YES and not answered: all is well. */
static enum MHD_Result check_headers(struct mapihttp_request *request)
{
	const char *type = ocs_http_value(&request->http, "X-RequestType");
	const char *id = ocs_http_value(&request->http, "X-RequestId");
	const char *info = ocs_http_value(&request->http, "X-ClientInfo");
	const char *content = ocs_http_value(&request->http, "Content-Type");

	if (type == NULL || id == NULL)
		return mapihttp_refuse(request, MAPIHTTP_MISSING_HEADER,
		                       type == NULL ? "X-RequestType is missing"
		                                    : "X-RequestId is missing");
	for (unsigned i = 0; i < MAPIHTTP_TYPES; i++)
		if (strcasecmp(type, types[i]) == 0)
			request->type = i;
	if (request->type == MAPIHTTP_TYPES)
		return mapihttp_refuse(request, MAPIHTTP_INVALID_TYPE,
		                       "X-RequestType is not known");
	if (!is_request_id(id))
		return mapihttp_refuse(request, MAPIHTTP_INVALID_HEADER,
		                       "X-RequestId is not GUID:COUNTER");
	if (request->http.frame.chunked)
		return mapihttp_refuse(request, MAPIHTTP_INVALID_HEADER,
		                       "Content-Length is needed, not Transfer-Encoding");
	if (info != NULL && strchr(info, '\t') != NULL)
		return mapihttp_refuse(request, MAPIHTTP_INVALID_HEADER,
		                       "X-ClientInfo has control characters");
	if (content == NULL && request->type != MAPIHTTP_PING)
		return mapihttp_refuse(request, MAPIHTTP_MISSING_HEADER, "Content-Type is missing");
	if (content != NULL && ocs_http_exchange_received(&request->http) > 0 &&
	    !ocs_http_is_type(content, "application/mapi-http"))
		return mapihttp_refuse(request, MAPIHTTP_INVALID_HEADER,
		                       "Content-Type is not application/mapi-http");
	return MHD_YES;
}

/* The request is complete. */
static enum MHD_Result act(struct mapihttp_request *request, const char *url, const char *method)
{
	enum MHD_Result result;

	if (request->login != OCS_AUTH_OK)
		return refuse_login(request);
	if (ocs_http_is_path(url, "/mapi/nspi"))
		return mapihttp_refuse(request, MAPIHTTP_DISABLED, "There is no address book here");
	if (!ocs_http_is_path(url, "/mapi/emsmdb"))
		return mapihttp_refuse(request, MAPIHTTP_INVALID_PATH,
		                       "The path is not /mapi/emsmdb/");
	if (strcmp(method, MHD_HTTP_METHOD_POST) != 0)
		return mapihttp_refuse(request, MAPIHTTP_INVALID_VERB, "Only POST is served");
	if (request->server->stopping)
		return mapihttp_refuse(request, MAPIHTTP_SHUTTING_DOWN,
		                       "The server is shutting down");
	result = check_headers(request);
	if (request->answered || result != MHD_YES)
		return result;
	if (request->http.too_large)
		return mapihttp_refuse(request, MAPIHTTP_TOO_LARGE, "The body is too large");
	return mapihttp_call(request);
}

/* MHD_NO: the client is not worth more. */
static enum MHD_Result take_body(struct mapihttp_request *request, const char *data, size_t *size)
{
	if (request->login != OCS_AUTH_OK)
		request->http.drop = true;
	switch (ocs_http_exchange_take(&request->http, data, size)) {
	case OCS_HTTP_TAKEN:
		return MHD_YES;
	case OCS_HTTP_TOO_LARGE:
		/* A chunked one. libmicrohttpd takes no answer in the middle of a body; over TLS
		 * there is no other. */
		if (request->http.peer->tls)
			return MHD_YES;
		ocs_http_send_refusal(request->http.peer, &too_large);
		return MHD_NO;
	default:
		return MHD_NO;
	}
}

/* The headers are complete. NULL: out of memory, or the connection has no guard for that reason. */
static struct mapihttp_request *begin(struct mapihttp *server, struct MHD_Connection *connection,
                                      const char *method, const char *version)
{
	struct mapihttp_request *request = ocs_http_exchange_new(connection, sizeof(*request));

	if (request == NULL)
		return NULL;
	request->server = server;
	request->http.body_max = MAPIHTTP_BODY_MAX;
	request->http.drop_max = DROPPED_MAX;
	request->type = MAPIHTTP_TYPES;
	ocs_http_exchange_check(&request->http, method, version);
	request->began_ms = ocs_clock_ms();
	clock_gettime(CLOCK_REALTIME, &request->began);
	server->busy++;
	return request;
}

/* Where its body ends is in doubt, or nobody reads to its end: nothing more is read. */
static enum MHD_Result refuse_now(struct mapihttp_request *request)
{
	const char *fault = request->http.frame.fault;

	if (!ocs_http_work(request->http.peer))
		return MHD_NO;
	request->http.close = true;
	return fault != NULL ? mapihttp_reply_code(request, MHD_HTTP_BAD_REQUEST,
	                                           MAPIHTTP_INVALID_HEADER, fault)
	                     : mapihttp_reply_code(request, MHD_HTTP_CONTENT_TOO_LARGE,
	                                           MAPIHTTP_TOO_LARGE, "The body is too large");
}

enum MHD_Result mapihttp_handle(void *arg, struct MHD_Connection *connection, const char *url,
                                const char *method, const char *version, const char *upload,
                                size_t *upload_size, void **request_r)
{
	struct mapihttp *server = arg;
	struct mapihttp_request *request = *request_r;

	if (request == NULL) {
		request = begin(server, connection, method, version);
		if (request == NULL)
			return MHD_NO;
		*request_r = request;
		if (request->http.frame.fault != NULL || request->http.frame.length > DROPPED_MAX)
			return refuse_now(request);
		mapihttp_login_check(server->login, request);
		return MHD_YES;
	}
	if (request->checking)
		return MHD_YES; /* what is not taken now comes again */
	if (*upload_size > 0)
		return take_body(request, upload, upload_size);
	/* Once a connection goes on that was suspended at its first call, libmicrohttpd makes that
	 * call again, before the body. */
	if (ocs_http_exchange_received(&request->http) < request->http.frame.length)
		return MHD_YES;
	if (!ocs_http_work(request->http.peer))
		return MHD_NO; /* it came too late */
	return act(request, url, method);
}

void mapihttp_completed(void *arg, struct MHD_Connection *connection, void **request_r,
                        enum MHD_RequestTerminationCode why)
{
	struct mapihttp_request *request = *request_r;

	(void)arg;
	(void)connection;
	(void)why;
	if (request == NULL)
		return;
	*request_r = NULL;
	mapihttp_wait_forget(request);
	ocs_http_end(request->http.peer);
	request->server->busy--;
	free(request->http.body);
	free(request);
}
