/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The order of reports where one transaction commits inside another: a script of imapsieve changes
 * a mail, or files it elsewhere, while the mail is being appended. What arrives comes first.
 */
#ifndef OCS_ORDER_H
#define OCS_ORDER_H

struct ocs_report;

/* A transaction that saved mail begins to commit. Until ocs_order_end() with the same owner, which
   must follow, what others report waits. */
void ocs_order_begin(const void *owner);
/* Also of an owner for which nothing began, or another one did. */
void ocs_order_end(const void *owner);

/* Passes the report on to report.c, now or then. owner may be NULL. Copies. */
void ocs_order_add(const void *owner, const struct ocs_report *report);

#endif
