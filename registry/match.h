/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (C) 2026 the OCSManager developers */
/*
 * Matching (MS-OXCNOTIF 2.2.1.2.1.1): which subscription wants which entry. One rule, used by the
 * daemon for a queue's matchers and by the library for each handle. Pure; any thread.
 */
#ifndef OCS_REGISTRY_MATCH_H
#define OCS_REGISTRY_MATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "mqueue/entry.h"
#include "mqueue/name.h"

/*
 * entry is one of table `table`. types: NotificationTypes of the subscription
 * (OCSNOTIFY_TABLE_MODIFIED for the implicit one of a table). folder OCS_FOLDER_STORE: the whole
 * store. mid 0: the folder itself and the messages directly in it; else that message in that
 * folder. A move is heard in its source too.
 */
bool ocs_match_entry(const struct ocs_entry *entry, enum ocs_table table, uint16_t types,
                     uint64_t folder, uint64_t mid);

/* The tables a set of NotificationTypes needs queues of: bit 1 << table for each. */
unsigned ocs_match_tables(uint16_t types);

#endif
