/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The form in which nearly all notifications come: the declaration or none, <ocsmanager> with
 * <token>, <notification> and the known elements in it, UTF-8 texts between them and nothing else:
 * no reference, comment, CDATA section, processing instruction, namespace, unknown element or
 * attribute, empty-element tag, carriage return in a text. What a handler is told of such a
 * document is what ocs_xml_walk() tells it, in a fifth of the time; every other one is left to
 * that.
 *
 * Nothing is refused here, so a document that is accepted here but would not be there is the one
 * fault there can be: the tests and the fuzz target read each document in both ways.
 *
 * Used by xml_read.c alone. Any thread.
 */
#ifndef OCS_XML_XML_COMMON_H
#define OCS_XML_XML_COMMON_H

#include "xml/xml_sax.h"

/* false: the document is not of that form. The handler has been told of a part of it then, and must
 * forget it. The arena is as for ocs_xml_walk(). */
bool ocs_xml_walk_common(const char *data, size_t len, const struct ocs_xml_handler *handler);

#endif
