/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The request types of MAPI over HTTP (MS-OXCMAPIHTTP 2.2.4) as calls of libocsemsmdb: session
 * cookies, sequence, Connect, Execute, Disconnect, PING. NotificationWait continues in
 * wait.c. The loop's thread.
 *
 * A session context is named by its cookie, the handle in hex, and has a sequence cookie besides: a
 * counter and a random part. Connect gives the first; each Execute must bring the last one given
 * and gives the next, so that of two at the same time one fails (code 15). A request that is
 * refused does not use it up. PING and NotificationWait go beside the others and leave it alone.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "http/frame.h"
#include "base/log.h"
#include "base/log_budget.h"
#include "mapihttp/mapihttp.h"
#include "mapihttp/body.h"

/* ocsemsmdb_session_data() of each session. */
struct sequence {
	uint64_t number, random;
	struct mapihttp_address *address;  /* that the session counts for; NULL: none */
	char text[MAPIHTTP_SEQUENCE_SIZE]; /* the value the client has to send */
};

static void write_sequence(struct sequence *sequence)
{
	snprintf(sequence->text, sizeof(sequence->text), "%" PRIu64 "-%016" PRIx64,
	         sequence->number, sequence->random);
}

void mapihttp_session_ended(struct ocsemsmdb_session *session, void *data, void *arg)
{
	struct sequence *sequence = data;
	struct mapihttp *server = arg;

	(void)session;
	if (sequence != NULL)
		mapihttp_address_leave(server, sequence->address);
	free(sequence);
}

/* Longer ones are none of ours. */
#define COOKIE_SIZE 64

/* NULL: not there. */
static const char *cookie(const struct mapihttp_request *request, const char *name,
                          char out[COOKIE_SIZE])
{
	return ocs_http_cookie(request->http.connection, name, out, COOKIE_SIZE) ? out : NULL;
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* -1: it is no handle that was ever given out. */
static int parse_handle(const char *text, uint8_t handle[OCSEMSMDB_HANDLE_SIZE])
{
	if (strlen(text) != (size_t)2 * OCSEMSMDB_HANDLE_SIZE)
		return -1;
	for (size_t i = 0; i < OCSEMSMDB_HANDLE_SIZE; i++) {
		int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return -1;
		handle[i] = (uint8_t)(high << 4 | low);
	}
	return 0;
}

/* The session of the context cookie; MAPIHTTP_OK or the code of the refusal. */
static enum mapihttp_code find_session(const struct mapihttp_request *request,
                                       struct ocsemsmdb_session **session_r)
{
	char text[COOKIE_SIZE];
	const char *context = cookie(request, MAPIHTTP_COOKIE_CONTEXT, text);
	uint8_t handle[OCSEMSMDB_HANDLE_SIZE];

	if (context == NULL)
		return MAPIHTTP_MISSING_COOKIE;
	if (parse_handle(context, handle) != 0)
		return MAPIHTTP_INVALID_COOKIE;
	*session_r = ocsemsmdb_session_find(request->server->emsmdb, handle, request->account);
	return *session_r != NULL ? MAPIHTTP_OK : MAPIHTTP_NO_CONTEXT;
}

static enum mapihttp_code check_sequence(const struct mapihttp_request *request,
                                         const struct ocsemsmdb_session *session)
{
	const struct sequence *sequence = ocsemsmdb_session_data(session);
	char text[COOKIE_SIZE];
	const char *sent = cookie(request, MAPIHTTP_COOKIE_SEQUENCE, text);

	if (sent == NULL)
		return MAPIHTTP_MISSING_COOKIE;
	return strcmp(sent, sequence->text) == 0 ? MAPIHTTP_OK : MAPIHTTP_INVALID_SEQUENCE;
}

static enum MHD_Result refuse_session(struct mapihttp_request *request, enum mapihttp_code code)
{
	switch (code) {
	case MAPIHTTP_MISSING_COOKIE:
		return mapihttp_refuse(request, code, "A session cookie is missing");
	case MAPIHTTP_INVALID_COOKIE:
		return mapihttp_refuse(request, code,
		                       "The session cookie is not one of this server");
	case MAPIHTTP_INVALID_SEQUENCE:
		return mapihttp_refuse(request, code,
		                       "The sequence cookie is not the last one that was given");
	default:
		return mapihttp_refuse(request, code, "There is no such session of this user");
	}
}

/* "Outlook/15.00.4420.1017" as the three words of MS-OXCRPC 3.1.4.1.3.1; zero if it has no version.
 */
static void parse_version(const char *application, uint16_t words[3])
{
	unsigned major, minor, build, revision;
	const char *slash = application != NULL ? strchr(application, '/') : NULL;

	words[0] = words[1] = words[2] = 0;
	if (slash == NULL ||
	    sscanf(slash + 1, "%3u.%3u.%5u.%5u", &major, &minor, &build, &revision) != 4)
		return;
	words[0] = (uint16_t)((major & 0xff) << 8 | (minor & 0xff));
	words[1] = (uint16_t)(build | 0x8000);
	words[2] = (uint16_t)revision;
}

/* A new Connect of a client ends what the cookies it still has stand for. */
static void end_old_session(struct mapihttp_request *request)
{
	struct ocsemsmdb_session *old;

	if (find_session(request, &old) == MAPIHTTP_OK)
		ocsemsmdb_disconnect(old);
}

static enum MHD_Result fail(struct mapihttp_request *request, uint32_t status)
{
	uint8_t body[MAPIHTTP_FAILED_SIZE];

	return mapihttp_reply(request, body, mapihttp_put_failed(body, status), NULL, NULL);
}

/* A sequence for a new session; NULL: out of memory. */
static struct sequence *start_sequence(struct mapihttp *server, struct ocsemsmdb_session *session,
                                       const struct ocs_peer *peer)
{
	struct sequence *sequence = calloc(1, sizeof(*sequence));

	if (sequence == NULL)
		return NULL;
	sequence->address = mapihttp_address_join(server, peer);
	if (sequence->address == NULL) {
		free(sequence);
		return NULL;
	}
	if (getrandom(&sequence->random, sizeof(sequence->random), 0) != sizeof(sequence->random)) {
		mapihttp_address_leave(server, sequence->address);
		free(sequence);
		return NULL;
	}
	write_sequence(sequence);
	ocsemsmdb_session_set_data(session, sequence);
	return sequence;
}

static enum MHD_Result reply_connected(struct mapihttp_request *request, uint32_t error,
                                       const char *display_name, const char *sequence,
                                       const struct ocsemsmdb_session *session)
{
	const struct ocsemsmdb_settings *settings = &request->server->settings;
	const struct mapihttp_connected connected = {
	        .polls_max = settings->polls_max,
	        .retry_count = settings->retry_count,
	        .retry_delay = settings->retry_delay,
	        .display_name = display_name,
	};
	uint8_t body[MAPIHTTP_CONNECTED_SIZE(OCSEMSMDB_USER_MAX)];
	size_t len = mapihttp_put_connected(body, error, &connected);

	return mapihttp_reply(request, body, len, sequence, session);
}

/* Why there is no session: one limit or another, or the registry. */
static enum MHD_Result refuse_connect(struct mapihttp_request *request, uint32_t error,
                                      const struct ocsemsmdb_stats *before)
{
	const struct mapihttp *server = request->server;
	struct ocsemsmdb_stats now;

	ocsemsmdb_get_stats(server->emsmdb, &now);
	if (now.refused_for_user != before->refused_for_user)
		ocs_log_budgeted(LOG_WARNING, "no session", request->account,
		                 "no session for %s: all of their sessions (--sessions-per-user "
		                 "%u) are in a wait",
		                 request->account, server->options->sessions_per_user);
	else if (now.refused_for_all != before->refused_for_all)
		ocs_log_budgeted(LOG_WARNING, "no session", request->account,
		                 "no session for %s: the limit of %u is reached (--sessions)",
		                 request->account, server->options->sessions);
	else
		ocs_log_budgeted(LOG_WARNING, "no session", request->account,
		                 "no session for %s: %s", request->account,
		                 ocsnotify_last_error(server->context));
	return fail(request, error);
}

static enum MHD_Result do_connect(struct mapihttp_request *request)
{
	struct mapihttp *server = request->server;
	const struct ocsemsmdb_caller caller = {.user = request->account, .privacy = true};
	struct ocsemsmdb_connect connect = {.link = OCSEMSMDB_NO_LINK};
	struct ocsemsmdb_connected connected;
	struct ocsemsmdb_session *session;
	struct mapihttp_connect parsed;
	struct ocsemsmdb_stats before;
	struct sequence *sequence;
	struct ocs_peer peer;
	uint32_t error;

	if (mapihttp_parse_connect(request->http.body, request->http.body_len, &parsed) != 0)
		return mapihttp_refuse(request, MAPIHTTP_INVALID_BODY,
		                       "The body is not a Connect request");
	end_old_session(request);
	ocs_peer_from((const struct sockaddr *)&request->http.peer->client.address, &peer);
	if (!mapihttp_address_has_room(server, &peer)) {
		char from[OCS_HTTP_PEER_SIZE];

		ocs_http_format_peer(request->http.peer, from);
		ocs_log_budgeted(LOG_WARNING, "no session", request->account,
		                 "no session for %s: too many were opened from its address, %s "
		                 "(--sessions-per-address)",
		                 request->account, from);
		return fail(request, OCSEMSMDB_EC_SERVER_OOM);
	}
	connect.user_dn = parsed.user_dn;
	connect.flags = parsed.flags;
	connect.code_page = parsed.code_page;
	parse_version(MHD_lookup_connection_value(request->http.connection, MHD_HEADER_KIND,
	                                          "X-ClientApplication"),
	              connect.client_version);
	ocsemsmdb_get_stats(server->emsmdb, &before);
	error = ocsemsmdb_connect(server->emsmdb, &caller, &connect, &connected, &session);
	if (error == OCSEMSMDB_EC_SERVER_OOM || error == OCSEMSMDB_EC_ERROR)
		return refuse_connect(request, error, &before);
	if (error != OCSEMSMDB_EC_NONE)
		return reply_connected(request, error, "", NULL, NULL);
	sequence = start_sequence(server, session, &peer);
	if (sequence == NULL) {
		ocsemsmdb_disconnect(session);
		return fail(request, OCSEMSMDB_EC_SERVER_OOM);
	}
	return reply_connected(request, error, connected.display_name, sequence->text, session);
}

static enum MHD_Result do_execute(struct mapihttp_request *request,
                                  struct ocsemsmdb_session *session)
{
	struct mapihttp *server = request->server;
	struct sequence *sequence = ocsemsmdb_session_data(session);
	struct mapihttp_execute execute;
	enum MHD_Result result;
	size_t rops_len = 0, len;
	uint32_t error;
	uint8_t *body;

	if (mapihttp_parse_execute(request->http.body, request->http.body_len, &execute) != 0)
		return mapihttp_refuse(request, MAPIHTTP_INVALID_BODY,
		                       "The body is not an Execute request");
	error = ocsemsmdb_execute(session, execute.rops, execute.rops_len, server->rops,
	                          execute.max_rop_out, &rops_len);
	body = malloc(MAPIHTTP_EXECUTED_SIZE(rops_len));
	if (body == NULL)
		return MHD_NO;
	sequence->number++;
	write_sequence(sequence);
	len = mapihttp_put_executed(body, error, server->rops, rops_len);
	result = mapihttp_reply(request, body, len, sequence->text, session);
	free(body);
	return result;
}

static enum MHD_Result do_disconnect(struct mapihttp_request *request,
                                     struct ocsemsmdb_session *session)
{
	uint8_t body[MAPIHTTP_DISCONNECTED_SIZE];

	if (mapihttp_parse_disconnect(request->http.body, request->http.body_len) != 0)
		return mapihttp_refuse(request, MAPIHTTP_INVALID_BODY,
		                       "The body is not a Disconnect request");
	ocsemsmdb_disconnect(session);
	return mapihttp_reply(request, body, mapihttp_put_disconnected(body, OCSEMSMDB_EC_NONE),
	                      NULL, NULL);
}

enum MHD_Result mapihttp_call(struct mapihttp_request *request)
{
	struct ocsemsmdb_session *session;
	enum mapihttp_code code;

	if (request->type == MAPIHTTP_CONNECT)
		return do_connect(request);
	code = find_session(request, &session);
	if (code == MAPIHTTP_OK &&
	    (request->type == MAPIHTTP_EXECUTE || request->type == MAPIHTTP_DISCONNECT))
		code = check_sequence(request, session);
	if (code != MAPIHTTP_OK)
		return refuse_session(request, code);
	switch (request->type) {
	case MAPIHTTP_EXECUTE:
		return do_execute(request, session);
	case MAPIHTTP_DISCONNECT:
		return do_disconnect(request, session);
	case MAPIHTTP_WAIT:
		if (mapihttp_parse_wait(request->http.body, request->http.body_len) != 0)
			return mapihttp_refuse(request, MAPIHTTP_INVALID_BODY,
			                       "The body is not a NotificationWait request");
		return mapihttp_wait(request, session);
	default:
		return mapihttp_reply(request, NULL, 0, NULL, NULL);
	}
}
