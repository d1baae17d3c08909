/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What becomes of a notification that is refused. Pure: writes into the caller's result only.
 */
#include "notify/notification.h"

#include <stdarg.h>
#include <stdio.h>

void ocs_result_refuse(struct ocs_result *result, int code, const char *name, const char *format,
                       ...)
{
	va_list args;

	result->status = OCS_STATUS_REFUSED;
	result->queues = 0;
	result->refusal.code = code;
	result->refusal.name = name;
	va_start(args, format);
	if (vsnprintf(result->refusal.text, sizeof(result->refusal.text), format, args) < 0)
		result->refusal.text[0] = '\0';
	va_end(args);
}
