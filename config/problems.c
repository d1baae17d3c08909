/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The list of what is wrong in a configuration, and where a key stands in it. Memory only.
 */
#include "config/check.h"

#include <stdarg.h>
#include <syslog.h>
#include <talloc.h>

void ocs_problem_add(struct ocs_problems *problems, int priority, unsigned line, const char *format,
                     ...)
{
	struct ocs_problem *more = problems->list;
	va_list args;

	if ((problems->n & (problems->n - 1)) == 0) /* it doubles, so that n are added in n steps */
		more = talloc_realloc(problems, problems->list, struct ocs_problem,
		                      problems->n != 0 ? 2 * problems->n : 1);

	if (priority <= LOG_ERR)
		problems->errors++;
	if (more == NULL) {
		problems->lost = true;
		return;
	}
	problems->list = more;
	va_start(args, format);
	more[problems->n] = (struct ocs_problem){
	        .line = line,
	        .priority = priority,
	        .text = talloc_vasprintf(problems, format, args),
	};
	va_end(args);
	if (more[problems->n].text == NULL)
		problems->lost = true;
	else
		problems->n++;
}

unsigned ocs_problem_line(const struct ocs_ini *ini, const char *section, const char *key)
{
	const struct ocs_ini_value *value = ocs_ini_find(ini, section, key);

	return value != NULL ? value->line : ocs_ini_section_line(ini, section);
}
