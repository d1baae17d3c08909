/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Parked NotificationWaits (MS-OXCMAPIHTTP 2.2.4.4, 3.2.5.2): libocsemsmdb has the wait, while
 * libmicrohttpd has the connection suspended in the middle of a chunked answer. Each chunk is one
 * call of wait_next_chunk(): PROCESSING at once, PENDING every pending period, and at the end DONE
 * with the body.
 *
 * libmicrohttpd does not look at a suspended connection, so its socket is watched in the loop's
 * epoll: a client that goes away gives its session's wait free at once.
 */
#include <string.h>
#include <sys/epoll.h>
#include <sys/types.h>
#include <utlist.h>

#include "mapihttp/mapihttp.h"
#include "mapihttp/body.h"

/* libmicrohttpd asks for at most this much a chunk, which the longest fits into. */
#define CHUNK_SIZE 1024

static void unlist(struct mapihttp_request *request)
{
	if (request->listed)
		DL_DELETE(request->server->waits, request);
	request->listed = false;
}

static void unwatch(struct mapihttp_request *request)
{
	if (request->watched)
		epoll_ctl(request->server->epoll, EPOLL_CTL_DEL, request->http.peer->fd, NULL);
	request->watched = false;
}

static void suspend(struct mapihttp_request *request)
{
	MHD_suspend_connection(request->http.connection);
	request->suspended = true;
}

static void resume(struct mapihttp_request *request)
{
	if (request->suspended) {
		MHD_resume_connection(request->http.connection);
		request->server->resumed = true;
	}
	request->suspended = false;
}

static ssize_t put_text(char *out, const char *text)
{
	size_t len = strlen(text);

	memcpy(out, text, len);
	return (ssize_t)len;
}

static ssize_t wait_next_chunk(void *arg, uint64_t position, char *out, size_t max)
{
	struct mapihttp_request *request = arg;
	size_t len;

	(void)position;
	if (request->gone || max < MAPIHTTP_HEAD_SIZE + MAPIHTTP_WAITED_SIZE)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	if (!request->started) {
		request->started = true;
		return put_text(out, "PROCESSING\r\n");
	}
	if (request->ended)
		return MHD_CONTENT_READER_END_OF_STREAM;
	if (!request->parked) {
		request->ended = true;
		ocs_http_send(request->http.peer);
		len = mapihttp_put_done(request, out, MAPIHTTP_HEAD_SIZE);
		return (ssize_t)(len + mapihttp_put_waited((uint8_t *)out + len,
		                                           request->wait_result,
		                                           (request->wait_flags & 1) != 0));
	}
	if (request->tags > 0) {
		request->tags--;
		return put_text(out, "PENDING\r\n");
	}
	suspend(request);
	return 0;
}

static enum MHD_Result reply_at_once(struct mapihttp_request *request, uint32_t flags,
                                     uint32_t result)
{
	uint8_t body[MAPIHTTP_WAITED_SIZE];

	return mapihttp_reply(request, body, mapihttp_put_waited(body, result, (flags & 1) != 0),
	                      NULL, NULL);
}

/* The answer that begins now and ends when the wait does. */
static enum MHD_Result begin_stream(struct mapihttp_request *request)
{
	struct MHD_Response *response = MHD_create_response_from_callback(
	        MHD_SIZE_UNKNOWN, CHUNK_SIZE, wait_next_chunk, request, NULL);

	mapihttp_put_headers(request, &response, MAPIHTTP_OK);
	return ocs_http_respond_on(&request->http, MHD_HTTP_OK, response);
}

enum MHD_Result mapihttp_wait(struct mapihttp_request *request, struct ocsemsmdb_session *session)
{
	struct mapihttp *server = request->server;
	struct epoll_event watch = {.events = EPOLLRDHUP, .data.ptr = request};
	uint32_t flags, result;

	if (!ocsemsmdb_wait_park(session, OCSEMSMDB_WAIT_HTTP, NULL, request, &flags, &result))
		return reply_at_once(request, flags, result);
	request->parked = true;
	request->answered = true;
	request->pending_due = ocs_clock_ms() + server->options->pending_period;
	DL_APPEND(server->waits, request);
	request->listed = true;
	request->watched =
	        epoll_ctl(server->epoll, EPOLL_CTL_ADD, request->http.peer->fd, &watch) == 0;
	if (!request->watched)
		return MHD_NO; /* mapihttp_wait_forget() comes */
	return begin_stream(request);
}

void mapihttp_wait_done(void *call, uint32_t flags, uint32_t result, void *arg)
{
	struct mapihttp_request *request = call;

	(void)arg;
	request->parked = false;
	request->wait_flags = flags;
	request->wait_result = result;
	unlist(request);
	unwatch(request);
	resume(request);
}

bool mapihttp_wait_alive(void *call, void *arg)
{
	const struct mapihttp_request *request = call;

	(void)arg;
	return !request->gone;
}

void mapihttp_wait_gone(struct mapihttp_request *request)
{
	request->gone = true;
	mapihttp_wait_forget(request);
	resume(request);
}

void mapihttp_wait_forget(struct mapihttp_request *request)
{
	if (request->parked)
		ocsemsmdb_wait_cancel(request->server->emsmdb, request);
	request->parked = false;
	unlist(request);
	unwatch(request);
}

uint64_t mapihttp_wait_tags(struct mapihttp *server, uint64_t now)
{
	struct mapihttp_request *request;

	while ((request = server->waits) != NULL && request->pending_due <= now) {
		DL_DELETE(server->waits, request);
		request->pending_due = now + server->options->pending_period;
		DL_APPEND(server->waits, request);
		/* A client that does not read gets one, not all that it has missed. */
		request->tags = 1;
		resume(request);
	}
	return request != NULL ? request->pending_due : UINT64_MAX;
}
