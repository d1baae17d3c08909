/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What every file of the inbox calls: a line in the log, and whether the host can take a message.
 * The inbox's thread; touches its memory, asks the host's health.
 */
#include "cluster/inbox_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define HEALTH_MS 200 /* the host is not asked more often */

void ocs_inbox_log(struct ocs_inbox *inbox, int priority, const char *format, ...)
{
	char text[2 * OCS_ERROR_MAX] = "RabbitMQ: consume: ";
	size_t len = strlen(text);
	va_list args;

	va_start(args, format);
	if (vsnprintf(text + len, sizeof(text) - len, format, args) >= 0)
		inbox->log(priority, text);
	va_end(args);
}

bool ocs_inbox_healthy(struct ocs_inbox *inbox)
{
	uint64_t now = ocs_clock_ms();

	if (now >= inbox->health_at) {
		inbox->healthy = inbox->host.health(inbox->host.arg, &inbox->trouble) == 0;
		inbox->health_at = now + HEALTH_MS;
	}
	return inbox->healthy;
}
