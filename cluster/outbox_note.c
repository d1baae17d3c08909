/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What both threads of the outbox are told: the broker is away or there again. Touches the outbox
 * under its lock.
 */
#include "cluster/outbox_internal.h"

void ocs_outbox_set_away(struct ocs_outbox *outbox, bool away, bool refused)
{
	if (!away)
		outbox->away_since = outbox->expired_at = 0;
	else if (outbox->away_since == 0)
		outbox->away_since = ocs_clock_ms();
	outbox->refused = refused;
	pthread_cond_signal(&outbox->spooler_wake);
}
