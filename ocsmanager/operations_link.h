/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The link to other machines on the pages of the operations listener. Any thread.
 */
#ifndef OCSMANAGER_OPERATIONS_LINK_H
#define OCSMANAGER_OPERATIONS_LINK_H

#include <stdio.h>

#include "cluster/link.h"

/* A line for each connection that does not do its work, and for a spool with something in it. */
void ocs_operations_link_notes(FILE *out, struct ocs_link *link);
/* Its part of the status page. */
void ocs_operations_link_html(FILE *out, struct ocs_link *link);
/* {"spools": bool, "connections": {"publish": {"state", "seconds", "peer", "reason"}, ...},
 * "counters": {...}}, malloc()ed; NULL: out of memory. seconds: how long it has been so. */
char *ocs_operations_link_json(struct ocs_link *link);

/* Names from outside as text of HTML. */
void ocs_operations_escaped(FILE *out, const char *text);

#endif
