/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Checks where a request begins and ends: its first line, its headers, its chunks. Also finds
 * cookies. Touches the request only; any thread. */
#include "http/frame.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define CRLF 2

/* RFC 9110 section 5.6.2. */
static bool is_token(const char *text, size_t len)
{
	static const bool tchar[256] = {
	        ['0' ... '9'] = true,  ['A' ... 'Z'] = true, ['a' ... 'z'] = true, ['!'] = true,
	        ['#' ... '\''] = true, ['*'] = true,         ['+'] = true,         ['-'] = true,
	        ['.'] = true,          ['^' ... '`'] = true, ['|'] = true,         ['~'] = true,
	};
	size_t i = 0;

	while (i < len && tchar[(unsigned char)text[i]])
		i++;
	return i == len && len > 0;
}

static bool has_control(const char *text, size_t len)
{
	static const bool control[256] = {
	        [0 ... 0x08] = true, [0x0a ... 0x1f] = true, [0x7f] = true};
	size_t i = 0;

	while (i < len && !control[(unsigned char)text[i]])
		i++;
	return i < len;
}

static bool is_number(const char *text, size_t len, uint64_t *out)
{
	uint64_t value = 0;

	if (len == 0)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9' || value > UINT64_MAX / 10 - 1)
			return false;
		value = value * 10 + (uint64_t)(text[i] - '0');
	}
	*out = value;
	return true;
}

/* 0.9.77 was the first to refuse them. */
static bool lines_are_refused(void)
{
	static atomic_int known; /* 0: not yet, 1: they are, 2: they are not */
	unsigned major = 0, minor = 0, patch = 0;

	if (atomic_load_explicit(&known, memory_order_relaxed) == 0) {
		bool are = sscanf(MHD_get_version(), "%u.%u.%u", &major, &minor, &patch) == 3 &&
		           (major > 0 || minor > 9 || patch >= 77);

		atomic_store_explicit(&known, are ? 1 : 2, memory_order_relaxed);
	}
	return atomic_load_explicit(&known, memory_order_relaxed) == 1;
}

int ocs_http_strictness(void)
{
	return lines_are_refused() ? 1 : 0;
}

static void blame(struct ocs_http_frame *frame, const char *fault)
{
	if (frame->fault == NULL)
		frame->fault = fault;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

void ocs_http_target_look(struct ocs_http_target *target, const char *address)
{
	const char *c;

	target->fault = NULL;
	target->arguments = 1;
	target->start = (uintptr_t)address;
	for (c = address; *c != '\0'; c++) {
		int high = *c == '%' ? hex_digit(c[1]) : -1;
		int low = high >= 0 ? hex_digit(c[2]) : -1;
		int byte = low >= 0 ? high * 16 + low : (unsigned char)*c;

		target->arguments += *c == '&';
		if (byte < 0x20 || byte == 0x7f)
			target->fault = "the address has a control character";
		else if (*c == ' ' && target->fault == NULL)
			target->fault = "the first line has an extra space";
	}
	target->end = (uintptr_t)c;
}

static void frame_begin(struct ocs_http_frame *frame, const struct ocs_http_target *target,
                        const char *method, const char *version)
{
	memset(frame, 0, sizeof(*frame));
	frame->watched = !lines_are_refused();
	if (!is_token(method, strlen(method)))
		blame(frame, "the method is not a token");
	if (target->fault != NULL)
		blame(frame, target->fault);
	if (strncmp(version, "HTTP/1.", 7) != 0 || version[7] < '0' || version[7] > '9' ||
	    version[8] != '\0')
		blame(frame, "the version is not HTTP/1.1 or HTTP/1.0");
	else
		frame->version_1_0 = version[7] == '0';
	/* 0.9.75 passes over any number of spaces. */
	if (frame->watched && target->start != (uintptr_t)method + strlen(method) + 1)
		blame(frame, "the first line has an extra space");
	/* A NUL in the address ends its string before the space. */
	if (frame->fault == NULL && target->end + 1 != (uintptr_t)version)
		blame(frame, "the address has a control character");
	frame->start = (uintptr_t)method;
	frame->expected = (uintptr_t)version + strlen(version) + CRLF;
}

static void check_host(struct ocs_http_frame *frame, const char *value, size_t len)
{
	if (++frame->hosts > 1)
		blame(frame, "Host is given more than once");
	for (size_t i = 0; i < len; i++)
		if (value[i] == '\0' || strchr(" \t/?#@\\", value[i]) != NULL)
			blame(frame, "Host is not a host");
}

/* The first one of a name counts. */
static void remember(struct ocs_http_frame *frame, const char *name, size_t len, const char *value)
{
	static const struct {
		const char *name;
		size_t len;
	} known[OCS_HTTP_NAMED] = {
	        [OCS_HTTP_AUTHORIZATION] = {"Authorization", sizeof("Authorization") - 1},
	        [OCS_HTTP_CONTENT_ENCODING] = {"Content-Encoding", sizeof("Content-Encoding") - 1},
	        [OCS_HTTP_CONTENT_TYPE] = {"Content-Type", sizeof("Content-Type") - 1},
	        [OCS_HTTP_EXPECT] = {"Expect", sizeof("Expect") - 1},
	};

	for (int i = 0; i < OCS_HTTP_NAMED; i++)
		if (len == known[i].len && frame->named[i] == NULL &&
		    strcasecmp(name, known[i].name) == 0)
			frame->named[i] = value;
}

static enum MHD_Result frame_header(void *arg, enum MHD_ValueKind kind, const char *name,
                                    size_t name_len, const char *value, size_t value_len)
{
	struct ocs_http_frame *frame = arg;

	(void)kind;
	if (value == NULL) {
		value = "";
		value_len = 0;
	}
	if (!is_token(name, name_len))
		blame(frame, "the name of a header is not a token");
	if (has_control(value, value_len))
		blame(frame, "a header has a control character");
	/* The value stands behind the name, or its line was folded. */
	if (frame->watched &&
	    ((uintptr_t)name != frame->expected || (uintptr_t)value <= (uintptr_t)name + name_len))
		blame(frame, "a line is folded or does not end with CR LF");
	frame->expected = (uintptr_t)value + value_len + CRLF;
	/* Lengths first: most headers are none of these, and this is done for each of them. */
	if (name_len == sizeof("Host") - 1 && strcasecmp(name, "Host") == 0) {
		check_host(frame, value, value_len);
	} else if (name_len == sizeof("Content-Length") - 1 &&
	           strcasecmp(name, "Content-Length") == 0) {
		if (++frame->lengths > 1)
			blame(frame, "Content-Length is given more than once");
		if (!is_number(value, value_len, &frame->length))
			blame(frame, "Content-Length is not a number");
	} else if (name_len == sizeof("Transfer-Encoding") - 1 &&
	           strcasecmp(name, "Transfer-Encoding") == 0) {
		frame->encodings++;
		frame->chunked = value_len == 7 && strcasecmp(value, "chunked") == 0;
		if (frame->encodings > 1 || !frame->chunked)
			blame(frame, "the transfer encoding is not chunked");
		else if (frame->version_1_0)
			blame(frame, "HTTP/1.0 has no transfer encoding");
	} else {
		remember(frame, name, name_len, value);
	}
	return MHD_YES;
}

static const char *frame_end(struct ocs_http_frame *frame, struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
	        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);

	if (info != NULL)
		frame->body = frame->start + info->header_size;
	if (frame->lengths > 0 && frame->encodings > 0)
		blame(frame, "both Content-Length and Transfer-Encoding are given");
	if (frame->hosts == 0 && !frame->version_1_0)
		blame(frame, "Host is missing");
	/* The empty line ends the headers. */
	if (frame->watched && (info == NULL || frame->expected + CRLF != frame->body))
		blame(frame, "a line is folded or does not end with CR LF");
	for (int i = 0; i < OCS_HTTP_NAMED; i++)
		if (frame->named[i] != NULL && frame->named[i][0] == '\0')
			frame->named[i] = NULL;
	return frame->fault;
}

const char *ocs_http_frame_check(struct ocs_http_frame *frame, struct MHD_Connection *connection,
                                 const struct ocs_http_target *target, const char *method,
                                 const char *version)
{
	frame_begin(frame, target, method, version);
	MHD_get_connection_values_n(connection, MHD_HEADER_KIND, frame_header, frame);
	return frame_end(frame, connection);
}

uint64_t ocs_http_frame_chunk(const struct ocs_http_frame *frame, const char *data)
{
	const char *line = data - 1;
	uint64_t size = 0;

	/* Read bytes begin where the headers end, so behind that nothing but a line that has been
	 * read can stand before others. It ends with LF at least; 1.0.1 leaves the LF of a line
	 * with an extension to the data. */
	if (!frame->chunked || frame->body == 0 || (uintptr_t)data < frame->body + CRLF ||
	    (data[-1] != '\n' && data[-1] != '\r'))
		return 0;
	while ((uintptr_t)line > frame->body && line[-1] != '\n')
		line--;
	for (; line < data && hex_digit(*line) >= 0; line++) {
		if (size > UINT64_MAX >> 4)
			return UINT64_MAX;
		size = size << 4 | (uint64_t)hex_digit(*line);
	}
	return size;
}

struct wanted {
	const char *name;
	char *out;
	size_t size;
	bool found;
};

static enum MHD_Result frame_read_cookies(void *arg, enum MHD_ValueKind kind, const char *name,
                                          const char *value)
{
	struct wanted *wanted = arg;
	size_t name_len = strlen(wanted->name);

	(void)kind;
	if (value == NULL || strcasecmp(name, "Cookie") != 0)
		return MHD_YES;
	while (*value != '\0') {
		const char *end, *next;

		value += strspn(value, " \t;");
		next = value + strcspn(value, ";");
		for (end = next; end > value && (end[-1] == ' ' || end[-1] == '\t'); end--)
			continue;
		if (strncmp(value, wanted->name, name_len) == 0 && value[name_len] == '=') {
			value += name_len + 1;
			if (end - value >= 2 && *value == '"' && end[-1] == '"') {
				value++;
				end--;
			}
			wanted->found = (size_t)(end - value) < wanted->size;
			if (wanted->found) {
				memcpy(wanted->out, value, (size_t)(end - value));
				wanted->out[end - value] = '\0';
			}
			return MHD_NO;
		}
		value = next;
	}
	return MHD_YES;
}

bool ocs_http_cookie(struct MHD_Connection *connection, const char *name, char *out, size_t size)
{
	struct wanted wanted = {name, out, size, false};

	MHD_get_connection_values(connection, MHD_HEADER_KIND, frame_read_cookies, &wanted);
	return wanted.found;
}
