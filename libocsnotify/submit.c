/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What the host reports: its events as documents of the web service, as many as it takes, and their
 * results. The daemon's rules are the daemon's; looked at here is only what a document could not
 * say. Waits for the daemon, with no lock held.
 */
#include "libocsnotify/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sized.h"
#include "mapistore/names.h"
#include "registry/socket_address.h"
#include "xml/xml.h"

#define WAIT_MS   (OCSNOTIFY_REPORT_SECONDS * 1000)
#define SILENT_MS 10000 /* after a daemon did not answer: nobody waits for it as long as that */
#define SHORT_MS  500   /* ... but so long */
/* Past so many bytes a document takes no further event, none of which is longer than 64 KiB. */
#define BODY_FULL (OCS_REPORT_BODY_MAX - 65536 - 256)

static int category_of(uint16_t type, enum ocs_category *category_r)
{
	static const struct {
		uint16_t type;
		enum ocs_category category;
	} categories[] = {
	        {OCSNOTIFY_NEWMAIL, OCS_NEWMAIL},
	        {OCSNOTIFY_OBJECT_CREATED, OCS_CREATED},
	        {OCSNOTIFY_OBJECT_DELETED, OCS_DELETED},
	        {OCSNOTIFY_OBJECT_MODIFIED, OCS_MODIFIED},
	        {OCSNOTIFY_OBJECT_MOVED, OCS_MOVED},
	        {OCSNOTIFY_OBJECT_COPIED, OCS_COPIED},
	        {OCSNOTIFY_SEARCH_COMPLETED, OCS_SEARCH_COMPLETED},
	};

	for (size_t i = 0; i < sizeof(categories) / sizeof(categories[0]); i++)
		if (categories[i].type == type) {
			*category_r = categories[i].category;
			return 0;
		}
	return -1;
}

static void refuse_event(struct ocsnotify_report_result *result, const char *name,
                         const char *subject, const char *predicate)
{
	*result = (struct ocsnotify_report_result){.status = OCSNOTIFY_REPORT_REFUSED, .code = 422};
	snprintf(result->name, sizeof(result->name), "%s", name);
	snprintf(result->text, sizeof(result->text), "%s %s", subject, predicate);
}

/* A text that a document cannot carry would arrive as another one. */
static bool check_event(const struct ocsnotify_report_event *event,
                        struct ocsnotify_report_result *result)
{
	const struct {
		const char *name, *text;
		bool needed;
	} texts[] = {
	        {"backend", event->backend, true},
	        {"username", event->backend_user, true},
	        {"folder", event->folder, true},
	        {"messageID", event->message, false},
	        {"oldFolder", event->old_folder, false},
	        {"oldMessageID", event->old_message, false},
	        {"messageClass", event->message_class, false},
	        {"guid", event->guid, false},
	        {"id", event->id, false},
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		const char *fault;

		if (texts[i].text == NULL) {
			if (!texts[i].needed)
				continue;
			refuse_event(result, "MISSING_PARAMETER", texts[i].name, "is missing");
			return false;
		}
		fault = ocs_name_fault(texts[i].text);
		if (fault != NULL) {
			refuse_event(result, "INVALID_PARAMETER", texts[i].name, fault);
			return false;
		}
	}
	return true;
}

static void write_event(struct ocs_xml_writer *body, const struct ocsnotify_report_event *event,
                        enum ocs_category category)
{
	const struct ocs_notification what = {
	        .category = category,
	        .backend = event->backend,
	        .backend_user = event->backend_user,
	        .folder = event->folder,
	        .message_id = event->message,
	        .old_folder = event->old_folder,
	        .old_message_id = event->old_message,
	        .message_class = event->message_class,
	        .id = event->id,
	        .guid = event->guid,
	        .has_uid_validity = event->uid_validity != 0,
	        .has_total = (event->flags & OCSNOTIFY_FLAG_TOTAL) != 0,
	        .has_unread = (event->flags & OCSNOTIFY_FLAG_UNREAD) != 0,
	        .uid_validity = event->uid_validity,
	        .message_flags = event->message_flags,
	        .total = event->total,
	        .unread = event->unread,
	};

	ocs_xml_notification(body, &what);
}

static int explain(struct ocsnotify *context, int ret)
{
	const char *path = context->shared->path;

	switch (-ret) {
	case ENOENT:
	case ECONNREFUSED:
		return libocsnotify_fail(context, OCSNOTIFY_E_DAEMON,
		                         "%s/" OCS_REPORT_FILE ": ocsmanager is not running", path);
	case EAGAIN:
		return libocsnotify_fail(context, OCSNOTIFY_E_DAEMON,
		                         "%s/" OCS_REPORT_FILE ": ocsmanager does not answer",
		                         path);
	case ECONNRESET:
		return libocsnotify_fail(context, OCSNOTIFY_E_DAEMON,
		                         "%s/" OCS_REPORT_FILE ": ocsmanager closed the connection",
		                         path);
	case EBADMSG:
		return libocsnotify_fail(context, OCSNOTIFY_E_DAEMON,
		                         "%s/" OCS_REPORT_FILE ": the answer is not ocsmanager's",
		                         path);
	case ENOMEM:
		return libocsnotify_fail(context, OCSNOTIFY_E_NOMEM, "out of memory");
	case EACCES:
	case EPERM:
		return libocsnotify_fail(context, OCSNOTIFY_E_PERMISSION,
		                         "%s/" OCS_REPORT_FILE ": %s", path, strerror(-ret));
	default:
		return libocsnotify_fail(context, OCSNOTIFY_E_SYSTEM, "%s/" OCS_REPORT_FILE ": %s",
		                         path, strerror(-ret));
	}
}

/* What is reported at once: pointers into the host's arrays, by which event each is. */
struct batch {
	struct ocsnotify *context;
	const uint8_t *events;
	uint8_t *results;
	size_t event_size, result_size;
	uint64_t except, end;
	struct ocs_xml_writer body;
	size_t n, index[OCS_REPORT_BATCH_MAX];
};

static void give_result(const struct batch *batch, size_t i,
                        const struct ocsnotify_report_result *result)
{
	ocs_sized_give(batch->results + i * batch->result_size, batch->result_size, result,
	               sizeof(*result));
}

static void batch_begin(struct batch *batch)
{
	char id[17];

	batch->n = 0;
	batch->body.len = 0;
	ocs_xml_begin(&batch->body);
	if (batch->except == 0)
		return;
	snprintf(id, sizeof(id), "%016llx", (unsigned long long)batch->except);
	ocs_xml_element(&batch->body, "exceptSession", id);
}

/* Sends what is gathered: a library code. */
static int batch_send(struct batch *batch)
{
	struct ocsnotify_report_result *results;
	struct libocsnotify_answer answer;
	int ret;

	if (batch->n == 0)
		return OCSNOTIFY_OK;
	ocs_xml_finish(&batch->body);
	results = batch->body.failed ? NULL : calloc(batch->n, sizeof(*results));
	if (results == NULL)
		return explain(batch->context, -ENOMEM);
	ret = libocsnotify_exchange(batch->context->shared->path, batch->body.data, batch->body.len,
	                            batch->end, &answer);
	if (ret == 0 && libocsnotify_answer_results(&answer, results, batch->n) != 0)
		ret = -EBADMSG;
	free(answer.memory);
	for (size_t i = 0; ret == 0 && i < batch->n; i++)
		give_result(batch, batch->index[i], &results[i]);
	free(results);
	batch->context->report_silent_until =
	        ret == -EAGAIN ? libocsnotify_now_ms() + SILENT_MS : 0;
	batch_begin(batch);
	return ret == 0 ? OCSNOTIFY_OK : explain(batch->context, ret);
}

static bool take_event(const struct batch *batch, size_t i, struct ocsnotify_report_event *event,
                       enum ocs_category *category_r)
{
	return ocs_sized_take(event, sizeof(*event), batch->events + i * batch->event_size,
	                      batch->event_size) &&
	       category_of(event->type, category_r) == 0;
}

/* Before anything is sent. */
static int check_type(const struct batch *batch, size_t i)
{
	struct ocsnotify_report_event event;
	enum ocs_category category;

	if (take_event(batch, i, &event, &category))
		return OCSNOTIFY_OK;
	return libocsnotify_fail(batch->context, OCSNOTIFY_E_INVALID,
	                         "event %zu: its type 0x%04x is none that can be reported, or it "
	                         "says what only a newer library knows",
	                         i, event.type);
}

/* One event into the batch, or its refusal to the host. */
static int batch_add(struct batch *batch, size_t i)
{
	struct ocsnotify_report_event event;
	struct ocsnotify_report_result result;
	enum ocs_category category;

	if (!take_event(batch, i, &event, &category))
		return OCSNOTIFY_E_INVALID; /* cannot be: it was looked at */
	if (!check_event(&event, &result)) {
		give_result(batch, i, &result);
		return OCSNOTIFY_OK;
	}
	write_event(&batch->body, &event, category);
	batch->index[batch->n++] = i;
	return batch->n == OCS_REPORT_BATCH_MAX || batch->body.len > BODY_FULL ? batch_send(batch)
	                                                                       : OCSNOTIFY_OK;
}

int ocsnotify_report_sized(struct ocsnotify *context, const struct ocsnotify_report_event *events,
                           size_t event_size, struct ocsnotify_report_result *results,
                           size_t result_size, size_t n, const struct ocsnotify_session *except)
{
	const struct ocsnotify_report_result unanswered = {0};
	struct batch batch = {
	        .context = context,
	        .events = (const uint8_t *)events,
	        .results = (uint8_t *)results,
	        .event_size = event_size,
	        .result_size = result_size,
	        .except = except != NULL ? except->r.id : 0,
	};
	uint64_t now = libocsnotify_now_ms();
	int code = OCSNOTIFY_OK;

	if (libocsnotify_forked(context))
		return OCSNOTIFY_E_FORKED;
	for (size_t i = 0; i < n; i++) {
		code = check_type(&batch, i);
		if (code != OCSNOTIFY_OK)
			return code;
	}
	batch.end = now + (now < context->report_silent_until ? SHORT_MS : WAIT_MS);
	for (size_t i = 0; i < n; i++)
		give_result(&batch, i, &unanswered);
	batch_begin(&batch);
	for (size_t i = 0; i < n && code == OCSNOTIFY_OK; i++)
		code = batch_add(&batch, i);
	if (code == OCSNOTIFY_OK)
		code = batch_send(&batch);
	free(batch.body.data);
	return code;
}
