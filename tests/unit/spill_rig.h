/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/* Spill lists below rig_folder, written as the daemon writes them. */
#ifndef OCS_UNIT_SPILL_RIG_H
#define OCS_UNIT_SPILL_RIG_H

#include "mqueue/entry.h"
#include "mqueue/spill.h"
#include "tests/unit/rig.h"

/* An entry for the table, with n as its message flags; its length. */
size_t spill_entry(enum ocs_table table, uint32_t n, uint8_t out[OCS_ENTRY_SIZE_MAX]);
/* Opens the list, appends, and closes it. */
enum ocs_spill_outcome spill_append(uint64_t context, uint64_t queue, enum ocs_table table,
                                    const uint8_t *entry, size_t len, uint32_t max);
/* What waits in all lists. */
uint64_t spill_total(void);

#endif
