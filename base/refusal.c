/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Fills in a refusal: code, name, text. Touches only what it is given. */
#include "base/refusal.h"

#include <stdarg.h>
#include <stdio.h>

int ocs_refuse(struct ocs_refusal *refusal, int code, const char *name, const char *format, ...)
{
	va_list args;

	refusal->code = code;
	refusal->name = name;
	va_start(args, format);
	if (vsnprintf(refusal->text, sizeof(refusal->text), format, args) < 0)
		refusal->text[0] = '\0';
	va_end(args);
	refusal->no_memory = false;
	return -1;
}

int ocs_refuse_memory(struct ocs_refusal *refusal)
{
	ocs_refuse(refusal, 500, "INTERNAL", "out of memory");
	refusal->no_memory = true;
	return -1;
}
