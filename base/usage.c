/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* The command line of a program: see usage.h. Touches standard error. */
#include "base/usage.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

int ocs_usage_hint(const char *program)
{
	fprintf(stderr, "Try `%s --help`.\n", program);
	return -1;
}

int ocs_usage_error(const char *program, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "%s: ", program);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return ocs_usage_hint(program);
}

bool ocs_usage_number(const char *word, int base, uint64_t min, uint64_t max, uint64_t *number_r)
{
	unsigned long long number;
	char *end;

	/* strtoull() alone would take a sign and white space. */
	if (word[0] < '0' || word[0] > '9')
		return false;
	errno = 0;
	number = strtoull(word, &end, base);
	if (errno != 0 || *end != '\0' || number < min || number > max)
		return false;
	*number_r = number;
	return true;
}
