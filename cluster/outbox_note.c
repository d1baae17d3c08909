/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What both threads of the outbox tell each other: the publisher is woken, the connection is away
 * or there again. Touches the eventfd, and the outbox under its lock.
 */
#include "cluster/outbox_internal.h"

#include <sys/eventfd.h>

void ocs_outbox_wake_publisher(struct ocs_outbox *outbox)
{
	(void)eventfd_write(outbox->wake_fd, 1); /* fails only where it is awake already */
}

void ocs_outbox_set_away(struct ocs_outbox *outbox, bool away, bool refused)
{
	if (!away)
		outbox->away_since = outbox->expired_at = 0;
	else if (outbox->away_since == 0)
		outbox->away_since = ocs_clock_ms();
	outbox->refused = refused;
	pthread_cond_signal(&outbox->spooler_wake);
}
