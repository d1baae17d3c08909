/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Formats the text of an error. Touches only what it is given. */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int ocs_error_set(struct ocs_error *error, const char *format, ...)
{
	va_list args;

	if (error == NULL)
		return -1;
	va_start(args, format);
	if (vsnprintf(error->text, sizeof(error->text), format, args) < 0)
		error->text[0] = '\0';
	va_end(args);
	error->no_memory = false;
	return -1;
}

int ocs_error_memory(struct ocs_error *error)
{
	ocs_error_set(error, "out of memory");
	if (error != NULL)
		error->no_memory = true;
	return -1;
}

int ocs_error_memory_of(struct ocs_error *error, const char *what)
{
	ocs_error_set(error, "%s: out of memory", what);
	if (error != NULL)
		error->no_memory = true;
	return -1;
}

int ocs_error_wrap(struct ocs_error *error, const struct ocs_error *why, const char *format, ...)
{
	va_list args;

	if (error == NULL)
		return -1;
	va_start(args, format);
	if (vsnprintf(error->text, sizeof(error->text), format, args) < 0)
		error->text[0] = '\0';
	va_end(args);
	error->no_memory = why->no_memory;
	return -1;
}

int ocs_error_pass(struct ocs_error *error, const struct ocs_error *why)
{
	if (error != NULL)
		*error = *why;
	return -1;
}

int ocs_error_thread(struct ocs_error *error, int number)
{
	return ocs_error_set(error, "cannot start a thread: %s%s", strerror(number),
	                     number == EAGAIN ? " (RLIMIT_NPROC, LimitNPROC=, TasksMax=)" : "");
}
