/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * A notification's folders as names, and its result when it is refused. Pure.
 */
#include "notify/notification.h"

#include <stdarg.h>
#include <stdio.h>

struct ocs_folder_name ocs_notification_folder(const struct ocs_notification *notification,
                                               const char *user, const char *folder)
{
	return (struct ocs_folder_name){user, notification->backend, notification->backend_user,
	                                folder};
}

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
