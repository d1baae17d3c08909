/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Reads a request and writes its answer, for every HTTP server here. Touches libmicrohttpd's
 * connection and its guard's. */
#include "http/exchange.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http/client.h"

#define BODY_FIRST 1024

struct ocs_http_connection *ocs_http_peer(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
	        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info == NULL ? NULL : info->socket_context;
}

void *ocs_http_exchange_new(struct MHD_Connection *connection, size_t size)
{
	struct ocs_http_connection *peer = ocs_http_peer(connection);
	struct ocs_http_exchange *exchange;

	if (peer == NULL)
		return NULL;
	/* glibc keeps what a thread frees for its malloc(), not for its calloc(). */
	exchange = malloc(size);
	if (exchange == NULL) {
		ocs_http_guard_no_memory(peer->guard);
		return NULL;
	}
	*exchange = (struct ocs_http_exchange){.connection = connection, .peer = peer};
	memset(exchange + 1, 0, size - sizeof(*exchange));
	return exchange;
}

const char *ocs_http_exchange_check(struct ocs_http_exchange *exchange, const char *method,
                                    const char *version)
{
	const char *fault = ocs_http_frame_check(&exchange->frame, exchange->connection,
	                                         &exchange->peer->target, method, version);

	const char *proxy_fault = ocs_http_client_look(exchange->connection, exchange->peer);

	if (fault == NULL)
		fault = exchange->frame.fault = proxy_fault;
	exchange->crowded = exchange->peer->client.told && ocs_http_guard_crowded(exchange->peer);
	exchange->close = fault != NULL || exchange->frame.chunked;
	exchange->too_large = exchange->drop = exchange->frame.length > exchange->body_max;
	return fault;
}

/* Chunked bodies say their length only by ending. */
static bool grow(struct ocs_http_exchange *exchange, size_t needed)
{
	size_t size = exchange->body_size == 0 ? BODY_FIRST : exchange->body_size * 2;
	void *body;

	if (exchange->body_size == 0 && exchange->frame.lengths == 1)
		size = (size_t)exchange->frame.length;
	if (size < needed)
		size = needed;
	body = realloc(exchange->body, size);
	if (body == NULL) {
		ocs_http_guard_no_memory(exchange->peer->guard);
		return false;
	}
	exchange->body = body;
	exchange->body_size = size;
	return true;
}

enum ocs_http_taken ocs_http_exchange_take(struct ocs_http_exchange *exchange, const char *data,
                                           size_t *size)
{
	uint64_t received = ocs_http_exchange_received(exchange);
	uint64_t left = received < exchange->body_max ? exchange->body_max - received : 0;
	enum ocs_http_taken taken = OCS_HTTP_TAKEN;
	size_t len = *size;

	if (!exchange->too_large &&
	    (len > left || ocs_http_frame_chunk(&exchange->frame, data) > left)) {
		exchange->too_large = exchange->drop = true;
		taken = OCS_HTTP_TOO_LARGE;
	}
	*size = 0;
	if (exchange->drop) {
		exchange->dropped += len;
		return exchange->dropped > exchange->drop_max ? OCS_HTTP_CUT : taken;
	}
	if (exchange->body_size - exchange->body_len < len &&
	    !grow(exchange, exchange->body_len + len))
		return OCS_HTTP_CUT;
	memcpy((char *)exchange->body + exchange->body_len, data, len);
	exchange->body_len += len;
	return taken;
}

uint64_t ocs_http_exchange_received(const struct ocs_http_exchange *exchange)
{
	return exchange->body_len + exchange->dropped;
}

const char *ocs_http_value(const struct ocs_http_exchange *exchange, const char *name)
{
	const char *value =
	        MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, name);

	return value != NULL && value[0] != '\0' ? value : NULL;
}

bool ocs_http_is_type(const char *value, const char *type)
{
	size_t len = strlen(type);

	return value != NULL && strncasecmp(value, type, len) == 0 &&
	       strchr("; \t", value[len]) != NULL; /* or the end */
}

bool ocs_http_is_path(const char *url, const char *path)
{
	size_t len = strlen(path);

	return strncmp(url, path, len) == 0 && (url[len] == '\0' || strcmp(url + len, "/") == 0);
}

struct MHD_Response *ocs_http_response(char *body, size_t len)
{
	struct MHD_Response *response =
	        MHD_create_response_from_buffer(len, body, MHD_RESPMEM_MUST_FREE);

	if (response == NULL)
		free(body);
	return response;
}

void ocs_http_header(struct MHD_Response **response, const char *name, const char *value)
{
	if (*response == NULL || value == NULL ||
	    MHD_add_response_header(*response, name, value) == MHD_YES)
		return;
	MHD_destroy_response(*response);
	*response = NULL;
}

void ocs_http_header_number(struct MHD_Response **response, const char *name, unsigned value)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", value);
	ocs_http_header(response, name, text);
}

enum MHD_Result ocs_http_respond_on(struct ocs_http_exchange *exchange, unsigned status,
                                    struct MHD_Response *response)
{
	enum MHD_Result result;

	if (exchange->close)
		ocs_http_header(&response, "Connection", "close");
	if (response == NULL) {
		ocs_http_guard_no_memory(exchange->peer->guard);
		return MHD_NO;
	}
	result = MHD_queue_response(exchange->connection, status, response);
	MHD_destroy_response(response);
	return result;
}

enum MHD_Result ocs_http_respond_again(struct ocs_http_exchange *exchange, unsigned status,
                                       struct MHD_Response *response)
{
	ocs_http_send(exchange->peer);
	return MHD_queue_response(exchange->connection, status, response);
}

enum MHD_Result ocs_http_respond(struct ocs_http_exchange *exchange, unsigned status,
                                 struct MHD_Response *response)
{
	ocs_http_send(exchange->peer);
	return ocs_http_respond_on(exchange, status, response);
}
