/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * XML for `ocsctl notify`: the admin's files, and the replies of the web service. Hides libxml2.
 */
#ifndef OCSCTL_XML_H
#define OCSCTL_XML_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

struct ocsctl_xml_notification {
	char *xml; /* the element as it is to be sent, UTF-8 */
	char *id;  /* its attribute, NULL without one */
};

/* The <notification> of a document, or all those directly in an <ocsmanager>, on mem_ctx. */
int ocsctl_xml_read(const void *mem_ctx, const char *data, size_t len,
                    struct ocsctl_xml_notification **list_r, size_t *n_r, struct ocs_error *error);

struct ocsctl_xml_result {
	char *status;             /* queued, nosubscriber, duplicate, refused */
	char *queues;             /* NULL without one */
	char *code, *name, *text; /* of the error, NULL without one */
};

/* A reply: its root's error (NULL without one), the results, and the texts of elements that the
 * login steps answer with (NULL where absent). All on mem_ctx. */
struct ocsctl_xml_reply {
	struct ocsctl_xml_result *error;
	struct ocsctl_xml_result *results;
	size_t n_results;
	char *token, *salt, *sasl;
};

int ocsctl_xml_read_reply(const void *mem_ctx, const char *data, size_t len,
                          struct ocsctl_xml_reply **reply_r, struct ocs_error *error);

/* Text for an element: escaped; talloc. */
char *ocsctl_xml_escape(const void *mem_ctx, const char *text);

#endif
