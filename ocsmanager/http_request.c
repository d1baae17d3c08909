/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The life of a request, whoever has it: held, claimed by the one who answers, finished, freed. Any
 * thread. Touches its memory; wakes its connection.
 */
#include "ocsmanager/http_request.h"

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <talloc.h>

void ocs_http_retain(struct ocs_http_request *request)
{
	atomic_fetch_add(&request->references, 1);
}

void ocs_http_settings_release(struct ocs_http_settings *settings)
{
	if (atomic_fetch_sub(&settings->references, 1) == 1) {
		talloc_free(settings->limits);
		free(settings);
	}
}

void ocs_http_release(struct ocs_http_request *request)
{
	if (atomic_fetch_sub(&request->references, 1) != 1)
		return;
	if (request->route != NULL && request->route->secret && request->http.body != NULL)
		explicit_bzero(request->http.body, request->http.body_len);
	talloc_free(request->work_data);
	free(request->http.body);
	free(request->reply.body.data);
	free(request);
}

bool ocs_http_claim(struct ocs_http_request *request)
{
	return !atomic_flag_test_and_set(&request->claimed);
}

/* If the connection is suspended by now it is resumed here; if not yet, the handler finds
 * OCS_HTTP_STAGE_DONE. A suspended connection is there: libmicrohttpd ends none, and only one
 * thread sees OCS_HTTP_STAGE_SUSPENDED. Once it is resumed it can go at any moment, and a server
 * that stops with it, while libmicrohttpd is still at work in here: hence the count. */
void ocs_http_finish(struct ocs_http_request *request)
{
	struct ocs_http_server *server = request->server;

	atomic_fetch_add(&server->finishing, 1);
	if (atomic_exchange(&request->stage, OCS_HTTP_STAGE_DONE) == OCS_HTTP_STAGE_SUSPENDED)
		MHD_resume_connection(request->http.connection);
	atomic_fetch_sub(&server->finishing, 1);
}

void ocs_http_wait_finished(struct ocs_http_server *server)
{
	while (atomic_load(&server->finishing) > 0)
		sched_yield();
}

void ocs_http_format_id(const struct ocs_http_request *request, char out[OCS_HTTP_ID_SIZE])
{
	snprintf(out, OCS_HTTP_ID_SIZE, "c%" PRIu64 ".%" PRIu64, request->http.peer->number,
	         request->number);
}
