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

struct ocs_folder_name ocs_notification_old_folder(const struct ocs_notification *notification,
                                                   const char *user)
{
	struct ocs_folder_name name =
	        ocs_notification_folder(notification, user, notification->old_folder);

	if (notification->old_backend != NULL)
		name.backend = notification->old_backend;
	return name;
}

void ocs_result_refuse(struct ocs_result *result, int code, const char *name, const char *format,
                       ...)
{
	char text[sizeof(result->refusal.text)];
	va_list args;

	result->status = OCS_STATUS_REFUSED;
	result->queues = 0;
	va_start(args, format);
	if (vsnprintf(text, sizeof(text), format, args) < 0)
		text[0] = '\0';
	va_end(args);
	ocs_refuse(&result->refusal, code, name, "%s", text);
}

void ocs_result_refuse_memory(struct ocs_result *result)
{
	result->status = OCS_STATUS_REFUSED;
	result->queues = 0;
	ocs_refuse_memory(&result->refusal);
}
