/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Answers of ocsmapihttp: headers, cookies and the inner stream of MS-OXCMAPIHTTP 2.2.2.2
 * and 2.2.7. An answer that is ready at once has the stream in one piece with a Content-Length;
 * that of a parked wait is made in wait.c.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mapihttp/mapihttp.h"

#define HANDLE_TEXT (2 * OCSEMSMDB_HANDLE_SIZE)

size_t mapihttp_put_done(const struct mapihttp_request *request, char *out, size_t size)
{
	char date[40] = "";
	struct tm utc;
	int len;

	/* RFC 1123; the program keeps the C locale. */
	if (gmtime_r(&request->began.tv_sec, &utc) != NULL)
		strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &utc);
	len = snprintf(out, size, "DONE\r\nX-ElapsedTime: %" PRIu64 "\r\nX-StartTime: %s\r\n\r\n",
	               mapihttp_now() - request->began_ms, date);
	return (size_t)len;
}

static int put(struct MHD_Response *response, const char *name, const char *value)
{
	return MHD_add_response_header(response, name, value) == MHD_YES ? 0 : -1;
}

static int put_number(struct MHD_Response *response, const char *name, unsigned value)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", value);
	return put(response, name, text);
}

/* What the client sent to be given back unchanged. */
static int echo(struct mapihttp_request *request, struct MHD_Response *response, const char *name)
{
	const char *value = MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);

	return value == NULL || value[0] == '\0' ? 0 : put(response, name, value);
}

int mapihttp_put_headers(struct mapihttp_request *request, struct MHD_Response *response,
                         enum mapihttp_code code)
{
	const struct mapihttp *server = request->server;
	const uint16_t *version = server->settings.server_version;
	char application[64];

	snprintf(application, sizeof(application), "Exchange/%u.%02u.%04u.%03u", version[0],
	         version[1], version[2], version[3]);
	if (put(response, "Cache-Control", "private") != 0 ||
	    (request->close && put(response, "Connection", "close") != 0) ||
	    put(response, "Content-Type",
	        code == MAPIHTTP_OK ? "application/mapi-http" : "text/html") != 0 ||
	    echo(request, response, "X-RequestType") != 0 ||
	    echo(request, response, "X-RequestId") != 0 ||
	    echo(request, response, "X-ClientInfo") != 0 ||
	    put_number(response, "X-ResponseCode", code) != 0 ||
	    put(response, "X-ServerApplication", application) != 0)
		return -1;
	if (code != MAPIHTTP_OK)
		return 0;
	return put_number(response, "X-PendingPeriod", server->options->pending_period) != 0 ||
	                       put_number(response, "X-ExpirationInfo",
	                                  server->options->session_idle) != 0
	               ? -1
	               : 0;
}

static int put_cookie(const struct mapihttp *server, struct MHD_Response *response,
                      const char *name, const char *value)
{
	char text[160];

	snprintf(text, sizeof(text), "%s=%s; path=/mapi/emsmdb%s; HttpOnly", name, value,
	         server->tls ? "; secure" : "");
	return put(response, "Set-Cookie", text);
}

static int put_context(const struct mapihttp *server, struct MHD_Response *response,
                       const struct ocsemsmdb_session *session)
{
	const uint8_t *handle = ocsemsmdb_session_handle(session);
	char text[HANDLE_TEXT + 1];

	for (size_t i = 0; i < OCSEMSMDB_HANDLE_SIZE; i++)
		snprintf(text + 2 * i, 3, "%02x", handle[i]);
	return put_cookie(server, response, MAPIHTTP_COOKIE_CONTEXT, text);
}

/* Hands the response over, whatever happens. MHD_NO closes the connection. */
static enum MHD_Result queue(struct mapihttp_request *request, unsigned status,
                             struct MHD_Response *response)
{
	enum MHD_Result result;

	ocs_http_send(request->peer);
	result = MHD_queue_response(request->connection, status, response);
	MHD_destroy_response(response);
	request->answered = true;
	return result;
}

enum MHD_Result mapihttp_reply_code(struct mapihttp_request *request, unsigned status,
                                    enum mapihttp_code code, const char *text)
{
	struct MHD_Response *response;
	char body[300];
	int len = snprintf(body, sizeof(body),
	                   "<html><head><title>MAPI over HTTP</title></head><body><p>%s "
	                   "(X-ResponseCode %d)</p></body></html>\n",
	                   text, code);

	response = MHD_create_response_from_buffer((size_t)len, body, MHD_RESPMEM_MUST_COPY);
	if (response == NULL)
		return MHD_NO;
	if (mapihttp_put_headers(request, response, code) != 0 ||
	    (status == MHD_HTTP_UNAUTHORIZED &&
	     put(response, "WWW-Authenticate", "Basic realm=\"mapi\", charset=\"UTF-8\"") != 0) ||
	    (request->retry_after > 0 &&
	     put_number(response, "Retry-After", request->retry_after) != 0)) {
		MHD_destroy_response(response);
		return MHD_NO;
	}
	return queue(request, status, response);
}

enum MHD_Result mapihttp_refuse(struct mapihttp_request *request, enum mapihttp_code code,
                                const char *text)
{
	return mapihttp_reply_code(request, MHD_HTTP_OK, code, text);
}

enum MHD_Result mapihttp_reply(struct mapihttp_request *request, const uint8_t *body, size_t len,
                               const char *sequence, const struct ocsemsmdb_session *context)
{
	static const char processing[] = "PROCESSING\r\n";
	const size_t first = sizeof(processing) - 1;
	char *stream = malloc(first + MAPIHTTP_HEAD_SIZE + len);
	struct MHD_Response *response;
	size_t used = first;

	if (stream == NULL)
		return MHD_NO;
	memcpy(stream, processing, first);
	used += mapihttp_put_done(request, stream + used, MAPIHTTP_HEAD_SIZE);
	if (len > 0)
		memcpy(stream + used, body, len);
	response = MHD_create_response_from_buffer(used + len, stream, MHD_RESPMEM_MUST_FREE);
	if (response == NULL) {
		free(stream);
		return MHD_NO;
	}
	if (mapihttp_put_headers(request, response, MAPIHTTP_OK) != 0 ||
	    (context != NULL && put_context(request->server, response, context) != 0) ||
	    (sequence != NULL &&
	     put_cookie(request->server, response, MAPIHTTP_COOKIE_SEQUENCE, sequence) != 0)) {
		MHD_destroy_response(response);
		return MHD_NO;
	}
	return queue(request, MHD_HTTP_OK, response);
}
