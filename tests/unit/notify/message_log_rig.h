/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* What the tests of the message log share: one, with the index it writes to, and its messages. */
#ifndef OCS_UNIT_MESSAGE_LOG_RIG_H
#define OCS_UNIT_MESSAGE_LOG_RIG_H

#include "notify/message_log.h"
#include "tests/unit/rig.h"

extern struct ocs_index *log_index;
extern struct ocs_message_log *message_log;
extern struct ocs_journal_damage log_damage; /* as the last open found it */
extern uint64_t log_series, log_mids;        /* of INBOX; the first of a hundred */

void log_open_all(void);
void log_close_all(void);
void log_setup(void);
void log_teardown(void);
/* As a killed process leaves it: nothing more is written. */
void log_kill_after(void (*fn)(void));

/* The nth of the identifiers. */
uint64_t log_mid_at(unsigned n);
void log_put(const char *id, unsigned n, bool announced);
void log_assign(const char *id, unsigned n);
void log_forget(const char *id);
void log_flush(void);
void log_apply(void);

/* "7!": the identifier number 7, announced; "7": not announced; "-": not recorded. */
const char *log_known(const char *id);
const char *log_indexed(const char *id);
uint64_t log_assigned(const char *id);

#endif
