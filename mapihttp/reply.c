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
	               ocs_clock_ms() - request->began_ms, date);
	return (size_t)len;
}

void mapihttp_put_headers(struct mapihttp_request *request, struct MHD_Response **response,
                          enum mapihttp_code code)
{
	/* What the client sent to be given back unchanged. */
	static const char *const echoed[] = {"X-RequestType", "X-RequestId", "X-ClientInfo"};
	const struct mapihttp *server = request->server;
	const uint16_t *version = server->settings.server_version;
	char application[64];

	snprintf(application, sizeof(application), "Exchange/%u.%02u.%04u.%03u", version[0],
	         version[1], version[2], version[3]);
	ocs_http_header(response, "Cache-Control", "private");
	ocs_http_header(response, "Content-Type",
	                code == MAPIHTTP_OK ? "application/mapi-http" : "text/html");
	for (size_t i = 0; i < sizeof(echoed) / sizeof(echoed[0]); i++)
		ocs_http_header(response, echoed[i], ocs_http_value(&request->http, echoed[i]));
	ocs_http_header_number(response, "X-ResponseCode", code);
	ocs_http_header(response, "X-ServerApplication", application);
	if (code != MAPIHTTP_OK)
		return;
	ocs_http_header_number(response, "X-PendingPeriod", server->options->pending_period);
	ocs_http_header_number(response, "X-ExpirationInfo", server->options->session_idle);
}

static void put_cookie(const struct mapihttp_request *request, struct MHD_Response **response,
                       const char *name, const char *value)
{
	char text[160];

	snprintf(text, sizeof(text), "%s=%s; path=/mapi/emsmdb%s; HttpOnly", name, value,
	         ocs_http_is_https(request->http.peer) ? "; secure" : "");
	ocs_http_header(response, "Set-Cookie", text);
}

static void put_context(const struct mapihttp_request *request, struct MHD_Response **response,
                        const struct ocsemsmdb_session *session)
{
	const uint8_t *handle = ocsemsmdb_session_handle(session);
	char text[HANDLE_TEXT + 1];

	for (size_t i = 0; i < OCSEMSMDB_HANDLE_SIZE; i++)
		snprintf(text + 2 * i, 3, "%02x", handle[i]);
	put_cookie(request, response, MAPIHTTP_COOKIE_CONTEXT, text);
}

enum MHD_Result mapihttp_reply_code(struct mapihttp_request *request, unsigned status,
                                    enum mapihttp_code code, const char *text)
{
	struct MHD_Response *response = NULL;
	char *body = NULL;
	int len = asprintf(&body,
	                   "<html><head><title>MAPI over HTTP</title></head><body><p>%s "
	                   "(X-ResponseCode %d)</p></body></html>\n",
	                   text, code);

	if (len >= 0)
		response = ocs_http_response(body, (size_t)len);
	mapihttp_put_headers(request, &response, code);
	if (status == MHD_HTTP_UNAUTHORIZED)
		ocs_http_header(&response, "WWW-Authenticate",
		                "Basic realm=\"mapi\", charset=\"UTF-8\"");
	if (request->retry_after > 0)
		ocs_http_header_number(&response, "Retry-After", request->retry_after);
	request->answered = true;
	return ocs_http_respond(&request->http, status, response);
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
	struct MHD_Response *response = NULL;
	size_t used = first;

	if (stream != NULL) {
		memcpy(stream, processing, first);
		used += mapihttp_put_done(request, stream + used, MAPIHTTP_HEAD_SIZE);
		if (len > 0)
			memcpy(stream + used, body, len);
		response = ocs_http_response(stream, used + len);
	}
	mapihttp_put_headers(request, &response, MAPIHTTP_OK);
	if (context != NULL)
		put_context(request, &response, context);
	if (sequence != NULL)
		put_cookie(request, &response, MAPIHTTP_COOKIE_SEQUENCE, sequence);
	request->answered = true;
	return ocs_http_respond(&request->http, MHD_HTTP_OK, response);
}
