/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * What every file of bindings calls: a line in the log.
 */
#include "cluster/bindings_internal.h"

#include <stdarg.h>
#include <stdio.h>

void ocs_bindings_log(struct ocs_bindings *bindings, int priority, const char *format, ...)
{
	char text[OCS_ERROR_MAX];
	va_list args;

	va_start(args, format);
	if (vsnprintf(text, sizeof(text), format, args) < 0)
		text[0] = '\0';
	va_end(args);
	bindings->log(priority, text);
}
