/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Submitting across machines: local delivery and handing on to other nodes, joined into one answer.
 * Any thread; nothing here waits.
 */
#ifndef OCS_CLUSTER_RELAY_H
#define OCS_CLUSTER_RELAY_H

#include <stdatomic.h>

#include "cluster/outbox.h"
#include "cluster/settings.h"
#include "notify/dispatch.h"

struct ocs_relay {
	const struct ocs_link_settings *settings;
	struct ocs_link_status *status;
	struct ocs_dispatch *dispatch;
	struct ocs_outbox *outbox;
	char prefix[OCS_NODE_NAME_MAX + 24]; /* of message ids: node and start of this process */
	atomic_uint_fast64_t next;
	struct ocs_relay_gate *gate;
};

/* Sets the prefix. -1: out of memory. */
int ocs_relay_init(struct ocs_relay *relay);
/* Before the outbox stops: what dispatch answers from here on is handed to nobody. */
void ocs_relay_end(struct ocs_relay *relay);
/* After that; what dispatch still has of it may come later. */
void ocs_relay_free(struct ocs_relay *relay);
/* See ocs_link_submit(). */
void ocs_relay_submit(struct ocs_relay *relay, struct ocs_request *request);
/* A message to one node (ocs_message_new_ids()), taken over; nobody waits for what becomes of it.
 */
void ocs_relay_tell(struct ocs_relay *relay, struct ocs_message *message);

#endif
