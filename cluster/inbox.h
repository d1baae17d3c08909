/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What comes in from the broker: the ingest queue, shared with the other nodes, and this node's own
 * queue. One thread with a connection of its own. A message is acknowledged when it is done, put
 * into the dead-letter queue (confirmed) when it can never succeed, and tried again when the
 * registry or the broker was away; it is never just dropped, but for what cannot be decoded.
 *
 * Bodies: the XML of PUT /notification (text/xml, application/xml; a token in it does not matter),
 * the JSON of the older Dovecot plugin (application/json, see the protocol). Without a content type
 * the first byte tells. At most 1 MiB: a larger one goes to the dead-letter queue as it comes, so
 * that at most prefetch times 1 MiB are held for each queue.
 *
 * Account: the user-id property, which the broker has checked, else ingest_account. A notification
 * without an id gets one of the message's id, "MESSAGE-ID/INDEX", so that a message delivered twice
 * is done once. Where a subscriber can see one twice all the same: the daemon was killed after the
 * entries were written and before the id was recorded (between the steps `send` and `record` of
 * dispatch_batch.c), or more than dedupe_window lies between the two deliveries, or the message has
 * neither an id nor a message that is recorded. The counter redelivered_again
 * counts each delivery with which that may have happened.
 *
 * Trouble here (5xx, 429): what had trouble is submitted again after 0.2 s doubling to 10 s, and
 * what is about the same user waits behind it. Without limit for 503; after the fifth time 500 the
 * message is a dead letter. When the oldest waits for 60 s and the host says that it is ill, the
 * ingest queue's messages are given back for other nodes until it is well. What is in the node's
 * own queue nobody else can do: it is held.
 *
 * Dead letters keep body and properties (user-id and expiration excepted; CC becomes ocs-cc) and
 * get the headers ocs-reason, ocs-from (queue), ocs-key (routing key), ocs-at (time), ocs-node and
 * ocs-account.
 *
 * A message that kills its consumer must not do so for ever: one delivered three times before is
 * handled alone, and one delivered twenty times is a dead letter, without being looked at, when it
 * is the first on its connection (what lay behind the killer in those deliveries is not). One whose
 * properties librabbitmq cannot decode ends the connection; the second time it is rejected: it goes
 * where a dead-letter exchange of the queue sends it, or nowhere.
 */
#ifndef OCS_CLUSTER_INBOX_H
#define OCS_CLUSTER_INBOX_H

#include "cluster/settings.h"
#include "cluster/status.h"
#include "notify/dispatch.h"

struct ocs_inbox;
struct ocs_message;

struct ocs_inbox_host {
	void *arg;
	/* A document of the ingest queue: delivered here and handed on. As ocs_dispatch_submit().
	 */
	void (*submit)(void *arg, struct ocs_request *request);
	/* A message of another node: delivered here only. As ocs_dispatch_submit(). */
	void (*deliver)(void *arg, struct ocs_request *request);
	/* May the account report about this? */
	bool (*allowed)(void *arg, const char *account, const char *backend,
	                const char *backend_user);
	/* A message came for this routing key: if the user has no session here, the binding is
	 * stale. Returns whether they have one. */
	bool (*saw)(void *arg, const char *key);
	/* Whether that routing key is bound, or about to be. */
	bool (*has)(void *arg, const char *key);
	/* Takes over a message to one node, which is sent if it can be. */
	void (*tell)(void *arg, struct ocs_message *message);
	/* 0 while documents can be done; else it stops taking them from the ingest queue. */
	int (*health)(void *arg, struct ocs_error *reason);
};

int ocs_inbox_start(const struct ocs_link_settings *settings, const struct ocs_inbox_host *host,
                    struct ocs_link_status *status, ocs_log_fn *log, struct ocs_inbox **inbox_r,
                    struct ocs_error *error);
/* Stops taking; waits a second at most for what is under way. What is not acknowledged comes again.
 * -1: the thread hangs; nothing is freed. */
int ocs_inbox_stop(struct ocs_inbox *inbox);
void ocs_inbox_watch(struct ocs_inbox *inbox); /* as ocs_broker_loop_watch() */

#endif
