/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* What the files of the spool share: see spool.h. */
#ifndef OCS_SPOOL_INTERNAL_H
#define OCS_SPOOL_INTERNAL_H

#include <stdint.h>
#include <sys/types.h>

#define OCS_SPOOL_FILE_MAX  (1024 * 1024)
#define OCS_SPOOL_FILES_MAX 64
/* more than the largest event: three names of 1024 bytes, each of them escaped */
#define OCS_SPOOL_RECORD_MAX (32 * 1024)

struct ocs_spool_range {
	uint64_t first, last; /* names; 0: no file */
	unsigned int count;
};

/* The folder's descriptor, or -1 where it is not usable (now). */
int ocs_spool_dir(void);
/* -1 with errno. */
int ocs_spool_range(int dir, struct ocs_spool_range *range_r);
const char *ocs_spool_name(uint64_t number);
/* Logs an error, the first of a process only. */
void ocs_spool_error(const char *function, const char *name);

/* For this process there is no spool any more: what it cannot read or remove would hold up all that
   follows. */
void ocs_spool_give_up(void);

/* Forgets what is open for reading (spool_read.c). */
void ocs_spool_read_close(void);

#endif
