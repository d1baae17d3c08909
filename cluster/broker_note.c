/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* How long to wait before the next try, and telling people once. */
#include "cluster/broker.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <syslog.h>

#define HELD_MS 10000 /* a connection that held so long makes the next failure a first one */

void ocs_backoff_up(struct ocs_backoff *backoff)
{
	backoff->up_since = ocs_clock_ms();
}

unsigned ocs_backoff_wait(struct ocs_backoff *backoff, enum ocs_broker_result result)
{
	bool refused = result == OCS_BROKER_REFUSED;
	unsigned wait = refused ? 5000 : 200, most = refused ? 60000 : 5000;
	uint16_t random;

	if (backoff->up_since != 0 && ocs_clock_ms() - backoff->up_since >= HELD_MS)
		backoff->failures = 0;
	backoff->up_since = 0;
	for (unsigned i = 0; i < backoff->failures && wait < most; i++)
		wait *= 2;
	backoff->failures++;
	if (wait > most)
		wait = most;
	/* Nodes that lost the same broker do not come back in the same moment. */
	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != sizeof(random))
		random = UINT16_MAX / 2;
	return wait * 3 / 4 + (unsigned)((uint64_t)(wait / 2) * random / UINT16_MAX);
}

void ocs_broker_note_up(struct ocs_link_status *status, enum ocs_link_connection which,
                        const struct ocs_broker *broker, ocs_log_fn *log)
{
	struct ocs_link_connection_status before;

	ocs_link_status_copy(status, which, &before);
	ocs_link_status_set(status, which, OCS_LINK_UP, ocs_broker_peer(broker), NULL);
	OCS_LINK_COUNT(status, connects, 1);
	/* The peer stays there when a connection is lost. */
	if (before.peer[0] != '\0')
		OCS_LINK_COUNT(status, reconnects, 1);
	ocs_log_to(log, LOG_NOTICE, "RabbitMQ: %s: connected to %.255s as %.100s",
	           ocs_link_connection_word(which), ocs_broker_peer(broker),
	           ocs_broker_user(broker));
}

void ocs_broker_note_down(struct ocs_link_status *status, enum ocs_link_connection which,
                          enum ocs_broker_result result, const struct ocs_error *error,
                          ocs_log_fn *log)
{
	enum ocs_link_state state =
	        result == OCS_BROKER_REFUSED ? OCS_LINK_REFUSED : OCS_LINK_CONNECTING;
	struct ocs_link_connection_status before;
	bool was_up;

	ocs_link_status_copy(status, which, &before);
	was_up = before.state == OCS_LINK_UP || before.state == OCS_LINK_BLOCKED;
	if (!was_up)
		OCS_LINK_COUNT(status, connect_failures, 1);
	ocs_link_status_set(status, which, state, before.peer, error->text);
	if (before.state == state && before.text[0] != '\0')
		return;
	ocs_log_to(log, state == OCS_LINK_REFUSED ? LOG_ERR : LOG_WARNING,
	           "RabbitMQ: %s: %s%.400s; it is tried again", ocs_link_connection_word(which),
	           was_up ? "connection lost: " : "", error->text);
}
