/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The XML walker: the only code that knows libxml2. It refuses what is dangerous or not well-formed
 * and calls a handler for the elements that it asks for. Used by xml_read.c alone.
 *
 * Any thread; each thread keeps one parser context, freed when the thread ends. UTF-8 is the only
 * encoding: a document that declares another is MALFORMED_XML (US-ASCII, a part of it, may be
 * declared by a document that is), so is one with a NUL byte.
 */
#ifndef OCS_XML_XML_SAX_H
#define OCS_XML_XML_SAX_H

#include <stdbool.h>
#include <stddef.h>

#include "notify/notification.h"

#define OCS_XML_DEPTH_MAX      8  /* the root is level 1 */
#define OCS_XML_ATTRIBUTES_MAX 32 /* of one element, namespace declarations included */

enum ocs_xml_visit {
	OCS_XML_SKIP,  /* not interested in it or anything below it */
	OCS_XML_ENTER, /* report its children too */
	OCS_XML_TEXT,  /* collect its text; its children are skipped */
	OCS_XML_NAME, /* the same, but white space around it counts where xml:space says preserve */
};

struct ocs_xml_attributes { /* valid during the call only; for ocs_xml_attribute_get() */
	const unsigned char *
	        *values; /* five for each: local name, prefix, URI, value, end of value */
	int count;
};

struct ocs_xml_handler {
	/* An element in no namespace whose parent was entered; the root is entered already and
	 * depth is 2 for its children. */
	enum ocs_xml_visit (*start)(void *arg, int depth, const char *name,
	                            const struct ocs_xml_attributes *attributes);
	/* The end of an element that was entered (text NULL) or collected: its own text nodes
	 * joined, without the white space around them unless exact is set (an OCS_XML_NAME under
	 * xml:space="preserve"), NUL-terminated. text lies in the arena and may be kept and
	 * changed; it holds no NUL. */
	void (*end)(void *arg, int depth, const char *name, char *text, size_t len, bool exact);
	void *arg;
	unsigned elements_max;
	char *arena; /* len + 1 bytes, with len the length of the document: texts never need more */
};

/* 0, or -1 with MALFORMED_XML, FORBIDDEN_XML, MALFORMED_REQUEST (another root) or INTERNAL. */
int ocs_xml_walk(const char *data, size_t len, const struct ocs_xml_handler *handler,
                 struct ocs_refusal *refusal);

/* The value of an attribute in no namespace, decoded but not NUL-terminated, copied to out (size
 * bytes). Returns its whole length, which may be larger than size; -1 if there is none. */
long ocs_xml_attribute_get(const struct ocs_xml_attributes *attributes, const char *name, char *out,
                           size_t size);

#endif
