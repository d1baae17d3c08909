/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* What tests of a damaged store share: one with FILLED_RECORDS records in a temporary folder. */
#ifndef OCS_UNIT_FILLED_RIG_H
#define OCS_UNIT_FILLED_RIG_H

#include "tests/unit/rig.h"

#define FILLED_RECORDS 400
#define FILLED_CHAINS  1009

extern char filled_path[256];
extern struct ocs_store *filled_store;

void filled_setup(void);
void filled_teardown(void);

/* Writes the records, in one transaction. */
void filled_write(void);
/* A transaction of one record. */
void filled_put(const char *key, const char *data);
/* Every operation: none may end the process. Returns how many records were read, all of them right.
 */
int filled_use(void);
/* Writes to the file past the store. */
void filled_overwrite(off_t at, const void *data, size_t len);
/* Reads all records for nothing: an ocs_store_result. */
int filled_each(void);

#endif
