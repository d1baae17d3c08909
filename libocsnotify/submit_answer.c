/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The daemon's answer to a report: HTTP and the document in it, as ocsmanager writes them, and no
 * more of either than that. Pure functions on the caller's memory.
 */
#include "libocsnotify/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- HTTP ---- */

/* Digits alone, up to max; -1. */
static long read_number(const char *p, size_t len, long max)
{
	long number = 0;

	if (len == 0)
		return -1;
	for (; len > 0; p++, len--) {
		if (*p < '0' || *p > '9')
			return -1;
		number = number * 10 + (*p - '0');
		if (number > max)
			return -1;
	}
	return number;
}

/* The length of the body that the header lines name; -1: none, or nonsense. */
static long content_length(const char *p, const char *end)
{
	static const char name[] = "Content-Length:";
	long found = -1;

	while (p < end) {
		const char *line = memmem(p, (size_t)(end - p), "\r\n", 2);
		size_t len = (size_t)(line - p);

		if (len >= sizeof(name) - 1 && strncasecmp(p, name, sizeof(name) - 1) == 0) {
			const char *value = p + sizeof(name) - 1;

			while (value < line && *value == ' ')
				value++;
			if (found >= 0)
				return -1;
			found = read_number(value, (size_t)(line - value), LIBOCSNOTIFY_ANSWER_MAX);
			if (found < 0)
				return -1;
		}
		p = line + 2;
	}
	return found;
}

int libocsnotify_answer_read(const char *data, size_t len, struct libocsnotify_answer *answer)
{
	static const char version[] = "HTTP/1.1 ";
	const size_t status = sizeof(version) - 1;
	const char *head = memmem(data, len, "\r\n\r\n", 4);
	long code, body;

	if (head == NULL)
		return len > LIBOCSNOTIFY_ANSWER_MAX ? -1 : 0;
	head += 2; /* the last line ends with these */
	if ((size_t)(head - data) < status + 5 || memcmp(data, version, status) != 0)
		return -1;
	code = read_number(data + status, 3, 999);
	body = content_length(data, head);
	if (code < 100 || body < 0)
		return -1;
	head += 2;
	if ((size_t)(data + len - head) < (size_t)body)
		return 0;
	answer->code = (int)code;
	answer->body = head;
	answer->len = (size_t)body;
	return 1;
}

/* ---- the document ---- */

struct tag {
	const char *name, *rest, *end; /* the name, what follows it, the '>' */
	bool closes;
};

/* The next tag, none of its bytes past the document; false: there is none. */
static bool next_tag(const char **p, const char *end, struct tag *tag)
{
	const char *open = memchr(*p, '<', (size_t)(end - *p));
	const char *close = open == NULL ? NULL : memchr(open, '>', (size_t)(end - open));

	if (close == NULL)
		return false;
	tag->closes = open[1] == '/';
	tag->name = open + (tag->closes ? 2 : 1);
	tag->rest = tag->name;
	while (tag->rest < close && *tag->rest != ' ' && *tag->rest != '/')
		tag->rest++;
	tag->end = close;
	*p = close + 1;
	return true;
}

static bool is_tag(const struct tag *tag, const char *name, bool closes)
{
	size_t len = strlen(name);

	return tag->closes == closes && (size_t)(tag->rest - tag->name) == len &&
	       memcmp(tag->name, name, len) == 0;
}

/* Into out (size bytes), without entities and NUL-terminated; cut to fit. */
static void copy_text(const char *p, const char *end, char *out, size_t size)
{
	static const struct {
		const char *text;
		char c;
	} entities[] = {{"&lt;", '<'}, {"&gt;", '>'}, {"&amp;", '&'}, {"&quot;", '"'}};
	size_t used = 0;

	while (p < end && used + 1 < size) {
		size_t step = 1;
		char c = *p;

		for (size_t i = 0; c == '&' && i < sizeof(entities) / sizeof(entities[0]); i++) {
			size_t len = strlen(entities[i].text);

			if ((size_t)(end - p) >= len && memcmp(p, entities[i].text, len) == 0) {
				step = len;
				out[used] = entities[i].c;
				break;
			}
		}
		if (step == 1)
			out[used] = c != '\0' ? c : '?';
		used++;
		p += step;
	}
	out[used] = '\0';
}

/* The value of an attribute into out; false: it has none of that name. */
static bool attribute(const struct tag *tag, const char *name, char *out, size_t size)
{
	const char *p = tag->rest;
	size_t len = strlen(name);

	while (p < tag->end) {
		const char *equals = memchr(p, '=', (size_t)(tag->end - p)), *quote;

		while (p < tag->end && *p == ' ')
			p++;
		if (equals == NULL || equals < p || equals + 1 >= tag->end || equals[1] != '"')
			return false;
		quote = memchr(equals + 2, '"', (size_t)(tag->end - equals - 2));
		if (quote == NULL)
			return false;
		if ((size_t)(equals - p) == len && memcmp(p, name, len) == 0) {
			copy_text(equals + 2, quote, out, size);
			return true;
		}
		p = quote + 1;
	}
	return false;
}

/* The error that the tag opens; *p comes to stand behind it. */
static int read_error(const struct tag *tag, const char **p, const char *end,
                      struct ocsnotify_report_result *result)
{
	struct tag close;
	char code[8];
	long number;

	if (!is_tag(tag, "error", false) || !attribute(tag, "code", code, sizeof(code)) ||
	    !attribute(tag, "name", result->name, sizeof(result->name)))
		return -1;
	number = read_number(code, strlen(code), 999);
	if (number < 0 || !next_tag(p, end, &close) || !is_tag(&close, "error", true))
		return -1;
	copy_text(tag->end + 1, close.name - 2, result->text, sizeof(result->text));
	result->status = OCSNOTIFY_REPORT_REFUSED;
	result->code = (int)number;
	return 0;
}

static int read_result(const struct tag *tag, const char **p, const char *end,
                       struct ocsnotify_report_result *result)
{
	char status[16], queues[16];
	struct tag inner;
	long number;

	if (!attribute(tag, "status", status, sizeof(status)))
		return -1;
	if (strcmp(status, "queued") == 0) {
		number = attribute(tag, "queues", queues, sizeof(queues))
		                 ? read_number(queues, strlen(queues), INT32_MAX)
		                 : -1;
		result->status = OCSNOTIFY_REPORT_QUEUED;
		result->queues = (unsigned)number;
		return number < 0 ? -1 : 0;
	}
	if (strcmp(status, "nosubscriber") == 0) {
		result->status = OCSNOTIFY_REPORT_NOSUBSCRIBER;
		return 0;
	}
	if (strcmp(status, "duplicate") == 0) {
		result->status = OCSNOTIFY_REPORT_DUPLICATE;
		return 0;
	}
	if (strcmp(status, "refused") != 0 || !next_tag(p, end, &inner) ||
	    read_error(&inner, p, end, result) != 0)
		return -1;
	return next_tag(p, end, &inner) && is_tag(&inner, "notification", true) ? 0 : -1;
}

static int read_results(const struct libocsnotify_answer *answer,
                        struct ocsnotify_report_result *results, size_t n)
{
	const char *p = answer->body, *end = p + answer->len;
	struct tag tag;
	size_t found = 0;

	while (next_tag(&p, end, &tag)) {
		if (!is_tag(&tag, "notification", false))
			continue;
		if (found == n || read_result(&tag, &p, end, &results[found]) != 0)
			return -1;
		found++;
	}
	return found == n ? 0 : -1;
}

/* The request as a whole was refused, maybe by libmicrohttpd in words of its own. */
static void refuse_all(const struct libocsnotify_answer *answer,
                       struct ocsnotify_report_result *results, size_t n)
{
	struct ocsnotify_report_result refused = {.status = OCSNOTIFY_REPORT_REFUSED,
	                                          .code = answer->code};
	const char *p = answer->body, *end = p + answer->len;
	struct tag tag;
	bool read = false;

	while (!read && next_tag(&p, end, &tag))
		read = is_tag(&tag, "error", false) && read_error(&tag, &p, end, &refused) == 0;
	if (!read)
		snprintf(refused.text, sizeof(refused.text), "ocsmanager answers %d", answer->code);
	refused.code = answer->code;
	for (size_t i = 0; i < n; i++)
		results[i] = refused;
}

int libocsnotify_answer_results(const struct libocsnotify_answer *answer,
                                struct ocsnotify_report_result *results, size_t n)
{
	memset(results, 0, n * sizeof(*results));
	if (answer->code != 200) {
		refuse_all(answer, results, n);
		return 0;
	}
	if (read_results(answer, results, n) == 0)
		return 0;
	memset(results, 0, n * sizeof(*results));
	return -1;
}
