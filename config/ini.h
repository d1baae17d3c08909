/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Reading an ini file into a flat list of values with their lines, by libini_config.
 *
 * What is an ini: sections in brackets, `key = value` a line, white space around both ignored,
 * lines that begin with # or ; are comments. A value is the rest of its line as it stands: quotes,
 * # and ; belong to it. Section and key names are compared without case.
 */
#ifndef OCS_CONFIG_INI_H
#define OCS_CONFIG_INI_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

#define OCS_INI_SIZE_MAX (1024 * 1024) /* bytes of a file */

struct ocs_ini_value {
	const char *section, *key, *value;
	unsigned line;
};

struct ocs_ini_section {
	const char *name;
	unsigned line;
};

struct ocs_ini { /* a talloc object that all below it hangs on */
	size_t n_values, n_sections;
	struct ocs_ini_value *values;
	struct ocs_ini_section *sections; /* also those without values; each once */
	bool others_can_read;             /* by the mode of the file */
};

/* Told of each line that cannot be used; line 0 is the whole file. */
typedef void ocs_ini_report_fn(unsigned line, const char *text, void *arg);

/* NULL if the file cannot be read at all, which is reported. Lines that were reported are left
 * out of the result, all others are in it. */
struct ocs_ini *ocs_ini_read(const char *path, const void *mem_ctx, ocs_ini_report_fn *report,
                             void *arg);

/* The value of a key, NULL if it is not there. */
const struct ocs_ini_value *ocs_ini_find(const struct ocs_ini *ini, const char *section,
                                         const char *key);
/* The line of a section's header, 0 if it is not there. */
unsigned ocs_ini_section_line(const struct ocs_ini *ini, const char *section);

#endif
