/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* What a connection keeps between its requests. Touches its memory, and the server's settings. */
#include "ocsmanager/http_kept.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "http/tls.h"
#include "http/tls_names.h"

_Static_assert(OCS_TLS_NAME_SIZE == OCS_AUTH_NAME_SIZE, "a name that is longer is no account's");

static void http_kept_free(void *arg)
{
	struct ocs_http_kept *kept = arg;

	if (kept->settings != NULL)
		ocs_http_settings_release(kept->settings);
	ocs_auth_shown_free(kept->shown);
	free(kept->names);
	if (kept->answer != NULL)
		MHD_destroy_response(kept->answer);
	free(kept);
}

static void take_settings(struct ocs_http_server *server, struct ocs_http_kept *kept)
{
	struct ocs_http_settings *old = kept->settings;

	pthread_mutex_lock(&server->lock);
	kept->settings = atomic_load(&server->settings);
	atomic_fetch_add(&kept->settings->references, 1);
	pthread_mutex_unlock(&server->lock);
	if (old != NULL)
		ocs_http_settings_release(old);
}

struct ocs_http_kept *ocs_http_kept(struct ocs_http_server *server,
                                    struct ocs_http_connection *peer)
{
	struct ocs_http_kept *kept = peer->kept;

	if (kept == NULL) {
		kept = calloc(1, sizeof(*kept));
		if (kept == NULL) {
			ocs_http_guard_no_memory(peer->guard);
			return NULL;
		}
		peer->kept = kept;
		peer->kept_free = http_kept_free;
	}
	/* Those that are kept are not freed, so others have another address. */
	if (kept->settings != atomic_load(&server->settings))
		take_settings(server, kept);
	return kept;
}

/* Once for a connection, since its certificate stays. */
static void read_names(struct ocs_http_request *request)
{
	struct ocs_http_kept *kept = request->kept;
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
	        request->http.connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
	struct ocs_tls_names names;

	if (info == NULL)
		return;
	ocs_tls_names_read(info->tls_session, &names);
	if (names.n > 0 && (kept->names = malloc(sizeof(names))) == NULL) {
		ocs_http_guard_no_memory(request->http.peer->guard);
		return;
	}
	if (names.n > 0)
		*kept->names = names;
	kept->names_asked = true;
}

bool ocs_http_kept_certified(struct ocs_http_request *request, char account[OCS_AUTH_NAME_SIZE])
{
	const struct ocs_http_connection *peer = request->http.peer;
	const union MHD_ConnectionInfo *info;
	const struct ocs_tls_names *names;

	/* Whom a proxy asks for is not who it is. */
	if (!peer->tls || peer->proxied)
		return false;
	if (!request->kept->names_asked)
		read_names(request);
	names = request->kept->names;
	if (names == NULL || names->until <= time(NULL))
		return false;
	info = MHD_get_connection_info(request->http.connection,
	                               MHD_CONNECTION_INFO_GNUTLS_SESSION);
	if (info == NULL || peer->keys == NULL ||
	    !ocs_tls_client_stands(peer->keys, info->tls_session, &request->kept->stood))
		return false;
	for (unsigned i = 0; i < names->n; i++) {
		if (!ocs_auth_has_account(request->server->auth, names->list[i]))
			continue;
		strcpy(account, names->list[i]);
		return true;
	}
	return false;
}

struct MHD_Response *ocs_http_kept_answer(struct ocs_http_kept *kept, char *body, size_t len)
{
	if (kept->answer != NULL && kept->body_len == len && memcmp(kept->body, body, len) == 0) {
		free(body);
		return kept->answer;
	}
	if (kept->answer != NULL)
		MHD_destroy_response(kept->answer);
	kept->answer = ocs_http_response(body, len);
	ocs_http_header(&kept->answer, "Content-Type", OCS_HTTP_XML);
	kept->body = body;
	kept->body_len = len;
	return kept->answer;
}
