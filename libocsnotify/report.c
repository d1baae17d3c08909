/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What the library tells its host: the sentence of the last error, warnings, the text of a code.
 * Calls the host's warning function; touches the registry only to count damaged records.
 */
#include "libocsnotify/internal.h"
#include "base/plural.h"

#include <stdarg.h>
#include <stdio.h>

const char *ocsnotify_strerror(int error)
{
	switch (error) {
	case OCSNOTIFY_OK:
		return "no error";
	case OCSNOTIFY_E_INVALID:
		return "a parameter is out of range";
	case OCSNOTIFY_E_NOMEM:
		return "out of memory";
	case OCSNOTIFY_E_NO_REGISTRY:
		return "the registry folder is missing or not set up: start ocsmanager";
	case OCSNOTIFY_E_REGISTRY:
		return "reading or writing the registry failed";
	case OCSNOTIFY_E_PERMISSION:
		return "this user may not use the registry folder";
	case OCSNOTIFY_E_SYSTEM:
		return "a socket, timer or descriptor cannot be created";
	case OCSNOTIFY_E_EXISTS:
		return "the handle is subscribed already";
	case OCSNOTIFY_E_NOT_FOUND:
		return "no such handle, folder, message or identifier";
	case OCSNOTIFY_E_LIMIT:
		return "identifiers or queues are exhausted";
	case OCSNOTIFY_E_FORKED:
		return "the context was opened before a fork";
	case OCSNOTIFY_E_DAEMON:
		return "ocsmanager is not running, or does not answer";
	case OCSNOTIFY_E_BUSY:
		return "another process holds the registry; try again";
	default:
		return "unknown error";
	}
}

const char *ocsnotify_last_error(const struct ocsnotify *context)
{
	return context->error;
}

void ocsnotify_set_warning(struct ocsnotify *context, ocsnotify_warning_fn *warning, void *arg)
{
	context->warning = warning;
	context->warning_arg = arg;
}

int libocsnotify_fail(struct ocsnotify *context, int code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (vsnprintf(context->error, sizeof(context->error), format, args) < 0)
		context->error[0] = '\0';
	va_end(args);
	return code;
}

void libocsnotify_warn(struct ocsnotify *context, const char *format, ...)
{
	char text[OCS_ERROR_MAX];
	va_list args;

	if (context->warning == NULL)
		return;
	va_start(args, format);
	if (vsnprintf(text, sizeof(text), format, args) < 0)
		text[0] = '\0';
	va_end(args);
	context->warning(text, context->warning_arg);
}

void libocsnotify_warn_damaged(struct ocsnotify *context)
{
	uint64_t damaged;

	libocsnotify_lock();
	damaged = context->shared->registry == NULL
	                  ? context->damaged_seen
	                  : ocs_registry_damaged(context->shared->registry);
	libocsnotify_unlock();
	if (damaged > context->damaged_seen)
		libocsnotify_warn(
		        context, "%s/registry.tdb: %llu damaged %s skipped", context->shared->path,
		        (unsigned long long)(damaged - context->damaged_seen),
		        ocs_plural(damaged - context->damaged_seen, "record was", "records were"));
	context->damaged_seen = damaged;
}
