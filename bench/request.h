/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What the bench programs send and read: PUT requests prebuilt from a template file, and the
 * replies to them. Plain buffers; no sockets; one thread.
 *
 * The template holds three parts, each ended by a line of three dashes but the last: the head of
 * the XML, one notification, the tail. It is a file because it holds the session token, which has
 * no place in a command line. In the notification these are replaced, at a fixed width, so that the
 * request keeps its length: {n} by a number that never repeats, {m} by that number modulo
 * `messages`, {u} by that number modulo `users`.
 */
#ifndef OCS_BENCH_REQUEST_H
#define OCS_BENCH_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BENCH_USER_DIGITS 6 /* of a user's number, behind the prefix, in all programs */

struct bench_mark {
	size_t at; /* offset in bytes of the request */
	unsigned digits;
	uint64_t modulus; /* 0: none */
	unsigned item;    /* which notification of the batch */
};

struct bench_request {
	char *bytes; /* HTTP head and body, numbers zero */
	size_t len;
	struct bench_mark *marks;
	size_t mark_count;
	unsigned batch; /* notifications in it */
};

struct bench_shape {
	unsigned batch;    /* copies of the notification, at least 1 */
	unsigned users;    /* for {u}, at least 1 */
	uint64_t messages; /* for {m}, at least 1 */
};

/* Returns 0, or -1 with a message on stderr (these are tools). Free with bench_request_free(). */
int bench_request_load(struct bench_request *request, const char *file, const char *path,
                       const struct bench_shape *shape);
void bench_request_free(struct bench_request *request);
/* Writes the numbers of one request into bytes (a copy of request->bytes) and moves *next on. */
void bench_request_fill(const struct bench_request *request, char *bytes, uint64_t *next);

struct bench_reply {
	int status;
	bool close; /* the server ends the connection after it */
	const char *body;
	size_t body_len;
};

/* Length of the complete reply at data, 0 if more is needed, -1 if it is none that we understand
 * (chunked bodies are not). */
long bench_reply_parse(const char *data, size_t len, struct bench_reply *out);
/* True if the body has exactly count results and each says status="expected". */
bool bench_reply_all(const struct bench_reply *reply, const char *expected, unsigned count);

/* A connected, non-blocking TCP socket with Nagle off, or -1 with a message on stderr. */
int bench_connect(const char *host, const char *port);

#endif
