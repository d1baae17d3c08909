/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Reading an ini file, in one pass, into its sections and their values with their lines. Reads the
 * file it is given and touches nothing else.
 *
 * What is an ini: sections in brackets, `key = value` a line, white space around all of it ignored,
 * lines that begin with # or ; are comments. A value is the rest of its line as it stands: quotes,
 * # and ; belong to it, and it does not continue in the next line. Section and key names are ASCII
 * without control characters, compared without case. UTF-8; a byte order mark and CRLF are fine.
 */
#ifndef OCS_CONFIG_INI_H
#define OCS_CONFIG_INI_H

#include <stdbool.h>
#include <stddef.h>

#define OCS_INI_SIZE_MAX (1024 * 1024) /* bytes of a file */
#define OCS_INI_LINE_MAX 65536         /* bytes of a line */
#define OCS_INI_NAME_MAX 255           /* bytes of the name of a section or a key */

struct ocs_ini_value {
	const struct ocs_ini_section *section;
	const char *key, *value;
	unsigned line;
	struct ocs_ini_value *prev, *next; /* of the section, in the order of lines */
	struct ocs_ini_value *collides;    /* of the same bucket: ini.c alone */
};

struct ocs_ini_section {
	const char *name;
	struct ocs_ini_value header; /* its line; the key is "" */
	bool repeated; /* there is one of that name further up, which has the values of both */
	struct ocs_ini_value *values;
	struct ocs_ini_section *prev, *next; /* in the order of lines */
};

struct ocs_ini { /* a talloc object that all below it hangs on */
	struct ocs_ini_section *sections;
	bool others_can_read;          /* by the mode of the file */
	unsigned long compared;        /* names with names, while it was read */
	size_t n_buckets;              /* a power of two, above the number of lines */
	struct ocs_ini_value **bucket; /* values and headers by a hash of section and key */
};

/* Told of each line that cannot be used; line 0 is the whole file. */
typedef void ocs_ini_report_fn(unsigned line, const char *text, void *arg);

/* NULL if the file cannot be read at all, which is reported. Lines that were reported are left
 * out of the result, all others are in it. */
struct ocs_ini *ocs_ini_read(const char *path, const void *mem_ctx, ocs_ini_report_fn *report,
                             void *arg);
/* The same for what was read: text has len bytes and a NUL behind them, hangs on ini (a new one,
 * all zero) and becomes part of it. -1: out of memory. */
int ocs_ini_parse(struct ocs_ini *ini, char *text, size_t len, ocs_ini_report_fn *report,
                  void *arg);

/* The value of a key, NULL if it is not there. */
const struct ocs_ini_value *ocs_ini_find(const struct ocs_ini *ini, const char *section,
                                         const char *key);
/* The line of a section's header, 0 if it is not there. */
unsigned ocs_ini_section_line(const struct ocs_ini *ini, const char *section);

#endif
