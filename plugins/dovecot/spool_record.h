/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The bytes of the spool's files: see spool.h for the format. Pure functions, without Dovecot, so
 * that they can be fuzzed (fuzz/fuzz_plugin_spool.c).
 */
#ifndef OCS_SPOOL_RECORD_H
#define OCS_SPOOL_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "spool.h"

/* What is before the XML of a record; "\n" follows it. */
#define OCS_SPOOL_HEAD_FORMAT "\n+%08x "
#define OCS_SPOOL_HEAD        (sizeof("+01234567 ") - 1) /* bytes, without the line end before it */

typedef uint32_t ocs_spool_crc_fn(const void *data, size_t size);

enum ocs_spool_line {
	OCS_SPOOL_LINE_END,     /* nothing whole is there, and perhaps being written */
	OCS_SPOOL_LINE_OTHER,   /* reported already, or none; to be passed over */
	OCS_SPOOL_LINE_DAMAGED, /* likewise */
	OCS_SPOOL_LINE_RECORD,  /* *xml_r is it */
};

/* What the file begins with from a place on: text has size bytes and a NUL behind them, and is
 * changed. max: bytes of the longest record; size is less than it at the end of the file only.
 * *taken_r: to be gone on by. */
enum ocs_spool_line ocs_spool_line_read(char *text, size_t size, size_t max, ocs_spool_crc_fn *crc,
                                        size_t *taken_r, const char **xml_r);

/* What the lock file says; all 0 where that cannot be. */
void ocs_spool_away_parse(const char *text, long long now_msecs, struct ocs_spool_away *away_r);

#endif
