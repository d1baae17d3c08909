/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What libmicrohttpd calls: a request is begun, its body read, acted upon, answered now or
 * suspended until somebody else has the answer. Touches the connection, and the list of the
 * suspended.
 */
#include "ocsmanager/http_request.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "ocsmanager/http_kept.h"
#include "ocsmanager/http_rules.h"
#include "registry/socket_address.h"

/* Of a body that is refused, so many bytes are read on, so that the refusal is heard; past them the
 * connection is cut. */
#define DRAIN_MAX (4u << 20)

/* Before the connection is suspended. false: the list has been walked through for the last time,
 * nobody will end what comes now. */
static bool list_add(struct ocs_http_request *request)
{
	struct ocs_http_server *server = request->server;
	bool open;

	pthread_mutex_lock(&server->lock);
	open = !server->abandoned;
	if (open) {
		request->listed = true;
		DL_PREPEND(server->suspended, request);
	}
	pthread_mutex_unlock(&server->lock);
	return open;
}

/* By the thread of the connection alone. The request may have left already, or never been there. */
static void list_remove(struct ocs_http_request *request)
{
	struct ocs_http_server *server = request->server;

	if (!request->listed)
		return;
	pthread_mutex_lock(&server->lock);
	DL_DELETE(server->suspended, request);
	request->listed = false;
	pthread_mutex_unlock(&server->lock);
}

void ocs_http_abandon_all(struct ocs_http_server *server)
{
	struct ocs_http_request *request;

	pthread_mutex_lock(&server->lock);
	server->abandoned = true;
	for (request = server->suspended; request != NULL; request = request->next) {
		if (!ocs_http_claim(request))
			continue;
		ocs_http_refuse_with(request, 503, "OVERLOADED", "the server is stopping");
		ocs_http_finish(request);
	}
	pthread_mutex_unlock(&server->lock);
}

static struct ocs_http_request *new_request(struct ocs_http_server *server,
                                            struct MHD_Connection *connection)
{
	struct ocs_http_request *request = ocs_http_exchange_new(connection, sizeof(*request));

	if (request == NULL)
		return NULL;
	request->kept = ocs_http_kept(server, request->http.peer);
	if (request->kept == NULL) {
		free(request);
		return NULL;
	}
	request->server = server;
	request->http.drop_max = DRAIN_MAX;
	request->number = request->http.peer->requests;
	atomic_store(&request->references, 1);
	request->settings = request->kept->settings;
	request->http.body_max = request->http.peer->door == OCS_HTTP_DOOR_REPORTS
	                                 ? OCS_REPORT_BODY_MAX
	                                 : request->settings->max_body;
	return request;
}

/* Refuses a body that is being sent right now: the client is told at once, but the connection is
 * not closed under its hands, or it would see a broken connection instead of the answer. Over TLS
 * it is told when the body has been read, since nothing can be said past libmicrohttpd. */
static enum MHD_Result refuse_and_drain(struct ocs_http_request *request)
{
	if (request->http.peer->tls) {
		request->http.drop = true;
		return MHD_YES;
	}
	if (!ocs_http_work(request->http.peer))
		return MHD_NO;
	ocs_http_note_refusal(request, &request->early, NULL);
	ocs_metrics_request(&request->server->metrics, (unsigned)request->early.code);
	ocs_http_send(request->http.peer);
	ocs_http_send_refusal(request->http.peer, &request->early);
	request->draining = request->http.drop = true;
	return MHD_YES;
}

/* The first call: all headers are known. An answer given now ends the connection where a body is
 * still to come, so what can wait for the body does. */
static enum MHD_Result begin(struct ocs_http_request *request, const char *url, const char *method,
                             const char *version)
{
	switch (ocs_http_check_headers(request, url, method, version)) {
	case OCS_HTTP_GO_ON:
		break;
	case OCS_HTTP_DRAIN:
		return refuse_and_drain(request);
	case OCS_HTTP_NOW:
		if (!ocs_http_work(request->http.peer))
			return MHD_NO;
		request->http.close = true;
		ocs_http_refuse(request, &request->early, 0, NULL);
		return ocs_http_answer(request);
	}
	return MHD_YES;
}

static enum MHD_Result take_body(struct ocs_http_request *request, const char *data, size_t *size)
{
	if (request->early.code != 0)
		request->http.drop = true;
	switch (ocs_http_exchange_take(&request->http, data, size)) {
	case OCS_HTTP_TAKEN:
		return MHD_YES;
	case OCS_HTTP_TOO_LARGE:
		/* What is wrong besides is told first. */
		if (request->early.code == 0)
			ocs_http_refuse_too_large(request);
		return refuse_and_drain(request);
	default:
		return MHD_NO;
	}
}

/* The request is complete. The order of the steps is what makes an answer from another thread safe:
 * the connection is suspended before OCS_HTTP_STAGE_SUSPENDED can be seen, and whoever comes
 * second, this thread or the one with the answer, resumes it. */
static enum MHD_Result act(struct ocs_http_request *request)
{
	int expected = OCS_HTTP_STAGE_READING;

	if (request->draining || !ocs_http_work(request->http.peer))
		return MHD_NO;
	if (request->early.code == 0 && atomic_load(&request->server->stopping))
		ocs_refuse(&request->early, 503, "OVERLOADED", "the server is stopping");
	if (request->early.code != 0) {
		ocs_http_refuse(request, &request->early, 0, NULL);
		return ocs_http_answer(request);
	}
	if (request->route->act(request) == OCS_HTTP_READY ||
	    atomic_load(&request->stage) == OCS_HTTP_STAGE_DONE)
		return ocs_http_answer(request);
	if (!list_add(request) && ocs_http_claim(request)) {
		ocs_http_refuse_with(request, 503, "OVERLOADED", "the server is stopping");
		return ocs_http_answer(request);
	}
	MHD_suspend_connection(request->http.connection);
	if (!atomic_compare_exchange_strong(&request->stage, &expected, OCS_HTTP_STAGE_SUSPENDED))
		MHD_resume_connection(request->http.connection);
	return MHD_YES;
}

enum MHD_Result ocs_http_handle(void *server, struct MHD_Connection *connection, const char *url,
                                const char *method, const char *version, const char *upload,
                                size_t *upload_size, void **request_r)
{
	struct ocs_http_request *request = *request_r;

	if (request == NULL) {
		request = new_request(server, connection);
		if (request == NULL)
			return MHD_NO;
		*request_r = request;
		return begin(request, url, method, version);
	}
	if (*upload_size != 0)
		return take_body(request, upload, upload_size);
	if (atomic_load(&request->stage) == OCS_HTTP_STAGE_DONE) {
		list_remove(request);
		return ocs_http_answer(request);
	}
	return act(request);
}

void ocs_http_completed(void *server, struct MHD_Connection *connection, void **request_r,
                        enum MHD_RequestTerminationCode why)
{
	struct ocs_http_request *request = *request_r;

	(void)server;
	(void)connection;
	(void)why;
	if (request == NULL)
		return;
	*request_r = NULL;
	list_remove(request);
	/* Whoever still has it answers nobody, and must not touch the connection. */
	(void)ocs_http_claim(request);
	ocs_http_end(request->http.peer);
	ocs_http_release(request);
}
