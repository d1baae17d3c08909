/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Covers: http/frame.c */
/*
 * Fuzz target: requests on a connection, through libmicrohttpd. The first byte says how many bytes
 * (times 8) come before the others. What is taken for a request must be one to a reader who knows
 * nothing but the standard, with the same body: else a proxy may see another request in it.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <microhttpd.h>

#include "fuzz/fuzz.h"
#include "http/frame.h"

#define INPUT_MAX 4096
#define ROUNDS    200

const unsigned fuzz_cost = 4;
const struct fuzz_blob fuzz_blobs[] = {
        FUZZ_BLOB("\0PUT /notification HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nCookie: a=b; "
                  "token=\"x\"\r\n\r\nhello"),
        FUZZ_BLOB("\5POST /x HTTP/1.1\r\nhost:x\r\nTransfer-Encoding: chunked\r\n\r\n"
                  "5;a=b\r\nhello\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n"),
        FUZZ_BLOB("\1GET /?a=%20 HTTP/1.0\r\n\r\n"),
        FUZZ_BLOB("\0GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /y HTTP/1.1\r\nHost: y\r\n"
                  "Content-Length: 2\r\nCookie: token=1\r\n\r\nabGET /z HTTP/1.1\r\n\r\n"),
        FUZZ_BLOB("\0GET / HTTP/1.1\r\nHost: x\r\nX-Y: a\r\n b\r\n\r\n"),
        FUZZ_BLOB("\0GET / HTTP/1.1\nHost: x\nContent-Length: 1\n\n1"),
        {NULL, 0},
};

/* What the standard says of the request at a place. */
struct request {
	size_t end; /* of its headers */
	unsigned hosts, lengths, encodings;
	bool version_1_0, chunked;
	uint64_t length;
};

static struct {
	const char *data;
	size_t size, at; /* where the next request begins */
	size_t body;     /* where the body of the present one goes on */
	bool ended;      /* no request may follow */
	bool open;       /* the connection is */
	struct request request;
	struct ocs_http_target target;
	struct ocs_http_frame frame;
} seen;

static bool is_token(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (text[i] <= ' ' || text[i] >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", text[i]))
			return false;
	return len > 0;
}

static bool is_name(const char *line, size_t len, const char *name)
{
	return len == strlen(name) && strncasecmp(line, name, len) == 0;
}

static void read_length(struct request *request, const char *value, size_t len)
{
	FUZZ_CHECK(len > 0);
	request->lengths++;
	request->length = 0;
	for (size_t i = 0; i < len; i++) {
		FUZZ_CHECK(value[i] >= '0' && value[i] <= '9');
		request->length = request->length * 10 + (uint64_t)(value[i] - '0');
	}
}

static void read_field(struct request *request, const char *line, size_t len)
{
	const char *colon = memchr(line, ':', len), *value, *end = line + len;

	FUZZ_CHECK(colon != NULL && is_token(line, (size_t)(colon - line)));
	for (value = colon + 1; value < end && (*value == ' ' || *value == '\t'); value++)
		continue;
	while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	len = (size_t)(colon - line);
	if (is_name(line, len, "Host"))
		request->hosts++;
	if (is_name(line, len, "Content-Length"))
		read_length(request, value, (size_t)(end - value));
	if (is_name(line, len, "Transfer-Encoding")) {
		request->encodings++;
		request->chunked = is_name(value, (size_t)(end - value), "chunked");
		FUZZ_CHECK(request->chunked);
	}
}

static void read_first(struct request *request, const char *line, size_t len)
{
	const char *end = line + len, *address = memchr(line, ' ', len);

	FUZZ_CHECK(address != NULL && is_token(line, (size_t)(address - line)));
	FUZZ_CHECK(len > 10 && strncmp(end - 9, " HTTP/1.", 8) == 0);
	FUZZ_CHECK(end - 9 > address &&
	           memchr(address + 1, ' ', (size_t)(end - 9 - address - 1)) == NULL);
	request->version_1_0 = end[-1] == '0';
}

/* The line at *at, which ends with CR LF and holds neither otherwise, and goes behind it. A NUL for
 * the CR leaves no trace where lines are only watched (http/frame.h). */
static const char *next_line(size_t *at, size_t *len_r)
{
	const char *line = seen.data + *at;
	size_t left = seen.size - *at, len = 0;

	while (len < left && line[len] != '\r' && line[len] != '\n' && line[len] != '\0')
		len++;
	FUZZ_CHECK(left - len >= 2 && line[len + 1] == '\n');
	FUZZ_CHECK(line[len] == '\r' || (line[len] == '\0' && seen.frame.watched));
	*at += len + 2;
	*len_r = len;
	return line;
}

static void read_request(struct request *request)
{
	size_t at = seen.at, len;
	const char *line;

	memset(request, 0, sizeof(*request));
	/* Empty lines before a request are passed over, and as such, where lines are only watched,
	 * what begins with a NUL. */
	while (at < seen.size && (seen.data[at] == '\r' || seen.data[at] == '\n' ||
	                          (seen.data[at] == '\0' && seen.frame.watched))) {
		if (seen.data[at] == '\0')
			while (at < seen.size && seen.data[at] != '\r' && seen.data[at] != '\n')
				at++;
		FUZZ_CHECK(at < seen.size);
		at++;
	}
	line = next_line(&at, &len);
	read_first(request, line, len);
	for (line = next_line(&at, &len); len > 0; line = next_line(&at, &len))
		read_field(request, line, len);
	FUZZ_CHECK(request->hosts == 1 || (request->hosts == 0 && request->version_1_0));
	FUZZ_CHECK(request->lengths + request->encodings <= 1);
	FUZZ_CHECK(!request->chunked || !request->version_1_0);
	request->end = at;
}

/* Queues the answer; a connection that must end says so. */
static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status, bool end)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(2, (void *)(uintptr_t) "ok",
	                                                                MHD_RESPMEM_PERSISTENT);
	enum MHD_Result result;

	FUZZ_CHECK(response != NULL);
	if (end)
		FUZZ_CHECK(MHD_add_response_header(response, "Connection", "close") == MHD_YES);
	seen.ended = end;
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result begin(struct MHD_Connection *connection, const char *method,
                             const char *version)
{
	char cookie[16];

	FUZZ_CHECK(!seen.ended);
	if (ocs_http_frame_check(&seen.frame, connection, &seen.target, method, version) != NULL)
		return answer(connection, 400, true);
	read_request(&seen.request);
	FUZZ_CHECK(seen.frame.chunked == seen.request.chunked);
	FUZZ_CHECK(seen.frame.lengths == seen.request.lengths &&
	           (seen.frame.lengths == 0 || seen.frame.length == seen.request.length));
	if (ocs_http_cookie(connection, "token", cookie, sizeof(cookie)))
		FUZZ_CHECK(strlen(cookie) < sizeof(cookie));
	seen.body = seen.request.end;
	return MHD_YES;
}

static void take(const char *data, size_t len)
{
	if (seen.request.chunked) {
		(void)ocs_http_frame_chunk(&seen.frame, data);
		return;
	}
	FUZZ_CHECK(len <= seen.size - seen.body && memcmp(seen.data + seen.body, data, len) == 0);
	seen.body += len;
	FUZZ_CHECK(seen.body - seen.request.end <= seen.request.length);
}

static enum MHD_Result handle(void *arg, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_size, void **request_r)
{
	(void)arg;
	(void)url;
	if (*request_r == NULL) {
		*request_r = &seen;
		return begin(connection, method, version);
	}
	if (*upload_size > 0) {
		take(upload, *upload_size);
		*upload_size = 0;
		return MHD_YES;
	}
	FUZZ_CHECK(seen.request.chunked || seen.body - seen.request.end == seen.request.length);
	seen.at = seen.body;
	return answer(connection, 200, seen.request.chunked);
}

static void *on_address(void *arg, const char *address, struct MHD_Connection *connection)
{
	(void)arg;
	(void)connection;
	ocs_http_target_look(&seen.target, address);
	return NULL;
}

static void on_connection(void *arg, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode what)
{
	(void)arg;
	(void)connection;
	(void)context;
	seen.open = what == MHD_CONNECTION_NOTIFY_STARTED;
}

static struct MHD_Daemon *start(void)
{
	struct MHD_Daemon *daemon = MHD_start_daemon(
	        MHD_USE_NO_LISTEN_SOCKET, 0, NULL, NULL, handle, NULL, MHD_OPTION_URI_LOG_CALLBACK,
	        on_address, NULL, MHD_OPTION_NOTIFY_CONNECTION, on_connection, NULL,
	        MHD_OPTION_STRICT_FOR_CLIENT, ocs_http_strictness(), MHD_OPTION_END);

	FUZZ_CHECK(daemon != NULL);
	return daemon;
}

static void send_piece(int fd, struct MHD_Daemon *daemon, const uint8_t *data, size_t len)
{
	/* Whoever has hung up need not be told more. */
	(void)!send(fd, data, len, MSG_NOSIGNAL);
	FUZZ_CHECK(MHD_run(daemon) == MHD_YES);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct MHD_Daemon *daemon;
	const struct sockaddr address = {.sa_family = AF_UNIX};
	size_t first;
	int pair[2];

	if (size < 1 || size > INPUT_MAX)
		return 0;
	if (daemon == NULL)
		daemon = start();
	memset(&seen, 0, sizeof(seen));
	seen.data = (const char *)data + 1;
	seen.size = size - 1;
	first = data[0] * 8U < size - 1 ? data[0] * 8U : size - 1;
	FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	FUZZ_CHECK(MHD_add_connection(daemon, pair[1], &address, sizeof(address)) == MHD_YES);
	send_piece(pair[0], daemon, data + 1, first);
	send_piece(pair[0], daemon, data + 1 + first, size - 1 - first);
	(void)shutdown(pair[0], SHUT_WR);
	for (int i = 0; i < ROUNDS && seen.open; i++)
		FUZZ_CHECK(MHD_run(daemon) == MHD_YES);
	close(pair[0]);
	for (int i = 0; i < ROUNDS && seen.open; i++)
		FUZZ_CHECK(MHD_run(daemon) == MHD_YES);
	FUZZ_CHECK(!seen.open);
	return 0;
}
