/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * uthash as auth uses it: out of memory is a failed insertion (hh.tbl is NULL then), not an exit.
 */
#ifndef OCS_AUTH_TABLE_H
#define OCS_AUTH_TABLE_H

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#endif
