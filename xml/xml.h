/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The documents of the web service and of RabbitMQ: bodies read into plain data, replies and
 * notifications written. Hides libxml2; knows nothing of HTTP but the codes that refusals carry.
 * Pure functions; any thread.
 */
#ifndef OCS_XML_XML_H
#define OCS_XML_XML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "notify/notification.h"

/* The body of an /authenticate request. Absent or empty elements are NULL. */
struct ocs_xml_auth {
	const char *login;
	const char *token;
	const char *sasl;      /* its text; base64 still */
	const char *mechanism; /* of <sasl>; NULL when it has none */
	bool has_sasl;         /* an empty <sasl> is a message too */
};

/* On 0 *out is one talloc chunk on mem_ctx that holds all its strings. On -1 *refusal is filled. */
int ocs_xml_read_auth(const void *mem_ctx, const char *data, size_t len, struct ocs_xml_auth **out,
                      struct ocs_refusal *refusal);

/* The body of a PUT /notification. */
struct ocs_xml_notifications {
	const char *token;          /* NULL: none in the body */
	const char *except_session; /* who is not to hear of it; NULL: none, "": it is given twice.
	                               For the caller to allow */
	size_t count;               /* of notifications; at most the max_batch given */
	struct ocs_notification *items;
	struct ocs_result
	        *results; /* refused where the item breaks a rule; its strings may then be NULL */
	bool refused;     /* the whole request is (no notification, too many, two tokens) */
	struct ocs_refusal refusal;
};

/* On 0 *out is one talloc chunk on mem_ctx that holds all it points to. Backends come in lower
 * case, folders with `INBOX` in upper case where it is their first component. newmail_only refuses
 * every other category. On -1 (400, 500) *refusal is filled. */
int ocs_xml_read_notifications(const void *mem_ctx, const char *data, size_t len,
                               unsigned max_batch, bool newmail_only,
                               struct ocs_xml_notifications **out, struct ocs_refusal *refusal);

/* A reply being written. data is malloc()ed; begin with a zeroed one. Once memory ran out, failed
 * is set and nothing more is written. */
struct ocs_xml_writer {
	char *data;
	size_t len, size;
	bool failed;
};

void ocs_xml_begin(struct ocs_xml_writer *writer);  /* declaration and <ocsmanager> */
void ocs_xml_finish(struct ocs_xml_writer *writer); /* </ocsmanager> */
/* Markup of ours, as it is. */
void ocs_xml_raw(struct ocs_xml_writer *writer, const char *markup);
/* Text or attribute value: escaped; what XML cannot carry becomes `?`. */
void ocs_xml_text(struct ocs_xml_writer *writer, const char *text);
void ocs_xml_number(struct ocs_xml_writer *writer, uint64_t number);
/* <NAME>text</NAME> */
void ocs_xml_element(struct ocs_xml_writer *writer, const char *name, const char *text);
/* The same for a name of the mail store: exact, with xml:space="preserve" where it needs it. */
void ocs_xml_name(struct ocs_xml_writer *writer, const char *name, const char *text);
void ocs_xml_error(struct ocs_xml_writer *writer, const struct ocs_refusal *refusal);
/* One <notification>, as ocs_xml_read_notifications() reads it. */
void ocs_xml_notification(struct ocs_xml_writer *writer,
                          const struct ocs_notification *notification);
void ocs_xml_result(struct ocs_xml_writer *writer, const char *id, const struct ocs_result *result);

#endif
