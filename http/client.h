/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Who asks: the peer of the connection, or, where that is a proxy that the listener believes, the
 * one for whom it says that it asks. This is the only place that decides it; limits, log and
 * whether the line is private go by what stands in the connection then (http/guard.h).
 *
 * Of the hops that the header tells, from the nearest on, the first that is not such a proxy itself
 * is the client. Where that one is hidden, or the header is missing, it is the proxy that is taken
 * for the client, and nobody knows what the line before it is like. A header that cannot be read is
 * refused: a client behind a proxy that only adds to it could hide so.
 */
#ifndef OCS_HTTP_CLIENT_H
#define OCS_HTTP_CLIENT_H

#include <microhttpd.h>

#include "http/guard.h"

/* All headers of a request are known. By the connection's thread, until its ocs_http_end(). What is
 * wrong with them, for people; NULL: nothing. */
const char *ocs_http_client_look(struct MHD_Connection *connection,
                                 struct ocs_http_connection *peer);

#endif
