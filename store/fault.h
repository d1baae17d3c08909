/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * The seam for tests: calls of libtdb that a test may replace to fail the nth time. Nothing else
 * may touch it.
 */
#ifndef OCS_STORE_FAULT_H
#define OCS_STORE_FAULT_H

struct tdb_context;

extern int (*ocs_store_tdb_commit)(struct tdb_context *tdb); /* tdb_transaction_commit() */

#endif
