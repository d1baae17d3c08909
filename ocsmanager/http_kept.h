/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What a connection of the web service keeps from one request to the next, because the next is
 * mostly like the one before: the settings, the token, the answer. It is in the guard's connection,
 * belongs to the thread that serves it, and ends with it.
 */
#ifndef OCSMANAGER_HTTP_KEPT_H
#define OCSMANAGER_HTTP_KEPT_H

#include "ocsmanager/http_request.h"

struct ocs_auth_shown;
struct ocs_tls_names;

struct ocs_http_kept {
	/* Those that were the server's when the present request began. */
	struct ocs_http_settings *settings;
	struct ocs_auth_shown *shown; /* auth/auth.h; NULL: no genuine token so far */
	/* In the certificate that the client has shown; NULL: none, or nobody has asked. */
	struct ocs_tls_names *names;
	bool names_asked;
	uint64_t stood; /* that certificate, by ocs_tls_client_stands() */
	/* The last answer that could come again, with its body; NULL: none. */
	struct MHD_Response *answer;
	const char *body;
	size_t body_len;
};

/* For a request that begins: with the settings of now. NULL: out of memory, which the guard is
 * told. */
struct ocs_http_kept *ocs_http_kept(struct ocs_http_server *server,
                                    struct ocs_http_connection *peer);
/* The account that the client is by its certificate, on a line of its own: false if none. */
bool ocs_http_kept_certified(struct ocs_http_request *request, char account[OCS_AUTH_NAME_SIZE]);
/* An answer with that body, which is taken over whatever happens, and the type of XML: the kept one
 * where it is the same. It stays the connection's. NULL: out of memory. */
struct MHD_Response *ocs_http_kept_answer(struct ocs_http_kept *kept, char *body, size_t len);

#endif
