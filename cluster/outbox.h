/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What goes out to the broker: messages wait here until it has confirmed or returned them, in
 * memory, or in the spool while it is away. Two threads: the publisher owns the connection and may
 * hang in it; the spooler keeps deadlines and writes the spool, so that nobody who put a message
 * ever waits longer than the confirm timeout.
 *
 * A message goes: pending -> published -> confirmed | returned | sent again after a nack or a lost
 * connection | past its deadline (spooled where there is a spool, else failed). While the spool is
 * not empty, or the broker away or blocked and there is a spool, new messages go to its end.
 */
#ifndef OCS_CLUSTER_OUTBOX_H
#define OCS_CLUSTER_OUTBOX_H

#include "cluster/message.h"
#include "cluster/settings.h"
#include "cluster/spool.h"
#include "cluster/status.h"

struct ocs_outbox;

enum ocs_outbox_end {
	OCS_OUTBOX_CONFIRMED, /* some queue has it */
	OCS_OUTBOX_RETURNED,  /* confirmed as unroutable: no node has any of the users */
	OCS_OUTBOX_SPOOLED,   /* on the disk here */
	OCS_OUTBOX_FAILED,    /* nobody answers for it; it may have arrived all the same */
};

/* text: why it failed, for people; static or valid during the call. Any thread; must not block. */
typedef void ocs_outbox_done_fn(void *owner, enum ocs_outbox_end end, const char *text);

/* spool may be NULL; it stays the caller's and must outlive the outbox. Starts even if there is no
 * broker. settings are kept. */
int ocs_outbox_start(const struct ocs_link_settings *settings, struct ocs_spool *spool,
                     struct ocs_link_status *status, ocs_log_fn *log, struct ocs_outbox **outbox_r,
                     struct ocs_error *error);
/* Waits a second at most for confirms, then spools or fails what is left; every done is called
 * before it returns. -1: a thread hangs in the network; nothing is freed. */
int ocs_outbox_stop(struct ocs_outbox *outbox);
void ocs_outbox_watch(struct ocs_outbox *outbox); /* as ocs_broker_loop_watch() */

/* Takes the message over (talloc; also on failure). done is called exactly once, maybe inside.
 * Never blocks. Past pending_max, or with the broker away for longer than a moment and no spool, it
 * fails at once. */
void ocs_outbox_put(struct ocs_outbox *outbox, struct ocs_message *message,
                    ocs_outbox_done_fn *done, void *owner);

/* 0 while what is put is taken; -1 with the reason. */
int ocs_outbox_health(struct ocs_outbox *outbox, struct ocs_error *reason);

#endif
