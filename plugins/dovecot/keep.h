/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Which events wait in memory and which in the spool. While the daemon is away, or another process
 * sends what is in the spool, everything goes there, behind what is there already, so that what the
 * processes of one user have to report stays in order; but what several of them had under way when
 * the daemon went away, each puts there when it gives up. One process at a time takes it out again.
 * Without a spool everything stays in memory. Called from the root ioloop, never within a delivery.
 */
#ifndef OCS_KEEP_H
#define OCS_KEEP_H

struct ocs_event;

void ocs_keep_init(const char *folder);
void ocs_keep_deinit(void);

/* Moves what waits in memory to the spool, as far as it can take it. */
void ocs_keep_events(void);

/* Before a request. TRUE: what waits may be sent (up to max events of the spool were put
   there). FALSE: it went to the spool; ask again after *wait_msecs_r. */
bool ocs_keep_ready(unsigned int max, unsigned int *wait_msecs_r);
/* Since when the daemon is known to be away, by any process; 0: it is not. */
long long ocs_keep_since_msecs(void);
/* How long the process that tried last waits until the next try. */
unsigned int ocs_keep_backoff_msecs(void);

/* The daemon cannot be reported to: nobody tries for so long. */
void ocs_keep_away(long long since_msecs, unsigned int wait_msecs, unsigned int backoff_msecs);
void ocs_keep_answered(void);

/* Forgets a waiting event that was reported, or refused for good. */
void ocs_keep_drop(struct ocs_event *event);

/* Whether this process sends what is in the spool, and has not come to its end. */
bool ocs_keep_sending(void);
/* The process ends: what is left goes to the spool. */
void ocs_keep_finish(void);
/* Events that this process put into the spool since the last call with clear. */
unsigned int ocs_keep_count(bool clear);
/* What would have kept the events that are lost now, for the log; "" if nothing is to be said. */
const char *ocs_keep_hint(void);

#endif
