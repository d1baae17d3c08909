/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Prebuilt PUT requests and their replies, for the bench programs. Reads the template file; opens
 * the TCP connection.
 */
#include "bench/request.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define TEMPLATE_MAX 65536
#define SEPARATOR    "\n---\n"

static const struct {
	const char *text;
	unsigned digits;
} marks_known[] = {{"{n}", 10}, {"{m}", 6}, {"{u}", BENCH_USER_DIGITS}};
#define MARKS_KNOWN (sizeof(marks_known) / sizeof(marks_known[0]))

static char *read_file(const char *file)
{
	FILE *in = fopen(file, "re");
	char *text = calloc(1, TEMPLATE_MAX + 1);

	if (!in || !text) {
		fprintf(stderr, "%s: %s\n", file, strerror(errno));
		goto fail;
	}
	size_t len = fread(text, 1, TEMPLATE_MAX, in);
	if (ferror(in) || len == TEMPLATE_MAX) {
		fprintf(stderr, "%s: cannot be read, or is over %d bytes\n", file, TEMPLATE_MAX);
		goto fail;
	}
	fclose(in);
	return text;
fail:
	if (in)
		fclose(in);
	free(text);
	return NULL;
}

/* Appends one copy of the notification to the body and records where its numbers are. */
static int append_item(struct bench_request *request, FILE *body, const char *item, unsigned number,
                       const struct bench_shape *shape)
{
	const uint64_t moduli[MARKS_KNOWN] = {0, shape->messages, shape->users};

	while (*item) {
		size_t kind = 0;
		while (kind < MARKS_KNOWN &&
		       strncmp(item, marks_known[kind].text, strlen(marks_known[kind].text)) != 0)
			kind++;
		if (kind == MARKS_KNOWN) {
			fputc(*item++, body);
			continue;
		}
		struct bench_mark *grown =
		        realloc(request->marks, (request->mark_count + 1) * sizeof(*grown));
		if (!grown)
			return -1;
		request->marks = grown;
		grown[request->mark_count++] = (struct bench_mark){
		        .at = (size_t)ftell(body),
		        .digits = marks_known[kind].digits,
		        .modulus = moduli[kind],
		        .item = number,
		};
		fprintf(body, "%0*d", (int)marks_known[kind].digits, 0);
		item += strlen(marks_known[kind].text);
	}
	return 0;
}

static int build(struct bench_request *request, char *text, const char *path,
                 const struct bench_shape *shape)
{
	char *item = strstr(text, SEPARATOR);
	char *tail = item ? strstr(item + strlen(SEPARATOR), SEPARATOR) : NULL;

	if (!tail) {
		fputs("the template needs head, notification and tail, between lines of ---\n",
		      stderr);
		return -1;
	}
	*item = '\0';
	item += strlen(SEPARATOR);
	*tail = '\0';
	tail += strlen(SEPARATOR);

	char *body = NULL;
	size_t body_len = 0;
	FILE *out = open_memstream(&body, &body_len);
	if (!out)
		return -1;
	int result = 0;
	fputs(text, out);
	for (unsigned i = 0; i < shape->batch && result == 0; i++)
		result = append_item(request, out, item, i, shape);
	fputs(tail, out);
	if (fclose(out) != 0)
		result = -1;

	char *bytes = NULL;
	int head_len = 0;
	if (result == 0) {
		head_len = asprintf(&bytes,
		                    "PUT %s HTTP/1.1\r\nHost: localhost\r\n"
		                    "Content-Type: text/xml; charset=utf-8\r\n"
		                    "Content-Length: %zu\r\n\r\n%s",
		                    path, body_len, body);
		result = head_len < 0 ? -1 : 0;
	}
	free(body);
	if (result != 0)
		return -1;
	request->bytes = bytes;
	request->len = (size_t)head_len;
	for (size_t i = 0; i < request->mark_count; i++)
		request->marks[i].at += request->len - body_len;
	return 0;
}

int bench_request_load(struct bench_request *request, const char *file, const char *path,
                       const struct bench_shape *shape)
{
	memset(request, 0, sizeof(*request));
	request->batch = shape->batch;
	char *text = read_file(file);
	if (!text)
		return -1;
	int result = build(request, text, path, shape);
	free(text);
	if (result != 0)
		bench_request_free(request);
	return result;
}

void bench_request_free(struct bench_request *request)
{
	free(request->bytes);
	free(request->marks);
	memset(request, 0, sizeof(*request));
}

void bench_request_fill(const struct bench_request *request, char *bytes, uint64_t *next)
{
	for (size_t i = 0; i < request->mark_count; i++) {
		const struct bench_mark *mark = &request->marks[i];
		uint64_t value = *next + mark->item;
		if (mark->modulus)
			value %= mark->modulus;
		for (unsigned digit = mark->digits; digit > 0; digit--) {
			bytes[mark->at + digit - 1] = (char)('0' + value % 10);
			value /= 10;
		}
	}
	*next += request->batch;
}

/* The value of a header in [head, end), or NULL. */
static const char *header(const char *head, const char *end, const char *name)
{
	size_t name_len = strlen(name);

	for (const char *line = head; line < end;) {
		const char *next = memchr(line, '\n', (size_t)(end - line));
		if (!next)
			return NULL;
		if ((size_t)(next - line) > name_len && line[name_len] == ':' &&
		    strncasecmp(line, name, name_len) == 0) {
			line += name_len + 1;
			while (*line == ' ')
				line++;
			return line;
		}
		line = next + 1;
	}
	return NULL;
}

long bench_reply_parse(const char *data, size_t len, struct bench_reply *out)
{
	const char *end = memmem(data, len, "\r\n\r\n", 4);

	if (!end)
		return 0;
	if (len < 12 || memcmp(data, "HTTP/1.1 ", 9) != 0)
		return -1;
	end += 4;
	const char *length = header(data, end, "Content-Length");
	if (!length)
		return -1;
	unsigned long body_len = strtoul(length, NULL, 10);
	if (body_len > TEMPLATE_MAX * 16UL)
		return -1;
	if (len - (size_t)(end - data) < body_len)
		return 0;
	const char *connection = header(data, end, "Connection");
	out->status = atoi(data + 9);
	out->close = connection && strncasecmp(connection, "close", 5) == 0;
	out->body = end;
	out->body_len = body_len;
	return end - data + (long)body_len;
}

bool bench_reply_all(const struct bench_reply *reply, const char *expected, unsigned count)
{
	static const char attribute[] = "status=\"";
	const size_t attribute_len = sizeof(attribute) - 1, expected_len = strlen(expected);
	const char *at = reply->body, *end = reply->body + reply->body_len;
	unsigned seen = 0;

	while ((at = memmem(at, (size_t)(end - at), attribute, attribute_len))) {
		at += attribute_len;
		if ((size_t)(end - at) <= expected_len || memcmp(at, expected, expected_len) != 0 ||
		    at[expected_len] != '"')
			return false;
		seen++;
	}
	return seen == count;
}

int bench_connect(const char *host, const char *port)
{
	struct addrinfo *address = NULL;
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};
	const int on = 1;
	int code = getaddrinfo(host, port, &hints, &address);

	if (code != 0) {
		fprintf(stderr, "%s port %s: %s\n", host, port, gai_strerror(code));
		return -1;
	}
	int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	/* connected while still blocking: on loopback that is at once or refused */
	if (fd < 0 || connect(fd, address->ai_addr, address->ai_addrlen) != 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0 ||
	    fcntl(fd, F_SETFL, O_NONBLOCK) != 0) {
		fprintf(stderr, "%s port %s: %s\n", host, port, strerror(errno));
		if (fd >= 0)
			close(fd);
		fd = -1;
	}
	freeaddrinfo(address);
	return fd;
}
