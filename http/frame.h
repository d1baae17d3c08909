/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Where a request begins and ends must be beyond doubt, or behind a proxy that reads it otherwise
 * the rest of one request is answered as the next. What libmicrohttpd lets pass, or passes over, is
 * refused here: names that are no token, control characters (an encoded one in the address too,
 * since what is handed out as a string would end at a %00), lines that are folded or do not end
 * with CR LF, a Host that is missing or given twice, lengths that are no number or contradict each
 * other. Done when all headers are known, in the first call of a handler; whoever gets a fault
 * answers 400 and ends the connection.
 *
 * libmicrohttpd 0.9.75 tells nothing about line ends, but leaves the lines where they were read and
 * puts NULs over their ends, so their distances tell; only a line that ends with NUL LF looks as
 * one that ended with CR LF, and one before a request that begins with a NUL is passed over as if
 * it were empty. Later versions refuse them themselves when they are told to be strict;
 * 0.9.75 is not, since its own refusals are ill-formed.
 */
#ifndef OCS_HTTP_FRAME_H
#define OCS_HTTP_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <microhttpd.h>

/* For MHD_OPTION_STRICT_FOR_CLIENT. Its cookies become narrow-minded by it: use
 * ocs_http_cookie(). */
int ocs_http_strictness(void);

/* Nobody here reads arguments of an address, but libmicrohttpd takes memory of the connection for
 * each, and where there is no more, 0.9.75 ends it without an answer. */
#define OCS_HTTP_ARGUMENTS_MAX 100

/* The address of a request line, looked at before libmicrohttpd decodes it in place. */
struct ocs_http_target {
	const char *fault;    /* NULL: none; a text for people */
	uintptr_t start, end; /* of its string */
	size_t arguments;     /* as libmicrohttpd will count them, or more */
};

void ocs_http_target_look(struct ocs_http_target *target, const char *address);

/* Headers whose values are remembered, so that not each of them is looked for among all. */
enum ocs_http_named {
	OCS_HTTP_AUTHORIZATION,
	OCS_HTTP_CONTENT_ENCODING,
	OCS_HTTP_CONTENT_TYPE,
	OCS_HTTP_EXPECT,
	OCS_HTTP_NAMED
};

struct ocs_http_frame {
	const char *fault; /* NULL: none so far; a text for people */
	unsigned hosts, lengths, encodings;
	bool chunked; /* the connection must end with the answer */
	uint64_t length;
	const char
	        *named[OCS_HTTP_NAMED]; /* as ocs_http_value() would find them; NULL: not there */

	/* Of the lines: */
	bool watched;     /* this libmicrohttpd does not */
	bool version_1_0; /* HTTP/1.0 */
	uintptr_t start, expected;
	uintptr_t body; /* where the headers end */
};

/* With what the handler was given; the fault, or NULL. Of a chunked body the ends of the chunks are
 * read more generously than a proxy might, so no second request may follow it on the connection. */
const char *ocs_http_frame_check(struct ocs_http_frame *frame, struct MHD_Connection *connection,
                                 const struct ocs_http_target *target, const char *method,
                                 const char *version);

/* The size of the chunk whose first bytes the handler was given; 0: data is not the beginning of a
 * chunk, or its size came in a read of its own and is gone. libmicrohttpd does not tell sizes, but
 * what it has read stays before the bytes that it hands over. */
uint64_t ocs_http_frame_chunk(const struct ocs_http_frame *frame, const char *data);

/* The value of a cookie; false: it is not there, or longer than size - 1. As browsers, curl and
 * clients written by hand separate them: semicolons, with or without white space. */
bool ocs_http_cookie(struct MHD_Connection *connection, const char *name, char *out, size_t size);

#endif
