/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* What the tests of the XML of the web service share: a document that is read, or refused. */
#ifndef OCS_UNIT_XML_RIG_H
#define OCS_UNIT_XML_RIG_H

#include <stdlib.h>
#include <string.h>

#include <talloc.h>

#include "tests/unit/unit.h"
#include "xml/xml.h"

#define XML_BATCH 4
#define XML_BODY  "<backend>sogo</backend><username>jdoe</username><folder>INBOX</folder>"
#define XML_ID    "<messageID>1.eml</messageID>"
#define XML_NOTE(attributes, content)                                                              \
	"<ocsmanager><token>T</token><notification " attributes ">" content                        \
	"</notification></ocsmanager>"

extern void *xml_memory;
extern struct ocs_refusal xml_refusal;

void xml_setup(void);
void xml_teardown(void);

/* A copy on the heap of exactly that size: AddressSanitizer sees a read past its end. */
struct ocs_xml_notifications *xml_read_bytes(const char *data, size_t len, bool newmail_only);
struct ocs_xml_notifications *xml_read_text(const char *text);
struct ocs_notification *xml_read_one(const char *text);
void xml_refused_document(const char *text, int code, const char *name);
void xml_refused_item(const char *text, const char *name);

#endif
