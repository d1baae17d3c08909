/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What every request and its answer have in common, whatever is served: the connection, the
 * framing, the body as it comes in, the answer as it goes out.
 *
 * A handler of libmicrohttpd begins one by ocs_http_exchange_new() in its first call, sets the
 * limits and calls ocs_http_exchange_check(); ocs_http_exchange_take() whenever there is data, and
 * at the end ocs_http_work() (guard.h), then ocs_http_respond(). It belongs to the thread that
 * serves the connection, until who serves it says otherwise.
 */
#ifndef OCS_HTTP_EXCHANGE_H
#define OCS_HTTP_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <microhttpd.h>

#include "http/frame.h"
#include "http/guard.h"

struct ocs_http_exchange {
	struct MHD_Connection *connection;
	struct ocs_http_connection *peer;
	struct ocs_http_frame frame;
	bool close;   /* the connection ends with the answer */
	bool crowded; /* the client has more connections than allowed, behind a proxy */

	size_t body_max;   /* longest body that is kept */
	uint64_t drop_max; /* so much is read and dropped of one that is not, so that the refusal is
	                      heard; past it the connection is cut */
	bool drop;         /* not kept: somebody has said so, or too_large */
	bool too_large;
	void *body; /* malloc()ed, the owner's to free */
	size_t body_len, body_size;
	uint64_t dropped;
};

/* The guard's connection; NULL: it has none for lack of memory, nothing is served on it. */
struct ocs_http_connection *ocs_http_peer(struct MHD_Connection *connection);

/* A request: size bytes that begin with its exchange, zeroed but for connection and peer. NULL: out
 * of memory, which the guard is told, or no peer. The caller's to free(), and the body in it. */
void *ocs_http_exchange_new(struct MHD_Connection *connection, size_t size);

/* All headers are known, and so is the client: what is wrong with where the request begins and
 * ends, or NULL. After a fault or a chunked body the connection is closed. */
const char *ocs_http_exchange_check(struct ocs_http_exchange *exchange, const char *method,
                                    const char *version);

enum ocs_http_taken {
	OCS_HTTP_TAKEN,
	OCS_HTTP_TOO_LARGE, /* it is, or says that it will be, more than body_max: the first time */
	OCS_HTTP_CUT,       /* out of memory, or more than drop_max: nothing more is read */
};

/* Takes in what has come of the body. */
enum ocs_http_taken ocs_http_exchange_take(struct ocs_http_exchange *exchange, const char *data,
                                           size_t *size);
/* Bytes of the body so far. */
uint64_t ocs_http_exchange_received(const struct ocs_http_exchange *exchange);

/* The value of a header, good until libmicrohttpd is done with the request; NULL: none, or empty.
 */
const char *ocs_http_value(const struct ocs_http_exchange *exchange, const char *name);
/* Whether a Content-Type is that one, whatever its parameters. NULL is not. */
bool ocs_http_is_type(const char *value, const char *type);
/* Whether the address is that path: programs that join a base address and a path often leave a
 * slash at the end. */
bool ocs_http_is_path(const char *url, const char *path);

/* An answer with that body, which is malloc()ed and taken over. NULL: out of memory, which all that
 * follow take for what it is. */
struct MHD_Response *ocs_http_response(char *body, size_t len);
/* Adds a header; NULL: none. */
void ocs_http_header(struct MHD_Response **response, const char *name, const char *value);
void ocs_http_header_number(struct MHD_Response **response, const char *name, unsigned value);
/* Hands it over to libmicrohttpd, whatever happens. MHD_NO: the connection ends. */
enum MHD_Result ocs_http_respond(struct ocs_http_exchange *exchange, unsigned status,
                                 struct MHD_Response *response);
/* The same for one that stays the caller's and goes out as it is, so only where the connection need
 * not be closed. */
enum MHD_Result ocs_http_respond_again(struct ocs_http_exchange *exchange, unsigned status,
                                       struct MHD_Response *response);
/* The same for an answer that begins only, while the request is still at work. */
enum MHD_Result ocs_http_respond_on(struct ocs_http_exchange *exchange, unsigned status,
                                    struct MHD_Response *response);

#endif
