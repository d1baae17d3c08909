/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * PUT /notification: reads and checks the body, the token and the account's limits, hands what is
 * left to dispatch, or to the link where there are other machines, and writes what became of it.
 * Nothing is waited for here.
 */
#include "ocsmanager/http_request.h"

#include <stdlib.h>
#include <string.h>

#include <talloc.h>

#include "cluster/link.h"
#include "mapistore/names.h"
#include "notify/dispatch.h"
#include "ocsmanager/http_kept.h"
#include "registry/socket_address.h"
#include "base/log.h"
#include "base/plural.h"

#define SHOWN_SIZE     512 /* of a name, in a line of the log */
#define SESSION_DIGITS 16
/* What a request counts as that has no token, by how it came: the sections [account:NAME] limit it.
 * NULL: it needs one. */
static const char *const door_accounts[] = {
        [OCS_HTTP_DOOR_ADDRESS] = NULL,
        [OCS_HTTP_DOOR_SOCKET] = "local",
        [OCS_HTTP_DOOR_REPORTS] = "registry",
};

/* Never reached dispatch, but came in: the sum of the counters must hold. */
static void count_early(struct ocs_http_request *request, size_t count)
{
	atomic_fetch_add_explicit(&request->server->metrics.refused_early, count,
	                          memory_order_relaxed);
}

/* So that one report can be followed: by its id, or by what it is about. */
static void log_accepted(struct ocs_http_request *request, const char *account,
                         const struct ocs_notification *what, const struct ocs_result *result)
{
	static const char *const words[] = {"queued", "nosubscriber", "duplicate"};
	char id[OCS_HTTP_ID_SIZE], user[SHOWN_SIZE], folder[SHOWN_SIZE], message[SHOWN_SIZE];
	const char *message_id = what->message_id;

	ocs_http_format_id(request, id);
	ocs_log(LOG_DEBUG, "request %s as %s: %s id=%s %s %s %s %s: %s, %u %s", id, account,
	        ocs_category_word(what->category), what->id != NULL ? what->id : "-", what->backend,
	        ocs_name_show(what->backend_user, user, sizeof(user)),
	        ocs_name_show(what->folder, folder, sizeof(folder)),
	        message_id != NULL ? ocs_name_show(message_id, message, sizeof(message)) : "-",
	        words[result->status], result->queues,
	        ocs_plural(result->queues, "queue", "queues"));
}

#define ABOUT_SIZE 400

/* Who is not notified of what. */
static const char *describe(const struct ocs_notification *items, size_t count,
                            char out[ABOUT_SIZE])
{
	const struct ocs_notification *what = &items[0];
	int used = snprintf(out, ABOUT_SIZE, "%s id=%.40s %.40s %.100s %.100s %.80s",
	                    ocs_category_word(what->category), what->id != NULL ? what->id : "-",
	                    what->backend != NULL ? what->backend : "-",
	                    what->backend_user != NULL ? what->backend_user : "-",
	                    what->folder != NULL ? what->folder : "-",
	                    what->message_id != NULL ? what->message_id : "-");

	if (count > 1 && used > 0 && used < ABOUT_SIZE)
		snprintf(out + used, (size_t)(ABOUT_SIZE - used), " and %zu more", count - 1);
	return out;
}

static void note_refusal(struct ocs_http_request *request, const struct ocs_refusal *refusal,
                         const char *account, const struct ocs_notification *item)
{
	char about[ABOUT_SIZE];

	request->about = describe(item, 1, about);
	ocs_http_note_refusal(request, refusal, account);
	request->about = NULL;
}

/* The request as a whole. */
static void refuse_all(struct ocs_http_request *request, const struct ocs_refusal *refusal,
                       const char *account, const struct ocs_notification *items, size_t count)
{
	char about[ABOUT_SIZE];

	request->about = count > 0 ? describe(items, count, about) : NULL;
	ocs_http_refuse(request, refusal, 0, account);
	request->about = NULL;
}

/* results: as http_notify_done() gets them, which need not be those of the request. */
static void write_results(struct ocs_http_request *request, const struct ocs_request *submitted,
                          const struct ocs_result *results)
{
	struct ocs_xml_writer *body = &request->reply.body;

	if (submitted->count == 1 && results[0].status == OCS_STATUS_REFUSED) {
		refuse_all(request, &results[0].refusal, submitted->account, submitted->items, 1);
		return;
	}
	request->reply.code = 200;
	ocs_xml_begin(body);
	for (size_t i = 0; i < submitted->count; i++) {
		if (results[i].status == OCS_STATUS_REFUSED)
			note_refusal(request, &results[i].refusal, submitted->account,
			             &submitted->items[i]);
		else if (ocs_log_wanted(LOG_DEBUG))
			log_accepted(request, submitted->account, &submitted->items[i],
			             &results[i]);
		ocs_xml_result(body, submitted->items[i].id, &results[i]);
	}
	ocs_xml_finish(body);
}

/* What dispatch is given, and where its answer goes; one talloc object. */
struct submission {
	struct ocs_request request; /* first: dispatch frees it, and the rest with it */
	struct ocs_http_request *http;
	char account[OCS_AUTH_NAME_SIZE];
};

static void http_notify_done(void *owner, const struct ocs_result *results, size_t count)
{
	struct submission *submission = owner;
	struct ocs_http_request *request = submission->http;

	if (ocs_http_claim(request)) {
		if (count == submission->request.count)
			write_results(request, &submission->request, results);
		else
			ocs_http_refuse_memory(request);
		ocs_http_finish(request);
	}
	ocs_http_release(request);
}

static void check_limits(struct ocs_http_request *request, const char *account,
                         struct ocs_xml_notifications *body)
{
	for (size_t i = 0; i < body->count; i++) {
		const struct ocs_notification *item = &body->items[i];
		struct ocs_result *result = &body->results[i];

		if (result->status == OCS_STATUS_REFUSED ||
		    (ocs_auth_limits_allow(request->settings->limits, account, item->backend,
		                           item->backend_user) &&
		     (item->old_backend == NULL ||
		      ocs_auth_limits_allow(request->settings->limits, account, item->old_backend,
		                            item->backend_user))))
			continue;
		result->status = OCS_STATUS_REFUSED;
		ocs_refuse(&result->refusal, 403, "ACCESS_FORBIDDEN",
		           "the account may not report for this backend and user");
	}
}

static bool all_refused(const struct ocs_xml_notifications *body)
{
	for (size_t i = 0; i < body->count; i++)
		if (body->results[i].status != OCS_STATUS_REFUSED)
			return false;
	return true;
}

static int check_token(struct ocs_http_request *request, const struct ocs_xml_notifications *body,
                       char account[OCS_AUTH_NAME_SIZE])
{
	const char *token = body->token == NULL ? ocs_http_bearer(request) : body->token;
	const char *known = door_accounts[request->http.peer->door];
	struct ocs_refusal refusal;
	enum ocs_auth_result result;

	/* By the mode of the socket file the kernel decided at the connect that its process may
	 * report. */
	if (token == NULL && known != NULL) {
		strcpy(account, known);
		return 0;
	}
	if (token == NULL && ocs_http_kept_certified(request, account))
		return 0;
	result = ocs_auth_check_token(request->server->auth, token, &request->kept->shown, account);
	if (result == OCS_AUTH_OK)
		return 0;
	ocs_refuse(&refusal, (int)ocs_auth_result_status(result), ocs_auth_result_name(result),
	           "%s",
	           result == OCS_AUTH_TOKEN_EXPIRED ? "the session token has expired"
	                                            : "a valid session token is needed");
	refuse_all(request, &refusal, NULL, body->items, body->count);
	return -1;
}

/* The session that is to hear nothing of it: only who may use the registry may say. */
static uint64_t read_except(const struct ocs_http_request *request,
                            struct ocs_xml_notifications *body)
{
	const char *text = body->except_session;
	uint64_t id = 0;

	if (text == NULL || request->http.peer->door != OCS_HTTP_DOOR_REPORTS)
		return 0;
	if (strlen(text) == SESSION_DIGITS && strspn(text, "0123456789abcdef") == SESSION_DIGITS)
		id = strtoull(text, NULL, 16);
	if (id == 0 && !body->refused) {
		body->refused = true;
		ocs_refuse(&body->refusal, 422, "INVALID_PARAMETER",
		           "exceptSession is not the id of one session: %d hexadecimal digits",
		           SESSION_DIGITS);
	}
	return id;
}

static enum ocs_http_action notify(struct ocs_http_request *request, bool newmail_only)
{
	struct submission *submission = talloc(NULL, struct submission);
	struct ocs_xml_notifications *body;
	struct ocs_refusal refusal;
	unsigned max_batch = request->http.peer->door == OCS_HTTP_DOOR_REPORTS
	                             ? OCS_REPORT_BATCH_MAX
	                             : request->settings->max_batch;
	uint64_t except;

	if (submission == NULL) {
		ocs_http_refuse_memory(request);
		return OCS_HTTP_READY;
	}
	if (ocs_xml_read_notifications(submission, request->http.body, request->http.body_len,
	                               max_batch, newmail_only, &body, &refusal) != 0) {
		ocs_http_refuse(request, &refusal, 0, NULL);
		talloc_free(submission);
		return OCS_HTTP_READY;
	}
	if (check_token(request, body, submission->account) != 0) {
		count_early(request, body->count);
		talloc_free(submission);
		return OCS_HTTP_READY;
	}
	except = read_except(request, body);
	if (body->refused) {
		ocs_http_refuse(request, &body->refusal, 0, submission->account);
		count_early(request, body->count);
		talloc_free(submission);
		return OCS_HTTP_READY;
	}
	check_limits(request, submission->account, body);
	submission->http = request;
	submission->request = (struct ocs_request){
	        .account = submission->account,
	        .count = body->count,
	        .items = body->items,
	        .results = body->results,
	        .done = http_notify_done,
	        .owner = submission,
	        .except_session = except,
	};
	if (all_refused(body)) {
		write_results(request, &submission->request, body->results);
		count_early(request, body->count);
		talloc_free(submission);
		return OCS_HTTP_READY;
	}
	ocs_http_retain(request);
	if (request->server->link != NULL)
		ocs_link_submit(request->server->link, &submission->request);
	else
		ocs_dispatch_submit(request->server->dispatch, &submission->request);
	return OCS_HTTP_LATER;
}

enum ocs_http_action ocs_http_notification(struct ocs_http_request *request)
{
	return notify(request, false);
}

enum ocs_http_action ocs_http_newmail(struct ocs_http_request *request)
{
	return notify(request, true);
}
